"""What a table of series holds and lacks.

Shapes: n steps of a series, V columns of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..data import Series, SeriesSet
from ..naming import counted
from .charts import time_axis
from .figures import Paint, colour, inline_svg
from .numbers import percent
from .page import Picture, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SERIES, MOST_FINDINGS, MOST_ROWS = 20, 40, 24
# A mark of the gap chart is about two points wide, the least that can be seen.
BINS = 150
# How dark a stretch is of which up to a quarter, a half, ... is missing.
SHADES = {0.25: 0.35, 0.5: 0.55, 0.75: 0.78, 1.0: 1.0}
ROW_HEIGHT, AXIS_HEIGHT = 13, 26
KINDS = {"warning": 0, "repaired": 1, "ignored": 2, "found": 3}


@dataclass(frozen=True)
class Gaps:
    """One column of one series: which of its steps lack a value, [n]."""

    series: Series
    column: str
    missing: np.ndarray

    @property
    def share(self) -> float:
        return float(self.missing.mean())


def series_table(data: SeriesSet) -> Table:
    """The first series: how long, from when to when, and what is missing."""
    label, target = data.schema.frequency.label, data.schema.target
    rows = []
    for series in data.series[:MOST_SERIES]:
        first, last = series.times(0, 1)[0], series.times(series.n - 1, 1)[0]
        missing = np.isnan(series.target)
        columns = [gaps.missing for gaps in _columns(data, series)][1:]
        others = [f"{sum(m.sum() for m in columns):,}"] if _has_covariates(data) else []
        steps = f"{series.n:,}"
        lacking = f"{missing.sum():,} ({percent(missing.mean())})" if missing.any() else "0"
        rows.append([series.name, steps, label(first), label(last), lacking, *others])
    header = ["series", data.schema.frequency.unit, "from", "to", f"{target} missing"]
    header += ["covariate values missing"] if _has_covariates(data) else []
    more = len(data) - len(rows)
    caption = f"The first {len(rows)} series; {more:,} more are not listed." if more else ""
    return Table(header, rows, caption)


def findings_table(data: SeriesSet) -> Table:
    """What was inferred and repaired while reading, the most serious first."""
    findings = sorted(data.findings, key=lambda finding: KINDS.get(finding.kind, len(KINDS)))
    shown = findings[:MOST_FINDINGS]
    rows = [[f.kind, f.text, f"{f.count:,}" if f.count else ""] for f in shown]
    header = ["kind", "finding", "count"]
    if not any(finding.count for finding in shown):
        header, rows = header[:2], [row[:2] for row in rows]
    more = len(findings) - len(shown)
    caption = f"{more:,} more findings are not listed." if more else ""
    return Table(header, rows, caption, names=2)


def gaps_picture(data: SeriesSet) -> Picture | None:
    """When values are missing, a row for each column of a series; None if nothing is missing."""
    lacking = [gaps for series in data for gaps in _columns(data, series) if gaps.missing.any()]
    if not lacking:
        return None
    target = data.schema.target
    shown = sorted(lacking, key=lambda gaps: (gaps.column != target, -gaps.share))[:MOST_ROWS]
    more = len(lacking) - len(shown)
    caption = "Missing values over time; stronger where more of a stretch is missing. "
    caption += "Columns without gaps are left out. "
    caption += f"{counted(more, 'more column')} with gaps not shown." if more else ""
    worst = max(lacking, key=lambda gaps: gaps.share)
    alt = (
        f"Missing values of {counted(len(lacking), 'column')}; the most, "
        f"{percent(worst.share)}, in {_row_name(data, worst)}."
    )
    height = ROW_HEIGHT * len(shown) + AXIS_HEIGHT
    return Picture(inline_svg(_gap_chart(data, shown), alt, height=height), caption.strip())


def _gap_chart(data: SeriesSet, rows: list[Gaps]) -> Paint:
    edges = _edges(data)

    def paint(figure: "Figure") -> None:
        axes = figure.add_subplot()
        for place, gaps in enumerate(rows):
            times = gaps.series.times()
            axes.hlines(place, times[0], times[-1], colour("rule"), linewidth=0.8, zorder=0.6)
            shares = _binned(gaps, edges)
            for most, shade in SHADES.items():
                marked = (shares > most - 0.25) & (shares <= most)
                axes.broken_barh(
                    _runs(marked, edges),
                    (place - 0.36, 0.72),
                    facecolor=colour("orange"),
                    alpha=shade,
                    linewidth=0,
                )
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(range(len(rows)), [_shortened(_row_name(data, gaps)) for gaps in rows])
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        time_axis(axes, edges)

    return paint


def _edges(data: SeriesSet) -> np.ndarray:
    """Bounds of the bins, from the first step of any series to one step past the last."""
    first = min(series.times(0, 1)[0] for series in data)
    last = max(series.times(series.n, 1)[0] for series in data)
    count = int(min(BINS, max(series.n for series in data)))
    return first + (last - first) * np.arange(count + 1) // count


def _binned(gaps: Gaps, edges: np.ndarray) -> np.ndarray:
    """Share of missing steps in each bin, 0 where the series has no step."""
    place = np.searchsorted(edges, gaps.series.times(), side="right") - 1
    bins = len(edges) - 1
    steps = np.bincount(place, minlength=bins)
    return np.bincount(place, gaps.missing, minlength=bins) / np.maximum(steps, 1)


def _runs(marked: np.ndarray, edges: np.ndarray) -> list[tuple]:
    """Start and length of every run of marked bins."""
    changes = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(int)))
    return [(edges[a], edges[b] - edges[a]) for a, b in changes.reshape(-1, 2)]


def _columns(data: SeriesSet, series: Series) -> Iterator[Gaps]:
    """The target first, then the covariates, over the steps of the target."""
    schema = data.schema
    yield Gaps(series, schema.target, np.isnan(series.target))
    for names, values in ((schema.past, series.past), (schema.future, series.future)):
        for place, name in enumerate(names):
            yield Gaps(series, name, np.isnan(values[: series.n, place]))


def _has_covariates(data: SeriesSet) -> bool:
    return bool(data.schema.past or data.schema.future)


def _row_name(data: SeriesSet, gaps: Gaps) -> str:
    return gaps.column if len(data) == 1 else f"{gaps.series.name} {gaps.column}"


def _shortened(name: str, most: int = 24) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
