"""Known systems: the oscillator's closed form and energy, Euler's cell as an Elman network."""

import math

import pytest
import torch
from scipy.integrate import solve_ivp

import unrolled as ur
from unrolled.dynamics.discretise import discretise
from unrolled.dynamics.systems import Driven, Henon, Lorenz, Oscillator

F64 = torch.float64
STIFFNESS = [0.3, 0.999_999, 1.0, 1.000_001, 4.0, 30.0]


class TestOscillator:
    @pytest.mark.parametrize("stiffness", STIFFNESS)
    def test_the_closed_form_solves_the_equation(self, stiffness) -> None:
        system = Oscillator(stiffness, drive=0.7, dtype=F64)
        time = torch.linspace(0, 40, 81, dtype=F64, requires_grad=True)
        s, v = system.motion(time, s=1.5, v=-0.4)
        (ds,) = torch.autograd.grad(s.sum(), time, create_graph=True)
        (dds,) = torch.autograd.grad(ds.sum(), time, create_graph=True)
        (dv,) = torch.autograd.grad(v.sum(), time)
        force = 0.7 * torch.cos(time) - stiffness * s
        # Roundings of 1e-16, of numbers up to 30 * 20. torch's derivative of sinc(z) divides by
        # z^2, which next to resonance is 1e-13 and more, and its second is NaN at z = 0.
        near = abs(stiffness - 1) < 1e-3
        torch.testing.assert_close(v, ds, rtol=0, atol=1e-8 if near else 1e-12)
        torch.testing.assert_close(dv, force, rtol=0, atol=1e-8 if near else 1e-11)
        if not near:
            torch.testing.assert_close(dds[1:], force[1:], rtol=0, atol=1e-10)
        assert (s[0].item(), v[0].item()) == (1.5, -0.4)

    @pytest.mark.parametrize("stiffness", STIFFNESS)
    def test_the_closed_form_is_scipys_solution(self, stiffness) -> None:
        system = Oscillator(stiffness, drive=0.7, dtype=F64)
        time = torch.linspace(0, 40, 81, dtype=F64)
        solved = solve_ivp(
            lambda t, y: [y[1], 0.7 * math.cos(t) - stiffness * y[0]],
            (0, 40), [1.5, -0.4], "DOP853", time.numpy(), rtol=1e-12, atol=1e-12,
        )  # fmt: skip
        found = torch.stack(system.motion(time, 1.5, -0.4)).detach()
        # Tolerances of 1e-12 a step, over some hundreds of steps, of numbers up to 15.
        torch.testing.assert_close(found, torch.from_numpy(solved.y), rtol=0, atol=2e-9)

    def test_transient_and_steady_state(self) -> None:
        system, time = Oscillator(4, 3, dtype=F64), torch.linspace(0, 30, 31, dtype=F64)
        period = 2 * math.pi
        # 3 / (4 - 1) cos t, by hand.
        s, v = system.steady_state(time)
        # Roundings of 1e-16, times up to 30.
        torch.testing.assert_close(s, torch.cos(time), rtol=0, atol=1e-14)
        torch.testing.assert_close(v, -torch.sin(time), rtol=0, atol=1e-14)
        # Started on it, there is no transient.
        on_it = system.motion(time, s=1.0)
        torch.testing.assert_close(on_it, (s, v), rtol=0, atol=1e-13)
        # Elsewhere the transient has the period pi of the oscillator's own, and stays.
        rest, later = (
            system.motion(t, 2.0, 1.0)[0] - system.steady_state(t)[0]
            for t in (time, time + 10.5 * period)
        )
        torch.testing.assert_close(rest, later, rtol=0, atol=1e-12)
        assert rest.abs().max() > 1

    def test_resonance_grows_as_time_does(self) -> None:
        system, time = Oscillator(1, 2, dtype=F64), torch.linspace(0, 300, 31, dtype=F64)
        s, v = system.motion(time)
        torch.testing.assert_close(s, time * torch.sin(time), rtol=0, atol=1e-11)
        slope = torch.sin(time) + time * torch.cos(time)
        torch.testing.assert_close(v, slope, rtol=0, atol=1e-11)
        with pytest.raises(ValueError, match="no steady state"):
            system.steady_state(time)

    def test_stiffness_above_zero(self) -> None:
        with pytest.raises(ValueError, match="stiffness must be a number above 0"):
            Oscillator(0)
        system = Oscillator(1.0)
        torch.nn.init.constant_(system.stiffness, -1)
        with pytest.raises(ValueError, match="stiffness is -1; it swings only above 0"):
            system.motion(torch.ones(1))

    @pytest.mark.parametrize("stiffness", [0.3, 1.0, 4.0])
    @pytest.mark.parametrize("method", ["euler", "heun", "rk4"])
    def test_a_step_changes_the_energy_by_a_known_factor(self, method, stiffness) -> None:
        # A step multiplies w s + i v by R(-i w h), R the method's exponential series; energy by
        # |R|^2, with z = w^2 h^2.
        h = 0.5
        z = h**2 * stiffness
        factor = {"euler": 1 + z, "heun": 1 + z**2 / 4, "rk4": 1 - z**3 / 72 + z**4 / 576}
        system = Oscillator(stiffness, drive=0, dtype=F64)
        start = (torch.randn(5, 1, dtype=F64), torch.randn(5, 1, dtype=F64))
        x = torch.zeros(5, 100, 1, dtype=F64)
        run = ur.unroll(discretise(system, h, method), x, start, engine="eager")
        energies = system.energy(run.states["s"], run.states["v"])
        steps = torch.arange(1, 101, dtype=F64)[:, None]
        expected = system.energy(*start)[:, None] * factor[method] ** steps
        # A hundred steps' roundings.
        torch.testing.assert_close(energies, expected, rtol=1e-12, atol=0)

    def test_the_closed_form_keeps_its_energy(self) -> None:
        system = Oscillator(2.5, drive=0, dtype=F64)
        energies = system.energy(*system.motion(torch.linspace(0, 50, 99, dtype=F64), 1, 2))
        torch.testing.assert_close(energies, torch.full_like(energies, 3.25), rtol=1e-13, atol=0)


