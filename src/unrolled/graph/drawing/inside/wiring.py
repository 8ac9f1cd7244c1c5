"""The inside of one step, drawn: its blocks at their places and the lines between them.

What the gates read runs along buses below them. An operand's line rises from it and branches
off to the right at the level of each reader.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .. import symbols
from ..picture import SMALL, Picture, Point, Rectangle, Shape, text_width
from .blocks import Block, Blocks
from .placing import Places, places_of

# A column is at least so wide, and wider than its blocks by so much; a level is so high.
_PITCH, _BETWEEN, _RISE = 1.5, 0.6, 1.0
# Between the gates' level and the highest bus, and from bus to bus.
_BUS_DROP, _BUS_GAP = 0.88, 0.45
# From bus to bus where both come in on the left, each under its name.
_NAMED_GAP = 0.65
# How far left of a block's border a line comes down to enter it from the left.
_ASIDE = 0.38
_CORNER = 0.22
# Between outputs that run to the right over what stands there.
_EXITS = 0.15
# Between the lines that turn on the right, before the frame ends.
TURN = 0.25


@dataclass
class Bus:
    """Inputs that run along one line, being read by the same blocks."""

    sources: list[Block]
    readers: list[Block]
    y: float = 0.0


@dataclass
class Step:
    """A drawn step.

    Attributes:
        frame: around it.
        entries: by name of a state, where it comes in, on the left border.
        exits: by name of an output, where it leaves: on the right border, or on the upper one.
        feeds: by name of an input that is no state, where it comes in, on the lower border.
    """

    frame: Shape
    entries: dict[str, Point] = field(default_factory=dict)
    exits: dict[str, Point] = field(default_factory=dict)
    feeds: dict[str, Point] = field(default_factory=dict)

    @property
    def leaving(self) -> list[str]:
        """The outputs that no step reads."""
        return [name for name in self.exits if name not in self.entries]


def draw_step(picture: Picture, blocks: Blocks, in_row: bool) -> Step:
    """Draw the blocks, with their lines up to the border of a frame.

    Arguments:
        in_row: whether outputs that no step reads leave upwards, for the next step is on the
            right.
    """
    return _Wiring(picture, blocks, places_of(blocks), in_row).draw()


class _Wiring:
    def __init__(self, picture: Picture, blocks: Blocks, places: Places, in_row: bool):
        self.picture, self.blocks, self.places, self.in_row = picture, blocks, places, in_row
        self.shapes: dict[Block, Shape] = {}
        self.entered: Counter[Block] = Counter()
        self.buses = _buses(blocks, places)
        self._set_heights()
        self._set_columns()
        # Up to where the line that rises from a block is drawn.
        self.risen: dict[Block, float] = {}
        self.channels = self.turns = self.over = 0

    def draw(self) -> Step:
        self.step = Step(self._frame())
        self._set_ports()
        for block in self.places.spots:
            self._draw_block(block)
        self._draw_line()
        for bus in self.buses:
            self._draw_bus(bus)
        # From the top, so that lower readers branch off what rises to higher ones.
        for block in sorted(self.places.spots, key=lambda block: -self.places.spots[block][1]):
            for operand in dict.fromkeys(block.inputs):
                if operand.kind != "source" and not self._follows_on_line(operand, block):
                    self._connect(operand, block)
        self._draw_exits()
        return self.step

    # Places

    def _at(self, block: Block) -> Point:
        column, level = self.places.spots[block]
        return self.middles[column], level * _RISE

    def _set_columns(self) -> None:
        """The middle of every column along x, from the widths of what stands in it."""
        self.middles, right = {}, _PITCH / 2
        for column in range(1, self.places.columns + 1):
            texts = [b.text for b, spot in self.places.spots.items() if spot[0] == column]
            width = max([_PITCH - _BETWEEN, *(text_width(text) + 0.3 for text in texts)])
            self.middles[column] = right + (width + _BETWEEN) / 2
            right += width + _BETWEEN
        self.right = right

    def _set_heights(self) -> None:
        y = _RISE - _BUS_DROP
        for rank, bus in enumerate(self.buses):
            bus.y = y
            following = self.buses[rank + 1 : rank + 2]
            named = all(b.sources[0].name in self.blocks.outputs for b in following)
            y -= _NAMED_GAP if named else _BUS_GAP

    @property
    def _line_y(self) -> float:
        return self.places.top * _RISE

    def _frame(self) -> Shape:
        feeds = sum(name not in self.blocks.outputs for name in self.blocks.sources)
        left = min(0.0, _PITCH * (2 - feeds)) + 0.1
        # Every line that turns on the right has room between the last block and the frame.
        right = self.right + 0.3 + TURN * max(self._turning() - 1, 0)
        lowest = self.buses[-1].y if self.buses else _RISE - 0.5
        top = self._line_y if self.places.line else self._highest_y()
        corners = [Rectangle((left, lowest - 0.35), 0, 0), Rectangle((right, top + 0.55), 0, 0)]
        return self.picture.frame(corners, margin=0)

    def _highest_y(self) -> float:
        """How high blocks and lines reach where no state runs along the top."""
        inner = (self.places.top - 1) * _RISE
        made = [b for b in self.blocks.outputs.values() if b.kind != "source"]
        rising = sum(not self._leaves_level(block) for block in made)
        runs = max((run.level for run in self.places.runs), default=0) * _RISE
        lines = self._over(1) + _EXITS * (rising - 1) if rising else 0
        return max(inner, runs, lines - 0.2)

    def _over(self, column: int) -> float:
        """Above everything from a column on."""
        return (self.places.highest(column, self.places.columns) + 0.5) * _RISE

    def _leaves_level(self, block: Block) -> bool:
        """Whether nothing is in the way from a block to the right border."""
        if block in self.places.line:
            return True
        column, level = self.places.spots[block]
        return self.places.free(level, column, self.places.columns + 1, block)

    def _turning(self) -> int:
        """How many outputs may turn before they leave: on the right border, or upwards."""
        others = [name for name in self.blocks.outputs if name != self.places.line_name]
        return sum(self.in_row or name in self.blocks.sources for name in others)

    def _set_ports(self) -> None:
        """Where inputs come in: states on the left, at the height of their lines; x below."""
        frame, step = self.step.frame, self.step
        for name, source in self.blocks.sources.items():
            if name == self.places.line_name:
                step.entries[name] = (frame.left, self._line_y)
            elif name in self.blocks.outputs:
                step.entries[name] = (frame.left, self._bus_of(source).y)
            else:
                step.feeds[name] = (frame.left + 0.62 + _PITCH * len(step.feeds), frame.bottom)

    def _bus_of(self, source: Block) -> Bus:
        return next(bus for bus in self.buses if source in bus.sources)

    # Blocks and the line

    def _draw_block(self, block: Block) -> None:
        x, y = self._at(block)
        if not block.maps:
            self.shapes[block] = self.picture.operator((x, y), block.text)
            return
        self.shapes[block] = shape = self.picture.box((x, y), block.text, width=0.72)
        if block.kind == "gate" and block.name:
            name = symbols.vector(block.name)
            self.picture.text((x - 0.17, shape.top + 0.22), name, "right", font=SMALL)

    def _draw_line(self) -> None:
        line = self.places.line
        if not line:
            return
        before: Shape | Point = self.step.entries[self.places.line_name]
        for block in line[1:]:
            self.picture.arrow(before, self.shapes[block])
            before = self.shapes[block]
        exit_ = (self.step.frame.right, self._line_y)
        self.picture.arrow(before, exit_, head=False)
        self.step.exits[self.places.line_name] = exit_

    def _follows_on_line(self, operand: Block, block: Block) -> bool:
        line = self.places.line
        return operand in line and block in line and line.index(block) == line.index(operand) + 1

    # Buses

    def _draw_bus(self, bus: Bus) -> None:
        for source in bus.sources[1:]:
            *way, corner = self._way_in(source, bus)
            end = (corner[0] + 0.4, bus.y)
            self.picture.arrow(way[0], end, via=[corner] if way else [], head=False)
        way = self._way_in(bus.sources[0], bus)
        ports = {self._port(bus, reader): reader for reader in bus.readers}
        for x in sorted(ports):
            shape = self.shapes[ports[x]]
            end = shape.border((x, shape.bottom - 1), (x, shape.centre[1]))
            # Only the farthest has the whole line; the others branch off it.
            branches = x != max(ports) and x - _CORNER > way[-1][0]
            before = [(x - _CORNER, bus.y)] if branches else way
            self.picture.arrow(before[0], end, via=[*before[1:], (x, bus.y)], corner=_CORNER)

    def _way_in(self, source: Block, bus: Bus) -> list[Point]:
        """From where an input comes in to where it runs along its bus."""
        if source.name in self.step.feeds:
            start = self.step.feeds[source.name]
            return [start, (start[0], bus.y)]
        entry = self.step.entries[source.name]
        if source.name != self.places.line_name:
            return [entry]
        branch = self.step.frame.left + 0.3
        return [(branch, entry[1]), (branch, bus.y)]

    def _port(self, bus: Bus, reader: Block) -> float:
        """Where along x the bus enters a block: higher buses on the left."""
        read = [other for other in self.buses if reader in other.readers]
        apart = 0.3 if reader.maps else 0.2
        return self._at(reader)[0] + apart * (read.index(bus) - (len(read) - 1) / 2)

    # Lines between blocks

    def _connect(self, operand: Block, block: Block) -> None:
        start, end = self.shapes[operand], self.shapes[block]
        if operand in self.places.line:
            self._down_from_line(end, block)
        elif start.centre[0] == end.centre[0]:
            self.risen[operand] = end.bottom
            self.picture.arrow(start, end)
        elif block in self.places.line:
            self._up_to_line(start, end)
        elif self.entered[block] and not block.maps:
            self._from_below(start, end)
        else:
            self._from_left(operand, block)

    def _down_from_line(self, end: Shape, block: Block) -> None:
        """Straight down, or along the left where the block's own line rises."""
        x = end.centre[0]
        column, level = self.places.spots[block]
        rises = any(
            self.places.spots[reader][1] > level for reader in self.blocks.consumers.get(block, [])
        )
        if self.places.highest(column, column) == level and not (block.maps or rises):
            self.picture.arrow((x, self._line_y), end)
        else:
            aside, port = end.left - _ASIDE, self._left_port(block)
            self.picture.arrow((aside, self._line_y), port, via=[(aside, port[1])])

    def _up_to_line(self, start: Shape, end: Shape) -> None:
        y = self._line_y - 0.5 + 0.1 * self.channels
        self.channels += 1
        self.picture.arrow(start, end, via=[(start.centre[0], y), (end.centre[0], y)])

    def _from_below(self, start: Shape, end: Shape) -> None:
        """Into the foot of a block that another line enters from the left."""
        (x, high), y = start.centre, end.centre[1] - 0.5 * _RISE
        via = [(x, y), (end.centre[0], y)]
        if high > y:
            via = [(start.right + 0.25, high), (start.right + 0.25, y), (end.centre[0], y)]
        self.picture.arrow(start, end, via=via)

    def _from_left(self, operand: Block, block: Block) -> None:
        """Along the level of its run, and down to the reader where that is lower."""
        start, end = self.shapes[operand], self._left_port(block)
        low, high = self.places.spots[operand][1], self.places.spots[block][1]
        level = next(r.level for r in self.places.runs if (r.block, r.reader) == (operand, block))
        # No line but the state's own runs at its height.
        x, y = start.centre[0], level * _RISE
        y = min(y, self._line_y - 0.5 * _RISE) if self.places.line else y
        via = [(x, y)] if level != low else []
        if level != high or end[1] != high * _RISE:
            aside = end[0] - _ASIDE
            via += [(aside, y), (aside, end[1])]
        branches = level != low and self.risen.get(operand, 0) > y
        self.risen[operand] = max(y, self.risen.get(operand, 0))
        self.picture.arrow((x, y - _CORNER) if branches else start, end, via=via, corner=_CORNER)

    def _left_port(self, block: Block) -> Point:
        """Where the next line enters a block on its left: the second above, the third below."""
        shape = self.shapes[block]
        up = (0.0, 0.17, -0.17)[self.entered[block] % 3] if block.maps else 0.0
        self.entered[block] += 1
        return shape.side(shape.centre[1] + up, right=False)

    # Outputs

    def _draw_exits(self) -> None:
        for name, block in self.blocks.outputs.items():
            if name not in self.step.exits:
                self._draw_exit(name, block)

    def _draw_exit(self, name: str, block: Block) -> None:
        frame = self.step.frame
        entry = self.step.entries.get(name)
        if block.kind == "source":
            bus = self._bus_of(block)
            way = self._way_in(block, bus)
            start, via, y = way[0], way[1:], bus.y
        else:
            start, via, y = self.shapes[block], [], self._at(block)[1]
            if not self._leaves_level(block):
                y = self._over(self.places.spots[block][0]) + _EXITS * self.over
                self.over += 1
                via = self._way_up(block, y)
        exit_ = (frame.right, entry[1] if entry else y)
        upwards = entry is None and self.in_row
        if upwards or exit_[1] != y:
            x = frame.right - 0.35 - TURN * self.turns
            self.turns += 1
            exit_ = (x, frame.top) if upwards else exit_
            via = [*via, (x, y)] if upwards else [*via, (x, y), (x, exit_[1])]
        self.picture.arrow(start, exit_, via=via, head=False)
        self.step.exits[name] = exit_

    def _way_up(self, block: Block, y: float) -> list[Point]:
        """From a block to a higher level, aside from what stands on it."""
        shape, (column, level) = self.shapes[block], self.places.spots[block]
        if self.places.highest(column, column) == level:
            return [(shape.centre[0], y)]
        aside = shape.right + 0.25
        return [(aside, shape.centre[1]), (aside, y)]


def _buses(blocks: Blocks, places: Places) -> list[Bus]:
    """The inputs that run below, with what they lead to: states first, as they come from higher."""
    buses: list[Bus] = []
    for source in sorted(blocks.sources.values(), key=lambda b: b.name not in blocks.outputs):
        served = places.line[1:2] if source in places.line else []
        readers = [b for b in blocks.consumers.get(source, []) if b not in served]
        passes = source in blocks.outputs.values()
        if not (readers or passes) and source.name == places.line_name:
            continue
        shares = all(reader.maps for reader in readers) and not passes
        alike = [bus for bus in buses if shares and bus.readers == readers]
        if alike:
            alike[0].sources.append(source)
        else:
            buses.append(Bus([source], readers))
    return buses
