"""The computational graph of a step: traced, simplified, evaluated, differentiated, drawn.

| file | what |
|---|---|
| trace.py | a step as a list of aten operators, the batch symbolic |
| lowering/ | those operators as values of a graph |
| nodes.py, functions.py | the values, and the table of pointwise functions |
| build.py, simplify.py, tidy.py | make values once, simplify them |
| graph.py | a graph: evaluate it, list it |
"""

from .graph import Graph
from .make import graph
from .trace import UnsupportedOperator

__all__ = ["Graph", "UnsupportedOperator", "graph"]
