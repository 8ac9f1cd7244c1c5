"""The graph of a step computes what the step computes, and says what it cannot."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import unrolled as ur
from graph.catalogue import NAMES, OURS, TORCHRECURRENT, arguments, cell_named


@pytest.mark.parametrize("name", NAMES)
def test_evaluates_to_the_same_numbers_as_the_cell(name) -> None:
    cell = cell_named(name)
    graph = ur.graph(cell)
    assert list(graph.outputs) == list(cell.state_sizes)
    # Another batch size than the trace's: the batch is symbolic.
    values = arguments(cell, 7)
    for found, expected in zip(graph.evaluate(*values), cell.step(*values), strict=True):
        # Float64; sums of at most ten terms in another order.
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=15)
@given(batch=st.integers(1, 9), inputs=st.integers(1, 9), hidden=st.integers(1, 17))
def test_any_size(batch, inputs, hidden) -> None:
    for kind in (ur.cells.Elman, ur.cells.LSTM, ur.cells.GRU, ur.cells.Jordan):
        cell = kind(inputs, hidden).double()
        values = arguments(cell, batch)
        for found, expected in zip(
            ur.graph(cell).evaluate(*values), cell.step(*values), strict=True
        ):
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_the_catalogue_is_whole() -> None:
    assert len(TORCHRECURRENT) == 41
    assert len(NAMES) == 41 + 3 + len(OURS)


@pytest.mark.parametrize(
    ("ours", "torchs"), [("Elman", "RNNCell"), ("LSTM", "LSTMCell")], ids=["Elman", "LSTM"]
)
def test_our_cells_and_torchs_come_out_alike(ours, torchs) -> None:
    a, b = ur.graph(cell_named(ours)), ur.graph(cell_named(torchs))
    assert _program(a) == _program(b)
    assert len(a.nodes) == len(b.nodes)


def _program(graph) -> str:
    """The listing without its first line, which names the cell."""
    return str(graph).split("\n", 1)[1]


class CutFirst(nn.Module):
    """An LSTM step that cuts its gates before it adds them up, with noise on the way."""

    input_size = 3

    def __init__(self):
        super().__init__()
        self.weight_ih, self.weight_hh = (
            nn.Parameter(torch.rand(20, 3)),
            nn.Parameter(torch.rand(20, 5)),
        )
        self.bias_ih, self.bias_hh = nn.Parameter(torch.rand(20)), nn.Parameter(torch.rand(20))

    def forward(self, x, state=None):
        h, c = state if state else (x.new_zeros(len(x), 5), x.new_zeros(len(x), 5))
        unused = torch.exp(h) @ self.weight_hh.t()
        del unused
        drive = (self.weight_ih.t().t() @ x.t()).t().clone() + self.bias_ih
        i, f, g, o = drive.chunk(4, 1)
        j, e, k, p = nn.functional.linear(h, self.weight_hh, self.bias_hh).split(5, 1)
        c = (f + e).sigmoid() * c - -(torch.sigmoid(i + j) * torch.tanh(g + k))
        return torch.sigmoid(p + o) * c.tanh(), c


def test_the_same_step_written_otherwise_comes_out_alike() -> None:
    zeros = torch.zeros(1, 5)
    otherwise = ur.Cell.wrap(CutFirst(), state=(zeros, zeros), returns="state")
    otherwise.gates = ur.cells.LSTM.gates
    assert _program(ur.graph(otherwise)) == _program(ur.graph(ur.cells.LSTM(3, 5)))


class Noisy(ur.Cell):
    """Computes the same thing twice, something that nobody reads, and double negatives."""

    def __init__(self):
        super().__init__(3, {"h": 3})
        self.decay = nn.Parameter(torch.rand(3))

    def step(self, x, h):
        torch.sin(h)
        rate = torch.exp(-torch.exp(self.decay))
        return (torch.tanh(x + h) * rate + torch.tanh(h + x).clone() - torch.neg(torch.neg(-h)),)


def test_noise_is_simplified_away() -> None:
    graph = ur.graph(Noisy())
    names = [node.function.name for node in graph.steps]
    assert sorted(names) == ["add", "add", "add", "mul", "tanh"]
    # exp(-exp(decay)) depends on no sample: once per unroll, in torch.
    assert len(graph.once) == 3
    assert all(node.reads for node in graph.steps)


class Normed(ur.Cell):
    """A recurrent matrix of weight-normed rows, and a masked one."""

    def __init__(self):
        super().__init__(3, {"h": 4})
        self.recurrent = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
        self.register_buffer("mask", torch.ones(4, 3).tril())
        self.weight = nn.Parameter(torch.rand(4, 3))

    def step(self, x, h):
        return (torch.tanh(self.recurrent(h) + x @ (self.weight * self.mask).T),)


def test_gradients_reach_the_real_parameters() -> None:
    cell = Normed().double()
    graph = ur.graph(cell)
    assert {type(node).__name__ for node in graph.steps} == {"Affine", "Pointwise"}
    values = arguments(cell, 6)
    incoming = torch.randn(6, 4, dtype=torch.float64)
    _, found = graph.derivative().gradients(*values, incoming)
    names, parameters = zip(*cell.named_parameters(), strict=True)
    wanted = torch.autograd.grad(cell.step(*values), parameters, incoming)
    for name, gradient in zip(names, wanted, strict=True):
        torch.testing.assert_close(found[name], gradient, rtol=1e-10, atol=1e-10)
    assert (found["weight"].triu(1) == 0).all()


def test_other_parameters_can_be_given() -> None:
    cell, other = ur.cells.GRU(3, 5), ur.cells.GRU(3, 5)
    x, h = torch.rand(2, 3), torch.rand(2, 5)
    (found,) = ur.graph(cell).evaluate(x, h, parameters=dict(other.named_parameters()))
    torch.testing.assert_close(found, other.step(x, h)[0])


def test_follows_the_parameters_as_they_change() -> None:
    cell = ur.cells.Elman(3, 5)
    graph, (x, h) = ur.graph(cell), (torch.rand(2, 3), torch.rand(2, 5))
    with torch.no_grad():
        cell.weight_hh.mul_(2)
    torch.testing.assert_close(graph.evaluate(x, h), cell.step(x, h))
    doubled = cell.double()
    torch.testing.assert_close(
        graph.evaluate(x.double(), h.double()), doubled.step(x.double(), h.double())
    )


# Functions


def test_functions_of_numbers_vectors_and_batches() -> None:
    z = ur.graph(lambda x, y: x * y, torch.tensor(2.0), torch.tensor(3.0))
    assert z.evaluate(torch.tensor(2.0), torch.tensor(3.0))[0].item() == 6
    assert [g.item() for g in z.derivative().gradients(*map(torch.tensor, (2.0, 3.0, 1.0)))[0]] == [
        3,
        2,
    ]
    W, b = torch.rand(4, 2), torch.rand(2)
    for x in (torch.rand(4), torch.rand(3, 4)):
        y = ur.graph(lambda x, W, b: torch.sigmoid(x @ W + b), x, W, b, parameters=("W", "b"))
        torch.testing.assert_close(y.evaluate(x)[0], torch.sigmoid(x @ W + b))
    X = torch.rand(3, 4)
    H = ur.graph(lambda X, W, b: torch.relu(X @ W + b), X, nn.Parameter(W), nn.Parameter(b))
    torch.testing.assert_close(H.evaluate(X)[0], torch.relu(X @ W + b))


def test_a_function_names_its_output() -> None:
    def energy(s):
        return (s * s).sum(-1), s

    graph = ur.graph(energy, torch.rand(5, 2))
    assert list(graph.outputs) == ["energy_1", "energy_2"]
    s = torch.rand(7, 2)
    torch.testing.assert_close(graph.evaluate(s), ((s * s).sum(-1), s))


class Cut(ur.Cell):
    def __init__(self):
        super().__init__(3, {"h": 3})

    def step(self, x, h):
        return (x[:, :2] + h[:, :2],)


class Bare(ur.Cell):
    def __init__(self):
        super().__init__(3, {"h": 3})

    def step(self, x, h):
        return x + h


CELL = ur.cells.Elman(2, 3)


def test_numbers_and_vectors_mix() -> None:
    x, w, b = torch.rand(3), torch.rand(3), torch.tensor(0.1)
    logistic = ur.graph(lambda x, w, b: torch.sigmoid(x @ w + b), x, w, b, parameters=("w", "b"))
    torch.testing.assert_close(logistic.evaluate(x)[0], torch.sigmoid(x @ w + b))
    scaled = ur.graph(lambda a, v: a * v / v.norm(), b, x)
    torch.testing.assert_close(scaled.evaluate(b, x)[0], b * x / x.norm())
    energy = ur.graph(lambda s: (s * s).sum(), x).derivative()
    (gradient,), _ = energy.gradients(x, torch.tensor(1.0))
    torch.testing.assert_close(gradient, 2 * x)


def test_modules_with_examples() -> None:
    module, x = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), torch.rand(5, 3)
    graph = ur.graph(module, x)
    torch.testing.assert_close(graph.evaluate(x)[0], module(x))
    assert {node.name for node in graph.parameters} == {"0.weight", "0.bias", "2.weight", "2.bias"}


def test_without_a_batch() -> None:
    x, h, g = torch.rand(3), torch.rand(5), torch.rand(5)
    graph = ur.graph(ur.cells.Elman(3, 5))
    torch.testing.assert_close(graph.evaluate(x, h)[0], graph.evaluate(x[None], h[None])[0][0])
    alone, one = (
        graph.derivative().gradients(*v) for v in ((x, h, g), (x[None], h[None], g[None]))
    )
    torch.testing.assert_close(alone[1], one[1])


def test_a_long_step_is_no_matter() -> None:
    def wander(x):
        for _ in range(400):
            x = torch.sin(x) + x * 0.1
        return x

    x = torch.rand(2, 3, dtype=torch.float64)
    torch.testing.assert_close(ur.graph(wander, x).evaluate(x)[0], wander(x))


def test_constants_take_the_type_of_the_values() -> None:
    class Shifted(ur.Cell):
        def __init__(self):
            super().__init__(2, {"h": 2})
            self.linear = nn.Linear(2, 2)

        def step(self, x, h):
            return (self.linear(x) @ torch.eye(2, dtype=x.dtype) + torch.ones(2, dtype=x.dtype),)

    cell = Shifted()
    graph = ur.graph(cell)
    x, h = torch.rand(3, 2).double(), torch.rand(3, 2).double()
    cell.double()
    torch.testing.assert_close(graph.evaluate(x, h), cell.step(x, h))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: ur.graph(nn.LSTMCell(2, 3)), ["LSTMCell", "Cell.wrap"]),
        (lambda: ur.graph(3), ["cell or a function", "int"]),
        (lambda: ur.graph(Bare()), ["Bare.step", "tuple (h,)", "got Tensor"]),
        (lambda: ur.graph(torch.neg, torch.rand(3), parameters=(1,)), ["names of arguments"]),
        (lambda: ur.graph(CELL).jacobian().dense(torch.rand(2)), ["Elman takes x, h"]),
        (lambda: ur.nn.Network(nn.LSTMCell(2, 3), 2), ["LSTMCell", "Cell.wrap"]),
        (lambda: ur.graph(ur.cells.LSTM), ["LSTM is a class", "LSTM(...)"]),
        (lambda: ur.graph(ur.cells.LSTM(2, 3), torch.rand(2)), ["is a cell", "no examples"]),
        (lambda: ur.graph(lambda x: x, 2.0), ["example of x", "float"]),
        (lambda: ur.graph(lambda x: x.t(), torch.rand(3, 4)), ["batch as its first"]),
        (lambda: ur.graph(lambda x: None, torch.rand(3, 4)), ["must return tensors"]),
        (lambda: ur.graph(Cut()), ["[batch, 2]", "[batch, 3]"]),
        (
            lambda: ur.graph(ur.cells.Elman(2, 3)).evaluate(torch.rand(2), torch.rand(1)),
            ["h", "3]"],
        ),
        (
            lambda: ur.graph(CELL).evaluate(torch.rand(2), torch.rand(3).double()),
            ["one type", "float64"],
        ),
        (
            lambda: ur.graph(torch.neg, torch.rand(2)).evaluate(torch.rand(2), parameters={"W": 1}),
            ["no parameter W"],
        ),
        (lambda: ur.graph(lambda x: x), ["do not fit"]),
        (lambda: ur.graph(lambda x: x, torch.ones(2, dtype=torch.long)), ["x", "floating"]),
        (lambda: ur.graph(torch.mul, 3, 4), ["example of a", "tensor"]),
        (
            lambda: ur.graph(lambda X, W: X @ W, torch.rand(3, 4), torch.rand(4, 2)),
            ["batch sizes", "parameters="],
        ),
        (
            lambda: ur.graph(lambda X, b: X + b, torch.rand(3, 4), torch.rand(4)),
            ["[batch, size]", "parameters="],
        ),
        (lambda: ur.graph(lambda x: x, torch.rand(3), parameters=("W",)), ["W", "takes x"]),
        (lambda: ur.graph(ur.cells.Elman(2, 3)).evaluate(torch.rand(1, 2)), ["takes x, h"]),
    ],
)
def test_bad_arguments_are_explained(build, words) -> None:
    with pytest.raises((TypeError, ValueError)) as raised:
        build()
    assert all(word in str(raised.value) for word in words), raised.value
