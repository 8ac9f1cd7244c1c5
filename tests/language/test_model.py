"""The language model: learns, generates, evaluates, is saved and opened again."""

import json
import math
import re

import numpy as np
import pytest
import torch

import unrolled as ur
from unrolled.data.errors import DataError
from unrolled.data.text import Text
from unrolled.tasks.language.generation import Sampling
from unrolled.tasks.language.model import LanguageModel
from unrolled.tasks.language.ngram import NGram
from unrolled.tasks.language.parts import spread
from unrolled.tasks.language.results import MODEL, Scores
from unrolled.tasks.runs import RunError

TEXT = Text.of("the cat sat on the mat.\nthe dog sat on the log.\n" * 60, "pets")
SMALL = {
    "hidden_size": 24,
    "embedding_size": 8,
    "passes": 6,
    "epochs": 2,
    "batch_size": 4,
    "steps": 24,
    "learning_rate": 2e-2,
    "validation": 0.1,
    "engine": "eager",
}


def learned(**options) -> LanguageModel:
    return LanguageModel(**{**SMALL, **options}).fit(TEXT)


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return learned()


def test_it_learns_a_text_that_repeats_itself(model) -> None:
    # A character of this text is nearly always certain; 19 distinct ones are log 19 = 2.9.
    assert model.history_.best.validation["loss"] < 0.35
    lines = {"the cat sat on the mat.", "the dog sat on the log."}
    told = model.generate("the cat sat", 60, sampling=Sampling(temperature=0))
    assert "the cat sat" + told.split("\n")[0] in {*lines, "the cat sat on the log."}


def test_the_same_seed_gives_the_same_model_and_another_another(model) -> None:
    again, other = learned(), learned(seed=1)
    weights = [m.fitted_.network.readout.weight for m in (model, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("tokens", ["characters", "words", "subwords"])
@pytest.mark.parametrize("cell", ["gru", "lru"])
def test_every_kind_of_tokens_and_a_run_folder(tokens, cell, tmp_path) -> None:
    most = 300 if tokens == "subwords" else None
    model = learned(tokens=tokens, cell=cell, passes=1, most=most)
    model.save(tmp_path)
    again = LanguageModel.load(tmp_path)
    for each in (model, again):
        text = each.generate("the ", 30, seed=3)
        assert text == model.generate("the ", 30, seed=3) != model.generate("the ", 30, seed=4)
    found, expected = again.evaluate(TEXT).scores[MODEL], model.evaluate(TEXT).scores[MODEL]
    # A run that is opened has the engine that suits it: float32 sums in another order.
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    # Nothing that a model does not need to be opened is there.
    files = ["config.json", "model.safetensors", "ngrams.safetensors"]
    assert sorted(p.name for p in tmp_path.iterdir()) == files


def test_the_stream_is_the_text_in_pieces(model) -> None:
    pieces = []
    for piece in model.stream("the ", seed=1):
        pieces.append(piece)
        if len(pieces) == 20:
            break
    assert "".join(pieces) == model.generate("the ", 20, seed=1)


def test_scores_are_the_formulas() -> None:
    scores = Scores(loss=math.log(8), tokens=100, characters=300)
    assert scores.perplexity == pytest.approx(8)
    # Three bits a token, three characters a token.
    assert scores.bits_per_character == pytest.approx(1)


def test_n_grams_are_scored_on_the_same_tokens(model) -> None:
    lead, trail = TEXT.split(0.9)
    found = model.evaluate(trail, learned=lead)
    vocabulary = model.fitted_.vocabulary
    base, test = (vocabulary.encode(t.documents[0]) for t in (lead, trail))
    trigram = NGram(3, len(vocabulary), "kneser-ney").fit(base)
    expected = -trigram.log_probabilities(test)[1:].mean()
    scored = found.scores["trigram, kneser-ney"]
    assert scored.loss == pytest.approx(expected, rel=1e-9)
    assert scored.tokens == found.scores[MODEL].tokens == len(test) - 1
    assert found.best_baseline != MODEL
    assert [row.n for row in found.grams if row.smoothing == "kneser-ney"] == list(range(1, 9))


def test_unseen_characters_are_counted_and_survived(model) -> None:
    found = model.evaluate(Text.of("the çat sät on the mat.\n"))
    assert found.unknown == pytest.approx(2 / 24)
    assert math.isfinite(found.scores[MODEL].loss)
    assert "<unk>" not in model.generate("ç", 50)


def test_the_worst_passages_are_those_that_were_not_learned(model) -> None:
    odd = "zzzz qqqq xxxx wwww zzzz qqqq xxxx wwww zzzz qqqq xxxx wwww "
    text = TEXT.documents[0]
    found = model.evaluate(Text.of(text[:480] + odd + text[:480]))
    assert found.worst[0].start == pytest.approx(480, abs=30)
    starts = [passage.start for passage in found.worst]
    assert all(abs(a - b) >= 60 for k, a in enumerate(starts) for b in starts[:k])


@pytest.mark.parametrize(("length", "pieces"), [(100_000, 4), (1_000_000, 8), (3000, 1)])
def test_validation_is_spread_over_the_text(length, pieces) -> None:
    text = Text.of("".join(chr(48 + k % 75) for k in range(length)))
    learned, held_out = spread(text, 0.02)
    assert len(held_out.documents) == pieces
    assert len(learned.documents) == pieces + 1
    # Rounded down for each piece.
    assert held_out.characters == pytest.approx(0.02 * length, abs=pieces)
    together = [learned.documents[0]]
    for piece, rest in zip(held_out.documents, learned.documents[1:], strict=True):
        together += [piece, rest]
    assert "".join(together) == text.documents[0]


def test_many_documents_each_begin_anew() -> None:
    text = Text.of(["abcabcabc" * 20, "xyzxyzxyz" * 20, "abcabcabc" * 20])
    model = LanguageModel(**{**SMALL, "passes": 20, "validation": 0.3}).fit(text)
    found = model.evaluate(text)
    assert found.scores[MODEL].tokens == 3 * 179


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tokens": "letters"}, "tokens is 'letters'; choose from characters, words"),
        ({"cell": "lstmm"}, "did you mean"),
        ({"sampling": "all"}, "sampling is 'all'"),
        ({"validation": 0.0}, "validation must lie between 0 and 1"),
        ({"steps": 0}, "steps must be a whole number from 1 up"),
        ({"dropout": 1.0}, "dropout must lie between 0 and 1"),
        ({"restart": -0.1}, "restart must lie between 0 and 1"),
        ({"passes": -1}, "passes must lie between 0"),
        ({"initialisation": "orthogonl"}, "orthogonal"),
    ],
)
def test_bad_arguments(options, said) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        learned(**options)


