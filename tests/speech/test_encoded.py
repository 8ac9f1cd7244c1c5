"""Recordings as batches; which have steps enough; changed copies."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.data.recordings import Recording, Recordings
from unrolled.tasks.speech.augment import Augment
from unrolled.tasks.speech.coding import Coding
from unrolled.tasks.speech.encoded import (
    UNKNOWN,
    Encoded,
    augmented,
    encode,
    misfits,
    steps_needed,
    that_fit,
)
from unrolled.tasks.speech.features import LogMel


def recording(frames, label, number=0):
    # Frames lie 80 samples apart, the first around sample 0.
    samples = np.random.default_rng(number).normal(0, 0.1, 80 * (frames - 1) + 1)
    return Recording(f"{number}.wav", samples.astype(np.float32), 8000, label)


def encoded(rows, target="sequence", labels=("a", "b")):
    data = Recordings(tuple(recording(*row, number=k) for k, row in enumerate(rows)), "label")
    features = LogMel(8000, bands=4).fit(data)
    tokens = "characters" if target == "sequence" else ""
    return encode(Coding(target, labels, tokens, 1, features), data)


def test_a_batch_of_classes():
    found = encoded([(5, "a"), (2, "b"), (9, "c"), (1, None)], "class")
    assert found.lengths.tolist() == [5, 2, 9, 1]
    batch = found.batch([2, 0])
    assert batch["targets"].tolist() == [UNKNOWN, 0]
    assert batch["lengths"].tolist() == [9, 5]
    assert torch.equal(batch["features"][1, :5], found.features[0])
    assert not batch["features"][1, 5:].any()


def test_a_batch_of_sequences():
    found = encoded([(5, "abb"), (2, "xa"), (9, None)])
    batch = found.batch([1, 0, 2])
    assert batch["targets"].tolist() == [[1, 0, 0], [1, 2, 2], [0, 0, 0]]
    assert batch["target_lengths"].tolist() == [1, 3, 0]


def shortest_path(labels):
    """The least number of steps of which any path, by enumeration, spells the labels."""
    for steps in range(8):
        for path in itertools.product(range(3), repeat=steps):
            spelled = [k for k, _ in itertools.groupby(path) if k]
            if spelled == list(labels):
                return steps
    raise AssertionError


@given(st.lists(st.integers(1, 2), max_size=4))
@settings(max_examples=31, deadline=None)
def test_the_fewest_steps_of_a_path(labels):
    assert steps_needed(labels) == shortest_path(labels)


def test_recordings_with_too_few_steps_are_told():
    found = encoded([(3, "aba"), (3, "abb"), (4, "abb"), (2, "")])
    fits = that_fit(found.lengths, found.targets, 1)
    assert fits == [True, False, True, True]
    finding = misfits(fits, 1)
    assert (finding.kind, finding.count) == ("ignored", 1)
    assert finding.text.startswith("left out 1 of 4 recordings with fewer steps than labels, at 10")
    assert found.where(fits).targets == ((1, 2, 1), (1, 2, 2), ())
    # Two frames a step: 2, 2, 2 and 1 steps.
    assert that_fit(found.lengths, found.targets, 2) == [False, False, False, True]
    assert misfits([True], 1) is None


@pytest.mark.parametrize("stack", [1, 2, 3])
def test_a_changed_copy_keeps_a_step_for_every_label(stack):
    # As many frames as are needed, 4 and 3 steps; the third has room.
    rows = [(4 * stack, "aab"), (3 * stack, "aba"), (40, "ab")]
    found = encoded(rows)
    generator = torch.Generator().manual_seed(0)
    shrunk = False
    for _ in range(30):
        batch = augmented(found.batch([0, 1, 2]), Augment(stretch=3.0), stack, generator)
        steps = (batch["lengths"] + stack - 1) // stack
        needed = [steps_needed(found.targets[k]) for k in range(3)]
        assert all(least <= int(count) for least, count in zip(needed, steps, strict=True))
        shrunk |= int(batch["lengths"][2]) < 40
    assert shrunk


def test_copies_repeat_with_the_generator_and_leave_the_batch():
    found = encoded([(20, "a"), (30, "b")], "class")
    batch = found.batch([0, 1])
    before = batch["features"].clone()
    first, again = (
        augmented(batch, Augment(), 1, torch.Generator().manual_seed(5)) for _ in range(2)
    )
    assert torch.equal(first["features"], again["features"])
    assert torch.equal(batch["features"], before)
    assert torch.equal(first["targets"], batch["targets"])


def test_nothing_is_changed_by_changes_of_no_size():
    found = encoded([(20, "a"), (30, "b")], "class")
    batch = found.batch([0, 1])
    same = augmented(batch, Augment().times(0), 1, torch.Generator())
    assert all(torch.equal(same[name], batch[name]) for name in batch)


def test_where_keeps_targets_beside_features():
    found = encoded([(5, "a"), (2, "b")], "class")
    kept = found.where([False, True])
    assert isinstance(kept, Encoded)
    assert (len(kept), kept.targets, kept.lengths.tolist()) == (1, ((1,),), [2])
