"""Spans and their scores against seqeval; constraints against every short sequence there is."""

import itertools
import warnings

import pytest
import seqeval.metrics as theirs
import torch
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB1, IOB2, IOBES, Entities

from unrolled.nn.crf import CRF
from unrolled.tasks.tag.spans import (
    MostFrequentTag,
    Span,
    accuracy,
    allowed,
    detect_scheme,
    mark_spans,
    span_scores,
    spans,
)

THEIRS = {"bio": IOB2, "iob1": IOB1, "bioes": IOBES}
LETTERS = {"bio": "BI", "iob1": "BI", "bioes": "BIES"}
# Quotients of the same whole numbers.
EXACT = {"rel": 1e-15}


def _set_of(scheme):
    return ["O", *(f"{letter}-{kind}" for letter in LETTERS[scheme] for kind in ("P", "a-b"))]


def _any_tags(scheme, longest=9):
    return st.lists(st.sampled_from(_set_of(scheme)), min_size=1, max_size=longest)


@st.composite
def _chosen_spans(draw):
    """Spans of a sentence of some length, two of which may touch."""
    found, place = [], 0
    for gap, size, kind in draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from(["P", "L"])))
    ):
        found.append(Span(kind, place + gap, place + gap + size))
        place += gap + size
    return found, place + draw(st.integers(0, 1))


def _written(found, length, scheme):
    """Tags that mark spans, straight from the definitions of the schemes."""
    tags = ["O"] * length
    for span in found:
        touches = span.start > 0 and tags[span.start - 1][2:] == span.type
        first = "I" if scheme == "iob1" and not touches else "B"
        tags[span.start : span.stop] = [f"I-{span.type}"] * (span.stop - span.start)
        tags[span.start] = f"{first}-{span.type}"
        if scheme == "bioes":
            last = "S" if span.stop - span.start == 1 else "E"
            tags[span.stop - 1] = f"{last}-{span.type}"
    return tags


@pytest.mark.parametrize("scheme", ["bio", "iob1", "bioes"])
@given(chosen=_chosen_spans())
def test_what_is_written_is_read_back(scheme, chosen) -> None:
    found, length = chosen
    tags = _written(found, length, scheme)
    assert spans(tags) == found
    assert spans(tags, scheme) == found


@pytest.mark.parametrize("scheme", ["bio", "iob1", "bioes"])
@given(data=st.data())
def test_without_a_scheme_any_tags_are_read_as_the_shared_tasks_read_them(scheme, data) -> None:
    tags = data.draw(_any_tags(scheme))
    # Theirs names the last word, not the one after it.
    assert spans(tags) == [Span(kind, a, b + 1) for kind, a, b in get_entities(tags)]


# iob1 is left out: of tags that are malformed in it, theirs keeps parts (I-P of O B-P I-P).
@pytest.mark.parametrize("scheme", ["bio", "bioes"])
@given(data=st.data())
def test_with_a_scheme_only_well_formed_spans_count(scheme, data) -> None:
    tags = data.draw(_any_tags(scheme))
    expected = Entities([tags], THEIRS[scheme]).entities[0]
    assert spans(tags, scheme) == [Span(e.tag, e.start, e.end) for e in expected]


def test_iob1_drops_a_first_tag_that_touches_nothing() -> None:
    assert spans(["O", "B-P", "I-P", "I-L"], "iob1") == [Span("L", 3, 4)]
    assert spans(["I-P", "B-P", "B-L"], "iob1") == [Span("P", 0, 1), Span("P", 1, 2)]


@given(st.lists(st.tuples(_any_tags("bio", 5), st.randoms()), min_size=1, max_size=4))
def test_scores_equal_those_of_seqeval(drawn) -> None:
    true = [tags for tags, _ in drawn]
    predicted = [[random.choice([tag, *_set_of("bio")]) for tag in tags] for tags, random in drawn]
    found = span_scores(true, predicted)
    for strictly, scores in (({}, found), ({"mode": "strict", "scheme": IOB2}, None)):
        scores = scores or span_scores(true, predicted, "bio")
        with warnings.catch_warnings():
            # Theirs warns where it divides by nothing; numpy warns inside theirs.
            warnings.simplefilter("ignore")
            p, r, f = (
                measure(true, predicted, **strictly)
                for measure in (theirs.precision_score, theirs.recall_score, theirs.f1_score)
            )
            if scores.by_type:
                report = theirs.classification_report(true, predicted, output_dict=True, **strictly)
                for kind, score in scores.by_type.items():
                    mine = {"precision": score.precision, "recall": score.recall}
                    mine |= {"f1-score": score.f1, "support": score.true}
                    assert mine == pytest.approx(report[kind], **EXACT)
        overall = scores.overall
        assert (overall.precision, overall.recall, overall.f1) == pytest.approx((p, r, f), **EXACT)
    assert accuracy(true, predicted) == pytest.approx(theirs.accuracy_score(true, predicted))


