"""A recurrence folded (a loop over its step) and unfolded (one graph of all steps)."""

import pytest
import torch

import unrolled as ur
from graph.catalogue import Pendulum, arguments, cell_named


def test_autonomous_system_without_inputs() -> None:
    cell = Pendulum().double()
    start = torch.randn(4, 2, dtype=torch.float64)
    run = ur.unroll(cell, state=start, steps=3)
    f = cell.step
    x = start.new_empty(4, 0)
    (unfolded,) = f(x, *f(x, *f(x, start)))
    assert torch.equal(run.final[0], unfolded)
    assert run.outputs.shape == (4, 3, 2)
    assert ur.unroll(cell, steps=5).outputs.shape == (1, 5, 2)


@pytest.mark.parametrize("name", ["pendulum", "Elman", "LSTM", "GRU", "Jordan softmax"])
def test_folded_and_unfolded_are_equal(name) -> None:
    cell = Pendulum().double() if name == "pendulum" else cell_named(name)
    steps, batch = 4, 3
    x = torch.randn(batch, steps, cell.input_size, dtype=torch.float64)
    state = tuple(arguments(cell, batch)[1:])
    run = ur.unroll(cell, x, state=state, engine="eager")
    graph = ur.graph(cell)
    unfolded = graph.unfold(steps)
    values = unfolded.evaluate(*state, *x.unbind(1))
    found = dict(zip(unfolded.outputs, values, strict=True))
    for component in cell.state_sizes:
        for t in range(steps):
            expected = run.states[component][:, t]
            torch.testing.assert_close(found[f"{component}({t + 1})"], expected)
    # The same parameters at every step: unfolding adds none.
    assert unfolded.parameters == graph.parameters
    assert len(unfolded.steps) <= steps * len(graph.steps)


def test_the_derivative_of_the_unfolded_graph_is_bptt() -> None:
    cell = cell_named("GRU")
    x, targets = torch.randn(3, 5, 3).double(), torch.randn(3, 5, 5).double()
    unfolded = ur.graph(cell).unfold(5)
    zero = torch.zeros(3, 5).double()
    outputs = unfolded.evaluate(zero, *x.unbind(1))
    incoming = [h - target for h, target in zip(outputs, targets.unbind(1), strict=True)]
    inputs, parameters = unfolded.derivative().gradients(zero, *x.unbind(1), *incoming)
    found = ur.bptt(cell, x, targets)
    torch.testing.assert_close(found.initial["h"], inputs[0], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found.steps["x"], torch.stack(inputs[1:], 1), rtol=1e-10, atol=1e-10)
    for name, gradient in parameters.items():
        torch.testing.assert_close(found.parameters[name], gradient, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: ur.unroll(Pendulum()), "steps"),
        (lambda: ur.unroll(Pendulum(), steps=0), "steps"),
        (lambda: ur.unroll(ur.cells.Elman(2, 3), steps=4), "pass inputs"),
        (lambda: ur.unroll(ur.cells.Elman(2, 3), torch.rand(1, 2, 2), steps=4), "own length"),
        (lambda: ur.graph(Pendulum()).unfold(0), "steps"),
        (lambda: ur.graph(torch.mul, torch.rand(2), torch.rand(2)).unfold(2), "not a step"),
    ],
)
def test_bad_arguments_are_explained(build, words) -> None:
    with pytest.raises(ValueError, match=words):
        build()
