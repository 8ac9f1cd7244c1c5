"""Layouts in layers."""

import time
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.graph.drawing.layered import Layout, layered
from unrolled.graph.drawing.picture import Rectangle


def _boxes(sizes, layout: Layout) -> dict[str, Rectangle]:
    return {node: Rectangle(layout.centres[node], *size) for node, size in sizes.items()}


def _check(sizes, edges, layout: Layout, direction: str) -> None:
    """Nothing overlaps, edges lead to later layers, and no edge passes through a node."""
    boxes = _boxes(sizes, layout)
    assert not [(a, b) for a, b in combinations(boxes, 2) if boxes[a].overlaps(boxes[b])]
    row = {node: index for index, layer in enumerate(layout.layers) for node in layer}
    assert all(row[source] < row[target] for source, target in edges)
    axis = 0 if direction == "right" else 1
    for source, target in edges:
        route = layout.routes[source, target]
        ways = [
            layout.centres[source][axis],
            *(p[axis] for p in route),
            layout.centres[target][axis],
        ]
        assert ways == sorted(ways)
        for a, b in pairwise(route):
            middle = Rectangle(((a[0] + b[0]) / 2, (a[1] + b[1]) / 2), 0, 0)
            assert not [n for n, box in boxes.items() if box.overlaps(middle)]


@st.composite
def acyclic_graphs(draw):
    count = draw(st.integers(1, 14))
    names = [f"v{index}" for index in range(count)]
    length = st.floats(0.2, 3.0)
    sizes = {name: (draw(length), draw(length)) for name in names}
    pairs = list(combinations(names, 2))
    edges = draw(st.lists(st.sampled_from(pairs), max_size=25)) if pairs else []
    return sizes, edges


@settings(max_examples=60, deadline=None)
@given(acyclic_graphs(), st.sampled_from(["up", "right"]))
def test_any_graph_is_laid_out(sizes_and_edges, direction: str) -> None:
    sizes, edges = sizes_and_edges
    layout = layered(sizes, edges, direction=direction)
    _check(sizes, edges, layout, direction)
    assert layout == layered(sizes, edges, direction=direction)


def test_planar_graphs_have_no_crossing() -> None:
    tree = [(f"t{index}", f"t{2 * index + side}") for index in range(1, 16) for side in (0, 1)]
    # Shuffled names, so that the given order is not already the answer.
    names = sorted({node for edge in tree for node in edge}, key=lambda name: name[::-1])
    assert layered(dict.fromkeys(names, (1, 1)), tree[::-1]).crossings == 0
    ladder = [(f"{s}{i}", f"{s}{i + 1}") for i in range(6) for s in "ab"] + [
        ("a0", "b3"),
        ("a2", "b6"),
    ]
    names = sorted({node for edge in ladder for node in edge}, reverse=True)
    assert layered(dict.fromkeys(names, (1, 1)), ladder).crossings == 0


def test_a_crossing_that_must_be_is_counted() -> None:
    edges = [("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")]
    assert layered(dict.fromkeys("abcd", (1, 1)), edges).crossings == 1


def test_long_edges_are_straight() -> None:
    edges = [(f"n{i}", f"n{i + 1}") for i in range(6)] + [("n0", "n6"), ("n1", "n5")]
    layout = layered(dict.fromkeys([f"n{i}" for i in range(7)], (1, 1)), edges)
    inner = layout.routes["n0", "n6"][1:-1]
    assert len(inner) == 2 * 5
    assert len({round(x, 9) for x, _ in inner}) == 1


def test_first_and_last_layers_hold_what_they_are_told() -> None:
    edges = [("x", "a"), ("a", "b"), ("b", "c"), ("h", "c"), ("a", "y"), ("c", "z")]
    layout = layered(dict.fromkeys("xhabcyz", (1, 1)), edges, first=["x", "h"], last=["y", "z"])
    assert set(layout.layers[0]) == {"x", "h"}
    assert set(layout.layers[-1]) == {"y", "z"}


def test_a_cycle_is_refused() -> None:
    with pytest.raises(ValueError, match="cycle"):
        layered(dict.fromkeys("ab", (1, 1)), [("a", "b"), ("b", "a")])
    with pytest.raises(ValueError, match="first"):
        layered(dict.fromkeys("ab", (1, 1)), [("a", "b")], first=["b"])


def test_two_hundred_nodes_take_less_than_a_second() -> None:
    edges = [(f"n{max(0, i - 1 - i * j % 7)}", f"n{i}") for i in range(1, 200) for j in (1, 3)]
    sizes = {f"n{i}": (1.0, 0.5) for i in range(200)}
    start = time.perf_counter()
    layout = layered(sizes, edges)
    # About 0.2 s; five times that where the machine is shared.
    assert time.perf_counter() - start < 1.0
    _check(sizes, set(edges), layout, "up")
