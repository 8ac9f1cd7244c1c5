"""What the rules share: tensors with a batch axis, broadcasting, rows.

A rule takes `(context, *arguments, **options)` of an operator, with `Sample`, `Fixed` or Python
values in place of tensors, and gives the operator's result in the same form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch

from ..build import Builder
from ..nodes import Fixed, Node, numel
from ..trace import Call, UnsupportedOperator

Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}


@dataclass(frozen=True)
class Sample:
    """A tensor with a batch axis.

    Attributes:
        node: the entries of one sample, in row-major order.
        shape: of one sample, without the batch axis.
        axis: position of the batch axis in the tensor.
    """

    node: Node
    shape: tuple[int, ...]
    axis: int = 0

    @property
    def rank(self) -> int:
        return len(self.shape) + 1


@dataclass(frozen=True)
class Context:
    """The operator being lowered.

    Attributes:
        ops: makes values.
        call: the operator.
        refuse: raises `UnsupportedOperator` for it, with a reason.
    """

    ops: Builder
    call: Call
    refuse: Callable[[str], UnsupportedOperator]

    def result_shape(self, which: int | None = None) -> tuple[tuple[int, ...], int]:
        """The shape of one sample of the result, and the position of its batch axis."""
        dims = self.call.shapes if which is None else self.call.shapes[which]
        batches = [k for k, dim in enumerate(dims) if dim.per_sample]
        if len(batches) == 1 and not dims[batches[0]].is_batch:
            raise self.refuse("merges the batch with another dimension")
        if len(batches) != 1 or not dims[batches[0]].is_batch:
            raise self.refuse("mixes the samples of a batch")
        return tuple(dim.fixed for dim in dims if not dim.per_sample), batches[0]

    def result(self, node: Node, which: int | None = None) -> Sample:
        """The operator's result, its entries in row-major order given."""
        shape, axis = self.result_shape(which)
        return Sample(self.ops.spread(node, numel(shape)), shape, axis)

    def own_dim(self, x: Sample, dim: int) -> int:
        """A dimension of the tensor as one of a sample, without the batch axis."""
        dim %= x.rank
        if dim == x.axis:
            raise self.refuse("mixes the samples of a batch")
        return dim - (dim > x.axis)


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule for the operators called `names`."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def broadcast(context: Context, value: Any, shape: tuple[int, ...], axis: int) -> Node:
    """A value as operand of a pointwise function: a vector of size 1 or of the whole shape."""
    if isinstance(value, Fixed):
        return _broadcast_fixed(context, value, shape, axis)
    if not isinstance(value, Sample):
        return context.ops.number(float(value))
    if len(value.shape) - value.axis != len(shape) - axis:
        raise context.refuse("mixes the samples of a batch")
    padded = (1,) * (len(shape) - len(value.shape)) + value.shape
    return value.node if numel(padded) == 1 else expanded(value.node, padded, shape)


def _broadcast_fixed(context: Context, value: Fixed, shape: tuple[int, ...], axis: int) -> Node:
    padded = list((1,) * (len(shape) + 1 - len(value.shape)) + value.shape)
    if padded.pop(axis) != 1:
        raise context.refuse("gives every sample of a batch another parameter")
    if numel(tuple(padded)) == 1:
        return context.ops.reshaped(value, (1,))
    return fixed_vector(context.ops, value, tuple(padded), shape)


def fixed_vector(
    ops: Builder, value: Fixed, shape: tuple[int, ...], wanted: tuple[int, ...]
) -> Fixed:
    """A fixed value expanded from one shape of a sample to another, as a vector."""
    if shape != wanted:
        reshaped = ops.reshaped(value, shape)
        value = ops.computed(torch.ops.aten.expand.default, (reshaped, list(wanted)), wanted)
    return ops.reshaped(value, (numel(wanted),))


def expanded(node: Node, shape: tuple[int, ...], wanted: tuple[int, ...]) -> Node:
    """The entries of a tensor after dimensions of size 1 are repeated."""
    if shape == wanted:
        return node
    if numel(shape) == 1:
        return node.ops.spread(node, numel(wanted))
    if shape[0] != wanted[0]:
        return node.ops.concat([expanded(node, shape[1:], wanted[1:])] * wanted[0])
    parts = pieces(node, shape[0])
    return node.ops.concat([expanded(part, shape[1:], wanted[1:]) for part in parts])


def pieces(node: Node, count: int) -> list[Node]:
    """A vector cut into `count` vectors of the same size."""
    size = node.size // count
    return [node.ops.slice(node, k * size, size) for k in range(count)]


def take(x: Sample, dim: int, start: int, stop: int) -> Sample:
    """Entries `start` to `stop` along a dimension of a sample."""
    leading, inner = numel(x.shape[:dim]), numel(x.shape[dim + 1 :])
    size = (stop - start) * inner
    parts = [x.node.ops.slice(p, start * inner, size) for p in pieces(x.node, leading)]
    shape = (*x.shape[:dim], stop - start, *x.shape[dim + 1 :])
    return Sample(x.node.ops.concat(parts), shape, x.axis)


def permuted(x: Sample, order: Sequence[int]) -> Node:
    """The entries of one sample with its dimensions in another order."""
    shape = tuple(x.shape[k] for k in order)
    moved = [k for k in order if x.shape[k] > 1]
    if moved == sorted(moved):
        return x.node
    strides = [numel(x.shape[k + 1 :]) for k in range(len(x.shape))]
    source = [
        sum(index * strides[k] for index, k in zip(at, order, strict=True))
        for at in product(*map(range, shape))
    ]
    return x.node.ops.concat([x.node.ops.slice(x.node, at, 1) for at in source])


def rows(context: Context, x: Sample, dims: Sequence[int] | None) -> list[Node]:
    """The vectors along some dimensions of the tensor (of all, if None), in row-major order."""
    if not dims:
        if dims is None or x.rank == 1:
            raise context.refuse("mixes the samples of a batch")
        dims = range(x.rank)
    own = [context.own_dim(x, dim) for dim in dims]
    kept = [k for k in range(len(x.shape)) if k not in own]
    entries = permuted(x, [*kept, *sorted(own)])
    return pieces(entries, numel(tuple(x.shape[k] for k in kept)))


def along(context: Context, x: Sample, dim: int, function: Callable[[Node], Node]) -> Sample:
    """Apply a function of vectors along one dimension of the tensor."""
    own = context.own_dim(x, dim)
    kept = [k for k in range(len(x.shape)) if k != own]
    outcome = x.node.ops.concat([function(row) for row in rows(context, x, [dim])])
    shape = (*(x.shape[k] for k in kept), x.shape[own])
    back = [kept.index(k) if k != own else len(kept) for k in range(len(x.shape))]
    return Sample(permuted(Sample(outcome, shape, 0), back), x.shape, x.axis)
