"""Layouts of directed graphs in layers, every edge leading to a later layer.

| file | what |
|---|---|
| layout.py | `layered`: a layer for every node, then all of the places |
| ordering.py | orders within the layers in which few edges cross |
| aligning.py | positions in that order that keep long edges straight |
| links.py | what these look up: neighbours, rows, places |
"""

from .layout import Layout, layered

__all__ = ["Layout", "layered"]
