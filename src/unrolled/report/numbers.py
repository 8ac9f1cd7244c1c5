"""Numbers as people read them: three significant digits, thousands apart.

Exponents are only those of numbers below a ten thousandth.
"""

import math
from collections.abc import Sequence

UNDEFINED = "—"
# No line ends between a number and its sign.
PERCENT = "\N{NO-BREAK SPACE}%"
MILLION = 1_000_000
# Smaller ones have an exponent.
SMALLEST = 1e-4


def number(value: float, decimals: int | None = None) -> str:
    """Three significant digits, or a given number of decimals: "0.622", "1,235", "3.1e-07"."""
    if math.isnan(value):
        return UNDEFINED
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if decimals is None and 0 < abs(value) < SMALLEST:
        return f"{value:.3g}"
    return f"{value:,.{decimals_for(value) if decimals is None else decimals}f}"


def column(values: Sequence[float]) -> list[str]:
    """Numbers with the same decimals each, so that they can be compared down a column.

    Where one is below a ten thousandth, each has its own three digits.
    """
    known = [abs(v) for v in values if math.isfinite(v) and v != 0]
    if known and min(known) < SMALLEST:
        return [number(value) for value in values]
    # The smallest keeps three significant digits.
    decimals = decimals_for(min(known)) if known else None
    return [number(value, decimals) for value in values]


def decimals_for(value: float) -> int:
    """Decimals that leave three significant digits, six at most."""
    if value == 0:
        return 0
    return min(6, max(0, 2 - math.floor(math.log10(abs(value)))))


def tick(value: float) -> str:
    """A number beside an axis, short: "0.05", "1,200", "1.5M"."""
    if abs(value) >= MILLION:
        return f"{value / MILLION:,.6g}M"
    return f"{value:,.6g}"


def percent(share: float) -> str:
    """A share from 0 to 1 as "83 %"; below 10 % with a decimal where there is one: "0.3 %"."""
    if math.isnan(share):
        return UNDEFINED
    digits = f"{100 * share:.1f}" if abs(share) < 0.0995 else f"{100 * share:.0f}"
    return digits.removesuffix(".0") + PERCENT


def duration(seconds: float) -> str:
    """ "0.8 s", "12 s", "3 min 20 s", "1 h 05 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
