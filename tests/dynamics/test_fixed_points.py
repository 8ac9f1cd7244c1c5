"""Fixed points: of cells whose are known, of a flip-flop that is trained, and by scipy."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import unrolled as ur
from unrolled.cells import GRU, LSTM, AffineCell, Elman
from unrolled.cells.elapsed import split_elapsed
from unrolled.dynamics.fixed_points import fixed_points
from unrolled.dynamics.steps import StepMap
from unrolled.dynamics.systems import Henon
from unrolled.nn import Network

DOUBLE = {"dtype": torch.float64}


class Map(ur.Cell):
    """z(t) = f(z(t-1)), without input."""

    def __init__(self, size, f):
        super().__init__(0, {"z": size})
        self.f = f

    def step(self, x, z):
        return (self.f(z),)


class Sorting(ur.Cell):
    """An operator that the graph does not know."""

    def __init__(self):
        super().__init__(1, {"h": 3})
        self.recurrent = nn.Linear(3, 3)

    def step(self, x, h):
        return (torch.tanh(torch.sort(self.recurrent(h), -1).values + x),)


class Elapsed(ur.Cell):
    reads_time = True

    def __init__(self):
        super().__init__(2, {"h": 1})

    def step(self, x, h):
        x, time = split_elapsed(x, "input")
        return (h + time * (x - h),)


def one_unit(w):
    cell = Elman(1, 1, bias=False, **DOUBLE)
    with torch.no_grad():
        cell.weight_hh.fill_(w)
    return cell


def counted(found):
    """Every start, where it ended."""
    ended = int(found.reached.sum() + found.slow_reached.sum())
    return ended + found.unfinished + found.diverged


def index(found):
    """The sum over the points of the sign of det(1 - J).

    1 of all fixed points of a map that takes a cube into itself, as tanh and the gates of a GRU
    do (Lefschetz and Hopf): 4 that attract take at least 3 between them.
    """
    return (1 - found.eigenvalues).prod(1).real.sign().sum()


class TestClosedForms:
    def test_linear(self) -> None:
        cell = Elman(3, 6, nonlinearity="identity", **DOUBLE)
        x = torch.randn(3, **DOUBLE)
        W = cell.weight_hh.detach()
        b = (cell.bias_ih + cell.bias_hh + cell.weight_ih @ x).detach()
        found = fixed_points(cell, x)
        expected = torch.linalg.solve(torch.eye(6, **DOUBLE) - W, b)
        # Newton's method on a linear map ends at rounding, times the condition of 1 - W.
        torch.testing.assert_close(found.points, expected[None], rtol=1e-9, atol=1e-9)
        moduli = np.sort(np.abs(np.linalg.eigvals(W.numpy())))[::-1]
        np.testing.assert_allclose(found.eigenvalues[0].abs(), moduli, rtol=1e-9)
        assert found.stability == ("stable",)
        assert found.reached.tolist() == [256]

    def test_tanh_of_twice(self) -> None:
        found = fixed_points(one_unit(2.0))
        a = 0.9
        for _ in range(100):
            a = math.tanh(2 * a)
        assert found.stability == ("stable", "stable", "unstable")
        assert sorted(found.of("stable")[:, 0].tolist()) == pytest.approx([-a, a], abs=1e-12)
        assert found.of("unstable")[0].item() == pytest.approx(0, abs=1e-12)
        slopes = found.eigenvalues[:, 0].real
        assert slopes.tolist() == pytest.approx([2 * (1 - a * a)] * 2 + [2], abs=1e-10)
        assert found.repelling.tolist() == [0, 0, 1]
        assert found.reached.sum() == counted(found) == found.starts == 256
        assert found.speed.max() < 1e-25

    def test_tanh_at_the_fork(self) -> None:
        # r(z) = tanh(z) - z is -z^3 / 3: |r| at rounding is z at its cube root, 1e-5.
        found = fixed_points(one_unit(1.0))
        assert found.stability == ("marginal",)
        assert found.points.item() == pytest.approx(0, abs=5e-5)
        assert found.reached.tolist() == [256]

    def test_henon(self) -> None:
        found = fixed_points(Henon(**DOUBLE), count=100)
        # x = 1 - 1.4 x^2 + 0.3 x
        roots = [(-0.7 + sign * math.sqrt(0.49 + 5.6)) / 2.8 for sign in (1, -1)]
        x = found.states["x"][:, 0]
        assert sorted(x.tolist()) == pytest.approx(sorted(roots), abs=1e-12)
        torch.testing.assert_close(found.states["y"][:, 0], 0.3 * x)
        assert found.stability == ("saddle", "saddle")
        for point, eigenvalues in zip(x.tolist(), found.eigenvalues, strict=True):
            middle = -1.4 * point
            expected = [middle + s * math.sqrt(middle**2 + 0.3) for s in (1, -1)]
            expected.sort(key=abs, reverse=True)
            assert eigenvalues.real.tolist() == pytest.approx(expected, abs=1e-10)

    def test_lstm_without_weights(self) -> None:
        cell = LSTM(2, 3, **DOUBLE)
        with torch.no_grad():
            for parameter in cell.parameters():
                parameter.zero_()
            cell.bias_ih[6:9] = torch.tensor([0.5, -1.0, 2.0])
        found = fixed_points(cell, torch.ones(2))
        # Gates of a half: c = c/2 + tanh(b)/2.
        c = torch.tanh(torch.tensor([0.5, -1.0, 2.0], **DOUBLE))
        torch.testing.assert_close(found.states["c"], c[None])
        torch.testing.assert_close(found.states["h"], torch.tanh(c)[None] / 2)
        expected = [0.5] * 3 + [0.0] * 3
        assert found.eigenvalues[0].abs().tolist() == pytest.approx(expected, abs=1e-9)

    def test_rotation_is_stable_unstable_or_neither(self) -> None:
        def turned(z, scale):
            x, y, cos, sin = z[:, :1], z[:, 1:], scale * math.cos(1), scale * math.sin(1)
            return torch.cat([cos * x - sin * y, sin * x + cos * y], dim=1)

        for scale, kind in ((0.9, "stable"), (1.1, "unstable"), (1.0, "marginal")):
            found = fixed_points(Map(2, lambda z, s=scale: turned(z, s)), count=20)
            assert found.stability == (kind,)
            assert found.points.abs().max() < 1e-12


class TestDegenerate:
    def test_a_line_of_fixed_points(self) -> None:
        cell = Map(2, lambda z: z * torch.tensor([1.0, 0.5]).to(z))
        starts = torch.tensor([[-1.0, 3.0], [0.0, 1.0], [2.0, -1.0]])
        found = fixed_points(cell, starts=starts)
        # Only the second number moves, to 0.
        expected = starts.double() * torch.tensor([1.0, 0.0])
        order = found.points[:, 0].argsort()
        torch.testing.assert_close(found.points[order], expected, rtol=0, atol=1e-9)
        assert found.stability == ("marginal",) * 3
        assert found.reached.tolist() == [1, 1, 1]

    def test_the_ghost_of_two_that_met(self) -> None:
        # z + 0.01 + z^2 lingers at 0, where q = 0.01^2 / 2.
        found = fixed_points(Map(1, lambda z: z + 0.01 + z**2))
        assert len(found.points) == 0
        assert found.slow.item() == pytest.approx(0, abs=1e-4)
        assert found.slow_speed.item() == pytest.approx(0.5e-4, rel=1e-4)
        assert found.slow_reached.tolist() == [256]
        assert "none; 256 starts: 0 at 0 fixed points, 256 at 1 slow point" in repr(found)
        # A little lower there are two: +-0.1, of which -0.1 attracts.
        found = fixed_points(Map(1, lambda z: z - 0.01 + z**2))
        assert found.points[:, 0].tolist() == pytest.approx([-0.1, 0.1], abs=1e-9)
        assert found.stability == ("stable", "unstable")

    def test_no_fixed_point_and_no_place_slower_than_another(self) -> None:
        found = fixed_points(Map(2, lambda z: z + 1), count=40)
        assert len(found.points) == 0
        assert found.slow_speed.tolist() == pytest.approx([1.0] * len(found.slow))
        assert counted(found) == 40
        assert f"and {len(found.slow) - 30} more" in found.table()

    def test_one_that_falls_for_ever_is_unfinished(self) -> None:
        # q = exp(-2 z) / 2 has its root at infinity.
        found = fixed_points(Map(1, lambda z: z + torch.exp(-z / 1000)), count=10)
        assert (len(found.points), len(found.slow), found.unfinished) == (0, 0, 10)
        assert "10 unfinished" in repr(found)

    def test_starts_without_bounds_have_diverged(self) -> None:
        starts = torch.tensor([[1e200, 0.0], [0.6, 0.2], [math.nan, 0.0]], **DOUBLE)
        found = fixed_points(Henon(**DOUBLE), starts=starts)
        assert found.diverged == 2
        assert found.reached.tolist() == [1]
        assert "3 starts: 1 at 1 fixed point, 2 diverged" in found.table()

    def test_a_state_that_the_step_does_not_read(self) -> None:
        found = fixed_points(Map(2, lambda z: torch.full_like(z, 0.3)), count=5)
        assert found.points.tolist() == [pytest.approx([0.3, 0.3], abs=1e-7)]
        assert found.eigenvalues.abs().max() == 0


class TestSearch:
    def test_the_same_as_scipy(self) -> None:
        optimize = pytest.importorskip("scipy.optimize")
        cell = Elman(1, 4, **DOUBLE)
        with torch.no_grad():
            cell.weight_hh.mul_(4)
        found = fixed_points(cell, torch.tensor([0.2]))
        W, b = cell.weight_hh.detach().numpy(), cell.bias_ih + cell.bias_hh
        b = (b + 0.2 * cell.weight_ih[:, 0]).detach().numpy()
        residual = lambda z: np.tanh(W @ z + b) - z  # noqa: E731
        roots = []
        for start in np.random.default_rng(0).normal(size=(200, 4)):
            root = optimize.root(residual, start)
            if root.success and all(np.abs(root.x - known).max() > 1e-4 for known in roots):
                roots.append(root.x)
        assert len(roots) == len(found.points)
        assert index(found) == 1
        for root in roots:
            # scipy stops at 1e-8 or so.
            assert np.abs(found.points.numpy() - root).max(1).min() < 1e-6
        for point, eigenvalues in zip(found.points.numpy(), found.eigenvalues, strict=True):
            J = (1 - np.tanh(W @ point + b) ** 2)[:, None] * W
            expected = np.sort(np.abs(np.linalg.eigvals(J)))[::-1]
            np.testing.assert_allclose(eigenvalues.abs(), expected, rtol=1e-8)

    def test_without_a_graph(self) -> None:
        cell = Sorting()
        assert StepMap(cell).jacobian is None
        found = fixed_points(cell, torch.tensor([0.5]), count=40)
        assert len(found.points) >= 1
        z, x = found.points.float(), torch.full((len(found.points), 1), 0.5)
        # The step of the cell itself, in float32.
        torch.testing.assert_close(cell.step(x, z)[0].detach(), z, rtol=1e-5, atol=1e-6)

    def test_the_cell_is_left_alone(self) -> None:
        cell = GRU(2, 3)
        before = {name: p.clone() for name, p in cell.named_parameters()}
        found = fixed_points(cell, count=10)
        assert found.points.dtype == torch.float64
        assert cell.training
        for name, p in cell.named_parameters():
            assert torch.equal(p, before[name])
            assert p.requires_grad
            assert p.grad is None

    def test_the_seed_repeats_and_no_gradient_mode_does_not_matter(self) -> None:
        cell, found = GRU(2, 3), []
        for _ in range(2):
            torch.manual_seed(1)
            with torch.no_grad():
                found.append(fixed_points(cell, count=20))
        assert torch.equal(found[0].points, found[1].points)

    def test_starts_of_a_trajectory(self) -> None:
        cell = one_unit(2.0)
        run = ur.unroll(
            cell, 0.1 + torch.zeros(4, 5, 1, **DOUBLE), torch.full((4, 1), 0.9, **DOUBLE)
        )
        found = fixed_points(cell, starts=run, count=30)
        # All its states are near the positive point.
        assert found.reached.tolist() == [30]
        assert found.points.item() > 0.9

    def test_a_cell_that_cannot_be_copied(self) -> None:
        cell = Elman(1, 2, bias=False)
        weight = cell.weight_hh
        del cell.weight_hh
        # What autograd computed cannot be copied, so the search is in float32.
        cell.weight_hh = 0.5 * weight
        found = fixed_points(cell, count=10)
        assert found.stability == ("stable",)
        assert found.points.abs().max() < 1e-5

    def test_table_and_repr(self) -> None:
        found = fixed_points(one_unit(2.0))
        assert repr(found).startswith("FixedPoints(2 stable, 1 unstable; 256 starts: 256 at 3 ")
        rows = found.table().splitlines()
        assert rows[0].split() == [
            *("stability", "repelling", "largest", "|eigenvalue|", "q", "starts", "state")
        ]
        kind, repelling, modulus, _, starts, state = rows[3].split()
        assert (kind, repelling, modulus, state) == ("unstable", "1", "2", "0.000")
        assert int(starts) == found.reached[2]
        assert len(rows) == 5


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"inputs": torch.zeros(3)}, r"tensor \[2\], got \[3\]"),
            ({"inputs": torch.zeros(5, 2)}, r"got \[5, 2\]; for several inputs"),
            ({"inputs": [0.0, 0.0]}, "got list"),
            ({"starts": torch.zeros(5, 4)}, r"states \[n, 3\], all components side by side, got"),
            ({"starts": torch.zeros(0, 3)}, r"starts must be states"),
            ({"starts": torch.zeros(5, 3), "count": 5}, "5 are given"),
            ({"count": 0}, "count must be a whole number from 1"),
            ({"tolerance": 0.0}, "tolerance must be a number above 0"),
            ({"distinct": -1.0}, "distinct must be a number above 0"),
        ],
    )
    def test_arguments(self, options, message) -> None:
        with pytest.raises(ValueError, match=message):
            fixed_points(GRU(2, 3), **options)

    def test_others(self) -> None:
        with pytest.raises(TypeError, match="cell must be a Cell that is made, got Linear"):
            fixed_points(nn.Linear(2, 2))
        with pytest.raises(TypeError, match=r"starts must be states .* got str"):
            fixed_points(GRU(2, 3), starts="random")
        with pytest.raises(ValueError, match="trajectory of states of 5 entries, the cell has 3"):
            fixed_points(GRU(2, 3), starts=ur.unroll(GRU(2, 5), torch.zeros(1, 4, 2)))
        with pytest.raises(ValueError, match="reads the time since the previous step"):
            fixed_points(Elapsed())
        found = fixed_points(Elapsed(), torch.tensor([0.7, 0.5]))
        assert found.points.item() == pytest.approx(0.7)
        with pytest.raises(ValueError, match="did you mean 'stable'"):
            found.of("stabel")


def flip_flop(B, T, bits):
    """Pulses of +-1 [B, T, bits], and the sign of the last in each channel so far, 1 at first."""
    x = torch.randint(0, 2, (B, T, bits)) * 2.0 - 1
    x = x * (torch.rand(B, T, bits) < 0.2)
    x[:, 0] = torch.where(x[:, 0] == 0, 1.0, x[:, 0])
    y = x.clone()
    for t in range(1, T):
        y[:, t] = torch.where(x[:, t] == 0, y[:, t - 1], x[:, t])
    return x, y


@pytest.mark.parametrize(("kind", "rate"), [(GRU, 0.02), (Elman, 0.01)])
def test_a_trained_flip_flop_has_a_stable_point_for_each_state(kind, rate) -> None:
    cell: AffineCell = kind(2, 12)
    network = Network(cell, 2, output="identity")
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    for _ in range(400):
        x, y = flip_flop(32, 25, 2)
        loss = nn.functional.mse_loss(network.run(x).o, y)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    assert loss < 0.02
    x, _ = flip_flop(32, 25, 2)
    found = fixed_points(cell, starts=network.run(x).trajectory)
    assert found.diverged == 0
    stable = found.of("stable")
    with torch.no_grad():
        outputs = network.readout(stable.float())
    # One for each of 2^2 states, which is what it gives out there.
    assert sorted(outputs.sign().tolist()) == [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    assert (outputs.abs() - 1).abs().max() < 0.25
    # Mixtures of the states lead to those between them too.
    states = network.run(x).trajectory.outputs.detach().flatten(0, 1)
    mixed = torch.rand(1000, 4, 1) * states[torch.randint(len(states), (1000, 4))]
    found = fixed_points(cell, starts=mixed.mean(1) * 2)
    assert found.stability.count("stable") == 4
    if kind is Elman:
        # The corners of a square, its sides, its middle.
        assert found.repelling.tolist() == [0] * 4 + [1] * 4 + [2]
    assert index(found) == 1
