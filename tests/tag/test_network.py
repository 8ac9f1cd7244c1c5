"""The tagging network against itself word by word, torch's losses and pytorch-crf."""

from collections.abc import Sequence
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torchcrf import CRF as TheirCRF

from unrolled.nn import CRF, Recurrent
from unrolled.tasks.tag.network import TaggingNetwork, read_size
from unrolled.tasks.tag.spans import allowed, spans

# Sums of a few dozen float64 numbers in another order.
EXACT = {"rtol": 1e-10, "atol": 1e-12}
LETTERS, WORDS, TAGS = 6, 7, 4


def _network(cell: str = "lstm", crf: CRF | None = None, dropout: float = 0.0) -> TaggingNetwork:
    speller = Recurrent(cell, 3, 2, bidirectional=True, engine="eager")
    recurrent = Recurrent(cell, read_size(5, speller), 4, bidirectional=True, engine="eager")
    drops = torch.linspace(0.5, 0.0, WORDS)
    made = TaggingNetwork(LETTERS, speller, recurrent, TAGS, drops=drops, crf=crf, dropout=dropout)
    return made.double().eval()


def _batch(lengths: Sequence[int], seed: int = 0) -> dict[str, Tensor]:
    """Sentences of random words; a word of 0 letters lies beyond each one's end."""
    draw = partial(torch.randint, generator=torch.Generator().manual_seed(seed))
    time, spelt = max(lengths), 5
    beyond = torch.arange(time) >= torch.tensor(lengths)[:, None]
    letters = draw(1, LETTERS + 2, (len(lengths), time, spelt))
    ends = torch.arange(spelt) >= draw(1, spelt + 1, (len(lengths), time, 1))
    return {
        "words": draw(0, WORDS + 1, (len(lengths), time)).masked_fill(beyond, 0),
        "lengths": torch.tensor(lengths),
        "casing": draw(0, 2, (len(lengths), time, 5)).float().masked_fill(beyond[:, :, None], 0),
        "letters": letters.masked_fill(ends | beyond[:, :, None], 0),
        "tags": draw(0, TAGS, (len(lengths), time)).masked_fill(beyond, -1),
    }


def _alone(network: TaggingNetwork, batch: dict[str, Tensor], row: int) -> Tensor:
    """Scores of one sentence, every word spelt by itself, nothing padded."""
    length = int(batch["lengths"][row])
    read = []
    for t in range(length):
        letters = batch["letters"][row, t]
        steps = network.letters(letters[letters > 0])[None]
        forwards, backwards = network.speller.cells
        h = []
        for cell, order in ((forwards, steps), (backwards, steps.flip(1))):
            state = tuple(torch.zeros(1, size).double() for size in cell.state_sizes.values())
            for x in order.unbind(1):
                state = cell.step(x, *state)
            h.append(state[0][0])
        word = network.words(batch["words"][row, t])
        read.append(torch.cat([word, *h, batch["casing"][row, t].double()]))
    outputs, _ = network.recurrent(torch.stack(read)[None])
    return network.readout(outputs)[0]


@pytest.mark.parametrize("cell", ["lstm", "gru", "elman"])
def test_scores_are_those_of_each_word_and_sentence_alone(cell) -> None:
    network, batch = _network(cell), _batch([4, 1, 6])
    scores = network(batch)
    for row, length in enumerate(batch["lengths"]):
        torch.testing.assert_close(scores[row, :length], _alone(network, batch, row), **EXACT)


@settings(max_examples=15)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 1000))
def test_losses_are_those_of_torch(lengths, seed) -> None:
    network, batch = _network(), _batch(lengths, seed)
    scores, losses = network(batch), network.losses(batch)
    for row, n in enumerate(lengths):
        expected = F.cross_entropy(scores[row, :n], batch["tags"][row, :n], reduction="sum")
        torch.testing.assert_close(losses[row], expected, **EXACT)


@settings(max_examples=15)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 1000))
def test_losses_of_a_field_are_those_of_pytorch_crf(lengths, seed) -> None:
    network, batch = _network(crf=CRF(TAGS)), _batch(lengths, seed)
    theirs = TheirCRF(TAGS, batch_first=True).double()
    assert network.crf is not None
    with torch.no_grad():
        for mine, other in (
            (network.crf.transitions, theirs.transitions),
            (network.crf.start, theirs.start_transitions),
            (network.crf.end, theirs.end_transitions),
        ):
            mine.normal_()
            other.copy_(mine)
    scores, tags = network(batch), batch["tags"]
    valid = tags >= 0
    expected = -theirs(scores, tags.clamp(min=0), valid, reduction="none")
    torch.testing.assert_close(network.losses(batch), expected, **EXACT)
    best = [row[:n].tolist() for row, n in zip(network.decode(batch).tags, lengths, strict=True)]
    assert best == theirs.decode(scores, valid)


@pytest.mark.parametrize("field", [False, True])
def test_a_sentence_without_a_target_has_no_loss(field) -> None:
    network, batch = _network(crf=CRF(TAGS) if field else None), _batch([3, 5])
    losses = network.losses(batch)
    batch["tags"][0] = -1
    without = network.losses(batch)
    assert without[0] == 0
    torch.testing.assert_close(without[1], losses[1])


@pytest.mark.parametrize("field", [False, True])
def test_best_tags_and_their_probabilities(field) -> None:
    names = ["B-P", "I-P", "O", "B-L"]
    crf = CRF(TAGS, *allowed(names, "bio")) if field else None
    network, batch = _network(crf=crf), _batch([1, 6, 3, 5])
    with torch.no_grad():
        network.readout.weight.mul_(20)
    tags, p = network.decode(batch)
    scores = network(batch)
    for row, n in enumerate([1, 6, 3, 5]):
        assert (tags[row, n:] == -1).all()
        found = tags[row, :n]
        if field:
            # Every span that is marked is well-formed.
            marked = [names[k] for k in found]
            assert spans(marked, "bio") == spans(marked)
        else:
            assert torch.equal(found, scores[row, :n].argmax(-1))
            torch.testing.assert_close(p[row, :n], scores[row, :n].softmax(-1).max(-1).values)
    assert ((p[tags >= 0] > 0) & (p[tags >= 0] <= 1)).all()


def test_words_are_dropped_by_how_rare_they_are_in_training_only() -> None:
    network = _network()
    words = torch.arange(WORDS + 1).repeat(20_000, 1)
    assert torch.equal(network._dropped(words), words)
    network.train()
    dropped = (network._dropped(words) == 0).double().mean(0)
    expected = torch.tensor([1.0, *torch.linspace(0.5, 0.0, WORDS)]).double()
    # The standard deviation of a share over 20,000 draws is at most 0.0036.
    torch.testing.assert_close(dropped, expected, rtol=0, atol=0.016)
    assert dropped[-1] == 0


def test_a_letter_that_is_not_known_stays_a_vector_of_zeros() -> None:
    network, batch = _network(), _batch([4, 2])
    batch["letters"].masked_fill_(batch["letters"] == 1, 2)
    network.losses(batch).sum().backward()
    gradient = network.letters.weight.grad
    assert gradient is not None
    assert not gradient[:2].any()
    assert gradient[2:].any()
    assert not network.letters.weight[:2].any()


def test_dropout_acts_in_training_alone() -> None:
    network, batch = _network(dropout=0.5), _batch([4, 2])
    assert torch.equal(network(batch), network(batch))
    network.train()
    assert not torch.equal(network(batch), network(batch))
