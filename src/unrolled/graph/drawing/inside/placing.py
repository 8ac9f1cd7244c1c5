"""Where the blocks of a step stand: columns from left to right, levels from the bottom up.

The gates stand on level 1. An operator stands above the last of its operands, or, where that
one is read elsewhere too, in a column of its own. The state that the step changes only by
sums and products (c of an LSTM, h of a GRU) is the line: it runs along the top, its
operators above what they read. What is computed from its new value hangs below it, behind them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

from .blocks import Block, Blocks

Spot = tuple[int, int]


@dataclass(frozen=True)
class Run:
    """The level stretch of the line from a block to a reader, between two columns."""

    block: Block
    reader: Block
    level: int
    first: int
    last: int


@dataclass
class Places:
    """
    Attributes:
        line: the blocks along the top, after the source `line[0]`; empty where there is none.
        line_name: the component that runs along the top, or "".
        spots: column and level, each from 1, of every block that is computed.
        runs: of the lines between them.
    """

    line: list[Block]
    line_name: str
    spots: dict[Block, Spot] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)

    @property
    def columns(self) -> int:
        return max((column for column, _ in self.spots.values()), default=0)

    @property
    def top(self) -> int:
        """The level of the line."""
        inner = [level for block, (_, level) in self.spots.items() if block not in self.line]
        return max(inner, default=0) + 1

    def highest(self, first: int, last: int) -> int:
        """The highest level that is taken in a range of columns, the state line apart."""
        stand = [row for column, row in self._inner() if first <= column <= last]
        pass_by = [run.level for run in self.runs if run.first < last and run.last > first]
        return max([*stand, *pass_by], default=0)

    def free(self, level: int, first: int, last: int, block: Block) -> bool:
        """Whether a line of the block can run on a level from one column to another."""
        stand = any(row == level and first < column < last for column, row in self._inner())
        pass_by = any(
            run.level == level and run.first < last and run.last > first
            for run in self.runs
            if run.block is not block
        )
        return not (stand or pass_by)

    def _inner(self) -> list[Spot]:
        return [spot for block, spot in self.spots.items() if block not in self.line]


def places_of(blocks: Blocks) -> Places:
    """Every block's column and level."""
    name, line = _line(blocks)
    placer = _Placer(blocks, Places(line, name))
    for before, block in pairwise(line):
        placer.place_on_line(block, before)
    for block in blocks.outputs.values():
        placer.place(block)
    places = placer.places
    for block in line[1:]:
        places.spots[block] = (places.spots[block][0], places.top)
    return places


def _line(blocks: Blocks) -> tuple[str, list[Block]]:
    """The last component that is only scaled and added to on the way to its new value."""
    for name in reversed(blocks.outputs):
        if name in blocks.sources:
            way = _linear_way(blocks.sources[name], blocks.outputs[name])
            if len(way) > 1:
                return name, way
    return "", []


def _linear_way(source: Block, output: Block) -> list[Block]:
    """The shortest way from a source to an output through sums and products, or nothing."""
    pending, onwards = deque([output]), {output: output}
    while pending:
        block = pending.popleft()
        if block is source:
            way = [block]
            while way[-1] is not output:
                way.append(onwards[way[-1]])
            return way
        for operand in block.inputs if block.linear else ():
            if operand not in onwards:
                onwards[operand] = block
                pending.append(operand)
    return []


