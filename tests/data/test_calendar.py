"""Calendar features against the fields of `pandas.DatetimeIndex`."""

import numpy as np
import pandas as pd
import pytest

from unrolled.data import Frequency, calendar_features

# float32 has 24 bits, so sines and cosines are exact to about 6e-8.
FLOAT32 = 1e-6


def pair(features, names, cycle):
    column = names.index(f"{cycle} sin")
    return features[:, column], features[:, column + 1]


def check(features, names, cycle, phase):
    sine, cosine = pair(features, names, cycle)
    np.testing.assert_allclose(sine, np.sin(2 * np.pi * phase), atol=FLOAT32)
    np.testing.assert_allclose(cosine, np.cos(2 * np.pi * phase), atol=FLOAT32)


def test_quarter_hours():
    index = pd.date_range("2019-12-30", periods=5000, freq="15min")
    features, names = calendar_features(Frequency.parse("15min"), index.to_numpy())
    assert features.dtype == np.float32
    assert features.shape == (5000, 8)
    check(features, names, "minute of hour", index.minute / 60)
    check(features, names, "hour of day", (index.hour + index.minute / 60) / 24)
    clock = index.hour / 24 + index.minute / 1440
    check(features, names, "day of week", (index.day_of_week + clock) / 7)
    day = index.day_of_year - 1 + clock
    check(features, names, "day of year", day / np.where(index.is_leap_year, 366, 365))


def test_months():
    index = pd.date_range("1949-01-31", periods=30, freq="ME")
    features, names = calendar_features(Frequency.parse("ME"), index.to_numpy())
    assert names == ["month of year sin", "month of year cos"]
    check(features, names, "month of year", (index.month - 1) / 12)


@pytest.mark.parametrize(
    ("freq", "cycles"),
    [
        ("1min", ["minute of hour", "hour of day", "day of week", "day of year"]),
        ("1h", ["hour of day", "day of week", "day of year"]),
        ("1d", ["day of week", "day of year"]),
        ("1bd", ["day of week", "day of year"]),
        ("1w", ["day of year"]),
        ("3mo", ["month of year"]),
        ("1y", []),
    ],
)
def test_cycles_longer_than_a_step(freq, cycles):
    frequency = Frequency.parse(freq)
    times = frequency.times(np.datetime64("2020-01-01"), 0, 7)
    features, names = calendar_features(frequency, times)
    assert names == [f"{cycle} {wave}" for cycle in cycles for wave in ("sin", "cos")]
    assert features.shape == (7, 2 * len(cycles))


def test_integers_have_no_calendar():
    features, names = calendar_features(Frequency.parse("1"), np.arange(5))
    assert features.shape == (5, 0)
    assert names == []
