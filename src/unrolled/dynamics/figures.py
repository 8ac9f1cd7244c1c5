"""Figures of what `dynamics` finds. Each is a function that paints, for `report.figures` to draw.

save_figure(paint_flow(ur.dynamics.gradient_flow(model, batch)), "flow.svg", white=True)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..report.figures import Paint, colour, dashes
from .gates import GateTrace
from .gradient_flow import FORGOTTEN, ByLag, GradientFlow, LayerFlow

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
# More labels than these along an axis run into one another.
MOST_LABELS = 6


def look(number: int) -> dict[str, Any]:
    """Colour and line style of line `number`, from 0."""
    hue, dash = LOOKS[number % len(LOOKS)]
    return {"color": colour(hue), "linestyle": dashes(dash)}


def paint_flow(
    flow: GradientFlow,
    strides: Mapping[str, int] | None = None,
    unit: str = "steps",
    names: Mapping[str, str] | None = None,
) -> Paint:
    """The gradient of the loss by lag, of every layer; of the state where there is no loss.

    Arguments:
        strides: steps of the data that one step of a layer is, by layer; default 1.
        unit: what a step of the data is.
        names: of the layers, for the legend; default their qualified names.
    """

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for number, (name, layer) in enumerate(flow.items()):
            stride = (strides or {}).get(name, 1)
            draw_by_lag(
                axes, layer.loss or layer.state, number, (names or flow_names(flow))[name], stride
            )
        finish_by_lag(axes, unit)
        axes.set_ylabel("share of the gradient left")

    return paint


def flow_names(flow: Mapping[str, LayerFlow]) -> dict[str, str]:
    """Layers as a legend calls them: by qualified name and cell."""
    return {n: layer.title if n == "cell" else f"{n} ({layer.title})" for n, layer in flow.items()}


def draw_by_lag(axes: Axes, found: ByLag, number: int, label: str, stride: int = 1) -> None:
    """One line of shares over lags, with its quartiles."""
    lags = [stride * lag for lag in range(len(found))]
    low, middle, high = (
        part.clamp(min=math.log(LEAST_SHARE) - 1).exp().numpy()
        for part in (found.low, found.middle, found.high)
    )
    axes.plot(lags, middle, label=label, **look(number))
    axes.fill_between(lags, low, high, color=look(number)["color"], alpha=0.15, linewidth=0)


def finish_by_lag(axes: Axes, unit: str) -> None:
    """Logarithmic shares, the line below which a gradient counts as forgotten, a legend."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, LEAST_SHARE), max(high, 2.0))
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_major_formatter(lambda value, _: power(value))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.axhline(FORGOTTEN, color=colour("quiet"), linewidth=0.8, linestyle=dashes("dashed"))
    axes.set_xlabel(f"lag, {unit}")
    axes.legend()


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
    short = all(len(label) <= 2 for label in labels)
    every = 1 if short and len(labels) <= 60 else max(1, -(-len(labels) // MOST_LABELS))
    places = range(0, len(labels), every)
    axes.set_xticks(list(places), [labels[place] for place in places])
