"""The tagger: what it learns that frequencies cannot tell, and what users bring."""

import math
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import unrolled as ur
from unrolled.data import DataError, TaggedSentences
from unrolled.data.tagged import sentences_of
from unrolled.tasks.supervised import MODEL
from unrolled.tasks.tag import Tagger
from unrolled.tasks.tag.baselines import NAME
from unrolled.tasks.tag.spans import spans

SMALL = {"hidden_size": 16, "embedding_size": 8, "letter_size": 8, "engine": "eager"}
QUICK = {**SMALL, "learning_rate": 0.02, "batch_size": 8, "dropout": 0.1}


def sentences(count: int = 120, seed: int = 0) -> TaggedSentences:
    """A verb in -en, a noun in -o; "to" is P before a noun, T before a verb; stems at random."""
    generator = np.random.default_rng(seed)

    def stem() -> str:
        return "".join(generator.choice([*"bdklm"], generator.integers(1, 4)))

    words, tags = [], []
    for _ in range(count):
        sentence, its = [], []
        for _ in range(generator.integers(1, 4)):
            verb = generator.random() < 0.5
            sentence += ["to", f"{stem()}en" if verb else f"{stem()}o"]
            its += ["T", "V"] if verb else ["P", "N"]
        words.append(sentence)
        tags.append(its)
    return sentences_of(words, tags)


def slots(count: int = 120, seed: int = 0) -> TaggedSentences:
    """One to three words after "from" are a place, and after "at" a time."""
    generator = np.random.default_rng(seed)
    words, tags = [], []
    for _ in range(count):
        sentence, its = ["go"], ["O"]
        for mark, kind in (("from", "place"), ("at", "time")):
            if generator.random() < 0.8:
                n = int(generator.integers(1, 3))
                sentence += [mark, *generator.choice(["big", "old", "red", "noon"], n)]
                its += ["O", f"B-{kind}", *[f"I-{kind}"] * (n - 1)]
        words.append(sentence)
        tags.append(its)
    return sentences_of(words, tags)


@pytest.fixture(scope="module")
def fitted() -> Tagger:
    return Tagger(**QUICK, epochs=8).fit(sentences())


@pytest.fixture(scope="module")
def slotted() -> Tagger:
    return Tagger(**QUICK, epochs=6).fit(slots())


def test_context_and_letters_tell_what_frequencies_cannot(fitted) -> None:
    found = fitted.evaluate(sentences(seed=1))
    # All can be known from the next word and from the last letter.
    assert found.own["accuracy"] > 0.97
    assert found.own["unseen words"] > 0.97
    # "to" has two tags as often, and unseen words have none.
    assert found.scores[NAME]["accuracy"] < 0.8
    assert found.beats
    assert found.decisive.key == "accuracy"
    assert set(found.scores) == {MODEL, NAME}
    assert [c.header for c in fitted.columns] == ["val accuracy"]


def test_tags_of_spans_have_a_field_and_are_well_formed(slotted, fitted) -> None:
    assert slotted.fitted_.plan.crf
    assert not fitted.fitted_.plan.crf
    assert slotted.fitted_.network.crf.allowed is not None
    data = slots(seed=1)
    found = slotted.evaluate(data)
    assert found.decisive.key == "span F1"
    assert found.own["span F1"] > 0.97
    assert found.beats
    predicted = slotted.predict([["at", "at", "from", "noon", "go"]] * 2)
    assert all(spans(row, "bio") == spans(row) for row in predicted)
    # The mark before decides, so frequencies find few.
    assert found.scores[NAME]["span F1"] < 0.6
    assert [column.key for column in slotted.columns] == ["accuracy", "span F1"]


def test_the_field_can_be_left_out_or_asked_for() -> None:
    plain = Tagger(**QUICK, epochs=1, crf=False).fit(slots(40))
    assert plain.fitted_.network.crf is None
    asked = Tagger(**QUICK, epochs=1, crf=True).fit(sentences(40))
    assert asked.fitted_.network.crf is not None
    assert asked.fitted_.network.crf.allowed is None


