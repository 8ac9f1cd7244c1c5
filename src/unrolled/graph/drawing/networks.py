"""Recurrent networks as a textbook draws them: folded, with delays, and unrolled over steps.

From the bottom the rows are x, h, o, L, y; U leads from x to h, W from one step to the next, V
from h to o; a black square is a delay of one step.

| network | figure of the book |
|---|---|
| "every" | 10.3, an output at every step; 10.4 where the output feeds back |
| "last" | 10.5, one output after the last step |
| "bidirectional" | 10.11, a second state that reads from right to left |
| "encoder-decoder" | 10.12, a sequence to a context to a sequence |

References:
    Goodfellow, Bengio and Courville, "Deep Learning", chapter 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ..graph import Graph
from . import symbols
from .forms import Form, form_of
from .geometry import Point
from .loops import delayed, fed_back, side_points
from .picture import Picture, Shape
from .sequences import bidirectional, encoder_decoder
from .symbols import ELLIPSIS

_RISE, _BOX = 1.85, 1.24
# Between the columns; lines between boxes carry longer names.
_GAP, _BOX_GAP = 1.26, 1.6

Column = dict[str, Shape]


def network_picture(graph: Graph, steps: int | None, network: str = "every") -> Picture:
    """The network folded, or unrolled over that many steps.

    In the networks "every" and "last" a cell that carries one component is a circle, and one
    that carries several is a box with its name. The rows o, L and y are drawn where the graph
    has the output "o", where its output feeds back, and in every network but "every".

    Raises:
        ValueError: a cell whose output feeds back, in a network of two recurrences.
    """
    form = form_of(graph)
    if network in ("every", "last"):
        last = network == "last"
        return folded(form, last) if steps is None else unrolled(form, steps, last)
    if form.feeds_back_output:
        raise ValueError(
            f"network {network!r} has no drawing of {form.name}, whose output feeds back"
        )
    drawn = bidirectional if network == "bidirectional" else encoder_decoder
    return drawn(form, steps)


def folded_and_unrolled(graph: Graph, steps: int = 3, network: str = "every") -> Picture:
    """The folded network, an arrow "unfold", and the unrolled one, side by side."""
    left = network_picture(graph, None, network)
    right = network_picture(graph, steps, network)
    start, reach = left.extent.right + 0.35, 1.5
    picture = Picture()
    picture.place(left, (0, 0))
    # Both stand on the same row of inputs.
    picture.place(right, (start + reach + 0.35 - right.extent.left, 0))
    middle = left.extent.centre[1]
    picture.arrow((start, middle), (start + reach, middle), label="unfold")
    return picture


def folded(form: Form, last: bool) -> Picture:
    """One column, its recurrence through a delay."""
    picture = Picture()
    column = _add_column(picture, form, 0.0, "", output=form.readout and not last)
    if last:
        _add_readout(picture, form, column, r"\tau", loss=True)
    if form.feeds_back_output:
        fed_back(picture, column["o"], column["h"], symbols.matrix("W"))
        return picture
    names = form.carried if form.is_box else [""]
    for rank, name in enumerate(names):
        label = symbols.vector(name) if name else symbols.matrix("W")
        delayed(picture, column["h"], rank, len(names), label)
    return picture


def unrolled(form: Form, steps: int, last: bool) -> Picture:
    """A column a step; the recurrence goes on at the ends, unless the last step is the end."""
    picture = Picture()
    times = _until_tau(steps) if last else symbols.times(steps)
    pitch = _pitch(form, times)
    everywhere = form.readout and not last
    columns = [
        _add_column(picture, form, n * pitch, time, everywhere) for n, time in enumerate(times)
    ]
    if last:
        for column, time in zip(columns, times, strict=True):
            at_end = column is columns[-1]
            if at_end or form.feeds_back_output:
                _add_readout(picture, form, column, time, loss=at_end)
    for (before, after), time in zip(pairwise(columns), times, strict=False):
        _join(picture, form, before, after, time)
    _continue(picture, form, columns, pitch, last)
    return picture


def _pitch(form: Form, times: Sequence[str]) -> float:
    """From step to step: the widest shape, and room for what is written between two."""
    scratch = Picture()
    for time in times:
        _add_column(scratch, form, 0.0, time, output=True)
    gap = _BOX_GAP if form.is_box else _GAP
    return max(shape.width for shape in scratch.shapes) + gap


def _until_tau(steps: int) -> list[str]:
    return [rf"\tau{{-}}{left}" if left else r"\tau" for left in range(steps - 1, -1, -1)]


# One step


def _add_column(picture: Picture, form: Form, x: float, time: str, output: bool) -> Column:
    """The shapes of one step and the edges between them."""
    column = {"h": _add_state(picture, form, (x, _RISE), time)}
    if form.input:
        text = symbols.vector(form.input, time)
        column["x"] = picture.circle((x, 0), text, fill="input")
        picture.arrow(column["x"], column["h"], label=symbols.matrix("U"), side="left")
    if output:
        _add_readout(picture, form, column, time, loss=True)
    elif form.is_box and not form.readout:
        text = symbols.vector(form.hidden, time)
        picture.arrow(column["h"], picture.circle((x, 2 * _RISE), text, fill="state"))
    return column


def _add_state(picture: Picture, form: Form, centre: Point, time: str) -> Shape:
    if form.is_box:
        return picture.box(centre, form.name, _BOX, _BOX, fill="state")
    return picture.circle(centre, symbols.vector(form.hidden, time), fill="state")


def _add_readout(picture: Picture, form: Form, column: Column, time: str, loss: bool) -> None:
    """o above the state, and above it L and y."""
    x, y = column["h"].centre
    column["o"] = o = picture.circle((x, y + _RISE), form.output(time), fill="output")
    picture.arrow(column["h"], o, label=symbols.matrix("V"), side="left")
    if loss:
        column["L"] = picture.circle((x, y + 2 * _RISE), symbols.scalar("L", time))
        column["y"] = picture.circle((x, y + 3 * _RISE), symbols.vector("y", time))
        picture.arrow(o, column["L"])
        picture.arrow(column["y"], column["L"])


# From step to step


def _join(
    picture: Picture, form: Form, before: Column, after: Column, time: str, look: str = "solid"
) -> None:
    """The edges from one step to the next; `time` is that of the first."""
    if form.is_box:
        _join_boxes(picture, form, before["h"], after["h"], time, look)
        return
    start, side = (before["o"], "right") if form.feeds_back_output else (before["h"], "above")
    picture.arrow(start, after["h"], label=symbols.matrix("W"), side=side, look=look)


def _join_boxes(
    picture: Picture, form: Form, before: Shape, after: Shape, time: str, look: str
) -> None:
    """One line for every component, the first the lowest."""
    count = len(form.carried)
    starts, ends = side_points(before, count, right=True), side_points(after, count, right=False)
    for rank, name in enumerate(form.carried):
        label = symbols.vector(name, time) if time else ""
        side = "above" if rank else "below"
        picture.arrow(starts[rank], ends[rank], label=label, look=look, side=side)


def _continue(
    picture: Picture, form: Form, columns: Sequence[Column], pitch: float, last: bool
) -> None:
    """What comes before the first step and, unless the sequence ends there, after the last."""
    first, final = columns[0], columns[-1]
    x, y = first["h"].centre
    sends, row = ("o", y + _RISE) if form.feeds_back_output else ("h", y)
    before = {sends: _elsewhere(picture, form, sends, (x - pitch, row))}
    _join(picture, form, before, first, "", look="dashed")
    if not last:
        after = _elsewhere(picture, form, "h", (final["h"].centre[0] + pitch, y))
        _join(picture, form, final, {"h": after}, "", look="dashed")


def _elsewhere(picture: Picture, form: Form, row: str, centre: Point) -> Shape:
    """The state, or the output, of steps that are not drawn."""
    if form.is_box:
        return picture.box(centre, rf"${ELLIPSIS}$", 0.5, _BOX, fill="paper", look="none")
    text = form.output(ELLIPSIS) if row == "o" else symbols.vector(form.hidden, ELLIPSIS)
    return picture.circle(centre, text, look="dashed")