class _Placer:
    def __init__(self, blocks: Blocks, places: Places):
        self.blocks, self.places = blocks, places

    def place_on_line(self, block: Block, before: Block) -> None:
        """Above the operand that was placed last, if its column is free up to the line."""
        operands = [b for b in self._by_size(block.inputs) if b is not before]
        for operand in operands:
            self.place(operand)
        behind = self.places.spots.get(before, (0, 0))[0]
        column = max((self._column(b) for b in operands), default=0)
        if column <= behind or not self._is_open(column, operands):
            column = max(self.places.columns, behind) + 1
        self.places.spots[block] = (column, 0)

    def place(self, block: Block) -> None:
        if block.kind == "source" or block in self.places.spots or block in self.places.line:
            return
        operands = [b for b in self._by_size(block.inputs) if not self._hangs(b)]
        for operand in operands:
            self.place(operand)
        made = [b for b in operands if b in self.places.spots and b not in self.places.line]
        if block.maps:
            self._stand(block, self.places.columns + 1, 1)
        else:
            self._place_elementwise(block, made)
        self._hang(block)

    def _place_elementwise(self, block: Block, made: list[Block]) -> None:
        """Above the last operand, or else right of all, on its operand's level if that is free."""
        places = self.places
        last = max(made, key=self._column, default=None)
        first = min(map(self._column, made), default=places.columns + 1)
        if last and self._may_stand_on(block, last):
            column = self._column(last)
            self._stand(block, column, places.highest(first, column) + 1)
            return
        column, level = places.columns + 1, places.highest(first, places.columns) + 1
        if len(made) == 1 and places.free(places.spots[made[0]][1], first, column, made[0]):
            level = places.spots[made[0]][1]
        self._stand(block, column, level)

    def _may_stand_on(self, block: Block, operand: Block) -> bool:
        """Whether nothing else leads to the block from below, or from the operand upwards."""
        reads_source = any(b.kind == "source" for b in block.inputs)
        alone = len(self.blocks.consumers[operand]) == 1
        is_open = self._is_open(self._column(operand), [operand])
        return alone and is_open and not reads_source and not self._hanging(block)

    def _hang(self, block: Block) -> None:
        """Place what a block reads from the line through functions of its own, above it."""
        column, level = self.places.spots[block]
        for operand in block.inputs:
            if self._hangs(operand) and operand not in self.places.spots:
                level += 1
                self._stand(operand, column, level)
                self._hang(operand)

    def _hangs(self, block: Block) -> bool:
        """Whether a block is a function of the line alone, read by one elementwise block."""
        consumers = self.blocks.consumers.get(block, [])
        return (
            block.kind == "function"
            and len(consumers) == 1
            and not consumers[0].maps
            and block not in self.places.line
            and block not in self.blocks.outputs.values()
            and all(b in self.places.line[1:] or self._hangs(b) for b in block.inputs)
        )

    def _hanging(self, block: Block) -> bool:
        return any(self._hangs(b) or b in self.places.line[1:] for b in block.inputs)

    def _stand(self, block: Block, column: int, level: int) -> None:
        self.places.spots[block] = (column, level)
        for operand in block.inputs:
            if operand in self.places.spots and operand not in self.places.line:
                self.places.runs.append(self._run(operand, block))

    def _run(self, operand: Block, block: Block) -> Run:
        """On the higher of the two levels, or above what stands or runs there."""
        (first, low), (last, high) = self.places.spots[operand], self.places.spots[block]
        level = max(low, high)
        if not self.places.free(level, first, last, operand):
            level = self.places.highest(first, last - 1) + 1
        return Run(operand, block, level, first, last)

    def _column(self, block: Block) -> int:
        return self.places.spots.get(block, (0, 0))[0]

    def _is_open(self, column: int, ours: list[Block]) -> bool:
        """Whether the highest block of a column is one of ours."""
        levels = {level: b for b, (c, level) in self.places.spots.items() if c == column}
        on_line = any(
            c == column for b, (c, _) in self.places.spots.items() if b in self.places.line
        )
        return not on_line and levels.get(max(levels, default=0)) in ours

    def _by_size(self, operands: tuple[Block, ...]) -> list[Block]:
        """Operands in the order of placing: those with the least still to place first."""
        return sorted(dict.fromkeys(operands), key=lambda b: (self._unplaced(b), b.maps))

    def _unplaced(self, block: Block) -> int:
        found, pending = set(), [block]
        while pending:
            current = pending.pop()
            if current.kind == "source" or current in found or current in self.places.spots:
                continue
            found.add(current)
            pending.extend(current.inputs)
        return len(found)
