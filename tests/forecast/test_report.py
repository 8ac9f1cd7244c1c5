"""The report and the card say what the backtest says, for any table."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unrolled.data import Finding, Frequency, Schema, Series, SeriesSet
from unrolled.report.numbers import column
from unrolled.tasks.forecast import Backtest, Forecaster
from unrolled.tasks.forecast.card import is_beaten, model_card, score_table, verdict
from unrolled.tasks.forecast.report import (
    _horizon_picture,
    _ranked,
    _typical_places,
    _worst_apart,
    forecast_figure,
    shares_below,
    window_fan,
    write_report,
)
from unrolled.tasks.forecast.results import MODEL
from unrolled.tasks.forecast.windows import Windows

NASTY = "<b>&\"' $x$ | `"
COMMAND = "unrolled train forecast 'a&b.csv'"


def make_data(
    names: list[str], steps: int = 80, covariates: int = 0, freq: str = "1h", target: str = "load"
) -> SeriesSet:
    random = np.random.default_rng(0)
    frequency = Frequency.parse(freq)
    start = 0 if frequency.kind == "integer" else np.datetime64("2020-01-01")
    wave = 10 + np.sin(np.arange(steps) * 2 * np.pi / 6)
    series = [
        Series(
            name,
            frequency,
            start,
            wave + 0.3 * random.normal(size=steps),
            random.normal(size=(steps, covariates)),
            np.zeros((steps, 0)),
            np.zeros(0),
        )
        for name in names
    ]
    past = tuple(f"covariate {NASTY} {k}" for k in range(covariates))
    schema = Schema(target, "time", ("name",), frequency, 6, past=past)
    return SeriesSet(tuple(series), schema, "grid", (Finding("repaired", f"masked {NASTY}", 3),))


def fit(data: SeriesSet, horizon: int = 3, **arguments: Any) -> Forecaster:
    torch.set_num_threads(1)
    return Forecaster(horizon=horizon, updates=2, epochs=1, **arguments).fit(data.before(0.8))


@pytest.fixture(scope="module")
def data() -> SeriesSet:
    return make_data(["east", "west"])


@pytest.fixture(scope="module")
def forecaster(data: SeriesSet) -> Forecaster:
    return fit(data)


@pytest.fixture(scope="module")
def backtest(forecaster: Forecaster, data: SeriesSet) -> Backtest:
    return forecaster.backtest(data)


def report(path: Path, forecaster: Forecaster, data: SeriesSet, backtest: Backtest | None) -> str:
    return write_report(
        path / "report.html", forecaster, data, backtest, command=COMMAND
    ).read_text()


def cells(html: str, first: str) -> list[str]:
    """The cells of the table row that begins with `first`."""
    for row in re.findall(r"<tr>(.*?)</tr>", html, flags=re.DOTALL):
        found = [unescape(re.sub("<.*?>", "", c)) for c in re.findall(r"<td.*?</td>", row)]
        if found and found[0] == first:
            return found[1:]
    raise AssertionError(f"no row {first!r}")


def with_model_error(backtest: Backtest, factor: float) -> Backtest:
    """The same backtest, the model's errors being `factor` times those of the best baseline."""
    best = backtest.baselines[backtest.best_baseline]
    point = backtest.truth - factor * (backtest.truth - best)
    return replace(backtest, quantiles=np.repeat(point[..., None], 3, -1), _cache={})


def first_step(backtest: Backtest) -> Backtest:
    """The same backtest, one step ahead only."""
    windows = Windows(backtest.windows.series, backtest.windows.origins, 1)
    return replace(
        backtest,
        windows=windows,
        truth=backtest.truth[:, :1],
        quantiles=backtest.quantiles[:, :1],
        baselines={name: values[:, :1] for name, values in backtest.baselines.items()},
        _cache={},
    )


def test_the_scores_are_those_of_the_backtest(
    tmp_path: Path, forecaster: Forecaster, data: SeriesSet, backtest: Backtest
) -> None:
    html, scores = report(tmp_path, forecaster, data, backtest), backtest.scores
    names = [MODEL, *sorted(backtest.baselines, key=backtest.error)]
    for place, metric in enumerate(("MASE", "sMAPE", "MAPE", "RMSE", "MAE")):
        wanted = column([scores[name][metric] for name in names])
        titles = ["LSTM (this model)", *names[1:]]
        assert [cells(html, title)[place] for title in titles] == wanted
    assert cells(html, "LSTM (this model)")[5] == column([scores[MODEL]["pinball"]])[0]
    assert cells(html, "drift")[5:] == ["—", "—"]


def test_the_best_of_each_metric_is_bold(forecaster: Forecaster, backtest: Backtest) -> None:
    table = score_table(forecaster, with_model_error(backtest, 0.5))
    assert {(0, place) for place in (1, 4, 5)} <= table.strong
    table = score_table(forecaster, with_model_error(backtest, 2))
    assert (1, 1) in table.strong
    assert (0, 1) not in table.strong
    # A metric that only the model has is not a contest.
    assert not {place for _, place in table.strong} & {6, 7}


