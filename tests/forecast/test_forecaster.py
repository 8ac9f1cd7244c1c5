"""The forecaster as its users see it."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import unrolled as ur
from forecast.tables import hourly, series, with_gaps
from unrolled.data import DataError, read_series
from unrolled.tasks.forecast import Forecaster, Listener

# Enough to run every step; accuracy is not what these tests are about.
QUICK = {"horizon": 6, "updates": 8, "epochs": 2, "hidden_size": 4}


@pytest.fixture(scope="module")
def data():
    return series(steps=24 * 20)


@pytest.fixture(scope="module")
def fitted(data):
    return Forecaster("gru", **QUICK).fit(data.before(48))


@pytest.mark.slow
def test_it_learns_and_beats_seasonal_naive() -> None:
    """Two daily waves with noise of 0.1: no forecast has an error below 0.08 times its height."""
    data = series(steps=24 * 40, noise=0.1)
    model = Forecaster("lstm", horizon=12).fit(data.before(96))
    scores = model.backtest(data, start=96).scores
    assert scores["model"]["MASE"] < 0.8 * scores["seasonal naive"]["MASE"]
    # Mean absolute noise is 0.1 sqrt(2 / pi) = 0.08 and 0.16; the seasonal change is
    # sqrt(2) times that, so the best possible MASE is 0.71.
    assert 0.65 < scores["model"]["MASE"] < 0.80
    assert 0.7 < scores["model"]["coverage"] < 0.9


@pytest.mark.slow
def test_it_uses_a_covariate_known_in_the_future() -> None:
    """y is 5 higher on days marked by `promo`, which nothing in the past announces."""
    steps = 24 * 60
    promo = np.random.default_rng(0).integers(0, 2, steps // 24).repeat(24)
    table = hourly(names=("a",), steps=steps).with_columns(
        (pl.col("y") + 5.0 * promo).alias("y"), pl.Series("promo", promo.astype(float))
    )
    rmse = {}
    for known in (True, False):
        data = read_series(table, target="y", future=["promo"] if known else (), past=())
        model = Forecaster(horizon=24, updates=40, epochs=2).fit(data.before(240))
        rmse[known] = model.backtest(data, start=240).scores["model"]["RMSE"]
    assert rmse[True] < 1.0
    assert rmse[False] > 1.5


def test_the_same_seed_gives_the_same_numbers(data, fitted) -> None:
    again = Forecaster("gru", **QUICK).fit(data.before(48))
    np.testing.assert_array_equal(again.predict().quantiles, fitted.predict().quantiles)
    other = Forecaster("gru", **QUICK, seed=1).fit(data.before(48))
    a, b = (m.fitted_.model.state_dict() for m in (fitted, other))
    assert any(not torch.equal(a[name], b[name]) for name in a if "cells" in name)


def test_predictions_have_the_next_times_and_ordered_quantiles(data, fitted) -> None:
    forecast = fitted.predict()
    assert forecast.series == ("a", "b")
    last = data.before(48).series[0].times()[-1]
    assert (forecast.times[0] == last + np.arange(1, 7) * np.timedelta64(1, "h")).all()
    assert (np.diff(forecast.quantiles, axis=-1) >= 0).all()
    table = forecast.to_polars()
    assert table.columns == ["name", "time", "q10", "q50", "q90"]
    assert table.height == 12
    assert table["q50"].to_list() == pytest.approx(forecast.point.reshape(-1).tolist())


def test_predict_equals_backtest_at_the_same_origin(data, fitted) -> None:
    """One forecast has one number, however many are asked for with it."""
    backtest = fitted.backtest(data, start=48)
    at_end = fitted.predict(data.before(48))
    first = [k for k in range(len(backtest.windows)) if backtest.windows.origins[k] == 431]
    # Batches of other sizes may sum in another order: float32 in units of the series.
    np.testing.assert_allclose(backtest.quantiles[first], at_end.quantiles, rtol=1e-4)
    some = fitted.backtest(data, start=48, windows=7)
    every = {(s, o): q for s, o, q in zip(
        backtest.windows.series, backtest.windows.origins, backtest.quantiles, strict=True
    )}  # fmt: skip
    for s, o, q in zip(some.windows.series, some.windows.origins, some.quantiles, strict=True):
        np.testing.assert_allclose(q, every[s, o], rtol=1e-4)


def test_forecasts_do_not_look_past_their_origin(data, fitted) -> None:
    changed = replace(
        data,
        series=tuple(
            replace(s, target=np.where(np.arange(s.n) > 440, -50.0, s.target)) for s in data
        ),
    )
    a, b = (fitted.backtest(d, start=48) for d in (data, changed))
    before = a.windows.origins <= 440
    np.testing.assert_allclose(a.quantiles[before], b.quantiles[before], rtol=1e-6)
    for name in a.baselines:
        kept = a.baselines[name][before], b.baselines[name][before]
        np.testing.assert_allclose(*kept, rtol=1e-6, err_msg=name)
    assert not np.allclose(a.quantiles[~before], b.quantiles[~before])


def test_save_and_load_give_the_same_forecasts(fitted, data, tmp_path) -> None:
    loaded = ur.load(fitted.save(tmp_path / "run"))
    assert loaded.get_params() == {**fitted.get_params()}
    np.testing.assert_array_equal(loaded.predict().quantiles, fitted.predict().quantiles)
    a, b = (m.backtest(data, start=48) for m in (fitted, loaded))
    assert a.scores == b.scores
    # The stored end of the table is enough: forecasts equal those from the whole table.
    whole = fitted.predict(data.before(48)).quantiles
    np.testing.assert_allclose(loaded.predict().quantiles, whole, rtol=1e-4)


@pytest.mark.parametrize("season", [24, 1])
@pytest.mark.parametrize("decoder", ["direct", "recurrent"])
@pytest.mark.parametrize("count", [1, 50])
def test_every_kind_of_model_trains_saves_and_loads(season, decoder, count, tmp_path) -> None:
    table = with_gaps(hourly(names=tuple(f"s{k:02}" for k in range(count)), steps=150))
    data = read_series(table, target="y", season=season)
    model = Forecaster(**QUICK, decoder=decoder, quantiles=(0.05, 0.25, 0.5, 0.9)).fit(data)
    forecast = model.predict()
    assert np.isfinite(forecast.quantiles).all()
    assert forecast.quantiles.shape == (count, 6, 4)
    loaded = ur.load(model.save(tmp_path))
    np.testing.assert_array_equal(loaded.predict().quantiles, forecast.quantiles)


class Leaky(ur.Cell):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, {"h": hidden_size})
        self.input = torch.nn.Linear(input_size, hidden_size)
        self.recurrent = torch.nn.Linear(hidden_size, hidden_size)

    def step(self, x, h):
        return (0.9 * h + 0.1 * torch.tanh(self.input(x) + self.recurrent(h)),)


def test_a_cell_of_ones_own(tmp_path) -> None:
    model = Forecaster(Leaky, **QUICK).fit(series(steps=120))
    assert model.engine_[0] in ("native", "eager")
    assert "Leaky" in model.engine_[1]
    folder = model.save(tmp_path)
    with pytest.raises(ValueError, match=r"uses the cell Leaky.*cell=Leaky"):
        ur.load(folder)
    loaded = ur.load(folder, cell=Leaky)
    np.testing.assert_array_equal(loaded.predict().quantiles, model.predict().quantiles)


@pytest.mark.parametrize("cell", sorted(ur.cells.BY_NAME))
def test_every_cell_by_name(cell) -> None:
    model = Forecaster(cell, **QUICK).fit(series(steps=120))
    assert np.isfinite(model.predict().quantiles).all()


def test_gaps_and_covariates_of_all_kinds() -> None:
    table = hourly(steps=24 * 10).with_columns(
        (pl.col("y") * 2).alias("load"),
        pl.col("time").dt.hour().is_between(8, 17).cast(float).alias("open"),
        pl.when(pl.col("name") == "a").then(pl.lit("north")).otherwise(pl.lit("south"))
        .alias("region"),
        pl.when(pl.col("name") == "a").then(1.0).otherwise(2.0).alias("size"),
    )  # fmt: skip
    data = read_series(
        with_gaps(table), target="y", series="name", future=["open"], static=["region", "size"]
    )
    assert (data.schema.past, data.schema.future) == (("load",), ("open",))
    assert set(data.schema.static) == {"region", "size"}
    model = Forecaster(**QUICK).fit(data.before(24))
    assert np.isfinite(model.backtest(data, start=24).quantiles).all()
    with pytest.raises(DataError, match="open is known in the future, but series a lacks 6"):
        model.predict(data)


def _odd(kind: str) -> np.ndarray:
    y = 5 + np.random.default_rng(1).standard_normal(600)
    if kind == "mostly missing":
        y[:520] = np.nan
        y[0] = 5
    if kind == "constant, then moving":
        y[:540] = 5
    if kind == "zero":
        y[:] = 0
    return y


@pytest.mark.parametrize("kind", ["mostly missing", "constant, then moving", "zero"])
def test_one_odd_series_does_not_spoil_the_others(kind) -> None:
    table = hourly(names=("good",), steps=600)
    odd = table.with_columns(pl.lit("odd").alias("name"), pl.Series("y", _odd(kind)))
    both = read_series(pl.concat([table, odd.with_columns(pl.col("y").fill_nan(None))]), target="y")
    scores = {}
    for name, data in {
        "alone": read_series(table, target="y", series="name"),
        "both": both,
    }.items():
        model = Forecaster(horizon=6, updates=30, epochs=3).fit(data.before(60))
        backtest = model.backtest(data, 60)
        good = backtest.windows.series == backtest.series.index("good")
        scores[name] = np.abs(backtest.truth - backtest.point)[good].mean()
    # Another series may help or hinder a little; before units had a floor it was by 1e9.
    assert scores["both"] < 1.5 * scores["alone"]


def test_a_table_with_other_columns_is_refused() -> None:
    table = hourly(steps=120).with_columns(
        pl.col("y").sin().alias("u"), pl.col("y").cos().alias("v")
    )
    model = Forecaster(**QUICK).fit(read_series(table, target="y"))
    for other in (table.drop("v"), table.select("time", "name", "y", "v", "u")):
        with pytest.raises(DataError, match="the table's past is"):
            model.predict(read_series(other, target="y"))
    daily = read_series(table, target="y", schema=None).series[0].target
    frame = pl.DataFrame({"time": np.arange("2024-01-01", "2024-04-30", dtype="M8[D]"), "y": daily})
    with pytest.raises(DataError, match="the table's"):
        model.predict(read_series(frame, target="y"))


def test_a_covariate_that_stopped_long_ago_is_kept(tmp_path) -> None:
    table = hourly(names=("a",), steps=1200).with_columns(
        pl.when(pl.int_range(pl.len()) < 300).then(pl.col("y") + 9).otherwise(None).alias("u")
    )
    data = read_series(table, target="y")
    model = Forecaster(**QUICK).fit(data)
    np.testing.assert_allclose(model.predict().quantiles, model.predict(data).quantiles, rtol=1e-4)


def test_logarithms_refuse_what_has_none() -> None:
    air = read_series("air_passengers")
    model = Forecaster(horizon=3, updates=4, epochs=1).fit(air)
    assert model.fitted_.scaling.log
    zero = replace(air.series[0], target=np.where(np.arange(144) == 140, 0, air.series[0].target))
    with pytest.raises(DataError, match=r"works on logarithms.*1 values of 0 or less"):
        model.predict(replace(air, series=(zero,)))


def test_a_run_of_a_named_cell_opens_whatever_its_spelling(tmp_path) -> None:
    for cell in ("GRU", ur.cells.GRU):
        model = Forecaster(cell, **QUICK).fit(series(steps=120))
        loaded = ur.load(model.save(tmp_path))
        np.testing.assert_array_equal(loaded.predict().quantiles, model.predict().quantiles)


def test_it_is_a_scikit_learn_estimator() -> None:
    model = Forecaster("gru", horizon=5, seed=3)
    copy = clone(model)
    assert copy is not model
    assert copy.get_params() == model.get_params()
    assert copy.set_params(horizon=7).horizon == 7
    assert "horizon=7" in repr(copy)
    with pytest.raises(NotFittedError, match="call fit"):
        model.predict()


def test_fit_takes_a_dataframe() -> None:
    table = hourly(names=("a",), steps=120).drop("name").to_pandas()
    assert Forecaster(**QUICK).fit(table).predict().series


def test_fitting_leaves_the_random_state_alone(data) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Forecaster(**QUICK).fit(data)
    assert torch.equal(torch.rand(3), expected)


def test_a_network_that_only_learns_noise_leaves_the_medians_alone() -> None:
    """Noise cannot be forecast: what the linear start says of the median must stand."""
    noise = hourly(names=("a",), steps=400, noise=1.0, seed=3)
    data = read_series(noise, target="y", season=24)
    start = Forecaster(horizon=6, updates=1, epochs=1, learning_rate=1e-9).fit(data.before(100))
    model = Forecaster(horizon=6, updates=60, epochs=6, learning_rate=0.05).fit(data.before(100))
    a, b = (m.backtest(data, 100).scores["model"]["RMSE"] for m in (start, model))
    # The height of the noise is 1; a network that fits it is far above.
    assert b == pytest.approx(a, rel=0.03)


class Interrupt(Listener):
    def updated(self, update, loss):
        if update == 6:
            raise KeyboardInterrupt


def test_ctrl_c_keeps_the_best_and_can_predict(data) -> None:
    model = Forecaster(**QUICK).fit(data, listener=Interrupt())
    assert model.history_.ended == "interrupted"
    assert np.isfinite(model.predict().quantiles).all()


def test_short_series_are_named_or_left_out() -> None:
    table = pl.concat([hourly(steps=120), hourly(names=("tiny",), steps=20)])
    data = read_series(table, target="y", season=24)
    with pytest.raises(DataError) as raised:
        Forecaster(**QUICK).fit(data)
    for word in ("1 of 3 series", "tiny (20)", "46 steps", "min_length"):
        assert word in str(raised.value)
    model = Forecaster(**QUICK, min_length=36).fit(data)
    assert model.predict().series == ("a", "b")
    assert any("left out 1 short series: tiny (20)" in f.text for f in model.findings_)


BAD = [
    ({"horizon": 0}, "horizon must be a whole number from 1 up, got 0"),
    ({"epochs": 2.5}, "epochs"),
    ({"cell": "lsmt"}, "did you mean 'lstm'"),
    ({"decoder": "directt"}, "did you mean 'direct'"),
    ({"quantiles": (0.1, 0.9)}, "include 0.5"),
    ({"quantiles": (0.5, 1.5)}, "between 0 and 1"),
    ({"dropout": 1.5}, "dropout"),
    ({"learning_rate": -1.0}, "learning_rate"),
    ({"device": "warp"}, "device"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD)
def test_bad_arguments_are_named(data, arguments, words) -> None:
    with pytest.raises(ValueError, match=words):
        Forecaster(**{**QUICK, **arguments}).fit(data)


def test_a_quantile_that_was_not_trained(fitted) -> None:
    assert fitted.predict(quantiles=[0.9]).quantiles.shape[-1] == 1
    with pytest.raises(ValueError, match=r"no quantile 0.3; it was trained for 0.1, 0.5, 0.9"):
        fitted.predict(quantiles=[0.3])


def test_a_backtest_needs_a_whole_horizon(data, fitted) -> None:
    with pytest.raises(DataError, match="no series has 6 steps from 3 on"):
        fitted.backtest(data, start=3)


def test_a_damaged_run_is_said(fitted, tmp_path) -> None:
    folder = fitted.save(tmp_path)
    (folder / "model.safetensors").write_bytes(b"\0" * 40)
    with pytest.raises(ValueError, match=r"model.safetensors is damaged"):
        ur.load(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"incomplete: model.safetensors is missing"):
        ur.load(folder)
    fitted.save(folder)
    config = (folder / "config.json").read_text().replace('"hidden_size": 4', '"hidden_size": 5')
    (folder / "config.json").write_text(config)
    with pytest.raises(ValueError, match="do not fit together"):
        ur.load(folder)
