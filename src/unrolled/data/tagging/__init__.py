"""The formats of `read_tagged`, a reader each.

files.py      which files are read, and their format
sentences.py  what is asked of a reader, and what it fills
columns.py    one word a line, in any columns
conllu.py     the ten columns of Universal Dependencies
json.py       intents with slots, and lists of tokens and tags
plain.py      a sentence a line
"""
