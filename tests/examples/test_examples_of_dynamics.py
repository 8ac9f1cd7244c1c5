"""The worked examples on dynamics: their numbers, against closed forms and published values."""

import importlib.util
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from unrolled.dynamics import Oscillator

ROOT = Path(__file__).parents[2]


def example(name):
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestDynamicalSystems:
    def test_two_steps_of_the_graph_are_the_function_applied_twice(self) -> None:
        by_graph, by_hand, parameters = example("dynamical_systems").unfolded()
        torch.testing.assert_close(by_graph, by_hand)
        # Input and recurrent weights, a bias each: not once for every step.
        assert parameters == 4

    def test_any_length_becomes_a_state_of_one_size(self) -> None:
        found = example("dynamical_systems").vectors((1, 7, 300))
        assert found == [(1, [1, 5]), (7, [1, 5]), (300, [1, 5])]

    def test_neighbours_part_in_the_map_and_meet_in_the_network(self) -> None:
        script = example("dynamical_systems")
        start = torch.zeros(1, 1, dtype=torch.float64)
        apart = script.distances(script.Henon().double(), None, [start, start])
        # 60 steps of 0.419 are e^25: the distance is that of the attractor by then.
        assert apart[0] < 1e-5 < 0.01 < apart[-1]
        cell = script.ur.cells.GRU(2, 16).double()
        inputs = torch.randn(1, script.STEPS, 2, dtype=torch.float64)
        together = script.distances(cell, inputs, [start.repeat(1, 16)])
        assert together[-1] < 1e-9


class TestEulerToRungeKutta:
    @pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2), ("rk4", 4)])
    def test_the_order_of_convergence(self, method, order) -> None:
        # The next term of the error is h times smaller, with h = 10 / 1600.
        assert example("euler_to_runge_kutta").order(method, 1600) == pytest.approx(order, rel=0.08)

    def test_the_energy_after_a_period_by_the_factor_of_every_step(self) -> None:
        script = example("euler_to_runge_kutta")
        h, steps = 0.05, round(2 * math.pi / 0.05)
        euler, heun, rk4 = (float(script.energies(m, h, 1)[0]) for m in ("euler", "heun", "rk4"))
        # |1 + ih|^2, |1 + ih - h^2/2|^2 and one power further of the exponential series.
        assert euler == pytest.approx((1 + h**2) ** steps, rel=1e-9)
        assert heun == pytest.approx((1 + h**4 / 4) ** steps, rel=1e-9)
        assert rk4 == pytest.approx((1 - h**6 / 72 + h**8 / 576) ** steps, rel=1e-9)


class TestForcedOscillator:
    def test_the_linear_cell_is_eulers_method(self) -> None:
        script = example("forced_oscillator")
        system = Oscillator(*script.TRUTH, **script.FLOAT)
        by_steps = script.swing(system, "euler", 0.1).detach()
        # Rounding of 30 units of time in float64, grown as Euler's energy grows.
        torch.testing.assert_close(script.linear_cell(system, 0.1), by_steps, rtol=1e-9, atol=1e-9)

    def test_at_resonance_it_swings_ever_wider(self) -> None:
        script = example("forced_oscillator")
        resonant = script.swing(Oscillator(1.0, 1.0, **script.FLOAT), "rk4", 0.1).detach()
        # k/m = 1 from rest: s = t sin(t) / 2.
        exact = script.TIME * script.TIME.sin() / 2
        torch.testing.assert_close(resonant, exact, rtol=0, atol=1e-3)

    def test_both_constants_are_recovered_to_one_percent(self) -> None:
        script = example("forced_oscillator")
        k, a = script.recover("rk4", 0.1, seed=1)
        assert (k, a) == (pytest.approx(4.0, rel=0.01), pytest.approx(3.0, rel=0.01))


class TestPowersOfAMatrix:
    def test_the_largest_power_is_that_of_the_largest_eigenvalue(self) -> None:
        script = example("powers_of_a_matrix")
        W = script.matrices()["symmetric"]
        # A symmetric matrix stretches by its largest eigenvalue, 1.08 in float32, and no more.
        norm = torch.linalg.matrix_norm(torch.linalg.matrix_power(W, 40), 2)
        assert float(norm) == pytest.approx(1.08**40, rel=1e-5)
        radii = {
            n: float(torch.linalg.eigvals(M).abs().max()) for n, M in script.matrices().items()
        }
        assert radii["non-normal"] == pytest.approx(0.9)

    def test_tanh_is_bounded_and_relu_is_not(self) -> None:
        script = example("powers_of_a_matrix")
        (tanh, of_tanh), (relu, of_relu) = (script.driven(f, 2.0) for f in ("tanh", "relu"))
        assert float(tanh.max()) <= 1
        assert float(relu[-1]) > 1e5
        shrunk, kept = (s.along.spectral_radius[0, -1] for s in (of_tanh, of_relu))
        assert float(shrunk) < float(kept)


class TestLyapunovExponents:
    def test_published_values(self) -> None:
        script = example("lyapunov_exponents")
        torch.manual_seed(0)
        henon = script.henon()
        # Of 500 orbits of 900 steps: a standard error below 0.001.
        assert henon.exponents.tolist() == pytest.approx([0.419, -1.623], abs=0.005)
        assert henon.sum == pytest.approx(math.log(0.3), abs=1e-9)

    def test_order_and_chaos(self) -> None:
        script = example("lyapunov_exponents")
        calm, wild = script.random_network(0.5, torch.tanh), script.random_network(2.0, torch.tanh)
        # At rest the exponent is the logarithm of the spectral radius, near the gain.
        assert calm[0] == pytest.approx(math.log(0.5), abs=0.1)
        assert wild[0] > 0.05
        assert calm[1] < 1e-50 < 0.5 < wild[1] <= 1


@pytest.mark.slow
class TestFlipFlop:
    def test_three_bits_have_eight_stable_points(self) -> None:
        script = example("flip_flop")
        torch.manual_seed(0)
        network = script.learn()
        x, y = script.batch(50, 100)
        assert float((network(x).sign() == y).float().mean()) > 0.99
        found = script.search(network)
        stable = found.of("stable")
        assert len(stable) == 8
        corners = F.linear(stable.float(), *network.readout.parameters()).sign()
        assert len({tuple(row.tolist()) for row in corners}) == 8


class TestVanishingGradients:
    def test_linear_cells_leave_powers(self) -> None:
        script = example("vanishing_gradients")
        for factor in (0.9, 1.0, 1.02):
            left = float(script.linear(factor).loss.norms[100])
            # A hundred products in float32.
            assert left == pytest.approx(factor**100, rel=1e-4)

    def test_open_gates_remember_longer(self) -> None:
        script = example("vanishing_gradients")
        names = ("LSTM", "LSTM, forget bias 1", "LSTM, chrono 200")
        plain, biased, chrono = (script.started(name).horizon or math.inf for name in names)
        assert plain < biased < chrono == math.inf


class TestGates:
    def test_a_trained_network_beats_persistence_and_its_gates_have_hours(self) -> None:
        script = example("gates")
        trace, read, errors = script.learn(replace(script.SETTINGS, epochs=3))
        assert errors["network"] < 0.85 * errors["no change"] < errors["the same change"]
        table = trace.table()
        assert table["step"][0] == "2013-10-19 06h"
        assert len(table) == len(read) == script.SHOWN
        z = trace.gates["z"]
        assert 0 < float(z.min()) < 0.5 < float(z.max()) < 1
