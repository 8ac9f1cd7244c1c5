"""The gradients of parameters: sums over all steps and samples of left right'.

The backward pass leaves the left sides, *adjoints*, for some steps at a time, small enough to
stay in the cache; one product of matrices then takes in these steps, and the next steps write
over them. Right sides with the same left sides are multiplied as one matrix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...graph.derivative import Outer, Total
from ...graph.nodes import Fixed, Node
from .places import DEPTH, WIDE, Place, Target
from .program import Explicit
from .window import Window


@dataclass
class Group:
    """Right sides that meet the same left sides.

    Attributes:
        lefts: values of the adjoint, by their offsets.
        rights: values, side by side.
        terms: the matrices that parts of the product are added to.
    """

    lefts: tuple[Node, ...]
    rights: list[Node] = field(default_factory=list)
    terms: list[tuple[Node, Node, Fixed]] = field(default_factory=list)


class Gradients:
    """How the gradients of all parameters are made, as C++.

    Arguments:
        terms: of each fixed value.
        explicit: rewrites the values of the terms.
        adjoints: offsets of the values that the backward pass leaves, in rows of `row`.
        places: where right sides are.
        windows: each fixed value as a part of its base.
        bases: the tensors that the gradients belong to.

    Attributes:
        size: of the sums of one thread.
        space: of what is packed, of one thread.
    """

    def __init__(
        self,
        terms: Mapping[Fixed, Sequence[object]],
        explicit: Explicit,
        adjoints: Mapping[Node, int],
        row: int,
        places: Mapping[Node, Place],
        windows: Mapping[Fixed, Window],
        bases: Sequence[Fixed],
        target: Target,
    ):
        self.adjoints, self.row, self.places = adjoints, row, places
        self.windows, self.bases, self.target = windows, list(bases), target
        self.totals = [
            (explicit.result(term.vector), fixed)
            for fixed, found in terms.items()
            for term in found
            if isinstance(term, Total)
        ]
        outer = [
            (explicit.result(term.left), term.right, fixed)
            for fixed, found in terms.items()
            for term in found
            if isinstance(term, Outer)
        ]
        self.explicit = explicit
        self.groups = _grouped(outer, adjoints)
        # The totals of vectors come first, then the sums of each group.
        self.starts: list[int] = []
        self.size = row
        for group in self.groups:
            self.starts.append(self.size)
            self.size += self._high(group) * self._vectors(group) * target.lanes
        packed = max((self._high(group) for group in self.groups), default=0)
        self.space = DEPTH * (packed + WIDE * target.lanes)

    def accumulate(self) -> list[str]:
        """Lines that take in some steps."""
        lines = [f"add_rows(a, steps, adjoint, {self.row}, sums);"] if self.totals else []
        for k, (group, start) in enumerate(zip(self.groups, self.starts, strict=True)):
            lefts = ", ".join(f"{{{start}, {rows}}}" for start, rows in self._joined(group))
            rights = ", ".join(map(self._right, group.rights))
            count = sum(node.size for node in group.lefts)
            lines += [
                f"const Left lefts{k}[] = {{{lefts}}};",
                f"const Right rights{k}[] = {{{rights}}};",
                f"accumulate(a, steps, adjoint, {self.row}, lefts{k}, {count}, rights{k}, "
                f"{self._vectors(group)}, sums + {start}, space);",
            ]
        return lines

    def deliver(self) -> list[str]:
        """Lines that add the sums of all threads to the gradients."""
        lines = []
        for vector, fixed in self.totals:
            to, strides = self._address(fixed)
            sums = f"1, {self.row // self.target.lanes}, 0"
            across = self.adjoints[vector] // self.target.lanes
            shape = f"{sums}, {across}, 1, {vector.size}"
            stride = strides[-1] if strides else 1
            lines.append(self._delivery(0, shape, to, 0, stride))
        for group, start in zip(self.groups, self.starts, strict=True):
            sums = f"{self._high(group)}, {self._vectors(group)}"
            for left, right, fixed in group.terms:
                down = sum(n.size for n in group.lefts[: group.lefts.index(left)])
                before = group.rights[: group.rights.index(right)]
                across = sum(self.target.padded(n.size) for n in before) // self.target.lanes
                shape = f"{sums}, {down}, {across}, {left.size}, {right.size}"
                to, strides = self._address(fixed)
                lines.append(self._delivery(start, shape, to, *strides))
        # Two may add to the same matrix.
        return [text for line in lines for text in (line, "a.wait_for_all();")]

    def _delivery(self, start: int, shape: str, to: str, down: int, across: int) -> str:
        sums = f"a.sums + {start}, {self.size}, count"
        return f"deliver(a, {sums}, {shape}, {to}, {down}, {across});"

    def _high(self, group: Group) -> int:
        high = self.target.high
        return -(-sum(node.size for node in group.lefts) // high) * high

    def _vectors(self, group: Group) -> int:
        return sum(self.target.padded(node.size) for node in group.rights) // self.target.lanes

    def _joined(self, group: Group) -> list[tuple[int, int]]:
        """The left sides as stretches of the adjoint's rows."""
        joined: list[tuple[int, int]] = []
        for node in group.lefts:
            start = self.adjoints[node]
            if joined and sum(joined[-1]) == start:
                joined[-1] = (joined[-1][0], joined[-1][1] + node.size)
            else:
                joined.append((start, node.size))
        return joined

    def _right(self, node: Node) -> str:
        place = self.places.get(node)
        if place is None:
            place = self.places[self.explicit.result(node)]
        rows, time, batch = place.strides
        return f"{{{rows}, {time}, {batch}, {node.size}}}"

    def _address(self, fixed: Fixed) -> tuple[str, tuple[int, ...]]:
        window = self.windows[fixed]
        return (
            f"a.gradient_of_base{self.bases.index(window.base)} + {window.offset}",
            window.strides,
        )


def _grouped(
    outer: Sequence[tuple[Node, Node, Fixed]], adjoints: Mapping[Node, int]
) -> list[Group]:
    lefts: dict[Node, dict[Node, None]] = {}
    for left, right, _ in outer:
        lefts.setdefault(right, {})[left] = None
    groups: dict[tuple[Node, ...], Group] = {}
    of: dict[Node, Group] = {}
    for right, found in lefts.items():
        key = tuple(sorted(found, key=adjoints.__getitem__))
        of[right] = groups.setdefault(key, Group(key))
        of[right].rights.append(right)
    for term in outer:
        of[term[1]].terms.append(term)
    return list(groups.values())
