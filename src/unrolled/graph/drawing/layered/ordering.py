"""Orders of nodes within layers such that few edges cross.

Sweeps up and down the layers put every node at the median of its neighbours, then exchange
neighbours wherever that takes crossings away (Gansner et al. 1993). Of several starts the best
order is kept; shuffles repeat from run to run.
"""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections.abc import Collection, Iterator, Sequence

from .links import Layers, Link, Neighbours, neighbours, places_of, rows_of

_SWEEPS, _PATIENCE, _EXCHANGES = 24, 4, 6
# Shuffles to start from in a graph of few links.
_SHUFFLES, _SMALL = 12, 150
# So many times the fewest crossings are taken for outputs in their own order.
_DEARER = 1.1


def ordered(layers: Layers, links: Sequence[Link], kept: Collection[str] = ()) -> list[list[str]]:
    """The layers with their nodes in order; every link joins a layer to the next.

    The nodes `kept` of the last layer keep their order where that costs few crossings.
    """
    best, fewest = _fewest(layers, links, fixed=False)
    if len(kept) < 2 or _in_order(best, kept) or not {*layers[-1]} <= {*kept}:
        return best
    order, count = _fewest(layers, links, fixed=True)
    return order if count <= _DEARER * fewest else best


def _in_order(order: Layers, kept: Collection[str]) -> bool:
    place = places_of(order)
    return [*kept] == sorted(kept, key=place.__getitem__)


def _fewest(layers: Layers, links: Sequence[Link], fixed: bool) -> tuple[list[list[str]], int]:
    """The best order from several starts, and its crossings; `fixed` holds the last layer."""
    below, above = neighbours(places_of(layers), links)
    best, fewest = [list(layer) for layer in layers], crossings(layers, links)
    for start in _starts(layers, below, above, len(links)):
        if fixed:
            start[-1] = list(layers[-1])
        order, count = _swept(start, links, below, above, len(layers) - fixed)
        if count < fewest:
            best, fewest = order, count
    return best, fewest


def _starts(
    layers: Layers, below: Neighbours, above: Neighbours, links: int
) -> Iterator[list[list[str]]]:
    """Orders to start from: the given one, two walks, and shuffles where they cost little."""
    yield [list(layer) for layer in layers]
    yield _walked(layers, below, above)
    yield _walked(layers[::-1], above, below)[::-1]
    shuffle = random.Random(0)
    for _ in range(_SHUFFLES if links <= _SMALL else 0):
        yield [shuffle.sample(layer, len(layer)) for layer in layers]


def crossings(layers: Layers, links: Sequence[Link]) -> int:
    """How many pairs of links cross."""
    place = places_of(layers)
    row = rows_of(layers)
    ends: list[list[tuple[int, int]]] = [[] for _ in layers]
    for source, target in links:
        ends[row[source]].append((place[source], place[target]))
    return sum(_inversions([end for _, end in sorted(pairs)]) for pairs in ends)


def _inversions(values: Sequence[int]) -> int:
    """How many pairs are in falling order."""
    seen: list[int] = []
    count = 0
    for value in reversed(values):
        count += bisect_left(seen, value)
        insort(seen, value)
    return count


def _swept(
    order: list[list[str]],
    links: Sequence[Link],
    below: Neighbours,
    above: Neighbours,
    free: int,
) -> tuple[list[list[str]], int]:
    """Sweeps that reorder the first `free` layers."""
    best, fewest, stale = [list(layer) for layer in order], crossings(order, links), 0
    for sweep in range(_SWEEPS):
        upward = sweep % 2 == 0
        _sort_by_medians(order, below if upward else above, upward, free)
        _exchange(order, below, above, free)
        count = crossings(order, links)
        stale = 0 if count < fewest else stale + 1
        if count < fewest:
            best, fewest = [list(layer) for layer in order], count
        if not fewest or stale > _PATIENCE:
            break
    return best, fewest


def _sort_by_medians(
    order: list[list[str]], neighbours: Neighbours, upward: bool, free: int
) -> None:
    """Sort each layer by its neighbours in the layer just sorted; others keep their place."""
    rows = range(1, free) if upward else range(len(order) - 2, -1, -1)
    for row in rows:
        place = places_of([order[row - 1 if upward else row + 1]])
        medians = {n: _median(sorted(place[m] for m in neighbours[n])) for n in order[row]}
        moving = iter(
            sorted((n for n in order[row] if medians[n] is not None), key=lambda n: medians[n] or 0)
        )
        order[row] = [n if medians[n] is None else next(moving) for n in order[row]]


def _median(places: Sequence[int]) -> float | None:
    """The middle; of an even number, the point between the middle two nearer to the denser side."""
    if not places:
        return None
    half = len(places) // 2
    if len(places) % 2:
        return places[half]
    if len(places) == 2:
        return sum(places) / 2
    left, right = places[half - 1] - places[0], places[-1] - places[half]
    if left + right == 0:
        return (places[half - 1] + places[half]) / 2
    return (places[half - 1] * right + places[half] * left) / (left + right)


def _exchange(order: list[list[str]], below: Neighbours, above: Neighbours, free: int) -> None:
    """Exchange neighbours in a layer while that takes crossings away."""
    for _ in range(_EXCHANGES):
        changed = [_exchange_in(order, row, below, above) for row in range(free)]
        if not any(changed):
            return


def _exchange_in(order: list[list[str]], row: int, below: Neighbours, above: Neighbours) -> bool:
    layer, changed = order[row], False
    sides = [(row - 1, below), (row + 1, above)]
    seen = [(places_of([order[r]]), side) for r, side in sides if 0 <= r < len(order)]
    ends = {n: [sorted(place[m] for m in side[n]) for place, side in seen] for n in layer}
    for i in range(len(layer) - 1):
        a, b = ends[layer[i]], ends[layer[i + 1]]
        now = sum(_pairs_crossed(p, q) for p, q in zip(a, b, strict=True))
        then = sum(_pairs_crossed(q, p) for p, q in zip(a, b, strict=True))
        if then < now:
            layer[i], layer[i + 1] = layer[i + 1], layer[i]
            changed = True
    return changed


def _pairs_crossed(left: Sequence[int], right: Sequence[int]) -> int:
    """Crossings of the links of two nodes, the first one to the left."""
    return sum(bisect_left(right, end) for end in left)


def _walked(layers: Layers, below: Neighbours, above: Neighbours) -> list[list[str]]:
    """Each layer in the order in which a depth-first walk from the first one meets its nodes."""
    met: dict[str, None] = {}
    for start in (node for layer in layers for node in layer):
        pending = [start]
        while pending:
            node = pending.pop()
            if node not in met:
                met[node] = None
                pending.extend(reversed([*above[node], *below[node]]))
    place = {node: index for index, node in enumerate(met)}
    return [sorted(layer, key=place.__getitem__) for layer in layers]