def test_scores_counted_by_hand() -> None:
    true = [["B-P", "I-P", "O", "B-L"], ["B-L", "O"]]
    predicted = [["B-P", "I-P", "O", "B-P"], ["B-L", "I-L"]]
    found = span_scores(true, predicted)
    # Of P one of two is right; the L of the second sentence is one word too long.
    assert (found.by_type["P"].precision, found.by_type["P"].recall) == (0.5, 1.0)
    assert (found.by_type["L"].right, found.by_type["L"].f1) == (0, 0.0)
    assert (found.overall.right, found.overall.predicted, found.overall.true) == (1, 3, 3)
    assert found.overall.f1 == pytest.approx(1 / 3)
    assert accuracy(true, predicted) == pytest.approx(4 / 6)


def test_without_spans_scores_are_zero() -> None:
    found = span_scores([["O"]], [["O"]])
    assert (found.overall.precision, found.overall.recall, found.overall.f1) == (0, 0, 0)
    assert found.by_type == {}


def test_schemes_are_detected() -> None:
    assert detect_scheme([["B-P", "I-P", "O"]]) == "bio"
    assert detect_scheme([["O", "I-P", "I-P"], ["I-P", "B-P"]]) == "iob1"
    assert detect_scheme([["I-P", "B-P"], ["O", "B-P"]]) == "bio"
    assert detect_scheme([["S-P", "O"]]) == "bioes"
    assert detect_scheme([["NOUN", "VERB"]]) is None
    assert detect_scheme([["O", "O"]]) is None


@pytest.mark.parametrize("scheme", ["bio", "iob1", "bioes"])
@given(chosen=_chosen_spans())
def test_what_is_written_keeps_to_a_scheme_that_reads_it(scheme, chosen) -> None:
    tags = _written(*chosen, scheme)
    found = detect_scheme([tags])
    assert (found is None) == (not chosen[0])
    if found:
        assert spans(tags, found) == chosen[0]


def test_tags_that_mark_no_spans_are_told_apart() -> None:
    assert mark_spans(["O", "B-P", "I-P"])
    assert not mark_spans(["NOUN", "INTJ", "B-P"])
    assert not mark_spans(["O"])


@pytest.mark.parametrize("scheme", ["bio", "iob1", "bioes"])
def test_a_sequence_is_allowed_if_its_spans_write_it(scheme) -> None:
    tags = _set_of(scheme)
    rules = allowed(tags, scheme)
    for length in (1, 2, 3):
        for places in itertools.product(range(len(tags)), repeat=length):
            sequence = [tags[place] for place in places]
            follows = all(rules.transitions[a, b] for a, b in itertools.pairwise(places))
            fits = bool(follows and rules.first[places[0]] and rules.last[places[-1]])
            assert fits == (_written(spans(sequence), length, scheme) == sequence), sequence


@pytest.mark.parametrize("scheme", ["bio", "iob1", "bioes"])
def test_a_constrained_field_marks_well_formed_spans_only(scheme) -> None:
    tags = _set_of(scheme)
    scores = 5 * torch.randn(50, 8, len(tags))

    def best(field):
        return [[tags[k] for k in row] for row in field.viterbi(scores).tags]

    free, kept = best(CRF(len(tags))), best(CRF(len(tags), *allowed(tags, scheme)))
    assert [_written(spans(row), 8, scheme) for row in kept] == kept
    assert [_written(spans(row), 8, scheme) for row in free] != free


def test_the_commonest_tag_of_each_word() -> None:
    words = [["the", "flight", "to"], ["a", "flight", "the"], ["flight", "to", "to"]]
    tags = [["D", "N", "P"], ["D", "V", "D"], ["N", "P", "D"]]
    tagger = MostFrequentTag.fit(words, tags)
    # D: 4 times, N and P twice, V once.
    assert tagger.predict([["flight", "to", "boston"], []]) == [["N", "P", "D"], []]


def test_of_equally_frequent_tags_the_commoner_wins_then_the_alphabet() -> None:
    tagger = MostFrequentTag.fit([["x", "x", "y", "z", "z"]], [["A", "B", "B", "D", "C"]])
    assert tagger.predict([["x", "z", "new"]]) == [["B", "C", "B"]]


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be O or begin with .* got 'NOUN'"):
        spans(["NOUN"])
    with pytest.raises(ValueError, match=r"tags of bio must .* got 'S-P'"):
        spans(["S-P"], "bio")
    with pytest.raises(ValueError, match="scheme is 'bios'; did you mean 'bio"):
        spans(["O"], "bios")
    with pytest.raises(ValueError, match="predicted has 2 sentences, true has 1"):
        accuracy([["O"]], [["O"], ["O"]])
    with pytest.raises(ValueError, match="sentence 0 has 2 predicted for 1 true"):
        span_scores([["O"]], [["O", "O"]])
    with pytest.raises(ValueError, match="no word"):
        accuracy([[]], [[]])
    with pytest.raises(ValueError, match="sentence 0 has 1 tags for 2 words"):
        MostFrequentTag.fit([["a", "b"]], [["O"]])
    with pytest.raises(ValueError, match="no word"):
        MostFrequentTag.fit([], [])
    with pytest.raises(ValueError, match="tags of iob1 must"):
        allowed(["O", "E-P"], "iob1")
