"""Batches of sequences against batches made by hand, and against what any batches must hold."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from unrolled.tasks.batching import Bucketed, in_order, pad_sequences

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=60)


def _epoch(batches):
    number, found = batches.epoch, []
    while batches.epoch == number:
        found.append(next(batches))
    return found


def test_sorted_in_the_order_of_the_samples() -> None:
    batches = Bucketed([5, 1, 4, 1, 9], batch_size=2, shuffle=False)
    assert len(batches) == 3
    for epoch in range(2):
        found = _epoch(batches)
        assert [batch.indices.tolist() for batch in found] == [[1, 3], [2, 0], [4]]
        assert [batch.lengths.tolist() for batch in found] == [[1, 1], [4, 5], [9]]
        assert batches.epoch == epoch + 1
    assert [str(batch) for batch in found] == [
        "samples 1, 3, of 1 steps",
        "samples 2, 0, of 4 to 5 steps",
        "sample 4, of 9 steps",
    ]
    # 1 + 1 + 4 + 5 + 9 = 20 steps, 2 x 1 + 2 x 5 + 9 = 21 with padding.
    assert batches.padding == pytest.approx(1 / 21, rel=1e-12)


def test_long_batches_name_two_samples() -> None:
    assert str(next(Bucketed([3] * 64, 64, shuffle=False))) == (
        "samples 0, 1, and 62 more, of 3 steps"
    )


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(2, 7), st.integers(1, 3), st.booleans(), st.integers(0, 5))
def test_every_sample_once_an_epoch(lengths, batch_size, count, shuffle, seed) -> None:
    if len(lengths) < count:
        lengths = lengths * count
    parts = [
        Bucketed(lengths, batch_size, seed=seed, part=(rank, count), shuffle=shuffle)
        for rank in range(count)
    ]
    assert len({len(part) for part in parts}) == 1
    for _ in range(3):
        padding = parts[0].padding
        found = [_epoch(part) for part in parts]
        everything = [batch for own in found for batch in own]
        assert sorted(torch.cat([b.indices for b in everything]).tolist()) == list(
            range(len(lengths))
        )
        for batch in everything:
            assert 1 <= len(batch) <= batch_size
            assert batch.lengths.tolist() == [lengths[k] for k in batch.indices.tolist()]
        padded = sum(len(b) * int(b.lengths.max()) for b in everything)
        # One division in float64.
        assert padding == pytest.approx(1 - sum(lengths) / padded, abs=1e-15)


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(1, 7), st.integers(0, 5))
def test_exact_never_pads(lengths, batch_size, seed) -> None:
    batches = Bucketed(lengths, batch_size, seed=seed, exact=True)
    found = _epoch(batches)
    assert all(len(set(batch.lengths.tolist())) == 1 for batch in found)
    assert sorted(torch.cat([b.indices for b in found]).tolist()) == list(range(len(lengths)))
    # As few batches as there can be: each length fills all but its last.
    fewest = sum(-(-lengths.count(length) // batch_size) for length in set(lengths))
    assert len(found) == fewest
    assert batches.padding == 0


def test_padding_is_far_below_that_of_random_batches() -> None:
    lengths = np.random.default_rng(0).integers(1, 101, size=20_000)
    batches = Bucketed(lengths, 32)
    # 1,600 sorted lengths from 1 to 100 in a pool: a batch of 32 spans about two lengths, so
    # pads at most 2 steps of 50 on average. Random batches pad about 1 - 50.5 / 98.
    assert batches.padding < 0.04
    # Yet no two epochs have the same batches.
    one = {tuple(b.indices.tolist()) for b in _epoch(batches)}
    two = {tuple(b.indices.tolist()) for b in _epoch(batches)}
    assert not one & two


def test_lengths_come_in_no_order() -> None:
    batches = _epoch(Bucketed(np.arange(1, 1601), 16))
    longest = np.array([int(batch.lengths[-1]) for batch in batches])
    # Of 100 batches in random order; the correlation has a standard deviation of 0.1.
    assert abs(np.corrcoef(longest, np.arange(100))[0, 1]) < 0.4


@pytest.mark.parametrize("steps", [0, 1, 4, 7, 18])
@pytest.mark.parametrize("exact", [False, True])
def test_resumed_it_goes_on_as_if_never_stopped(steps, exact) -> None:
    lengths = [1 + k % 6 for k in range(30)]
    whole, resumed = (Bucketed(lengths, 4, seed=3, exact=exact) for _ in range(2))
    for _ in range(steps):
        next(whole)
    resumed.load_state_dict(json.loads(json.dumps(whole.state_dict())))
    for _ in range(12):
        assert torch.equal(next(whole).indices, next(resumed).indices)
    assert whole.state_dict() == resumed.state_dict()


def test_seeds_differ_and_repeat() -> None:
    one, same, other = (Bucketed(range(1, 101), 10, seed=s) for s in (0, 0, 1))
    first = next(one).indices
    assert torch.equal(first, next(same).indices)
    assert not torch.equal(first, next(other).indices)


def test_processes_have_batches_of_about_equal_length() -> None:
    parts = [Bucketed(range(1, 401), 4, part=(rank, 2), shuffle=False) for rank in range(2)]
    for _ in range(50):
        one, two = (next(part).lengths for part in parts)
        # 400 samples in their order are one pool: sorted, 8 of one step are neighbours.
        assert max(one.max(), two.max()) - min(one.min(), two.min()) == 7


@settings(max_examples=40, deadline=None)
@given(LENGTHS, st.integers(1, 9))
def test_evaluation_and_back(lengths, batch_size) -> None:
    batches, inverse = in_order(lengths, batch_size)
    results = torch.cat([batch.indices * 10 for batch in batches])
    assert results[inverse].tolist() == [10 * k for k in range(len(lengths))]
    ordered = torch.cat([batch.lengths for batch in batches]).tolist()
    assert ordered == sorted(lengths)
    assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.sampled_from([(), (1,), (3,)]))
def test_padding_is_that_of_packed_sequences(lengths, tail) -> None:
    sequences = [torch.randn(length, *tail) for length in lengths]
    padded, found, valid = pad_sequences(sequences, value=-7)
    packed = pack_sequence(sequences, enforce_sorted=False)
    expected, expected_lengths = pad_packed_sequence(packed, batch_first=True, padding_value=-7)
    assert torch.equal(padded, expected)
    assert found.tolist() == expected_lengths.tolist() == lengths
    assert valid.shape == padded.shape[:2]
    assert valid.sum(1).tolist() == lengths
    assert torch.equal(padded[valid], torch.cat(sequences))
    assert (padded[~valid] == -7).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bucketed([], 2), r"lengths must be the steps"),
        (lambda: Bucketed([1.5], 2), r"whole numbers \[N\], got \[1\] of float64"),
        (lambda: Bucketed([3, 0, 0], 2), r"2 are not, the first of sample 1"),
        (lambda: Bucketed([3], 0), r"batch_size must be a whole number from 1 up, got 0"),
        (lambda: Bucketed([3], 1, part=(2, 2)), r"part must be \(rank, count\)"),
        (lambda: Bucketed([3, 4, 5], 1, part=(0, 2)), r"3 samples, each a batch of its own"),
        (lambda: in_order([2], -1), r"batch_size"),
        (lambda: pad_sequences([]), r"sequences is empty"),
        (lambda: pad_sequences([torch.ones(2), torch.ones(0)]), r"sequences\[1\] must be"),
        (lambda: pad_sequences([torch.ones(2, 3), torch.ones(2, 4)]), r"same features and dtype"),
    ],
)
def test_what_does_not_fit_is_said(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_state_of_other_batches_is_refused() -> None:
    batches = Bucketed([1, 2, 3], 2)
    with pytest.raises(ValueError, match="batch_size 3, this one has 2"):
        batches.load_state_dict(Bucketed([1, 2, 3], 3).state_dict())
    with pytest.raises(ValueError, match="state lacks step"):
        batches.load_state_dict({"epoch": 0})


def test_few_batches_are_others_every_epoch() -> None:
    """Samples of different lengths, of which one sorted pool would make the same batches anew."""
    drawn = Bucketed(range(1, 241), 16)
    epochs = [{tuple(sorted(next(drawn).indices.tolist())) for _ in range(15)} for _ in range(2)]
    assert not epochs[0] & epochs[1]
    assert drawn.padding < 0.25
