"""Spans that tags mark, how many of them were found, and the simplest tagger.

    words    Ada  Lovelace  met  Babbage  Turing     spans of type P
    bio      B-P  I-P       O    B-P      B-P        (0, 2), (3, 4), (4, 5)
    iob1     I-P  I-P       O    I-P      B-P        B only where a span touches one of its type
    bioes    B-P  E-P       O    S-P      S-P        E ends a span, S is one of a single word

    precision = right / predicted     recall = right / true     F1 = 2 right / (predicted + true)

A span is right where its type, first and last word are. Overall values count the spans of all
types together (micro average). Where nothing is to be divided by, the value is 0.

Without a scheme, tags are read as the CoNLL shared tasks do: I- or E- with nothing to continue
begins a span. That reads all three schemes. With one, only spans that are well-formed count.

References:
    Ramshaw and Marcus, "Text chunking using transformation-based learning", WVLC 1995 (iob1).
    Tjong Kim Sang and Veenstra, "Representing text chunks", EACL 1999 (the other schemes).
    Tjong Kim Sang and De Meulder, "Introduction to the CoNLL-2003 shared task", CoNLL 2003.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from ...naming import one_of

OUTSIDE = "O"
# The letters that a scheme has, those that may begin a span, and those that may end one.
_LETTERS = {"bio": "BI", "iob1": "BI", "bioes": "BIES"}
_FIRST = {"bio": "B", "iob1": "BI", "bioes": "BS"}
_LAST = {"bio": "BI", "iob1": "BI", "bioes": "ES"}


class Span(NamedTuple):
    """Words `start` to `stop - 1` of a sentence."""

    type: str
    start: int
    stop: int


class Allowed(NamedTuple):
    """What a scheme allows, as `nn.CRF` takes it: [K, K], [K] and [K] of truths."""

    transitions: Tensor
    first: Tensor
    last: Tensor


@dataclass(frozen=True)
class Score:
    """Precision, recall and F1, and the counts that they come from."""

    right: int
    predicted: int
    true: int

    @property
    def precision(self) -> float:
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.true if self.true else 0.0

    @property
    def f1(self) -> float:
        total = self.predicted + self.true
        return 2 * self.right / total if total else 0.0


@dataclass(frozen=True)
class SpanScores:
    """Scores of all spans together, and of each type."""

    overall: Score
    by_type: Mapping[str, Score]


def mark_spans(tags: Iterable[str]) -> bool:
    """Whether tags mark spans: each is O or begins with B-, I-, E- or S-, and one does begin so."""
    tags = set(tags) - {OUTSIDE}
    return bool(tags) and all(_is_part(tag) for tag in tags)


def detect_scheme(sentences: Iterable[Sequence[str]]) -> str | None:
    """The scheme of tags: "bio", "iob1" or "bioes"; None where they mark no spans.

    Tags with E- or S- are bioes. Others are iob1 if some span begins with I- and none begins with
    B- but where it touches one of its type; else bio.
    """
    sentences = [list(tags) for tags in sentences]
    if not mark_spans(tag for tags in sentences for tag in tags):
        return None
    if any(tag[0] in "ES" for tags in sentences for tag in tags):
        return "bioes"
    begins_inside = False
    for tags in sentences:
        for before, tag in pairwise([OUTSIDE, *tags]):
            touches = before != OUTSIDE and _type(before) == _type(tag)
            if tag[0] == "B" and not touches:
                return "bio"
            begins_inside |= tag[0] == "I" and not touches
    return "iob1" if begins_inside else "bio"


def spans(tags: Sequence[str], scheme: str | None = None) -> list[Span]:
    """The spans of one sentence, in order.

    Arguments:
        scheme: "bio", "iob1" or "bioes", for the spans that are well-formed in it; None reads
            tags of any scheme and mends what is not.

    Raises:
        ValueError: an unknown scheme, or a tag that it does not have.
    """
    _check_tags(tags, scheme)
    pieces = (Span(_type(tags[start]), start, stop) for start, stop in _pieces(tags))
    return [p for p in pieces if scheme is None or _well_formed(p, tags, scheme)]


def span_scores(
    true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: str | None = None
) -> SpanScores:
    """How many spans of sentences were found; `scheme` as `spans` takes it.

    Raises:
        ValueError: sentences of different numbers or lengths, or as `spans`.
    """
    _check_same(true, predicted)
    counts = {"right": Counter(), "predicted": Counter(), "true": Counter()}
    for wanted, came in zip(true, predicted, strict=True):
        there, found = set(spans(wanted, scheme)), set(spans(came, scheme))
        for name, some in (("right", there & found), ("predicted", found), ("true", there)):
            counts[name].update(span.type for span in some)
    types = sorted(counts["predicted"] | counts["true"])
    by_type = {t: Score(**{name: count[t] for name, count in counts.items()}) for t in types}
    return SpanScores(Score(**{name: count.total() for name, count in counts.items()}), by_type)


def accuracy(true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> float:
    """The share of words with the right tag.

    Raises:
        ValueError: sentences of different numbers or lengths, or no word.
    """
    _check_same(true, predicted)
    total = sum(map(len, true))
    if not total:
        raise ValueError("true holds no word; accuracy needs at least one")
    same = (a == b for x, y in zip(true, predicted, strict=True) for a, b in zip(x, y, strict=True))
    return sum(same) / total


def allowed(tags: Sequence[str], scheme: str) -> Allowed:
    """Which of `tags` may follow which, be first, and be last in a sentence.

    In bio I-P follows B-P or I-P alone. In bioes, too, what B- or I- has begun goes on with I- or
    E- of its type. In iob1 B-P follows a tag of type P alone.

    Raises:
        ValueError: an unknown scheme, or a tag that it does not have.
    """
    _check_tags(tags, scheme)
    moves = [[_may_follow(before, after, scheme) for after in tags] for before in tags]
    first = [_may_follow(OUTSIDE, tag, scheme) for tag in tags]
    last = [_may_follow(tag, OUTSIDE, scheme) for tag in tags]
    return Allowed(torch.tensor(moves), torch.tensor(first), torch.tensor(last))


@dataclass(frozen=True)
class MostFrequentTag:
    """Every word gets the tag that it has most often; an unknown one, the commonest tag of all.

    Of two tags as frequent for a word, the one commoner over all words is taken, then the first
    in the alphabet.
    """

    by_word: Mapping[str, str]
    commonest: str

    @classmethod
    def fit(cls, words: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]) -> MostFrequentTag:
        """Count the tags of words, one list for each sentence.

        Raises:
            ValueError: sentences of different numbers or lengths, or no word.
        """
        _check_same(words, tags, "words", "tags")
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        overall: Counter[str] = Counter()
        for sentence, its in zip(words, tags, strict=True):
            overall.update(its)
            for word, tag in zip(sentence, its, strict=True):
                counts[word][tag] += 1
        if not overall:
            raise ValueError("words holds no word; fit needs at least one")
        order = sorted(overall, key=lambda tag: (-overall[tag], tag))
        rank = {tag: place for place, tag in enumerate(order)}
        by_word = {
            word: min(own, key=lambda tag: (-own[tag], rank[tag])) for word, own in counts.items()
        }
        return cls(by_word, order[0])

    def predict(self, words: Sequence[Sequence[str]]) -> list[list[str]]:
        """A tag for each word."""
        return [[self.by_word.get(word, self.commonest) for word in s] for s in words]


def _is_part(tag: str) -> bool:
    return tag[:1] in ("B", "I", "E", "S") and tag[1:2] in ("", "-")


def _type(tag: str) -> str:
    """P of B-P; the empty type of a bare B."""
    return tag[2:]


def _pieces(tags: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Start and stop of each run of tags that continue one another."""
    start = 0
    for place in range(1, len(tags) + 1):
        if place == len(tags) or not _continues(tags[place - 1], tags[place]):
            if tags[start] != OUTSIDE:
                yield start, place
            start = place


