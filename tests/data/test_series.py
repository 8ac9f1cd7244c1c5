"""Slicing keeps the grid; splits cut where they say; schemas survive JSON."""

import json
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from unrolled.data import DataError, Finding, Schema, Series, SeriesSet, read_series


@pytest.fixture
def air():
    return read_series("air_passengers")


def two_series(steps=10, ahead=3):
    """Daily series "a" and "b"; "b" starts four days later; `promo` is known ahead."""
    rows = []
    for name, offset, height in (("a", 0, 1.5), ("b", 4, 2.5)):
        for step in range(steps + ahead):
            value = float(step) if step < steps else None
            rows.append((name, date(2020, 1, 1 + offset + step), value, 100 + step, height))
    return pl.DataFrame(rows, schema=["id", "day", "y", "promo", "height"], orient="row")


@pytest.fixture
def pair():
    return read_series(two_series(), future="promo")


def test_times(air):
    series = air["air-passengers"]
    assert series.n == 144
    assert series.times()[[0, -1]].astype(str).tolist() == [
        "1949-01-01T00:00:00.000000",
        "1960-12-01T00:00:00.000000",
    ]
    assert str(series.times(series.n, 2)[-1])[:7] == "1961-02"


def test_shapes(pair):
    a, b = pair
    assert (a.n, a.ahead, b.n, b.ahead) == (10, 3, 10, 3)
    assert a.past.shape == (10, 0)
    np.testing.assert_array_equal(b.future[:, 0], 100.0 + np.arange(13))
    assert (a.static.tolist(), b.static.tolist()) == ([1.5], [2.5])
    assert str(b.start)[:10] == "2020-01-05"


@pytest.mark.parametrize(("first", "last"), [(0, 10), (2, 7), (0, 1), (9, 10), (3, 99)])
def test_slices_keep_their_place_on_the_grid(pair, first, last):
    series = pair["a"]
    part = series.between(first, last)
    np.testing.assert_array_equal(part.times(), series.times()[first:last])
    np.testing.assert_array_equal(part.target, series.target[first:last])
    np.testing.assert_array_equal(part.future, series.future[first:])
    assert part.n + part.ahead == series.n + series.ahead - first


def test_integer_slices():
    table = pl.DataFrame({"step": range(5, 25, 5), "y": [1.0, 2.0, 3.0, 5.0]})
    part = read_series(table)[0].between(2, 4)
    assert part.start == 15
    assert part.times().tolist() == [15, 20]


@pytest.mark.parametrize(
    ("point", "steps"),
    [
        *[("1959-01", 120), ("1959", 120), ("1959-01-01", 120), ("1959-01-15", 121)],
        *[(date(1950, 1, 1), 12), (np.datetime64("1950-01"), 12), (datetime(1950, 1, 2), 13)],
        *[(datetime(1950, 1, 1, tzinfo=UTC), 12), ("1950-01-01T00:00Z", 12)],
        *[(24, 120), (0.5, 72), (0.75, 108), ("1990", 144)],
    ],
)
def test_before(air, point, steps):
    kept = air.before(point)
    assert kept[0].n == steps
    np.testing.assert_array_equal(kept[0].target, air[0].target[:steps])
    if steps < 144:
        rest = air.after(point)
        np.testing.assert_array_equal(rest[0].target, air[0].target[steps:])
        assert rest[0].start == air[0].times()[steps]


def test_before_cuts_all_series_at_one_time_and_keeps_what_is_known_ahead(pair):
    kept = pair.before("2020-01-07")
    assert [series.n for series in kept] == [6, 2]
    assert [series.ahead for series in kept] == [7, 11]


def test_before_leaves_out_series_that_start_later(pair):
    kept = pair.before("2020-01-04")
    assert [series.name for series in kept] == ["a"]
    assert kept.findings[-1].kind == "ignored"
    assert kept.findings[-1].count == 1


def test_integer_axis_splits_at_a_step_or_counts_from_the_end():
    data = read_series(pl.DataFrame({"step": range(100, 120), "y": np.arange(20.0) ** 2}))
    assert data.before("105")[0].n == 5
    assert data.before(5)[0].n == 15


@pytest.mark.parametrize(
    ("point", "words"),
    [
        ("yesterday", "cannot split at 'yesterday'; expected a time"),
        (1.5, "between 0 and 1, got 1.5"),
        ("1900", "no series of air-passengers has a step on that side of 1900"),
    ],
)
def test_wrong_points(air, point, words):
    with pytest.raises(DataError, match=words):
        air.before(point)


def test_unknown_series(air):
    with pytest.raises(DataError, match="air-passengers has no series 'sea'"):
        air["sea"]


def test_schema_survives_json(pair):
    schema = pair.schema
    restored = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    assert restored == schema
    mixed = Schema("y", "t", ("id",), schema.frequency, 7, static={"h": None, "c": ["x", "y"]})
    assert Schema.from_dict(json.loads(json.dumps(mixed.to_dict()))) == mixed
    assert mixed.static_names == ["h", "c=x", "c=y"]


def test_summaries(air):
    assert air.summary() == (
        "air-passengers  144 months 1949-01 .. 1960-12, season 12; nothing to repair"
    )
    assert read_series("nyc_weather").summary() == (
        "nyc-weather  3 series, 26,190 hours 2013-01-01 .. 2013-12-30, season 24; masked 20,778 "
        "wind_gust values, masked 2,729 pressure values, masked 460 wind_dir values, restored 75 "
        "absent hours and 4 more findings"
    )


def test_summary_tells_warnings_first():
    empty = np.zeros((2, 0))
    data = read_series("air_passengers")
    series = Series(
        "x", data.schema.frequency, data[0].start, np.ones(2), empty, empty, np.zeros(0)
    )
    findings = (Finding("found", "target"), Finding("repaired", "b", 9), Finding("warning", "a", 1))
    assert SeriesSet((series,), data.schema, "t", findings).summary().endswith("; a, b")
