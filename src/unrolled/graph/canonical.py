"""An order of a graph's values that does not depend on names or on the order of making.

Two graphs that compute alike, with parameters called differently, are written alike.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from .graph import Graph
from .nodes import (
    Affine,
    Computed,
    Concat,
    Fixed,
    Input,
    Literal,
    Node,
    Number,
    Parameter,
    Pointwise,
    Reduce,
    Slice,
)
from .views import cut

# Of a product, what scales comes first and what is scaled last: 0.9 * h, f * c, o * tanh(c').
_FACTORS = {"Number": 0, "Fixed": 1, "sigmoid": 2, "sub": 3, "add": 3, "Affine": 5, "Input": 6}
_OTHER_FACTOR = 4


class Canonical:
    """The order in which a graph's values are written."""

    def __init__(self, graph: Graph):
        self._position = {node.name: index for index, node in enumerate(graph.inputs)}
        self._signatures: dict[Node, str] = {}
        self._rows: dict[Node, float] = {}
        # A graph may be deep, and arguments come before what they make: no recursion is long.
        for node in graph.nodes:
            self.signature(node)
            self._rows[node] = _first_row(node, self._rows)

    def signature(self, node: Node) -> str:
        """A digest of how a value is computed that leaves out the names of parameters."""
        if node not in self._signatures:
            facts = f"{type(node).__name__}{self._facts(node)}[{node.size}]"
            self._signatures[node] = hashlib.md5(facts.encode()).hexdigest()
        return self._signatures[node]

    def terms(self, terms: Sequence[Node]) -> list[Node]:
        """The terms of a sum in order: maps, the state carried over, the rest, constants."""
        return sorted(terms, key=lambda node: (_term_rank(node), *self.key(node)))

    def factors(self, factors: Sequence[Node]) -> list[Node]:
        """The factors of a product in order: numbers, parameters, gates, values, inputs."""
        return sorted(factors, key=lambda node: (_factor_rank(node), *self.key(node)))

    def key(self, node: Node) -> tuple[Any, ...]:
        """Sorts by inputs read, then rows of parameters, kind, and how a value is computed."""
        reads = [self._position.get(name, len(self._position)) for name in node.reads]
        return reads, self._rows[node], _kind(node), self.signature(node), node.serial

    def _facts(self, node: Node) -> list[Any]:
        match node:
            case Parameter():
                return [node.shape]
            case Literal():
                return [node.key]
            case Number():
                return [node.value]
            case Input():
                return [self._position.get(node.name, node.name)]
            case Computed():
                return [str(node.operator), self._operands(node.operands), node.shape]
            case Pointwise():
                parts = [self.signature(operand) for operand in node.operands]
                ordered = sorted(parts) if node.function.commutes else parts
                return [node.function.name, *ordered]
            case Affine():
                return [bool(node.bias), *map(self.signature, node.args)]
            case Slice():
                return [node.start, self.signature(node.vector)]
            case Reduce():
                return [node.kind, self.signature(node.vector)]
        return [self.signature(arg) for arg in node.args]

    def _operands(self, operands: Any) -> str:
        if isinstance(operands, Node):
            return self.signature(operands)
        if isinstance(operands, (tuple, list)):
            return f"[{', '.join(map(self._operands, operands))}]"
        return repr(operands)


def _first_row(node: Node, known: Mapping[Node, float]) -> float:
    """The first row of the parameters' parts that a value is computed from."""
    part = cut(node)
    if part is not None:
        return part[2]
    return min((known[arg] for arg in node.args), default=math.inf)


def _kind(node: Node) -> str:
    if isinstance(node, Pointwise):
        return node.function.name
    return "Fixed" if isinstance(node, Fixed) else type(node).__name__


def _term_rank(node: Node) -> int:
    match node:
        case Affine():
            return 0
        case Fixed():
            return 3
        case Number():
            return 4
    scaled = isinstance(node, Pointwise) and node.function.name == "mul"
    parts = (node, *node.args) if scaled else (node,)
    return 1 if any(isinstance(part, Input) for part in parts) else 2


def _factor_rank(node: Node) -> int:
    if isinstance(node, (Slice, Concat)):
        return _FACTORS["Input"]
    return _FACTORS.get(_kind(node), _OTHER_FACTOR)
