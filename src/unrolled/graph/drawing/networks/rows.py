"""Networks of one recurrence: a column of circles for every step, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .. import symbols
from ..forms import Form
from ..picture import Picture, Point, Shape, text_width
from ..symbols import ELLIPSIS
from .parts import Column, add_loss, fed_back, loop, nest_of

_RISE, _BOX = 1.85, 1.24
# Between the columns; lines between boxes carry longer names.
_GAP, _BOX_GAP = 1.26, 1.6
# From circle to circle above one box.
_BESIDE = 1.5


def folded(form: Form, last: bool) -> Picture:
    """One column, its recurrence through a delay."""
    picture = Picture()
    column = _add_column(picture, form, 0.0, "", last)
    if last:
        _add_readout(picture, form, column, r"\tau", loss=True)
    if form.feeds_back_output:
        fed_back(picture, column["o"], column["h"], symbols.matrix("W"))
        return picture
    labels = [symbols.vector(n) for n in form.carried] if form.is_box else [form.map("W")]
    for rank, label in enumerate(labels):
        loop(picture, column["h"], rank, len(labels), label, nest=nest_of(labels))
    return picture


def unrolled(form: Form, steps: int, last: bool) -> Picture:
    """A column a step; the recurrence goes on at the ends, unless the last step is the end."""
    picture = Picture()
    times = _until_tau(steps) if last else symbols.times(steps)
    pitch = _pitch(form, times, last)
    columns = [_add_column(picture, form, n * pitch, time, last) for n, time in enumerate(times)]
    if last:
        for column, time in zip(columns, times, strict=True):
            at_end = column is columns[-1]
            if at_end or form.feeds_back_output:
                _add_readout(picture, form, column, time, loss=at_end)
    for (before, after), time in zip(pairwise(columns), times, strict=False):
        _join(picture, form, before, after, time)
    _continue(picture, form, columns, pitch, last)
    return picture


def _pitch(form: Form, times: Sequence[str], last: bool) -> float:
    """From step to step: the widest shape, and room for what is written between two."""
    scratch = Picture()
    for time in times:
        _add_column(scratch, form, 0.0, time, last)
    gap = _BOX_GAP if form.is_box else _GAP
    if form.readout or last:
        gap += max(
            (text_width(symbols.vector(n, t)) for n in _asides(form) for t in times), default=0
        )
    return max(shape.width for shape in scratch.shapes) + gap


def _until_tau(steps: int) -> list[str]:
    return [rf"\tau{{-}}{left}" if left else r"\tau" for left in range(steps - 1, -1, -1)]


# One step


def _add_column(picture: Picture, form: Form, x: float, time: str, last: bool) -> Column:
    """The shapes of one step and the edges between them, without an output at the last step."""
    column = {"h": _add_state(picture, form, (x, _RISE), time, last)}
    if form.input:
        text = symbols.vector(form.input, time)
        column["x"] = picture.circle((x, 0), text, fill="input")
        picture.arrow(column["x"], column["h"], label=form.map("U"), side="left")
    if form.readout and not last:
        _add_readout(picture, form, column, time, loss=True)
    elif form.is_box and not last:
        _add_given(picture, form, column["h"], time)
    return column


def _add_state(picture: Picture, form: Form, centre: Point, time: str, last: bool) -> Shape:
    if form.is_box:
        # As wide as the arrows to what stands side by side above it ask for.
        above = 0 if form.readout or last else max(len(form.leaving) - 1, 0)
        width = _BOX + _BESIDE * above
        return picture.box(centre, form.name, width, _BOX, fill="state")
    return picture.circle(centre, symbols.vector(form.hidden, time), fill="state")


def _add_given(picture: Picture, form: Form, box: Shape, time: str) -> None:
    """Above a box, the components that no step reads; where there are none, the hidden state."""
    names = form.leaving or (form.hidden,)
    x, y = box.centre
    for rank, name in enumerate(names):
        above = x + _BESIDE * (rank - (len(names) - 1) / 2)
        circle = picture.circle((above, y + _RISE), symbols.vector(name, time), fill="state")
        picture.arrow((above, box.top), circle)


def _add_readout(picture: Picture, form: Form, column: Column, time: str, loss: bool) -> None:
    """o above the state, and above it L and y."""
    x, y = column["h"].centre
    column["o"] = o = picture.circle((x, y + _RISE), form.output(time), fill="output")
    arrow = picture.arrow(column["h"], o, label=symbols.matrix("V"), side="left")
    if form.hidden in form.leaving:
        between = (arrow.points[0][1] + arrow.points[-1][1]) / 2
        picture.text((x + 0.13, between), symbols.vector(form.hidden, time), anchor="left")
    for rank, name in enumerate(_asides(form)):
        _add_aside(picture, column["h"], symbols.vector(name, time), rank)
    if loss:
        add_loss(picture, column, time, _RISE)


def _asides(form: Form) -> list[str]:
    """The components that neither a step nor the output reads."""
    return [name for name in form.leaving if name != form.hidden]


def _add_aside(picture: Picture, box: Shape, text: str, rank: int) -> None:
    """A component that nothing reads, leaving a box upwards on its left."""
    x = box.left + 0.16
    level = box.top + 0.35 + 0.45 * rank
    picture.arrow((x, box.top), (x, level))
    picture.text((x - 0.13, level), text, anchor="right")


# From step to step


def _join(
    picture: Picture, form: Form, before: Column, after: Column, time: str, look: str = "solid"
) -> None:
    """The edges from one step to the next; `time` is that of the first."""
    if form.is_box:
        _join_boxes(picture, form, before["h"], after["h"], time, look)
        return
    start, side = (before["o"], "right") if form.feeds_back_output else (before["h"], "above")
    picture.arrow(start, after["h"], label=form.map("W"), side=side, look=look)


def _join_boxes(
    picture: Picture, form: Form, before: Shape, after: Shape, time: str, look: str
) -> None:
    """One line for every component, the first of several the lowest."""
    count = len(form.carried)
    starts, ends = _side_points(before, count, True), _side_points(after, count, False)
    for rank, name in enumerate(form.carried):
        label = symbols.vector(name, time) if time else ""
        side = "below" if rank == 0 < count - 1 else "above"
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
