"""The time between two steps of a cell in continuous time: a number, or a feature of x.

With `elapsed="input"` the last feature of x is the time since the previous step. It counts in
`input_size`, and the cell's maps do not read it.

Shapes: B batch, I input_size.
"""

from torch import Tensor

from .cell import check_size
from .ranges import check_number


def mapped_features(input_size: int, elapsed: float | str) -> int:
    """How many features of x the cell's maps read.

    Raises:
        ValueError: `elapsed` is neither a time above 0 nor "input", or x has no feature for it.
    """
    if elapsed == "input":
        check_size('input_size with elapsed="input"', input_size)
        return input_size - 1
    if isinstance(elapsed, str):
        raise ValueError(f'elapsed must be a number above 0 or "input", got {elapsed!r}')
    check_number("elapsed", elapsed)
    return input_size


def split_elapsed(x: Tensor, elapsed: float | str) -> tuple[Tensor, Tensor | float]:
    """What the maps read of x, and the time since the previous step, [B, 1] or a number."""
    return (x[:, :-1], x[:, -1:]) if isinstance(elapsed, str) else (x, elapsed)
