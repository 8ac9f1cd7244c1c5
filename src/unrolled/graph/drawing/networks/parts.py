"""What the networks share: the column of a step above its output, recurrences through delays."""

from __future__ import annotations

from collections.abc import Sequence

from .. import symbols
from ..picture import Picture, Shape, text_width

# The shapes of a step by their letters: x, h, o, L, y.
Column = dict[str, Shape]

_REACH, _NEST = 0.75, 0.75
# From the line of a delay to its label, and from there to the next delay.
_BESIDE, _BETWEEN = 0.22, 0.25


def add_loss(picture: Picture, column: Column, time: str, rise: float) -> None:
    """L and y above the output o."""
    x, y = column["o"].centre
    column["L"] = picture.circle((x, y + rise), symbols.scalar("L", time))
    column["y"] = picture.circle((x, y + 2 * rise), symbols.vector("y", time))
    picture.arrow(column["o"], column["L"])
    picture.arrow(column["y"], column["L"])


def loop(
    picture: Picture, shape: Shape, rank: int, count: int, label: str, right: bool = True,
    nest: float = _NEST,
) -> Shape:  # fmt: skip
    """A loop on the right, or the left, of a shape, through a delay.

    Arguments:
        rank: 0 for the innermost of `count` nested loops.
        label: beside the delay.
        nest: from one loop to the next.
    """
    away = 1 if right else -1
    reach = shape.width / 2 + _REACH + rank * nest
    x, y = shape.centre[0] + away * reach, shape.centre[1]
    spread = 0.34 if count == 1 else 0.45 * shape.height * (rank + 1) / count
    high, low = (shape.side(y + up, right) for up in (spread, -spread))
    delay = picture.recurrence(
        high, low, (x, y), out=[(x, high[1])], back=[(x, low[1])], corner=0.3
    )
    _name(picture, delay, label, right)
    return delay


def nest_of(labels: Sequence[str]) -> float:
    """From one loop to the next, so that every label has room between two delays."""
    return max(_NEST, *(_BESIDE + text_width(label) + _BETWEEN for label in labels))


def fed_back(
    picture: Picture, source: Shape, target: Shape, label: str, right: bool = True
) -> Shape:
    """From a shape down to one below it, around the right or the left, through a delay."""
    away = 1 if right else -1
    x = source.centre[0] + away * (max(source.width, target.width) / 2 + _REACH)
    (_, high), (_, low) = source.centre, target.centre
    middle = (x, (high + low) / 2)
    delay = picture.recurrence(source, target, middle, out=[(x, high)], back=[(x, low)], corner=0.4)
    _name(picture, delay, label, right)
    return delay


def _name(picture: Picture, delay: Shape, label: str, right: bool) -> None:
    """Write a label beside a delay, on its outer side."""
    (x, y), away = delay.centre, _BESIDE if right else -_BESIDE
    if label:
        picture.text((x + away, y), label, anchor="left" if right else "right")
