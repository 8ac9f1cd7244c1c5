"""Networks of one recurrence: a column of circles for every step, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .. import symbols
from ..forms import Form
from ..picture import Picture, Point, Shape
from ..symbols import ELLIPSIS
from .parts import Column, add_loss, fed_back, loop

_RISE, _BOX = 1.85, 1.24
# Between the columns; lines between boxes carry longer names.
_GAP, _BOX_GAP = 1.26, 1.6


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
        loop(picture, column["h"], rank, len(names), label)
    return picture


def unrolled(form: Form, steps: int, last: bool) -> Picture:
    """A column a step; the recurrence goes on at the ends, unless the last step is the end."""
    picture = Picture()
    times = _until_tau(steps) if last else symbols.times(steps)
    pitch = _pitch(form, times, form.readout or last)
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


def _pitch(form: Form, times: Sequence[str], output: bool) -> float:
    """From step to step: the widest shape, and room for what is written between two."""
    scratch = Picture()
    for time in times:
        _add_column(scratch, form, 0.0, time, output)
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
        add_loss(picture, column, time, _RISE)


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
    starts, ends = _side_points(before, count, True), _side_points(after, count, False)
    for rank, name in enumerate(form.carried):
        label = symbols.vector(name, time) if time else ""
        side = "above" if rank else "below"
        picture.arrow(starts[rank], ends[rank], label=label, look=look, side=side)


def _side_points(shape: Shape, count: int, right: bool) -> list[Point]:
    """Where `count` level lines leave a side of a shape, from the lowest up."""
    step = 0.7 * shape.height / max(count - 1, 1)
    first = shape.centre[1] - (0.35 * shape.height if count > 1 else 0)
    return [shape.side(first + rank * step, right) for rank in range(count)]


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
