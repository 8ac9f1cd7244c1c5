"""Losses and figures against closed forms and the enumeration of paths."""

import itertools
import math

import pytest
import torch

from unrolled.nn import Recurrent
from unrolled.tasks.speech.encoded import UNKNOWN, Encoded
from unrolled.tasks.speech.network import Classifier, Reader, Transcriber
from unrolled.tasks.speech.objective import (
    class_loss,
    ctc,
    figures_of_classes,
    figures_of_sequences,
    log_probability,
    log_probs_of,
    sequence_loss,
)


def reader(stack=1):
    return Reader(Recurrent("gru", 3 * stack, 4, bidirectional=True, engine="eager"), stack)


def features(*lengths):
    return tuple(torch.randn(frames, 3) for frames in lengths)


CLASSES = Encoded(features(4, 2, 7, 3), ((0,), (2,), (1,), (2,)), False)
SEQUENCES = Encoded(features(4, 5, 3), ((1, 2), (2, 2), ()), True)


def paths(log_probs, labels):
    """p(labels), the sum over all paths."""
    total = 0.0
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        if tuple(k for k, _ in itertools.groupby(path) if k) == labels:
            total += math.prod(math.exp(log_probs[t, k]) for t, k in enumerate(path))
    return total


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_classes(smoothing):
    network = Classifier(reader(), 3).eval()
    found = class_loss(network, CLASSES.batch(range(4)), smoothing)
    expected = 0.0
    for x, (target,) in zip(CLASSES.features, CLASSES.targets, strict=True):
        log_p = network(x[None], torch.tensor([len(x)]))[0].log_softmax(0)
        expected -= (1 - smoothing) * log_p[target] + smoothing * log_p.mean()
    # float32 sums in another order.
    torch.testing.assert_close(found.total, expected, rtol=1e-5, atol=0)
    assert int(found.count) == 4


@pytest.mark.parametrize("stack", [1, 2])
def test_the_loss_of_sequences_is_that_of_all_paths(stack):
    network = Transcriber(reader(stack), 3).eval()
    part = SEQUENCES if stack == 1 else SEQUENCES.where([True, False, True])
    found = sequence_loss(network, part.batch(range(len(part))))
    expected = 0.0
    for x, target in zip(part.features, part.targets, strict=True):
        log_probs = network(x[None], torch.tensor([len(x)]))[0][0]
        expected -= math.log(paths(log_probs.detach(), target))
    assert found.total.item() == pytest.approx(expected, rel=1e-5)  # float32
    assert int(found.count) == sum(map(len, part.targets))


def test_the_gradient_of_the_loss_of_sequences():
    log_probs = torch.randn(3, 3, dtype=torch.float64).requires_grad_()

    def loss(outputs):
        lengths = torch.tensor([3]), torch.tensor([[1, 2]]), torch.tensor([2])
        return ctc(outputs.log_softmax(-1)[None], *lengths).sum()

    # float64; torch's CTC has a gradient of its own, which is checked by differences.
    assert torch.autograd.gradcheck(loss, log_probs)


def test_outputs_are_as_long_as_the_recordings():
    network = Transcriber(reader(), 3).eval()
    found = log_probs_of(network, SEQUENCES.batch([2, 0]))
    assert [len(each) for each in found] == [3, 4]
    for place, log_probs in zip((2, 0), found, strict=True):
        x = SEQUENCES.features[place]
        alone = network(x[None], torch.tensor([len(x)]))[0][0]
        torch.testing.assert_close(log_probs, alone, rtol=0, atol=1e-5)  # float32
    scores = log_probs_of(Classifier(reader(), 3).eval(), CLASSES.batch([0, 1]))
    assert [each.shape for each in scores] == [(3,), (3,)]
    assert abs(scores[0].logsumexp(0).item()) < 1e-6


SAID = torch.tensor([[4.0, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 1]]).div(6).log()
SAID[3] = math.log(1 / 3)


def test_figures_of_classes():
    # Right with p = 4/6, wrong with 1/6, right with 4/6, undecided (the first wins) with 1/3.
    found = figures_of_classes(list(SAID), CLASSES.targets)
    expected = -(2 * math.log(4 / 6) + math.log(1 / 6) + math.log(1 / 3)) / 4
    assert found == {"loss": pytest.approx(expected, rel=1e-6), "accuracy": 0.5}
    # What is of no learned class is wrong, and has no part in the loss.
    found = figures_of_classes(list(SAID), ((0,), (UNKNOWN,), (1,), (UNKNOWN,)))
    assert found == {"loss": pytest.approx(-math.log(4 / 6), rel=1e-6), "accuracy": 0.5}


@torch.no_grad()
def test_the_loss_of_a_validation_is_that_of_training():
    network = Classifier(reader(), 3).eval()
    batch = CLASSES.batch(range(4))
    found = figures_of_classes(log_probs_of(network, batch), CLASSES.targets, 0.1)
    # float32 sums in another order.
    assert found["loss"] == pytest.approx(class_loss(network, batch, 0.1).mean.item(), rel=1e-5)


def test_figures_of_sequences():
    each = torch.tensor([0.0, 0.0, 1.0]).log_softmax(0)
    log_probs = [each.expand(frames, 3) for frames in (4, 5, 3)]
    found = figures_of_sequences(log_probs, SEQUENCES.targets)
    # The best path says 2 at every step, so "2": one error each in (1, 2), (2, 2), and ().
    assert found["error rate"] == 3 / 4
    rows = zip(log_probs, SEQUENCES.targets, strict=True)
    expected = -sum(math.log(paths(rates, target)) for rates, target in rows)
    assert found["loss"] == pytest.approx(expected / 4, rel=1e-6)


def test_a_label_that_was_not_learned_is_an_error_without_a_loss():
    each = torch.tensor([0.0, 0.0, 1.0]).log_softmax(0).expand(4, 3)
    # The best path says "2".
    known, strange = (figures_of_sequences([each], [labels]) for labels in ((2,), (2, UNKNOWN)))
    assert (known["error rate"], strange["error rate"]) == (0, 0.5)
    assert known["loss"] == strange["loss"]


def test_the_probability_of_a_sequence():
    log_probs = torch.randn(5, 3).log_softmax(1)
    for labels in ((), (1,), (2, 2), (1, 2, 1)):
        assert math.exp(log_probability(log_probs, labels)) == pytest.approx(
            paths(log_probs, labels), rel=1e-5
        )
    assert log_probability(log_probs[:1], (1, 2)) == -math.inf
