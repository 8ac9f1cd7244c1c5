"""Origins and splits against positions counted by hand."""

import numpy as np

from unrolled.tasks.forecast import windows

NAN = float("nan")


def test_rolling_windows_lie_inside_the_part() -> None:
    rolled = windows.rolling(first=[3, 4], lengths=[7, 6], horizon=2)
    assert rolled.series.tolist() == [0, 0, 0, 1]
    assert rolled.origins.tolist() == [2, 3, 4, 3]
    assert rolled.steps.tolist() == [[3, 4], [4, 5], [5, 6], [4, 5]]


def test_rolling_with_a_stride() -> None:
    assert windows.rolling([3], [10], horizon=2, stride=3).origins.tolist() == [2, 5]


def test_truth_is_unknown_beyond_the_end() -> None:
    end = windows.at_end([3, 2], horizon=2)
    targets = [np.array([1.0, 2, 3]), np.array([7.0, 8])]
    assert np.isnan(end.truth(targets)).all()
    inside = windows.rolling([1, 1], [3, 2], horizon=1)
    np.testing.assert_array_equal(inside.truth(targets), [[2.0], [3.0], [8.0]])


def test_thinning_keeps_the_ends() -> None:
    rolled = windows.rolling([1], [101], horizon=1)
    thin = rolled.thinned(5)
    assert len(thin) == 5
    assert (thin.origins[0], thin.origins[-1]) == (rolled.origins[0], rolled.origins[-1])


def test_held_out_steps() -> None:
    # One short series: a seventh. Many: enough windows. Never less than the horizon.
    assert windows.validation_steps([120], horizon=6) == 18
    assert windows.validation_steps([900] * 414, horizon=48) == 48 + 8
    assert windows.validation_steps([20], horizon=6) == 6
    assert windows.test_steps([8000], horizon=24) == 1000
