"""Dates in many spellings, against hand-written moments."""

from datetime import date

import polars as pl
import pytest

from unrolled.data import DataError, read_series


def start_and_step(texts, name="when"):
    table = pl.DataFrame({name: texts, "y": [1.0, 2.0, 4.0][: len(texts)]})
    data = read_series(table, time=name)
    return str(data[0].start)[:19], str(data.schema.frequency)


@pytest.mark.parametrize(
    ("texts", "start", "step"),
    [
        (["2013-01-01T06:00:00Z", "2013-01-01T07:00:00Z"], "2013-01-01T06:00:00", "1h"),
        (["2013-01-01 06:00", "2013-01-01 06:15"], "2013-01-01T06:00:00", "15min"),
        (["2013-01-01T06:00:00.5", "2013-01-01T06:00:01.5"], "2013-01-01T06:00:00", "1s"),
        (["2013-01-01T00:30+02:00", "2013-01-01T01:30+02:00"], "2012-12-31T22:30:00", "1h"),
        (["2013-01-01 00:30 -0530", "2013-01-01 01:30 -0530"], "2013-01-01T06:00:00", "1h"),
        (["1949-01", "1949-02"], "1949-01-01T00:00:00", "1mo"),
        (["1949/1", "1949/2"], "1949-01-01T00:00:00", "1mo"),
        (["1949M01", "1949M02"], "1949-01-01T00:00:00", "1mo"),
        (["01/1949", "02/1949"], "1949-01-01T00:00:00", "1mo"),
        (["Jan 1949", "Feb 1949"], "1949-01-01T00:00:00", "1mo"),
        (["1949-Jan", "1949-Feb"], "1949-01-01T00:00:00", "1mo"),
        (["2020Q1", "2020Q2"], "2020-01-01T00:00:00", "3mo"),
        (["Q3 2020", "Q4 2020"], "2020-07-01T00:00:00", "3mo"),
        (["2020-W53", "2021-W01"], "2020-12-28T00:00:00", "1w"),
        (["31.12.2019", "01.01.2020"], "2019-12-31T00:00:00", "1d"),
        (["31/12/2019 23:00", "01/01/2020 00:00"], "2019-12-31T23:00:00", "1h"),
        (["12/31/2019", "1/1/2020"], "2019-12-31T00:00:00", "1d"),
        (["12/31/2019 11:30 PM", "1/1/2020 12:30 AM"], "2019-12-31T23:30:00", "1h"),
        (["1/1/2020 12:00 PM", "1/1/2020 1:00 PM"], "2020-01-01T12:00:00", "1h"),
        (["5 March 2020", "6 March 2020"], "2020-03-05T00:00:00", "1d"),
        (["Mar 5, 2020", "Mar 6, 2020"], "2020-03-05T00:00:00", "1d"),
        (["28-Feb-2020", "29-Feb-2020"], "2020-02-28T00:00:00", "1d"),
        (["20200228", "20200229"], "2020-02-28T00:00:00", "1d"),
        (["194901", "194902"], "1949-01-01T00:00:00", "1mo"),
        (["1949", "1950"], "1949-01-01T00:00:00", "1y"),
        (["1357020000", "1357023600"], "2013-01-01T06:00:00", "1h"),
        (["1357020000000", "1357023600000"], "2013-01-01T06:00:00", "1h"),
        (["5", "6"], "5", "1"),
        ([1949, 1950], "1949-01-01T00:00:00", "1y"),
        ([5.0, 6.0], "5", "1"),
        ([date(2020, 1, 31), date(2020, 2, 29)], "2020-01-31T00:00:00", "1mo-end"),
    ],
)
def test_spellings(texts, start, step):
    assert start_and_step(texts) == (start, step)


@pytest.mark.parametrize("week", range(1, 52, 5))
@pytest.mark.parametrize("year", [1998, 2004, 2015, 2020, 2026])
def test_iso_weeks(year, week):
    start, step = start_and_step([f"{year}-W{week:02d}", f"{year}-W{week + 1:02d}"])
    assert start[:10] == str(date.fromisocalendar(year, week, 1))
    assert step == "1w"


@pytest.mark.parametrize(
    ("texts", "start", "order"),
    [
        (["01/02/2013", "02/02/2013", "03/02/2013"], "2013-02-01", "day/month/year"),
        (["01/02/2013", "01/03/2013", "01/04/2013"], "2013-01-02", "month/day/year"),
    ],
)
def test_ambiguous_dates_take_the_regular_reading_and_say_so(texts, start, order):
    data = read_series(pl.DataFrame({"date": texts, "y": [1.0, 2.0, 4.0]}), freq="1d")
    assert str(data[0].start)[:10] == start
    [warning] = [f.text for f in data.findings if f.kind == "warning"]
    assert f"read as {order}" in warning


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["2013-01-01", "2013-01-02", "soon"], ["'soon'", "data row 3", "'when'"]),
        (["2013-02-29", "2013-03-01"], ["'2013-02-29'", "data row 1"]),
        (["2013-01-01 24:00", "2013-01-02 00:00"], ["24:00", "data row 1"]),
        (["01/02/13", "02/02/13"], ["'01/02/13'", "four digits"]),
        (["a", "b"], ["'a'", "no date"]),
        (["0.5", "1.0"], ["0.5", "whole numbers"]),
        (["", ""], ["'when'", "empty"]),
    ],
)
def test_what_is_no_time_is_named(texts, words):
    with pytest.raises(DataError) as error:
        start_and_step(texts)
    assert all(word in str(error.value) for word in words)


def test_offsets_are_reported():
    table = {"time": ["2013-01-01T06:00Z", "2013-01-01T07:00Z"], "y": [1.0, 2.0]}
    assert "times of 'time' are in UTC" in [
        f.text for f in read_series(pl.DataFrame(table)).findings
    ]
    table["time"] = ["2013-01-01T06:00+02:00", "2013-01-01T07:00+02:00"]
    found = [f.text for f in read_series(pl.DataFrame(table)).findings]
    assert "times of 'time' converted to UTC" in found


def test_typed_time_zones_become_utc():
    table = pl.DataFrame({"time": ["2013-07-01 06:00", "2013-07-01 07:00"], "y": [1.0, 2.0]})
    zoned = table.with_columns(
        pl.col("time").str.to_datetime("%Y-%m-%d %H:%M").dt.replace_time_zone("Europe/Berlin")
    )
    data = read_series(zoned)
    assert str(data[0].start)[:16] == "2013-07-01T04:00"
    assert any("Europe/Berlin" in finding.text for finding in data.findings)
