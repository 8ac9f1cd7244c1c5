"""A network and an n-gram model that predict together."""

import math

import numpy as np
import pytest
import torch

from language.test_model import SMALL, TEXT, learned
from unrolled.tasks.language.generation import Sampling
from unrolled.tasks.language.mixture import Mixture, likeliest_share, mixture_of
from unrolled.tasks.language.model import LanguageModel
from unrolled.tasks.language.ngram import NGram, best
from unrolled.tasks.language.objective import text_losses
from unrolled.tasks.language.results import MODEL, NETWORK

IDS = np.array([1, 2, 3, 1, 2, 4, 1, 2, 3, 1, 2, 3, 4, 0, 1, 2])


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return learned(passes=1)


def test_the_share_is_the_likeliest() -> None:
    """Two tokens, each known by one model alone: with counts 3 to 1 the shares are 3 to 1."""
    sure, unsure = -math.log(0.9), -math.log(1e-9)
    own, other = np.array([sure] * 3 + [unsure]), np.array([unsure] * 3 + [sure])
    share, loss = likeliest_share(own, other)
    assert share == pytest.approx(0.25, abs=1e-4)
    assert loss == pytest.approx(-(0.75 * math.log(0.675) + 0.25 * math.log(0.225)), abs=1e-6)


def test_probabilities_are_the_weighted_mean() -> None:
    grams = NGram(3, 5).fit(IDS)
    mixture = Mixture(grams, 0.3, 0.0, 0.0)
    own = torch.log_softmax(torch.arange(5.0, dtype=torch.float64), 0)
    expected = 0.7 * own.exp().numpy() + 0.3 * grams.distribution([1, 2])
    found = mixture.log_probabilities(own, [4, 3, 0, 1, 2]).exp().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found.sum() == pytest.approx(1)
    # A text token by token: each from what is before it.
    alone = np.linspace(0.1, 2.0, len(IDS) - 1)
    each = [
        -math.log(0.7 * math.exp(-loss) + 0.3 * grams.distribution(IDS[: t + 1])[IDS[t + 1]])
        for t, loss in enumerate(alone)
    ]
    np.testing.assert_allclose(mixture.losses(alone, IDS), each, rtol=1e-12)


def test_the_n_that_knows_the_part_held_out_best_is_mixed_in(monkeypatch) -> None:
    texts = [np.tile(IDS, 20)]
    own = [np.full(len(IDS) - 1, math.log(5))]
    found = mixture_of(own, [IDS], texts, 5)
    assert found is not None
    assert found.grams.n == best(texts, [IDS], 5, smoothings=("kneser-ney",)).n > 2
    # A network that knows nothing leaves as much to the other as it may.
    assert found.share == pytest.approx(0.5, abs=1e-4)
    assert found.alone == pytest.approx(math.log(5))
    assert found.together < 0.8
    # What a run may hold bounds n.
    monkeypatch.setattr("unrolled.tasks.language.mixture.MOST_STORED", 16)
    small = mixture_of(own, [IDS], texts, 5)
    assert small is not None
    assert small.grams.stored <= 16
    assert small.grams.n == 2
    # A network that knows everything needs no other.
    assert mixture_of([np.full(len(IDS) - 1, 1e-6)], [IDS], texts, 5) is None


def test_a_network_that_knows_nothing_is_not_mixed() -> None:
    nothing = np.full(len(IDS) - 1, np.nan)
    assert mixture_of([nothing], [IDS], [IDS], 5) is None


def test_a_model_is_scored_mixed_and_alone(model) -> None:
    found, mixture = model.evaluate(TEXT), model.fitted_.mixture
    ids = model.fitted_.vocabulary.encode(TEXT.documents[0])
    own = text_losses(model.fitted_.network, ids)
    grams = np.exp(mixture.grams.log_probabilities(ids)[1:])
    together = -np.log((1 - mixture.share) * np.exp(-own) + mixture.share * grams)
    assert found.scores[NETWORK].loss == pytest.approx(own.mean(), rel=1e-9)
    assert found.scores[MODEL].loss == pytest.approx(together.mean(), rel=1e-9)
    # One pass is little: what repeats itself the n-gram knows better.
    assert found.scores[MODEL].loss < found.scores[NETWORK].loss - 0.1
    assert list(found.scores) == [MODEL, NETWORK]
    assert found.beside(model.n_grams(TEXT, TEXT)).best_baseline not in (MODEL, NETWORK)


def test_it_writes_by_both(model) -> None:
    told = model.generate("the cat sat", 12, sampling=Sampling(temperature=0))
    vocabulary, mixture = model.fitted_.vocabulary, model.fitted_.mixture
    # By hand: the likeliest token of both, again and again.
    ids = vocabulary.encode("the cat sat").tolist()
    for _ in range(12):
        with torch.no_grad():
            scores = model.fitted_.network(torch.tensor([ids]))[0][0, -1].double()
        p = (1 - mixture.share) * scores.softmax(0).numpy()
        ids.append(int((p + mixture.share * mixture.grams.distribution(ids)).argmax()))
    assert told == vocabulary.decode(ids)[len("the cat sat") :]


def test_a_run_keeps_its_n_grams(model, tmp_path) -> None:
    model.save(tmp_path)
    again = LanguageModel.load(tmp_path)
    first, second = model.fitted_.mixture, again.fitted_.mixture
    assert first.describe() == second.describe()
    ids = model.fitted_.vocabulary.encode("the dog sat on a mat")
    found = second.grams.log_probabilities(ids)
    np.testing.assert_array_equal(found, first.grams.log_probabilities(ids))
    assert again.generate("the ", 40, seed=2) == model.generate("the ", 40, seed=2)


def test_a_network_by_itself(tmp_path) -> None:
    alone = learned(passes=1, mixed=False)
    assert alone.fitted_.mixture is None
    assert list(alone.evaluate(TEXT).scores) == [MODEL]
    alone.save(tmp_path)
    assert not (tmp_path / "ngrams.safetensors").exists()
    assert LanguageModel.load(tmp_path).fitted_.mixture is None


def test_many_documents_and_words() -> None:
    text = TEXT.documents[0]
    model = LanguageModel(**{**SMALL, "passes": 1, "tokens": "words"})
    found = model.fit(type(TEXT).of([text, text[:600]], "two")).fitted_.mixture
    assert found is not None
    assert found.together < found.alone
