"""Drawings of every operator: layouts in layers, the picture, Mermaid and Graphviz."""

import re
import time
from functools import cache
from itertools import combinations, pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import unrolled as ur
from graph.catalogue import cell_named
from unrolled.graph import Graph, graph
from unrolled.graph.build import Builder
from unrolled.graph.drawing.elements import drawing_of
from unrolled.graph.drawing.geometry import Rectangle
from unrolled.graph.drawing.layered import Layout, layered
from unrolled.graph.drawing.markup import dot, mermaid
from unrolled.graph.drawing.operators import operators_picture
from unrolled.graph.nodes import Input

CELLS = ["Elman", "Jordan softmax", "LSTM", "GRU", "GRU reset before", "LEMCell", "NASCell"]


@cache
def _graph(name: str) -> Graph:
    return graph(cell_named(name))


# Layout


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


# Elements


def product() -> Graph:
    x = torch.tensor(2.0)
    return graph(lambda x, y: x * y, x, x)


def layer() -> Graph:
    w, b = torch.zeros(3, 2), torch.zeros(2)
    return graph(lambda x, W, b: torch.relu(x @ W + b), torch.zeros(3), w, b, parameters=("W", "b"))


@pytest.mark.parametrize("name", CELLS)
def test_every_value_is_drawn_once(name: str) -> None:
    made = _graph(name)
    drawing = drawing_of(made)
    inputs = [node for node in made.nodes if isinstance(node, Input)]
    computed = [e for e in drawing.elements if e.kind in ("map", "function", "shape", "reduction")]
    assert len(computed) == len(made.steps)
    assert len([e for e in drawing.elements if e.kind in ("input", "state")]) == len(inputs)
    assert len([e for e in drawing.elements if e.kind == "output"]) == len(made.outputs)
    text = "\n".join(element.text for element in drawing.elements)
    assert all(parameter.name.removeprefix("module.") in text for parameter in made.parameters)
    assert len({element.key for element in drawing.elements}) == len(drawing.elements)


def test_gates_are_named() -> None:
    drawing = drawing_of(graph(ur.cells.LSTM(3, 4)))
    names = {e.name: e.text for e in drawing.elements if e.kind == "function" and e.name}
    sigma = "\N{GREEK SMALL LETTER SIGMA}"
    assert names == {"i": sigma, "f": sigma, "g": "tanh", "o": sigma}


def test_labels_tell_the_order_of_operands() -> None:
    drawing = drawing_of(graph(ur.cells.GRU(3, 4)))
    assert "1 \N{MINUS SIGN} z" in [element.text for element in drawing.elements]
    ops = Builder()
    x, h = ops.input("x", 4), ops.input("h", 4)
    made = ops.tanh(x) - ops.sin(h)
    labels = drawing_of(Graph(name="f", inputs=(x, h), outputs={"h": made}))
    assert [(e.name, e.text) for e in labels.elements if e.kind == "function"] == [
        ("t1", "tanh"),
        ("t2", "sin"),
        ("", "t1 \N{MINUS SIGN} t2"),
    ]


def test_a_function_is_drawn_as_in_the_textbook() -> None:
    drawing = drawing_of(layer())
    texts = {element.key: element.text for element in drawing.elements}
    arrows = {(texts[link.source], texts[link.target]) for link in drawing.links}
    assert arrows == {
        ("x", "matmul"),
        ("W", "matmul"),
        ("matmul", "+"),
        ("b", "+"),
        ("+", "ReLU"),
        ("ReLU", "output"),
    }


def test_a_parameter_that_several_values_use_has_a_box() -> None:
    ops = Builder()
    x, h = ops.input("x", 4), ops.input("h", 4)
    weight = ops.parameter("weight", (4, 4))
    made = ops.tanh(ops.affine(weight, x) + ops.affine(weight, h))
    drawing = drawing_of(Graph(name="f", inputs=(x, h), outputs={"h": made}))
    (box,) = [element for element in drawing.elements if element.kind == "parameter"]
    assert box.text == "weight"
    assert len([link for link in drawing.links if link.source == box.key]) == 2


def test_unrolled_steps_hand_their_state_on() -> None:
    drawing = drawing_of(graph(ur.cells.LSTM(3, 4)), steps=3)
    texts = [element.text for element in drawing.elements]
    places = [text for text in texts if re.fullmatch(r"[xhc]\(\d\)", text)]
    assert sorted(places) == [
        *("c(0)", "c(1)", "c(2)", "c(3)", "h(0)", "h(1)", "h(2)", "h(3)", "x(1)", "x(2)", "x(3)")
    ]
    steps = {element.key: element.step or 0 for element in drawing.elements}
    assert {steps[link.target] - steps[link.source] for link in drawing.links} == {0, 1}
    assert not any(link.delayed for link in drawing.links)


# Picture


