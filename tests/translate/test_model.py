"""The translator on a language that is learned in seconds, and on texts that people bring."""

import gzip
import re

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.base import clone
from tests.translate.conftest import SMALL, spelling, spoken

import unrolled as ur
from unrolled.cells import GRU
from unrolled.data import DataError
from unrolled.nn.ensemble import members_of
from unrolled.tasks.edits import error_rate
from unrolled.tasks.runs import RunError
from unrolled.tasks.supervised import MODEL
from unrolled.tasks.supervised.console import describe_network
from unrolled.tasks.supervised.inspection import subject
from unrolled.tasks.translate import Translator, pairs_of
from unrolled.tasks.translate.numerals import numerals
from unrolled.tasks.translate.plan import plan_for
from unrolled.tasks.translate.results import by_length, worst_table

NEW = ["eeab", "dcba", "abac", "bbbbc", "abab"]


def test_learns_what_it_did_not_see(fitted: Translator) -> None:
    test = spelling(400, seed=9)
    seen = spelling().references
    unseen = [pair for pair in test if pair.source not in seen]
    assert len(unseen) > 100
    written = fitted.translate(pair.source for pair in unseen)
    found = error_rate(written, [pair.target for pair in unseen], "phoneme")
    # The rules are exact; a few words at the border of their lengths may be missed.
    assert found.rate < 0.05
    told = fitted.evaluate([p.source for p in unseen], [p.target for p in unseen])
    assert told.own == {"symbol error": found.rate, "sequence error": found.sequence_rate}
    assert told.beats
    assert list(told.scores) == [
        MODEL, "copy of the source", "most frequent target", "nearest source",
    ]  # fmt: skip
    assert told.count == f"{len(unseen):,} sources"


def test_each_source_counts_once_with_all_its_targets(fitted: Translator) -> None:
    right = fitted.translate(["dad"])[0]
    several = pairs_of(["dad", "dad", "eve"], ["Q Q Q", right, "Z Z"])
    found = fitted.evaluate(several)
    # Of two sources one is right by its second target.
    assert found.own["sequence error"] == 0.5
    assert found.count == "2 sources"


def test_attention_looks_along_the_word(fitted: Translator) -> None:
    found = fitted.attend("dedede")
    assert found.text == spoken("dedede") == "D E D E D E"
    assert found.read == tuple("dedede")
    assert found.tokens == (*"DEDEDE", "<eos>")
    assert found.weights is not None
    np.testing.assert_allclose(found.weights.sum(1), 1, rtol=1e-5)
    # In the mean it moves from the first letters to the last.
    looks_at = found.weights[:6] @ np.arange(6.0)
    assert looks_at[3:].mean() > looks_at[:3].mean() + 1
    with pytest.raises(ValueError, match="text must have content, got ' '"):
        fitted.attend(" ")


def test_a_run_is_opened_as_it_was_saved(fitted: Translator, tmp_path) -> None:
    folder = fitted.save(tmp_path / "run")
    opened = ur.load(folder)
    assert isinstance(opened, Translator)
    assert opened.translate(NEW) == fitted.translate(NEW)
    data = spelling(40, seed=4)
    # The memory is kept, so the baselines stand beside later evaluations.
    assert opened.evaluate(data).scores == fitted.evaluate(data).scores