def test_bad_texts(model, tmp_path) -> None:
    with pytest.raises(DataError, match="two tokens"):
        LanguageModel(**SMALL).fit(Text.of("abcde"))
    with pytest.raises(DataError, match="fewer than two tokens"):
        model.evaluate(Text.of("a"))
    with pytest.raises(TypeError, match="data must be a Text or paths"):
        model.evaluate(np.zeros(3))
    with pytest.raises(ValueError, match="length must be a whole number"):
        model.generate("a", 0)


def test_a_damaged_run_is_told(model, tmp_path) -> None:
    model.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["architecture"]["hidden_size"] = 25
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match="is damaged: its files do not fit together"):
        LanguageModel.load(tmp_path)


def test_training_streams_or_random_pieces() -> None:
    found = learned(sampling="random", passes=3)
    assert found.history_.best.validation["loss"] < 1.5
    assert found.updates_ == len(found.history_.updates)


def test_a_cell_of_unrolleds_given_as_a_class_is_opened_again(tmp_path) -> None:
    learned(cell=ur.cells.GRU, passes=1).save(tmp_path)
    assert LanguageModel.load(tmp_path).fitted_.architecture.cell == "gru"


class Own(ur.cells.Elman):
    """A cell of one's own."""


def test_a_cell_of_ones_own_must_be_given_again(tmp_path) -> None:
    learned(cell=Own, passes=1).save(tmp_path)
    with pytest.raises(RunError, match=r"pass the class, as in unrolled.load\(folder, cell=Own\)"):
        LanguageModel.load(tmp_path)
    assert isinstance(ur.load(tmp_path, cell=Own).fitted_.network.recurrent.cells[0], Own)
