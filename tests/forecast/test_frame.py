"""Scaling and frames: what is learned, that it comes back, and that nothing looks ahead."""

import json

import numpy as np
import polars as pl
import pytest
import torch

from forecast.tables import hourly, series
from unrolled.data import read_series
from unrolled.tasks.forecast.frame import build_frame
from unrolled.tasks.forecast.scaling import (
    Scaling,
    Unit,
    grows_in_proportion,
    learn_scaling,
    repeated_cycles,
    unit_of,
    units_with_floor,
)


def _frame(data, horizon=6, kept=2):
    known = np.array([s.n for s in data])
    return build_frame(data, learn_scaling(data, known, kept), horizon)


def test_a_unit_is_the_mean_and_the_seasonal_change() -> None:
    unit = unit_of(np.array([1.0, 5.0, 2.0, 9.0]), 2)
    assert unit.offset == pytest.approx(4.25)
    assert unit.size == pytest.approx((1 + 4) / 2)


@pytest.mark.parametrize("values", [np.zeros(9), np.full(9, 7e5), np.tile([1.0, 2, 3], 3)])
def test_a_series_that_repeats_itself_has_a_usable_unit(values) -> None:
    unit = units_with_floor({"a": unit_of(values, 3)})["a"]
    assert unit.size > 0
    assert np.isfinite((values - unit.offset) / unit.size).all()


def test_a_series_that_hardly_moves_has_a_tenth_of_the_usual_unit() -> None:
    usual = {"a": Unit(100.0, 10.0), "b": Unit(-50.0, 5.0)}
    units = units_with_floor({**usual, "flat": Unit(200.0, 0.0), "zero": Unit(0.0, 0.0)})
    assert {name: units[name] for name in usual} == usual
    assert units["flat"].size == pytest.approx(0.1 * 0.1 * 200)
    assert units["zero"].size == pytest.approx(7.5)


def test_log_is_chosen_for_growing_swings_only() -> None:
    air = read_series("air_passengers").series[0].target
    steps = np.arange(240)
    additive = 100 + steps + 10 * np.sin(2 * np.pi * steps / 12)
    assert grows_in_proportion([air], 12)
    assert not grows_in_proportion([additive], 12)
    assert not grows_in_proportion([air - air.min()], 12)
    assert not grows_in_proportion([air], 1)


def test_calendar_cycles_must_have_been_seen_twice() -> None:
    data = series(steps=24 * 10)
    assert repeated_cycles(data, np.array([240, 240])) == ("hour of day sin", "hour of day cos")
    longer = repeated_cycles(series(steps=24 * 15), np.array([360, 360]))
    assert "day of week sin" in longer
    assert "day of year sin" not in longer


def test_scaling_survives_json() -> None:
    data = series()
    scaling = learn_scaling(data, np.array([500, 600]), 3)
    assert Scaling.from_dict(json.loads(json.dumps(scaling.to_dict()))) == scaling


@pytest.mark.parametrize("log", [False, True])
def test_restore_is_the_inverse_of_normalising(log) -> None:
    data = read_series("air_passengers") if log else series()
    frame = _frame(data)
    assert frame.scaling.log == log
    i, t = torch.tensor([0, 0]), torch.tensor([30, 100])
    normalised, known = frame.targets(i, t)
    assert known.all()
    restored = frame.restore(i, t, normalised[..., None])[..., 0]
    truth = np.stack([data.series[0].target[31:37], data.series[0].target[101:107]])
    # Values are float32 in units of the series.
    np.testing.assert_allclose(restored, truth, rtol=1e-5)


def test_large_offsets_keep_their_precision() -> None:
    shifted = hourly(names=("a",)).with_columns(pl.col("y") + 1e9)
    frame = _frame(read_series(shifted, target="y"))
    i, t = torch.tensor([0]), torch.tensor([50])
    normalised, _ = frame.targets(i, t)
    restored = frame.restore(i, t, normalised[..., None])[0, :, 0]
    np.testing.assert_allclose(restored, shifted["y"][51:57].to_numpy(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("count", [2, 60])
def test_nothing_in_a_frame_looks_ahead(count) -> None:
    """Whatever comes after step t changes nothing at steps up to t, for few series and many."""
    names = tuple(f"s{k:02}" for k in range(count))
    table = hourly(names=names, steps=200).with_columns(pl.col("y").cos().alias("load"))
    late = pl.col("time") > np.datetime64("2024-01-06T00:00")
    changed = table.with_columns(
        pl.when(late).then(pl.col("y") * -7 + 3).otherwise(pl.col("y")).alias("y"),
        pl.when(late).then(None).otherwise(pl.col("load")).alias("load"),
    )
    data = read_series(table, target="y", season=24)
    other = read_series(changed, target="y", season=24)
    scaling = learn_scaling(data, np.full(count, 100), 2)
    a, b = (build_frame(d, scaling, 6, np.full(count, 100)) for d in (data, other))
    seen = 24 * 5 + 1
    for name in ("values", "observed", "level", "scale", "volatility", "anomalies", "features"):
        before, after = getattr(a, name)[:, :seen], getattr(b, name)[:, :seen]
        torch.testing.assert_close(before, after, rtol=0, atol=0, msg=name)
    assert not torch.equal(a.level, b.level)


def test_a_new_series_gets_a_unit_of_its_own() -> None:
    data = series(names=("a", "b"))
    scaling = learn_scaling(data, np.array([720, 720]), 2)
    new = read_series(hourly(names=("c",), seed=5).with_columns(pl.col("y") * 100), target="y")
    frame = build_frame(new, scaling, 6)
    assert frame.units[0].offset == pytest.approx(1000, rel=0.01)


def test_missing_values_are_not_targets() -> None:
    table = hourly(names=("a",)).with_columns(
        pl.when(pl.int_range(pl.len()) == 51).then(None).otherwise(pl.col("y")).alias("y")
    )
    frame = _frame(read_series(table, target="y"))
    assert frame.scaling.target_gaps
    _, known = frame.targets(torch.tensor([0, 0]), torch.tensor([50, 715]))
    assert known.tolist() == [[False, *[True] * 5], [True] * 4 + [False] * 2]
