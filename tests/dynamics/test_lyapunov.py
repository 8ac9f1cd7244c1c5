"""Lyapunov exponents: of systems that are known, of linear cells exactly, and by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import unrolled as ur
from unrolled.cells import GRU, LSTM, Elman
from unrolled.dynamics.discretise import discretise
from unrolled.dynamics.lyapunov import _directions, lyapunov
from unrolled.dynamics.steps import StepMap
from unrolled.dynamics.systems import Henon, Lorenz
from unrolled.report.figures import save_figure

DOUBLE = {"dtype": torch.float64}


class Linear(ur.Cell):
    """z(t) = W z(t-1)."""

    def __init__(self, W):
        super().__init__(0, {"z": len(W)})
        self.register_buffer("W", W)

    def step(self, x, z):
        return (z @ self.W.T,)


class Logistic(ur.Cell):
    """z(t) = r z(t-1) (1 - z(t-1))."""

    def __init__(self, r):
        super().__init__(0, {"z": 1})
        self.r = r

    def step(self, x, z):
        return (self.r * z * (1 - z),)


class Sorting(ur.Cell):
    """An operator that the graph does not know."""

    def __init__(self):
        super().__init__(1, {"h": 3})
        self.recurrent = nn.Linear(3, 3, bias=False)

    def step(self, x, h):
        return (torch.tanh(torch.sort(self.recurrent(h), -1).values + x),)


class Reading(ur.Cell):
    """The output y is read off h, and nothing reads y."""

    def __init__(self):
        super().__init__(1, {"y": 2, "h": 3})
        self.recurrent, self.readout = nn.Linear(3, 3, **DOUBLE), nn.Linear(3, 2, **DOUBLE)

    def step(self, x, y, h):
        h = torch.tanh(self.recurrent(h) + x)
        return torch.sigmoid(self.readout(h)), h


def orthogonal(size):
    return torch.linalg.qr(torch.randn(size, size, **DOUBLE))[0]


def rotation(angle, scale=1.0):
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    return torch.tensor([[cos, -sin], [sin, cos]], **DOUBLE)


def by_hand(cell, inputs, states, count=None):
    """The exponents of one sequence [T, I], by torch.func, numpy's QR and a loop."""
    names = list(cell.state_sizes)
    z = torch.zeros(sum(cell.state_sizes.values()), **DOUBLE)
    sizes = list(cell.state_sizes.values())
    Q = _directions(len(z), count or len(z)).numpy()
    logs = []
    for t, x in enumerate(inputs):

        def advance(z, x=x):
            return torch.cat(cell.step(x[None], *(p[None] for p in z.split(sizes))), -1)[0]

        J = torch.func.jacrev(advance)(z).detach().numpy()
        Q, R = np.linalg.qr(J @ Q)
        logs.append(np.log(np.abs(np.diag(R))))
        z = advance(z).detach()
        torch.testing.assert_close(z, torch.cat([states[n][t] for n in names]), **CLOSE)
    return np.array(logs)


# float64 over some tens of steps.
CLOSE = {"rtol": 1e-10, "atol": 1e-10}


