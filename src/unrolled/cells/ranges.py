"""Checks of the numbers that a cell is made with."""

import math
from numbers import Real


def check_number(what: str, value: float, most: float = math.inf, zero: bool = False) -> None:
    """Raise ValueError unless `value` is a finite number above 0 and up to `most`.

    With `zero`, 0 is allowed too.
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if is_number and 0 <= value <= most and (zero or value != 0):
        return
    bounds = ("from 0" if zero else "above 0") + (f" up to {most:g}" if most < math.inf else "")
    raise ValueError(f"{what} must be a number {bounds}, got {value!r}")
