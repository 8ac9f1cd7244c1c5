"""What the passes of a layout look up: neighbours, an order along the links, rows and places."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

# From a node to one of a later layer; once long edges are cut into links, of the next layer.
Link = tuple[str, str]
Layers = Sequence[Sequence[str]]
Neighbours = Mapping[str, Sequence[str]]


def neighbours(
    nodes: Iterable[str], links: Iterable[Link]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """For every node, those that links lead to it from, and those that they lead to."""
    before: dict[str, list[str]] = {node: [] for node in nodes}
    after: dict[str, list[str]] = {node: [] for node in before}
    for source, target in links:
        before[target].append(source)
        after[source].append(target)
    return before, after


def in_order(after: Mapping[str, Collection[str]]) -> list[str]:
    """The nodes, each after those that links lead to it from.

    Raises:
        ValueError: the links form a cycle.
    """
    waiting = dict.fromkeys(after, 0)
    for targets in after.values():
        for target in targets:
            waiting[target] += 1
    order = [node for node, count in waiting.items() if not count]
    for node in order:
        for target in after[node]:
            waiting[target] -= 1
            if not waiting[target]:
                order.append(target)
    if len(order) < len(waiting):
        cycle = ", ".join(node for node, count in waiting.items() if count)
        raise ValueError(f"no layers for a graph with a cycle; it is among {cycle}")
    return order


def rows_of(layers: Layers) -> dict[str, int]:
    """The layer of every node."""
    return {node: row for row, layer in enumerate(layers) for node in layer}


def places_of(layers: Layers) -> dict[str, int]:
    """The place of every node within its layer."""
    return {node: place for layer in layers for place, node in enumerate(layer)}
