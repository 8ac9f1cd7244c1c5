"""The operators of a graph as a picture, from left to right; those of a function upwards.

Circles are inputs, states and outputs, with their sizes; boxes are affine maps, with the names
of their parameters; small rounded signs are pointwise functions. A value that a label refers to
has its name beside it, a gate its own. A black square is a delay of one step. Unrolled, each
step has a frame of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from ...graph import Graph
from ...names import is_cell
from .. import symbols
from ..layered import Layout, layered
from ..picture import SMALL, Picture, Point, Rectangle, Shape, Text, along, text_width
from .elements import FILLS, PLACES, Drawing, Element, Link, drawing_of

_RADIUS, _NOTE, _CLEAR = 0.42, 0.3, 0.05
_GAP, _LAYER_GAP, _LEAD, _ARRIVE, _CORNER = 0.2, 0.5, 0.12, 0.32, 0.3
_LOOP, _NEST = 0.5, 0.4
_BETWEEN, _SLANT, _MARGIN = 0.3, 0.2, 0.25
# Points of a line that are compared with a text.
_PIECES = 40

# Where arrows start and end.
Ends = Mapping[str, Shape | Point]


@dataclass(frozen=True)
class _Plan:
    """A step, laid out.

    Attributes:
        widths: of every element's shape.
        entries: how many arrows lead to every element.
    """

    drawing: Drawing
    layout: Layout
    direction: str
    widths: Mapping[str, float]
    entries: Mapping[str, int]

    @property
    def links(self) -> list[Link]:
        return [link for link in self.drawing.links if not link.delayed]

    @property
    def carried(self) -> dict[str, str]:
        """Of every state that a step reads, the output that is the next step's."""
        return {link.target: link.source for link in self.drawing.links if link.delayed}


def operators_picture(graph: Graph, steps: int | None = None) -> Picture:
    """The graph's operators, folded or unrolled over that many steps."""
    plan = _plan(drawing_of(graph), "right" if is_cell(graph) else "up")
    return _folded(plan) if steps is None else _unrolled(plan, steps)


def _plan(drawing: Drawing, direction: str) -> _Plan:
    shapes = _measured(drawing)
    edges = [(link.source, link.target) for link in drawing.links if not link.delayed]
    given = [e.key for e in drawing.elements if e.kind in ("input", "state")]
    layout = layered(
        {e.key: _room(e, shapes[e.key], direction) for e in drawing.elements},
        edges,
        # A function's inputs stand below what reads them, as its parameters do.
        first=given if direction == "right" else (),
        last=[e.key for e in drawing.elements if e.kind == "output"],
        direction=direction,
        gap=_GAP,
        layer_gap=_LAYER_GAP,
        leave=_LEAD,
        arrive=_ARRIVE,
    )
    entries = {key: sum(target == key for _, target in edges) for key in shapes}
    widths = {key: shape.width for key, shape in shapes.items()}
    return _Plan(drawing, layout, direction, widths, entries)


def _measured(drawing: Drawing) -> dict[str, Shape]:
    """A shape of the right size for every element; affine maps are all as wide as the widest."""
    scratch = Picture()
    shapes = {e.key: _shape(scratch, e, (0, 0), _title(e)) for e in drawing.elements}
    maps = [e.key for e in drawing.elements if e.kind == "map"]
    widest = max((shapes[key].width for key in maps), default=0.0)
    return shapes | {key: replace(shapes[key], width=widest) for key in maps}


def _room(element: Element, shape: Shape, direction: str) -> tuple[float, float]:
    """Width and height with the note, and as much on the other side."""
    if not _note(element):
        return shape.width, shape.height
    if direction == "up":
        beside = text_width(_note(element), SMALL) + _CLEAR
        return shape.width + 2 * beside, shape.height
    return shape.width, shape.height + 2 * _NOTE


def _note(element: Element) -> str:
    """What stands beside an element: the size of what comes and goes, a value's name."""
    if element.kind in PLACES:
        return str(element.size)
    return symbols.vector(element.name) if element.name else ""


def _title(element: Element, time: str = "") -> str:
    if element.kind == "parameter" and len(element.text) == 1:
        return symbols.matrix(element.text)
    if element.kind not in PLACES or "=" in element.text:
        return element.text
    # A superscript prime would float away from an upright letter.
    prime = r"\prime" if element.text.endswith("'") and not time else ""
    return symbols.vector(element.name, time).removesuffix("$") + f"{prime}$"


def _shape(
    picture: Picture, element: Element, centre: Point, text: str, width: float = 0.0
) -> Shape:
    if element.kind in PLACES:
        return picture.circle(centre, text, _RADIUS, fill=element.kind)
    if element.kind == "function" and " " not in text:
        return picture.operator(centre, text)
    fill = FILLS[element.kind]
    return picture.box(centre, text, width, height=0.46, fill=fill, font=SMALL)


def _add_shapes(
    picture: Picture, plan: _Plan, elements: Iterable[Element], offset: float = 0.0, time: str = ""
) -> dict[str, Shape]:
    """Shapes of the elements, moved to the right by `offset`."""
    shapes = {}
    for element in elements:
        x, y = plan.layout.centres[element.key]
        title, width = _title(element, time), plan.widths[element.key]
        shapes[element.key] = _shape(picture, element, (x + offset, y), title, width)
    return shapes


def _add_notes(picture: Picture, plan: _Plan, elements: Iterable[Element], ends: Ends) -> None:
    for element in elements:
        shape = ends[element.key]
        if isinstance(shape, Shape) and _note(element):
            _add_note(picture, element, shape, plan.direction)


