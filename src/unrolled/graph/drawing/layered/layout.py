"""Layouts of directed graphs in layers, every edge leading to a later layer.

    layout = layered({"a": (1, 1), "b": (1, 1)}, [("a", "b")])
    layout.centres["b"], layout.routes["a", "b"]

Four passes: a layer for every node; points where long edges cross the layers between; an order
within each layer with few crossings (`ordering`); positions in that order that keep long edges
straight (`aligning`). The same graph gives the same layout.

References:
    Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system
        structures", IEEE Transactions on Systems, Man, and Cybernetics 11, 1981.
    Gansner, Koutsofios, North and Vo, "A technique for drawing directed graphs", IEEE
        Transactions on Software Engineering 19, 1993.
    Brandes and Köpf, "Fast and simple horizontal coordinate assignment", Graph Drawing 2001.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..picture import Point
from .aligning import aligned
from .links import Layers, Link, Neighbours, in_order, neighbours, rows_of
from .ordering import crossings, ordered

# How much further apart layers are for every unit that a link between them rises, and at most.
_SLANT, _MOST = 0.35, 2.0


@dataclass(frozen=True)
class Layout:
    """Where nodes and edges are.

    Attributes:
        centres: of every node.
        routes: of every edge, the points that it runs through between its ends. It runs level
            through layers and changes its level between them, where no node is.
        layers: the nodes of every layer, in order across.
        crossings: how often edges cross.
    """

    centres: dict[str, Point]
    routes: dict[Link, list[Point]]
    layers: tuple[tuple[str, ...], ...]
    crossings: int


def layered(
    sizes: Mapping[str, tuple[float, float]],
    edges: Sequence[Link],
    *,
    first: Collection[str] = (),
    last: Collection[str] = (),
    direction: str = "up",
    gap: float = 0.3,
    layer_gap: float = 0.6,
    leave: float = 0.12,
    arrive: float = 0.3,
) -> Layout:
    """Lay a graph out.

    Arguments:
        sizes: width and height of every node.
        edges: pairs of nodes; equal ones count once.
        first, last: nodes that stay in the first and in the last layer; those of the last in
            the order of `sizes`, where hardly more edges cross then.
        direction: "up" or "right": where edges lead.
        gap: the least distance between nodes of a layer.
        layer_gap: the least distance between layers.
        leave, arrive: how far an edge runs level after a layer and before one.

    Raises:
        ValueError: the edges form a cycle, or an edge leads into `first` or out of `last`.
    """
    edges = list(dict.fromkeys(edges))
    rows = layers_of(list(sizes), edges, first, last)
    chains, extents = _chains(edges, rows), _across(sizes, direction)
    for source, *points, _ in chains.values():
        rows |= {point: rows[source] + 1 + index for index, point in enumerate(points)}
    links = [link for chain in chains.values() for link in pairwise(chain)]
    order = ordered(_grouped(rows), links, kept=[node for node in sizes if node in last])
    across = aligned(order, links, extents, gap)
    bands = _bands(order, sizes, direction, _distances(order, links, across, layer_gap))
    places = _Places(rows, across, bands, direction, leave, arrive)
    return Layout(
        centres={node: places.centre(node, size) for node, size in sizes.items()},
        routes={edge: places.route(chain) for edge, chain in chains.items()},
        layers=tuple(tuple(node for node in layer if node in sizes) for layer in order),
        crossings=crossings(order, links),
    )


def layers_of(
    nodes: Sequence[str], edges: Sequence[Link], first: Collection[str], last: Collection[str]
) -> dict[str, int]:
    """The layer of every node: the length of the longest path to it, then edges shortened.

    Raises:
        ValueError: as `layered`.
    """
    before, after = neighbours(nodes, edges)
    order = in_order(after)
    rows: dict[str, int] = {}
    for node in order:
        rows[node] = max((rows[source] + 1 for source in before[node]), default=0)
    top = max(rows.values(), default=0)
    if any(before[node] for node in first) or any(after[node] for node in last):
        raise ValueError("an edge leads into a node of the first layer, or out of the last")
    # A layer of their own, where a node that is not last reaches the last layer.
    crowded = any(rows[node] == top for node in nodes if node not in last)
    rows |= dict.fromkeys(last, top + crowded if last else top)
    return _shortened(rows, order, before, after, {*first, *last})


def _shortened(
    rows: dict[str, int],
    order: Sequence[str],
    before: Neighbours,
    after: Neighbours,
    fixed: Collection[str],
) -> dict[str, int]:
    """Move nodes to later layers where that makes edges shorter in all."""
    for node in reversed(order):
        if node not in fixed and after[node] and len(after[node]) > len(before[node]):
            rows[node] = min(rows[target] for target in after[node]) - 1
    return rows


def _chains(edges: Sequence[Link], rows: Mapping[str, int]) -> dict[Link, list[str]]:
    """Of every edge its ends and, between them, a point for every layer that it passes."""
    chains = {}
    for source, target in edges:
        passed = range(rows[source] + 1, rows[target])
        points = [f"\0{source}\0{target}\0{row}" for row in passed]
        chains[source, target] = [source, *points, target]
    return chains


def _grouped(rows: Mapping[str, int]) -> list[list[str]]:
    layers: list[list[str]] = [[] for _ in range(max(rows.values(), default=-1) + 1)]
    for node, row in rows.items():
        layers[row].append(node)
    return layers


def _across(sizes: Mapping[str, tuple[float, float]], direction: str) -> dict[str, float]:
    return {node: size[1 if direction == "right" else 0] for node, size in sizes.items()}


def _distances(
    order: Layers,
    links: Sequence[Link],
    across: Mapping[str, float],
    layer_gap: float,
) -> list[float]:
    """The distance from every layer to the next: more where links between them are steep."""
    row = rows_of(order)
    rise = [0.0] * len(order)
    for source, target in links:
        rise[row[source]] = max(rise[row[source]], abs(across[target] - across[source]))
    return [layer_gap * (1 + min(_SLANT * step, _MOST)) for step in rise]


def _bands(
    order: Layers,
    sizes: Mapping[str, tuple[float, float]],
    direction: str,
    distances: Sequence[float],
) -> list[tuple[float, float]]:
    """Where every layer starts and ends."""
    axis = 0 if direction == "right" else 1
    start, bands = 0.0, []
    for layer, distance in zip(order, distances, strict=True):
        depth = max((sizes[node][axis] for node in layer if node in sizes), default=0.0)
        bands.append((start, start + depth))
        start += depth + distance
    return bands


@dataclass(frozen=True)
class _Places:
    """Where layers (`bands`) and the nodes across them are."""

    rows: Mapping[str, int]
    across: Mapping[str, float]
    bands: Sequence[tuple[float, float]]
    direction: str
    leave: float
    arrive: float

    def centre(self, node: str, size: tuple[float, float]) -> Point:
        start, end = self.bands[self.rows[node]]
        depth = size[0 if self.direction == "right" else 1]
        # What arrows lead to stands at its layer's start, however deep the others are.
        middle = start + depth / 2 if self.rows[node] else (start + end) / 2
        return _turned(self.across[node], middle, self.direction)

    def route(self, chain: Sequence[str]) -> list[Point]:
        """From the end of the source's layer, straight through those between, to the target's."""
        inside = [p for point in chain[1:-1] for p in (self._before(point), self._after(point))]
        return [self._after(chain[0]), *inside, self._before(chain[-1])]

    def _before(self, node: str) -> Point:
        along = self.bands[self.rows[node]][0] - self.arrive
        return _turned(self.across[node], along, self.direction)

    def _after(self, node: str) -> Point:
        along = self.bands[self.rows[node]][1] + self.leave
        return _turned(self.across[node], along, self.direction)


def _turned(across: float, along: float, direction: str) -> Point:
    """Across is to the right where edges lead up, down where they lead to the right."""
    return (along, -across) if direction == "right" else (across, along)
