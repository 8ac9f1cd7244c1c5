"""The grids agree with `pandas.date_range`, and spellings and detection with what people mean."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data import DataError, Frequency

# Alias of pandas, our spelling, unit, seasons.
GRIDS = [
    ("15min", "15min", "15-minute steps", (96, 672)),
    ("min", "1min", "minutes", (60, 1440)),
    ("h", "1h", "hours", (24, 168)),
    ("6h", "6h", "6-hour steps", (4, 28)),
    ("D", "1d", "days", (7, 365)),
    ("W-TUE", "1w", "weeks", (52,)),
    ("4W", "4w", "4-week steps", ()),
    ("30D", "30d", "30-day steps", (12,)),
    ("MS", "1mo", "months", (12,)),
    ("ME", "1mo-end", "months", (12,)),
    ("QS", "3mo", "quarters", (4,)),
    ("QE", "3mo-end", "quarters", (4,)),
    ("YS", "1y", "years", ()),
    ("YE", "1y-end", "years", ()),
    ("B", "1bd", "business days", (5,)),
]


@pytest.mark.parametrize(("alias", "spelling", "unit", "seasons"), GRIDS)
def test_detects_and_reproduces_the_grids_of_pandas(alias, spelling, unit, seasons):
    times = pd.date_range("2019-01-05 00:00", periods=90, freq=alias).to_numpy()
    frequency = Frequency.detect([times])
    assert str(frequency) == spelling
    assert frequency.unit == unit
    if spelling not in ("30d", "4w"):
        assert frequency.candidate_seasons == seasons
    np.testing.assert_array_equal(frequency.times(times[0], 0, 90), times)
    positions, off = frequency.positions(times[0], times)
    np.testing.assert_array_equal(positions, np.arange(90))
    assert not off.any()


@pytest.mark.parametrize(("alias", "spelling", "unit", "seasons"), GRIDS)
def test_gaps_do_not_change_the_frequency(alias, spelling, unit, seasons):
    times = pd.date_range("2019-01-05", periods=90, freq=alias).to_numpy()
    kept = np.delete(times, [3, 4, 17, 40, 41, 42, 88])
    assert str(Frequency.detect([kept, times[:5]])) == spelling


@pytest.mark.parametrize("day", ["first", "last"])
def test_first_and_last_business_days_are_months(day):
    alias = "BMS" if day == "first" else "BME"
    times = pd.date_range("2019-01-01", periods=48, freq=alias).to_numpy()
    frequency = Frequency.detect([times])
    assert (frequency.kind, frequency.size) == ("months", 1)
    positions, off = frequency.positions(times[0], times)
    np.testing.assert_array_equal(positions, np.arange(48))
    assert off.any()


def test_any_fixed_day_of_the_month():
    times = pd.date_range("2020-01-01", periods=30, freq="MS").to_numpy() + np.timedelta64(14, "D")
    frequency = Frequency.detect([times])
    assert str(frequency) == "1mo"
    np.testing.assert_array_equal(frequency.times(times[0], 3, 5), times[3:8])


def test_a_start_on_the_31st_clamps_to_shorter_months():
    times = Frequency.parse("1mo").times(np.datetime64("2023-01-31T06:00"), 0, 4)
    expected = ["2023-01-31T06:00", "2023-02-28T06:00", "2023-03-31T06:00", "2023-04-30T06:00"]
    np.testing.assert_array_equal(times, np.array(expected, "datetime64[us]"))


def test_daily_rows_with_weekends_are_days():
    times = pd.date_range("2020-01-01", periods=30, freq="D").to_numpy()
    assert str(Frequency.detect([times])) == "1d"
    # Five days within one week skip no weekend, so nothing says that weekends are absent.
    assert str(Frequency.detect([pd.date_range("2020-01-06", periods=5).to_numpy()])) == "1d"


def test_integers():
    frequency = Frequency.detect([np.array([10, 15, 20, 30]), np.array([7, 12])])
    assert (str(frequency), frequency.unit, frequency.candidate_seasons) == ("5", "steps", ())
    positions, off = frequency.positions(10, np.array([10, 21, 40]))
    assert positions.tolist() == [0, 2, 6]
    assert off.tolist() == [False, True, False]
    assert frequency.times(10, 1, 3).tolist() == [15, 20, 25]


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        *[("H", "1h"), ("hourly", "1h"), ("60min", "1h"), ("D", "1d"), ("7D", "1w"), ("T", "1min")],
        *[("S", "1s"), ("MS", "1mo"), ("ms", "1ms"), ("M", "1mo-end"), ("monthly", "1mo")],
        *[("1q", "3mo"), ("Q", "3mo-end"), ("QS-OCT", "3mo"), ("12mo", "1y"), ("W-SUN", "1w")],
        *[("B", "1bd"), ("2 weeks", "2w"), ("Business", "1bd"), ("1", "1"), (5, "5")],
        (timedelta(minutes=30), "30min"),
    ],
)
def test_spellings(text, spelling):
    frequency = Frequency.parse(text)
    assert str(frequency) == spelling
    assert Frequency.parse(str(frequency)) == frequency


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hous", ["'hous'", "did you mean 'hours'", "15min"]),
        ("m", ["ambiguous", "min", "mo"]),
        ("0h", ["length zero"]),
        ("", ["not known"]),
        ("3 blinks", ["not known"]),
    ],
)
def test_wrong_spellings(text, words):
    with pytest.raises(DataError) as error:
        Frequency.parse(text)
    assert all(word in str(error.value) for word in words)


def test_irregular_times_are_refused():
    rng = np.random.default_rng(0)
    times = np.datetime64("2020-01-01", "us") + np.cumsum(rng.integers(1, 10**9, 100))
    with pytest.raises(DataError, match=r"irregular.*freq="):
        Frequency.detect([times])


def test_one_row_has_no_frequency():
    with pytest.raises(DataError, match=r"no series has two different times.*freq="):
        Frequency.detect([np.array(["2020-01-01"], "datetime64[us]")])


def test_times_must_be_dates_or_integers():
    with pytest.raises(DataError, match="float64"):
        Frequency.detect([np.array([0.5, 1.5])])


@given(
    st.sampled_from(["15min", "1h", "1d", "1w", "1mo", "1mo-end", "3mo", "1y", "1bd", "2bd"]),
    st.datetimes(pd.Timestamp("1900-01-01"), pd.Timestamp("2100-01-01")),
    st.integers(0, 500),
)
def test_positions_invert_times(spelling, start, count):
    frequency = Frequency.parse(spelling)
    times = frequency.times(np.datetime64(start, "us"), 0, count + 1)
    positions, off = frequency.positions(times[0], times)
    np.testing.assert_array_equal(positions, np.arange(count + 1))
    assert not off[1:].any() or spelling == "1mo" or spelling == "3mo" or spelling == "1y"
    assert (np.diff(times.astype(np.int64)) > 0).all()


def test_amounts_and_labels():
    hourly, monthly = Frequency.parse("h"), Frequency.parse("MS")
    assert hourly.amount(1) == "1 hour"
    assert hourly.amount(8730) == "8,730 hours"
    assert Frequency.parse("15min").amount(1, "absent") == "1 absent 15-minute step"
    assert hourly.label(np.datetime64("2013-01-01T06:00")) == "2013-01-01 06:00"
    assert monthly.label(np.datetime64("1949-01-01")) == "1949-01"
    assert Frequency.parse("1y").label(np.datetime64("1949-01-01")) == "1949"
    assert Frequency.parse("1").label(12) == "12"


@pytest.mark.parametrize(
    ("freq", "count", "text"),
    [
        ("1h", 1091, "45 days"),
        ("1h", 30, "30 hours"),
        ("15min", 960, "10 days"),
        ("1d", 90, "90 days"),
        ("1mo", 18, "18 months"),
        ("1", 5, "5 steps"),
    ],
)
def test_spans_in_words(freq, count, text) -> None:
    assert Frequency.parse(freq).span(count) == text
