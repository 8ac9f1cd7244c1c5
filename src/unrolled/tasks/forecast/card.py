"""A run in words: the verdict, the table of scores, and the model card beside the weights.

The report shows the same verdict and the same table.

Shapes: N windows, H horizon, Q quantiles.
"""

import numpy as np

from ... import __version__
from ...cells import BY_NAME
from ...naming import counted
from ...report import Table
from ...report.numbers import column, number, percent
from .fitted import Fitted
from .forecaster import Forecaster
from .results import MODEL, Backtest, quantile_name

# Errors closer than this share of the baseline's count as level.
LEVEL = 0.005
# An interval that holds a share of true values this far from the promised one is said to be off.
TOLERATED = 0.05
MOST_NAMED = 5


def model_card(forecaster: Forecaster, backtest: Backtest | None, command: str) -> str:
    """README.md of a run folder: what the model is, how good, for what, and how to use it.

    Arguments:
        backtest: None where nothing was held out to test, which is said.
        command: what was typed to train.
    """
    schema, fitted = forecaster.fitted_.schema, forecaster.fitted_
    amount = schema.frequency.amount(fitted.horizon)
    parts = [
        f"# {_plain(fitted.history.name)}: {_plain(schema.target)}, {amount} ahead",
        _plain(" ".join([verdict(forecaster, backtest), *_remark(forecaster)])),
        _what(forecaster, command),
        _data(forecaster),
        "## Scores\n\n" + _scores(forecaster, backtest),
        "## Use and limits\n\n" + _bullets(_limits(forecaster, backtest)),
        _USAGE,
        _FILES,
    ]
    return "\n\n".join(parts) + "\n"


def describe_gain(fitted: Fitted) -> str:
    """What the network does not add, where it adds less than it could; else nothing."""
    members, linear = fitted.members, fitted.architecture.linear
    if members[0].residual_share != 0 or members[0].seasons:
        return ""
    covariates = " and covariates" if linear.lags else ""
    start = f"a linear autoregression on {linear.context} values{covariates}"
    # A head is any module with this layer.
    heads = [getattr(one.head, "linear") for one in members]  # noqa: B009
    if not any(head.weight.any() for head in heads):
        return f"nothing that the network learned held up in validation: the forecast is {start}"
    return f"the network sets the width of the intervals; the medians are {start}"


def _remark(forecaster: Forecaster) -> list[str]:
    gain = describe_gain(forecaster.fitted_)
    return [f"{gain[0].upper()}{gain[1:]}."] if gain else []


def verdict(forecaster: Forecaster, backtest: Backtest | None) -> str:
    """One sentence: the model's error beside that of the best baseline."""
    if backtest is None:
        return f"{cell_name(forecaster)}: nothing was held out to test, so there is no score."
    best, metric = backtest.best_baseline, headline_metric(backtest)
    error, least = backtest.error(MODEL), backtest.error(best)
    if np.isnan(error):
        return "No true value is known in the test windows, so nothing can be scored."
    said = f"{cell_name(forecaster)}: {metric} {number(error)}"
    if abs(error - least) <= LEVEL * least:
        return f"{said}, level with the best baseline, {best} ({number(least)})."
    share = f"{percent(abs(error / least - 1))} " if least > 0 else ""
    if error < least:
        return f"{said}, {share}below the best baseline, {best} ({number(least)})."
    return f"{said}, {share}above {best} ({number(least)}): here that simple forecast is better."


def is_beaten(backtest: Backtest) -> bool:
    """Whether a baseline's error is clearly below the model's."""
    return backtest.error(MODEL) > (1 + LEVEL) * backtest.error(backtest.best_baseline)


def headline_metric(backtest: Backtest) -> str:
    """The metric that decides: MASE, or MAE where MASE is undefined."""
    return "MAE" if np.isnan(backtest.scores[MODEL]["MASE"]) else "MASE"


def cell_name(forecaster: Forecaster) -> str:
    """The cell as papers spell it: "LSTM"."""
    name = forecaster.fitted_.architecture.cell
    return BY_NAME[name].__name__ if name in BY_NAME else name


def coverage_promised(backtest: Backtest) -> float:
    """Share of true values that the outermost quantiles promise to hold between them."""
    return backtest.levels[-1] - backtest.levels[0]


