"""Fixed values that only look at another one: parts, transposes, new shapes, repetitions."""

from __future__ import annotations

from typing import Any

from .functions import FUNCTIONS
from .nodes import Computed, Fixed, Node, Number, Pointwise

FUNCTION_OF = {function.value: function for function in FUNCTIONS.values()}

# Operators of torch that only look at a tensor in another way.
TRANSPOSES = {"t", "transpose", "permute"}
SAME_ENTRIES = {
    *("reshape", "view", "_unsafe_view", "expand", "unsqueeze", "squeeze"),
    *("detach", "clone", "alias", "lift_fresh_copy", "_to_copy", "contiguous"),
}
_SPLITS = {"split", "split_with_sizes"}
_VIEWS = TRANSPOSES | SAME_ENTRIES | _SPLITS

# The arguments of a slice along the first dimension that takes everything.
_WHOLE: tuple[Any, ...] = (0, None, None, 1)


def spread(node: Node) -> Node | None:
    """The value of size 1 that a vector repeats, or None."""
    if not (isinstance(node, Pointwise) and node.function.name == "mul" and node.size > 1):
        return None
    ones = [isinstance(part, Number) and part.value == 1 for part in node.operands]
    others = [part for part, one in zip(node.operands, ones, strict=True) if not one]
    return others[0] if len(others) == 1 and others[0].size == 1 else None


def is_view(node: Node) -> bool:
    """Whether a fixed value only looks at another one: a part, a transpose, a new shape."""
    return isinstance(node, Computed) and (bool(cut(node)) or operator_name(node) in _VIEWS)


def is_transpose(node: Node) -> bool:
    """Whether a fixed value is the transpose of another."""
    return isinstance(node, Computed) and operator_name(node) in TRANSPOSES


def cut(node: Node) -> tuple[Fixed, int, int, int] | None:
    """Of a part of a tensor: the tensor, the dimension, the start and the stop; else None."""
    if not isinstance(node, Computed):
        return None
    name, (whole, *rest) = operator_name(node), node.operands
    if name == "slice":
        dim, start, stop, step = (*rest, *_WHOLE[len(rest) :])
        start, stop, step = slice(start, stop, step).indices(whole.shape[dim])
        return (whole, dim % len(whole.shape), start, stop) if step == 1 else None
    if name == "getitem" and isinstance(whole, Computed) and operator_name(whole) in _SPLITS:
        tensor, size = whole.operands[:2]
        dim: int = whole.operands[2] if len(whole.operands) > 2 else 0
        start = sum(size[: rest[0]]) if isinstance(size, (list, tuple)) else rest[0] * size
        return tensor, dim % len(tensor.shape), start, start + node.shape[dim]
    return None


def operator_name(node: Computed) -> str:
    """An operator of torch without its overload: "slice" of aten.slice.Tensor."""
    function = FUNCTION_OF.get(node.operator)
    if function is not None:
        return function.name
    text = str(node.operator)
    return text.split(".")[1] if text.startswith("aten.") else node.operator.__name__
