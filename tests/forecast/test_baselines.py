"""Simple forecasts by hand."""

import numpy as np
import pytest

from unrolled.tasks.forecast import baselines
from unrolled.tasks.forecast.windows import Windows

NAN = float("nan")
#                    0  1  2  3  4   5    6
TARGET = np.array([1.0, 2, 3, 4, NAN, 6, NAN])


def _at(origin: int, horizon: int) -> Windows:
    return Windows(np.array([0]), np.array([origin]), horizon)


def test_last_value_takes_the_last_one_seen() -> None:
    assert baselines.last_value([TARGET], _at(3, 2)).tolist() == [[4, 4]]
    assert baselines.last_value([TARGET], _at(4, 2)).tolist() == [[4, 4]]


def test_seasonal_naive_repeats_the_last_season() -> None:
    assert baselines.seasonal_naive([TARGET], _at(3, 5), season=2).tolist() == [[3, 4, 3, 4, 3]]


def test_seasonal_naive_goes_back_past_gaps_and_then_to_the_last_value() -> None:
    # Step 6 would repeat step 4, which is missing, so step 2; step 7 repeats step 5.
    assert baselines.seasonal_naive([TARGET], _at(5, 2), season=2).tolist() == [[3, 6]]
    assert baselines.seasonal_naive([TARGET], _at(1, 3), season=3).tolist() == [[2, 1, 2]]


def test_seasonal_naive_never_looks_ahead() -> None:
    changed = TARGET.copy()
    changed[4:] = 99.0
    for origin in (1, 2, 3):
        a, b = (baselines.seasonal_naive([y], _at(origin, 6), 2) for y in (TARGET, changed))
        np.testing.assert_array_equal(a, b)


def test_drift_prolongs_the_line_from_the_first_value() -> None:
    assert baselines.drift([TARGET], _at(3, 2)).tolist() == [[5, 6]]
    assert baselines.drift([TARGET], _at(5, 1))[0, 0] == pytest.approx(7)