def test_spans_that_are_not_well_formed_are_said_and_learned_from() -> None:
    data = slots(40)
    broken = sentences_of([*data.words, ("a", "b")], [*data.tags, ("O", "I-time")])
    model = Tagger(**QUICK, epochs=1, validation=0.05).fit(broken)
    assert model.fitted_.network.crf is not None
    told = [f.text for f in model.findings_ if f.kind == "warning"]
    # The odd sentence is not among the two that are held out.
    assert told == ["1 sentence with spans not well-formed in bio, so any tag may follow any"]
    assert model.fitted_.network.crf.allowed is None


def test_words_come_in_any_form(fitted, tmp_path) -> None:
    expected = [["T", "V", "P", "N"], ["P", "N"]]
    lists = [["to", "bden", "to", "klo"], ["to", "mmo"]]
    (tmp_path / "lines.txt").write_text("to bden to klo\n\nto mmo\n")
    (tmp_path / "column.txt").write_text("to\nbden\nto\nklo\n\nto\nmmo\n")
    (tmp_path / "tagged.conllu").write_text(
        "".join(f"{k}\t{w}\t_\tX\t_\t_\t_\t_\t_\t_\n" for k, w in enumerate(lists[1], 1))
    )
    assert fitted.predict(lists) == expected
    assert fitted.predict(["to bden to klo", "to mmo"]) == expected
    assert fitted.predict(sentences_of(lists)) == expected
    assert fitted.predict(tmp_path / "lines.txt") == expected
    assert fitted.predict(str(tmp_path / "column.txt")) == expected
    assert fitted.predict(tmp_path / "tagged.conllu") == expected[1:]
    probable = fitted.predict_probable(lists)
    assert [[tag for tag, _ in row] for row in probable] == expected
    assert all(0.25 < p <= 1 for row in probable for _, p in row)


def test_sentences_that_nobody_expects(fitted, slotted) -> None:
    for model in (fitted, slotted):
        # One word; one letter never seen; a word of a hundred letters; a long sentence.
        odd = [["to"], ["東京"], ["\ufffd", "x" * 100 + "en"], ["to", "bo"] * 1000]
        predicted = model.predict(odd)
        assert list(map(len, predicted)) == [1, 1, 2, 2000]
        # Company in a batch changes nothing.
        assert model.predict(odd[:1]) == predicted[:1]
    assert fitted.predict(odd)[3] == ["P", "N"] * 1000
    (finding,) = fitted.encode(fitted.fitted_.coding, sentences_of(odd)).findings
    assert (finding.kind, finding.count) == ("repaired", 1)
    (unseen,) = fitted.unseen(sentences_of([["to", "zzz", "zzz"]]))
    assert unseen.text == "2 of 3 words were not seen in training (1 different)"
    assert fitted.unseen(sentences_of([["to"]])) == ()


def test_what_cannot_be_tagged_or_scored_is_refused(fitted) -> None:
    with pytest.raises(DataError, match=r"sentence 2 of sentences has no words"):
        fitted.predict(["to bo", " "])
    with pytest.raises(DataError, match=r"must be a list of sentences, got \[\]"):
        fitted.predict([])
    with pytest.raises(DataError, match="show me cannot be read"):
        fitted.predict("show me")
    with pytest.raises(DataError, match="has no tags to compare with"):
        fitted.evaluate(sentences_of(["to bo"]))
    with pytest.raises(NotFittedError, match="this Tagger is not fitted yet"):
        Tagger().predict([["a"]])


def test_one_tag_or_none_is_refused_before_training() -> None:
    same = sentences_of([["a", "b"]] * 20, [["X", "X"]] * 20)
    with pytest.raises(DataError, match="has only the tag 'X'"):
        Tagger(**SMALL).fit(same)
    with pytest.raises(DataError, match="leaves one part empty"):
        Tagger(**SMALL).fit(sentences(3))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"least": 0}, "least must be a whole number from 1 up"),
        ({"word_dropout": -1.0}, "word_dropout must lie between 0"),
        ({"embedding_size": 0}, "embedding_size must be"),
    ],
)
def test_arguments_that_make_no_sense(given, message) -> None:
    with pytest.raises(ValueError, match=message):
        Tagger(**given).fit(sentences(20))


def test_tags_that_training_has_not_seen_are_wrong_and_counted(fitted) -> None:
    data = sentences_of([["to", "bo"], ["to", "bo"]], [["P", "N"], ["P", "Q"]])
    found = fitted.evaluate(data)
    assert found.own["accuracy"] == 0.75
    assert found.details.by_tag["Q"].true == 1
    assert any("training has not seen: Q" in f.text for f in found.findings)