class TestEulersCell:
    """The lecture's recurrence, which is a linear recurrent cell."""

    h, stiffness, drive = 0.1, 2.5, 0.8

    def unrolled(self, x, start):
        cell = discretise(Oscillator(self.stiffness, self.drive, dtype=F64), self.h)
        return ur.unroll(cell, x, start, engine="eager").states

    def test_it_is_the_recurrence_by_hand(self) -> None:
        time = self.h * torch.arange(200, dtype=F64)
        states = self.unrolled(torch.cos(time)[None, :, None], None)
        s = v = 0.0
        for k in range(200):
            force = self.drive * math.cos(self.h * k) - self.stiffness * s
            s, v = s + self.h * v, v + self.h * force
            # Roundings of 1e-16, grown by 1.0125 a step: twelvefold in all.
            assert states["s"][0, k].item() == pytest.approx(s, abs=1e-13)
            assert states["v"][0, k].item() == pytest.approx(v, abs=1e-13)

    def test_it_is_an_elman_network(self) -> None:
        h = self.h
        elman = ur.cells.Elman(1, 2, bias=False, nonlinearity="identity", dtype=F64)
        W, U = [[1, h], [-h * self.stiffness, 1]], [[0], [h * self.drive]]
        elman.weight_hh.data = torch.tensor(W, dtype=F64)
        elman.weight_ih.data = torch.tensor(U, dtype=F64)
        x, start = torch.randn(3, 100, 1, dtype=F64), torch.randn(3, 2, dtype=F64)
        states = self.unrolled(x, start.split(1, dim=1))
        expected = ur.unroll(elman, x, start, engine="eager").outputs
        found = torch.cat([states["s"], states["v"]], dim=2)
        # A hundred steps' roundings, of numbers up to 10.
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)

    def test_its_jacobian_is_w(self) -> None:
        cell = discretise(Oscillator(self.stiffness, self.drive, dtype=F64), self.h)
        state = torch.randn(2, dtype=F64)
        x = torch.ones(1, 1, dtype=F64)
        found = torch.func.jacrev(
            lambda s: torch.cat(cell.step(x, *s[None].split(1, dim=1)), dim=1)[0]
        )(state)
        W = torch.tensor([[1, self.h], [-self.h * self.stiffness, 1]], dtype=F64)
        torch.testing.assert_close(found, W, rtol=1e-15, atol=0)


