"""Values of a graph written as formulas: `sigmoid(weight_ih[0:4] x + bias_ih[0:4])`.

A matrix stands before the vector that it multiplies, `W x`; `*` is entry by entry; `W'` is the
transpose; `[a; b]` is one vector after another. Brackets stand only where they are needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from string import Formatter
from typing import Any

from .canonical import Canonical
from .functions import FUNCTIONS, Function
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
from .views import SAME_ENTRIES, TRANSPOSES, cut, operator_name, spread

# How firmly a formula holds together, from a sum to a name.
LOOSE, SUM, PRODUCT, APPLIED, ATOM = range(5)

# Of each operator between operands: its own firmness, and what each operand needs.
_FIRMNESS = {
    "add": (SUM, SUM, SUM),
    "sub": (SUM, SUM, PRODUCT),
    "neg": (SUM, PRODUCT),
    "mul": (PRODUCT, PRODUCT, PRODUCT),
    "div": (PRODUCT, PRODUCT, APPLIED),
    "pow": (APPLIED, ATOM, ATOM),
}

Piece = tuple[str, int]


class Formulas:
    """Writes values, by name where they have one.

    Arguments:
        graph: the values' graph; its inputs give the order of terms.
        names: what values are called; a value without a name is written out.
    """

    def __init__(self, graph: Graph, names: Mapping[Node, str]):
        self.names = names
        self.order = Canonical(graph)

    def renamed(self, names: Mapping[Node, str]) -> Formulas:
        """The same with other names."""
        other = copy(self)
        other.names = names
        return other

    def definition(self, node: Node) -> str:
        """How a value is computed, even where it has a name."""
        return self._made(node)[0]

    def written(self, node: Node, least: int = LOOSE) -> str:
        """A value's name or formula, in brackets where it is looser than `least`."""
        named = node in self.names
        text, firmness = (self.names[node], ATOM) if named else self._made(node)
        return text if firmness >= least else f"({text})"

    def product(self, node: Affine) -> str:
        """An affine map without its bias."""
        return f"{self.written(node.matrix, ATOM)} {self.written(node.vector, ATOM)}"

    def _made(self, node: Node) -> Piece:
        match node:
            case Number():
                return number_text(node.value), ATOM if node.value >= 0 else SUM
            case Input():
                return node.name, ATOM
            case Pointwise():
                return self._pointwise(node)
            case Affine():
                return self._affine(node)
            case Slice():
                return f"{self.written(node.vector, ATOM)}{_range(node)}", ATOM
            case Concat():
                return f"[{'; '.join(map(self.written, node.parts))}]", ATOM
            case Reduce():
                return f"{node.kind}({self.written(node.vector)})", ATOM
        return self._fixed(node)

    def _affine(self, node: Affine) -> Piece:
        if node.bias is None:
            return self.product(node), APPLIED
        return f"{self.product(node)} + {self.written(node.bias, SUM)}", SUM

    def _pointwise(self, node: Pointwise) -> Piece:
        if spread(node) is not None:
            return self._same(spread(node))
        name = node.function.name
        if name == "add":
            terms = self.order.terms(self._operands_of("add", node))
            return " + ".join(self.written(term, SUM) for term in terms), SUM
        if name == "mul":
            factors = self.order.factors(self._operands_of("mul", node))
            return " * ".join(self.written(factor, PRODUCT) for factor in factors), PRODUCT
        operands = node.operands
        return self._applied(node.function, operands)

    def _same(self, node: Node | None) -> Piece:
        assert node is not None
        return (self.names[node], ATOM) if node in self.names else self._made(node)

    def _operands_of(self, name: str, node: Pointwise) -> list[Node]:
        """The operands of a tree of one function, down to what is named or made otherwise."""
        found: list[Node] = []
        for operand in node.operands:
            inner = operand not in self.names and spread(operand) is None
            if isinstance(operand, Pointwise) and operand.function.name == name and inner:
                found.extend(self._operands_of(name, operand))
            else:
                found.append(operand)
        return found

    def _applied(self, function: Function, operands: Any) -> Piece:
        own, *needs = _FIRMNESS.get(function.name, (ATOM, *[LOOSE] * len(operands)))
        texts = [self._argument(arg, need) for arg, need in zip(operands, needs, strict=False)]
        return function.notation.format(*texts), own

    def _argument(self, operand: Any, least: int = LOOSE) -> str:
        """An argument of an operator of torch: a tensor, a number, a list of those."""
        if isinstance(operand, Node):
            return self.written(operand, least)
        if isinstance(operand, (tuple, list)):
            return f"[{'; '.join(map(self._argument, operand))}]"
        return number_text(operand) if isinstance(operand, float) else str(operand)

    def _fixed(self, node: Node) -> Piece:
        match node:
            case Parameter():
                return parameter_name(node), ATOM
            case Literal() if node.size == 1:
                value = float(node.value)
                return number_text(value), ATOM if value >= 0 else SUM
            case Literal():
                return f"constant{list(node.shape)}", ATOM
            case Computed():
                return self._computed(node)
        raise TypeError(f"no notation for {type(node).__name__}")

    def _computed(self, node: Computed) -> Piece:
        name, operands = operator_name(node), node.operands
        if cut(node):
            return self._part(node)
        if name in TRANSPOSES:
            return f"{self.written(operands[0], ATOM)}'", ATOM
        if name in SAME_ENTRIES:
            return self._same(operands[0])
        if name in ("mm", "mv", "matmul"):
            return " ".join(self.written(operand, APPLIED) for operand in operands), APPLIED
        if name == "cat":
            return self._argument(operands[0]), ATOM
        if name == "rsub":
            name, operands = "sub", operands[::-1]
        function = FUNCTIONS.get(name)
        if function is not None and not node.options and len(operands) == _arity(function):
            return self._applied(function, operands)
        options = [f"{key}={self._argument(value)}" for key, value in node.options.items()]
        return f"{name}({', '.join([*map(self._argument, operands), *options])})", ATOM

    def _part(self, node: Computed) -> Piece:
        """A slice along several dimensions with one pair of brackets: weight[0:4, 0:3]."""
        ranges: dict[int, str] = {}
        tensor: Fixed = node
        while part := cut(tensor):
            inner, dim, start, stop = part
            if dim in ranges or tensor in self.names:
                break
            ranges[dim], tensor = f"{start}:{stop}", inner
        whole = [ranges.get(dim, ":") for dim in range(max(ranges) + 1)]
        return f"{self.written(tensor, ATOM)}[{', '.join(whole)}]", ATOM


def _arity(function: Function) -> int:
    """How many operands a function's notation has."""
    return sum(field is not None for _, field, _, _ in Formatter().parse(function.notation))


def parameter_name(node: Parameter) -> str:
    """The qualified name, without the prefix of a wrapped module."""
    return node.name.removeprefix("module.")


def number_text(value: float) -> str:
    """A number in six digits at most."""
    return f"{value:.6g}"


def _range(node: Slice) -> str:
    return f"[{node.start}:{node.start + node.size}]"
