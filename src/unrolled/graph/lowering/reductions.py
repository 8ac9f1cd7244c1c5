"""Sums, means, maxima, softmax, norms and layer norm, along features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..nodes import Fixed, Node
from .sample import Context, Sample, along, broadcast, fixed_vector, pieces, rows, rule


def _each(context: Context, x: Sample, dims: Any, function: Callable[[Node], Node]) -> Sample:
    """A function that gives one number for each vector along `dims`."""
    before, after = context.call.operand_dtype, context.call.dtype
    if before is not after and before is not torch.bool:
        raise context.refuse(f"changes the precision from {before} to {after}")
    along_dims = [dims] if isinstance(dims, int) else dims
    reduced = [function(row) for row in rows(context, x, along_dims)]
    return context.result(context.ops.concat(reduced))


def _sum(row: Node) -> Node:
    return row.ops.reduce("sum", row)


def _mean(row: Node) -> Node:
    return _sum(row) / row.size


def _largest(row: Node) -> Node:
    return row.ops.reduce("max", row)


def _smallest(row: Node) -> Node:
    return -_largest(-row)


@rule("sum")
def sum_(context: Context, x: Sample, dims: Any = None, *_: Any, **__: Any) -> Sample:
    """Sums along features."""
    return _each(context, x, dims, _sum)


@rule("mean")
def mean(context: Context, x: Sample, dims: Any = None, *_: Any, **__: Any) -> Sample:
    """Means along features."""
    return _each(context, x, dims, _mean)


@rule("amax")
def amax(context: Context, x: Sample, dims: Any = None, *_: Any, **__: Any) -> Sample:
    """Maxima along features; ties share the gradient."""
    return _each(context, x, dims, _largest)


@rule("amin")
def amin(context: Context, x: Sample, dims: Any = None, *_: Any, **__: Any) -> Sample:
    """Minima along features; ties share the gradient."""
    return _each(context, x, dims, _smallest)


@rule("var")
def var(context: Context, x: Sample, dims: Any = None, correction: float = 1, **_: Any) -> Sample:
    """Variances along features."""
    return _each(context, x, dims, lambda row: _variance(row, correction))


@rule("std")
def std(context: Context, x: Sample, dims: Any = None, correction: float = 1, **_: Any) -> Sample:
    """Standard deviations along features."""
    return _each(context, x, dims, lambda row: _root(_variance(row, correction)))


def _root(square: Node) -> Node:
    """The square root, with gradient 0 at 0, as torch has it for norms and deviations."""
    ops, zero = square.ops, square.ops.equal(square, 0)
    return ops.select(zero, 0, ops.sqrt(ops.select(zero, 1, square)))


def _variance(row: Node, correction: float) -> Node:
    centred = row - _mean(row)
    return _sum(centred * centred) / (row.size - float(correction))


@rule("linalg_vector_norm")
def vector_norm(
    context: Context, x: Sample, order: float = 2, dims: Any = None, *_: Any, **__: Any
) -> Sample:
    """Norms of order 1 and 2 along features."""
    if order == 1:
        return _each(context, x, dims, lambda row: _sum(row.ops.abs(row)))
    if order == 2:
        return _each(context, x, dims, lambda row: _root(_sum(row * row)))
    raise context.refuse(f"is a norm of order {order}; the graph knows 1 and 2")


@rule("_softmax")
def softmax(context: Context, x: Sample, dim: int, _half: bool = False) -> Sample:
    """exp(x) / sum exp(x), shifted by the maximum."""
    return along(context, x, dim, _softmax)


@rule("_log_softmax")
def log_softmax(context: Context, x: Sample, dim: int, _half: bool = False) -> Sample:
    """x - log sum exp(x), shifted by the maximum."""
    return along(context, x, dim, lambda row: row - _logsumexp(row))


@rule("logsumexp")
def logsumexp(context: Context, x: Sample, dims: Sequence[int], *_: Any) -> Sample:
    """log sum exp(x), shifted by the maximum."""
    return _each(context, x, dims, _logsumexp)


def _softmax(row: Node) -> Node:
    # The result does not depend on the shift, so neither does the gradient.
    powers = row.ops.exp(row - row.ops.stop(_largest(row)))
    return powers / _sum(powers)


def _logsumexp(row: Node) -> Node:
    shift = row.ops.stop(_largest(row))
    return shift + row.ops.log(_sum(row.ops.exp(row - shift)))


@rule("cumsum")
def cumsum(context: Context, x: Sample, dim: int, **_: Any) -> Sample:
    """Running sums, as a product with a triangular matrix."""

    def add_up(row: Node) -> Node:
        ones = torch.ones(row.size, row.size).tril()
        return row.ops.affine(row.ops.literal(ones), row)

    return along(context, x, dim, add_up)


@rule("native_layer_norm")
def layer_norm(
    context: Context,
    x: Sample,
    shape: Sequence[int],
    weight: Fixed | None,
    bias: Fixed | None,
    epsilon: float,
) -> list[Sample]:
    """Rows of mean 0 and variance 1, scaled and shifted (Ba et al. 2016)."""
    dims = list(range(x.rank - len(shape), x.rank))
    normed = context.ops.concat([_normed(row, epsilon) for row in rows(context, x, dims)])
    return [_scaled(context, normed, weight, bias)]


def _normed(row: Node, epsilon: float) -> Node:
    return (row - _mean(row)) / row.ops.sqrt(_variance(row, 0) + epsilon)


def _scaled(context: Context, node: Node, weight: Fixed | None, bias: Fixed | None) -> Sample:
    shape, axis = context.result_shape(which=0)
    scaled = node if weight is None else node * broadcast(context, weight, shape, axis)
    shifted = scaled if bias is None else scaled + broadcast(context, bias, shape, axis)
    return context.result(shifted, which=0)


@rule("_fused_rms_norm")
def rms_norm(
    context: Context, x: Sample, shape: Sequence[int], weight: Fixed | None, epsilon: float | None
) -> list[Sample]:
    """Rows of mean square 1, scaled (Zhang and Sennrich 2019)."""
    if epsilon is None:
        epsilon = torch.finfo(context.call.operand_dtype).eps
    dims = list(range(x.rank - len(shape), x.rank))
    parts = [row / row.ops.sqrt(_mean(row * row) + epsilon) for row in rows(context, x, dims)]
    return [_scaled(context, context.ops.concat(parts), weight, None)]


@rule("native_group_norm")
def group_norm(
    context: Context,
    x: Sample,
    weight: Fixed | None,
    bias: Fixed | None,
    batch: int,
    channels: int,
    inner: int,
    groups: int,
    epsilon: float,
) -> list[Sample]:
    """Groups of channels of mean 0 and variance 1 (Wu and He 2018)."""
    parts = [_normed(group, epsilon) for group in pieces(x.node, groups)]
    ops, shape = context.ops, (channels, inner)
    wide = [
        None if p is None else fixed_vector(ops, p, (channels, 1), shape) for p in (weight, bias)
    ]
    return [_scaled_by(context, ops.concat(parts), *wide)]


def _scaled_by(context: Context, node: Node, weight: Any, bias: Any) -> Sample:
    scaled = node if weight is None else node * weight
    return context.result(scaled if bias is None else scaled + bias, which=0)


@rule("native_batch_norm", "_native_batch_norm_legit_no_training")
def batch_norm(
    context: Context,
    x: Sample,
    weight: Fixed | None,
    bias: Fixed | None,
    average: Fixed,
    variance: Fixed,
    *options: Any,
) -> list[Sample]:
    """Normalised by fixed averages, as in evaluation (Ioffe and Szegedy 2015)."""
    if len(x.shape) != 1:
        raise context.refuse("has a dimension beside batch and features")
    if options[0] is True:
        raise context.refuse("mixes the samples of a batch; call eval() on the cell")
    epsilon = float(options[-1])
    centred = x.node - average
    return [_scaled(context, centred / context.ops.sqrt(variance + epsilon), weight, bias)]
