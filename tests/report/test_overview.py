"""What a report says about a table of series."""

from dataclasses import replace

import numpy as np
import pytest

from unrolled.data import Finding, Frequency, Schema, Series, SeriesSet
from unrolled.report import overview
from unrolled.report.overview import findings_table, gaps_picture, series_table

HOURS = Frequency.parse("1h")


def make_series(name: str, target: np.ndarray, covariates: int = 0, late: int = 0) -> Series:
    start = HOURS.times(np.datetime64("2020-01-01"), late, 1)[0]
    past, future = np.zeros((len(target), covariates)), np.zeros((len(target) + 3, 0))
    return Series(name, HOURS, start, target, past, future, np.zeros(0))


def make_set(*series: Series, past: tuple[str, ...] = (), findings: tuple = ()) -> SeriesSet:
    schema = Schema("load", "time", ("name",), HOURS, 24, past=past)
    return SeriesSet(series, schema, "grid", findings)


def with_gap(steps: int, first: int, last: int) -> np.ndarray:
    target = np.arange(float(steps))
    target[first:last] = np.nan
    return target


def test_the_series_table_counts_steps_and_gaps() -> None:
    table = series_table(make_set(make_series("a", with_gap(100, 10, 15))))
    assert table.rows == [
        ["a", "100", "2020-01-01 00:00", "2020-01-05 03:00", "5 (5\N{NO-BREAK SPACE}%)"]
    ]


def test_missing_covariates_are_counted_apart() -> None:
    series = make_series("a", np.ones(10), covariates=2)
    series.past[3:, 1] = np.nan
    table = series_table(make_set(series, past=("p", "q")))
    assert table.rows[0][-2:] == ["0", "7"]


def test_many_series_are_listed_in_part_and_the_rest_is_counted() -> None:
    table = series_table(make_set(*(make_series(f"s{k}", np.ones(5)) for k in range(200))))
    assert len(table.rows) == 20
    assert "180 more" in table.caption


def test_findings_stand_in_the_order_of_their_weight() -> None:
    findings = (Finding("found", "x"), Finding("repaired", "y", 1200), Finding("warning", "z", 1))
    table = findings_table(make_set(make_series("a", np.ones(5)), findings=findings))
    assert [row[0] for row in table.rows] == ["warning", "repaired", "found"]
    assert [row[2] for row in table.rows] == ["1", "1,200", ""]


def test_without_gaps_there_is_no_gap_chart() -> None:
    assert gaps_picture(make_set(make_series("a", np.ones(5)))) is None


def test_the_gap_chart_names_its_worst_row_and_counts_what_it_leaves_out() -> None:
    series = [make_series(f"s{k}", with_gap(50, 0, 1 + k)) for k in range(30)]
    picture = gaps_picture(make_set(*series))
    assert picture is not None
    assert "60\N{NO-BREAK SPACE}%, in s29 load" in picture.svg
    assert "6 more columns" in picture.caption


@pytest.mark.parametrize("steps", [1, 7, 149, 1000])
def test_shares_of_missing_steps_add_up_over_the_bins(steps: int) -> None:
    series = make_series("late", with_gap(steps, steps // 3, steps), late=40)
    data = make_set(make_series("early", np.ones(60)), series)
    gaps = next(overview._columns(data, series))
    edges = overview._edges(data)
    place = np.searchsorted(edges, series.times(), side="right") - 1
    counts = np.bincount(place, minlength=len(edges) - 1)
    shares = overview._binned(gaps, edges)
    assert (shares * counts).sum() == pytest.approx(gaps.missing.sum())
    assert (shares[counts == 0] == 0).all()


def test_names_of_series_are_not_markup() -> None:
    data = make_set(make_series("<b>&$x$", with_gap(50, 3, 9)), make_series("b", np.ones(50)))
    picture = gaps_picture(replace(data, name="<i>"))
    assert picture is not None
    assert "&lt;b&gt;&amp;$x$ load" in picture.svg
    assert "<b>" not in picture.svg