def outer_levels(backtest: Backtest) -> str:
    """Names of the outermost quantiles: "q10 and q90"."""
    return f"{quantile_name(backtest.levels[0])} and {quantile_name(backtest.levels[-1])}"


def span_text(backtest: Backtest) -> str:
    """How many forecasts were made, how long, from when to when, and over how many series."""
    frequency, times = backtest.schema.frequency, backtest.times
    forecasts = counted(len(backtest.windows), "forecast")
    series = counted(len(np.unique(backtest.windows.series)), "series", "series")
    return (
        f"{forecasts} of {frequency.amount(backtest.windows.horizon)}, made between "
        f"{frequency.label(times.min())} and {frequency.label(times.max())} for {series}"
    )


def score_table(forecaster: Forecaster, backtest: Backtest) -> Table:
    """All metrics: the model first, then the baselines by their error; the best in bold."""
    scores = backtest.scores
    names = [MODEL, *sorted(backtest.baselines, key=backtest.error)]
    metrics = list(scores[MODEL])
    values = [[scores[name].get(metric, np.nan) for name in names] for metric in metrics]
    texts = [_score_texts(metric, v) for metric, v in zip(metrics, values, strict=True)]
    first = [f"{cell_name(forecaster)} (this model)", *names[1:]]
    header = ["", *(f"{m}, %" if m in ("sMAPE", "MAPE") else m for m in metrics)]
    strong = {
        (row, place)
        for place, (metric, v) in enumerate(zip(metrics, values, strict=True), start=1)
        for row in _lowest(metric, np.array(v))
    }
    rows = [list(row) for row in zip(first, *texts, strict=True)]
    return Table(header, rows, score_notes(backtest), strong=frozenset(strong))


def score_notes(backtest: Backtest) -> str:
    """Units of the metrics, and why one is undefined."""
    target, scores = backtest.schema.target, backtest.scores
    notes = [f"Lower is better, best in bold. RMSE, MAE and pinball in the unit of {target}."]
    if np.isnan(scores[MODEL]["MASE"]):
        notes.append("MASE is undefined: no series changes from one season to the next.")
    else:
        notes.append("MASE divides by the mean change over one season in the training part.")
    if np.isinf(scores[MODEL]["MAPE"]):
        notes.append("MAPE is infinite where a true value is zero.")
    if len(backtest.levels) > 1:
        promised = percent(coverage_promised(backtest))
        notes.append(f"Coverage: true values between {outer_levels(backtest)}, {promised} wanted.")
    return " ".join(notes)


def _score_texts(metric: str, values: list[float]) -> list[str]:
    return [percent(v) for v in values] if metric == "coverage" else column(values)


def _lowest(metric: str, values: np.ndarray) -> list[int]:
    """Rows with the lowest value of a metric that more than one forecast has."""
    if metric == "coverage" or np.isfinite(values).sum() < 2:
        return []
    return np.flatnonzero(values == np.nanmin(values)).tolist()


def _what(forecaster: Forecaster, command: str) -> str:
    fitted, architecture = forecaster.fitted_, forecaster.fitted_.architecture
    levels = ", ".join(quantile_name(level) for level in architecture.levels)
    count = len(fitted.members)
    several = f"The mean of {count} recurrent networks" if count > 1 else "A recurrent network"
    text = (
        f"{several} ({cell_name(forecaster)}, {len(architecture.dilations)} layers of "
        f"{architecture.hidden_size}, {forecaster.parameters_:,} parameters in all) over simple "
        f"forecasts. It gives the quantiles {levels} of {_code(fitted.schema.target)} for the "
        f"next {fitted.schema.frequency.amount(fitted.horizon)}. "
        f"Made with unrolled {__version__}, seed {forecaster.seed}, by"
    )
    return f"## What it is\n\n{text}\n\n```\n{command}\n```"


def _data(forecaster: Forecaster) -> str:
    fitted, schema = forecaster.fitted_, forecaster.fitted_.schema
    names, label = list(fitted.trained_until), schema.frequency.label
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    series = ", ".join(_code(name) for name in names[:MOST_NAMED])
    last = max(s.times(s.n - 1, 1)[0] for s in fitted.history)
    covariates = ", ".join(_code(name) for name in (*schema.past, *schema.future))
    lines = [
        f"{counted(len(names), 'series', 'series')}: {series}{more}.",
        f"Trained and validated on {schema.frequency.unit} up to {label(last)}, "
        f"season {schema.season}.",
        f"Covariates: {covariates or 'none'}.",
    ]
    return "## Data\n\n" + _bullets([*lines, *_repairs(forecaster)])


