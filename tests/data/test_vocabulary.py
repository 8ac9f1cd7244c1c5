"""Tokens, ids and padded rows against counting by hand and against other implementations."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unrolled.data import DataError
from unrolled.data.text import Text, read_text
from unrolled.data.vocabulary import KINDS, Vocabulary, pad

ROSE = "A rose is a rose.\nIs a rose?"
SPECIALS = ("<pad>", "<bos>", "<eos>")
# Text as people write it: letters with marks, quotes, numbers, several scripts.
LETTERS = "ab1é\u0301नि\u200d'\u2019\".,:-/(«»“\n \t\r\u2028我😀_$%ß"
WRITTEN = st.text(st.sampled_from(LETTERS), max_size=30)
ANY = st.text() | WRITTEN


def saved(vocabulary):
    return Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict())))


# Characters.


def test_characters_by_hand():
    vocabulary = Vocabulary.learn("banana", specials=SPECIALS)
    assert vocabulary.tokens == (*SPECIALS, "<unk>", "a", "n", "b")
    assert (vocabulary.unknown, vocabulary.special("<eos>"), len(vocabulary)) == (3, 2, 7)
    ids = vocabulary.encode("nab!")
    assert ids.dtype == np.int64
    np.testing.assert_array_equal(ids, [5, 4, 6, 3])
    assert vocabulary.decode([1, *ids, 2, 0]) == "nab\ufffd"
    assert repr(vocabulary) == "Vocabulary(3 characters and <pad>, <bos>, <eos>, <unk>)"


@given(st.text(st.characters()), st.text(st.characters()))
@settings(deadline=None)
def test_characters_of_all_unicode(known, other):
    vocabulary = Vocabulary.learn(known + "a")
    assert vocabulary.decode(vocabulary.encode(known)) == known
    # A dictionary, as nanoGPT's prepare.py has it.
    table = {token: k for k, token in enumerate(vocabulary.tokens)}
    wanted = [table.get(character, 0) for character in other]
    np.testing.assert_array_equal(vocabulary.encode(other), wanted)
    assert saved(vocabulary) == vocabulary


def test_half_a_surrogate_pair():
    assert Vocabulary.learn("a\ud800").decode([1, 2]) == "a\ud800"
    subwords = Vocabulary.learn("a", "subwords")
    for call in (subwords.encode, lambda text: Vocabulary.learn(text, "subwords")):
        with pytest.raises(DataError, match=r"U\+D800 at 1, half a surrogate pair"):
            call("a\ud800")


def test_a_megabyte_of_characters_is_quick():
    text = "".join(map(chr, np.random.default_rng(0).integers(32, 0x3000, 1_000_000)))
    vocabulary = Vocabulary.learn(text)
    begin = time.perf_counter()
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids) == text
    # Measured: 0.02 s; the rest is for a busy machine.
    assert time.perf_counter() - begin < 0.5


# Words.


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop, O'Brien!", ["Don't", "stop", ",", "O'Brien", "!"]),
        ("l\u2019été — 3,5 °C", ["l\u2019été", "—", "3,5", "°", "C"]),
        ("1,234.5 at 12:30 on the 3rd", ["1,234.5", "at", "12:30", "on", "the", "3rd"]),
        ("3.5kg. 4.", ["3.5", "kg", ".", "4", "."]),
        ("'tis dogs' tails", ["'", "tis", "dogs", "'", "tails"]),
        ("e\u0301te\u0301 \u0301", ["e\u0301te\u0301", "\u0301"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        # Persian, with a joiner of width zero inside the word.
        ("\u0645\u06cc\u200c\u062e \u0645", ["\u0645\u06cc\u200c\u062e", "\u0645"]),
        ("snake_case = x2", ["snake_case", "=", "x2"]),
        ("well-known/new", ["well", "-", "known", "/", "new"]),
        (" a\tb \n\n\u2028c\r\n", ["a", "b", "\n", "\n", "c", "\n"]),
        ("❤\ufe0f😀😀", ["❤\ufe0f", "😀", "😀"]),
        ("...", [".", ".", "."]),
        ("", []),
    ],
)
def test_words_by_hand(text, words):
    vocabulary = Vocabulary.learn("one", "words")
    assert vocabulary.tokenize(text) == words


@pytest.mark.parametrize(
    "text",
    [
        "First Citizen:\nWe know't, we know't.\n\nAll:\n\tno",
        'She said "no (never)" and "a \'b\' c"; 3,5 % of it.',
        "Où? «là»… “ici”, ¿qué? well-known $5 and #tag [x]",
        'an open "quote\n"closes" at the line',
    ],
)
def test_words_join_as_they_were_written(text):
    vocabulary = Vocabulary.learn(text, "words")
    wanted = text.replace("\t", "").replace("3,5 %", "3,5%")
    assert vocabulary.decode(vocabulary.encode(text)) == wanted


@given(ANY)
@settings(deadline=None)
@example("3.5\u0301a (\u0301 ' \u0301")
@example("don ' t 3 . 5 1 : 2")
def test_words_survive_but_for_white_space(text):
    vocabulary = Vocabulary.learn(text + " x", "words")
    back = vocabulary.decode(vocabulary.encode(text))
    assert "".join(back.split()) == "".join(text.split())
    assert back.count("\n") == text.count("\n")
    assert vocabulary.tokenize(back) == vocabulary.tokenize(text)
    assert saved(vocabulary) == vocabulary


def test_frequency_cut():
    whole = Vocabulary.learn(ROSE, "words")
    # rose 3; a 2; then ones in the order of code points.
    assert whole.tokens == ("<unk>", "rose", "a", "\n", ".", "?", "A", "Is", "is")
    assert whole.findings == ()
    often = Vocabulary.learn(ROSE, "words", least=2)
    assert often.tokens == ("<unk>", "rose", "a")
    (finding,) = often.findings
    assert (finding.kind, finding.count) == ("ignored", 6)
    assert "6 of 8 distinct tokens, 6 of 11 in the text" in finding.text
    assert often.decode(often.encode("a red rose")) == "a <unk> rose"
    sized = Vocabulary.learn(ROSE, "words", most=4, specials=["<pad>"])
    assert sized.tokens == ("<pad>", "<unk>", "rose", "a")
    with pytest.raises(DataError, match="least=4 times, the most frequent one 3 times"):
        Vocabulary.learn(ROSE, "words", least=4)


def test_lower_case_is_said():
    vocabulary = Vocabulary.learn(Text((ROSE, "Ünter")), "words", lower=True)
    assert vocabulary.tokens[:4] == ("<unk>", "a", "rose", "is")
    # A, I, Ü.
    assert [(f.kind, f.count) for f in vocabulary.findings] == [("found", 3)]
    assert vocabulary.summary() == "7 words and <unk>, lower case"
    assert saved(vocabulary).tokenize("A ROSE") == ["a", "rose"]
    np.testing.assert_array_equal(saved(vocabulary).encode("A ROSE"), [1, 2])


# Subwords.

# The corpus of Sennrich, Haddow and Birch (2016), with the blank in front instead of "</w>".
CORPUS = " low" * 5 + " lower" * 2 + " newest" * 6 + " widest" * 3


def test_merges_by_hand():
    vocabulary = Vocabulary.learn(CORPUS, "subwords", most=len(SPECIALS) + 261, specials=SPECIALS)
    learned = vocabulary.tokens[len(SPECIALS) + 256 :]
    # e s and s t are seen 9 times, so "est" is whole after two merges; then the three pairs of
    # " low", 7 times.
    assert (learned[1], learned[4]) == ("est", "Ġlow")
    assert vocabulary.tokenize(" lowest") == ["Ġlow", "est"]
    assert (vocabulary.unknown, len(vocabulary)) == (None, 264)


def merged(letters, merges):
    """The definition: the earliest pair is merged wherever it stands, and so on."""
    for left, right in merges:
        k = 0
        while k < len(letters) - 1:
            if (letters[k], letters[k + 1]) == (left, right):
                letters[k : k + 2] = [left + right]
            k += 1
    return letters


@given(st.text(st.sampled_from("lowernstid"), min_size=1, max_size=12))
@settings(deadline=None)
def test_merges_as_defined(word):
    vocabulary = LOW
    assert vocabulary.tokenize(word) == merged(list(word), vocabulary.merges)


LOW = Vocabulary.learn(CORPUS, "subwords", most=280)
SMALL = Vocabulary.learn([ROSE, "हिन्दी में, 我爱你"], "subwords", specials=SPECIALS)


@given(ANY)
@settings(max_examples=200, deadline=None)
@example("<pad><|endoftext|> Ġ\r\n  \t")
def test_subwords_know_every_text(text):
    ids = SMALL.encode(text)
    assert SMALL.decode(ids) == text
    assert SMALL.decode([1, *ids, 2, 0]) == text
    assert not len(ids) or ids.min() >= len(SPECIALS)
    assert SMALL.coverage(text).share == 1


def test_words_stay_whole_across_their_marks():
    # The pieces that GPT-2 takes apart at every vowel sign.
    vocabulary = Vocabulary.learn("हिन्दी " * 9, "subwords")
    assert len(vocabulary.tokenize("हिन्दी")) == 1


def test_subwords_end_where_the_text_does():
    vocabulary = Vocabulary.learn("ab ab", "subwords", most=300)
    # "ab" and " ab" are all there is to merge.
    assert vocabulary.tokens[256:] == ("ab", "Ġab")
    assert "gives 258 subwords, where 300" in vocabulary.findings[0].text
    # " ab" is seen once, "ab" twice.
    assert Vocabulary.learn("ab ab", "subwords", least=2).tokens[256:] == ("ab",)


def test_learning_repeats_in_another_process():
    code = (
        "import json; from unrolled.data.vocabulary import Vocabulary;"
        f"text = {ROSE!r} + ' '.join(str(k * k) for k in range(2000));"
        "print(json.dumps([Vocabulary.learn(text, kind, most=900).to_dict()"
        " for kind in ('characters', 'words', 'subwords')]))"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "TOKENIZERS_PARALLELISM": parallel},
        ).stdout
        for seed, parallel in (("1", "true"), ("2", "false"))
    ]
    assert outputs[0] == outputs[1]
    assert [len(v["tokens"]) for v in json.loads(outputs[0])][1:] == [900, 900]


# All kinds.


@pytest.mark.parametrize("kind", KINDS)
def test_kept_as_json(kind):
    vocabulary = Vocabulary.learn(ROSE, kind, specials=SPECIALS)
    back = saved(vocabulary)
    assert back == vocabulary
    np.testing.assert_array_equal(back.encode(ROSE + "\t!é"), vocabulary.encode(ROSE + "\t!é"))


@pytest.mark.parametrize("kind", KINDS)
def test_text_never_gives_a_special_token(kind):
    text = "<pad> <bos><eos> <unk>"
    vocabulary = Vocabulary.learn(text, kind, specials=SPECIALS)
    ids = vocabulary.encode(text)
    # Beyond the special tokens and "<unk>".
    assert ids.min() > (2 if kind == "subwords" else 3)
    assert vocabulary.decode(ids).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("kind", KINDS)
def test_empty_text(kind):
    vocabulary = Vocabulary.learn("a", kind)
    assert vocabulary.encode("").dtype == np.int64
    assert (vocabulary.encode("").shape, vocabulary.decode([])) == ((0,), "")
    assert vocabulary.coverage("") == (0, 0, ())
    assert vocabulary.coverage("").share == 1
    for nothing in ("", [], [""]):
        with pytest.raises(DataError, match=r"no token|empty"):
            Vocabulary.learn(nothing, kind)


def test_coverage():
    coverage = Vocabulary.learn(ROSE, "words").coverage("a red rose is a red, red sun.")
    # Ten tokens; red three times, the comma and sun are new.
    assert coverage == (10, 5, ("red", ",", "sun"))
    assert coverage.share == 0.5
    finding = coverage.finding()
    assert finding is not None
    assert (finding.kind, finding.count) == ("warning", 5)
    assert "5 of 10 tokens (50.00%), 3 of them distinct: 'red', ',', 'sun'" in finding.text
    assert Vocabulary.learn("abc").coverage("cab").finding() is None


def test_refused_arguments():
    with pytest.raises(ValueError, match="did you mean 'words'"):
        Vocabulary.learn("a", "word")
    with pytest.raises(ValueError, match="least must be 1 or more, got 0"):
        Vocabulary.learn("a", least=0)
    with pytest.raises(ValueError, match="most must be 3 or more"):
        Vocabulary.learn("a", most=2, specials=["<pad>"])
    with pytest.raises(ValueError, match="most must be 256 or more"):
        Vocabulary.learn("a", "subwords", most=255)
    for specials in (["pad"], ["<unk>"], ["<pad>", "<pad>"], [""], "<pad>"):
        with pytest.raises(ValueError, match="specials holds"):
            Vocabulary.learn("a", specials=specials)
    with pytest.raises(ValueError, match="special token is '<eos>'"):
        Vocabulary.learn("a", specials=["<pad>"]).special("<eos>")


def test_refused_ids():
    vocabulary = Vocabulary.learn("abc")
    for ids in ([4], [-1], [0, 1, 99]):
        with pytest.raises(ValueError, match="between 0 and 3"):
            vocabulary.decode(ids)
    strange: list[Any] = [[[1]], [0.5], 1]
    for ids in strange:
        with pytest.raises(ValueError, match="one row of integers"):
            vocabulary.decode(ids)
    assert vocabulary.decode(torch.tensor([3, 2]).numpy()) == "cb"


def test_what_is_no_saved_vocabulary():
    whole = Vocabulary.learn("abc").to_dict()
    cases: list[Any] = [{}, [], {**whole, "kind": "bytes"}, {**whole, "merges": 3}]
    for wrong in cases:
        with pytest.raises(DataError, match="not a saved vocabulary"):
            Vocabulary.from_dict(wrong)


# Padding.


@given(st.lists(st.lists(st.integers(0, 2**40), max_size=6), min_size=1, max_size=5))
@settings(deadline=None)
def test_padding_as_in_torch(rows):
    ids, valid, findings = pad(rows, padding=-1)
    wanted = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(row, dtype=torch.int64) for row in rows], batch_first=True, padding_value=-1
    )
    np.testing.assert_array_equal(ids, wanted.numpy())
    np.testing.assert_array_equal(valid, wanted.numpy() >= 0)
    assert (ids.dtype, valid.dtype, findings) == (np.int64, np.bool_, ())


def test_padding_to_a_length():
    ids, valid, findings = pad([[1, 2, 3, 4], np.array([5]), [], [6, 7, 8]], padding=9, length=2)
    np.testing.assert_array_equal(ids, [[1, 2], [5, 9], [9, 9], [6, 7]])
    np.testing.assert_array_equal(valid, [[1, 1], [1, 0], [0, 0], [1, 1]])
    assert [(f.kind, f.count, f.text) for f in findings] == [
        ("ignored", 2, "cut to 2 tokens: 2 of 4 rows, by 3 tokens")
    ]
    assert pad([[1]], length=3).ids.tolist() == [[1, 0, 0]]
    assert pad([[1]], length=0).ids.shape == (1, 0)
    assert pad([]).ids.shape == (0, 0)
    with pytest.raises(ValueError, match="length must be 0 or more, got -1"):
        pad([[1]], length=-1)


def test_tiny_shakespeare():
    path = Path(os.environ.get("UNROLLED_DATA", "-")) / "tinyshakespeare" / "input.txt"
    if not path.exists():
        pytest.skip("UNROLLED_DATA names no folder with tinyshakespeare/input.txt")
    text = read_text(path)
    lead, trail = text.split(0.9)
    characters = Vocabulary.learn(lead)
    # The 65 characters of the literature all occur in the first 90 %.
    assert len(characters) == 65 + 1
    assert characters.coverage(trail.documents[0]) == (111_540, 0, ())
    subwords = Vocabulary.learn(lead, "subwords", most=1000)
    for vocabulary in (characters, subwords):
        assert vocabulary.decode(vocabulary.encode(trail.documents[0])) == trail.documents[0]
    words = Vocabulary.learn(lead, "words", least=2)
    back = words.decode(words.encode(lead.documents[0]))
    assert back.startswith("First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:")
