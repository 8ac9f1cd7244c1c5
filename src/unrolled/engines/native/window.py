"""Where the entries of a fixed value lie in the tensor that it is a part of.

A gate's matrix is often some rows of a parameter. Kernels read it in place, and write its
gradient in place, instead of cutting the parameter and putting its gradient together again.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ...graph.nodes import Computed, Fixed
from ...graph.views import cut, is_transpose, operator_name


@dataclass(frozen=True)
class Window:
    """A part of a contiguous tensor.

    Attributes:
        base: the value whose tensor holds the entries.
        shape, strides, offset: as `torch.as_strided` takes them.
    """

    base: Fixed
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    def of(self, tensor: Tensor) -> Tensor:
        """The part of the base's tensor, a view."""
        return tensor.as_strided(self.shape, self.strides, tensor.storage_offset() + self.offset)


def window_of(fixed: Fixed) -> Window:
    """The part of the simplest tensor that a fixed value is."""
    part = cut(fixed)
    if part is not None:
        whole, dim, start, _ = part
        inner = window_of(whole)
        return Window(
            inner.base, fixed.shape, inner.strides, inner.offset + start * inner.strides[dim]
        )
    if isinstance(fixed, Computed) and isinstance(fixed.operands[0], Fixed):
        inner = window_of(fixed.operands[0])
        if is_transpose(fixed) and len(fixed.shape) == 2:
            return Window(inner.base, fixed.shape, inner.strides[::-1], inner.offset)
        contiguous = inner.strides == _strides(inner.shape)
        if operator_name(fixed) in ("reshape", "view", "unsqueeze") and contiguous:
            return Window(inner.base, fixed.shape, _strides(fixed.shape), inner.offset)
    return Window(fixed, fixed.shape, _strides(fixed.shape))


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))
