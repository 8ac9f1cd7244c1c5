"""Networks of two recurrences: one that reads both ways, one that maps sequence to sequence."""

from __future__ import annotations

from itertools import pairwise

from .. import symbols
from ..forms import Form
from ..picture import RADIUS, Picture, Shape, circle_width
from ..symbols import ELLIPSIS
from .parts import Column, add_loss, fed_back, loop

_PITCH, _RISE, _ASIDE = 3.2, 1.75, 0.8
_CLOSE = 2.0
# From the encoder's last column to the context, and on to the decoder's first.
_GAP = 2.4


def bidirectional(form: Form, steps: int | None) -> Picture:
    """h reads from left to right, g from right to left; the output reads both."""
    picture = Picture()
    if steps is None:
        column = _two_ways(picture, form, 0.0, "")
        loop(picture, column["h"], 0, 1, _forward(form), right=False)
        loop(picture, column["g"], 0, 1, _backward(form))
        return picture
    times = symbols.times(steps)
    pitch = _PITCH + _wider(form, times)
    columns = [_two_ways(picture, form, n * pitch, time) for n, time in enumerate(times)]
    ends = [_row_ends(picture, form, x) for x in (-pitch, steps * pitch)]
    for before, after in pairwise([ends[0], *columns, ends[1]]):
        look = "solid" if "o" in before and "o" in after else "dashed"
        _arrow_w(picture, before["h"], after["h"], _forward(form), look)
        _arrow_w(picture, after["g"], before["g"], _backward(form), look)
    return picture


def encoder_decoder(form: Form, steps: int | None) -> Picture:
    """The last state of a reader becomes the context C of a writer, which reads its own words."""
    picture = Picture()
    count = 1 if steps is None else steps
    wider = _wider(form, ["n_x"])
    pitch = _CLOSE + wider
    gap = pitch * (count - 1) + _GAP + wider / 2
    reader = [_reads(picture, form, n * pitch, time) for n, time in enumerate(_times("x", steps))]
    context = picture.circle((gap, 0), "$C$")
    first = gap + _GAP
    writer = [
        _writes(picture, first + n * _CLOSE, time) for n, time in enumerate(_times("y", steps))
    ]
    _chain(picture, [column["h"] for column in reader])
    _chain(picture, [column["s"] for column in writer])
    _feed_back(picture, writer)
    _hand_over(picture, reader[-1]["h"], context, [column["s"] for column in writer])
    if steps is None:
        reader[0]["delay"] = loop(picture, reader[0]["h"], 0, 1, "", right=False)
        writer[0]["delay"] = loop(picture, writer[0]["s"], 0, 1, "")
        writer[0]["words"] = fed_back(picture, writer[0]["y"], writer[0]["s"], "", right=False)
    _frame(picture, reader, "encoder")
    _frame(picture, writer, "decoder")
    return picture


def _wider(form: Form, times: list[str]) -> float:
    """How much wider than a usual circle the widest of ours is, for the length of its name."""
    names = [name for name in (form.input, form.hidden) if name]
    widest = max(circle_width(symbols.vector(name, time)) for name in names for time in times)
    return widest - 2 * RADIUS


# Both ways


def _two_ways(picture: Picture, form: Form, x: float, time: str) -> Column:
    """The circles of one step: x below, h and g on either side, o, L and y above."""
    aside = _ASIDE + _wider(form, [time]) / 2
    column = {
        "x": picture.circle((x, 0), symbols.vector(form.input or "x", time), fill="input"),
        "h": picture.circle((x - aside, _RISE), symbols.vector(form.hidden, time), fill="state"),
        "g": picture.circle((x + _ASIDE, 2 * _RISE), symbols.vector("g", time), fill="state"),
        "o": picture.circle((x, 3 * _RISE), symbols.vector("o", time), fill="output"),
    }
    for start, end in ("xh", "xg", "ho", "go"):
        picture.arrow(column[start], column[end])
    add_loss(picture, column, time, _RISE)
    return column


def _row_ends(picture: Picture, form: Form, x: float) -> Column:
    """The states of steps that are not drawn."""
    h = picture.circle((x - _ASIDE, _RISE), symbols.vector(form.hidden, ELLIPSIS), look="dashed")
    g = picture.circle((x + _ASIDE, 2 * _RISE), symbols.vector("g", ELLIPSIS), look="dashed")
    return {"h": h, "g": g}


def _forward(form: Form) -> str:
    """The map from h to h, if it is one; a long name has no room between two circles."""
    letter = f"W_{form.hidden}" if len(form.hidden) == 1 else "W"
    return symbols.matrix(letter) if form.map("W") else ""


def _backward(form: Form) -> str:
    return symbols.matrix("W_g") if form.map("W") else ""


def _arrow_w(picture: Picture, start: Shape, end: Shape, label: str, look: str) -> None:
    # In the half without the line that crosses this one.
    at = 0.68
    picture.arrow(start, end, label=label, at=at, look=look)


# Sequence to sequence


def _times(name: str, steps: int | None) -> list[str]:
    """1, 2, ..., and last the length of the sequence; "" for the folded network."""
    if steps is None:
        return [""]
    return [*map(str, range(1, steps)), f"n_{name}"]


def _reads(picture: Picture, form: Form, x: float, time: str) -> Column:
    read = picture.circle((x, 0), symbols.vector(form.input or "x", time), fill="input")
    h = picture.circle((x, _RISE), symbols.vector(form.hidden, time), fill="state")
    picture.arrow(read, h)
    return {"x": read, "h": h}


def _writes(picture: Picture, x: float, time: str) -> Column:
    s = picture.circle((x, _RISE), symbols.vector("s", time), fill="state")
    written = picture.circle((x, 2 * _RISE), symbols.vector("y", time), fill="output")
    picture.arrow(s, written)
    return {"s": s, "y": written}


def _chain(picture: Picture, row: list[Shape]) -> None:
    """One after another; dots before the last, for steps that are not drawn."""
    for before, after in pairwise(row):
        picture.arrow(before, after, look="dashed" if after is row[-1] else "solid")


def _feed_back(picture: Picture, writer: list[Column]) -> None:
    for before, after in pairwise(writer):
        look = "dashed" if after is writer[-1] else "solid"
        picture.arrow(before["y"], after["s"], look=look)


def _hand_over(picture: Picture, last: Shape, context: Shape, row: list[Shape]) -> None:
    """From the last state to the context, and from there to every state of the writer."""
    (x, y), level = context.centre, last.centre[1]
    picture.arrow(last, context, via=[(x, level)])
    for shape in row:
        picture.arrow(context, shape, via=[(shape.centre[0], y)])


def _frame(picture: Picture, columns: list[Column], name: str) -> None:
    shapes = [shape for column in columns for shape in column.values()]
    frame = picture.frame(shapes, margin=0.35)
    picture.text((frame.centre[0], frame.top + 0.12), name, anchor="below", ink="quiet")
