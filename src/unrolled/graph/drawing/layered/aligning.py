"""Positions of nodes within ordered layers, so that long edges run straight.

Each node is aligned with the median of its neighbours in the layer before, as long as no two
alignments cross and none crosses the inner part of a long edge; what is aligned moves as one
block. Four results, from both ends of the layers and of the order, are averaged (Brandes and
Köpf 2001). Blocks are placed along longest paths, which keeps nodes of any width apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from .links import Layers, Link, Neighbours, in_order, neighbours, places_of, rows_of


def aligned(
    order: Layers, links: Sequence[Link], extents: Mapping[str, float], gap: float
) -> dict[str, float]:
    """The position of every node across its layer, the first at the least.

    Arguments:
        order: the nodes of every layer, in order.
        links: between a layer and the next.
        extents: size of every node across the layer; others are points of long edges.
        gap: the least distance between two nodes, and twice that from a point to a point.
    """
    place = places_of(order)
    barred = _crossing_long_edges(order, links, place, extents)
    before, after = neighbours(place, links)
    runs = []
    for upward, near in ((True, before), (False, after)):
        for leftward in (True, False):
            layers = [list(layer) if leftward else list(layer)[::-1] for layer in order]
            layers = layers if upward else layers[::-1]
            runs.append(_run(layers, near, barred, extents, gap, 1 if leftward else -1))
    return _averaged(runs)


def _run(
    layers: Layers,
    near: Neighbours,
    barred: set[frozenset[str]],
    extents: Mapping[str, float],
    gap: float,
    sign: int,
) -> dict[str, float]:
    """One of the four results; its sign tells from which end the layers were read."""
    block = _blocks(layers, near, barred)
    apart: dict[str, dict[str, float]] = {root: {} for root in block.values()}
    for layer in layers:
        for left, right in pairwise(layer):
            distance = _distance(left, right, extents, gap)
            known = apart[block[left]]
            known[block[right]] = max(distance, known.get(block[right], 0.0))
    placed = _placed(apart)
    return {node: sign * placed[root] for node, root in block.items()}


def _blocks(layers: Layers, near: Neighbours, barred: set[frozenset[str]]) -> dict[str, str]:
    """The block of every node, named by its first node."""
    place = places_of(layers)
    block = {node: node for layer in layers for node in layer}
    for layer in layers:
        last = -1
        for node in layer:
            others = sorted(near[node], key=place.__getitem__)
            middle = others[(len(others) - 1) // 2 : len(others) // 2 + 1]
            for other in middle:
                if place[other] > last and frozenset((node, other)) not in barred:
                    block[node], last = block[other], place[other]
                    break
    return block


def _placed(apart: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Every block as far left as its neighbours let it, then as near to the right ones."""
    order = in_order(apart)
    position = dict.fromkeys(order, 0.0)
    for block in order:
        for right, distance in apart[block].items():
            position[right] = max(position[right], position[block] + distance)
    for block in reversed(order):
        if apart[block]:
            position[block] = min(position[r] - distance for r, distance in apart[block].items())
    return position


def _distance(left: str, right: str, extents: Mapping[str, float], gap: float) -> float:
    # Lines side by side need no more room than shapes do, and both ends of a pair count.
    return sum(extents.get(node, 0.0) / 2 + gap / 2 for node in (left, right))


def _averaged(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of the two middle positions, the four brought to the edges of the narrowest."""
    spans = [(min(run.values(), default=0.0), max(run.values(), default=0.0)) for run in runs]
    low, high = min(spans, key=lambda span: span[1] - span[0])
    shifts = [
        low - span[0] if index % 2 == 0 else high - span[1] for index, span in enumerate(spans)
    ]
    middle = {}
    for node in runs[0]:
        found = sorted(run[node] + shift for run, shift in zip(runs, shifts, strict=True))
        middle[node] = (found[1] + found[2]) / 2
    return middle


def _crossing_long_edges(
    order: Layers, links: Sequence[Link], place: Mapping[str, int], extents: Mapping[str, float]
) -> set[frozenset[str]]:
    """The links that cross the inner part of a long edge and are not such a part themselves."""
    row = rows_of(order)
    inner: list[list[Link]] = [[] for _ in order]
    for link in links:
        if link[0] not in extents and link[1] not in extents:
            inner[row[link[0]]].append(link)
    barred = set()
    for source, target in links:
        for start, end in inner[row[source]]:
            sides = (place[source] - place[start]) * (place[target] - place[end])
            if sides < 0:
                barred.add(frozenset((source, target)))
    # Where two long edges cross, both stay straight as far as the first of them lets the other.
    return barred - {frozenset(link) for part in inner for link in part}
