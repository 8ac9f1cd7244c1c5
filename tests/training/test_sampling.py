"""Samplers against chunks cut by hand, and against what any cut must hold."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from unrolled.training.sampling import ContiguousStreams, RandomSubsequences

SEQUENCES = [torch.arange(4), 10 + torch.arange(3), 20 + torch.arange(5)]


def _numbered(lengths):
    """Sequences whose values are 100 times their number, plus the step."""
    return [100 * number + torch.arange(length) for number, length in enumerate(lengths)]


def _epoch(sampler):
    """The chunks of the epoch that the sampler is at the beginning of, side by side."""
    number, chunks = sampler.epoch, []
    while sampler.epoch == number:
        chunks.append(next(sampler))
    values = torch.cat([chunk.values[0] for chunk in chunks], dim=1)
    return values, torch.cat([chunk.reset for chunk in chunks], dim=1), chunks


def _same(one, other) -> None:
    assert str(one) == str(other)
    assert torch.equal(one.reset, other.reset)
    assert all(torch.equal(a, b) for a, b in zip(one.values, other.values, strict=True))


def test_one_long_sequence_in_order() -> None:
    inputs = torch.arange(11)
    sampler = ContiguousStreams((inputs, inputs[:, None] * 0.5), batch_size=2, steps=3)
    assert (sampler.dropped, sampler.epoch) == (1, 0)
    for epoch in range(2):
        first, second = next(sampler), next(sampler)
        assert first.values[0].tolist() == [[0, 1, 2], [5, 6, 7]]
        assert second.values[0].tolist() == [[3, 4], [8, 9]]
        assert second.values[1].tolist() == [[[1.5], [2.0]], [[4.0], [4.5]]]
        assert first.reset.tolist() == [[True, False, False]] * 2
        assert second.reset.tolist() == [[False, False]] * 2
        assert str(second) == "sequence 0 from step 3, sequence 0 from step 8"
        assert sampler.epoch == epoch + 1


def test_a_collection_in_order() -> None:
    sampler = ContiguousStreams(SEQUENCES, batch_size=2, steps=4)
    first, second = next(sampler), next(sampler)
    assert first.values[0].tolist() == [[0, 1, 2, 3], [12, 20, 21, 22]]
    assert first.reset.tolist() == [[True, False, False, False], [True, True, False, False]]
    assert second.values[0].tolist() == [[10, 11], [23, 24]]
    assert second.reset.tolist() == [[True, False], [False, False]]
    assert str(first) == "sequence 0 from step 0, sequence 1 from step 2"
    assert str(second) == "sequence 1 from step 0, sequence 2 from step 3"


def test_many_rows_are_not_all_named() -> None:
    three = next(ContiguousStreams(torch.arange(9), 3, 2))
    assert str(three).endswith("sequence 0 from step 6")
    four = next(ContiguousStreams(torch.arange(9), 4, 2))
    assert str(four) == "sequence 0 from step 0, sequence 0 from step 2, and 2 more rows"


# Collections with empty sequences among them, from 8 steps up.
LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(lambda ls: sum(ls) >= 8)


@settings(max_examples=60, deadline=None)
@given(lengths=LENGTHS, batch=st.integers(1, 8), steps=st.integers(1, 12), rotate=st.booleans())
def test_an_epoch_holds_every_step_once_and_resets_where_sequences_begin(
    lengths, batch, steps, rotate
) -> None:
    sequences = _numbered(lengths)
    whole = torch.cat(sequences).tolist()
    sampler = ContiguousStreams(sequences, batch, steps, rotate=rotate)
    assert sampler.dropped == len(whole) % batch
    for _ in range(3):
        values, reset, chunks = _epoch(sampler)
        assert all(chunk.reset.shape[1] == steps for chunk in chunks[:-1])
        seen = values.flatten().tolist()
        start = whole.index(seen[0])
        assert rotate or start == 0
        # The rows one after another are all steps in order, without the remainder.
        assert seen == (whole[start:] + whole[:start])[: len(whole) - sampler.dropped]
        # The first step of a sequence is a multiple of 100.
        wanted = values % 100 == 0
        wanted[:, 0] = True
        assert torch.equal(reset, wanted)


def test_rotation_sees_all_steps_and_differs_between_epochs_and_seeds() -> None:
    # One of 7 steps is left out of an epoch; in 100 epochs one that is never in has 7 ** -100.
    sampler = ContiguousStreams(torch.arange(7), 2, 2, rotate=True)
    starts, seen = [], set()
    for _ in range(100):
        values, reset, _ = _epoch(sampler)
        starts.append(values[0, 0].item())
        seen |= set(values.flatten().tolist())
        assert reset[values == 0].all()
    assert seen == set(range(7))
    # Each start is expected 14.3 times; under 1e-3 for one seed in a thousand that is fixed here.
    assert chisquare([starts.count(k) for k in range(7)]).pvalue > 1e-3
    other = ContiguousStreams(torch.arange(7), 2, 2, rotate=True, seed=1)
    assert [_epoch(other)[0][0, 0].item() for _ in range(100)] != starts


@settings(max_examples=40, deadline=None)
@given(lengths=LENGTHS, steps=st.integers(1, 9), seed=st.integers(0, 5))
def test_random_subsequences_lie_within_a_sequence(lengths, steps, seed) -> None:
    if max(lengths) < steps:
        with pytest.raises(ValueError, match=f"no sequence has {steps} steps"):
            RandomSubsequences(_numbered(lengths), 16, steps)
        return
    sampler = RandomSubsequences(_numbered(lengths), 16, steps, seed=seed)
    assert sampler.dropped == sum(length < steps for length in lengths)
    for chunk in (next(sampler), next(sampler)):
        values = chunk.values[0]
        assert torch.equal(values, values[:, :1] + torch.arange(steps))
        assert chunk.reset[:, 0].all()
        assert not chunk.reset[:, 1:].any()
        number, step = divmod(values[0, 0].item(), 100)
        assert str(chunk).startswith(f"sequence {number} from step {step}, ")
        assert str(chunk).endswith(", and 14 more rows")


def test_random_starts_are_uniform() -> None:
    lengths, steps, draws = [5, 2, 9, 3], 3, 400
    sampler = RandomSubsequences(_numbered(lengths), 32, steps)
    starts = torch.cat([next(sampler).values[0][:, 0] for _ in range(draws)])
    possible = [100 * n + k for n, length in enumerate(lengths) for k in range(length - steps + 1)]
    counts = [(starts == start).sum().item() for start in possible]
    assert sum(counts) == 32 * draws
    # 1067 of each are expected: a start with 12 % more or less would be found.
    assert chisquare(counts).pvalue > 1e-3


def test_epochs_of_random_subsequences_count_steps() -> None:
    sampler = RandomSubsequences(torch.arange(20), 2, 4)
    epochs = [sampler.epoch for _ in range(6) if next(sampler)]
    assert epochs == [0, 0, 1, 1, 2, 2]


KINDS = {
    "contiguous": lambda b=4, **part: ContiguousStreams(SEQUENCES, b, 2, **part),
    "rotated": lambda b=4, **part: ContiguousStreams(SEQUENCES, b, 2, rotate=True, seed=3, **part),
    "random": lambda b=4, **part: RandomSubsequences(SEQUENCES, b, 3, seed=3, **part),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(before=st.integers(0, 9), ahead=st.integers(0, 5))
def test_what_is_resumed_goes_on_as_if_undisturbed(kind, before, ahead) -> None:
    undisturbed, resumed = KINDS[kind](), KINDS[kind]()
    for _ in range(before):
        next(undisturbed)
    saved = json.loads(json.dumps(undisturbed.state_dict()))
    for _ in range(ahead):
        next(resumed)
    resumed.load_state_dict(saved)
    assert resumed.epoch == undisturbed.epoch
    for _ in range(7):
        _same(next(resumed), next(undisturbed))
    assert resumed.state_dict() == undisturbed.state_dict()


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_the_parts_are_the_batch(kind, count) -> None:
    whole = KINDS[kind]()
    parts = [KINDS[kind](4 // count, part=(rank, count)) for rank in range(count)]
    for _ in range(6):
        chunk, shares = next(whole), [next(part) for part in parts]
        assert torch.equal(torch.cat([share.values[0] for share in shares]), chunk.values[0])
        assert torch.equal(torch.cat([share.reset for share in shares]), chunk.reset)
        assert all(part.state_dict() == whole.state_dict() for part in parts)


@pytest.mark.parametrize("sampler", [ContiguousStreams, RandomSubsequences])
def test_arrays_stay_aligned_and_keep_their_kind(sampler) -> None:
    collection = [torch.randn(n, 2, 3, dtype=torch.float64) for n in (5, 6)]
    sums = [piece.sum((1, 2)) for piece in collection]
    chunk = next(sampler((collection, sums), 2, 3))
    values, totals = chunk.values
    assert (values.shape, values.dtype) == ((2, 3, 2, 3), torch.float64)
    # The same numbers in the same order.
    assert torch.equal(values.sum((2, 3)), totals)


def test_a_chunk_moves_to_a_device() -> None:
    moved = next(ContiguousStreams(torch.arange(6), 2, 2)).to("meta")
    assert {moved.values[0].device.type, moved.reset.device.type} == {"meta"}
    assert str(moved) == "sequence 0 from step 0, sequence 0 from step 3"


def test_a_sequence_alone_is_not_copied() -> None:
    alone = torch.arange(6)
    sampler = ContiguousStreams(alone, 1, 6)
    alone[2] = 50
    assert next(sampler).values[0].tolist() == [[0, 1, 50, 3, 4, 5]]


@pytest.mark.parametrize("sampler", [ContiguousStreams, RandomSubsequences])
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"arrays": [1.0, 2.0]}, TypeError, "arrays must be a tensor .* a list of float"),
        ({"arrays": (torch.ones(3), "x")}, TypeError, r"arrays\[1\] must be .* got str"),
        ({"arrays": ()}, ValueError, "at least one array"),
        ({"arrays": []}, ValueError, "arrays holds no step"),
        ({"arrays": torch.tensor(1.0)}, ValueError, "no dimensions"),
        ({"arrays": [torch.ones(2, 1), torch.ones(2, 3)]}, ValueError, r"sequence 1 \[2, 3\]"),
        ({"arrays": [torch.ones(2), torch.ones(2).int()]}, ValueError, "of torch.int32"),
        (
            {"arrays": (torch.ones(9), torch.ones(8))},
            ValueError,
            r"9 steps in .*, 8 in",
        ),
        ({"arrays": ([torch.ones(9)], [torch.ones(9)] * 2)}, ValueError, r"1 sequences, .* 2"),
        ({"batch_size": 0}, ValueError, "batch_size must be a whole number from 1 up"),
        ({"steps": 0}, ValueError, "steps must be a whole number from 1 up"),
        ({"seed": -1}, ValueError, "seed must be a whole number from 0 up"),
        ({"part": (2, 2)}, ValueError, "rank from 0 to count - 1"),
        ({"part": 1}, ValueError, "part must be"),
    ],
)
def test_bad_arguments_are_explained(sampler, change, error, words) -> None:
    arguments = {"arrays": torch.arange(12), "batch_size": 2, "steps": 2, **change}
    with pytest.raises(error, match=words):
        sampler(**arguments)


def test_too_little_data_is_explained() -> None:
    with pytest.raises(ValueError, match="hold 3 steps, fewer than the 4 rows"):
        ContiguousStreams(torch.arange(3), 4, 2)
    with pytest.raises(ValueError, match="no sequence has 6 steps, the longest has 5"):
        RandomSubsequences(SEQUENCES, 4, 6)


def test_a_state_of_another_sampler_is_refused() -> None:
    state = KINDS["contiguous"]().state_dict()
    with pytest.raises(ValueError, match="rotate False, this one has True"):
        KINDS["rotated"]().load_state_dict(state)
    with pytest.raises(ValueError, match="sequences 3, this one has 1"):
        ContiguousStreams(torch.arange(12), 4, 2).load_state_dict(state)
    with pytest.raises(ValueError, match="state lacks chunks"):
        KINDS["random"]().load_state_dict(state)