def _add_note(picture: Picture, element: Element, shape: Shape, direction: str) -> None:
    """Beside its element, at the first place that no line crosses."""
    x, y = shape.centre
    above = ((x, shape.top + _CLEAR), "below")
    below = ((x, shape.bottom - _CLEAR), "above")
    right = ((shape.right + _CLEAR, y), "left")
    left = ((shape.left - _CLEAR, y), "right")
    if direction == "up":
        places = (right, left)
    else:
        # Sizes stand below, names above.
        places = (below, above) if element.kind in PLACES else (above, below)
    trials = [_written_at(place, _note(element)) for place in places]
    free = (n for n, trial in enumerate(trials) if not _is_crossed(picture, trial))
    position, anchor = places[next(free, 0)]
    picture.text(position, _note(element), anchor=anchor, font=SMALL, ink="quiet")


def _written_at(place: tuple[Point, str], text: str) -> Text:
    return Picture().text(place[0], text, anchor=place[1], font=SMALL)


def _is_crossed(picture: Picture, text: Text) -> bool:
    """Whether a line runs through a text, or closer by it than letters are apart."""
    room = replace(text, width=text.width + 2 * _CLEAR, height=text.height + 2 * _CLEAR)
    return any(
        room.holds(along((a, b), part / _PIECES)[0])
        for line in picture.lines
        for a, b in pairwise(line.points)
        if Rectangle.around([Rectangle(a, 0, 0), Rectangle(b, _CLEAR, _CLEAR)]).overlaps(room)
        for part in range(_PIECES + 1)
    )


def _folded(plan: _Plan) -> Picture:
    picture = Picture()
    shapes = _add_shapes(picture, plan, plan.drawing.elements)
    for link in plan.links:
        _arrow(picture, plan, link, shapes)
    _add_notes(picture, plan, plan.drawing.elements, shapes)
    _loops(picture, [(shapes[made], shapes[state]) for state, made in plan.carried.items()])
    return picture


def _arrow(picture: Picture, plan: _Plan, link: Link, ends: Ends, offset: float = 0.0) -> None:
    route = [(x + offset, y) for x, y in plan.layout.routes[link.source, link.target]]
    if plan.entries[link.target] > 1:
        # Arrows that meet arrive each from its own side.
        route = route[:-1]
    picture.arrow(ends[link.source], ends[link.target], via=route, corner=_CORNER)


def _loops(picture: Picture, carried: list[tuple[Shape, Shape]]) -> None:
    """Outputs that are the next step's state, led around the picture through delays."""
    held = picture.extent
    below = [p for p in carried if p[0].centre[1] <= held.centre[1] or len(carried) == 1]
    above = [p for p in carried if p not in below]
    for pairs, edge, sign in ((below, held.bottom, -1), (above, held.top, 1)):
        # The innermost line comes from what is nearest to the edge.
        pairs = sorted(pairs, key=lambda pair: -sign * pair[0].centre[1])
        for rank, (source, target) in enumerate(pairs):
            _loop(picture, source, target, edge + sign * (_LOOP + rank * _NEST), rank)


def _loop(picture: Picture, source: Shape, target: Shape, level: float, rank: int) -> None:
    right = source.right + _LOOP + rank * _NEST
    left = target.left - _LOOP - rank * _NEST
    out = [(right, source.centre[1]), (right, level)]
    back = [(left, level), (left, target.centre[1])]
    middle = ((left + right) / 2, level)
    picture.recurrence(source, target, middle, out=out, back=back, corner=_CORNER)


def _unrolled(plan: _Plan, steps: int) -> Picture:
    """Copies of a step from left to right; an output leads to where its state is read."""
    picture = Picture()
    states = [e for e in plan.drawing.elements if e.key in plan.carried]
    others = [e for e in plan.drawing.elements if e.key not in plan.carried]
    ends: dict[str, Shape | Point] = {**_add_shapes(picture, plan, states, time="0")}
    _add_notes(picture, plan, states, ends)
    for step in range(1, steps + 1):
        offset = (step - 1) * _pitch(plan)
        if step > 1:
            ends |= {s.key: _handed_over(picture, plan, s.key, ends, offset) for s in states}
        ends |= _add_shapes(picture, plan, others, offset, str(step))
        for link in plan.links:
            _arrow(picture, plan, link, ends, offset)
        _add_notes(picture, plan, others, ends)
    _frames(picture, plan, steps)
    return picture


def _handed_over(picture: Picture, plan: _Plan, state: str, ends: Ends, offset: float) -> Point:
    """Lead the output of the step before to the state's place, and give that place."""
    source = ends[plan.carried[state]]
    assert isinstance(source, Shape)
    x, y = plan.layout.centres[state]
    place = (x + offset, y)
    beside = _MARGIN + _LEAD
    leaving = (source.right + beside, source.centre[1])
    arriving = (place[0] - _RADIUS - beside, y)
    picture.arrow(source, place, via=[leaving, arriving], head=False, corner=_CORNER)
    return place


def _frames(picture: Picture, plan: _Plan, steps: int) -> None:
    """A frame behind every step, as large as the first step with the state that it reads."""
    end = max(x for x, _ in plan.layout.centres.values()) + _RADIUS
    around = Rectangle.around([p for p in (*picture.shapes, *picture.texts) if p.centre[0] < end])
    x, y = around.centre
    for step in range(steps):
        centre = (x + step * _pitch(plan), y)
        picture.frame([Rectangle(centre, around.width, around.height)], margin=_MARGIN)


def _pitch(plan: _Plan) -> float:
    """From a step to the next: more where the lines between them are steep."""
    centres = plan.layout.centres
    across = [x for x, _ in centres.values()]
    rises = [abs(centres[a][1] - centres[b][1]) for a, b in plan.carried.items()]
    width = max(across) - min(across) + 2 * _RADIUS
    return width + 2 * (_MARGIN + _LEAD) + _BETWEEN + _SLANT * max(rises, default=0.0)
