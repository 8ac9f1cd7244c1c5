"""Words, letters and tags as numbers: counted by hand, and back again."""

import json
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data import DataError
from unrolled.data.tagged import sentences_of
from unrolled.tasks.tag.coding import CASING, MOST_LETTERS, Coding, Encoded, casing_of

WORDS = [["The", "cat", "sat"], ["the", "cat"], ["The", "end"]]
TAGS = [["D", "N", "V"], ["D", "N"], ["D", "N"]]
DATA = sentences_of(WORDS, TAGS)
SPANS = [["B-P", "I-P", "O"], ["O", "B-P"], ["O", "O"]]


def test_words_letters_and_tags_get_ids() -> None:
    coding = Coding.learn(DATA)
    # By how often they are seen, then by the alphabet, where capitals come first.
    assert coding.words == ("The", "cat", "end", "sat", "the")
    assert coding.counts == (2, 2, 1, 1, 1)
    assert (coding.letters, coding.tags) == ("Tacdehnst", ("D", "N", "V"))
    assert coding.word_ids(["cat", "dog", "THE"]) == [2, 0, 0]
    assert coding.letter_ids("cäT") == [4, 1, 2]
    assert coding.tag_ids(["V", "X"]) == [2, -1]
    assert coding.tags_of([2, 0]) == ["V", "D"]
    assert coding.spelt([4, 1, 2, 0, 0]) == "c\ufffdT"
    assert (coding.scheme, coding.well_formed, coding.allowed()) == (None, False, None)


def test_small_letters_and_rare_words() -> None:
    coding = Coding.learn(DATA, least=2, lower=True)
    assert (coding.words, coding.counts) == (("the", "cat"), (3, 2))
    assert coding.word_ids(["THE", "sat"]) == [1, 0]
    # Rare words still give their letters.
    assert "s" in coding.letters
    (finding,) = coding.findings
    assert finding.count == 2
    assert "2 of 4 different words, 2 of 7 in the sentences" in finding.text
    with pytest.raises(DataError, match=r"no word .* least=9 times; the most frequent, 'the', 3"):
        Coding.learn(DATA, least=9, lower=True)


def test_it_is_kept_as_json() -> None:
    for data in (DATA, sentences_of(WORDS[:2], SPANS[:2])):
        coding = Coding.learn(data, lower=True)
        assert Coding.from_dict(json.loads(json.dumps(coding.to_dict()))) == coding


def test_what_cannot_be_learned_is_refused() -> None:
    with pytest.raises(DataError, match="has only the tag 'N'; learning needs words with at least"):
        Coding.learn(sentences_of([["a", "b"]], [["N", "N"]]))
    with pytest.raises(DataError, match="has no tags"):
        Coding.learn(sentences_of([["a", "b"]]))


def test_spans_are_recognised_and_checked() -> None:
    coding = Coding.learn(sentences_of([["a", "b", "c"], ["a", "b"], ["b", "c"]], SPANS))
    assert (coding.scheme, coding.well_formed, coding.findings) == ("bio", True, ())
    assert coding.keeps_to_scheme(["B-P", "I-P"])
    assert not coding.keeps_to_scheme(["O", "I-P"])
    # A tag that is not known makes nothing ill-formed.
    assert coding.keeps_to_scheme(["I-L", "I-L"])
    broken = Coding.learn(sentences_of([["a", "b"], ["c", "d"]], [["B-P", "O"], ["O", "I-P"]]))
    assert (broken.scheme, broken.well_formed) == ("bio", False)
    assert [(f.kind, f.count) for f in broken.findings] == [("warning", 1)]


@pytest.mark.parametrize(
    ("word", "marks"),
    [
        ("cat", ()),
        ("Cat", (CASING[0],)),
        ("CAT", CASING[:3]),
        ("iPhone", (CASING[2],)),
        ("I", (CASING[0],)),
        ("747", CASING[3:]),
        ("B-747", (CASING[0], CASING[3])),
        ("...", (CASING[4],)),
        ("東京", ()),
        ("Äpfel", (CASING[0],)),
    ],
)
def test_how_words_are_written(word, marks) -> None:
    assert casing_of(word) == [float(name in marks) for name in CASING]


_WORD = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
_SENTENCES = st.lists(st.lists(_WORD, min_size=1, max_size=5), min_size=1, max_size=5)


@given(_SENTENCES, st.randoms())
def test_a_batch_holds_its_sentences(sentences, random) -> None:
    tags = [[random.choice("ABC") for _ in words] for words in sentences]
    data = sentences_of([["x", "y"], *sentences], [["A", "B"], *tags])
    coding = Coding.learn(data)
    places = random.sample(range(len(data)), random.randint(1, len(data)))
    batch = Encoded(coding, data).batch(places)
    longest = max(len(data.words[k]) for k in places)
    assert all(len(tensor) == len(places) for tensor in batch.values())
    for row, place in enumerate(places):
        words, n = data.words[place], len(data.words[place])
        assert batch["lengths"][row] == n
        letters = batch["letters"][row].tolist()
        assert [coding.spelt(word) for word in letters] == [*words, *[""] * (longest - n)]
        ids = batch["words"][row].tolist()
        assert [coding.words[k - 1] for k in ids[:n]] == list(words)
        assert not any(ids[n:])
        assert batch["casing"][row, :n].tolist() == list(map(casing_of, words))
        known = batch["tags"][row].tolist()
        assert coding.tags_of(known[:n]) == list(data.tags[place])
        assert known[n:] == [-1] * (longest - n)


def test_long_words_are_read_by_their_ends_and_counted() -> None:
    long = "a" * 30 + "b" * 30
    data = sentences_of([["ab", long, long]], [["X", "Y", "Y"]])
    coding = Coding.learn(data)
    encoded = Encoded(coding, data)
    assert coding.spelt(coding.letter_ids(long)) == "a" * 20 + "b" * 20
    assert encoded.batch([0])["letters"].shape == (1, 3, MOST_LETTERS)
    assert [(f.kind, f.count) for f in encoded.findings] == [("repaired", 1)]


def test_sentences_without_a_probability_have_no_target() -> None:
    coding = Coding.learn(sentences_of([["a", "b", "c"], ["a", "b"], ["b", "c"]], SPANS))
    new = sentences_of([["a", "b"]] * 3, [["O", "B-P"], ["O", "I-P"], ["O", "B-L"]])
    encoded = Encoded(coding, new)
    assert encoded.batch([0, 1, 2])["tags"].tolist() == [[2, 0], [-1, -1], [-1, -1]]
    texts = {f.text: f.count for f in encoded.findings}
    assert texts == {
        "1 word with tags that training has not seen: B-L": 1,
        "1 sentence with spans not well-formed in bio": 1,
    }
    assert "tags" not in Encoded(coding, sentences_of([["a"]])).batch([0])


def test_its_summary() -> None:
    told = dict(Coding.learn(sentences_of(WORDS, SPANS_OF_WORDS), lower=True).summary())
    assert told["words"] == "4 with a vector in small letters, of 9 letters"
    assert re.fullmatch(r"3, which mark spans \(bio\): B-P, I-P, O", told["tags"])


SPANS_OF_WORDS = [["O", "B-P", "I-P"], ["O", "B-P"], ["O", "O"]]


def test_ids_do_not_depend_on_the_order_of_sentences() -> None:
    again = Coding.learn(DATA.select([2, 0, 1]))
    assert again == Coding.learn(DATA)
    first, second = Encoded(again, DATA).batch([0]), Encoded(again, DATA.select([0])).batch([0])
    assert all(torch.equal(first[name], second[name]) for name in first)
