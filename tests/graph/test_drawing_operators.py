"""Drawings of every operator: their elements, the picture."""

import re
from itertools import combinations

import pytest
import torch

from graph.drawn import LISTED, OPERATORS, figure, graph_of
from unrolled.graph import Graph, graph
from unrolled.graph.build import Builder
from unrolled.graph.drawing import picture_of
from unrolled.graph.drawing.operators import operators_picture
from unrolled.graph.drawing.operators.elements import drawing_of
from unrolled.graph.nodes import Input


def product() -> Graph:
    x = torch.tensor(2.0)
    return graph(lambda x, y: x * y, x, x)


def layer() -> Graph:
    w, b = torch.zeros(3, 2), torch.zeros(2)
    return graph(lambda x, W, b: torch.relu(x @ W + b), torch.zeros(3), w, b, parameters=("W", "b"))


@pytest.mark.parametrize("name", LISTED)
def test_every_value_is_drawn_once(name: str) -> None:
    made = graph_of(name)
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
    drawing = drawing_of(graph_of("lstm"))
    names = {e.name: e.text for e in drawing.elements if e.kind == "function" and e.name}
    sigma = "\N{GREEK SMALL LETTER SIGMA}"
    assert names == {"i": sigma, "f": sigma, "g": "tanh", "o": sigma}


def test_labels_tell_the_order_of_operands() -> None:
    drawing = drawing_of(graph_of("gru"))
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


def test_an_unnamed_operand_is_left_out() -> None:
    labels = [e.text for e in drawing_of(graph_of("quadratic")).elements if e.kind == "function"]
    assert {"square", "1 \N{MINUS SIGN}"} <= {*labels}
    assert not any("\0" in label or "v" in label for label in labels)


def test_outputs_keep_their_order() -> None:
    picture = picture_of(graph_of("elman").unfold(3))
    made = [shape for shape in picture.shapes if shape.fill == "output"]
    ordered = sorted(made, key=lambda shape: shape.centre[0])
    assert [shape.text for shape in ordered] == [rf"$\mathbf{{h({step})}}$" for step in (1, 2, 3)]


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
    drawing = drawing_of(graph_of("lstm"), steps=3)
    texts = [element.text for element in drawing.elements]
    places = [text for text in texts if re.fullmatch(r"[xhc]\(\d\)", text)]
    assert sorted(places) == [
        *("c(0)", "c(1)", "c(2)", "c(3)", "h(0)", "h(1)", "h(2)", "h(3)", "x(1)", "x(2)", "x(3)")
    ]
    steps = {element.key: element.step or 0 for element in drawing.elements}
    assert {steps[link.target] - steps[link.source] for link in drawing.links} == {0, 1}
    assert not any(link.delayed for link in drawing.links)


@pytest.mark.parametrize("drawn", OPERATORS, ids=str)
def test_every_step_has_all_operators(drawn) -> None:
    picture, (name, steps, *_) = figure(*drawn), drawn
    operators = [shape for shape in picture.shapes if shape.kind in ("operator", "box")]
    assert len(operators) == (steps or 1) * len(graph_of(name).steps)
    assert len(picture.frames) == (steps or 0)


def test_a_state_returns_through_a_delay() -> None:
    picture = figure("lstm", None, level="operators")
    assert len([shape for shape in picture.shapes if shape.kind == "delay"]) == 2


@pytest.mark.parametrize("function", [product, layer])
def test_a_function_is_drawn_upwards(function, tmp_path) -> None:
    picture = operators_picture(function())
    things = [*picture.shapes, *picture.texts]
    assert not [(a.text, b.text) for a, b in combinations(things, 2) if a.overlaps(b)]
    assert all(line.points[-1][1] > line.points[0][1] for line in picture.lines)
    assert picture.save(tmp_path / "function.svg").read_text().count("<path") > 5
