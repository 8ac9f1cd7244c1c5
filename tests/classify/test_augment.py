"""Changed copies of sequences: what each change keeps, and how large it is."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.tasks.classify.augment import Augment, tilted, warped


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def padded(lengths, features: int = 2) -> torch.Tensor:
    values = torch.randn(len(lengths), max(lengths), features)
    for row, length in enumerate(lengths):
        values[row, length:] = 0
    return values


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 99))
def test_padding_stays_zero_and_numbers_finite(lengths, seed) -> None:
    change = Augment(noise=0.1, scale=0.2, warp=0.3, tilt=0.4)
    values = padded(lengths)
    changed = change(values, torch.tensor(lengths), (0, 1), drawn(seed))
    assert changed.shape == values.shape
    assert changed.isfinite().all()
    for row, length in enumerate(lengths):
        assert not changed[row, length:].any()


def test_nothing_is_changed_by_zero() -> None:
    values, lengths = padded([3, 5]), torch.tensor([3, 5])
    assert torch.equal(Augment()(values, lengths, (0, 1), drawn()), values)
    # A tilt needs a plane.
    assert torch.equal(Augment(tilt=1.0)(values, lengths, None, drawn()), values)


def test_a_seed_repeats() -> None:
    values, lengths = padded([3, 5]), torch.tensor([3, 5])
    change = Augment(noise=0.1, scale=0.2, warp=0.3, tilt=0.4)
    first, again, other = (change(values, lengths, (0, 1), drawn(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@settings(deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(0, 99))
def test_warped_time_runs_forwards_from_the_start_to_the_end(lengths, seed) -> None:
    # The values are their places in time.
    values = torch.zeros(len(lengths), max(lengths), 1)
    for row, length in enumerate(lengths):
        values[row, :length, 0] = torch.arange(length)
    places = warped(values, torch.tensor(lengths), 0.5, drawn(seed))[..., 0]
    for row, length in enumerate(lengths):
        own = places[row, :length]
        assert own[0] == 0
        # A sum of a dozen float32 numbers.
        assert own[-1] == pytest.approx(length - 1, abs=1e-4)
        assert (own.diff() > 0).all()


def test_a_warp_moves_the_middle_as_far_as_it_says() -> None:
    steps = 41
    values = torch.arange(steps, dtype=torch.float32)[None, :, None].expand(4000, -1, -1)
    moved = warped(values, torch.full((4000,), steps), 0.02, drawn())[:, steps // 2, 0]
    # Of 4,000 draws a deviation is known to about one part in ninety.
    assert float((moved - steps // 2).std()) == pytest.approx(0.02 * (steps - 1), rel=0.05)


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 99))
def test_a_tilt_keeps_the_box_and_other_features(lengths, seed) -> None:
    values = padded(lengths, 3)
    changed = tilted(values, torch.tensor(lengths), 0.3, (2, 0), drawn(seed))
    assert torch.equal(changed[..., 1], values[..., 1])
    for row, length in enumerate(lengths):
        before, after = values[row, :length], changed[row, :length]
        # A few float32 operations.
        torch.testing.assert_close(after.amin(0), before.amin(0), rtol=1e-4, atol=1e-5)
        if length > 1:
            torch.testing.assert_close(after.amax(0), before.amax(0), rtol=1e-4, atol=1e-5)


def test_a_tilt_turns_a_cross_by_its_angle() -> None:
    # Without shear the two bars of a cross stay at right angles.
    cross = torch.tensor([[-1.0, 0], [1, 0], [0, 0], [0, -1], [0, 1]])[None]
    changed = tilted(cross, torch.tensor([5]), 1e-3, (0, 1), drawn(3))[0]
    generator = drawn(3)
    angle, shear = (1e-3 * torch.randn(2, 1, generator=generator)).tolist()
    # To first order: x' = x + a y, y' = y + (s - a) x, and the box is as it was.
    right = torch.tensor([1, -angle[0] + shear[0]])
    # Second order is a million times smaller.
    torch.testing.assert_close(changed[1], right, rtol=0, atol=1e-5)


def test_scale_is_one_factor_for_each_feature() -> None:
    values, lengths = padded([6, 6]), torch.tensor([6, 6])
    factors = Augment(scale=0.2)(values, lengths, None, drawn()) / values
    # Quotients of float32 products.
    torch.testing.assert_close(factors, factors[:, :1].expand_as(factors), rtol=1e-5, atol=0)
    assert len(factors[:, 0].flatten().unique()) == 4


@pytest.mark.parametrize("name", ["noise", "scale", "warp", "tilt"])
def test_a_change_is_not_negative(name) -> None:
    with pytest.raises(ValueError, match=f"{name} must be 0 or more, got -1"):
        Augment(**{name: -1})
