"""Charts that any task can use. Each returns a function that paints, for `figures` to draw.

Lines are told apart by colour and by dashes. Legends are HTML (`Key`), so that they stay
readable on a phone; a chart for a file draws its own.

Shapes: P steps seen, H steps ahead, Q quantile levels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .figures import Paint, colour, dashes
from .numbers import tick
from .page import Key

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORECAST = Key("forecast", "blue")
TRUTH = Key("truth", "ink")
# Lines of no more points show each of them.
MOST_MARKED = 12
ROUND_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Line:
    """One line of a chart: its legend entry, points and width; NaN leaves a gap."""

    key: Key
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    width: float = 1.2


@dataclass(frozen=True)
class Fan:
    """A forecast with its uncertainty beside what was seen before and what came.

    Attributes:
        seen_times, seen: what the forecast may look at, [P].
        times, truth: of the steps that are forecast, [H]; NaN where the truth is unknown.
        quantiles: [H, Q] at `levels`, one of which is 0.5.
        others: other forecasts, [H], by their legend entry.
    """

    seen_times: np.ndarray
    seen: np.ndarray
    times: np.ndarray
    truth: np.ndarray
    quantiles: np.ndarray
    levels: tuple[float, ...]
    others: Mapping[Key, np.ndarray]

    @property
    def bands(self) -> list[tuple[int, int]]:
        """Places of the lower and the upper level of each band, the widest first."""
        count = len(self.levels)
        return [(k, count - 1 - k) for k in range(count // 2)]

    def legend(self) -> list[Key]:
        """What each line and band is."""
        bands = [f"{100 * self.levels[a]:g} to {100 * self.levels[b]:g} %" for a, b in self.bands]
        shades = [Key(label, FORECAST.colour, "band") for label in bands]
        return [TRUTH, FORECAST, *shades, *self.others]


def lines_chart(
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    marked: tuple[float, float, str] | None = None,
) -> Paint:
    """Lines over whole numbers, such as epochs or steps ahead.

    Arguments:
        marked: x, y and the name of one point to point out.
    """

    def paint(figure: "Figure") -> None:
        axes = figure.add_subplot()
        for line in lines:
            _draw(axes, line)
        if marked is not None:
            _mark(axes, *marked)
        _whole_numbers(axes)
        _plain_numbers(axes)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)

    return paint


def stacked_chart(lines: Sequence[Line], x_label: str) -> Paint:
    """One small panel a line, one above the other, over whole numbers that they share."""

    def paint(figure: "Figure") -> None:
        panels = figure.subplots(len(lines), 1, sharex=True, squeeze=False)[:, 0]
        for axes, line in zip(panels, lines, strict=True):
            _draw(axes, line)
            _plain_numbers(axes, most=4)
            axes.set_ylim(bottom=0)
            axes.set_title(line.key.label, loc="left", fontsize=8, color=colour("quiet"))
        _whole_numbers(panels[-1])
        panels[-1].set_xlabel(x_label)

    return paint


def fan_chart(fan: Fan, y_label: str, legend: bool = False) -> Paint:
    """A fan over time; a thin upright line parts what was seen from what came."""

    def paint(figure: "Figure") -> None:
        axes = figure.add_subplot()
        for number, (low, high) in enumerate(fan.bands):
            _band(axes, fan, low, high, 0.16 + 0.14 * number)
        times = np.concatenate([fan.seen_times, fan.times])
        _draw(
            axes, Line(TRUTH, times, np.concatenate([fan.seen, fan.truth]), width=1.0), marks=False
        )
        median = fan.quantiles[:, fan.levels.index(0.5)]
        _draw(axes, Line(FORECAST, fan.times, median, width=1.8), marks=False)
        # The thinner lines come last, so that they show where they coincide with the median.
        for key, forecast in fan.others.items():
            _draw(axes, Line(key, fan.times, forecast), marks=False)
        axes.axvline(fan.seen_times[-1], color=colour("quiet"), linewidth=0.6)
        time_axis(axes, times)
        _plain_numbers(axes)
        axes.set_ylabel(y_label)
        if legend:
            _legend(figure, fan.legend())

    return paint


def calibration_chart(levels: Sequence[float], shares: Sequence[float]) -> Paint:
    """Share of true values below each quantile over the share that its level promises."""

    def paint(figure: "Figure") -> None:
        axes = figure.add_subplot()
        axes.plot(
            [0, 100], [0, 100], color=colour("quiet"), linewidth=0.8, linestyle=dashes("dashed")
        )
        x, y = 100 * np.array(levels), 100 * np.array(shares)
        axes.plot(x, y, color=colour("blue"), marker="o", markersize=4)
        axes.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
        axes.set_xlabel("level of the quantile, %")
        axes.set_ylabel("true values below it, %")

    return paint


def time_axis(axes: "Axes", times: np.ndarray) -> None:
    """A handful of times along the bottom, or whole numbers if `times` are steps."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if times.dtype.kind != "M":
        _whole_numbers(axes)
        return
    # With two ticks at least and six at most there is a step for every span.
    locator = AutoDateLocator(minticks=2, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.xaxis.get_offset_text().set(color=colour("quiet"), fontsize=8)


def _draw(axes: "Axes", line: Line, marks: bool = True) -> None:
    """A line; with `marks`, a short one shows each of its points."""
    x, y = np.asarray(line.x), np.asarray(line.y, dtype=float)
    marked = np.isfinite(y) if marks and len(y) <= MOST_MARKED else _alone(y)
    axes.plot(
        x,
        y,
        color=colour(line.key.colour),
        linestyle=dashes(line.key.look),
        linewidth=line.width,
        marker="o" if marked.any() else "",
        markevery=marked if marked.any() else None,
        markersize=2.5,
    )


def _alone(y: np.ndarray) -> np.ndarray:
    """Which points have no neighbour: a line through them alone cannot be seen."""
    known = np.concatenate([[False], np.isfinite(y), [False]])
    return known[1:-1] & ~known[:-2] & ~known[2:]


def _band(axes: "Axes", fan: Fan, low: int, high: int, alpha: float) -> None:
    below, above = fan.quantiles[:, low], fan.quantiles[:, high]
    if len(fan.times) == 1:
        # A single step has no width to fill.
        axes.vlines(fan.times, below, above, color=colour("blue"), alpha=alpha, linewidth=7)
    else:
        axes.fill_between(fan.times, below, above, color=colour("blue"), alpha=alpha, linewidth=0)


def _mark(axes: "Axes", x: float, y: float, name: str) -> None:
    axes.plot([x], [y], marker="o", markersize=6, color=colour("ink"), fillstyle="none")
    axes.annotate(
        name, (x, y), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=7.5
    )


def _whole_numbers(axes: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(lambda value, _: tick(value))


def _plain_numbers(axes: "Axes", most: int = 5) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=most, min_n_ticks=2, steps=ROUND_STEPS))
    axes.yaxis.set_major_formatter(lambda value, _: tick(value))


def _legend(figure: "Figure", keys: Sequence[Key]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Patch(color=colour(key.colour), alpha=0.3, linewidth=0, label=key.label)
        if key.look == "band"
        else Line2D([], [], color=colour(key.colour), linestyle=dashes(key.look), label=key.label)
        for key in keys
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=5, columnspacing=1.2)