class TestKnownSystems:
    def test_henon(self) -> None:
        start = 0.1 * torch.rand(2, 300, 1, **DOUBLE)
        found = lyapunov(Henon(**DOUBLE), state=tuple(start), steps=1000, warm_up=100)
        # Sprott's values, to the three digits that he gives; 300 orbits of 900 steps are sure to
        # 0.0007, and this is four of that.
        assert found.exponents.tolist() == pytest.approx([0.419, -1.623], abs=0.003)
        assert found.standard_error.max() < 0.001
        # Every step multiplies areas by 0.3; 1000 logarithms round to 1e-13.
        assert found.sum == pytest.approx(math.log(0.3), abs=1e-12)
        assert found.dimension == pytest.approx(1.258, abs=0.003)
        assert found.h is None

    def test_lorenz(self) -> None:
        cell = discretise(Lorenz(**DOUBLE), h=0.01, method="rk4")
        start = torch.randn(3, 50, 1, **DOUBLE) + torch.tensor([0, 0, 25.0])[:, None, None]
        found = lyapunov(cell, state=tuple(start), steps=4000, warm_up=1000)
        per_time = found.per_time()
        # 50 orbits of 30 units of time are sure to 0.008, four of which are allowed.
        assert per_time.tolist() == pytest.approx([0.906, 0, -14.572], abs=0.032)
        # The flow shrinks volumes at the rate -(10 + 1 + 8/3) everywhere; RK4 follows it with an
        # error of order h^4, times the fifth power of the fastest rate, 22: 4e-4.
        assert per_time.sum() == pytest.approx(-(10 + 1 + 8 / 3), abs=5e-4)
        assert found.h == 0.01
        torch.testing.assert_close(found.per_time(0.02), per_time / 2)
        assert found.dimension == pytest.approx(2.062, abs=0.003)

    def test_logistic_map_at_4_doubles(self) -> None:
        start = torch.rand(200, 1, **DOUBLE)
        found = lyapunov(Logistic(4.0), state=start, steps=500, warm_up=20)
        # The sum telescopes, so the error falls as 1/T: 1/500 times numbers of order 1.
        assert found.exponents.item() == pytest.approx(math.log(2), abs=0.002)
        assert found.dimension == 1

    def test_logistic_map_at_2_forgets_and_at_2_5_settles(self) -> None:
        # At the fixed point 1 - 1/r the derivative is 2 - r.
        settled = lyapunov(Logistic(2.5), state=torch.full((1, 1), 0.3), steps=300, warm_up=200)
        assert settled.exponents.item() == pytest.approx(math.log(0.5), abs=1e-9)
        assert settled.dimension == 0
        # Derivative 0 at once: exactly at the fixed point 1/2.
        superstable = lyapunov(Logistic(2.0), state=torch.full((1, 1), 0.5), steps=5)
        assert superstable.exponents.item() == -math.inf
        assert superstable.dimension == 0


class TestLinearCells:
    def test_orthogonal_is_zero_at_every_step(self) -> None:
        for W in (rotation(0.7), orthogonal(7)):
            found = lyapunov(Linear(W), steps=50)
            # 50 products of rounded orthogonal matrices.
            assert found.history.abs().max() < 1e-13
            assert found.sum == pytest.approx(0, abs=1e-12)

    def test_orthogonal_elman_and_scaled_identity(self) -> None:
        cell = Elman(2, 5, bias=False, nonlinearity="identity", **DOUBLE)
        nn.init.orthogonal_(cell.weight_hh)
        inputs = torch.randn(3, 20, 2, **DOUBLE)
        assert lyapunov(cell, inputs).each.abs().max() < 1e-13
        with torch.no_grad():
            cell.weight_hh.copy_(0.5 * torch.eye(5))
        found = lyapunov(cell, inputs).each
        torch.testing.assert_close(found, torch.full((3, 5), math.log(0.5), **DOUBLE), **CLOSE)

    def test_normal_matrix_has_the_moduli_of_its_eigenvalues(self) -> None:
        blocks = [rotation(0.3, 1.2), rotation(2.0, 0.6), torch.tensor([[-0.9]], **DOUBLE)]
        U = orthogonal(5)
        W = U @ torch.block_diag(*blocks) @ U.T
        found = lyapunov(Linear(W), steps=300, warm_up=200)
        expected = [math.log(m) for m in (1.2, 1.2, 0.9, 0.6, 0.6)]
        # The directions have turned by (0.9 / 1.2)^200 in 200 steps: to rounding.
        assert found.exponents.tolist() == pytest.approx(expected, abs=1e-12)
        moduli = np.linalg.svd(W.numpy(), compute_uv=False)
        assert found.exponents.exp().tolist() == pytest.approx(moduli.tolist())

    def test_general_matrix_in_the_limit(self) -> None:
        W = torch.randn(6, 6, **DOUBLE)
        expected = np.sort(np.log(np.abs(np.linalg.eigvals(W.numpy()))))[::-1]
        short, long = (lyapunov(Linear(W), steps=n, warm_up=100) for n in (200, 2100))
        # Within a complex pair the growth swings around its mean: an error of 1/T.
        for found, steps in ((short, 100), (long, 2000)):
            np.testing.assert_allclose(found.exponents, expected, atol=3 / steps)
        determinant = torch.linalg.slogdet(W)[1].item()
        assert short.sum == pytest.approx(determinant, abs=1e-11)

    def test_units_that_do_not_mix_come_in_order(self) -> None:
        W = torch.tensor([0.2, 1.5, -0.7], **DOUBLE).diag()
        found = lyapunov(Linear(W), steps=300, warm_up=200, count=2)
        expected = [math.log(1.5), math.log(0.7)]
        assert found.exponents.tolist() == pytest.approx(expected, abs=1e-12)


