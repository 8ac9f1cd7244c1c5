"""Drawings of a graph: as a textbook draws it, and with every operator.

| file or folder | what |
|---|---|
| levels.py | which drawing of a graph, into which file |
| networks/ | a network as circles x, h, o, L, y in a row, folded and unrolled |
| inside/ | one step as gates and elementwise operators around its state line |
| operators/ | every operator: as a picture, for Mermaid, for Graphviz |
| layered/ | where the nodes and edges of any graph stand, in layers |
| picture/ | circles, boxes and arrows, and how they come on paper |
| forms.py, symbols.py | what a drawing shows of a cell; names as mathematics |

`levels` chooses one of `networks`, `inside` and `operators`; each of them makes a `picture`, and
none knows of the others. Nothing is imported from matplotlib before something is drawn.
"""

from .levels import LEVELS, NETWORKS, draw, is_row, picture_of

__all__ = ["LEVELS", "NETWORKS", "draw", "is_row", "picture_of"]
