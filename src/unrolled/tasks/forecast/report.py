"""The report of a forecasting run, and the picture of one forecast.

    write_report("runs/weather/report.html", model, data, backtest, command="unrolled train ...")
    forecast_figure(backtest, window=0, path="forecast.svg")

Shapes: N windows, S series, H horizon, Q quantiles.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...data import SeriesSet
from ...files import write_text
from ...naming import counted
from ...nn.forcing import write_forcing
from ...report import Code, Facts, Items, Key, Page, Picture, Pictures, Table, Text, Tile, Tiles
from ...report.charts import Fan, Line, calibration_chart, fan_chart, lines_chart
from ...report.figures import inline_svg, save_figure
from ...report.machine import machine, versions
from ...report.numbers import duration, number, percent
from ...report.overview import findings_table, gaps_picture, series_table
from ...report.page import Block
from ...report.training import training_blocks
from .card import (
    cell_name,
    coverage_promised,
    describe_gain,
    headline_metric,
    is_beaten,
    outer_levels,
    score_table,
    span_text,
    verdict,
)
from .forecaster import Forecaster
from .results import MODEL, Backtest, quantile_name

# Baselines that fans show.
IN_FANS = ("seasonal naive", "linear autoregression")
LOOKS = {
    MODEL: ("blue", "line"),
    "seasonal naive": ("orange", "dashed"),
    "linear autoregression": ("green", "dotted"),
    "last value": ("pink", "dashdot"),
    "drift": ("brown", "dotted"),
    "feed-forward": ("sky", "dashed"),
}
# Places in the ranking of windows, from the best to the worst, of which fans are shown.
TYPICAL = (0.2, 0.4, 0.6, 0.8)
# How far from such a place, as a share of all windows, to look for a series not shown yet.
NEARBY = 0.05
WORST = 3
# Baselines with more than this many times the lowest error would flatten the error by horizon.
FAR_OFF = 5
LOSS = (
    "absolute error of the median plus pinball loss, in scaled units; dropout acts on the "
    "training loss only"
)
UNTESTED = "Nothing was held out to test, so there are no scores and no forecasts to compare."


def write_report(
    path: str | Path,
    forecaster: Forecaster,
    data: SeriesSet,
    backtest: Backtest | None,
    *,
    command: str,
    title: str | None = None,
    split_text: str | None = None,
    advice: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
) -> Path:
    """Write the report of a run as one HTML file that opens offline.

    Arguments:
        data: the whole table, training and test part.
        backtest: of `forecaster` on `data`; None where nothing was held out to test.
        command: what was typed to train, for the reader to repeat.
        title: of the page; default the names of table and target.
        split_text: where the parts lie or how they were chosen, in a sentence.
        advice: what to try, shown under the headline.
        facts: further names and values for the settings, such as a date.
    """
    target, schema = data.schema.target, data.schema
    page = Page(
        title or f"{data.name}: {target}",
        f"Forecast of {target}, {schema.frequency.amount(forecaster.fitted_.horizon)} ahead",
        _headline(forecaster, backtest, advice),
    )
    page.section("Data", *_data(forecaster, data, backtest, split_text))
    log = getattr(forecaster, "history_", None)
    start, clip_norm = "the fixed mix that it starts with", forecaster.optimisation.clip_norm
    page.section("Training", *training_blocks(log, LOSS, start, clip_norm))
    for name, blocks in _test_sections(forecaster, backtest):
        page.section(name, *blocks)
    page.section("Settings", Code(command), Facts(_settings(forecaster, facts or {})))
    write_text(Path(path), page.html())
    return Path(path)


def forecast_figure(
    backtest: Backtest, window: int, path: str | Path, *, white: bool = True
) -> Path:
    """Save the fan of one window as SVG or PNG, by the ending of `path`.

    Arguments:
        window: its number in `backtest.windows`.
        white: on white; otherwise transparent, in the colours for a light page.

    Raises:
        DataError: another ending.
    """
    chart = fan_chart(window_fan(backtest, window), backtest.schema.target, legend=True)
    return save_figure(chart, path, width=560, height=240, white=white)


def window_fan(backtest: Backtest, window: int) -> Fan:
    """One window with as much of what lies before it as helps to judge it."""
    horizon, season = backtest.windows.horizon, backtest.schema.season
    origin = int(backtest.windows.origins[window])
    seen = min(origin + 1, max(2 * horizon, min(2 * season, 8 * horizon)))
    history = backtest.histories[backtest.windows.series[window]]
    frequency, time = backtest.schema.frequency, backtest.times[window]
    return Fan(
        seen_times=frequency.times(time, 1 - seen, seen),
        seen=history[origin + 1 - seen : origin + 1],
        times=frequency.times(time, 1, horizon),
        truth=backtest.truth[window],
        quantiles=backtest.quantiles[window],
        levels=backtest.levels,
        others={
            _key(name): backtest.baselines[name][window]
            for name in IN_FANS
            if name in backtest.baselines
        },
    )


def shares_below(backtest: Backtest) -> list[float]:
    """Share of true values at or below each quantile, [Q]."""
    known = ~np.isnan(backtest.truth)
    if not known.any():
        return [np.nan] * len(backtest.levels)
    return (backtest.truth[..., None] <= backtest.quantiles)[known].mean(axis=0).tolist()


def _headline(
    forecaster: Forecaster, backtest: Backtest | None, advice: Sequence[str]
) -> list[Block]:
    lost = backtest is not None and is_beaten(backtest)
    blocks: list[Block] = [Text(verdict(forecaster, backtest), "lead bad" if lost else "lead")]
    if gain := describe_gain(forecaster.fitted_):
        blocks.append(Text(f"{gain[0].upper()}{gain[1:]}."))
    blocks += [Items(advice)] if advice else []
    tiles = _score_tiles(backtest) if backtest else []
    history = getattr(forecaster, "history_", None)
    if history is not None:
        note = f"{counted(len(history.epochs) - 1, 'epoch')} on {forecaster.fitted_.device.type}"
        tiles.append(Tile("training", duration(history.seconds), note))
    return [*blocks, Tiles(tiles)] if tiles else blocks


def _score_tiles(backtest: Backtest) -> list[Tile]:
    metric, best = headline_metric(backtest), backtest.best_baseline
    scores, compared = backtest.scores[MODEL], backtest.scores[best]
    unit = f"in the unit of {backtest.schema.target}; "
    tiles = [
        Tile(name, number(scores[name]), f"{note}{best}: {number(compared[name])}")
        for name, note in ((metric, unit if metric == "MAE" else ""), ("RMSE", unit))
    ]
    if len(backtest.levels) > 1:
        note = f"of true values; {percent(coverage_promised(backtest))} wanted"
        label = f"between {outer_levels(backtest)}"
        tiles.append(Tile(label, percent(scores["coverage"]), note))
    return tiles


def _data(
    forecaster: Forecaster, data: SeriesSet, backtest: Backtest | None, split_text: str | None
) -> list[Block]:
    picture = gaps_picture(data)
    blocks: list[Block] = [Text(data.summary().removeprefix(data.name).strip()), series_table(data)]
    blocks.append(Pictures([picture]) if picture else Text("No value is missing."))
    blocks += [findings_table(data)] if data.findings else []
    blocks += [Text(split_text)] if split_text else []
    blocks.append(_split_table(forecaster, data, backtest))
    seen = forecaster.fitted_.windows_in_training(data, backtest) if backtest else 0
    if backtest and seen:
        text = (
            f"{seen:,} of {counted(len(backtest.windows), 'window')} begin inside the part that "
            "the model learned from, which flatters its scores."
        )
        blocks.append(Text(text, "bad"))
    return blocks


def _split_table(forecaster: Forecaster, data: SeriesSet, backtest: Backtest | None) -> Table:
    """From when to when each part reaches, over all series, and how many steps it holds."""
    frequency = data.schema.frequency
    rows = [*_learned_rows(forecaster, data), *([_test_row(backtest)] if backtest else [])]
    labelled = [
        [name, use, frequency.label(first), frequency.label(last), f"{steps:,}"]
        for name, use, first, last, steps in rows
    ]
    return Table(["part", "use", "from", "to", frequency.unit], labelled, names=2)


def _learned_rows(forecaster: Forecaster, data: SeriesSet) -> list[tuple[str, str, Any, Any, int]]:
    """Training and validation part, as far as the training series are in the table."""
    places = {name: place for place, name in enumerate(forecaster.fitted_.trained_until)}
    split = getattr(forecaster, "split_", None)
    known = [(s, places[s.name]) for s in data if s.name in places]
    if split is None or not known:
        return []
    rows = []
    zeros = np.zeros_like(split.ends)
    for name, use, starts, ends in (
        ("training", "fits the weights", zeros, split.train_ends),
        ("validation", "chooses the epoch", split.train_ends, split.ends),
    ):
        first = min(s.times(int(starts[place]), 1)[0] for s, place in known)
        last = max(s.times(int(ends[place]) - 1, 1)[0] for s, place in known)
        rows.append((name, use, first, last, int(sum(ends[p] - starts[p] for _, p in known))))
    return rows


def _test_row(backtest: Backtest) -> tuple[str, str, Any, Any, int]:
    windows, frequency = backtest.windows, backtest.schema.frequency
    longest = max(len(history) for history in backtest.histories) + windows.horizon
    # A step that several windows forecast counts once.
    steps = np.unique(windows.series[:, None] * longest + windows.steps)
    first = frequency.times(backtest.times.min(), 1, 1)[0]
    last = frequency.times(backtest.times.max(), windows.horizon, 1)[0]
    return "test", "scored below", first, last, len(steps)


def _test_sections(
    forecaster: Forecaster, backtest: Backtest | None
) -> list[tuple[str, list[Block]]]:
    if backtest is None:
        return [("Scores", [Text(UNTESTED)])]
    ranked = _ranked(backtest)
    if len(ranked) == 0:
        return [("Scores", [Text("No true value is known in any window.")])]
    return [
        ("Forecasts", _typical(backtest, ranked)),
        ("Scores", _scores(forecaster, backtest)),
        ("Worst windows", _worst(backtest, ranked)),
        ("Calibration", _calibration(backtest)),
    ]


def _ranked(backtest: Backtest) -> np.ndarray:
    """Numbers of the windows with a known truth, the smallest scaled error first."""
    order = backtest.worst(len(backtest.windows))[::-1]
    return order[~np.isnan(backtest.truth[order]).all(axis=1)]


def _typical(backtest: Backtest, ranked: np.ndarray) -> list[Block]:
    count = len(ranked)
    pictures = [
        _fan_picture(backtest, ranked[place], f"Rank {place + 1:,} of {count:,}.")
        for place in _typical_places(backtest, ranked)
    ]
    shares = ", ".join(percent(share) for share in TYPICAL)
    text = (
        f"{counted(count, 'window')} ranked from the smallest to the largest scaled error. Shown "
        f"are the ones at {shares} of the ranking, or the nearest within {percent(NEARBY)} of a "
        "series not shown yet."
    )
    return [Text(text, "quiet"), Pictures(pictures, window_fan(backtest, ranked[0]).legend())]


def _typical_places(backtest: Backtest, ranked: np.ndarray) -> list[int]:
    """Places in the ranking to show: near `TYPICAL`, of as many series as possible."""
    series = backtest.windows.series[ranked]
    reach = int(NEARBY * len(ranked))
    places: list[int] = []
    for share in TYPICAL:
        middle = round(share * (len(ranked) - 1))
        near = sorted(range(middle - reach, middle + reach + 1), key=lambda p: abs(p - middle))
        near = [place for place in near if 0 <= place < len(ranked)]
        new = [place for place in near if series[place] not in series[places]]
        place = (new or near)[0]
        places += [place] if place not in places else []
    return places


def _fan_picture(backtest: Backtest, window: int, note: str) -> Picture:
    fan, target = window_fan(backtest, window), backtest.schema.target
    name = backtest.series[backtest.windows.series[window]]
    since = backtest.schema.frequency.label(fan.times[0])
    error = float(np.nanmean(np.abs(backtest.truth[window] - backtest.point[window])))
    caption = f"{name}, from {since}. Mean absolute error {number(error)}. {note}"
    svg = inline_svg(fan_chart(fan, target), f"Forecast of {target} of {caption}")
    return Picture(svg, caption)


def _scores(forecaster: Forecaster, backtest: Backtest) -> list[Block]:
    span = Text(f"{span_text(backtest)}.")
    return [span, score_table(forecaster, backtest), Pictures([_horizon_picture(backtest)])]


def _horizon_picture(backtest: Backtest) -> Picture:
    """Error at each step ahead, of the model and of all baselines that are not far off."""
    metric, unit = headline_metric(backtest), backtest.schema.frequency.unit
    highest = FAR_OFF * min(backtest.error(name) for name in backtest.scores)
    far = [n for n in backtest.baselines if backtest.error(n) > highest]
    steps = np.arange(1, backtest.windows.horizon + 1)
    # The model is the first and the thickest, so that a baseline on top of it still shows.
    lines = [
        Line(_key(name), steps, errors[metric], width=2.0 if name == MODEL else 1.2)
        for name, errors in backtest.by_horizon.items()
        if name not in far
    ]
    caption = f"{metric} at each step ahead, over all windows."
    if far:
        caption += f" Far above, so left out: {_listed(far)}."
    alt = f"{metric} of the model and the baselines by {unit} ahead."
    svg = inline_svg(lines_chart(lines, f"{unit} ahead", metric), alt, height=220)
    return Picture(svg, caption, [line.key for line in lines])


def _worst(backtest: Backtest, ranked: np.ndarray) -> list[Block]:
    worst = _worst_apart(backtest, ranked)
    pictures = [_fan_picture(backtest, window, "") for window in worst]
    text = "The largest scaled errors; a window that overlaps a worse one is passed over."
    return [Text(text, "quiet"), Pictures(pictures, window_fan(backtest, worst[0]).legend())]


def _worst_apart(backtest: Backtest, ranked: np.ndarray) -> list[int]:
    """The worst windows of which no two share a step."""
    series, origins = backtest.windows.series, backtest.windows.origins
    chosen: list[int] = []
    for window in ranked[::-1]:
        apart = np.abs(origins[chosen] - origins[window]) >= backtest.windows.horizon
        if (apart | (series[chosen] != series[window])).all():
            chosen.append(int(window))
        if len(chosen) == WORST:
            break
    return chosen


def _calibration(backtest: Backtest) -> list[Block]:
    shares = shares_below(backtest)
    rows = [
        [quantile_name(level), percent(level), percent(share)]
        for level, share in zip(backtest.levels, shares, strict=True)
    ]
    known = int((~np.isnan(backtest.truth)).sum())
    caption = f"Over {counted(known, 'true value')}; where windows overlap, some count repeatedly."
    table = Table(["quantile", "wanted below it", "found below it"], rows, caption)
    alt = "Found against wanted share: " + ", ".join(f"{r[2]} for {r[1]}" for r in rows) + "."
    svg = inline_svg(calibration_chart(backtest.levels, shares), alt, height=220)
    picture = Picture(svg, "On the dashed line the quantiles keep their promise.")
    return [table, Pictures([picture])]


def _settings(forecaster: Forecaster, facts: Mapping[str, str]) -> list[tuple[str, str]]:
    fitted, architecture = forecaster.fitted_, forecaster.fitted_.architecture
    engine, why = forecaster.engine_
    plan = getattr(forecaster, "plan_", None)
    chosen = vars(plan) if plan else {"hidden_size": architecture.hidden_size}
    asked = {name: getattr(forecaster, name) for name in ("batch_size", "epochs", "seed")}
    return [
        ("cell", cell_name(forecaster)),
        ("parameters", f"{forecaster.parameters_:,}"),
        ("engine", f"{engine}: {why}"),
        ("layers", f"{len(architecture.dilations)}, dilated by {_listed(architecture.dilations)}"),
        ("decoder", architecture.decoder + _forcing(forecaster)),
        ("start of the cells", forecaster.initialisation or "as drawn"),
        ("updates", forecaster.describe_updates()),
        ("quantiles", _listed(architecture.levels)),
        *((name.replace("_", " "), f"{value:g}") for name, value in {**chosen, **asked}.items()),
        ("season", fitted.schema.frequency.amount(fitted.schema.season)),
        ("covariates", _listed([*fitted.schema.past, *fitted.schema.future]) or "none"),
        ("versions", versions()),
        ("machine", machine(str(fitted.device))),
        *facts.items(),
    ]


def _forcing(forecaster: Forecaster) -> str:
    if not forecaster.fitted_.members[0].feeds_back:
        return ""
    return f", forcing in training: {write_forcing(forecaster.chosen_forcing())}"


def _key(name: str) -> Key:
    return Key("this model" if name == MODEL else name, *LOOKS.get(name, ("quiet", "line")))


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(str(value) for value in values)
