"""Where rolls come from: one kind of source a file.

asked.py        Asked, Found: what the user said, and what a source holds
sources.py      which kind a source is
midi_files.py   MIDI files: one, a folder, a zip
arrays.py       .mat, .npy and .npz files, arrays in memory
tables.py       a row a step, a column a key

Nothing is unpickled, and nothing of a zip is written to the disk.
"""
