"""Filling and averaging against pandas."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unrolled.tasks.forecast import dense

SERIES = arrays(
    float,
    st.tuples(st.integers(1, 4), st.integers(1, 30)),
    elements=st.one_of(st.just(float("nan")), st.floats(-1e3, 1e3)),
)


@given(values=SERIES)
def test_fill_forward_is_pandas_ffill(values) -> None:
    expected = pd.DataFrame(values).ffill(axis=1).bfill(axis=1).fillna(0).to_numpy()
    np.testing.assert_array_equal(dense.fill_forward(values), expected)


@given(values=SERIES, window=st.integers(1, 12))
def test_trailing_mean_is_a_rolling_mean(values, window) -> None:
    values = np.nan_to_num(values)
    expected = pd.DataFrame(values.T).rolling(window, min_periods=1).mean().to_numpy().T
    # Differences of running sums of values up to 1e3.
    np.testing.assert_allclose(dense.trailing_mean(values, window), expected, atol=1e-9)


def test_seasonal_change_by_hand() -> None:
    change = dense.seasonal_change(np.array([[1.0, 4.0, 3.0, 9.0, 1.0]]), 2)
    np.testing.assert_array_equal(change, [[0, 0, 2, 5, 2]])


def test_spread_ignores_what_is_missing() -> None:
    values = np.array([[[1.0, 5.0], [np.nan, 5.0]], [[3.0, 5.0], [np.nan, np.nan]]])
    mean, spread = dense.spread_of(values)
    assert mean.tolist() == [2, 5]
    # A constant has no spread to divide by.
    assert spread.tolist() == pytest.approx([1, 1])


def test_stacking_pads_with_nan() -> None:
    stacked = dense.stack_padded([np.array([1.0]), np.array([2.0, 3.0])])
    np.testing.assert_array_equal(stacked, [[1, np.nan], [2, 3]])
    assert dense.stack_padded([np.zeros((2, 0)), np.zeros((5, 0))]).shape == (2, 5, 0)
