"""The networks: stacked frames, and that padding and company change nothing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.nn import Recurrent
from unrolled.tasks.speech.network import Classifier, Reader, Transcriber, stack_frames

BANDS = 5


def reader(stack=1, cell="gru", bidirectional=True):
    made = Recurrent(cell, stack * BANDS, 6, bidirectional=bidirectional, engine="eager")
    return Reader(made, stack)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 4))
def test_stacked_frames_are_those_in_order(frames, stack):
    features = torch.arange(2.0 * frames * 3).reshape(2, frames, 3) + 1
    stacked = stack_frames(features, stack)
    steps = -(-frames // stack)
    assert stacked.shape == (2, steps, 3 * stack)
    for t in range(steps):
        for j in range(stack):
            there = stack * t + j < frames
            expected = features[:, stack * t + j] if there else torch.zeros(2, 3)
            assert torch.equal(stacked[:, t, 3 * j : 3 * (j + 1)], expected)


@pytest.mark.parametrize("stack", [1, 2, 3])
@pytest.mark.parametrize("cell", ["lstm", "gru", "elman"])
def test_a_recording_is_heard_alike_alone_and_in_a_batch(cell, stack):
    lengths = [7, 1, 4, 9]
    alone = [torch.randn(1, frames, BANDS) for frames in lengths]
    batch = torch.zeros(4, 9, BANDS)
    for row, each in zip(batch, alone, strict=True):
        row[: each.shape[1]] = each[0]
    read = reader(stack, cell)
    classifier, transcriber = Classifier(read, 3).eval(), Transcriber(read, 4).eval()
    together = classifier(batch, torch.tensor(lengths))
    log_probs, steps = transcriber(batch, torch.tensor(lengths))
    assert log_probs.logsumexp(-1).abs().max() < 1e-5  # float32
    for k, each in enumerate(alone):
        count = torch.tensor([lengths[k]])
        # Products of another shape are summed in another order.
        torch.testing.assert_close(classifier(each, count)[0], together[k], rtol=0, atol=1e-5)
        single, one = transcriber(each, count)
        assert int(one) == int(steps[k]) == -(-lengths[k] // stack)
        torch.testing.assert_close(single[0], log_probs[k, : int(one)], rtol=0, atol=1e-5)


def test_both_directions_are_heard():
    read = reader()
    features = torch.randn(1, 8, BANDS)
    before, _ = read(features, torch.tensor([8]))
    features[0, 7] += 1
    after, _ = read(features, torch.tensor([8]))
    # The last frame reaches the first step through the reverse direction alone.
    assert torch.equal(before[0, 0, :6], after[0, 0, :6])
    assert not torch.equal(before[0, 0, 6:], after[0, 0, 6:])
