"""A graph as a program that can be read: what `print(graph)` shows.

    LSTM: x[3], h[4], c[4] -> h[4], c[4]
    at every step
      i  = sigmoid(weight_ih[0:4] x + bias_ih[0:4] + weight_hh[0:4] h + bias_hh[0:4])
      ...
      c' = f * c + i * g
      h' = o * tanh(c')

A value that is used once is written inside the formula that uses it, unless it is a gate or an
output; any other has a line and a name (`names`).
"""

from __future__ import annotations

from collections.abc import Mapping

from .graph import Graph
from .names import computed_outputs, is_cell, named, output_name
from .nodes import Fixed
from .notation import Formulas


def listing(graph: Graph) -> str:
    """The program of a graph: its sizes, what is computed once, what at every step."""
    names = named(graph)
    formulas = Formulas(graph, names)
    once = {name: formulas.definition(n) for n, name in names.items() if isinstance(n, Fixed)}
    every = {name: formulas.definition(n) for n, name in names.items() if not isinstance(n, Fixed)}
    every |= _plain_outputs(graph, formulas)
    cell = is_cell(graph)
    lines = [_signature(graph)]
    if once:
        lines += ["once per unroll" if cell else "once", *_aligned(once)]
    if cell or once:
        lines += ["at every step" if cell else "for every sample"]
    return "\n".join([*lines, *_aligned(every)])


def _plain_outputs(graph: Graph, formulas: Formulas) -> dict[str, str]:
    """The outputs that are an input, a parameter, a number or another output."""
    computed = computed_outputs(graph).values()
    labels = {output_name(graph, name): node for name, node in graph.outputs.items()}
    return {name: formulas.written(node) for name, node in labels.items() if name not in computed}


def _signature(graph: Graph) -> str:
    given = ", ".join(f"{node.name}[{node.size}]" for node in graph.inputs)
    made = ", ".join(f"{name}[{node.size}]" for name, node in graph.outputs.items())
    return f"{graph.name}: {given} -> {made}"


def _aligned(lines: Mapping[str, str]) -> list[str]:
    width = max(map(len, lines), default=0)
    return [f"  {name:<{width}} = {formula}" for name, formula in lines.items()]