def _continues(before: str, tag: str) -> bool:
    """Whether a tag goes on with what the one before it marks."""
    goes_on = before[0] in "BI" and tag[0] in "IE"
    return goes_on and _type(before) == _type(tag)


def _well_formed(span: Span, tags: Sequence[str], scheme: str) -> bool:
    """Whether each tag of a span may follow the one before it, and the span may end where it does.

    What surrounds the span is not its fault: O stands for it, but for B- in iob1, which marks that
    two spans touch.
    """
    inside = tags[span.start : span.stop]
    before = tags[span.start - 1] if scheme == "iob1" and span.start else OUTSIDE
    moves = [before, *inside, OUTSIDE]
    return all(_may_follow(a, b, scheme) for a, b in pairwise(moves))


def _may_follow(before: str, tag: str, scheme: str) -> bool:
    if scheme == "iob1":
        return tag[0] != "B" or (before != OUTSIDE and _type(before) == _type(tag))
    if before != OUTSIDE and _continues(before, tag):
        return True
    ends = before == OUTSIDE or before[0] in _LAST[scheme]
    return ends and (tag == OUTSIDE or tag[0] in _FIRST[scheme])


def _check_tags(tags: Iterable[str], scheme: str | None) -> None:
    letters = "BIES" if scheme is None else _LETTERS[one_of(scheme, _LETTERS, "scheme")]
    for tag in tags:
        if tag != OUTSIDE and not (_is_part(tag) and tag[0] in letters):
            wanted = ", ".join(f"{letter}-" for letter in letters)
            of = f" of {scheme}" if scheme else ""
            raise ValueError(f"tags{of} must be O or begin with one of {wanted}; got {tag!r}")


def _check_same(
    a: Sequence[Sequence[str]],
    b: Sequence[Sequence[str]],
    name_a: str = "true",
    name_b: str = "predicted",
) -> None:
    if len(a) != len(b):
        raise ValueError(f"{name_b} has {len(b):,} sentences, {name_a} has {len(a):,}")
    for place, (x, y) in enumerate(zip(a, b, strict=True)):
        if len(x) != len(y):
            raise ValueError(
                f"sentence {place} has {len(y):,} {name_b} for {len(x):,} {name_a}; "
                "every word needs one"
            )
