"""Scores against scikit-learn, and counted by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from unrolled.tasks.speech.metrics import confusion, score_classes, score_transcripts

pairs = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1)


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_scores_of_classes_are_those_of_scikit_learn(rows):
    answers, labels = [a for a, _ in rows], [b for _, b in rows]
    found = score_classes(answers, labels)
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, answers))
    expected = f1_score(labels, answers, average="macro", zero_division=0)
    assert found["macro F1"] == pytest.approx(expected)
    counts = confusion(answers, labels, "abcd").counts
    np.testing.assert_array_equal(counts, confusion_matrix(labels, answers, labels=list("abcd")))


def test_scores_of_transcripts_are_counted_over_all():
    labels = ["one two", "three", "four"]
    answers = ["one too", "three", ""]
    found = score_transcripts(answers, labels)
    # Characters: w -> o of 7, none of 5, four of 4. Words: one of 2, none of 1, one of 1.
    assert found["CER"] == pytest.approx(5 / 16)
    assert found["WER"] == pytest.approx(2 / 4)
    assert found["exact match"] == pytest.approx(1 / 3)


def test_blanks_in_a_row_are_not_heard():
    assert score_transcripts(["one two"], [" one   two "])["CER"] == 0
