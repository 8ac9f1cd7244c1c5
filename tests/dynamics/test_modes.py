"""Powers of a matrix mode by mode, against products, closed forms and known eigenvalues."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamics.matrices import assert_same_set, normal, orthogonal, rotation, shift
from unrolled.dynamics.modes import modes, power_norms


class TestModes:
    @settings(max_examples=30, deadline=None)
    @given(size=st.integers(1, 9), steps=st.integers(0, 12), seed=st.integers(0, 2**16))
    def test_sum_is_the_power(self, size, steps, seed) -> None:
        torch.manual_seed(seed)
        W, h0 = normal(size, size), normal(size)
        found = modes(W, h0, steps)
        pairs = int((found.eigenvalues.imag > 0).sum())
        assert found.contributions.shape == (steps + 1, size - pairs, size)
        for t in range(steps + 1):
            expected = torch.linalg.matrix_power(W, t) @ h0
            # Coefficients are exact to the condition number times float64's rounding.
            allowed = 1e-13 * found.condition * (1 + found.amplitudes[t].sum())
            assert (found.contributions[t].sum(0) - expected).norm() < allowed
            torch.testing.assert_close(found.states[t], expected)
        assert found.error < 1e-12 * found.condition

    @settings(max_examples=20, deadline=None)
    @given(size=st.integers(1, 9), seed=st.integers(0, 2**16))
    def test_symmetric(self, size, seed) -> None:
        torch.manual_seed(seed)
        half = normal(size, size)
        W, h0 = half + half.T, normal(size)
        found = modes(W, h0, 5)
        Q = found.vectors
        assert found.condition == 1
        torch.testing.assert_close((Q.mH @ Q).real, torch.eye(size, dtype=torch.float64))
        assert (found.eigenvalues.imag == 0).all()
        # At right angles, so that their squares add up.
        squares = found.amplitudes.square().sum(1)
        torch.testing.assert_close(squares, found.states.square().sum(1))
        torch.testing.assert_close(found.contributions.norm(dim=2), found.amplitudes)

    def test_rounding_leaves_a_matrix_symmetric(self) -> None:
        Q = orthogonal(8)
        W = Q @ torch.linspace(-1, 1, 8).double().diag() @ Q.T
        assert not torch.equal(W, W.T)
        assert modes(W, normal(8), 1).condition == 1

    def test_rotation(self) -> None:
        found = modes(rotation(8, 0.5), torch.tensor([1.0, 0.0]), 8)
        assert found.period.tolist() == pytest.approx([8])
        assert found.half_life.tolist() == pytest.approx([1])
        # Of a normal matrix a mode's amplitude is its length.
        halves = [0.5**t for t in range(9)]
        assert found.amplitudes[:, 0].tolist() == pytest.approx(halves)
        assert found.contributions[2, 0].tolist() == pytest.approx([0, 0.25], abs=1e-15)
        assert found.condition == pytest.approx(1)

    def test_amplitude_of_a_skewed_rotation_is_the_mean_of_a_turn(self) -> None:
        skew = torch.tensor([[1.0, 2.0], [0.0, 1.0]], dtype=torch.float64)
        found = modes(skew @ rotation(5) @ skew.inverse(), normal(2), 4)
        over_a_turn = found.contributions[:, 0].square().sum(1).mean().sqrt()
        torch.testing.assert_close(found.amplitudes[:, 0], over_a_turn.expand(5))

    def test_decay_and_period_of_known_eigenvalues(self) -> None:
        basis = torch.eye(4, dtype=torch.float64) + 0.3 * normal(4, 4)
        values = torch.tensor([0.5, -0.25, 1.0, 2.0], dtype=torch.float64)
        found = modes(basis @ values.diag() @ basis.inverse(), normal(4), 3)
        assert found.growth.tolist() == pytest.approx([2, 1, 0.5, 0.25])
        assert found.half_life.tolist() == pytest.approx([math.inf, math.inf, 1, 0.5])
        assert found.period.tolist() == pytest.approx([math.inf, math.inf, math.inf, 2])

    def test_companion(self) -> None:
        # h(t) = Fibonacci numbers, by the golden ratio.
        W = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
        found = modes(W, torch.tensor([1.0, 0.0]), 30)
        golden = (1 + math.sqrt(5)) / 2
        assert found.eigenvalues.real.tolist() == pytest.approx([golden, -1 / golden])
        assert found.contributions[30].sum(0).tolist() == pytest.approx([1346269, 832040])
        # A companion matrix of three roots: its eigenvalues are those.
        roots = torch.tensor([0.9, 0.5, -0.7], dtype=torch.float64)
        sums = roots.sum(), -(roots[0] * roots[1] + roots[2] * (roots[0] + roots[1])), roots.prod()
        companion = shift(3)
        companion[0] = torch.stack(sums)
        assert_same_set(modes(companion, normal(3), 1).eigenvalues, roots + 0j, 1e-12)

    @pytest.mark.parametrize("turned", [False, True])
    @pytest.mark.parametrize("kind", ["shift", "jordan", "rotations"])
    def test_defective(self, kind, turned) -> None:
        W = shift(4)
        if kind == "jordan":
            W = torch.diag(torch.tensor([0.9, 0.9, 0.5], dtype=torch.float64))
            W[0, 1] = 1
        if kind == "rotations":
            W = torch.block_diag(rotation(5), rotation(5))
            W[:2, 2:] = torch.eye(2)
        Q = orthogonal(len(W)) if turned else torch.eye(len(W), dtype=torch.float64)
        with pytest.raises(ValueError, match="W is defective or nearly so"):
            modes(Q @ W @ Q.T, torch.ones(len(W)), 3)

    @pytest.mark.parametrize("W", [torch.zeros(3, 3), torch.eye(3)], ids=["zero", "identity"])
    def test_equal_eigenvalues_with_all_eigenvectors(self, W) -> None:
        found = modes(W, torch.ones(3), 2)
        torch.testing.assert_close(found.contributions.sum(1), found.states)
        assert found.error == 0

    @pytest.mark.parametrize(
        ("W", "h0", "steps", "words"),
        [
            (torch.ones(2, 3), torch.ones(2), 3, "W must be a real square matrix"),
            (torch.ones(2, 2) * 1j, torch.ones(2), 3, "W must be a real square matrix"),
            (torch.ones(2, 2), torch.ones(3), 3, r"h0 must be real numbers \[2\]"),
            (torch.full((2, 2), torch.nan), torch.ones(2), 3, "W must be finite"),
            (torch.ones(2, 2), torch.ones(2), -1, "steps must be a whole number"),
        ],
    )
    def test_refusals(self, W, h0, steps, words) -> None:
        with pytest.raises(ValueError, match=words):
            modes(W, h0, steps)


class TestPowerNorms:
    def test_nilpotent(self) -> None:
        assert power_norms(3 * shift(4), 5).tolist() == pytest.approx([1, 3, 9, 27, 0, 0])

    def test_a_jordan_block(self) -> None:
        # [[a, 1], [0, a]]^t = [[a^t, t a^(t-1)], [0, a^t]], of which the norm is known.
        a = 0.9
        found = power_norms(torch.tensor([[0.9, 1.0], [0.0, 0.9]], dtype=torch.float64), 40)
        for t in range(1, 41):
            size, off = a**t, t * a ** (t - 1)
            expected = (off + math.sqrt(off**2 + 4 * size**2)) / 2
            assert found[t] == pytest.approx(expected)
        assert found.max() > 3.9

    def test_between_the_radius_and_the_condition_number(self) -> None:
        W = normal(6, 6)
        found = modes(W, normal(6), 10)
        powers = found.growth[0] ** torch.arange(11)
        slack = 1 + 1e-12  # rounding
        assert (powers <= found.power_norms * slack).all()
        assert (found.power_norms <= found.condition * powers * slack).all()

    def test_overflow(self) -> None:
        found = power_norms(1e200 * torch.ones(2, 2, dtype=torch.float64), 3)
        assert found.isfinite().tolist() == [True, True, False, False]
