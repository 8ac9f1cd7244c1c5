"""Simpler values equal to a pointwise function of given operands.

Each rule takes `(ops, *operands)` and gives a value, or None where it knows nothing simpler.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .nodes import Concat, Node, Pointwise
from .views import spread

if TYPE_CHECKING:
    from .build import Builder


def _negated(node: Node) -> Node | None:
    """a, where the node is -a."""
    is_neg = isinstance(node, Pointwise) and node.function.name == "neg"
    return node.args[0] if is_neg else None


def _simpler_add(ops: Builder, a: Node, b: Node) -> Node | None:
    if ops.constant(a) == 0:
        return b
    if ops.constant(b) == 0:
        return a
    if (positive := _negated(b)) is not None:
        return a - positive
    if (positive := _negated(a)) is not None:
        return b - positive
    return _part_by_part(ops.add, a, b)


def _part_by_part(function: Callable[..., Node], a: Node, b: Node) -> Node | None:
    """The function of two concatenations whose parts have the same sizes."""
    if not (isinstance(a, Concat) and isinstance(b, Concat)):
        return None
    if [part.size for part in a.parts] != [part.size for part in b.parts]:
        return None
    return a.ops.concat([function(p, q) for p, q in zip(a.parts, b.parts, strict=True)])


def _simpler_sub(ops: Builder, a: Node, b: Node) -> Node | None:
    if ops.constant(b) == 0:
        return a
    if ops.constant(a) == 0:
        return -b
    positive = _negated(b)
    return None if positive is None else a + positive


def _simpler_mul(ops: Builder, a: Node, b: Node) -> Node | None:
    for one, other in ((a, b), (b, a)):
        if ops.constant(one) == 1:
            return other
        if ops.constant(one) == -1:
            return -other
        if (positive := _negated(one)) is not None:
            return -(positive * other)
        if (scalar := spread(one)) is not None and other.size == one.size:
            return scalar * other
    return None


def _simpler_div(ops: Builder, a: Node, b: Node) -> Node | None:
    return a if ops.constant(b) == 1 else None


def _simpler_neg(ops: Builder, a: Node) -> Node | None:
    if (positive := _negated(a)) is not None:
        return positive
    if isinstance(a, Pointwise) and a.function.name == "sub":
        return a.operands[1] - a.operands[0]
    return None


def _simpler_pow(ops: Builder, a: Node, exponent: Node) -> Node | None:
    match ops.constant(exponent):
        case 0:
            return ops.number(1)
        case 1:
            return a
        case 2:
            return a * a
        case 3:
            return a * a * a
        case 0.5:
            return ops.sqrt(a)
        case -0.5:
            return 1 / ops.sqrt(a)
        case -1:
            return 1 / a
        case -2:
            return 1 / (a * a)
    return None


def _simpler_select(ops: Builder, mask: Node, a: Node, b: Node) -> Node | None:
    if a is b:
        return a
    decided = ops.constant(mask)
    return None if decided is None else a if decided else b


SIMPLER: dict[str, Callable[..., Node | None]] = {
    "add": _simpler_add,
    "sub": _simpler_sub,
    "mul": _simpler_mul,
    "div": _simpler_div,
    "neg": _simpler_neg,
    "pow": _simpler_pow,
    "select": _simpler_select,
}
