"""The listing of a graph: exact texts, and equal texts of graphs that compute alike."""

import pytest
import torch
from torch import nn

import unrolled as ur
from graph.catalogue import OURS, cell_named
from unrolled.graph import Graph, graph
from unrolled.graph.build import Builder
from unrolled.graph.names import gate_values
from unrolled.graph.nodes import Node, Pointwise
from unrolled.graph.text import listing

ELMAN = """\
Elman: x[3], h[4] -> h[4]
at every step
  h' = tanh(weight_ih x + bias_ih + weight_hh h + bias_hh)"""

LSTM = """\
LSTM: x[3], h[4], c[4] -> h[4], c[4]
at every step
  i  = sigmoid(weight_ih[0:4] x + bias_ih[0:4] + weight_hh[0:4] h + bias_hh[0:4])
  f  = sigmoid(weight_ih[4:8] x + bias_ih[4:8] + weight_hh[4:8] h + bias_hh[4:8])
  g  = tanh(weight_ih[8:12] x + bias_ih[8:12] + weight_hh[8:12] h + bias_hh[8:12])
  o  = sigmoid(weight_ih[12:16] x + bias_ih[12:16] + weight_hh[12:16] h + bias_hh[12:16])
  c' = f * c + i * g
  h' = o * tanh(c')"""

GRU = """\
GRU: x[3], h[4] -> h[4]
at every step
  r  = sigmoid(weight_ih[0:4] x + bias_ih[0:4] + weight_hh[0:4] h + bias_hh[0:4])
  z  = sigmoid(weight_ih[4:8] x + bias_ih[4:8] + weight_hh[4:8] h + bias_hh[4:8])
  n  = tanh(weight_ih[8:12] x + bias_ih[8:12] + r * (weight_hh[8:12] h + bias_hh[8:12]))
  h' = z * h + (1 - z) * n"""

JORDAN = """\
Jordan: x[3], y[2] -> y[2]
at every step
  y' = weight_hy tanh(weight_ih x + bias_h + weight_yh y) + bias_y"""


class Leaky(ur.Cell):
    """A cell with a value that is computed from a parameter alone."""

    def __init__(self) -> None:
        super().__init__(3, {"h": 4})
        self.input = nn.Linear(3, 4)
        self.recurrent = nn.Linear(4, 4, bias=False)
        self.log_decay = nn.Parameter(torch.zeros(4))

    def step(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor]:
        decay = torch.exp(self.log_decay)
        return (decay * h + (1 - decay) * torch.tanh(self.input(x) + self.recurrent(h)),)


LEAKY = """\
Leaky: x[3], h[4] -> h[4]
once per unroll
  p1 = exp(log_decay)
  p2 = 1 - p1
at every step
  h' = p1 * h + p2 * tanh(input.weight x + input.bias + recurrent.weight h)"""


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (ur.cells.Elman(3, 4), ELMAN),
        (ur.cells.LSTM(3, 4), LSTM),
        (ur.cells.GRU(3, 4), GRU),
        (ur.cells.Jordan(3, 4, 2), JORDAN),
        (Leaky(), LEAKY),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ur.Cell) else "",
)
def test_text(cell: ur.Cell, text: str) -> None:
    assert str(graph(cell)) == text


def test_an_lstm_of_torch_is_written_as_ours() -> None:
    wrapped = str(graph(ur.Cell.wrap(nn.LSTMCell(3, 4))))
    assert wrapped.removeprefix("LSTMCell") == LSTM.removeprefix("LSTM")


def test_names_of_parameters_do_not_change_the_order() -> None:
    def text(first: str, second: str) -> str:
        ops = Builder()
        x, h = ops.input("x", 4), ops.input("h", 4)
        left, right = (ops.parameter(name, (4, 4)) for name in (first, second))
        made = ops.tanh(
            ops.affine(left, x) * ops.sigmoid(ops.affine(right, h)) + ops.affine(right, x)
        )
        written = listing(Graph(name="step", inputs=(x, h), outputs={"h": made}))
        return written.replace(first, "first").replace(second, "second")

    texts = {text(*names) for names in (("A1", "A2"), ("Z9", "A2"), ("WEIGHT", "BIAS"), ("Q", "P"))}
    assert len(texts) == 1