@pytest.mark.parametrize("stiffness", [1.0, 4.0])
def test_driven_by_cosine_it_follows_the_closed_form(stiffness) -> None:
    system = Oscillator(stiffness, 0.7, dtype=F64)
    cell = discretise(Driven(system), 0.01, "rk4")
    start = [torch.tensor([[n]], dtype=F64) for n in (1.5, -0.4, 0.0)]
    run = ur.unroll(cell, state=start, steps=1000, engine="eager")
    time = 0.01 * torch.arange(1, 1001, dtype=F64)
    expected = system.motion(time, 1.5, -0.4)
    # (w h)^4 / 120 = 1e-9 of a radian per unit of time, over 10; amplitudes up to 4.
    for name, component in zip("sv", expected, strict=True):
        found = run.states[name][0, :, 0]
        torch.testing.assert_close(found, component, rtol=0, atol=1e-7)


def test_driven_by_another_signal() -> None:
    # s'' = t from rest: s = t^3 / 6, which rk4 gives exactly. Roundings of 10 steps.
    cell = discretise(Driven(Oscillator(1e-300, 1.0, dtype=F64), lambda t: t), 0.2, "rk4")
    start = [torch.zeros(1, 1, dtype=F64)] * 3
    s, v, t = ur.unroll(cell, state=start, steps=10, engine="eager").final
    assert (s.item(), v.item(), t.item()) == pytest.approx((8 / 6, 2, 2), abs=1e-14)


def test_lorenz_is_scipys_solution() -> None:
    solved = solve_ivp(
        lambda t, u: [10 * (u[1] - u[0]), u[0] * (28 - u[2]) - u[1], u[0] * u[1] - 8 / 3 * u[2]],
        (0, 2), [1.0, 2.0, 3.0], "DOP853", [2.0], rtol=1e-12, atol=1e-12,
    )  # fmt: skip
    start = [torch.tensor([[n]], dtype=F64) for n in (1.0, 2.0, 3.0)]
    cell = discretise(Lorenz(dtype=F64), 0.001, "rk4")
    final = ur.unroll(cell, state=start, steps=2000, engine="native").final
    # Fifth derivatives of 1e5 to 1e7 times 1e-12, grown by some ten.
    assert [n.item() for n in final] == pytest.approx(solved.y[:, 0].tolist(), abs=1e-5)


def test_lorenz_stands_still_at_its_fixed_points() -> None:
    system = Lorenz(dtype=F64)
    # x = y = sqrt(beta (rho - 1)), z = rho - 1.
    x = torch.tensor([[math.sqrt(72)], [-math.sqrt(72)], [0.0]], dtype=F64)
    z = torch.tensor([[27.0], [27.0], [0.0]], dtype=F64)
    for slope in system((x, x, z)):
        torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=1e-13)


class TestHenon:
    def test_the_first_steps_by_hand(self) -> None:
        states = ur.unroll(Henon(dtype=F64), steps=3, engine="eager").states
        # (0, 0), (1, 0), (1 - 1.4, 0.3), (1 - 1.4 * 0.16 + 0.3, 0.3 * -0.4)
        assert states["x"][0, :, 0].tolist() == pytest.approx([1, -0.4, 1.076], abs=1e-15)
        assert states["y"][0, :, 0].tolist() == pytest.approx([0, 0.3, -0.12], abs=1e-15)

    def test_its_fixed_point_and_area(self) -> None:
        cell = Henon(dtype=F64)
        # 1.4 x^2 + 0.7 x - 1 = 0.
        x = (-0.7 + math.sqrt(0.49 + 5.6)) / 2.8
        point = torch.tensor([x, 0.3 * x], dtype=F64)

        def step(p):
            return torch.cat(cell.step(p.new_empty(1, 0), p[None, :1], p[None, 1:]), dim=1)[0]

        torch.testing.assert_close(step(point), point, rtol=0, atol=1e-15)
        area = torch.linalg.det(torch.func.jacrev(step)(torch.randn(2, dtype=F64)))
        assert area.item() == pytest.approx(-0.3, abs=1e-15)

    def test_native_runs_it(self) -> None:
        x = torch.empty(4, 20, 0, dtype=F64)
        start = [0.1 * torch.randn(4, 1, dtype=F64) for _ in range(2)]
        run, definition = (
            ur.unroll(Henon(dtype=F64), x, start, engine=e) for e in ("native", "eager")
        )
        # Roundings of 1e-16 grow as exp(0.42 * 20) = 4000 in chaos.
        torch.testing.assert_close(run.outputs, definition.outputs, rtol=0, atol=1e-11)
