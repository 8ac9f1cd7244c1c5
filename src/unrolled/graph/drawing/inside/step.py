"""The inside of a step as a lecture shows it: gates, elementwise operators, the state line.

Everything is read off the graph. Each gate is a box: a nonlinearity of affine maps of what its
bus carries, biases included. The state that is changed only elementwise runs along the top.

References:
    Olah, "Understanding LSTM Networks", 2015, for the arrangement.
"""

from __future__ import annotations

from ...graph import Graph
from .. import symbols
from ..forms import is_fed_back, readout_names
from ..picture import Picture, Point, Shape, circle_width, text_width
from .blocks import Blocks, blocks_of
from .wiring import TURN, Step, draw_step

LARGEST = 25
# Steps of more operators than this are not even looked at for their blocks.
_MOST_OPERATORS = 200
_LOOP, _NEST = 0.55, 0.5
_GAP, _WIDTH = 1.25, 2.1
# Two lines closer than this have no room for two names between them.
_NEAR = 0.9
# Between circles above a step.
_CLEAR = 0.15


def has_inside(graph: Graph) -> bool:
    """Whether a cell is drawn from inside: it has more to show than one layer, or two in a row.

    Cells of more than 25 blocks are not; a drawing of every operator shows those.
    """
    if readout_names(graph) or is_fed_back(graph) or len(graph.steps) > _MOST_OPERATORS:
        return False
    return 1 < len(blocks_of(graph).made) <= LARGEST


def inside_picture(graph: Graph, steps: int | None) -> Picture:
    """One step with its state coming back through delays, or that many with one in detail."""
    blocks = blocks_of(graph)
    return _folded(blocks) if steps is None else _unrolled(blocks, graph.name, steps)


def _folded(blocks: Blocks) -> Picture:
    picture = Picture()
    step = draw_step(picture, blocks, in_row=False)
    for name, feed in step.feeds.items():
        _feed(picture, feed, name, "t")
    carried = [name for name in step.exits if name in step.entries]
    carried.sort(key=lambda name: -step.entries[name][1])
    for rank, name in enumerate(carried):
        _loop(picture, step, name, rank)
    for name in step.leaving:
        _leave(picture, step, name)
    return picture


def _unrolled(blocks: Blocks, name: str, steps: int) -> Picture:
    """Boxes in a row, the lines of the state running through; the middle one in detail."""
    picture = Picture()
    step = draw_step(picture, blocks, in_row=True)
    middle = (steps - 1) // 2
    times = symbols.times(steps)
    names = [symbols.vector(name, time) for name in step.leaving for time in times]
    apart = max(map(circle_width, names), default=0.0) + _CLEAR
    # From what leaves the step in detail to the middle of the box after it.
    circles = len(step.leaving) * apart - _WIDTH / 2
    gap = max(_GAP, _widest(step, times) + 0.35, circles)
    frames = [_neighbour(picture, step.frame, name, n - middle, gap) for n in range(steps)]
    for frame, time in zip(frames, times, strict=True):
        _ends(picture, step, frame, time, apart)
    for state in step.entries:
        _run_through(picture, frames, step, state, gap)
    return picture


def _ends(picture: Picture, step: Step, frame: Shape, time: str, apart: float) -> None:
    """What a step reads from below, and what it gives to no other, above it from the right."""
    in_detail = frame is step.frame
    for name, (x, y) in step.feeds.items():
        place = (x if in_detail else frame.centre[0], y)
        _feed(picture, place, name, time, head=not in_detail)
    for rank, name in enumerate(step.leaving):
        x, y = step.exits[name]
        start = (x if in_detail else frame.centre[0] - rank * TURN, y)
        _rise(picture, start, rank, apart, symbols.vector(name, time))


def _rise(picture: Picture, start: Point, rank: int, apart: float, text: str) -> None:
    """Up to a circle; that of a higher rank stands further left, its line below the others."""
    (x, y), aside = start, rank * (apart - TURN)
    circle = picture.circle((x - aside, y + 1.3), text, fill="state")
    level = y + 0.5 - 0.12 * rank
    picture.arrow(start, circle, via=[(x, level), (x - aside, level)] if rank else [])


def _widest(step: Step, times: list[str]) -> float:
    """The width of the widest name of a state at those times."""
    return max(text_width(symbols.vector(name, time)) for name in step.entries for time in times)


def _neighbour(picture: Picture, frame: Shape, name: str, offset: int, gap: float) -> Shape:
    """The step that many before or after the one in detail, as a box with the cell's name."""
    if offset == 0:
        return frame
    side = 1 if offset > 0 else -1
    width = max(_WIDTH, text_width(name) + 0.4)
    away = frame.width / 2 + gap + width / 2 + (abs(offset) - 1) * (gap + width)
    centre = (frame.centre[0] + side * away, frame.centre[1])
    return picture.box(centre, name, width=width, height=frame.height, fill="frame")


def _run_through(picture: Picture, frames: list[Shape], step: Step, state: str, gap: float) -> None:
    """The line of a state from before the first step to after the last."""
    y = step.entries[state][1]
    first = -((len(frames) - 1) // 2) - 1
    starts = [frames[0].left - gap, *(frame.right for frame in frames)]
    ends = [*(frame.left for frame in frames), frames[-1].right + gap]
    for offset, (start, end) in enumerate(zip(starts, ends, strict=True)):
        label = symbols.vector(state, symbols.shifted(first + offset))
        picture.arrow((start, y), (end, y), label=label)


def _feed(picture: Picture, at: Point, name: str, time: str, head: bool = False) -> None:
    x, y = at
    circle = picture.circle((x, y - 1.2), symbols.vector(name, time), fill="input")
    picture.arrow(circle, (x, y), head=head)


def _leave(picture: Picture, step: Step, name: str) -> None:
    x, y = step.exits[name]
    label = symbols.vector(name, symbols.shifted(0))
    # The names of the other outputs stand above their lines.
    crowded = any(0 < y - other < _NEAR for _, other in step.exits.values())
    side = "above" if crowded else "below"
    picture.arrow((x, y), (x + _reach(step) - 0.35, y), label=label, side=side)


def _reach(step: Step) -> float:
    """How far the loops stay from the frame, for the names that stand between."""
    names = {*step.entries, *step.exits}
    return 0.4 + max(text_width(symbols.vector(name, symbols.shifted(-1))) for name in names)


def _loop(picture: Picture, step: Step, name: str, rank: int) -> None:
    """From a state's exit over the frame to its entry, through a delay."""
    frame = step.frame
    reach = _reach(step)
    out = frame.right + reach - 0.15 + rank * _NEST
    back = frame.left - reach - rank * _NEST
    height = frame.top + _LOOP + rank * _NEST * 1.1
    (right, low), (left, entry) = step.exits[name], step.entries[name]
    picture.recurrence(
        (right, low),
        (left, entry),
        (frame.centre[0], height),
        out=[(out, low), (out, height)],
        back=[(back, height), (back, entry)],
        head=False,
    )
    _beside_port(picture, (right + 0.1, low), symbols.vector(name, "t"), "left")
    _beside_port(picture, (left - 0.1, entry), symbols.vector(name, symbols.shifted(-1)), "right")


def _beside_port(picture: Picture, at: Point, text: str, anchor: str) -> None:
    picture.text((at[0], at[1] + 0.28), text, anchor=anchor)
