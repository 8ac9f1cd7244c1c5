"""How well words are tagged: figures of merit, scores of each tag, and where it errs.

accuracy          words with the right tag / words
whole sentences   sentences with every tag right / sentences
unseen words      accuracy on words that training has not seen; undefined where there are none
span F1           of spans with the right type, first and last word (`spans.py`)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...data.tagged import TaggedSentences
from ...report import Table
from ..supervised.scores import Metric, hundredths
from .spans import Score, SpanScores, accuracy, span_scores

SPAN_F1 = Metric("span F1", show=hundredths, meaning="spans with the right type and ends")
PLAIN = (
    Metric("accuracy", show=hundredths, meaning="words with the right tag"),
    Metric("whole sentences", show=hundredths, meaning="sentences with every tag right"),
    Metric("unseen words", show=hundredths, meaning="accuracy on words that training has not seen"),
)
# Sentences that are shown, words of each, and confusions with examples of each.
WORST, LONGEST, CONFUSIONS, EXAMPLES = 8, 40, 12, 4

Tags = Sequence[Sequence[str]]


class Confusion(NamedTuple):
    """A tag taken for another: how often, and some of the words, the commonest first."""

    true: str
    predicted: str
    count: int
    words: tuple[str, ...]


@dataclass(frozen=True)
class Details:
    """What stands behind the figures.

    Attributes:
        by_tag: scores of every tag that is true or predicted.
        confusions: the most frequent.
        spans: of tags that mark spans; None of others.
    """

    by_tag: Mapping[str, Score]
    confusions: Sequence[Confusion]
    spans: SpanScores | None


def scores_of(
    data: TaggedSentences, predicted: Tags, was_seen: Callable[[str], bool], spans: bool
) -> dict[str, float]:
    """The figures by name.

    Arguments:
        predicted: tags of every sentence.
        was_seen: whether training has seen a word.
        spans: whether the tags mark spans.

    Raises:
        ValueError: a tag that marks no span, where they should.
    """
    unseen = [true == came for word, true, came in _triples(data, predicted) if not was_seen(word)]
    whole = [list(a) == list(b) for a, b in zip(data.tags, predicted, strict=True)]
    found = {
        "accuracy": accuracy(data.tags, predicted),
        "whole sentences": sum(whole) / len(whole),
        "unseen words": sum(unseen) / len(unseen) if unseen else float("nan"),
    }
    if spans:
        found = {"span F1": span_scores(data.tags, predicted).overall.f1, **found}
    return found


def details_of(data: TaggedSentences, predicted: Tags, spans: bool) -> Details:
    """Scores of each tag, confusions, spans; the arguments are those of `scores_of`."""
    triples = list(_triples(data, predicted))
    true = Counter(true for _, true, _ in triples)
    came = Counter(came for _, _, came in triples)
    right = Counter(true for _, true, came in triples if true == came)
    by_tag = {tag: Score(right[tag], came[tag], true[tag]) for tag in sorted(true | came)}
    found = span_scores(data.tags, predicted) if spans else None
    return Details(by_tag, _confusions(triples), found)


def worst_sentences(data: TaggedSentences, predicted: Tags) -> Table | None:
    """The sentences with the most wrong tags, both taggings; None where all tags are right."""
    wrong = [
        sum(a != b for a, b in zip(true, came, strict=True))
        for true, came in zip(data.tags, predicted, strict=True)
    ]
    places = sorted(range(len(wrong)), key=lambda k: (-wrong[k], len(data.words[k]), k))
    places = [place for place in places[:WORST] if wrong[place]]
    if not places:
        return None
    rows = [
        [
            data[k].name,
            _tagging(data.words[k], data.tags[k]),
            _tagging(data.words[k], predicted[k], data.tags[k]),
            f"{wrong[k]:,} of {len(data.words[k]):,}",
        ]
        for k in places
    ]
    caption = "The sentences with the most wrong tags; those are marked by *."
    return Table(["sentence", "true", "this model", "wrong"], rows, caption, names=3)


def _confusions(triples: Sequence[tuple[str, str, str]]) -> tuple[Confusion, ...]:
    words: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for word, true, came in triples:
        if true != came:
            words[true, came][word] += 1
    ranked = sorted(words, key=lambda pair: (-words[pair].total(), pair))[:CONFUSIONS]
    return tuple(
        Confusion(
            *pair, words[pair].total(), tuple(w for w, _ in words[pair].most_common(EXAMPLES))
        )
        for pair in ranked
    )


def _tagging(words: Sequence[str], tags: Sequence[str], true: Sequence[str] | None = None) -> str:
    """`show/VERB me/PRON flights/VERB*`, the wrong ones marked."""
    pairs = zip(words, tags, true or tags, strict=True)
    shown = [f"{word}/{tag}{'*' * (tag != right)}" for word, tag, right in pairs]
    rest = len(shown) - LONGEST
    return " ".join(shown[:LONGEST]) + (f" and {rest:,} more words" if rest > 0 else "")


def _triples(data: TaggedSentences, predicted: Tags) -> Iterator[tuple[str, str, str]]:
    """Every word with its true tag and the predicted one."""
    for words, tags, came in zip(data.words, data.tags, predicted, strict=True):
        yield from zip(words, tags, came, strict=True)
