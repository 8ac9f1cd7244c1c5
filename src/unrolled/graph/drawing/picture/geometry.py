"""Shapes and lines in the plane: borders, rounded corners, curves, positions along a line.

Lengths are in the picture's unit, one centimetre; y points up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

Point = tuple[float, float]

_SIDES: dict[str, Point] = {
    "left": (-1, 0),
    "right": (1, 0),
    "above": (0, 1),
    "below": (0, -1),
}


@dataclass(frozen=True)
class Rectangle:
    """An upright rectangle with rounded corners; a circle is one whose corners are all of it."""

    centre: Point
    width: float
    height: float
    corner: float = 0.0

    @staticmethod
    def around(parts: Iterable[Rectangle]) -> Rectangle:
        """The smallest that holds all of them; a point at the origin where there are none."""
        held = list(parts) or [Rectangle((0, 0), 0, 0)]
        left, right = min(part.left for part in held), max(part.right for part in held)
        bottom, top = min(part.bottom for part in held), max(part.top for part in held)
        return Rectangle(((left + right) / 2, (bottom + top) / 2), right - left, top - bottom)

    @property
    def left(self) -> float:
        return self.centre[0] - self.width / 2

    @property
    def right(self) -> float:
        return self.centre[0] + self.width / 2

    @property
    def bottom(self) -> float:
        return self.centre[1] - self.height / 2

    @property
    def top(self) -> float:
        return self.centre[1] + self.height / 2

    def holds(self, point: Point) -> bool:
        """Whether the point is inside or on the border."""
        # Outside the inner rectangle that the corners' centres span, by how much.
        dx = max(abs(point[0] - self.centre[0]) - self.width / 2 + self.corner, 0)
        dy = max(abs(point[1] - self.centre[1]) - self.height / 2 + self.corner, 0)
        if self.corner == 0:
            return dx == dy == 0
        return math.hypot(dx, dy) <= self.corner

    def border(self, outside: Point, inside: Point | None = None) -> Point:
        """Where the line from a point outside to one inside (default the centre) meets it."""
        far, near = outside, inside or self.centre
        for _ in range(40):
            middle = between(far, near)
            far, near = (far, middle) if self.holds(middle) else (middle, near)
        return near

    def side(self, y: float, right: bool) -> Point:
        """Where a level line at that height meets it, on the right or on the left."""
        outside = self.right + 1 if right else self.left - 1
        return self.border((outside, y), (self.centre[0], y))

    def facing(self, outside: Point) -> Point:
        """The inner point that an upright or level line from `outside` leads to, or the centre.

        A round shape is aimed at in its centre, a box wherever the point faces a side of it.
        """
        x, y = self.centre
        if abs(outside[0] - x) < self.width / 2 - self.corner:
            return outside[0], y
        if abs(outside[1] - y) < self.height / 2 - self.corner:
            return x, outside[1]
        return x, y

    def moved(self, offset: Point) -> Self:
        return replace(self, centre=moved(self.centre, offset))

    def overlaps(self, other: Rectangle) -> bool:
        """Whether the two, corners included, share more than a border."""
        return (
            abs(self.centre[0] - other.centre[0]) < (self.width + other.width) / 2
            and abs(self.centre[1] - other.centre[1]) < (self.height + other.height) / 2
        )


def moved(point: Point, offset: Point) -> Point:
    return point[0] + offset[0], point[1] + offset[1]


def between(a: Point, b: Point, part: float = 0.5) -> Point:
    """The point that lies at that part of the way from a to b."""
    return a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])


def length(points: Sequence[Point]) -> float:
    return sum(math.dist(a, b) for a, b in pairwise(points))


def rounded(points: Sequence[Point], radius: float, pieces: int = 8) -> list[Point]:
    """The line through the points with an arc (a parabola) in place of each corner."""
    line, last = [points[0]], len(points) - 2
    for index, (before, corner, after) in enumerate(_triples(points)):
        # Two arcs share a stretch between two corners; one has the first or last to itself.
        entry = math.dist(before, corner) / (1 if index == 0 else 2)
        leave = math.dist(corner, after) / (1 if index == last - 1 else 2)
        reach = min(radius, entry, leave)
        start, end = _towards(corner, before, reach), _towards(corner, after, reach)
        line += [_parabola(start, corner, end, i / pieces) for i in range(pieces + 1)]
    return [*line, points[-1]]


def along(points: Sequence[Point], part: float) -> tuple[Point, Point]:
    """The point at that part of a line's length, and the direction of the line there."""
    remaining = part * length(points)
    for a, b in pairwise(points):
        step = math.dist(a, b)
        if step > 0 and remaining <= step + 1e-9:
            return between(a, b, remaining / step), _direction(a, b)
        remaining -= step
    return points[-1], _direction(points[-2], points[-1])


def beside(direction: Point, side: str) -> Point:
    """The unit vector across a line, on the side "left", "right", "above" or "below"."""
    across = (-direction[1], direction[0])
    wanted = _SIDES[side]
    turned = across[0] * wanted[0] + across[1] * wanted[1] < 0
    return (-across[0], -across[1]) if turned else across


def shortened(points: Sequence[Point], amount: float) -> list[Point]:
    """The line without its last `amount`."""
    kept = list(points)
    while len(kept) > 2 and math.dist(kept[-2], kept[-1]) <= amount:
        amount -= math.dist(kept[-2], kept.pop())
    if math.dist(kept[-2], kept[-1]) > amount:
        kept[-1] = _towards(kept[-1], kept[-2], amount)
    return kept


def _triples(points: Sequence[Point]) -> Iterator[tuple[Point, Point, Point]]:
    return zip(points, points[1:], points[2:], strict=False)


def _direction(a: Point, b: Point) -> Point:
    size = math.dist(a, b) or 1.0
    return (b[0] - a[0]) / size, (b[1] - a[1]) / size


def _towards(a: Point, b: Point, amount: float) -> Point:
    direction = _direction(a, b)
    return a[0] + amount * direction[0], a[1] + amount * direction[1]


def _parabola(a: Point, control: Point, b: Point, part: float) -> Point:
    return between(between(a, control, part), between(control, b, part), part)