class TestByHand:
    @settings(max_examples=15, deadline=None)
    @given(B=st.integers(1, 4), T=st.integers(1, 12), warm_up=st.integers(0, 3))
    def test_one_unit(self, B, T, warm_up) -> None:
        cell, steps = Elman(1, 1, **DOUBLE), T + warm_up
        inputs = torch.randn(B, steps, 1, **DOUBLE)
        h = ur.unroll(cell, inputs).outputs.detach()
        expected = (cell.weight_hh * (1 - h**2)).abs().log()[:, warm_up:].detach()
        found = lyapunov(cell, inputs, warm_up=warm_up)
        torch.testing.assert_close(found.each, expected.mean(1), **CLOSE)
        torch.testing.assert_close(found.exponents, expected.mean((0, 1)), **CLOSE)
        running = expected.cumsum(1) / torch.arange(1, T + 1)[:, None]
        torch.testing.assert_close(found.history, running.mean(0), **CLOSE)

    @pytest.mark.parametrize("kind", [GRU, LSTM, Elman])
    @pytest.mark.parametrize("count", [None, 2])
    def test_by_torch_func_and_numpy(self, kind, count) -> None:
        cell, inputs = kind(2, 3, **DOUBLE), torch.randn(2, 15, 2, **DOUBLE)
        run = ur.unroll(cell, inputs)
        found = lyapunov(cell, inputs, count=count)
        logs = [
            by_hand(cell, inputs[b], {n: s[b].detach() for n, s in run.states.items()}, count)
            for b in range(2)
        ]
        each = np.stack([of.mean(0) for of in logs])
        order = np.argsort(-each.mean(0))
        np.testing.assert_allclose(found.each, each[:, order], rtol=1e-10)
        np.testing.assert_allclose(found.exponents, each[:, order].mean(0), rtol=1e-10)
        error = each[:, order].std(0, ddof=1) / math.sqrt(2)
        np.testing.assert_allclose(found.standard_error, error, rtol=1e-7)

    def test_engines_agree(self) -> None:
        cell, inputs = LSTM(2, 5), torch.randn(3, 30, 2)
        eager, native = (lyapunov(cell, inputs, engine=e) for e in ("eager", "native"))
        assert (eager.engine, native.engine) == ("eager", "native")
        # Both in float64.
        torch.testing.assert_close(eager.each, native.each, rtol=1e-9, atol=1e-9)

    def test_a_state_is_where_it_starts(self) -> None:
        cell, inputs = GRU(1, 3, **DOUBLE), torch.randn(2, 20, 1, **DOUBLE)
        first = ur.unroll(cell, inputs[:, :8])
        rest = lyapunov(cell, inputs[:, 8:], first.final)
        whole = lyapunov(cell, inputs)
        # The determinants of all steps, whatever the directions.
        sums = [found.each.sum(1) for found in (whole, rest, lyapunov(cell, inputs[:, :8]))]
        torch.testing.assert_close(20 * sums[0], 12 * sums[1] + 8 * sums[2], **CLOSE)

    def test_lengths(self) -> None:
        cell, inputs = LSTM(1, 2, **DOUBLE), torch.randn(3, 10, 1, **DOUBLE)
        lengths = [10, 4, 7]
        for b, length in enumerate(lengths):
            inputs[b, length:] = math.nan
        found = lyapunov(cell, inputs, lengths=lengths, warm_up=2)
        alone = [
            lyapunov(cell, inputs[b : b + 1, :n], warm_up=2).each for b, n in enumerate(lengths)
        ]
        torch.testing.assert_close(
            found.each.sort(1).values, torch.cat(alone).sort(1).values, **CLOSE
        )
        torch.testing.assert_close(found.history[-1], found.exponents)

    def test_without_a_graph(self) -> None:
        cell, inputs = Sorting().double(), torch.randn(2, 12, 1, **DOUBLE)
        assert StepMap(cell).jacobian is None
        found = lyapunov(cell, inputs)
        run = ur.unroll(cell, inputs, engine="eager")
        each = np.stack(
            [by_hand(cell, inputs[b], {"h": run.outputs[b].detach()}).mean(0) for b in range(2)]
        )
        np.testing.assert_allclose(found.each, each[:, np.argsort(-each.mean(0))], rtol=1e-10)


