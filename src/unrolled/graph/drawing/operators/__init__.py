"""Every operator of a graph.

| file | what |
|---|---|
| elements.py | what is drawn: an element for a value, and arrows |
| diagram.py | as a picture |
| markup.py | as text for Mermaid and Graphviz |
"""

from .diagram import operators_picture
from .markup import dot, mermaid

__all__ = ["dot", "mermaid", "operators_picture"]
