"""A picture of circles, boxes and arrows, in the manner of a textbook's computational graphs.

    picture = Picture()
    x = picture.circle((0, 0), r"$\\mathbf{x}^{(t)}$")
    h = picture.circle((0, 2), r"$\\mathbf{h}^{(t)}$")
    plus = picture.operator((2, 2), "+")
    picture.arrow(x, h, label=r"$\\mathbf{U}$", side="left")
    picture.arrow(h, plus)                          # straight, from border to border
    picture.arrow(x, plus, via=[(2, 0)])            # right angle, rounded
    picture.save("step.svg")

Positions are in centimetres, y up; a text between dollars is mathematics. What is drawn later
lies above what was drawn earlier, except that frames lie below everything and lines below
shapes. Nothing is drawn before `save`, which sizes the page to what the picture holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import geometry, painting
from .geometry import Point, Rectangle
from .looks import BODY, SMALL, text_size, text_width
from .shapes import Line, Shape, Text

RADIUS = 0.62
_GAP = 0.13
_PADDING = 0.16


@dataclass
class Picture:
    """What is to be drawn. Every method that adds something returns it."""

    shapes: list[Shape] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    frames: list[Shape] = field(default_factory=list)

    def circle(
        self, centre: Point, text: str, radius: float = RADIUS, fill: str = "paper",
        look: str = "solid",
    ) -> Shape:  # fmt: skip
        """A circle; it widens where the text is longer than the circle is wide."""
        width = circle_width(text, radius)
        shape = Shape(centre, width, 2 * radius, radius, "circle", text, fill, look)
        return self._add(shape)

    def box(
        self, centre: Point, text: str = "", width: float = 0.0, height: float = 0.62,
        fill: str = "function", look: str = "solid", font: float = BODY,
    ) -> Shape:  # fmt: skip
        """A rounded box, at least as large as its text (of one line or more)."""
        wide, high = text_size(text, font)
        width, height = max(width, wide + 2 * _PADDING), max(height, high + 1.4 * _PADDING)
        shape = Shape(centre, width, height, 0.12, "box", text, fill, look, font)
        return self._add(shape)

    def operator(self, centre: Point, text: str) -> Shape:
        """A small circle around a sign (+, ×) or the name of a function."""
        height = 0.46
        width = max(height, text_size(text, SMALL)[0] + 1.2 * _PADDING)
        corner = height / 2
        shape = Shape(centre, width, height, corner, "operator", text, "operator", font=SMALL)
        return self._add(shape)

    def arrow(
        self, start: Shape | Point, end: Shape | Point, *, via: Sequence[Point] = (),
        label: str = "", side: str = "above", at: float = 0.5, look: str = "solid",
        head: bool = True, corner: float = 0.22,
    ) -> Line:  # fmt: skip
        """A line from a shape, or a point, to another.

        Arguments:
            via: corners on the way. A box is met at a right angle where the neighbouring
                corner faces one of its sides, otherwise shapes are aimed at in their centres.
            label: text beside the line, never on it.
            side: of the label: "above", "below", "left" or "right".
            at: position of the label, as a part of the line's length.
            look: "solid" or "dashed".
            head: whether it ends in an arrowhead.
            corner: radius of the corners.
        """
        points = _route(start, end, list(via), corner)
        text = _label(points, label, side, at) if label else None
        line = Line(tuple(points), (start, end), look, head, text)
        self.lines.append(line)
        return line

    def recurrence(
        self, start: Shape | Point, end: Shape | Point, delay: Point, *,
        out: Sequence[Point], back: Sequence[Point], head: bool = True, corner: float = 0.22,
    ) -> Shape:  # fmt: skip
        """A line through a delay of one step, whose small black square it returns.

        Arguments:
            delay: the middle of the square.
            out, back: corners on the way to the delay and from there.
            head, corner: as in `arrow`.
        """
        square = self._add(Shape(delay, 0.24, 0.24, 0.0, "delay", "", "ink"))
        self.arrow(start, square, via=out, head=False, corner=corner)
        self.arrow(square, end, via=back, head=head, corner=corner)
        return square

    def text(
        self, position: Point, text: str, anchor: str, font: float = BODY, ink: str = "ink"
    ) -> Text:
        """Text without an outline.

        Arguments:
            anchor: the edge of the text that has its middle at the position: "left", "right",
                "above" or "below".
            ink: "ink" or "quiet".
        """
        width, height = text_size(text, font)
        dx = {"left": width / 2, "right": -width / 2}.get(anchor, 0)
        dy = {"above": -height / 2, "below": height / 2}.get(anchor, 0)
        centre = (position[0] + dx, position[1] + dy)
        self.texts.append(Text(centre, width, height, text=text, font=font, ink=ink))
        return self.texts[-1]

    def frame(self, around: Iterable[Rectangle], margin: float) -> Shape:
        """A light rounded rectangle behind a group of shapes, texts or other rectangles."""
        covered = Rectangle.around(around)
        width, height = covered.width + 2 * margin, covered.height + 2 * margin
        shape = Shape(covered.centre, width, height, 0.25, "frame", "", "frame")
        self.frames.append(shape)
        return shape

    def place(self, other: Picture, offset: Point) -> None:
        """Add everything that another picture holds, moved by `offset`."""
        self.frames += [frame.moved(offset) for frame in other.frames]
        self.shapes += [shape.moved(offset) for shape in other.shapes]
        self.texts += [text.moved(offset) for text in other.texts]
        self.lines += [line.moved(offset) for line in other.lines]

    @property
    def labels(self) -> list[Text]:
        """The texts that stand beside lines."""
        return [line.label for line in self.lines if line.label]

    @property
    def extent(self) -> Rectangle:
        """The smallest rectangle that holds the picture."""
        points = [Rectangle(point, 0, 0) for line in self.lines for point in line.points]
        return Rectangle.around([*self.shapes, *self.frames, *self.texts, *self.labels, *points])

    def save(self, path: str | Path) -> Path:
        """Draw into a file, by the ending of its name: .svg, .png or .pdf.

        The letters are of the same size in every picture, 11 points; a picture wider than a
        page (16 cm) is made smaller, down to letters of 8 points and no further. The same
        picture gives the same bytes.

        Raises:
            ValueError: another ending.
        """
        return painting.save(self, Path(path))

    def _add(self, shape: Shape) -> Shape:
        self.shapes.append(shape)
        return shape


def circle_width(text: str, radius: float = RADIUS) -> float:
    """How wide the circle around a text is."""
    return max(2 * radius, text_width(text) + _PADDING)


def _route(
    start: Shape | Point, end: Shape | Point, via: list[Point], corner: float
) -> list[Point]:
    if via:
        first, last = _met(start, via[0]), _met(end, via[-1])
        return geometry.rounded([first, *via, last], corner)
    a, b = _centre(start), _centre(end)
    a = _met(start, b) if not isinstance(end, Shape) else _clipped(start, b)
    return [a, _met(end, a) if not isinstance(start, Shape) else _clipped(end, a)]


def _centre(end: Shape | Point) -> Point:
    return end.centre if isinstance(end, Shape) else end


def _clipped(end: Shape | Point, outside: Point) -> Point:
    """Where a line aimed at the centre meets a shape; a point is itself."""
    return end.border(outside) if isinstance(end, Shape) else end


def _met(end: Shape | Point, outside: Point) -> Point:
    """Where a line from a corner meets a shape, at a right angle if it can."""
    return end.border(outside, end.facing(outside)) if isinstance(end, Shape) else end


def _label(points: Sequence[Point], text: str, side: str, at: float) -> Text:
    (x, y), direction = geometry.along(points, at)
    dx, dy = geometry.beside(direction, side)
    width, height = text_size(text, BODY)
    # The distance at which the text's rectangle clears a straight line with that direction.
    clear = width / 2 * abs(dx) + height / 2 * abs(dy) + _GAP
    return Text((x + clear * dx, y + clear * dy), width, height, text=text, halo=True)