class TestPrecision:
    def test_a_cell_in_float32_is_measured_in_float64_and_left_alone(self) -> None:
        cell, inputs = GRU(2, 4), torch.randn(2, 40, 2)
        found = lyapunov(cell, inputs)
        assert found.dtype == torch.float64
        assert {p.dtype for p in cell.parameters()} == {torch.float32}
        assert cell.training
        assert all(p.requires_grad for p in cell.parameters())
        expected = lyapunov(cell.double(), inputs.double())
        torch.testing.assert_close(found.each, expected.each)

    def test_weights_that_torch_computed_are_copied_as_they_are(self) -> None:
        cell, inputs = Elman(1, 3, bias=False), torch.randn(2, 10, 1)
        weight = cell.weight_hh
        expected = Elman(1, 3, bias=False)
        with torch.no_grad():
            expected.weight_ih.copy_(cell.weight_ih)
            expected.weight_hh.copy_(2 * weight)
        del cell.weight_hh
        cell.weight_hh = 2 * weight
        found = lyapunov(cell, inputs)
        assert found.dtype == torch.float64
        torch.testing.assert_close(found.each, lyapunov(expected, inputs).each)

    def test_so_are_tensors_that_are_no_buffers(self) -> None:
        cell = Linear(torch.eye(2))
        del cell.W
        cell.W = torch.diag(torch.tensor([0.5, 0.25]))
        found = lyapunov(cell, state=torch.ones(1, 2), steps=60, warm_up=40, engine="eager")
        assert found.dtype == torch.float64

    def test_a_step_that_knows_one_type_runs_in_that(self) -> None:
        class Narrow(Linear):
            def step(self, x, z):
                return (z.float() @ self.W.float().T,)

        cell = Narrow(torch.diag(torch.tensor([0.5, 0.25])))
        found = lyapunov(cell, state=torch.ones(1, 2), steps=60, warm_up=40, engine="eager")
        assert found.dtype == torch.float32
        expected = [math.log(0.5), math.log(0.25)]
        assert found.exponents.tolist() == pytest.approx(expected, abs=1e-6)

    def test_a_component_that_nothing_reads(self) -> None:
        inputs = torch.randn(3, 20, 1, **DOUBLE)
        found = lyapunov(Reading(), inputs)
        assert (found.exponents == -math.inf).tolist() == [False] * 3 + [True] * 2
        assert found.sum == -math.inf
        assert found.standard_error.isnan().tolist() == [False] * 3 + [True] * 2
        assert not found.history.isnan().any()


