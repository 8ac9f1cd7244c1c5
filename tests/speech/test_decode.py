"""CTC decoding against the enumeration of all paths, and against torch's CTC loss."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import ctc_loss

from unrolled.tasks.speech.decode import beam_search, greedy


def spelled(path, blank):
    merged = [k for k, _ in itertools.groupby(path)]
    return tuple(k for k in merged if k != blank)


def enumerated(log_probs, blank):
    """p(labels) of every sequence that any of the C^T paths spells."""
    probabilities = log_probs.double().exp().tolist()
    found = {}
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        probability = math.prod(frame[k] for frame, k in zip(probabilities, path, strict=True))
        labels = spelled(path, blank)
        found[labels] = found.get(labels, 0) + probability
    return found


def random_log_probs(frames, classes, number, sharpness=2.0):
    generator = torch.Generator().manual_seed(number)
    logits = torch.randn(frames, classes, generator=generator, dtype=torch.float64)
    return (sharpness * logits).log_softmax(1)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(2, 4), st.integers(0, 10**6), st.data())
def test_a_wide_beam_is_exact(frames, classes, number, data):
    blank = data.draw(st.integers(0, classes - 1))
    log_probs = random_log_probs(frames, classes, number)
    expected = enumerated(log_probs, blank)
    (found,) = beam_search(log_probs, width=10**6, blank=blank)
    assert {h.labels for h in found} == set(expected)
    for labels, log_prob in found:
        # Sums of at most 4^5 products in float64.
        assert math.exp(log_prob) == pytest.approx(expected[labels], rel=1e-10)
    assert [h.log_prob for h in found] == sorted((h.log_prob for h in found), reverse=True)
    assert sum(math.exp(h.log_prob) for h in found) == pytest.approx(1, rel=1e-10)


@pytest.mark.parametrize("blank", [0, 2])
def test_probabilities_are_those_of_the_ctc_loss(blank):
    log_probs = random_log_probs(6, 3, 5)
    (found,) = beam_search(log_probs, width=10**6, blank=blank)
    assert () in {h.labels for h in found}
    for labels, log_prob in found:
        target = torch.tensor([labels], dtype=torch.long)
        lengths = torch.tensor([6]), torch.tensor([len(labels)])
        loss = ctc_loss(log_probs[:, None], target, *lengths, blank=blank, reduction="sum")
        # float64 in both.
        assert -loss.item() == pytest.approx(log_prob, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(2, 4), st.integers(0, 10**6), st.integers(0, 1))
def test_greedy_spells_the_best_path(frames, classes, number, blank):
    log_probs = random_log_probs(frames, classes, number)
    paths = itertools.product(range(classes), repeat=frames)
    best = max(paths, key=lambda path: sum(log_probs[t, k].item() for t, k in enumerate(path)))
    assert greedy(log_probs, blank=blank) == [spelled(best, blank)]


def test_the_sum_of_paths_can_beat_the_best_path():
    # Two frames, p(blank) = 0.6: the best path spells nothing, 0.36, but a, a- and -a spell "a",
    # 0.16 + 2 * 0.24 = 0.64 (Graves et al. 2006, section 3.2).
    log_probs = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    assert greedy(log_probs) == [()]
    ((first, second),) = beam_search(log_probs)
    assert (first.labels, second.labels) == ((1,), ())
    assert math.exp(first.log_prob) == pytest.approx(0.64, rel=1e-6)  # float32 logarithms
    assert math.exp(second.log_prob) == pytest.approx(0.36, rel=1e-6)


def test_a_repeated_label_needs_a_blank_between():
    steps = torch.tensor([1, 1, 0, 1, 2, 2, 0])
    log_probs = (30.0 * torch.nn.functional.one_hot(steps, 3)).log_softmax(1)
    assert greedy(log_probs) == [(1, 1, 2)]
    assert beam_search(log_probs, width=1)[0][0].labels == (1, 1, 2)


def test_classes_that_cannot_be():
    log_probs = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).log()
    assert greedy(log_probs) == [(1, 2)]
    ((only,),) = beam_search(log_probs)
    assert only == ((1, 2), 0.0)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_narrow_beam_keeps_no_more(width):
    (found,) = beam_search(random_log_probs(8, 4, 1), width=width)
    assert len(found) == width
    (exact,) = beam_search(random_log_probs(8, 4, 1), width=10**6)
    probabilities = dict(exact)
    # Paths through beginnings that were dropped are missing from the sum.
    assert all(h.log_prob <= probabilities[h.labels] + 1e-9 for h in found)


def test_what_lies_after_the_length_does_not_count():
    batch = torch.stack([random_log_probs(7, 4, k) for k in range(3)])
    lengths = torch.tensor([7, 3, 0])
    batch[1, 3:], batch[2] = float("nan"), float("nan")
    alone = [batch[0], batch[1, :3], batch[2, :0]]
    assert greedy(batch, lengths) == [greedy(sample)[0] for sample in alone]
    assert beam_search(batch, lengths) == [beam_search(sample)[0] for sample in alone]
    assert greedy(batch, lengths)[2] == ()
    assert beam_search(batch, lengths)[2] == [((), 0.0)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"log_probs": torch.randn(2, 5, 3)}, r"log_softmax\(-1\)"),
        ({"log_probs": torch.full((5, 3), float("nan"))}, "log-probabilities"),
        ({"log_probs": torch.zeros(3)}, r"\[B, T, C\] or \[T, C\], got \(3,\)"),
        ({"blank": 3}, "blank must be a class, 0 .. 2, got 3"),
        ({"blank": -1}, "blank must be a class"),
        ({"lengths": torch.tensor([5])}, "lengths must be 2 numbers of frames, 0 .. 4"),
        ({"lengths": torch.tensor([4, 5])}, r"0 .. 4, got \[4, 5\]"),
        ({"lengths": torch.tensor([-1, 4])}, "lengths must be"),
    ],
)
@pytest.mark.parametrize("decode", [greedy, beam_search])
def test_wrong_arguments(decode, arguments, words):
    given = {"log_probs": torch.randn(2, 4, 3).log_softmax(-1), **arguments}
    with pytest.raises(ValueError, match=words):
        decode(**given)


def test_a_beam_without_width():
    with pytest.raises(ValueError, match="width must be 1 or more, got 0"):
        beam_search(random_log_probs(2, 2, 0), width=0)
