"""The network of a language model: what it computes, carries, and generates."""

import math
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from unrolled.nn import Recurrent
from unrolled.tasks.estimator import start_remembering
from unrolled.tasks.language.generation import Sampling, generate
from unrolled.tasks.language.network import LanguageNetwork
from unrolled.tasks.language.objective import (
    StreamLoss,
    estimated_loss,
    streams,
    subsequences,
    text_losses,
)


def network(cell: str = "lstm", vocabulary: int = 7, **options) -> LanguageNetwork:
    torch.manual_seed(0)
    return LanguageNetwork(vocabulary, Recurrent(cell, 5, 6, engine="eager"), **options)


def test_it_is_torchs_layers_one_after_another() -> None:
    model = network().double()
    tokens = torch.randint(7, (3, 9))
    embedding, lstm, readout = nn.Embedding(7, 5), nn.LSTM(5, 6, batch_first=True), nn.Linear(6, 7)
    embedding.load_state_dict(model.embedding.state_dict())
    lstm.load_state_dict(
        {f"{n}_l0": p for n, p in next(iter(model.recurrent.cells)).state_dict().items()}
    )
    readout.load_state_dict(model.readout.state_dict())
    outputs, (h, c) = lstm.double()(embedding.double()(tokens))
    scores, state = model(tokens)
    # Sums of a dozen products in float64.
    torch.testing.assert_close(scores, readout.double()(outputs), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(state, (h, c), rtol=1e-12, atol=1e-12)


def test_a_text_in_parts_is_the_text_in_one() -> None:
    model = network("gru").eval()
    tokens = torch.randint(7, (2, 20))
    whole, _ = model(tokens)
    first, state = model(tokens[:, :8])
    rest, _ = model(tokens[:, 8:], state)
    # Sums of a dozen products in float32.
    torch.testing.assert_close(torch.cat([first, rest], 1), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("size", "extra"), [(6, 0), (5, 30)])
def test_tied_embeddings_are_one_parameter(size, extra) -> None:
    model = LanguageNetwork(7, Recurrent("gru", size, 6), tied=True)
    assert model.readout.weight is model.embedding.weight
    count = 7 * size + 7 + sum(p.numel() for p in model.recurrent.parameters())
    # Where the sizes differ a map of 6 x 5 lies between.
    assert sum(p.numel() for p in model.parameters()) == count + extra
    assert model(torch.zeros(1, 3, dtype=torch.long))[0].shape == (1, 3, 7)


def test_it_starts_with_open_gates_and_orthogonal_recurrences() -> None:
    recurrent = start_remembering(Recurrent("lstm", 5, 8))
    cell = next(iter(recurrent.cells))
    for block in cell.weight_hh.split(8):
        torch.testing.assert_close(block @ block.T, torch.eye(8), rtol=0, atol=1e-5)
    total = (cell.bias_ih + cell.bias_hh).split(8)
    assert [part.unique().tolist() for part in total] == [[0], [1], [0], [0]]
    # Cells that have neither are left as they are drawn.
    assert start_remembering(Recurrent("lru", 5, 8)).num_layers == 1


def test_a_stream_goes_on_from_its_last_state() -> None:
    model, ids = network().eval(), torch.randint(7, (201,))
    loss, parts = StreamLoss(restart=0.0), streams([ids], 2, 10, seed=3)
    offset = parts._offset()
    rolled = torch.cat([ids[:-1], ids[:-1]])[offset : offset + 200].view(2, 100)
    targets = torch.cat([ids[1:], ids[1:]])[offset : offset + 200].view(2, 100)
    found = sum(float(loss(model, next(parts), 0.0).total.detach()) for _ in range(10))
    wrap = 200 - offset
    reset = torch.zeros(2, 100, dtype=torch.bool)
    reset[:, 0] = True
    if 0 < wrap < 200:
        # Where the end of the text is followed by its start, it starts anew.
        reset[wrap // 100, wrap % 100] = True
    scores, _ = model(rolled, None, reset)
    expected = nn.functional.cross_entropy(scores.flatten(0, 1), targets.flatten(), reduction="sum")
    # 200 terms in float32, in another order.
    assert found == pytest.approx(float(expected.detach()), rel=1e-5)


def test_rows_start_anew_as_often_as_is_said() -> None:
    model, ids = network().eval(), torch.randint(7, (401,))
    always, chunks = StreamLoss(restart=1.0), [next(streams([ids], 4, 10, seed=0))] * 2
    first, second = (float(always(model, chunk, 0.0).mean.detach()) for chunk in chunks)
    assert first == second
    carried = StreamLoss(restart=0.0)
    chunk = chunks[0]
    carried(model, chunk, 0.0)
    chunk.reset.zero_()
    assert float(carried(model, chunk, 0.0).mean.detach()) != first


def test_a_carried_state_is_taken_up_again() -> None:
    model, parts = network().eval(), streams([torch.randint(7, (401,))], 4, 10, seed=0)
    loss = StreamLoss(restart=0.0)
    loss(model, next(parts), 0.0)
    again = StreamLoss(restart=0.0)
    again.load_state_dict(loss.state_dict())
    chunk = next(parts)
    first, second = (float(each(model, chunk, 0.0).mean.detach()) for each in (loss, again))
    assert first == second
    assert StreamLoss().state_dict() == {}


@settings(max_examples=10, deadline=None)
@given(length=st.integers(2, 5000))
def test_the_loss_of_a_text_is_that_of_every_token_but_the_first(length) -> None:
    model = network().eval()
    ids = np.random.default_rng(length).integers(0, 7, length)
    found = text_losses(model, ids)
    tokens = torch.from_numpy(ids)[None]
    with torch.no_grad():
        scores, _ = model(tokens[:, :-1])
    expected = nn.functional.cross_entropy(scores[0], tokens[0, 1:], reduction="none")
    assert len(found) == length - 1
    # The same sums, cut in parts of 2,048 steps.
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_an_estimate_of_one_row_is_the_loss_of_the_text() -> None:
    model, ids = network().eval(), torch.randint(7, (1000,))
    exact = text_losses(model, ids.numpy()).mean()
    assert estimated_loss(model, ids, rows=1) == pytest.approx(exact, rel=1e-5)
    # Three more rows begin from zeros: untrained, that hardly matters.
    assert estimated_loss(model, ids, rows=3) == pytest.approx(exact, rel=0.02)


def test_training_learns_a_text_that_repeats_itself() -> None:
    from unrolled.training import TrainingSettings, train

    model, ids = network(vocabulary=4), torch.tensor([0, 1, 2, 3, 2, 1] * 200)
    loss = StreamLoss()
    settings = TrainingSettings(2, updates=60, learning_rate=2e-2)
    validate = lambda model: {"loss": estimated_loss(model, ids[:300])}  # noqa: E731
    train(model, loss, streams([ids], 8, 12, 0), validate, settings, carried={"state": loss})
    # 1 and 2 are followed by two tokens each, told by the token before: memory makes it certain.
    assert estimated_loss(model, ids[:300]) < 0.1
    told = generate(model, [0, 1, 2, 3], Sampling(temperature=0), seed=0)
    assert list(islice(told, 8)) == [2, 1, 0, 1, 2, 3, 2, 1]


def test_random_subsequences_begin_anew() -> None:
    chunk = next(subsequences([torch.randint(7, (100,))], 4, 10, 0))
    assert chunk.reset.sum(1).tolist() == [1] * 4
    assert [tuple(value.shape) for value in chunk.values] == [(4, 10)] * 2


class TestSampling:
    scores = torch.log(torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64))

    def test_temperature_one_is_the_model(self) -> None:
        found = Sampling(temperature=1).probabilities(self.scores)
        torch.testing.assert_close(found, self.scores.exp())

    def test_half_the_temperature_squares(self) -> None:
        squares = self.scores.exp().square()
        found = Sampling(temperature=0.5).probabilities(self.scores)
        torch.testing.assert_close(found, squares / squares.sum())

    def test_zero_takes_the_likeliest(self) -> None:
        assert Sampling(temperature=0).probabilities(self.scores).tolist() == [1, 0, 0, 0]

    @pytest.mark.parametrize(
        ("top_k", "top_p", "kept"),
        [(2, 1.0, 2), (None, 0.5, 1), (None, 0.51, 2), (None, 0.75, 2), (3, 0.76, 3), (1, 0.1, 1)],
    )
    def test_what_is_kept_keeps_its_proportions(self, top_k, top_p, kept) -> None:
        sampling = Sampling(1.0, top_k, top_p)
        found = sampling.probabilities(self.scores[[2, 0, 3, 1]])[[1, 3, 0, 2]]
        expected = self.scores.exp() * (torch.arange(4) < kept)
        torch.testing.assert_close(found, expected / expected.sum())

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"temperature": -1}, "temperature must be 0 or above"),
            ({"temperature": math.nan}, "temperature must be 0 or above"),
            ({"top_k": 0}, "top_k must be a whole number from 1 up"),
            ({"top_p": 0.0}, "top_p must be above 0"),
            ({"top_p": 1.1}, "at most 1"),
        ],
    )
    def test_bad_numbers(self, options, said) -> None:
        with pytest.raises(ValueError, match=said):
            Sampling(**options)


def test_a_seed_gives_one_text_and_never_means_never() -> None:
    model = network()
    first, second, other = (
        list(islice(generate(model, [1, 2], Sampling(1.0), seed, never=[3]), 40))
        for seed in (0, 0, 1)
    )
    assert first == second != other
    assert 3 not in first


def test_generation_is_free_running() -> None:
    model = network().eval()
    told = list(islice(generate(model, [1], Sampling(temperature=0), seed=0), 6))
    scores, _ = model(torch.tensor([[1, *told[:-1]]]))
    assert scores[0].argmax(-1).tolist() == told