def test_a_function_has_no_heading() -> None:
    x = torch.tensor(2.0)
    assert (
        str(graph(lambda x, y: x * y, x, x)) == "output: x[1], y[1] -> output[1]\n  output = x * y"
    )


def _formula(make) -> str:
    ops = Builder()
    inputs = tuple(ops.input(name, 4) for name in "abcd")
    made = Graph(name="f", inputs=inputs, outputs={"y": make(ops, *inputs)})
    return str(made).splitlines()[-1].removeprefix("  y = ")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda ops, a, b, c, d: (a + b) * (c - d), "(a + b) * (c - d)"),
        (lambda ops, a, b, c, d: a - (b + c), "a - (b + c)"),
        (lambda ops, a, b, c, d: a - b - c, "a - b - c"),
        (lambda ops, a, b, c, d: a * b * c + d, "a * b * c + d"),
        (lambda ops, a, b, c, d: a / (b * c), "a / (b * c)"),
        (lambda ops, a, b, c, d: a * b / c, "a * b / c"),
        (lambda ops, a, b, c, d: -(a + b) - c, "-(a + b) - c"),
        (lambda ops, a, b, c, d: ops.pow(a + b, c), "(a + b) ^ c"),
        (lambda ops, a, b, c, d: ops.tanh(a + b), "tanh(a + b)"),
        (lambda ops, a, b, c, d: ops.concat([a, b + c]), "[a; b + c]"),
        (lambda ops, a, b, c, d: ops.slice(a, 1, 2), "a[1:3]"),
        (lambda ops, a, b, c, d: a - ops.reduce("max", b), "a - max(b)"),
        (lambda ops, a, b, c, d: ops.select(ops.less(a, b), c, d), "select([a < b], c, d)"),
        (lambda ops, a, b, c, d: ops.spread(ops.reduce("sum", a), 4), "sum(a)"),
        (lambda ops, a, b, c, d: 2 * a + 0.5, "2 * a + 0.5"),
    ],
)
def test_brackets_stand_where_they_are_needed(make, text: str) -> None:
    assert _formula(make) == text


def test_parts_and_transposes_are_written_in_place() -> None:
    ops = Builder()
    x, h = ops.input("x", 2), ops.input("h", 4)
    weight = ops.parameter("weight", (6, 8))
    part = ops.part(ops.part(weight, 0, 0, 4), 1, 2, 4)
    other = ops.transposed(ops.parameter("other", (4, 4)))
    made = Graph(name="f", inputs=(x, h), outputs={"h": ops.affine(part, x) + ops.affine(other, h)})
    assert str(made).splitlines()[-1] == "  h' = weight[0:4, 2:4] x + other' h"


def test_a_long_formula_is_cut() -> None:
    ops = Builder()
    x = ops.input("x", 4)
    value: Node = x
    for index in range(400):
        value = ops.sin(value) + index
    lines = str(Graph(name="f", inputs=(x,), outputs={"y": value})).splitlines()
    assert 10 < len(lines) < 60
    assert max(map(len, lines)) < 300


@pytest.mark.parametrize("name", [*OURS, "LSTMCell", "LEMCell", "MUT3Cell", "NASCell", "coRNNCell"])
def test_every_parameter_is_named_and_every_name_is_used(name: str) -> None:
    made = graph(cell_named(name))
    lines = str(made).splitlines()[1:]
    formulas = [line.split(" = ", 1)[1] for line in lines if " = " in line]
    for parameter in made.parameters:
        assert any(parameter.name.removeprefix("module.") in formula for formula in formulas)
    names = [line.split(" = ", 1)[0].strip() for line in lines if " = " in line]
    assert len(names) == len(set(names))
    for unused in {n for n in names if n[0] in "tp" and n[1:].isdigit()}:
        assert any(unused in formula for formula in formulas)


def test_gates_are_found_by_rows() -> None:
    made = graph(ur.cells.LSTM(3, 4))
    found = {gate: node for node, gate in gate_values(made).items()}
    kinds = {g: n.function.name for g, n in found.items() if isinstance(n, Pointwise)}
    assert kinds == {"i": "sigmoid", "f": "sigmoid", "g": "tanh", "o": "sigmoid"}
