"""A step as its blocks: gates, elementwise operators and what they read.

A gate is a nonlinearity together with the sum of affine maps that it is applied to. Biases,
numbers and parameters that scale are no blocks of their own; they are part of a block's text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ...graph import Graph
from ...nodes import (
    Affine,
    Concat,
    Fixed,
    Input,
    Node,
    Number,
    Pointwise,
    Reduce,
    Slice,
)
from ...notation import ATOM, LOOSE, PRODUCT, SUM
from ...roles import roles
from .. import symbols
from .coefficients import Coefficients

_ORDERS = ("less", "less_equal")
# Functions that are written between their operands, or before one; how firmly a constant after
# the sign, and before it, holds together.
_BETWEEN = {
    "add": SUM, "sub": PRODUCT, "mul": PRODUCT, "div": ATOM, "neg": PRODUCT, "equal": LOOSE,
    **dict.fromkeys(_ORDERS, LOOSE),
}  # fmt: skip
_BEFORE = {"sub": SUM, "div": PRODUCT}
_LINEAR = ("add", "sub", "mul", "div")


@dataclass(frozen=True, eq=False)
class Block:
    """
    Attributes:
        kind: "source" (an input), "gate" (a nonlinearity of affine maps), "linear" (affine maps
            alone), "operator" or "function" (elementwise).
        text: what is written into it.
        inputs: the blocks that it reads, in order.
        name: of the gate, or of the input.
        linear: whether its operands are added, scaled or multiplied with one another.
    """

    kind: str
    text: str
    inputs: tuple[Block, ...] = ()
    name: str = ""
    linear: bool = False

    @property
    def maps(self) -> bool:
        """Whether it holds an affine map."""
        return self.kind in ("gate", "linear")


@dataclass
class Blocks:
    """The blocks of a graph.

    Attributes:
        sources: of the inputs that are read, by name.
        outputs: by name, in the order of the graph.
        consumers: the blocks that read a block.
    """

    sources: dict[str, Block]
    outputs: dict[str, Block]
    consumers: dict[Block, list[Block]] = field(default_factory=dict)

    @property
    def made(self) -> list[Block]:
        """Every block that is computed, each after its inputs."""
        found: dict[Block, None] = {}
        for block in self.outputs.values():
            _collect(block, found)
        return [block for block in found if block.kind != "source"]


def blocks_of(graph: Graph) -> Blocks:
    """The blocks that the graph's outputs need."""
    reader = _Condenser(graph)
    outputs = {}
    for name, node in graph.outputs.items():
        outputs[name] = reader.block(node) or reader.constant(node)
    sources = {n.name: reader.made[n] for n in graph.inputs if n in reader.made}
    blocks = Blocks(sources, outputs)
    for block in blocks.made:
        for source in dict.fromkeys(block.inputs):
            blocks.consumers.setdefault(source, []).append(block)
    return blocks


