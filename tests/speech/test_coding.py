"""What is learned from labels: target, tokens, numbers and back."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.errors import DataError
from unrolled.data.recordings import Recording, Recordings
from unrolled.tasks.speech.coding import Coding, cut, learn_labels, target_of, tokens_of
from unrolled.tasks.speech.features import LogMel

SOUND = np.linspace(-0.5, 0.5, 400, dtype=np.float32)


def said(*labels, role="transcript"):
    rows = tuple(Recording(f"{k}.wav", SOUND, 8000, label) for k, label in enumerate(labels))
    return Recordings(rows, role)


def coding(target, tokens, labels):
    features = LogMel(8000, bands=4).fit(said("a"))
    return Coding(target, labels, tokens, 2, features)


def test_the_target_is_told_by_the_labels():
    assert target_of(said("a", "b", "a", role="label"), None) == ("class", None)
    target, finding = target_of(said("yes", "no", "yes"), None)
    assert (target, finding.kind) == ("sequence", "found")
    # Three of five labels are there once.
    rows = ("a b", "b c", "c a", "c d", "c d")
    assert target_of(said(*rows, role="label"), None)[0] == "sequence"
    assert target_of(said("a", "b"), "class") == ("class", None)
    with pytest.raises(ValueError, match="target is 'words'; choose from class, sequence"):
        target_of(said("a"), "words")
    with pytest.raises(DataError, match="recordings has no labels to learn"):
        target_of(said(None, role=""), None)


def test_words_are_the_tokens_where_they_are_few_and_come_often():
    assert tokens_of(said(*["one two"] * 10), None)[0] == "words"
    assert tokens_of(said(*["one two"] * 9), None)[0] == "characters"
    many = " ".join(f"w{k}" for k in range(101))
    assert tokens_of(said(*[many] * 20), None)[0] == "characters"
    assert tokens_of(said("one"), "words") == ("words", None)
    with pytest.raises(ValueError, match="tokens is 'phone'"):
        tokens_of(said("one"), "phone")


def test_what_there_is_to_learn():
    assert learn_labels(said("b", "a", "b", role="label"), "class", "") == ("a", "b")
    assert learn_labels(said("to", "do  it"), "sequence", "characters") == tuple(" diot")
    assert learn_labels(said("to do", "do it"), "sequence", "words") == ("do", "it", "to")
    with pytest.raises(DataError, match="all 2 recordings of recordings are of one class, 'a'"):
        learn_labels(said("a", "a", role="label"), "class", "")
    with pytest.raises(DataError, match="all transcripts of recordings are empty"):
        learn_labels(said(" ", ""), "sequence", "words")


@given(st.text("abc é\t", max_size=20), st.sampled_from(["characters", "words"]))
def test_a_transcript_comes_back(text, tokens):
    found = coding("sequence", tokens, tuple(sorted(set(cut(text, tokens)))))
    numbers = found.encode(text)
    # The blank of CTC is 0.
    assert all(1 <= number < found.outputs for number in numbers)
    assert found.decode(numbers) == " ".join(text.split())


def test_what_is_not_known_is_left_out():
    assert coding("sequence", "characters", ("a", "b")).encode("axb") == [1, 2]
    classes = coding("class", "", ("a", "b"))
    assert (classes.encode("b"), classes.encode("c"), classes.outputs) == ([1], [], 2)


@pytest.mark.parametrize(("target", "tokens"), [("class", ""), ("sequence", "words")])
def test_json_holds_it(target, tokens):
    first = coding(target, tokens, ("a", "b"))
    again = Coding.from_dict(json.loads(json.dumps(first.to_dict())))
    assert again.to_dict() == first.to_dict()
    assert np.array_equal(again.features(SOUND), first.features(SOUND))
