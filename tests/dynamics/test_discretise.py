"""Differential equations as cells: orders of convergence, torchdiffeq, irregular steps, engines."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
import torchdiffeq
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchdiffeq._impl.rk_common import rk4_step_func

import unrolled as ur
from engines.agreement import assert_alike
from unrolled.dynamics.discretise import METHODS, discretise
from unrolled.dynamics.systems import Driven, Lorenz, Oscillator
from unrolled.engines import EngineRefused

F64 = torch.float64
# Some hundred roundings of 1e-16, of numbers of size 1 to 10.
EXACT = {"rtol": 1e-12, "atol": 1e-12}


class VanDerPol(nn.Module):
    """s' = v, v' = mu (1 - s^2) v - s."""

    state_sizes = {"s": 1, "v": 1}  # noqa: RUF012

    def __init__(self, mu=1.5):
        super().__init__()
        self.mu = nn.Parameter(torch.tensor(mu, dtype=F64))

    def forward(self, state):
        s, v = state
        return v, self.mu * (1 - s**2) * v - s


def column(*numbers):
    """[B, 1]"""
    return torch.tensor(numbers, dtype=F64)[:, None]


def at_the_end(cell, start, steps):
    return ur.unroll(cell, state=start, steps=steps, engine="eager").final


def orders(error_of, counts):
    """The order that each halving of the step shows."""
    errors = [error_of(steps) for steps in counts]
    return [math.log2(a / b) for a, b in pairwise(errors)]


@pytest.mark.parametrize("method", METHODS)
def test_order_of_convergence(method) -> None:
    # s' = -s + cos t from 2: s = (cos t + sin t + 3 exp(-t)) / 2.
    def error_of(steps):
        h = 2 / steps
        cell = discretise(lambda s, x, t: torch.cos(t) - s, h, method, state=1)
        s, t = at_the_end(cell, (column(2.0), column(0.0)), steps)
        assert t.item() == pytest.approx(2, abs=1e-13)
        return abs(s.item() - (math.cos(2) + math.sin(2) + 3 * math.exp(-2)) / 2)

    # The next term of the error is smaller by h: 0.02 here, and less with every halving.
    found = orders(error_of, (32, 64, 128, 256))
    assert found == pytest.approx([METHODS[method].order] * 3, abs=0.1)


@pytest.mark.parametrize("method", METHODS)
def test_the_error_of_a_step_of_decay_is_the_rest_of_the_exponential_series(method) -> None:
    h, order = 0.3, METHODS[method].order
    (s,) = at_the_end(discretise(lambda s: -s, h, method, state=1), (column(1.0),), 1)
    # One step gives the series of exp(-h) up to its power `order`, for a linear equation.
    assert s.item() == pytest.approx(
        sum((-h) ** k / math.factorial(k) for k in range(order + 1)), abs=1e-15
    )


@pytest.mark.parametrize(("where", "order"), [(0.0, 1), (0.5, 2)])
def test_a_held_input_is_first_order_and_second_at_the_middle(where, order) -> None:
    def error_of(steps):
        h = 2 / steps
        cell = discretise(lambda s, x: x - s, h, "rk4", state=1, input_size=1)
        times = h * (torch.arange(steps, dtype=F64) + where)
        run = ur.unroll(cell, torch.cos(times)[None, :, None], (column(2.0),), engine="eager")
        return abs(run.final[0].item() - (math.cos(2) + math.sin(2) + 3 * math.exp(-2)) / 2)

    assert orders(error_of, (32, 64, 128)) == pytest.approx([order] * 2, abs=0.1)


class TestTorchdiffeq:
    start = (column(2.0, -1.0), column(0.0, 0.5))

    def reference(self, g, times, method, **options):
        """s and v at every time, each [B, T, 1]."""
        found = torchdiffeq.odeint(lambda t, s: g(s), self.start, times, method=method, **options)
        return [part[1:].transpose(0, 1) for part in found]

    @pytest.mark.parametrize(("method", "theirs"), [("euler", "euler"), ("heun", "heun2")])
    def test_the_same_formula_gives_the_same_states_and_gradients(self, method, theirs) -> None:
        g = VanDerPol()
        times = 0.05 * torch.arange(41, dtype=F64)
        run = ur.unroll(discretise(g, 0.05, method), state=self.start, steps=40, engine="eager")
        found, expected = list(run.states.values()), self.reference(g, times, theirs)
        torch.testing.assert_close(found, expected, **EXACT)
        gradients = [torch.autograd.grad(p[0].square().sum(), g.mu) for p in (found, expected)]
        # Sums of forty steps' gradients, of size 100.
        torch.testing.assert_close(*gradients, rtol=1e-11, atol=1e-12)

    def test_rk4_is_the_classical_one(self) -> None:
        # The package's own "rk4" is the 3/8 rule; beside it the classical formula.
        g, h = VanDerPol(), 0.1
        state = torch.cat(self.start, dim=1)

        def slope(t, s, perturb=None):
            return torch.cat(g(s.split(1, dim=1)), dim=1)

        expected = []
        for _ in range(20):
            state = state + rk4_step_func(slope, torch.tensor(0.0, dtype=F64), h, h, state)
            expected.append(state)
        run = ur.unroll(discretise(g, h, "rk4"), state=self.start, steps=20, engine="eager")
        found = torch.cat(list(run.states.values()), dim=2)
        torch.testing.assert_close(found, torch.stack(expected, dim=1), **EXACT)

    def test_rk4_nears_the_solution_and_its_gradient(self) -> None:
        g = VanDerPol()
        times = torch.linspace(0, 5, 6, dtype=F64)
        exact = self.reference(g, times, "dopri8", rtol=1e-12, atol=1e-12)
        run = ur.unroll(discretise(g, 0.005, "rk4"), state=self.start, steps=1000, engine="eager")
        found = [component[:, 199::200] for component in run.states.values()]
        # 0.005^4 is 6e-10; fifth derivatives of some tens.
        torch.testing.assert_close(found, exact, rtol=0, atol=1e-7)
        gradients = [torch.autograd.grad(p[0].square().sum(), g.mu) for p in (found, exact)]
        torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-6)


class TestIrregularSteps:
    @settings(max_examples=25, deadline=None)
    @given(
        method=st.sampled_from(list(METHODS)),
        shape=st.tuples(st.integers(1, 4), st.integers(1, 6)),
        seed=st.integers(0, 2**31),
    )
    def test_every_sample_has_its_own_as_in_a_loop_by_hand(self, method, shape, seed) -> None:
        random = np.random.default_rng(seed)
        elapsed, x, start = random.random(shape), random.normal(size=shape), random.normal(size=2)
        elapsed[random.random(shape) < 0.2] = 0

        def slope(s, x, t):
            return np.sin(3 * t) + x - s**2 * np.tanh(s)

        expected = np.empty((*shape, 2))
        for b, k in np.ndindex(shape):
            s, t = expected[b, k - 1] if k else start
            h, u = elapsed[b, k], x[b, k]
            k1 = slope(s, u, t)
            if method == "euler":
                s = s + h * k1
            elif method == "heun":
                s = s + h * (k1 + slope(s + h * k1, u, t + h)) / 2
            else:
                k2 = slope(s + h * k1 / 2, u, t + h / 2)
                k3 = slope(s + h * k2 / 2, u, t + h / 2)
                k4 = slope(s + h * k3, u, t + h)
                s = s + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6
            expected[b, k] = s, t + h

        cell = discretise(
            lambda s, x, t: torch.sin(3 * t) + x - s**2 * torch.tanh(s),
            None, method, state=1, input_size=1,
        )  # fmt: skip
        assert (cell.input_size, cell.reads_time) == (2, True)
        inputs = torch.from_numpy(np.stack([x, elapsed], axis=-1))
        s, t = (torch.full((shape[0], 1), n, dtype=F64) for n in start)
        run = ur.unroll(cell, inputs, (s, t), engine="eager")
        found = torch.cat([run.states["s"], run.states["t"]], dim=2)
        np.testing.assert_allclose(found, expected, **EXACT)

    def test_measurements_at_any_time_of_a_driven_decay(self) -> None:
        # s' = x - 2 s with x held is s(t + h) = x/2 + (s - x/2) exp(-2 h), without error.
        elapsed = 0.02 * torch.rand(3, 50, 1, dtype=F64)
        x = torch.randn(3, 50, 1, dtype=F64)
        cell = discretise(lambda s, x: x - 2 * s, None, "rk4", state=1, input_size=1)
        found = ur.unroll(cell, torch.cat([x, elapsed], dim=2), engine="eager").outputs
        s = torch.zeros(3, 1, dtype=F64)
        for k in range(50):
            s = x[:, k] / 2 + (s - x[:, k] / 2) * torch.exp(-2 * elapsed[:, k])
            # (2 * 0.02)^5 / 120 a step, of which those long ago have decayed.
            torch.testing.assert_close(found[:, k], s, rtol=0, atol=5e-8)

    def test_where_a_sequence_is_cut_makes_no_difference_to_the_solution(self) -> None:
        # exp(-t) at the end of two samples whose steps differ and whose times are equal.
        elapsed = torch.tensor([[[0.1], [0.4]], [[0.3], [0.2]]], dtype=F64)
        cell = discretise(lambda s: -s, None, "rk4", state=1)
        (s,) = ur.unroll(cell, elapsed, torch.ones(2, 1, dtype=F64), engine="eager").final
        # 0.4^5 / 120 = 9e-5 in one step.
        torch.testing.assert_close(s, torch.full_like(s, math.exp(-0.5)), rtol=0, atol=1e-4)

    def test_a_time_that_runs_back_is_refused(self) -> None:
        cell = discretise(lambda s: -s, None, state=1)
        with pytest.raises(ValueError, match="time since the previous step"):
            ur.unroll(cell, torch.tensor([[[0.1], [-0.2]]]))


class Pendulums(nn.Module):
    """Three coupled pendulums, a vector of angles and one of velocities, with a driven end."""

    state_sizes = {"angle": 3, "speed": 3}  # noqa: RUF012
    input_size = 2

    def __init__(self):
        super().__init__()
        self.coupling = nn.Linear(3, 3, dtype=F64)
        self.push = nn.Linear(2, 3, bias=False, dtype=F64)

    def forward(self, state, x, t):
        angle, speed = state
        force = self.coupling(angle) + self.push(x) * torch.cos(t)
        return speed, force - torch.sin(angle)


SYSTEMS = {
    "oscillator": lambda: Oscillator(dtype=F64),
    "driven": lambda: Driven(Oscillator(dtype=F64)),
    "lorenz": lambda: Lorenz(dtype=F64),
    "pendulums": Pendulums,
}


class TestEngines:
    @pytest.mark.parametrize(
        ("system", "h", "method"),
        [
            ("oscillator", 0.1, "euler"),
            ("oscillator", None, "heun"),
            ("driven", 0.1, "rk4"),
            ("lorenz", 0.01, "rk4"),
            ("pendulums", 0.05, "heun"),
            ("pendulums", None, "rk4"),
        ],
    )
    def test_native_gives_the_same_states_and_gradients(self, system, h, method) -> None:
        cell = discretise(SYSTEMS[system](), h, method)
        x = torch.rand(3, 7, cell.input_size, dtype=F64)
        state = [torch.randn(3, size, dtype=F64) for size in cell.state_sizes.values()]
        assert_alike(cell, x, state, lengths=[7, 0, 4])

    def test_float32(self) -> None:
        cell = discretise(Oscillator(), 0.1, "rk4")
        # A hundred steps of float32, 6e-8 each, gradients summed over them.
        assert_alike(cell, torch.randn(2, 100, 1), (torch.ones(2, 1), torch.zeros(2, 1)), 1e-4)

    def test_gradients_pass_the_check_by_differences(self) -> None:
        cell = discretise(Pendulums(), None, "rk4")
        x = torch.rand(2, 3, 3, dtype=F64, requires_grad=True)
        state = [torch.randn(2, n, dtype=F64) for n in cell.state_sizes.values()]

        def run(x, *parameters):
            return ur.unroll(cell, x, state, engine="eager").final

        assert torch.autograd.gradcheck(run, (x, *cell.parameters()))

    def test_what_a_function_holds_trains_by_the_definition_only(self) -> None:
        w = nn.Parameter(torch.tensor(0.5))
        cell = discretise(lambda s: -w * s, 0.1, state=1)
        run = ur.unroll(cell, state=torch.ones(1, 1), steps=3)
        assert run.engine == "eager"
        run.final[0].sum().backward()
        # d/dw (1 - 0.1 w)^3, in float32.
        assert w.grad.item() == pytest.approx(-0.3 * 0.95**2, rel=1e-5)
        with pytest.raises(EngineRefused, match=r"nn\.Parameter"):
            ur.unroll(cell, state=torch.ones(1, 1), steps=3, engine="native")

    def test_the_graph_is_the_equation(self, tmp_path) -> None:
        cell = discretise(Oscillator(), 0.1)
        graph = ur.graph(cell)
        assert str(graph).splitlines()[-2:] == [
            "  s' = s + 0.1 * v",
            "  v' = v + 0.1 * (g.drive * x - g.stiffness * s)",
        ]
        for level in ("textbook", "operators"):
            for steps in (None, 2):
                text = graph.draw(tmp_path / "cell.svg", steps, level).read_text()
                assert text.rstrip().endswith("</svg>")
        assert "h=0.1, method='euler'" in repr(cell)

    def test_parameters_and_a_saved_cell(self) -> None:
        cell, other = (discretise(Lorenz(rho=rho), 0.01) for rho in (28, 14))
        assert list(cell.state_dict()) == ["g.sigma", "g.rho", "g.beta"]
        other.load_state_dict(cell.state_dict())
        assert other.g.rho == 28


def test_time_in_float32_drifts_as_documented() -> None:
    cell = discretise(lambda s, x, t: 0 * s, 0.01, state=1)
    _, t = ur.unroll(cell, steps=100_000, engine="native").final
    assert t.item() == pytest.approx(1000.7, abs=0.05)


class Wrong(nn.Module):
    state_sizes = {"s": 1}  # noqa: RUF012

    def forward(self, *s):
        return s


@pytest.mark.parametrize(
    ("g", "options", "error", "message"),
    [
        (3, {}, TypeError, "function or a module that is made, got int"),
        (Oscillator, {}, TypeError, "got Oscillator, a class"),
        (torch.sin, {}, TypeError, r"pass lambda s: sin\(s\)"),
        (lambda t, s: s, {}, TypeError, r"\(s\), \(s, x\), \(s, x, t\), .* takes \(t, s\)"),
        (lambda: 1, {}, TypeError, r"takes \(\)"),
        (lambda s, x, t, u: s, {}, TypeError, r"takes \(s, x, t, u\)"),
        (lambda s, *, x: s, {}, TypeError, "must take"),
        (Wrong(), {}, TypeError, r"Wrong takes \(s\)"),
        (lambda s: s, {"state": None}, ValueError, "state is missing"),
        (lambda s: s, {"state": 0}, ValueError, "from 1 up, got 0"),
        (lambda s: s, {"state": {}}, ValueError, "state_sizes is empty"),
        (lambda s, x, t: s, {"state": {"t": 1}}, ValueError, "rename it"),
        (lambda s: s, {"input_size": 2}, ValueError, r"takes \(s\) and input_size is 2"),
        (lambda s, x: s, {}, ValueError, r"takes \(s, x\) and input_size is 0"),
        (lambda s: s, {"input_size": -1}, ValueError, "input_size must be"),
        (lambda s: s, {"method": "rk"}, ValueError, "did you mean 'rk4'"),
        (lambda s: s, {"h": 0}, ValueError, "h must be a number above 0, got 0"),
        (lambda s: s, {"h": math.inf}, ValueError, "h must be"),
    ],
)
def test_bad_arguments(g, options, error, message) -> None:
    with pytest.raises(error, match=message):
        discretise(g, **{"h": 0.1, "state": 1, **options})


@pytest.mark.parametrize(
    ("g", "state", "error", "message"),
    [
        (lambda s: s.sum(), 2, ValueError, r"shapes of s, \[\[1, 2\]\], got \[\[\]\]"),
        (lambda s: s[0], {"s": 1, "v": 1}, TypeError, r"d/dt of \(s, v,\), got Tensor"),
        (lambda s: (s[0],), {"s": 1, "v": 1}, ValueError, r"got \[\[1, 1\]\]"),
        (lambda s: (s,), 2, TypeError, "must return a tensor, got tuple"),
        (lambda s: None, {"s": 1}, TypeError, "got NoneType"),
    ],
)
def test_what_g_returns_is_checked(g, state, error, message) -> None:
    with pytest.raises(error, match=message):
        ur.unroll(discretise(g, 0.1, state=state), steps=1, engine="eager")


def test_arguments_with_a_default_are_gs_own() -> None:
    rates = [discretise(lambda s, rate=rate: -rate * s, 0.1, state=1) for rate in (1.0, 2.0)]
    ends = [at_the_end(cell, (column(1.0),), 1)[0].item() for cell in rates]
    assert ends == pytest.approx([0.9, 0.8])
