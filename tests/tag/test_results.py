"""Figures of taggings, counted by hand and by scikit-learn."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from unrolled.data.tagged import sentences_of
from unrolled.report import Table
from unrolled.report.numbers import PERCENT
from unrolled.tasks.tag.baselines import NAME, FrequentTags
from unrolled.tasks.tag.report import TaggerParts
from unrolled.tasks.tag.results import details_of, scores_of, worst_sentences

WORDS = [["the", "cat", "sat"], ["a", "dog"], ["stop"]]
TRUE = sentences_of(WORDS, [["D", "N", "V"], ["D", "N"], ["V"]])
CAME = [["D", "V", "V"], ["D", "N"], ["N"]]


def test_figures_counted_by_hand() -> None:
    found = scores_of(TRUE, CAME, lambda word: word in ("the", "sat", "stop"), spans=False)
    # Unseen are cat, a and dog, of which cat is wrong.
    assert found == pytest.approx(
        {"accuracy": 4 / 6, "whole sentences": 1 / 3, "unseen words": 2 / 3}
    )
    every = scores_of(TRUE, CAME, lambda word: True, spans=False)
    assert math.isnan(every["unseen words"])


def test_spans_are_counted_where_tags_mark_them() -> None:
    data = sentences_of([["a", "b", "c"]], [["B-P", "I-P", "O"]])
    found = scores_of(data, [["B-P", "O", "B-P"]], lambda word: True, spans=True)
    assert (found["span F1"], found["accuracy"]) == (0.0, pytest.approx(1 / 3))
    details = details_of(data, [["B-P", "I-P", "B-P"]], spans=True)
    assert details.spans is not None
    assert details.spans.overall.f1 == pytest.approx(2 / 3)
    assert details_of(data, [["B-P", "I-P", "B-P"]], spans=False).spans is None


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("ABC")), min_size=1))
def test_scores_of_tags_are_those_of_scikit_learn(pairs) -> None:
    true, came = [a for a, _ in pairs], [b for _, b in pairs]
    details = details_of(sentences_of([["x"] * len(pairs)], [true]), [came], spans=False)
    labels = ["A", "B", "C"]
    assert list(details.by_tag) == sorted({*true, *came})
    table = precision_recall_fscore_support(true, came, labels=labels, zero_division=0)
    for tag, *theirs in zip(labels, *table, strict=True):
        if score := details.by_tag.get(tag):
            mine = (score.precision, score.recall, score.f1, score.true)
            assert mine == pytest.approx(theirs), tag
    matrix = confusion_matrix(true, came, labels=labels)
    wrong = {(c.true, c.predicted): c.count for c in details.confusions}
    assert wrong == {
        (a, b): matrix[i, j]
        for i, a in enumerate(labels)
        for j, b in enumerate(labels)
        if i != j and matrix[i, j]
    }
    assert list(wrong.values()) == sorted(wrong.values(), reverse=True)


def test_confusions_name_their_words() -> None:
    words = [["a", "b", "b", "c"]]
    details = details_of(sentences_of(words, [["X"] * 4]), [["Y", "Y", "Y", "X"]], spans=False)
    assert details.confusions == (("X", "Y", 3, ("b", "a")),)


def test_the_worst_sentences_show_both_taggings() -> None:
    table = worst_sentences(TRUE, CAME)
    assert table is not None
    # Both have one wrong tag: the shorter sentence comes first.
    assert [row[0] for row in table.rows] == ["sentence 3", "sentence 1"]
    assert list(table.rows[1][1:]) == ["the/D cat/N sat/V", "the/D cat/V* sat/V", "1 of 3"]
    assert worst_sentences(TRUE, TRUE.tags) is None


def test_a_long_sentence_is_cut_in_the_table() -> None:
    data = sentences_of([["x"] * 100], [["A"] * 100])
    table = worst_sentences(data, [["B"] * 100])
    assert table is not None
    assert table.rows[0][2].endswith("x/B* and 60 more words")
    assert table.rows[0][3] == "100 of 100"


def test_the_baseline_is_kept_with_what_it_has_seen() -> None:
    learned = sentences_of([["The", "cat"], ["the", "The"]], [["D", "N"], ["X", "D"]])
    for lower, seen in ((False, False), (True, True)):
        fitted = FrequentTags.fit(learned, lower, spans=False)
        kept = FrequentTags.from_dict(fitted.to_dict(), {})
        assert kept == fitted
        assert kept.was_seen("THE") is seen
        assert kept.predict([["The", "the", "dog"]]) == [["D", "D" if lower else "X", "D"]]
        found = kept.scores(sentences_of([["the", "dog"]], [["X", "N"]]))[NAME]
        assert found["accuracy"] == (0.0 if lower else 0.5)
        assert found["unseen words"] == 0.0


def test_a_table_of_many_tags_says_what_it_leaves_out() -> None:
    tags = [f"T{k:02}" for k in range(33)]
    data = sentences_of([["x"] * 34], [[*tags, "T32"]])
    (table,) = TaggerParts().data(None, data)
    assert isinstance(table, Table)
    assert (len(table.rows), table.caption) == (30, "The 3 rarest are left out.")
    assert list(table.rows[0]) == ["T32", "2", f"5.9{PERCENT}"]
