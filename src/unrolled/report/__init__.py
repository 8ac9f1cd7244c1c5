"""Reports: one HTML file that opens offline, in light, in dark, on a phone and on paper.

page.py      Page and the blocks that it is made of; page.html and page.css draw them
figures.py   the palette, and how a figure becomes inline SVG or a file
charts.py    charts that any task can use: lines over steps, fans over time, calibration
confusion.py which class was taken for which
overview.py  what a table of series holds and lacks
numbers.py   numbers, shares and durations as people read them
machine.py   what a run was made with
"""

from .page import Code, Facts, Items, Key, Page, Picture, Pictures, Table, Text, Tile, Tiles

__all__ = [
    "Code",
    "Facts",
    "Items",
    "Key",
    "Page",
    "Picture",
    "Pictures",
    "Table",
    "Text",
    "Tile",
    "Tiles",
]