def _repairs(forecaster: Forecaster) -> list[str]:
    """What was repaired, left out or suspicious in the training table, the largest first."""
    findings = [f for f in getattr(forecaster, "findings_", ()) if f.kind != "found"]
    findings.sort(key=lambda finding: -finding.count)
    more = len(findings) - MOST_NAMED
    lines = [f"{f.kind.capitalize()}: {_plain(f.text)}." for f in findings[:MOST_NAMED]]
    return [*lines, f"{more:,} more in `report.html`."] if more > 0 else lines


def _scores(forecaster: Forecaster, backtest: Backtest | None) -> str:
    if backtest is None:
        return "None: nothing was held out. `unrolled evaluate` scores it on another table."
    table = score_table(forecaster, backtest)
    rows = [
        [f"**{text}**" if (r, c) in table.strong else _plain(text) for c, text in enumerate(row)]
        for r, row in enumerate(table.rows)
    ]
    rule = ["---", *["---:"] * (len(table.header) - 1)]
    lines = ["| " + " | ".join(cells) + " |" for cells in (table.header, rule, *rows)]
    return f"{span_text(backtest)}.\n\n" + "\n".join(lines) + f"\n\n{_plain(table.caption)}"


def _limits(forecaster: Forecaster, backtest: Backtest | None) -> list[str]:
    schema, horizon = forecaster.fitted_.schema, forecaster.fitted_.horizon
    lines = [
        f"For {_code(schema.target)} of the series above, or of series measured in the same way, "
        f"at most {schema.frequency.amount(horizon)} ahead.",
        "Not tested beyond the span above. Where the series change in a way that the training "
        "table does not show, expect larger errors and quantiles that are too narrow.",
        "Its forecasts describe what usually follows; they do not tell what an action causes.",
    ]
    if schema.future:
        needed = ", ".join(_code(name) for name in schema.future)
        lines.append(f"It needs {needed} over the whole horizon.")
    return lines if backtest is None else [*lines, *_tested_limits(forecaster, backtest)]


def _tested_limits(forecaster: Forecaster, backtest: Backtest) -> list[str]:
    lines = []
    trained = forecaster.fitted_.trained_until
    unseen = sum(name not in trained for name in backtest.series)
    if unseen:
        lines.append(f"{unseen:,} of the tested series were not among the training series.")
    elif len(trained) > 1:
        lines.append("Every tested series was among the training series; new ones are untested.")
    if len(backtest.levels) > 1:
        found, promised = backtest.scores[MODEL]["coverage"], coverage_promised(backtest)
        off = {True: ": too narrow", False: ": too wide"}[found < promised]
        lines.append(
            f"Between {outer_levels(backtest)} lay {percent(found)} of the true values, "
            f"{percent(promised)} were promised"
            + (off if abs(found - promised) > TOLERATED else "")
            + "."
        )
    if is_beaten(backtest):
        best = backtest.best_baseline
        lines.append(f"On this test {best} is better; prefer it, or train differently.")
    return lines


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _code(name: str) -> str:
    """A name from the user's table in a code span, which no sign inside may end."""
    return "`" + " ".join(name.replace("`", "'").splitlines()) + "`"


def _plain(text: str) -> str:
    """Text from the user's table in prose, without markup of its own."""
    escaped = "".join(f"\\{sign}" if sign in "\\`*_|[]#" else sign for sign in text)
    return " ".join(escaped.replace("<", "&lt;").splitlines())


_USAGE = """\
## How to use it

```python
import unrolled as ur

model = ur.load("path/of/this/folder")
model.predict().to_polars()  # the steps after the training table
model.predict("newer.csv").write("forecast.csv")
model.backtest("newer.csv").table()
```

```
unrolled predict path/of/this/folder newer.csv --output forecast.csv
unrolled evaluate path/of/this/folder newer.csv
```"""

_FILES = """\
## Files

| file | holds |
| --- | --- |
| `report.html` | data, training, forecasts, scores; opens in a browser, offline |
| `config.json` | arguments, columns, architecture |
| `model.safetensors` | weights of the model and of the learned baselines |
| `history.safetensors` | the end of the training table, from which to forecast on |
| `metrics.json` | the log of training and the scores |"""