@pytest.mark.parametrize("steps", [None, 2])
@pytest.mark.parametrize("name", CELLS)
def test_nothing_overlaps_in_a_picture(name: str, steps: int | None) -> None:
    made = _graph(name)
    picture = operators_picture(made, steps)
    things = [*picture.shapes, *picture.texts, *picture.labels]
    assert not [(a.text, b.text) for a, b in combinations(things, 2) if a.overlaps(b)]
    operators = [shape for shape in picture.shapes if shape.kind in ("operator", "box")]
    assert len(operators) == (steps or 1) * len(made.steps)
    assert len(picture.frames) == (steps or 0)


@pytest.mark.parametrize("name", CELLS)
def test_no_line_passes_through_a_shape(name: str) -> None:
    picture = operators_picture(_graph(name))
    for line in picture.lines:
        others = [shape for shape in picture.shapes if shape not in line.ends]
        assert not [s.text for s in others for point in line.points if s.holds(point)]


def test_a_state_returns_through_a_delay() -> None:
    picture = operators_picture(graph(ur.cells.LSTM(3, 4)))
    assert len([shape for shape in picture.shapes if shape.kind == "delay"]) == 2


@pytest.mark.parametrize("function", [product, layer])
def test_a_function_is_drawn_upwards(function, tmp_path) -> None:
    picture = operators_picture(function())
    things = [*picture.shapes, *picture.texts]
    assert not [(a.text, b.text) for a, b in combinations(things, 2) if a.overlaps(b)]
    assert all(line.points[-1][1] > line.points[0][1] for line in picture.lines)
    assert picture.save(tmp_path / "function.svg").read_text().count("<path") > 5


# Mermaid and Graphviz

_MERMAID_NODE = re.compile(r'(\w+)(?:\(\("|\["|\(\[")[^"]*(?:"\)\)|"\]|"\]\)):::\w+')
_MERMAID_LINK = re.compile(r'(\w+) (?:-->|-\.->\|"delay"\|) (\w+)')
_DOT_NODE = re.compile(r'(\w+) \[label="(?:[^"\\]|\\.)*", shape=\w+, fillcolor="#\w{6}"\]')
_DOT_LINK = re.compile(r'(\w+) -> (\w+)(?: \[label="delay", style=dashed, constraint=false\])?')


def _odd() -> Graph:
    """A graph whose names hold what the two languages treat as their own."""
    ops = Builder()
    x, h = ops.input("x", 4), ops.input("h", 4)
    weight = ops.parameter('a "quoted" #1 <b>\\n', (4, 4))
    made = ops.select(ops.less(h, 0), ops.affine(weight, x), h)
    return Graph(name='say "h"', inputs=(x, h), outputs={"h": made})


@pytest.mark.parametrize("steps", [None, 2])
@pytest.mark.parametrize("name", [*CELLS, "odd"])
def test_mermaid_is_a_flowchart(name: str, steps: int | None) -> None:
    made = _odd() if name == "odd" else _graph(name)
    first, *lines = [line.strip() for line in mermaid(made, steps).splitlines()]
    assert first == "flowchart LR"
    other = re.compile(r'subgraph step\d+ \["t = \d+"\]|end|classDef \w+ fill:#\w+,.*')
    nodes = [m[1] for line in lines if (m := _MERMAID_NODE.fullmatch(line))]
    links = [m.groups() for line in lines if (m := _MERMAID_LINK.fullmatch(line))]
    rest = [line for line in lines if not _MERMAID_NODE.fullmatch(line)]
    assert all(_MERMAID_LINK.fullmatch(line) or other.fullmatch(line) for line in rest)
    _check_markup(nodes, links, made, steps)
    assert sum(line.startswith("subgraph") for line in lines) == lines.count("end") == (steps or 0)


@pytest.mark.parametrize("steps", [None, 2])
@pytest.mark.parametrize("name", [*CELLS, "odd"])
def test_dot_is_a_digraph(name: str, steps: int | None) -> None:
    made = _odd() if name == "odd" else _graph(name)
    text = dot(made, steps)
    first, *lines = [line.strip() for line in text.splitlines()]
    assert re.fullmatch(r'digraph "(?:[^"\\]|\\.)*" \{', first)
    other = re.compile(r'subgraph cluster_\d+ \{|\}|label="t = \d+"|rankdir=LR|node \[.*\]')
    nodes = [m[1] for line in lines if (m := _DOT_NODE.fullmatch(line))]
    nodes = [node for node in nodes if node != "node"]
    links = [m.groups() for line in lines if (m := _DOT_LINK.fullmatch(line))]
    rest = [line for line in lines if not _DOT_NODE.fullmatch(line)]
    assert all(_DOT_LINK.fullmatch(line) or other.fullmatch(line) for line in rest)
    _check_markup(nodes, links, made, steps)
    assert lines.count("}") == 1 + (steps or 0)


def _check_markup(nodes, links, made: Graph, steps: int | None) -> None:
    """Every element is declared once and every link is between declared ones."""
    drawing = drawing_of(made, steps)
    assert sorted(nodes) == sorted(element.key for element in drawing.elements)
    assert sorted(links) == sorted((link.source, link.target) for link in drawing.links)
