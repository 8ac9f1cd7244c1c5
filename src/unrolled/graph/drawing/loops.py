"""Lines through a delay of one step: the recurrences of a folded network."""

from __future__ import annotations

from .geometry import Point
from .picture import Picture, Shape

_REACH, _NEST = 0.75, 0.75


def delayed(
    picture: Picture, shape: Shape, rank: int, count: int, label: str, right: bool = True
) -> Shape:
    """A loop on the right, or the left, of a shape, through a delay.

    Arguments:
        rank: 0 for the innermost of `count` nested loops.
        label: beside the delay.
    """
    away = 1 if right else -1
    reach = shape.width / 2 + _REACH + rank * _NEST
    x, y = shape.centre[0] + away * reach, shape.centre[1]
    spread = 0.34 if count == 1 else 0.45 * shape.height * (rank + 1) / count
    high, low = (level_border(shape, y + up, right) for up in (spread, -spread))
    delay = picture.delay((x, y))
    picture.arrow(high, delay, via=[(x, high[1])], head=False, corner=0.3)
    picture.arrow(delay, low, via=[(x, low[1])], corner=0.3)
    if label:
        picture.text((x + away * 0.22, y), label, anchor="left" if right else "right")
    return delay


def fed_back(
    picture: Picture, source: Shape, target: Shape, label: str, right: bool = True
) -> Shape:
    """From a shape down to one below it, around the right or the left, through a delay."""
    away = 1 if right else -1
    x = source.centre[0] + away * (max(source.width, target.width) / 2 + _REACH)
    (_, high), (_, low) = source.centre, target.centre
    delay = picture.delay((x, (high + low) / 2))
    picture.arrow(source, delay, via=[(x, high)], head=False, corner=0.4)
    picture.arrow(delay, target, via=[(x, low)], corner=0.4)
    if label:
        picture.text((x + 0.22 * away, delay.centre[1]), label, "left" if right else "right")
    return delay


def side_points(shape: Shape, count: int, right: bool) -> list[Point]:
    """Where `count` level lines leave a side of a shape, from the lowest up."""
    step = 0.7 * shape.height / max(count - 1, 1)
    first = shape.centre[1] - (0.35 * shape.height if count > 1 else 0)
    return [level_border(shape, first + rank * step, right) for rank in range(count)]


def level_border(shape: Shape, y: float, right: bool) -> Point:
    """Where a level line at that height meets the right, or the left, of a shape."""
    far = shape.right + 1 if right else shape.left - 1
    return shape.border((far, y), (shape.centre[0], y))
