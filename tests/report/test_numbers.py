"""Numbers read as people write them."""

import math

import pytest

from unrolled.naming import counted
from unrolled.report.numbers import column, duration, number, percent, tick


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.62249, "0.622"),
        (12.345, "12.3"),
        (1234.5, "1,234"),
        (-0.5, "-0.500"),
        (0.0001234, "0.000123"),
        (0.00003141, "3.14e-05"),
        (-3e-30, "-3e-30"),
        (math.nan, "—"),
        (math.inf, "∞"),
    ],
)
def test_a_number_keeps_three_significant_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_a_column_shares_its_decimals_and_the_smallest_keeps_three_digits() -> None:
    assert column([0.446, 7.7071, math.nan, 0.0]) == ["0.446", "7.707", "—", "0.000"]
    assert column([math.nan]) == ["—"]
    assert column([0.9, 3e-7]) == ["0.900", "3e-07"]


@pytest.mark.parametrize(
    ("share", "text"), [(0.83, "83"), (0.05, "5"), (0.003, "0.3"), (0.0996, "10"), (1, "100")]
)
def test_shares_are_percentages(share: float, text: str) -> None:
    assert percent(share) == f"{text}\N{NO-BREAK SPACE}%"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.84, "0.8 s"),
        (9.97, "10 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3900, "1 h 05 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_ticks_are_short() -> None:
    assert [tick(v) for v in (0.05, 1200, 2.5e6)] == ["0.05", "1,200", "2.5M"]


def test_counts_have_the_right_plural() -> None:
    assert counted(1, "window") == "1 window"
    assert counted(1200, "window") == "1,200 windows"
    assert counted(2, "series", "series") == "2 series"
