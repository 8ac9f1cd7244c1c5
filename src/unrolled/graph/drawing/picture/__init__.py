"""Pictures of circles, boxes and arrows.

| file | what |
|---|---|
| picture.py | `Picture`: what it holds, and how an arrow finds its way |
| shapes.py | shapes, texts and lines, each at its place |
| geometry.py | rectangles with round corners, lines, curves |
| looks.py | colours, letters and the sizes of texts |
| painting.py | a picture as an SVG, PNG or PDF file |
"""

from .geometry import Point, Rectangle, along
from .looks import BODY, FILLS, INK, SMALL, text_size, text_width
from .painting import SUFFIXES, write_whole
from .picture import RADIUS, Picture, circle_width
from .shapes import Line, Shape, Text

__all__ = [
    "BODY",
    "FILLS",
    "INK",
    "RADIUS",
    "SMALL",
    "SUFFIXES",
    "Line",
    "Picture",
    "Point",
    "Rectangle",
    "Shape",
    "Text",
    "along",
    "circle_width",
    "text_size",
    "text_width",
    "write_whole",
]
