"""Figures of what `dynamics` finds. Each is a function that paints, for `report.figures` to draw.

save_figure(paint_flow(ur.dynamics.gradient_flow(model, batch)), "flow.svg", white=True)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..report.figures import Paint, colour, dashes
from ..report.page import Key
from .gates import GateTrace
from .gradient_flow import FORGOTTEN, ByLag, LayerFlow
from .lyapunov import Lyapunov

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# How lines are told apart, in order.
LOOKS = (
    ("blue", "line"),
    ("orange", "dashed"),
    ("green", "dotted"),
    ("pink", "dashdot"),
    ("brown", "line"),
    ("sky", "dashed"),
)
# Below this share a gradient is as good as zero, in float32 anyhow.
LEAST_SHARE = 1e-8
# Letters that have room along an axis.
LETTERS = 60


def look(number: int) -> dict[str, Any]:
    """Colour and line style of line `number`, from 0."""
    hue, dash = LOOKS[number % len(LOOKS)]
    return {"color": colour(hue), "linestyle": dashes(dash)}


def keys_of(names: Sequence[str]) -> list[Key]:
    """Entries of a page's legend for lines that `look` tells apart."""
    looks = [LOOKS[number % len(LOOKS)] for number in range(len(names))]
    return [Key(name, *one) for name, one in zip(names, looks, strict=True)]


def paint_flow(
    flow: Mapping[str, LayerFlow],
    strides: Mapping[str, int] | None = None,
    unit: str = "steps",
    *,
    of: str = "loss",
    legend: bool = True,
) -> Paint:
    """The gradient by lag, of every layer that has one.

    Arguments:
        flow: layers by name, as `gradient_flow` gives them; or those of several models.
        strides: steps of the data that one step of a layer is, by layer; default 1.
        unit: what a step of the data is.
        of: "loss", of d L(T) / d z(T-k), or "state", of d z(T) / d z(T-k).
        legend: name the layers in the figure; a page has its own legend (`keys_of`).
    """

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for number, (name, layer) in enumerate(flow.items()):
            found = layer.loss if of == "loss" else layer.state
            if found is not None:
                draw_by_lag(axes, found, number, name, (strides or {}).get(name, 1))
        finish_by_lag(axes, unit, legend)
        axes.set_ylabel("share of the gradient left")

    return paint


def paint_exponents(found: Sequence[Lyapunov]) -> Paint:
    """Lyapunov exponents by rank, one line each; -inf is a gap."""

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.axhline(0, color=colour("quiet"), linewidth=0.8)
        for number, each in enumerate(found):
            values = each.exponents.where(each.exponents.isfinite(), math.nan)
            ranks = range(1, len(values) + 1)
            axes.plot(ranks, values.tolist(), marker="o", markersize=2.5, **look(number))
        axes.set_xlabel("rank")
        axes.set_ylabel("exponent per step")

    return paint


def draw_by_lag(axes: Axes, found: ByLag, number: int, label: str, stride: int = 1) -> None:
    """One line of shares over lags, with its quartiles, as far as a tenth of the walks reach."""
    reached = int((found.walks >= 0.1 * found.walks[0]).sum())
    lags = [stride * lag for lag in range(reached)]
    low, middle, high = (
        part[:reached].clamp(min=math.log(LEAST_SHARE) - 1).exp().numpy()
        for part in (found.low, found.middle, found.high)
    )
    axes.plot(lags, middle, label=label, **look(number))
    axes.fill_between(lags, low, high, color=look(number)["color"], alpha=0.15, linewidth=0)


def finish_by_lag(axes: Axes, unit: str, legend: bool = True) -> None:
    """Logarithmic shares, and the line below which a gradient counts as forgotten."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, LEAST_SHARE), max(high, 2.0))
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_major_formatter(lambda value, _: power(value))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.axhline(FORGOTTEN, color=colour("quiet"), linewidth=0.8, linestyle=dashes("dashed"))
    axes.set_xlabel(f"lag, {unit}")
    if legend:
        axes.figure.legend(loc="outside upper left", ncols=3)


def power(value: float) -> str:
    """A power of ten as people write it: 0.001, 1, 1000, 1e-6."""
    exponent = round(math.log10(value))
    return f"{value:g}" if -3 <= exponent <= 3 else f"1e{exponent}"


def paint_gates(
    trace: GateTrace, sequence: int = 0, above: tuple[str, Sequence[float]] | None = None
) -> Paint:
    """Every gate of every unit over the steps of one sequence, one panel a gate.

    Units are sorted by their mean, so that those that keep and those that forget lie together.

    Arguments:
        above: a name and a number for each step, such as what was read, for a panel on top.
    """

    def paint(figure: Figure) -> None:
        shown = trace.gates or trace.states
        heights = [2.0] * (above is not None) + [1.0] * len(shown)
        panels = figure.subplots(
            len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
        )[:, 0].tolist()
        labels = [str(label) for label in trace.labelled(sequence)]
        if above is not None:
            _draw_above(panels.pop(0), *above)
        for axes, name in zip(panels, shown, strict=True):
            _draw_gate(axes, trace, name, sequence)
        _label_steps(panels[-1], labels)

    return paint


def _draw_above(axes: Axes, name: str, values: Sequence[float]) -> None:
    axes.plot(range(len(values)), values, color=colour("ink"), linewidth=1)
    axes.set_title(name, loc="left", fontsize=8, color=colour("quiet"))


def _draw_gate(axes: Axes, trace: GateTrace, name: str, sequence: int) -> None:
    steps = trace.gates.get(name, trace.states.get(name))
    assert steps is not None, "the trace has what it shows"
    values = steps[sequence].cpu()[trace.valid[sequence].cpu()].T
    values = values[values.mean(1).argsort()]
    least, most = _limits(trace.functions.get(name, "tanh"), float(values.abs().max()))
    axes.imshow(
        values.numpy(),
        aspect="auto",
        vmin=least,
        vmax=most,
        cmap=_shades(),
        origin="lower",
        interpolation="nearest",
    )
    axes.set_yticks([])
    axes.grid(visible=False)
    title = f"{name}, from {least:.3g} (white) to {most:.3g} (dark)"
    axes.set_title(title, loc="left", fontsize=8, color=colour("quiet"))


def _limits(function: str, largest: float) -> tuple[float, float]:
    """What white and dark stand for."""
    if function == "sigmoid":
        return 0.0, 1.0
    return (0.0, largest or 1.0) if function == "relu" else (-1.0, 1.0)


def _shades() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("gates", [colour("paper"), colour("blue")])


def _label_steps(axes: Axes, labels: list[str]) -> None:
    """As many labels as have room, the first and the last among them."""
    longest = max(map(len, labels), default=1)
    most = min(len(labels), max(2, LETTERS // (longest + 1)))
    places = sorted({round(k * (len(labels) - 1) / max(1, most - 1)) for k in range(most)})
    axes.set_xticks(places, [labels[place] for place in places])
    # The outer ones stay within the figure.
    for text, place in zip(axes.get_xticklabels(), places, strict=True):
        side = "left" if place == 0 else "right" if place == len(labels) - 1 else "center"
        text.set(horizontalalignment=side)
