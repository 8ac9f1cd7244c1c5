"""Views, slices, concatenation and expansion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..nodes import Fixed, Node, numel
from .sample import Context, Sample, broadcast, fixed_vector, permuted, rule, take

EVERYTHING = 2**62


@rule("view", "_unsafe_view", "unsqueeze", "squeeze")
def view(context: Context, x: Sample, *_: Any) -> Sample:
    """The same entries in another shape."""
    shape, axis = context.result_shape()
    if numel(shape[:axis]) != numel(x.shape[: x.axis]):
        raise context.refuse("mixes the samples of a batch")
    return Sample(x.node, shape, axis)


@rule("t")
def transpose_matrix(context: Context, x: Sample) -> Sample:
    """Two dimensions, exchanged."""
    return permute(context, x, list(range(x.rank))[::-1])


@rule("transpose")
def transpose(context: Context, x: Sample, first: int, second: int) -> Sample:
    """Two dimensions, exchanged."""
    order = list(range(x.rank))
    order[first], order[second] = order[second], order[first]
    return permute(context, x, order)


@rule("permute")
def permute(context: Context, x: Sample, order: Sequence[int]) -> Sample:
    """The dimensions in another order."""
    order = [dim % x.rank for dim in order]
    own = [dim - (dim > x.axis) for dim in order if dim != x.axis]
    shape = tuple(x.shape[k] for k in own)
    return Sample(permuted(x, own), shape, order.index(x.axis))


@rule("slice")
def slice_(
    context: Context,
    x: Sample,
    dim: int = 0,
    start: int | None = None,
    stop: int | None = None,
    step: int = 1,
) -> Sample:
    """Every `step`-th entry from `start` to `stop`."""
    if dim % x.rank == x.axis:
        if (start or 0, step) == (0, 1) and (stop is None or stop >= EVERYTHING):
            return x
        raise context.refuse("picks samples of a batch")
    own = context.own_dim(x, dim)
    chosen = range(*slice(start, stop, step).indices(x.shape[own]))
    if step == 1:
        return take(x, own, chosen.start, max(chosen.stop, chosen.start))
    return _joined([take(x, own, k, k + 1) for k in chosen], own)


@rule("select")
def select(context: Context, x: Sample, dim: int, index: int) -> Sample:
    """One entry of a dimension."""
    own = context.own_dim(x, dim)
    index %= x.shape[own]
    return context.result(take(x, own, index, index + 1).node)


@rule("unbind")
def unbind(context: Context, x: Sample, dim: int = 0) -> list[Sample]:
    """Every entry of a dimension."""
    own = context.own_dim(x, dim)
    taken = [take(x, own, k, k + 1).node for k in range(x.shape[own])]
    return [context.result(node, which=k) for k, node in enumerate(taken)]


@rule(
    "split_with_sizes", "split", "unsafe_split", "chunk", "unsafe_chunk", "unsafe_split_with_sizes"
)
def split(context: Context, x: Sample, sizes: Any, dim: int = 0) -> list[Sample]:
    """A dimension, cut in pieces."""
    own = context.own_dim(x, dim)
    parts, start = [], 0
    for which in range(len(context.call.shapes)):
        size = context.result_shape(which)[0][own]
        parts.append(take(x, own, start, start + size))
        start += size
    return parts


@rule("cat")
def cat(context: Context, tensors: Sequence[Any], dim: int = 0) -> Sample:
    """One after another along a dimension."""
    shape, axis = context.result_shape()
    rank = len(shape) + 1
    if dim % rank == axis:
        raise context.refuse("mixes the samples of a batch")
    # A fixed value in the list has the batch axis in its own shape, which no fixed value has.
    if not all(isinstance(tensor, Sample) for tensor in tensors):
        raise context.refuse("joins vectors of samples with a tensor that has none")
    return _joined(list(tensors), dim % rank - (dim % rank > axis))


@rule("stack")
def stack(context: Context, tensors: Sequence[Sample], dim: int = 0) -> Sample:
    """Side by side along a new dimension."""
    shape, axis = context.result_shape()
    dim %= len(shape) + 1
    own = dim - (dim > axis)
    parts = [Sample(t.node, (*t.shape[:own], 1, *t.shape[own:]), axis) for t in tensors]
    return _joined(parts, own)


@rule("expand")
def expand(context: Context, x: Sample | Fixed, *_: Any, **__: Any) -> Sample:
    """Dimensions of size 1, repeated."""
    shape, axis = context.result_shape()
    if isinstance(x, Fixed):
        # A fixed value over a batch: what the shape holds without the batch axis.
        padded = list((1,) * (len(shape) + 1 - len(x.shape)) + x.shape)
        if padded.pop(axis) != 1:
            raise context.refuse("gives every sample of a batch another parameter")
        return Sample(fixed_vector(context.ops, x, tuple(padded), shape), shape, axis)
    return context.result(broadcast(context, x, shape, axis))


@rule("repeat")
def repeat(context: Context, x: Sample | Fixed, times: Sequence[int]) -> Sample:
    """The whole, repeated."""
    shape, axis = context.result_shape()
    if isinstance(x, Fixed):
        own = [count for k, count in enumerate(times) if k != axis]
        without = (1,) * (len(shape) + 1 - len(x.shape)) + x.shape
        reshaped = context.ops.reshaped(x, without[:axis] + without[axis + 1 :])
        tiled = context.ops.computed(torch.ops.aten.repeat.default, (reshaped, own), shape)
        return Sample(context.ops.reshaped(tiled, (numel(shape),)), shape, axis)
    own_times = [count for k, count in enumerate(times) if k != axis]
    repeated = Sample(x.node, (1,) * (len(shape) - len(x.shape)) + x.shape, axis)
    for dim, count in enumerate(own_times):
        repeated = _joined([repeated] * count, dim)
    return repeated


@rule("flip")
def flip(context: Context, x: Sample, dims: Sequence[int]) -> Sample:
    """Dimensions read backwards."""
    for dim in dims:
        own = context.own_dim(x, dim)
        x = _joined([take(x, own, k, k + 1) for k in reversed(range(x.shape[own]))], own)
    return x


@rule("roll")
def roll(context: Context, x: Sample, shifts: Sequence[int], dims: Sequence[int] = ()) -> Sample:
    """Dimensions shifted around."""
    for shift, dim in zip(shifts, dims, strict=True):
        own = context.own_dim(x, dim)
        cut = x.shape[own] - shift % x.shape[own]
        x = _joined([take(x, own, cut, x.shape[own]), take(x, own, 0, cut)], own)
    return x


@rule("select_scatter")
def select_scatter(context: Context, x: Sample, new: Any, dim: int, index: int) -> Sample:
    """x with one entry of a dimension replaced."""
    own = context.own_dim(x, dim)
    return _written(context, x, new, own, index % x.shape[own], index % x.shape[own] + 1)


@rule("slice_scatter")
def slice_scatter(
    context: Context,
    x: Sample,
    new: Any,
    dim: int = 0,
    start: int | None = None,
    stop: int | None = None,
    step: int = 1,
) -> Sample:
    """x with some entries of a dimension replaced."""
    own = context.own_dim(x, dim)
    if step != 1:
        raise context.refuse("writes with a stride")
    chosen = range(*slice(start, stop).indices(x.shape[own]))
    return _written(context, x, new, own, chosen.start, chosen.stop)


def _written(context: Context, x: Sample, new: Any, own: int, start: int, stop: int) -> Sample:
    """x with `new` in place of its entries from `start` to `stop`."""
    shape = (*x.shape[:own], stop - start, *x.shape[own + 1 :])
    vector = new.node if isinstance(new, Sample) else broadcast(context, new, shape, x.axis)
    node: Node = context.ops.spread(vector, numel(shape))
    middle = Sample(node, shape, x.axis)
    parts = [take(x, own, 0, start), middle, take(x, own, stop, x.shape[own])]
    return _joined([part for part in parts if part.shape[own]], own)


def _joined(parts: list[Sample], own: int) -> Sample:
    """Samples one after another along a dimension of a sample."""
    leading = numel(parts[0].shape[:own])
    cut = [
        [part.node.ops.slice(part.node, k * size, size) for k in range(leading)]
        for part in parts
        for size in [part.node.size // leading]
    ]
    ops = parts[0].node.ops
    node = ops.concat([piece for row in zip(*cut, strict=True) for piece in row])
    length = sum(part.shape[own] for part in parts)
    return Sample(node, (*parts[0].shape[:own], length, *parts[0].shape[own + 1 :]), parts[0].axis)