class _Condenser:
    """Makes the block of a value, each once."""

    def __init__(self, graph: Graph):
        self.made: dict[Node, Block] = {}
        self._roles = roles(graph)
        self._coefficients = Coefficients(graph)
        uses = Counter(arg for node in graph.nodes for arg in node.args)
        self._uses = uses + Counter(graph.outputs.values())

    def block(self, node: Node) -> Block | None:
        """The block of a value; None of a fixed one."""
        if isinstance(node, (Fixed, Number)):
            return None
        if node not in self.made:
            self.made[node] = self._make(node)
        return self.made[node]

    def constant(self, node: Node) -> Block:
        """The block of an output that is the same at every step."""
        return Block("function", f"${self._coefficients.written(node)}$")

    def _make(self, node: Node) -> Block:
        match node:
            case Input():
                return Block("source", "", name=node.name)
            case Affine():
                return self._affine_sum("linear", symbols.matrix(self._roles[node].symbol), [node])
            case Slice():
                text = f"[{node.start}:{node.start + node.size}]"
                return Block("function", text, self._blocks([node.vector]))
            case Concat():
                return Block("function", "concat", self._blocks(node.parts))
            case Reduce():
                return Block("function", node.kind, self._blocks([node.vector]))
            case Pointwise():
                return self._pointwise(node)
        raise TypeError(f"no block for {type(node).__name__}")

    def _pointwise(self, node: Pointwise) -> Block:
        terms = list(self._terms(node))
        if node.function.name == "add" and all(isinstance(t, (Affine, Fixed)) for t in terms):
            return self._affine_sum("linear", "linear", terms)
        clipped, bounds = _clip(node)
        operands = (clipped,) if bounds else node.operands
        text = _written_clip(bounds) if bounds else self._written(node)
        # A clip compares the value with a bound and selects it, which makes two uses.
        if len(operands) == 1 and self._uses[operands[0]] == (2 if bounds else 1):
            terms = list(self._terms(operands[0]))
            if any(isinstance(term, Affine) for term in terms):
                return self._affine_sum("gate", text, terms)
        inputs = tuple(dict.fromkeys(self._blocks(operands)))
        kind = "operator" if len(inputs) > 1 else "function"
        return Block(kind, text, inputs, linear=_is_linear(node))

    def _written(self, node: Pointwise) -> str:
        """The sign or the name of a function, with the operands that are no blocks."""
        name = node.function.name
        sign = symbols.sign(name)
        if _is_square(node):
            return "square"
        last = _BETWEEN.get(name, LOOSE)
        # Where the order is free a constant stands second.
        first = last if node.function.commutes else _BEFORE.get(name, LOOSE)
        pairs = zip(node.operands, (first, last, last), strict=False)
        constants = [self._coefficients.written(operand, need) for operand, need in pairs]
        if len(constants) == 1 or not any(constants):
            return sign
        if name in _BETWEEN:
            before, after = constants
            commutes = node.function.commutes and before
            return _joined("", sign, before) if commutes else _joined(before, sign, after)
        return " ".join([sign, *(f"${text}$" for text in constants if text)])

    def _affine_sum(self, kind: str, text: str, terms: list[Node]) -> Block:
        read = [term.vector if isinstance(term, Affine) else term for term in terms]
        found = [self._roles[term].label for term in terms if isinstance(term, Affine)]
        names = [name for name in found if name is not None and not name.isdigit()]
        return Block(kind, text, self._blocks(read), names[0] if names else "")

    def _terms(self, node: Node) -> Iterator[Node]:
        """What a sum adds, as far as its parts are of no use elsewhere."""
        if isinstance(node, Pointwise) and node.function.name == "add":
            for operand in node.operands:
                inner = isinstance(operand, Pointwise) and self._uses[operand] > 1
                yield from [operand] if inner else self._terms(operand)
        else:
            yield node

    def _blocks(self, nodes: list[Node] | tuple[Node, ...]) -> tuple[Block, ...]:
        found = [self.block(node) for node in nodes]
        return tuple(block for block in found if block is not None)


def _collect(block: Block, found: dict[Block, None]) -> None:
    """Add a block to those found, each after its inputs."""
    if block not in found:
        for source in block.inputs:
            _collect(source, found)
        found[block] = None


def _clip(node: Node) -> tuple[Node, list[float]]:
    """The value that a chain of selections keeps within bounds, and the bounds."""
    match node:
        case Pointwise(operands=(Pointwise(operands=compared) as test, Number() as bound, value)):
            order = node.function.name == "select" and test.function.name in _ORDERS
            if order and set(compared) == {bound, value}:
                inner, bounds = _clip(value)
                return inner, [*bounds, bound.value]
    return node, []


def _written_clip(bounds: list[float]) -> str:
    return "clip " + ", ".join(f"${bound:.3g}$" for bound in sorted(bounds))


def _joined(before: str, sign: str, after: str) -> str:
    # Braces make the sign an ordinary letter, without space around it.
    return f"${before}{{{sign.strip('$')}}}{after}$"


def _is_square(node: Pointwise) -> bool:
    return node.function.name == "mul" and len(set(node.operands)) == 1


def _is_linear(node: Pointwise) -> bool:
    return node.function.name in _LINEAR and not _is_square(node)
