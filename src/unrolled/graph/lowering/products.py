"""Matrix products: of samples with parameters, and dot products within a sample."""

from __future__ import annotations

from typing import Any

import torch

from ..nodes import Fixed, Node
from .sample import Context, Sample, broadcast, pieces, rule

# Products within a sample are written out entry by entry, up to this many entries.
LARGEST_PRODUCT = 64


@rule("mm", "mv")
def mm(context: Context, a: Any, b: Any) -> Sample:
    """[B, n] x [n, m], or [m, n] x [n, B]."""
    ops = context.ops
    if isinstance(a, Sample) and isinstance(b, Fixed) and (a.axis, len(a.shape)) == (0, 1):
        matrix = ops.reshaped(b, (*b.shape, 1)) if len(b.shape) == 1 else b
        return context.result(ops.affine(ops.transposed(matrix), a.node))
    if isinstance(b, Sample) and isinstance(a, Fixed) and b.axis == 1:
        return context.result(ops.affine(a, b.node))
    raise context.refuse("multiplies samples with each other")


@rule("addmm")
def addmm(context: Context, bias: Any, a: Any, b: Any, beta: float = 1, alpha: float = 1) -> Sample:
    """beta bias + alpha a b."""
    product = mm(context, a, b)
    vector = broadcast(context, bias, product.shape, product.axis)
    return context.result(product.node * alpha + vector * beta)


@rule("bmm")
def bmm(context: Context, a: Any, b: Any) -> Sample:
    """A batch of products: one matrix per head, or two vectors of the same sample."""
    ops = context.ops
    if isinstance(a, Sample) and isinstance(b, Fixed) and a.axis == 1:
        heads = [ops.transposed(_head(context, b, k)) for k in range(b.shape[0])]
        return _by_head(context, heads, a)
    if isinstance(b, Sample) and isinstance(a, Fixed) and b.axis == 2:
        return _by_head(context, [_head(context, a, k) for k in range(a.shape[0])], b)
    if isinstance(a, Sample) and isinstance(b, Sample) and a.axis == b.axis == 0:
        return _within_sample(context, a, b)
    raise context.refuse("multiplies samples with each other")


def _head(context: Context, matrices: Fixed, k: int) -> Fixed:
    if matrices.shape[0] == 1:
        return context.ops.reshaped(matrices, matrices.shape[1:])
    select = torch.ops.aten.select.int
    return context.ops.computed(select, (matrices, 0, k), matrices.shape[1:])


def _by_head(context: Context, heads: list[Fixed], x: Sample) -> Sample:
    vectors = pieces(x.node, len(heads))
    pairs = zip(heads, vectors, strict=True)
    return context.result(context.ops.concat([context.ops.affine(m, v) for m, v in pairs]))


def _within_sample(context: Context, a: Sample, b: Sample) -> Sample:
    """[p, n] x [n, q] for every sample; a parameter may be either."""
    ops, (p, n), q = context.ops, a.shape, b.shape[1]
    if isinstance(b.node, Fixed) and p == 1:
        matrix = ops.transposed(ops.reshaped(b.node, (n, q)))
        return context.result(ops.affine(matrix, a.node))
    if isinstance(a.node, Fixed) and q == 1:
        return context.result(ops.affine(ops.reshaped(a.node, (p, n)), b.node))
    if q == 1 and p <= LARGEST_PRODUCT:
        return context.result(ops.concat([dot(row, b.node) for row in pieces(a.node, p)]))
    if n <= LARGEST_PRODUCT and p == 1:
        weighted = [w * row for w, row in zip(pieces(a.node, n), pieces(b.node, n), strict=True)]
        total = weighted[0]
        for term in weighted[1:]:
            total = total + term
        return context.result(total)
    if n == 1 and p <= LARGEST_PRODUCT:
        return context.result(ops.concat([entry * b.node for entry in pieces(a.node, p)]))
    raise context.refuse("multiplies two matrices of the same sample")


def dot(a: Node, b: Node) -> Node:
    """The sum of the products of two vectors' entries."""
    return a.ops.reduce("sum", a * b)
