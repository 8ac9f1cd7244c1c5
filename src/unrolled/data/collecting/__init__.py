"""The sources of `read_samples` and `read_pairs`.

files.py     bytes to text and lines, whatever the encoding; text to a table of text columns
roles.py     which column of a table is the text, the label, the sample, the step
tables.py    rows of a table, or groups of rows, to samples
folders.py   files and folders that are named after their class
ts.py        the .ts format of collections of numeric sequences
numbers.py   numeric sequences without gaps

Those of `read_system`.

experiments.py  tables of samples in time to records; sampling.py: whether times are even
"""
