"""Makes the values of a graph, each once, and simplifies them as they are made.

What is simplified here is exact: neutral elements, double negations, the order of operands that
commute, slices of slices and of concatenations, transposes of transposes, numbers among
themselves. An affine map of a concatenation becomes a sum of affine maps, which separates what
is computed from the input from what is computed from the state.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from .functions import FUNCTIONS
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
    numel,
)
from .simplify import SIMPLER

aten = torch.ops.aten
Made = TypeVar("Made", bound=Node)


class Builder:
    """Makes values. Every pointwise function is a method: `ops.tanh(a)`, `ops.add(a, 1)`."""

    def __init__(self) -> None:
        self._made: dict[str, Node] = {}
        self._inputs: dict[str, int] = {}

    def __getattr__(self, name: str) -> Callable[..., Node]:
        if name not in FUNCTIONS:
            raise AttributeError(f"no pointwise function is called {name!r}")
        return partial(self.apply, name)

    # Leaves

    def input(self, name: str, size: int) -> Input:
        self._inputs.setdefault(name, len(self._inputs))
        return self._make(Input, (name,), size=size, reads=(name,), name=name)

    def number(self, value: float, size: int = 1) -> Number:
        return self._make(Number, (repr(float(value)),), size=size, value=float(value))

    def parameter(self, name: str, shape: Sequence[int]) -> Parameter:
        shape = tuple(shape)
        return self._make(Parameter, (name, shape), size=numel(shape), shape=shape, name=name)

    def literal(self, value: Tensor) -> Literal:
        value = value.detach()
        data = value.cpu().contiguous()
        digest = hashlib.md5(data.reshape(-1).view(torch.uint8).numpy().tobytes())
        facts = (digest.hexdigest(), str(value.dtype), tuple(value.shape))
        shape = tuple(value.shape)
        return self._make(Literal, facts, size=numel(shape), shape=shape, value=value)

    # What torch computes from parameters

    def computed(
        self, operator: Any, operands: Sequence[Any], shape: Sequence[int], **options: Any
    ) -> Fixed:
        shape = tuple(shape)
        return self._make(
            Computed,
            (str(operator), _written(operands), _written(sorted(options.items()))),
            size=numel(shape),
            shape=shape,
            operator=operator,
            operands=tuple(operands),
            options=options,
        )

    def transposed(self, matrix: Fixed) -> Fixed:
        if isinstance(matrix, Computed) and matrix.operator is aten.t.default:
            return matrix.operands[0]
        rows, columns = matrix.shape
        return self.computed(aten.t.default, (matrix,), (columns, rows))

    def part(self, tensor: Fixed, dim: int, start: int, stop: int) -> Fixed:
        """Entries `start` to `stop` along a dimension."""
        if (start, stop) == (0, tensor.shape[dim]):
            return tensor
        if isinstance(tensor, Computed) and tensor.operator is aten.t.default:
            return self.transposed(self.part(tensor.operands[0], 1 - dim, start, stop))
        if isinstance(tensor, Computed) and tensor.operator is aten.slice.Tensor:
            inner, along, offset, _ = tensor.operands
            if along == dim:
                return self.part(inner, dim, offset + start, offset + stop)
        shape = (*tensor.shape[:dim], stop - start, *tensor.shape[dim + 1 :])
        return self.computed(aten.slice.Tensor, (tensor, dim, start, stop), shape)

    def reshaped(self, tensor: Fixed, shape: Sequence[int]) -> Fixed:
        shape = tuple(shape)
        if tensor.shape == shape:
            return tensor
        if isinstance(tensor, Computed) and tensor.operator is aten.reshape.default:
            return self.reshaped(tensor.operands[0], shape)
        return self.computed(aten.reshape.default, (tensor, list(shape)), shape)

    # Vectors

    def apply(self, name: str, *operands: Node | float) -> Node:
        """The pointwise function called `name` of its operands."""
        nodes = [self._node(operand) for operand in operands]
        size = max(node.size for node in nodes)
        if all(isinstance(node, Number) for node in nodes):
            values = [torch.tensor(self.constant(node), dtype=torch.float64) for node in nodes]
            return self.number(float(FUNCTIONS[name].value(*values)), size)
        rule = SIMPLER.get(name)
        if rule and (simpler := rule(self, *nodes)) is not None:
            return self.spread(simpler, size)
        if all(isinstance(node, (Number, Fixed)) for node in nodes):
            given = [n.value if isinstance(n, Number) else n for n in nodes]
            return self.computed(FUNCTIONS[name].value, given, (size,))
        if FUNCTIONS[name].commutes:
            nodes.sort(key=self._rank)
        return self._pointwise(name, size, nodes)

    def affine(self, matrix: Fixed, vector: Node, bias: Fixed | None = None) -> Node:
        """matrix x vector + bias."""
        if isinstance(vector, Concat):
            return self._affine_of_parts(matrix, vector, bias)
        if self.constant(vector) == 0:
            return bias if bias is not None else self.number(0, matrix.shape[0])
        facts = (matrix.key, vector.key, bias.key if bias else None)
        args = {"matrix": matrix, "vector": vector, "bias": bias}
        return self._make(Affine, facts, size=matrix.shape[0], reads=vector.reads, **args)

    def slice(self, vector: Node, start: int, size: int) -> Node:
        if (start, size) == (0, vector.size):
            return vector
        match vector:
            case Number():
                return self.number(vector.value, size)
            case Slice():
                return self.slice(vector.vector, vector.start + start, size)
            case Concat():
                return self.concat(list(self._overlap(vector.parts, start, start + size)))
            case Fixed():
                return self.part(vector, 0, start, start + size)
        facts = (vector.key, start, size)
        return self._make(Slice, facts, size=size, reads=vector.reads, vector=vector, start=start)

    def concat(self, parts: Sequence[Node]) -> Node:
        parts = self._joined([p for part in parts for p in _flattened(part)])
        if len(parts) == 1:
            return parts[0]
        if all(isinstance(part, Fixed) for part in parts):
            return self.computed(aten.cat.default, (list(parts),), (sum(p.size for p in parts),))
        facts = tuple(part.key for part in parts)
        size = sum(part.size for part in parts)
        reads = self._reads(parts)
        return self._make(Concat, facts, size=size, reads=reads, parts=tuple(parts))

    def reduce(self, kind: str, vector: Node) -> Node:
        """The "sum" or the "max" of the entries."""
        if vector.size == 1:
            return vector
        facts = (kind, vector.key)
        return self._make(Reduce, facts, size=1, reads=vector.reads, kind=kind, vector=vector)

    def spread(self, scalar: Node, size: int) -> Node:
        """A vector of `size` entries, each equal to the one of `scalar`."""
        if scalar.size == size:
            return scalar
        if isinstance(scalar, Number):
            return self.number(scalar.value, size)
        if isinstance(scalar, Fixed):
            return self.computed(aten.expand.default, (scalar, [size]), (size,))
        return self._pointwise("mul", size, [self.number(1, size), scalar])

    def rebuilt(self, node: Node, of: Callable[[Node], Node]) -> Node:
        """A value made again from other arguments: `of(a)` in place of each argument a."""
        match node:
            case Pointwise():
                operands = [of(operand) for operand in node.operands]
                return self.spread(self.apply(node.function.name, *operands), node.size)
            case Affine():
                return self.affine(node.matrix, of(node.vector), node.bias)
            case Slice():
                return self.slice(of(node.vector), node.start, node.size)
            case Concat():
                return self.concat([of(part) for part in node.parts])
            case Reduce():
                return self.reduce(node.kind, of(node.vector))
        return node

    def copy(self, node: Node) -> Node:
        """An equal value that is computed: node + 0, not simplified."""
        return self._pointwise("add", node.size, [node, self.number(0)])

    @staticmethod
    def constant(node: Node) -> float | None:
        """The number that a node is, or None."""
        return node.value if isinstance(node, Number) else None

    # Inside

    def _node(self, operand: Node | float) -> Node:
        return operand if isinstance(operand, Node) else self.number(operand)

    def _pointwise(self, name: str, size: int, operands: Sequence[Node]) -> Pointwise:
        facts = (name, size, *(node.key for node in operands))
        return self._make(
            Pointwise,
            facts,
            size=size,
            reads=self._reads(operands),
            function=FUNCTIONS[name],
            operands=tuple(operands),
        )

    def _affine_of_parts(self, matrix: Fixed, vector: Concat, bias: Fixed | None) -> Node:
        ends = list(itertools.accumulate(part.size for part in vector.parts))
        terms = [
            self.affine(self.part(matrix, 1, end - part.size, end), part)
            for part, end in zip(vector.parts, ends, strict=True)
        ]
        first = terms[0]
        if bias is not None and isinstance(first, Affine):
            terms[0] = self.affine(first.matrix, first.vector, bias)
        elif bias is not None:
            terms.append(bias)
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def _overlap(self, parts: Sequence[Node], start: int, stop: int) -> Any:
        offset = 0
        for part in parts:
            low, high = max(start, offset), min(stop, offset + part.size)
            if low < high:
                yield self.slice(part, low - offset, high - low)
            offset += part.size

    def _joined(self, parts: list[Node]) -> list[Node]:
        """Neighbouring slices of one vector, and neighbouring equal numbers, made one."""
        joined = parts[:1]
        for part in parts[1:]:
            last = joined[-1]
            if longer := self._continued(last, part):
                joined[-1] = longer
            elif isinstance(part, Number) and self.constant(last) == part.value:
                joined[-1] = self.number(part.value, last.size + part.size)
            else:
                joined.append(part)
        return joined

    def _continued(self, last: Node, part: Node) -> Node | None:
        """Two slices that are neighbours in one vector as one, or None."""
        if not (isinstance(last, Slice) and isinstance(part, Slice)):
            return None
        if last.vector is not part.vector or last.start + last.size != part.start:
            return None
        return self.slice(part.vector, last.start, last.size + part.size)

    def _reads(self, nodes: Sequence[Node]) -> tuple[str, ...]:
        names = {name for node in nodes for name in node.reads}
        return tuple(sorted(names, key=self._inputs.__getitem__))

    def _rank(self, node: Node) -> Any:
        """The order in which operands that commute are written."""
        kind = node.function.name if isinstance(node, Pointwise) else type(node).__name__
        return [self._inputs[name] for name in node.reads], kind, node.key

    def _make(self, kind: type[Made], facts: tuple[Any, ...], /, **fields: Any) -> Made:
        text = f"{kind.__name__}{facts}[{fields['size']}]"
        key = hashlib.md5(text.encode()).hexdigest()
        if key not in self._made:
            fields.setdefault("reads", ())
            self._made[key] = kind(ops=self, serial=len(self._made), key=key, **fields)
        made = self._made[key]
        assert isinstance(made, kind)
        return made


def _flattened(part: Node) -> tuple[Node, ...]:
    return part.parts if isinstance(part, Concat) else (part,)


def _written(operands: Any) -> str:
    """An operator's arguments as text, equal for equal arguments."""
    if isinstance(operands, Node):
        return operands.key
    if isinstance(operands, (tuple, list)):
        return f"[{', '.join(map(_written, operands))}]"
    return repr(operands)