class TestResult:
    def test_kaplan_and_yorke(self) -> None:
        W = torch.tensor([2.0, 1.0, 1 / 3], **DOUBLE).diag()
        start = torch.zeros(1, 3, **DOUBLE)
        found = lyapunov(Linear(W), state=start, steps=300, warm_up=200)
        # log 2 + 0 is left for the third to use up.
        assert found.dimension == pytest.approx(2 + math.log(2) / math.log(3), abs=1e-9)
        with pytest.raises(ValueError, match="more than count=2 exponents"):
            _ = lyapunov(Linear(W), state=start, steps=300, count=2).dimension
        all_grow = lyapunov(Linear(2 * torch.eye(3, **DOUBLE)), state=start, steps=5)
        assert all_grow.dimension == 3

    def test_fewer_are_the_first_of_all(self) -> None:
        cell, inputs = LSTM(1, 4, **DOUBLE), torch.randn(2, 60, 1, **DOUBLE)
        some, all_ = lyapunov(cell, inputs, count=3), lyapunov(cell, inputs)
        # In 60 steps they need not be in order yet, so they may be any three.
        apart = (some.exponents[:, None] - all_.exponents).abs().amin(1)
        assert apart.max() < 1e-12
        assert (some.size, all_.size) == (8, 8)
        assert all_.exponents.tolist() == sorted(all_.exponents.tolist(), reverse=True)

    def test_it_says_what_it_is(self) -> None:
        found = lyapunov(LSTM(1, 4), torch.randn(2, 30, 1), engine="eager", warm_up=10)
        text = repr(found)
        assert "8 of 8 exponents" in text
        assert f"{found.exponents[0].item():.4g}" in text
        assert "2 sequences, 20 steps, engine='eager'" in text
        single = lyapunov(LSTM(1, 4), torch.randn(1, 30, 1))
        assert single.standard_error.isnan().all()

    def test_figure(self, tmp_path) -> None:
        from matplotlib.figure import Figure

        found = lyapunov(Reading(), torch.randn(2, 400, 1, **DOUBLE))
        figure = Figure()
        found.paint(figure)
        lines = figure.axes[0].lines
        # With the one at zero; those of -inf are there with nothing to draw.
        assert len(lines) == len(found.exponents) + 1
        x, y = lines[0].get_data()
        assert (x[0], x[-1]) == (1, 400)
        assert y[-1] == found.exponents[0].item()
        assert np.isnan(lines[-2].get_data()[1]).all()
        saved = save_figure(found.paint, tmp_path / "exponents.svg")
        assert saved.stat().st_size > 3000


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"steps": 0}, "steps must be a whole number from 1 up without inputs, got 0"),
            ({}, "steps must be a whole number from 1 up without inputs, got None"),
            ({"steps": 5, "count": 3}, "count is 3, the cell has 2 exponents"),
            ({"steps": 5, "count": 0}, "count must be a whole number from 1"),
            ({"steps": 5, "warm_up": 5}, "warm_up is 5 and sequences have 5 steps"),
            ({"steps": 5, "warm_up": -1}, "warm_up must be a whole number from 0"),
            ({"steps": 5, "engine": "fast"}, "engine is 'fast'"),
            ({"steps": 5, "state": torch.zeros(1, 2)}, "state needs x, y"),
            ({"steps": 5, "inputs": torch.zeros(1, 5, 0)}, "steps is for a cell without inputs"),
        ],
    )
    def test_arguments(self, options, message) -> None:
        with pytest.raises(ValueError, match=message):
            lyapunov(Henon(), **options)

    def test_others(self) -> None:
        with pytest.raises(ValueError, match="GRU reads 2 inputs; pass inputs"):
            lyapunov(GRU(2, 3), steps=5)
        with pytest.raises(TypeError, match="cell must be a Cell"):
            lyapunov(nn.Linear(2, 2), steps=5)
        with pytest.raises(ValueError, match="the shortest sequence has 3 steps"):
            lyapunov(GRU(2, 3), torch.zeros(2, 9, 2), lengths=[9, 3], warm_up=3)
        with pytest.raises(ValueError, match="h is missing"):
            lyapunov(GRU(2, 3), torch.zeros(2, 9, 2)).per_time()
        with pytest.raises(ValueError, match="h must be above 0"):
            lyapunov(GRU(2, 3), torch.zeros(2, 9, 2)).per_time(0.0)

    def test_an_orbit_that_escapes(self) -> None:
        start = torch.tensor([[0.1], [3.0], [0.2], [3.0]], **DOUBLE)
        x, steps = 3.0, 0
        y = 0.0
        while math.isfinite(x):
            try:
                x, y, steps = 1 - 1.4 * x**2 + y, 0.3 * x, steps + 1
            except OverflowError:
                x, steps = math.inf, steps + 1
        message = rf"state of sequence 1 is not finite at step {steps - 1}, nor of 1 others"
        with pytest.raises(ValueError, match=message):
            lyapunov(Henon(**DOUBLE), state=(start, torch.zeros_like(start)), steps=100)