def test_same_seed_same_numbers() -> None:
    few = {**SMALL, "epochs": 1, "hidden_size": 8}
    one, other, third = (
        Translator(**few, seed=seed).fit(spelling(80)).fitted_.network.state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not all(torch.equal(one[name], third[name]) for name in one)


def test_sources_are_on_one_side_of_every_split() -> None:
    words = [f"w{k % 50}" for k in range(200)]
    pairs = pairs_of(words, [f"T{k}" for k in range(200)])
    model = Translator(validation="0.2")
    rest, test = model.held_out_to_test(pairs, "0.1")
    learned, held = model.divide(rest)
    sides = [set(part.references) for part in (learned, held, test)]
    assert [len(side) for side in sides] == [36, 9, 5]
    assert set().union(*sides) == set(words)


@pytest.mark.parametrize(
    "given",
    [
        {"attention": "none"},
        {"attention": "bahdanau", "cell": "gru"},
        {"bidirectional": False, "num_layers": 2, "dropout": 0.2},
        {"forcing": "scheduled:0.5"},
        {"tied": True, "target_tokens": "words"},
        {"source_tokens": "subwords", "target_tokens": "subwords", "shared": True},
        {"beam": 1, "smoothing": 0.0},
    ],
)
def test_every_argument_trains_saves_and_opens(given: dict, tmp_path) -> None:
    few = {**SMALL, "hidden_size": 8, "epochs": 1, **given}
    model = Translator(**few).fit(spelling(60))
    opened = Translator.load(model.save(tmp_path / "run"))
    assert opened.translate(NEW) == model.translate(NEW)
    if given.get("attention") == "none":
        with pytest.raises(ValueError, match="attend needs a model with attention"):
            model.attend("ab")


def test_an_own_cell_is_asked_for(tmp_path) -> None:
    class Own(GRU):
        pass

    few = {**SMALL, "hidden_size": 8, "epochs": 1}
    folder = Translator(cell=Own, **few).fit(spelling(40)).save(tmp_path / "run")
    with pytest.raises(RunError, match="uses the cell Own"):
        ur.load(folder)
    assert ur.load(folder, cell=Own).cell is Own


def test_arguments_are_those_of_scikit_learn() -> None:
    model = clone(Translator(beam=2, target_tokens="words"))
    assert (model.beam, model.target_tokens) == (2, "words")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"source_tokens": "word"}, "source_tokens is 'word'; did you mean 'words'"),
        ({"attention": "lung"}, "attention is 'lung'; did you mean 'luong'"),
        ({"beam": 0}, "beam must be a whole number from 1 up, got 0"),
        ({"forcing": "techer"}, "forcing"),
        ({"smoothing": 1.0}, "smoothing must lie between 0 and 1"),
        ({"longest": 3}, "no pair of spelling is left: with more than longest=3 characters"),
        ({"least": 5000}, "no token is seen least=5,000 times"),
        ({"most": 1}, "most must be 5 or more"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_line(given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        Translator(**given).fit(spelling(90).keep(lambda pair: len(pair.source) > 3, "short"))
    assert "\n" not in str(caught.value)


def test_texts_that_are_no_list(fitted: Translator) -> None:
    with pytest.raises(TypeError, match=r"pass \[text\]"):
        fitted.translate("abc")
    with pytest.raises(DataError, match="y must have a target for each of 2 sources, got 1"):
        fitted.evaluate(["a", "b"], ["A"])
    with pytest.raises(DataError, match="sources and targets must be texts, got int"):
        fitted.evaluate(["a", "b"], ["A", 3])
    assert fitted.translate([]) == []


# What people bring.

SENTENCES = "Go on.\tAllez-y !\nI am old.\tJe suis âgé.\nHe is old.\tIl est âgé.\n" * 10
FEW = {**SMALL, "hidden_size": 8, "epochs": 1, "validation": "0.4"}


def _written(folder, name: str, content: bytes):
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "name", ["a.tsv", "utf16.tsv", "latin.txt", "windows.tsv", "packed.tsv.gz", "frame"]
)
def test_pairs_come_in_any_form(name: str, tmp_path) -> None:
    encoded = {
        "utf16.tsv": SENTENCES.encode("utf-16"),
        "latin.txt": SENTENCES.encode("latin-1"),
        "windows.tsv": SENTENCES.replace("\n", "\r\n").encode("utf-8-sig"),
        "packed.tsv.gz": gzip.compress(SENTENCES.encode()),
    }
    source = _written(tmp_path, name, encoded.get(name, SENTENCES.encode()))
    if name == "frame":
        rows = [line.split("\t") for line in SENTENCES.splitlines()]
        source = pl.DataFrame({"en": [r[0] for r in rows], "fr": [r[1] for r in rows]})
    model = Translator(**FEW).fit(source)
    assert "Je suis âgé." in {t for _, ts in _known(model) for t in ts}
    assert any("latin.txt is not UTF-8" in f.text for f in model.findings_) == (name == "latin.txt")


def _known(model: Translator):
    baselines = model.fitted_.baselines
    return [(s, (t,)) for s, t in zip(baselines.sources, baselines.targets, strict=True)]


def test_two_files_with_empty_lines(tmp_path) -> None:
    one = _written(tmp_path, "a.en", b"Go.\n\nStop.\nWait.\n" * 8)
    other = _written(tmp_path, "a.fr", b"Va !\nRien\n\nAttends.\n" * 8)
    model = Translator(**FEW).fit((one, other))
    assert set(model.fitted_.baselines.sources) <= {"Go.", "Wait."}
    assert [f.count for f in model.findings_ if "empty side" in f.text] == [16]
    short = _written(tmp_path, "b.fr", b"Va !\n")
    with pytest.raises(DataError, match=r"a\.en has 32 lines, .*b\.fr 1; line k"):
        Translator(**FEW).fit((one, short))


def test_one_very_long_line_is_left_out_of_training_and_said() -> None:
    pairs = pairs_of(["a b", "c d", "e f", "x " * 5000], ["A B", "C D", "E F", "X " * 5000])
    model = Translator(**FEW).fit(pairs)
    assert model.fitted_.coding.longest_source < 10
    told = "pairs left out, with more than longest=1,000 characters on a side: 1"
    assert told in [finding.text for finding in model.findings_]
    # It is read in part where it is to be translated, and scored where it is to be evaluated.
    (written,) = model.write(["x " * 5000])
    assert not written.whole
    found = model.evaluate(pairs)
    assert found.count == "4 sources"
    assert any("read up to there" in finding.text for finding in found.findings)


def test_text_from_right_to_left(tmp_path) -> None:
    pairs = pairs_of(["שלום", "תודה רבה", "כן", "לא"] * 5, ["مرحبا", "شكرا جزيلا", "نعم", "لا"] * 5)
    model = Translator(**{**FEW, "epochs": 3}).fit(pairs)
    opened = Translator.load(model.save(tmp_path / "run"))
    found = opened.attend("תודה")
    assert "".join(found.read) == "תודה"
    assert found.draw(tmp_path / "map.svg").exists()


def test_unknown_characters_are_said(fitted: Translator) -> None:
    written = fitted.write(["ab", "a漢b", "ñ"])
    assert all(isinstance(each.text, str) for each in written)
    (found,) = [f for f in fitted.noticed(written) if "unknown" in f.text]
    assert found.count == 2
    assert "2 of 6 tokens" in found.text
    assert fitted.translate(["DEAD"]) == fitted.translate(["dead"])


# What is shown of an evaluation.


def test_the_worst_come_first(fitted: Translator) -> None:
    right = fitted.translate(["ded", "eed"])
    data = pairs_of(["ded", "eed", "dab"], [right[0], f"{right[1]} A", "Q Q Q Q Q"])
    table = fitted.evaluate(data).worst
    assert [row[0] for row in table.rows] == ["dab", "eed"]
    # One sound too few; five sounds of which none is right.
    assert [row[3] for row in table.rows] == ["5", "1"]
    assert fitted.evaluate(pairs_of(["ded"], [right[0]])).worst is None


def test_scores_by_length_are_those_of_their_sources(fitted: Translator) -> None:
    data = spelling(200, seed=5)
    table = fitted.evaluate(data).details.by_length
    lengths = np.array([len(source) for source in data.references])
    assert sum(int(row[1]) for row in table.rows) == len(lengths)
    for row in table.rows:
        low, _, high = row[0].partition(" to ")
        inside = (lengths >= int(low)) & (lengths <= int(high or low))
        assert int(row[1]) == inside.sum()
    written = fitted.write(list(data.references)[:5])
    assert by_length("symbols", written, [["A"]] * 5) is None
    assert worst_table("subwords", written, [[each.text] for each in written]) is None


def test_several_networks_write_as_one(tmp_path) -> None:
    model = Translator(hidden_size=12, embedding_size=6, epochs=1, members=2, engine="eager")
    model.fit(numerals(60))
    assert len(members_of(model.fitted_.network)) == 2
    written = model.write(["36,512", "7"], weights=True)
    assert written[0].weights is not None
    opened = ur.load(model.save(tmp_path / "run"))
    assert [w.text for w in opened.write(["36,512", "7"])] == [w.text for w in written]
    assert describe_network(model).startswith("2 times lstm 1x12, ")
    inside = subject(tmp_path / "run", model)
    assert inside.subtitle.endswith("; the first of 2 networks")


def test_many_short_pairs_are_learned_by_two_networks() -> None:
    coding = Translator().learn_coding(spelling())
    few, many = (plan_for(coding, pairs) for pairs in (49_999, 120_000))
    # Together they read as much as one would: 3 million pairs, one by itself 40 times at most.
    assert (few.members, few.epochs) == (1, 40)
    assert (many.members, many.epochs) == (2, 12)