@pytest.mark.parametrize(
    ("factor", "words"), [(0.5, "50 % below"), (1.0, "level with"), (2.0, "100 % above")]
)
def test_the_verdict_compares_with_the_best_baseline(
    forecaster: Forecaster, backtest: Backtest, factor: float, words: str
) -> None:
    said = verdict(forecaster, with_model_error(backtest, factor)).replace(
        "\N{NO-BREAK SPACE}", " "
    )
    assert f"{words} " in said
    assert backtest.best_baseline in said


def test_a_defeat_is_said_with_what_to_try(
    tmp_path: Path, forecaster: Forecaster, data: SeriesSet, backtest: Backtest
) -> None:
    lost = with_model_error(backtest, 2)
    assert is_beaten(lost)
    path = tmp_path / "report.html"
    write_report(path, forecaster, data, lost, command=COMMAND, advice=["try: <more>"])
    assert "here that simple forecast is better" in path.read_text()
    assert "<li>try: &lt;more&gt;</li>" in path.read_text()
    assert f"On this test {lost.best_baseline} is better" in model_card(forecaster, lost, COMMAND)


def test_the_page_refers_to_nothing_outside(
    tmp_path: Path, forecaster: Forecaster, data: SeriesSet, backtest: Backtest
) -> None:
    html = report(tmp_path, forecaster, data, backtest)
    assert "http" not in html
    assert not re.search(r"<(script|link|img|iframe|object)\b|@import|url\((?!#)", html)
    targets = re.findall(r'(?:href|src)="(.*?)"', html)
    assert targets
    assert all(target.startswith("#") for target in targets)
    assert len(html) < 2_000_000


def test_the_same_run_gives_the_same_bytes(
    tmp_path: Path, forecaster: Forecaster, data: SeriesSet, backtest: Backtest
) -> None:
    first = report(tmp_path, forecaster, data, backtest)
    assert report(tmp_path, forecaster, data, backtest) == first


def test_names_from_the_table_are_not_markup(tmp_path: Path) -> None:
    data = make_data([NASTY, "other"], covariates=2, target=f"load {NASTY}")
    data.series[0].past[3:9, 0] = np.nan
    forecaster = fit(data)
    backtest = forecaster.backtest(data)
    html = report(tmp_path, forecaster, data, backtest)
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert unescape(html).count(NASTY) > 10
    card = model_card(forecaster, backtest, COMMAND)
    # In a code span nothing is markup.
    assert "<b>" not in re.sub(r"`[^`\n]*`", "", card.replace("\\`", ""))


def test_parts_of_the_split_adjoin(
    tmp_path: Path, forecaster: Forecaster, data: SeriesSet, backtest: Backtest
) -> None:
    html = report(tmp_path, forecaster, data, backtest)
    parts = [cells(html, part) for part in ("training", "validation", "test")]
    assert sum(int(part[3]) for part in parts) == sum(series.n for series in data)
    last, first = np.datetime64(parts[1][2]), np.datetime64(parts[2][1])
    assert first - last == np.timedelta64(1, "h")
    assert np.datetime64(parts[1][1]) - np.datetime64(parts[0][2]) == np.timedelta64(1, "h")


def test_windows_inside_the_training_part_are_said(
    tmp_path: Path, forecaster: Forecaster, data: SeriesSet
) -> None:
    backtest = forecaster.backtest(data, start=0.5)
    html = report(tmp_path, forecaster, data, backtest)
    # Of 80 steps 64 are trained on; the windows from step 40 on begin before it.
    assert f"{2 * 24} of {len(backtest.windows)} windows begin inside" in html


def test_baselines_far_off_are_left_out_of_the_error_by_horizon_and_named(
    backtest: Backtest,
) -> None:
    truth = backtest.truth
    baselines = {**backtest.baselines, "drift": truth + 100 * (backtest.point - truth)}
    picture = _horizon_picture(replace(backtest, baselines=baselines, _cache={}))
    labels = [key.label for key in picture.keys]
    assert labels[0] == "this model"
    assert "drift" not in labels
    assert "left out: drift." in picture.caption


def test_a_fan_holds_the_window(backtest: Backtest) -> None:
    window = 5
    fan = window_fan(backtest, window)
    series, origin = backtest.windows.series[window], backtest.windows.origins[window]
    assert fan.seen_times[-1] == backtest.times[window]
    assert fan.times[0] - fan.seen_times[-1] == np.timedelta64(1, "h")
    assert np.array_equal(
        fan.seen, backtest.histories[series][origin + 1 - len(fan.seen) : origin + 1]
    )
    assert np.array_equal(fan.truth, backtest.histories[series][origin + 1 : origin + 4])
    assert [key.label for key in fan.others] == ["seasonal naive", "linear autoregression"]


