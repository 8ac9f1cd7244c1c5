"""From any table to series on a regular grid, one stage per file.

    source.py     open a file, a bundled example or a dataframe
    columns.py    what each column holds: times, numbers, text; errors name the row
    dates.py      spellings of dates, and the moments they mean
    times.py      read a time column
    identity.py   the time column, and the columns that tell series apart
    roles.py      target, past, future, static
    rows.py       drop, sort and merge rows
    steps.py      the frequency
    placing.py    put rows on the grid, one series at a time
    statics.py    columns that describe a whole series, as numbers
    pipeline.py   all of it in order
    notes.py      record what was inferred or repaired

These modules import polars; `unrolled.data` itself does not until a table is read.
"""
