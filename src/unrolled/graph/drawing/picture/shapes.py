"""What a picture holds: shapes, texts and lines, each at its place."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .geometry import Point, Rectangle, moved
from .looks import BODY


@dataclass(frozen=True)
class Shape(Rectangle):
    """Something that arrows start from and lead to.

    Attributes:
        kind: "circle", "box", "operator", "delay" or "frame".
        fill: a name of `looks.FILLS`.
        look: of the outline, "solid", "dashed" or "none".
    """

    kind: str = "box"
    text: str = ""
    fill: str = "paper"
    look: str = "solid"
    font: float = BODY


@dataclass(frozen=True)
class Text(Rectangle):
    """Text with the rectangle that it covers.

    Attributes:
        halo: whether the paper shows around the letters, over any line below.
    """

    text: str = ""
    font: float = BODY
    ink: str = "ink"
    halo: bool = False


@dataclass(frozen=True)
class Line:
    """A line, as the points that it runs through, from border to border.

    Attributes:
        ends: what it joins: shapes, or points.
        look: "solid" or "dashed".
        head: whether it ends in an arrowhead.
    """

    points: tuple[Point, ...]
    ends: tuple[Shape | Point, Shape | Point]
    look: str = "solid"
    head: bool = True
    label: Text | None = None

    def moved(self, offset: Point) -> Line:
        start, end = (
            end.moved(offset) if isinstance(end, Shape) else moved(end, offset) for end in self.ends
        )
        return replace(
            self,
            points=tuple(moved(point, offset) for point in self.points),
            ends=(start, end),
            label=self.label.moved(offset) if self.label else None,
        )