def test_shown_windows_are_spread_over_the_ranking_and_over_series(backtest: Backtest) -> None:
    ranked = _ranked(backtest)
    places = _typical_places(backtest, ranked)
    assert places == sorted(places)
    wanted = np.array([0.2, 0.4, 0.6, 0.8]) * (len(ranked) - 1)
    # Half a rank of rounding beside the 5 % that are searched.
    assert np.abs(places - wanted).max() <= 0.05 * len(ranked) + 0.5
    errors = (
        np.abs(backtest.truth - backtest.point).mean(1) / backtest.scales[backtest.windows.series]
    )
    assert (np.diff(errors[ranked]) >= 0).all()


def test_the_worst_windows_share_no_step(backtest: Backtest) -> None:
    worst = _worst_apart(backtest, _ranked(backtest))
    assert worst[0] == backtest.worst(1)[0]
    series, steps = backtest.windows.series, backtest.windows.steps
    seen = [(series[w], k) for w in worst for k in steps[w]]
    assert len(seen) == len(set(seen)) == 3 * 3


def test_calibration_counts_known_values_only(backtest: Backtest) -> None:
    truth = backtest.truth.copy()
    truth[0] = np.nan
    levels = [-np.inf, np.nanmedian(truth), np.inf]
    quantiles = np.broadcast_to(np.array(levels), (*truth.shape, 3))
    shares = shares_below(replace(backtest, truth=truth, quantiles=quantiles, _cache={}))
    # Windows overlap, so up to three values, one for each step ahead, are the median.
    assert shares == pytest.approx([0, 0.5, 1], abs=3 / truth.size)


@pytest.mark.parametrize("freq", ["1", "1mo", "15min"])
def test_one_series_one_window_and_one_step(tmp_path: Path, freq: str) -> None:
    data = make_data(["only"], freq=freq)
    forecaster = fit(data, quantiles=(0.5,))
    backtest = first_step(forecaster.backtest(data, windows=1))
    html = report(tmp_path, forecaster, data, backtest)
    assert "1 forecast of 1 " in html
    assert "for 1 series." in html
    assert "between q" not in html


def test_without_mase_the_absolute_error_decides(
    tmp_path: Path, forecaster: Forecaster, data: SeriesSet, backtest: Backtest
) -> None:
    undefined = replace(backtest, scales=np.full(2, np.nan), _cache={})
    html = report(tmp_path, forecaster, data, undefined)
    assert "MASE is undefined" in html
    assert cells(html, "LSTM (this model)")[0] == "—"
    assert re.search(r"LSTM: MAE \d", html)
    assert "nan" not in html.lower().replace("naive", "")


def test_an_unknown_truth_is_said(
    tmp_path: Path, forecaster: Forecaster, data: SeriesSet, backtest: Backtest
) -> None:
    unknown = replace(backtest, truth=np.full_like(backtest.truth, np.nan), _cache={})
    assert "nothing can be scored" in report(tmp_path, forecaster, data, unknown)


def test_without_a_test_part_that_is_said(
    tmp_path: Path, forecaster: Forecaster, data: SeriesSet
) -> None:
    assert "no scores" in report(tmp_path, forecaster, data, None)
    assert "nothing was held out" in model_card(forecaster, None, COMMAND)


def test_a_forecaster_from_a_run_folder_is_reported_without_its_log(
    tmp_path: Path, forecaster: Forecaster, data: SeriesSet, backtest: Backtest
) -> None:
    loaded = Forecaster.load(forecaster.save(tmp_path / "run"))
    assert "no log of training" in report(tmp_path, loaded, data, backtest)


@pytest.mark.slow
def test_two_hundred_series(tmp_path: Path) -> None:
    data = make_data([f"series {k}" for k in range(200)])
    forecaster = fit(data)
    backtest = forecaster.backtest(data, stride=3)
    html = report(tmp_path, forecaster, data, backtest)
    assert "180 more are not listed" in html
    assert len(html) < 1_000_000
    assert "and 195 more" in model_card(forecaster, backtest, COMMAND)


def test_the_card_holds_the_same_table(forecaster: Forecaster, backtest: Backtest) -> None:
    card, table = model_card(forecaster, backtest, COMMAND), score_table(forecaster, backtest)
    lines = [line.strip("| ").split(" | ") for line in card.splitlines() if line.startswith("| ")]
    rows = [[cell.replace("**", "") for cell in line] for line in lines]
    for row in table.rows:
        assert list(row) in rows
    assert COMMAND in card
    assert "`east`, `west`" in card


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_one_forecast_goes_to_a_file(tmp_path: Path, backtest: Backtest, ending: str) -> None:
    path = forecast_figure(backtest, 0, tmp_path / f"fan.{ending}")
    assert path.stat().st_size > 1000