def test_further_validation_has_no_loss_where_no_tag_is_known() -> None:
    data = sentences(40)
    model = Tagger(**QUICK, epochs=1).fit(data)
    strange = sentences_of([["to", "bo"]], [["Q", "Q"]])
    encoded = model.encode(model.fitted_.coding, strange)
    figures = model.figures(model.fitted_.network, encoded)
    assert math.isnan(figures["loss"])
    assert (figures["accuracy"], figures["error"]) == (0.0, 1.0)


def test_of_equally_good_weights_those_with_less_loss_are_better(fitted) -> None:
    data = sentences_of([["to", "bo"], ["to", "ken"]], [["P", "N"], ["T", "V"]])
    encoded = fitted.encode(fitted.fitted_.coding, data)
    surer = deepcopy(fitted.fitted_.network)
    surer.readout.weight.data.mul_(2)
    surer.readout.bias.data.mul_(2)
    some, more = (fitted.figures(n, encoded) for n in (fitted.fitted_.network, surer))
    assert some["accuracy"] == more["accuracy"] == 1.0
    assert more["loss"] < some["loss"]
    assert 0 < more["error"] < some["error"] < 1e-9


def test_a_run_is_opened_as_it_was_saved(fitted, slotted, tmp_path) -> None:
    for model, data in ((fitted, sentences(seed=5)), (slotted, slots(seed=5))):
        opened = ur.load(model.save(tmp_path / f"{model.fitted_.plan.crf}"))
        once, again = model.evaluate(data).scores, opened.evaluate(data).scores
        for name, scores in once.items():
            assert again[name] == pytest.approx(scores, nan_ok=True, abs=0)
        assert opened.predict(data) == model.predict(data)
        # Another engine may run it, with the rounding of float32.
        probable = zip(opened.predict_probable(data), model.predict_probable(data), strict=True)
        for one, other in probable:
            assert [p for _, p in one] == pytest.approx([p for _, p in other], abs=1e-5)
        assert opened.fitted_.coding == model.fitted_.coding


def test_rare_words_and_capitals() -> None:
    data = sentences(60)
    model = Tagger(**QUICK, epochs=3, least=3, lower=True).fit(data)
    assert model.fitted_.coding.words[0] == "to"
    assert any("read by their letters alone" in f.text for f in model.findings_)
    # In small letters every word of training is known.
    learned, _ = model.divide(data)
    shouted = sentences_of([[w.upper() for w in words] for words in learned.words], learned.tags)
    assert math.isnan(model.evaluate(shouted).own["unseen words"])
    plain = Tagger(**QUICK, epochs=1).fit(data)
    assert not math.isnan(plain.evaluate(shouted).own["unseen words"])


def test_words_and_tags_in_memory() -> None:
    data = sentences(40)
    model = Tagger(**QUICK, epochs=1).fit([list(w) for w in data.words], [*data.tags])
    found = model.evaluate([list(w) for w in data.words], [*data.tags])
    assert found.count == f"40 sentences of {sum(map(len, data.words))} words"


def test_same_seed_same_tags(fitted) -> None:
    again = clone(fitted).fit(sentences())
    data = sentences(seed=3)
    assert again.predict_probable(data) == fitted.predict_probable(data)


@pytest.mark.parametrize("cell", ["gru", "min-gru"])
def test_any_cell(cell) -> None:
    model = Tagger(**QUICK, cell=cell, epochs=1, num_layers=2).fit(sentences(40))
    assert len(model.predict(["to bo"])[0]) == 2


def test_two_forms_of_the_same_files(tmp_path) -> None:
    """Columns to learn from, JSON lines to validate on; the word's column is the one told."""
    data = sentences(40)
    rows = ["\n".join(f"x {w} {t}" for w, t in zip(s.words, s.tags, strict=True)) for s in data]
    train = Path(tmp_path / "train.txt")
    train.write_text("\n\n".join(rows))
    read = ur.Tagger(**QUICK).read_like(train, {"word": 1, "tag": -1})
    assert read.words == data.words
    assert read.tags == data.tags
