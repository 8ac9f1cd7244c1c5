"""Edit distances against a slow recursion, jiwer and counts by hand."""

import math
from functools import cache

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.tasks.edits import Edits, edits, error_rate, nearest_edits

FEW = st.text("abc", max_size=7)
WORDS = st.lists(st.sampled_from(["a", "b", "cat", "dog"]), min_size=1, max_size=8).map(" ".join)


def slow(hypothesis, reference):
    """(errors, -substitutions) that is least over all alignments, by recursion."""

    @cache
    def least(i, j):
        if i == 0 or j == 0:
            return (i + j, 0)
        same = hypothesis[i - 1] == reference[j - 1]
        errors, substitutions = least(i - 1, j - 1)
        ways = [(errors + (not same), substitutions - (not same))]
        ways += [(e + 1, s) for e, s in (least(i - 1, j), least(i, j - 1))]
        return min(ways)

    return least(len(hypothesis), len(reference))


@settings(max_examples=300, deadline=None)
@given(FEW, FEW)
def test_counts_are_those_of_the_recursion(hypothesis, reference):
    found = edits(hypothesis, reference)
    errors, substitutions = slow(hypothesis, reference)
    assert (found.errors, found.substitutions) == (errors, -substitutions)
    assert found.insertions - found.deletions == len(hypothesis) - len(reference)
    assert min(found.substitutions, found.insertions, found.deletions) >= 0
    assert (found.length, found.wrong) == (len(reference), int(hypothesis != reference))


@settings(max_examples=100, deadline=None)
@given(FEW, FEW)
def test_turned_round_insertions_are_deletions(a, b):
    there, back = edits(a, b), edits(b, a)
    assert (there.substitutions, there.insertions) == (back.substitutions, back.deletions)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5))
def test_rates_of_a_corpus_are_those_of_jiwer(pairs):
    hypotheses, references = map(list, zip(*pairs, strict=True))
    words = jiwer.process_words(references, hypotheses)
    characters = jiwer.process_characters(references, hypotheses)
    for unit, theirs, rate in (
        ("word", words, words.wer),
        ("phoneme", words, words.wer),
        ("character", characters, characters.cer),
    ):
        found = error_rate(hypotheses, references, unit)
        # Alignments with the fewest errors are not unique, so only the sums must agree.
        assert found.errors == theirs.substitutions + theirs.insertions + theirs.deletions
        assert found.insertions - found.deletions == theirs.insertions - theirs.deletions
        assert found.rate == pytest.approx(rate)


@pytest.mark.parametrize(
    ("hypothesis", "reference", "counts"),
    [
        ("sitting", "kitten", (2, 1, 0)),
        ("kitten", "sitting", (2, 0, 1)),
        ("", "", (0, 0, 0)),
        ("", "abc", (0, 0, 3)),
        ("abc", "", (0, 3, 0)),
        # Two substitutions, not an insertion and a deletion.
        ("ab", "ba", (2, 0, 0)),
        ("abxcd", "abcd", (0, 1, 0)),
        ("xaby", "zabw", (2, 0, 0)),
        (["K", "AE", "T"], ["K", "AA", "T", "S"], (1, 0, 1)),
        ((1, 2, 3), (2, 3, 4), (0, 1, 1)),
    ],
)
def test_counts_by_hand(hypothesis, reference, counts):
    found = edits(hypothesis, reference)
    assert (found.substitutions, found.insertions, found.deletions) == counts


def test_long_sequences():
    # One error every 100 items: by construction, with all neighbours different.
    reference = [k % 97 for k in range(2000)]
    hypothesis = [-1 if k % 100 == 50 else item for k, item in enumerate(reference)]
    assert edits(hypothesis, reference) == Edits(20, 0, 0, 2000, 1, 1)


def test_a_corpus_is_not_the_mean_of_its_sequences():
    found = error_rate(["a", "a b c d e f g h x"], ["b", "a b c d e f g h i"])
    assert (found.errors, found.length, found.rate) == (2, 10, 0.2)
    assert found.sequence_rate == 1.0
    assert error_rate(["a b", "c"], ["a b", "d"]).sequence_rate == 0.5


def test_the_nearest_reference_counts():
    found = nearest_edits("abc", ["xyz", "abd", "abcdef"])
    assert found == edits("abc", "abd")
    # As near: the first, whose length counts, and not the one of the lower rate.
    assert nearest_edits("abc", ["ab", "abcd"]).length == 2
    several = [["T AH M EY T OW", "T AH M AA T OW"], "K AE T"]
    found = error_rate(["T AH M AA T OW", "K AE T S"], several, "phoneme")
    assert (found.errors, found.length, found.sequences) == (1, 9, 2)


def test_characters_include_spaces():
    found = error_rate(["a bc"], ["ab c"], "character")
    assert (found.errors, found.length) == (2, 4)


def test_empty_references():
    assert Edits().rate == 0.0
    assert edits("", "").rate == 0.0
    assert edits("a", "").rate == math.inf
    assert error_rate(["", "a"], ["", "a"], "character").rate == 0.0


def test_wrong_arguments():
    with pytest.raises(ValueError, match="references must be 2, one a hypothesis, got 1"):
        error_rate(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="unit is 'words'; did you mean 'word'"):
        error_rate(["a"], ["a"], "words")
    with pytest.raises(ValueError, match="one sequence or more, got none"):
        nearest_edits("a", [])
