"""Changed copies of features: each change alone, how far it goes, and that seeds repeat."""

from dataclasses import fields

import pytest
import torch

from unrolled.tasks.speech.augment import Augment

OFF = {each.name: 0 for each in fields(Augment)}


def seed(number=0):
    return torch.Generator().manual_seed(number)


def only(**changes):
    return Augment(**{**OFF, **changes})


def copies(augment, features, count=400):
    return [augment(features, seed(k)) for k in range(count)]


@pytest.fixture
def features():
    # No value is 0, which is what masks write, and all frames and bands differ.
    return 1 + torch.arange(30 * 8.0).reshape(30, 8)


def test_all_off_changes_nothing(features):
    assert torch.equal(only()(features, seed()), features)


def test_a_seed_repeats_and_the_input_stays(features):
    before = features.clone()
    first, again, other = (Augment()(features, seed(k)) for k in (1, 1, 2))
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)
    assert torch.equal(features, before)


@pytest.mark.parametrize("change", OFF)
def test_each_change_does_something_alone(features, change):
    value = 1 if change in ("band_mask", "roll", "time_mask") else 0.5
    changed = copies(only(**{change: value}), features, 20)
    assert any(c.shape != features.shape or not torch.equal(c, features) for c in changed)


def test_stretch_reaches_its_limits_and_keeps_order(features):
    changed = copies(only(stretch=0.25), features)
    lengths = [len(c) for c in changed]
    assert (min(lengths), max(lengths)) == (24, 37)  # 30 / 1.25, and below 30 * 1.25 = 37.5
    for c in changed:
        places = (c[:, 0] - 1) / 8
        assert places[0] == 0
        assert places[-1] == 29
        # Frames are repeated, or one in between is left out; none is turned round.
        assert set(places.diff().tolist()) <= {0.0, 1.0, 2.0}
    # The logarithm of the factor is uniform: half are shorter; 5 standard errors of a share.
    assert abs(sum(n < 30 for n in lengths) / 400 - 0.5) < 0.125


def test_a_single_frame_stays(features):
    assert Augment()(features[:1], seed()).shape == (1, 8)


@pytest.mark.parametrize(
    ("change", "most", "dim"), [({"band_mask": 5}, 5, 0), ({"time_mask": 1 / 6}, 5, 1)]
)
def test_masks_are_one_block_of_zeros(features, change, most, dim):
    widths = []
    for c in copies(only(**change), features):
        masked = (c == 0).all(dim)
        assert torch.equal((c == 0).any(dim), masked)
        where = masked.nonzero().flatten()
        assert len(where) == 0 or where[-1] - where[0] + 1 == len(where)
        keep = ~masked
        kept = (c[:, keep], features[:, keep]) if dim == 0 else (c[keep], features[keep])
        assert torch.equal(*kept)
        widths.append(len(where))
    assert set(widths) == set(range(most + 1))


def test_masks_reach_both_ends(features):
    changed = copies(only(band_mask=5), features)
    assert any((c[:, 0] == 0).all() for c in changed)
    assert any((c[:, -1] == 0).all() for c in changed)
    # A mask wider than there are bands may cover all of them, and no more.
    assert any((c == 0).all() for c in copies(only(band_mask=100), features, 200))


def test_roll_repeats_the_edge(features):
    up = torch.cat([features[:, :1], features[:, :-1]], 1)
    down = torch.cat([features[:, 1:], features[:, -1:]], 1)
    seen = set()
    for c in copies(only(roll=1), features, 60):
        matches = [torch.equal(c, other) for other in (down, features, up)]
        assert sum(matches) == 1
        seen.add(matches.index(True))
    assert seen == {0, 1, 2}


def test_what_is_added_has_its_size_and_shape():
    zeros = torch.zeros(50, 8)
    for name, constant in (("gain", (0, 1)), ("offset", (0,)), ("noise", ())):
        added = torch.stack(copies(only(**{name: 0.3}), zeros))
        for dim in constant:
            assert (added.std(dim + 1) == 0).all()
        values = added[:, 0, 0]
        # 400 independent draws: 5 standard errors, 0.3 / sqrt(400) and 0.3 / sqrt(800).
        assert abs(values.mean()) < 0.075
        assert abs(values.std() - 0.3) < 0.053


@pytest.mark.parametrize("change", OFF)
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_wrong_amounts(change, value):
    with pytest.raises(ValueError, match=f"{change} must be 0 or more"):
        Augment(**{change: value})


def test_a_share_is_no_count():
    with pytest.raises(ValueError, match="time_mask is a share"):
        Augment(time_mask=5)
