"""Gradients through time: closed forms of linear cells, autograd, every cell and engine."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import unrolled as ur
from unrolled import nn as unn
from unrolled.dynamics.gradient_flow import ByLag, gradient_flow
from unrolled.dynamics.recording import record
from unrolled.training import losses

# What two orders of adding up some hundred products differ by in float64.
EXACT = {"rtol": 1e-10, "atol": 0.0}


def linear(matrix: Tensor) -> ur.cells.Elman:
    """h(t) = W h(t-1) + U x(t)."""
    cell = ur.cells.Elman(2, len(matrix), bias=False, nonlinearity="identity").double()
    with torch.no_grad():
        cell.weight_hh.copy_(matrix)
    return cell


def root_mean_square(matrix: Tensor) -> float:
    return float(torch.linalg.matrix_norm(matrix) / math.sqrt(len(matrix)))


@settings(max_examples=15, deadline=None)
@given(size=st.integers(1, 7), steps=st.integers(1, 30), radius=st.sampled_from([0.5, 1.0, 1.5]))
def test_a_linear_cell_multiplies_by_powers_of_its_matrix(size, steps, radius) -> None:
    matrix = torch.randn(size, size, dtype=torch.float64)
    matrix *= radius / torch.linalg.eigvals(matrix).abs().max()
    inputs = torch.randn(2, steps, 2, dtype=torch.float64)
    found = gradient_flow(linear(matrix), inputs)["cell"].state
    powers = [torch.linalg.matrix_power(matrix, k) for k in range(steps + 1)]
    expected = torch.tensor([root_mean_square(p) for p in powers], dtype=torch.float64)
    torch.testing.assert_close(found.norms, expected, **EXACT)


@pytest.mark.parametrize("gain", [0.8, 1.0, 1.25])
def test_an_orthogonal_matrix_times_a_gain_vanishes_stays_or_explodes_exactly(gain) -> None:
    matrix = gain * nn.init.orthogonal_(torch.empty(6, 6, dtype=torch.float64))
    inputs = torch.randn(3, 2000, 2, dtype=torch.float64)
    found = gradient_flow(linear(matrix), inputs)["cell"].state
    # 1.25^2000 is beyond float32 and 0.8^2000 is 0 in it; the logarithm grows by one a step.
    logs = torch.arange(2001, dtype=torch.float64) * math.log(gain)
    torch.testing.assert_close(found.middle, logs, rtol=1e-9, atol=1e-9)
    horizon = math.floor(math.log(1e-3) / math.log(gain)) + 1 if gain < 1 else None
    assert found.horizon == horizon


def test_in_float32_products_neither_under_nor_overflow() -> None:
    for gain in (0.5, 2.0):
        cell = linear(gain * torch.eye(3)).float()
        found = gradient_flow(cell, torch.zeros(1, 1000, 2))["cell"].state
        # Each step divides by a norm of the root of 3, rounded to 6e-8.
        assert float(found.middle[-1]) == pytest.approx(1000 * math.log(gain), rel=1e-6)


def test_a_nilpotent_matrix_leaves_nothing_after_its_size() -> None:
    shift = torch.diag(torch.ones(3, dtype=torch.float64), -1)
    found = gradient_flow(linear(shift), torch.randn(1, 9, 2, dtype=torch.float64))["cell"].state
    assert found.norms.tolist() == pytest.approx([1, 0.75**0.5, 0.5**0.5, 0.5, *[0] * 6])
    assert found.horizon == 4


def by_autograd(network: unn.Network, inputs: Tensor, lengths, targets: Tensor) -> Tensor:
    """|d L / d z(t)|, [B, T], of a network read at the last step, by a loop."""
    start = network.cell.initial_state(len(inputs), dtype=inputs.dtype)
    state, states = tuple(s.requires_grad_() for s in start), []
    for t in range(inputs.shape[1]):
        z = torch.cat(network.cell.step(inputs[:, t], *state), dim=-1)
        z.retain_grad()
        states.append(z)
        state = z.split(list(network.state_sizes.values()), dim=-1)
    ends = torch.stack([states[n - 1][b] for b, n in enumerate(lengths)])
    o = network.readout(ends[:, : network.readout.in_features])
    nn.functional.cross_entropy(o, targets).backward()
    return torch.stack([z.grad.norm(dim=1) for z in states], dim=1)


@pytest.mark.parametrize("engine", ["eager", "native"])
@pytest.mark.parametrize("name", ["elman", "lstm", "gru", "indrnn", "lem", "mogrifier-lstm"])
def test_the_gradient_along_a_sequence_is_that_of_autograd(name, engine) -> None:
    network = unn.Network(ur.cells.BY_NAME[name](3, 4), 2, at="last").double()
    inputs, targets = torch.randn(3, 12, 3, dtype=torch.float64), torch.tensor([0, 1, 1])
    lengths = [12, 5, 1]

    def loss(model: unn.Network, batch: Tensor) -> losses.Total:
        o = model.run(batch, lengths=lengths, engine=engine).o
        return losses.summed(losses.cross_entropy, o, targets)

    layer = gradient_flow(network, inputs, loss)["cell"]
    assert all(parameter.grad is None for parameter in network.parameters())
    expected = by_autograd(network, inputs, lengths, targets)
    torch.testing.assert_close(layer.along, expected, rtol=1e-9, atol=1e-15)
    assert layer.loss is not None
    assert layer.loss.walks[:3].tolist() == [3, 3, 2]
    # Of three walks the quartiles are the walks themselves; the third ends before the first step.
    found = torch.stack([layer.loss.low, layer.loss.middle, layer.loss.high])[:, 1].exp()
    for row, length in zip(expected, lengths[:2], strict=False):
        share = row[length - 2] / row[length - 1]
        assert float((found - share).abs().min()) < 1e-9


def test_by_lag_each_loss_walks_back_alone() -> None:
    matrix = torch.randn(3, 3, dtype=torch.float64)
    cell, read = linear(matrix), torch.randn(3, dtype=torch.float64)
    inputs = torch.randn(1, 20, 2, dtype=torch.float64)
    found = gradient_flow(cell, inputs, lambda m, x: (ur.unroll(m, x).outputs @ read).sum())
    # L(T) = r' h(T) for every T, so d L(T) / d h(T-k) = W'^k r, whatever T is.
    expected = [torch.linalg.matrix_power(matrix.T, k) @ read for k in range(21)]
    shares = torch.stack(expected).norm(dim=1) / read.norm()
    assert found["cell"].loss is not None
    torch.testing.assert_close(found["cell"].loss.norms, shares, **EXACT)
    assert found["cell"].loss.walks.tolist() == [20, *range(20, 0, -1)]


def test_what_is_forced_depends_on_no_earlier_step() -> None:
    cell = ur.cells.Jordan(2, 5, 3, output="tanh").double()
    network = unn.Network(cell)
    inputs = torch.randn(2, 8, 2, dtype=torch.float64)
    targets = torch.randn(2, 8, 3, dtype=torch.float64).tanh()

    def loss(model: unn.Network, forcing: str) -> Tensor:
        return model.run(inputs, targets=targets, forcing=forcing).o.square().mean()

    free, taught = (gradient_flow(network, f, loss)["cell"] for f in ("free", "teacher"))
    assert free.state.norms[1] > 0
    # The first step reads the initial state; every later one the truth.
    assert taught.state.norms[1:].tolist() == [0.0] * 8
    assert taught.state.horizon == 1


class Chopped(ur.Cell):
    """An operator that no graph knows."""

    def __init__(self) -> None:
        super().__init__(2, {"h": 3})
        self.weight = nn.Parameter(torch.randn(3, 5))

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        both = torch.cat([x, h], dim=-1) @ self.weight.T
        return (torch.tanh(both.sort(dim=-1).values),)


def test_a_cell_without_a_graph_is_followed_by_autograd() -> None:
    cell, inputs = Chopped().double(), torch.randn(2, 6, 2, dtype=torch.float64)
    with pytest.raises(ur.UnsupportedOperator):
        ur.graph(cell)
    network = unn.Network(cell, 2, at="last")
    targets = torch.tensor([0, 1])
    loss = lambda m, x: losses.summed(losses.cross_entropy, m.run(x).o, targets)  # noqa: E731
    layer = gradient_flow(network, inputs, loss)["cell"]
    expected = by_autograd(network, inputs, [6, 6], targets)
    torch.testing.assert_close(layer.along, expected, rtol=1e-9, atol=1e-15)


def test_layers_directions_and_noise_are_told_apart_by_name() -> None:
    inputs = torch.randn(2, 9, 4)
    drop_in = unn.LSTM(4, 3, num_layers=2, bidirectional=True, batch_first=True, dropout=0.5)
    assert list(gradient_flow(drop_in, inputs)) == ["l0", "l0_reverse", "l1", "l1_reverse"]
    stack = unn.Recurrent("gru", 4, 3, num_layers=2, zoneout=0.1, weight_drop=0.2)
    assert list(gradient_flow(stack, inputs)) == ["cells.0", "cells.1"]
    assert stack.training
    assert all(cell.training for cell in stack.cells)
    inside = nn.Sequential(stack)
    assert list(gradient_flow(inside, inputs)) == ["0.cells.0", "0.cells.1"]


def test_lower_layers_have_what_comes_down_from_above() -> None:
    stack = unn.Recurrent("elman", 2, 3, num_layers=2).double()
    inputs = torch.randn(2, 7, 2, dtype=torch.float64)
    lower, upper = record(stack, inputs, lambda m, x: m(x)[0][:, -1].sum())
    assert upper.direct is not None
    assert lower.direct is not None
    assert (upper.direct.norm(dim=-1) > 0).nonzero()[:, 1].tolist() == [6, 6]
    # The upper layer reads the lower one at every step.
    assert bool((lower.direct.norm(dim=-1) > 0).all())
    first = next(iter(stack.cells))
    h = ur.unroll(first, inputs).outputs.detach().requires_grad_()
    ur.unroll(list(stack.cells)[1], h).outputs[:, -1].sum().backward()
    torch.testing.assert_close(lower.direct, h.grad, **EXACT)


def test_the_final_state_and_the_last_output_are_counted_once_each() -> None:
    cell, inputs = ur.cells.GRU(2, 3).double(), torch.randn(2, 6, 2, dtype=torch.float64)
    for engine in ("eager", "native"):

        def loss(model: ur.Cell, x: Tensor, engine: str = engine) -> Tensor:
            run = ur.unroll(model, x, engine=engine)
            return run.final[0].sum() + run.outputs[:, -1].sum()

        (found,) = record(cell, inputs, loss)
        assert found.direct is not None
        assert found.direct[:, -1].tolist() == [[2.0] * 3] * 2
        assert not found.direct[:, :-1].any()


def test_a_frozen_reservoir_has_a_gradient_too() -> None:
    network = unn.Network(ur.cells.EchoState(2, 20), 1, output="identity")
    layer = gradient_flow(network, torch.randn(2, 50, 2), lambda m, x: m.run(x).o.square().mean())
    assert layer["cell"].loss is not None
    assert layer["cell"].loss.horizon is not None


def test_random_directions_stand_for_all_of_a_large_state() -> None:
    matrix = 0.99 * nn.init.orthogonal_(torch.empty(300, 300))
    found = gradient_flow(linear(matrix).float(), torch.randn(1, 10, 2))["cell"].state
    # Every direction shrinks alike, so there is nothing to estimate.
    torch.testing.assert_close(found.norms, 0.99 ** torch.arange(11.0).double(), rtol=1e-5, atol=0)
    mixed = torch.diag(torch.linspace(0, 1, 300))
    found = gradient_flow(linear(mixed).float(), torch.randn(1, 5, 2))["cell"].state
    expected = [root_mean_square(torch.linalg.matrix_power(mixed, k)) for k in range(6)]
    # 128 random directions of 300 entries: a standard error of some 1 %.
    assert found.norms.tolist() == pytest.approx(expected, rel=0.05)


def test_the_horizon_of_a_model_is_its_longest() -> None:
    cells = [linear(0.5 * torch.eye(2)), linear(0.8 * torch.eye(2))]
    flow = gradient_flow(unn.Recurrent(cells), torch.randn(1, 40, 2, dtype=torch.float64))
    # 0.5^10 and 0.8^31 are the first below a thousandth.
    assert [layer.horizon for layer in flow.values()] == [10, 31]
    assert flow.horizon == 31
    assert (
        repr(flow) == "GradientFlow(memory horizon in steps: cells.0: 10 of 40, cells.1: 31 of 40)"
    )
    kept = gradient_flow(unn.Recurrent([linear(torch.eye(2))]), torch.ones(1, 4, 2).double())
    assert kept.horizon is None
    assert "beyond 4" in repr(kept)


def test_what_grows_is_told() -> None:
    flow = gradient_flow(linear(2 * torch.eye(2)), torch.randn(1, 10, 2, dtype=torch.float64))
    assert flow["cell"].state.growth == pytest.approx(1024)
    assert isinstance(flow["cell"].state, ByLag)


def test_bad_arguments() -> None:
    network = unn.Network(ur.cells.Elman(2, 3), 1)
    with pytest.raises(ValueError, match="unrolled no cell"):
        gradient_flow(nn.Linear(2, 3), torch.randn(1, 4, 2))
    with pytest.raises(ValueError, match="one number, got \\[1, 4, 1\\]"):
        gradient_flow(network, torch.randn(1, 4, 2), lambda m, x: m.run(x).o)
    with pytest.raises(ValueError, match="no gradient"):
        gradient_flow(network, torch.randn(1, 4, 2), lambda m, x: m.run(x).o.detach().sum())


def test_the_hook_sees_nothing_afterwards() -> None:
    cell = ur.cells.Elman(2, 3)
    with pytest.raises(ZeroDivisionError):
        gradient_flow(cell, torch.randn(1, 4, 2), lambda m, x: 1 / 0)
    run = ur.unroll(cell, torch.randn(1, 4, 2))
    assert run.outputs.grad_fn is not None
    assert "View" not in type(run.outputs.grad_fn).__name__
