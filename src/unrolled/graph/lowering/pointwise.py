"""Arithmetic, activations and comparisons.

Each rule is the operator's definition. Where a definition would overflow on a side that is not
selected, its operand is bounded first, so that the derivative of that side is not NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from ..build import Builder
from ..functions import FUNCTIONS
from ..nodes import Fixed, Node
from .sample import RULES, Context, Sample, broadcast, rule, take

Value = Node | float


def _clamp(ops: Builder, a: Node, low: Value | None = None, high: Value | None = None) -> Node:
    # As torch does, the gradient passes at the bounds themselves.
    raised = a if low is None else ops.select(ops.less(a, low), low, a)
    return raised if high is None else ops.select(ops.less(high, raised), high, raised)


def _hardtanh(ops: Builder, a: Node, low: float = -1, high: float = 1) -> Node:
    raised = ops.select(ops.less_equal(a, low), low, a)
    return ops.select(ops.less_equal(high, raised), high, raised)


def _hardsigmoid(ops: Builder, a: Node) -> Node:
    return _hardtanh(ops, a, -3, 3) / 6 + 0.5


def _softplus(ops: Builder, a: Node, beta: float = 1, threshold: float = 20) -> Node:
    scaled = a * beta
    bounded = ops.select(ops.less(threshold, scaled), threshold, scaled)
    return ops.select(ops.less(threshold, scaled), a, ops.log1p(ops.exp(bounded)) / beta)


def _elu(ops: Builder, a: Node, alpha: Value = 1, scale: Value = 1, inner: Value = 1) -> Node:
    below = ops.select(ops.less(0, a), 0, a)
    return ops.select(ops.less(0, a), a * scale, ops.expm1(below * inner) * alpha * scale)


def _gelu(ops: Builder, a: Node, approximate: str = "none") -> Node:
    if approximate == "tanh":
        cubed = a * a * a
        return a * 0.5 * (1 + ops.tanh((a + cubed * 0.044715) * math.sqrt(2 / math.pi)))
    return a * 0.5 * (1 + ops.erf(a * math.sqrt(0.5)))


def _log_sigmoid(ops: Builder, a: Node) -> Node:
    return ops.minimum(a, 0) - ops.log1p(ops.exp(-ops.abs(a)))


def _logaddexp(ops: Builder, a: Node, b: Node) -> Node:
    return ops.maximum(a, b) + ops.log1p(ops.exp(-ops.abs(a - b)))


def _threshold(ops: Builder, a: Node, limit: float, value: float) -> Node:
    return ops.select(ops.less_equal(a, limit), value, a)


def _softshrink(ops: Builder, a: Node, width: float = 0.5) -> Node:
    negative = ops.select(ops.less(a, -width), a + width, 0)
    return ops.select(ops.less(width, a), a - width, negative)


def _hardshrink(ops: Builder, a: Node, width: float = 0.5) -> Node:
    inside = ops.less_equal(-width, a) * ops.less_equal(a, width)
    return ops.select(inside, 0, a)


def _truth(ops: Builder, a: Value) -> Node:
    """1 where a is not zero."""
    return ops.equal(ops.equal(a, 0), 0)


def _same(ops: Builder, a: Node, **options: Any) -> Node:
    return a


_PLAIN = ("maximum", "minimum", "neg", "abs", "sign", "exp", "expm1", "log", "log1p", "sqrt")
_PLAIN += ("sin", "cos", "tanh", "sigmoid", "relu", "erf", "pow")

POINTWISE: dict[str, Callable[..., Node]] = {
    **{name: partial(lambda ops, *a, name: ops.apply(name, *a), name=name) for name in _PLAIN},
    "add": lambda ops, a, b, alpha=1: ops.add(a, ops.mul(b, alpha)),
    "sub": lambda ops, a, b, alpha=1: ops.sub(a, ops.mul(b, alpha)),
    "rsub": lambda ops, a, b, alpha=1: ops.sub(b, ops.mul(a, alpha)),
    "mul": lambda ops, a, b: ops.mul(a, b),
    "div": lambda ops, a, b: ops.div(a, b),
    "addcmul": lambda ops, a, b, c, value=1: ops.add(a, b * c * value),
    "addcdiv": lambda ops, a, b, c, value=1: ops.add(a, b * value / c),
    "lerp": lambda ops, a, b, weight: ops.add(a, ops.mul(weight, ops.sub(b, a))),
    "reciprocal": lambda ops, a: 1 / a,
    "rsqrt": lambda ops, a: 1 / ops.sqrt(a),
    "exp2": lambda ops, a: ops.exp(a * math.log(2)),
    "log2": lambda ops, a: ops.log(a) / math.log(2),
    "log10": lambda ops, a: ops.log(a) / math.log(10),
    "tan": lambda ops, a: ops.sin(a) / ops.cos(a),
    "sinh": lambda ops, a: (ops.exp(a) - ops.exp(-a)) * 0.5,
    "cosh": lambda ops, a: (ops.exp(a) + ops.exp(-a)) * 0.5,
    "erfc": lambda ops, a: 1 - ops.erf(a),
    "sgn": lambda ops, a: ops.sign(a),
    "logaddexp": _logaddexp,
    "hardsigmoid": _hardsigmoid,
    "hardtanh": _hardtanh,
    "hardswish": lambda ops, a: a * _hardsigmoid(ops, a),
    "leaky_relu": lambda ops, a, slope=0.01: ops.select(ops.less(0, a), a, a * slope),
    "_prelu_kernel": lambda ops, a, slope: ops.select(ops.less(0, a), a, a * slope),
    "elu": _elu,
    "celu": lambda ops, a, alpha=1: _elu(ops, a, alpha, 1, 1 / alpha),
    "silu": lambda ops, a: a * ops.sigmoid(a),
    "mish": lambda ops, a: a * ops.tanh(_softplus(ops, a)),
    "gelu": _gelu,
    "softplus": _softplus,
    "threshold": _threshold,
    "softshrink": _softshrink,
    "hardshrink": _hardshrink,
    "clamp": _clamp,
    "clamp_min": lambda ops, a, low: _clamp(ops, a, low),
    "clamp_max": lambda ops, a, high: _clamp(ops, a, None, high),
    "where": lambda ops, mask, a, b: ops.select(mask, a, b),
    "masked_fill": lambda ops, a, mask, value: ops.select(mask, value, a),
    "lt": lambda ops, a, b: ops.less(a, b),
    "le": lambda ops, a, b: ops.less_equal(a, b),
    "gt": lambda ops, a, b: ops.less(b, a),
    "ge": lambda ops, a, b: ops.less_equal(b, a),
    "eq": lambda ops, a, b: ops.equal(a, b),
    "ne": lambda ops, a, b: 1 - ops.equal(a, b),
    "logical_not": lambda ops, a: ops.equal(a, 0),
    "logical_and": lambda ops, a, b: _truth(ops, a) * _truth(ops, b),
    "logical_or": lambda ops, a, b: ops.maximum(_truth(ops, a), _truth(ops, b)),
    "bitwise_not": lambda ops, a: 1 - a,
    "bitwise_and": lambda ops, a, b: ops.mul(a, b),
    "bitwise_or": lambda ops, a, b: ops.maximum(a, b),
    "detach": lambda ops, a: ops.stop(a),
    "clone": _same,
    "alias": _same,
    "lift_fresh_copy": _same,
}
assert FUNCTIONS.keys() >= set(_PLAIN)

# What may give truth values, which are 0 and 1 here, and must read them.
_GIVES_TRUTH = {"lt", "le", "gt", "ge", "eq", "ne", "logical_not", "logical_and", "logical_or"}
_READS_TRUTH = {"bitwise_not", "bitwise_and", "bitwise_or"}
_EXACT_ON_INTEGERS = {"add", "sub", "rsub", "mul", "neg", "abs", "maximum", "minimum", "clamp"}
_KEEPS_TYPE = {"where", "masked_fill", "clone", "alias", "lift_fresh_copy", "detach"}


def _pointwise(name: str, context: Context, *arguments: Any, **options: Any) -> Sample:
    _check_type(name, context)
    shape, axis = context.result_shape()
    operands = [
        broadcast(context, a, shape, axis) if isinstance(a, (Sample, Fixed)) else a
        for a in arguments
    ]
    # Which memory a copy lives in is no part of the graph.
    options.pop("memory_format", None)
    if any(option is not None for option in options.values()) and name in ("div",):
        raise context.refuse("rounds, which has no derivative")
    named = {
        key: broadcast(context, o, shape, axis) if isinstance(o, (Sample, Fixed)) else o
        for key, o in options.items()
        if o is not None
    }
    return context.result(POINTWISE[name](context.ops, *operands, **named))


def _check_type(name: str, context: Context) -> None:
    """Raise where integers, or sums of truth values, would be computed as real numbers."""
    dtype = context.call.dtype
    real = dtype is not None and dtype.is_floating_point
    if name in _READS_TRUTH and dtype is not torch.bool:
        raise context.refuse("works on the bits of integers")
    whole = dtype is not torch.bool and name in _EXACT_ON_INTEGERS
    if not (real or whole or name in _GIVES_TRUTH | _READS_TRUTH | _KEEPS_TYPE):
        raise context.refuse(f"gives {dtype}, not real numbers")


for _name in POINTWISE:
    RULES[_name] = partial(_pointwise, _name)


@rule("log_sigmoid_forward")
def log_sigmoid(context: Context, x: Sample) -> list[Sample]:
    """log sigmoid(x), which torch gives with a buffer for its gradient."""
    return [Sample(_log_sigmoid(context.ops, x.node), x.shape, x.axis)]


@rule("copy")
def copy(context: Context, x: Any, new: Any, *_: Any) -> Sample:
    """The new values in the shape of the old, as `x[:, 0] = new` gives them."""
    given: Any = context.call.node.args[1]
    before, after = given.meta["val"].dtype, context.call.dtype
    if before is not after:
        raise context.refuse(f"changes the precision from {before} to {after}")
    return context.result(broadcast(context, new, *context.result_shape()))


@rule("glu")
def gated_linear_unit(context: Context, x: Sample, dim: int = -1) -> Sample:
    """The first half times the sigmoid of the second (Dauphin et al. 2017)."""
    own = context.own_dim(x, dim)
    half = x.shape[own] // 2
    value, gate = take(x, own, 0, half), take(x, own, half, 2 * half)
    return context.result(value.node * context.ops.sigmoid(gate.node))


@rule("_to_copy")
def to_dtype(context: Context, x: Sample, *_: Any, **options: Any) -> Sample:
    """A change of type that keeps the numbers: to and from truth values, or to itself."""
    before = context.call.operand_dtype
    after = context.call.dtype
    if after is torch.bool and before is not torch.bool:
        return Sample(_truth(context.ops, x.node), x.shape, x.axis)
    if after is before or (after is not None and after.is_floating_point and before.itemsize == 1):
        return x
    raise context.refuse(f"changes the precision from {before} to {after}")
