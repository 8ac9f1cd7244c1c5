"""The pointwise functions of a graph: one table of name, value, derivative and notation.

An engine that generates code keeps a table of its own, from these names to its language.
Comparisons give 1 where they hold and 0 elsewhere; NaN compares false.

The rule of a derivative takes `(ops, gradient, result, *operands)`, where `ops` builds values
(`build.Builder`), and gives one gradient an operand, None where it is zero. As in torch, a rule
picks with `select` rather than multiplying by zero, which would turn infinities into NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from .build import Builder
    from .nodes import Node

Rule = Callable[..., tuple["Node | None", ...]]


@dataclass(frozen=True)
class Function:
    """A pointwise function.

    Attributes:
        name: its key in `FUNCTIONS`.
        value: the torch function.
        rule: the gradients of its operands.
        notation: how it is written, with {0}, {1}, ... for the operands.
        commutes: whether the order of two operands is free.
    """

    name: str
    value: Callable[..., Any]
    rule: Rule
    notation: str
    commutes: bool = False


def _no_gradient(ops: Builder, g: Node, y: Node, *operands: Node) -> tuple[None, ...]:
    return (None,) * len(operands)


def _maximum(ops: Builder, g: Node, y: Node, a: Node, b: Node) -> tuple[Node, Node]:
    return _shared(ops, g, ops.less(b, a), ops.less(a, b))


def _minimum(ops: Builder, g: Node, y: Node, a: Node, b: Node) -> tuple[Node, Node]:
    return _shared(ops, g, ops.less(a, b), ops.less(b, a))


def _shared(ops: Builder, g: Node, first: Node, second: Node) -> tuple[Node, Node]:
    """All of g to the one that won, half of it to each at a tie, as torch does."""
    half = g * 0.5
    return (
        ops.select(first, g, ops.select(second, 0, half)),
        ops.select(second, g, ops.select(first, 0, half)),
    )


def _pow(ops: Builder, g: Node, y: Node, a: Node, exponent: Node) -> tuple[Node, Node | None]:
    slope = g * exponent * ops.pow(a, exponent - 1)
    if ops.constant(exponent) is not None:
        return slope, None
    # As in torch: a ^ 0 has no slope, and 0 ^ b none in b, where the logarithm is not finite.
    flat = ops.equal(a, 0) * ops.less_equal(0, exponent)
    logarithm = ops.log(ops.select(flat, 1, a))
    return ops.select(ops.equal(exponent, 0), 0, slope), ops.select(flat, 0, g * y * logarithm)


def _relu(ops: Builder, g: Node, y: Node, a: Node) -> tuple[Node]:
    return (ops.select(ops.less_equal(a, 0), 0, g),)


def _erf(ops: Builder, g: Node, y: Node, a: Node) -> tuple[Node]:
    return (g * (2 / math.sqrt(math.pi)) * ops.exp(-(a * a)),)


def _select(
    ops: Builder, g: Node, y: Node, mask: Node, a: Node, b: Node
) -> tuple[Node | None, ...]:
    return None, ops.select(mask, g, 0), ops.select(mask, 0, g)


def _where(mask: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.where(mask != 0, a, b)


_TABLE = (
    Function("add", torch.add, lambda ops, g, y, a, b: (g, g), "{0} + {1}", commutes=True),
    Function("sub", torch.sub, lambda ops, g, y, a, b: (g, -g), "{0} - {1}"),
    Function("mul", torch.mul, lambda ops, g, y, a, b: (g * b, g * a), "{0} * {1}", commutes=True),
    Function("div", torch.div, lambda ops, g, y, a, b: (g / b, -(g * y / b)), "{0} / {1}"),
    Function("pow", torch.pow, _pow, "{0} ^ {1}"),
    Function("maximum", torch.maximum, _maximum, "max({0}, {1})", commutes=True),
    Function("minimum", torch.minimum, _minimum, "min({0}, {1})", commutes=True),
    Function("neg", torch.neg, lambda ops, g, y, a: (-g,), "-{0}"),
    Function("abs", torch.abs, lambda ops, g, y, a: (g * ops.sign(a),), "abs({0})"),
    Function("sign", torch.sign, _no_gradient, "sign({0})"),
    Function("exp", torch.exp, lambda ops, g, y, a: (g * y,), "exp({0})"),
    Function("expm1", torch.expm1, lambda ops, g, y, a: (g * (y + 1),), "expm1({0})"),
    Function("log", torch.log, lambda ops, g, y, a: (g / a,), "log({0})"),
    Function("log1p", torch.log1p, lambda ops, g, y, a: (g / (a + 1),), "log1p({0})"),
    Function("sqrt", torch.sqrt, lambda ops, g, y, a: (g * 0.5 / y,), "sqrt({0})"),
    Function("sin", torch.sin, lambda ops, g, y, a: (g * ops.cos(a),), "sin({0})"),
    Function("cos", torch.cos, lambda ops, g, y, a: (-(g * ops.sin(a)),), "cos({0})"),
    Function("tanh", torch.tanh, lambda ops, g, y, a: (g * (1 - y * y),), "tanh({0})"),
    Function("sigmoid", torch.sigmoid, lambda ops, g, y, a: (g * (y * (1 - y)),), "sigmoid({0})"),
    Function("relu", torch.relu, _relu, "relu({0})"),
    Function("erf", torch.erf, _erf, "erf({0})"),
    Function("stop", torch.Tensor.detach, _no_gradient, "stop({0})"),
    Function("less", torch.lt, _no_gradient, "[{0} < {1}]"),
    Function("less_equal", torch.le, _no_gradient, "[{0} <= {1}]"),
    Function("equal", torch.eq, _no_gradient, "[{0} = {1}]", commutes=True),
    Function("select", _where, _select, "select({0}, {1}, {2})"),
)
FUNCTIONS: dict[str, Function] = {function.name: function for function in _TABLE}
