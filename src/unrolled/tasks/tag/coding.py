"""What the network must know of its sentences: their words, letters and tags, as numbers.

A sentence is on its way from words to tensors:

    words      Show   me   flights
    word ids      3    9         5      0 is a word that the network has no vector for
    casing       A..                    five marks a word: how it is written
    letters     Show   me   flights     ids; 0 is beyond the end, 1 a letter that is not known
    tags          8    6         2

Shapes: N sentences, B of a batch, T words of its longest, L letters of its longest word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.errors import DataError
from ...data.reading.notes import listed
from ...data.series import Finding
from ...data.tagged import TaggedSentences
from ...data.vocabulary import pad
from ...naming import counted
from .spans import Allowed, allowed, detect_scheme

# How a word is written, whatever it is.
CASING = ("begins with a capital", "all capitals", "a capital inside", "a digit", "no letter")
# A longer word is read by so many letters: half from its start, half from its end.
MOST_LETTERS = 40
# Ids of words and letters. Beyond the end of a sentence all words are unknown.
UNKNOWN, NO_LETTER, UNKNOWN_LETTER, FIRST_LETTER = 0, 0, 1, 2
NO_TAG = -1


@dataclass(frozen=True)
class Coding:
    """Words, letters and tags by their numbers.

    Attributes:
        words: that have a vector, the most frequent first; word k has the id k + 1.
        counts: how often each was seen.
        letters: of all words that were seen; letter k has the id k + 2.
        tags: in alphabetical order.
        lower: whether words are looked up in small letters. Casing and letters stay.
        scheme: of tags that mark spans, as `spans.detect_scheme` tells it; None of others.
        well_formed: whether every sentence that was learned from keeps to the scheme.
        findings: what was left out.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]
    letters: str
    tags: tuple[str, ...]
    lower: bool = False
    scheme: str | None = None
    well_formed: bool = False
    findings: tuple[Finding, ...] = field(default=(), compare=False)

    @classmethod
    def learn(cls, data: TaggedSentences, least: int = 1, lower: bool = False) -> Coding:
        """That of tagged sentences.

        Arguments:
            least: how often a word must be seen to have a vector of its own.

        Raises:
            DataError: the sentences have no tags, or fewer than two different ones, or no word
                is seen often enough.
        """
        tags = tuple(sorted(data.tag_counts()))
        if len(tags) < 2:
            what = f"only the tag {tags[0]!r}" if tags else "no tags"
            raise DataError(f"{data.name} has {what}; learning needs words with at least two tags")
        written = Counter(word for sentence in data.words for word in sentence)
        counts: Counter[str] = Counter()
        for word, count in written.items():
            counts[word.lower() if lower else word] += count
        words, findings = _frequent(counts, least, data.name)
        scheme = detect_scheme(data.tags)
        coding = cls(
            words,
            tuple(counts[word] for word in words),
            "".join(sorted({letter for word in written for letter in word})),
            tags,
            lower,
            scheme,
        )
        broken = sum(not coding.keeps_to_scheme(each) for each in data.tags)
        if broken:
            where = f"{counted(broken, 'sentence')} with spans not well-formed in {scheme}"
            text = f"{where}, so any tag may follow any"
            findings = (*findings, Finding("warning", text, broken))
        return replace(coding, well_formed=scheme is not None and not broken, findings=findings)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; `from_dict` is the inverse. The findings are not kept."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "findings"}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Coding:
        """The inverse of `to_dict`."""
        lists = {name: tuple(saved[name]) for name in ("words", "counts", "tags")}
        return cls(**{**saved, **lists})

    def summary(self) -> Iterator[tuple[str, str]]:
        """Lines for the console: a word, and what it is about."""
        case = " in small letters" if self.lower else ""
        letters = counted(len(self.letters), "letter")
        yield "words", f"{len(self.words):,} with a vector{case}, of {letters}"
        marks = f", which mark spans ({self.scheme})" if self.scheme else ""
        yield "tags", f"{len(self.tags):,}{marks}: {listed(self.tags)}"

    def word_ids(self, words: Iterable[str]) -> list[int]:
        """The id of each word; `UNKNOWN` of one that has no vector."""
        return [self._word_ids.get(word.lower() if self.lower else word, UNKNOWN) for word in words]

    def letter_ids(self, word: str) -> list[int]:
        """The id of each letter; of a long word those of its start and its end."""
        half = MOST_LETTERS // 2
        shown = word if len(word) <= MOST_LETTERS else word[:half] + word[-half:]
        return [self._letter_ids.get(letter, UNKNOWN_LETTER) for letter in shown]

    def tag_ids(self, tags: Iterable[str]) -> list[int]:
        """The id of each tag; `NO_TAG` of one that training has not seen."""
        return [self._tag_ids.get(tag, NO_TAG) for tag in tags]

    def tags_of(self, ids: Iterable[int]) -> list[str]:
        """The inverse of `tag_ids`."""
        return [self.tags[k] for k in ids]

    def spelt(self, ids: Iterable[int]) -> str:
        """The inverse of `letter_ids`, with U+FFFD for a letter that is not known."""
        letters = ("", "\ufffd", *self.letters)
        return "".join(letters[k] for k in ids)

    def allowed(self) -> Allowed | None:
        """Which tags may follow which; None where they mark no spans."""
        return None if self.scheme is None else allowed(self.tags, self.scheme)

    def keeps_to_scheme(self, tags: Sequence[str]) -> bool:
        """Whether the spans of a sentence are well-formed; true where tags mark none or are new."""
        ids = self.tag_ids(tags)
        if self._rules is None or NO_TAG in ids:
            return True
        moves, first, last = self._rules
        return bool(first[ids[0]] and last[ids[-1]] and all(moves[a][b] for a, b in pairwise(ids)))

    @cached_property
    def _word_ids(self) -> dict[str, int]:
        return {word: k for k, word in enumerate(self.words, start=1)}

    @cached_property
    def _letter_ids(self) -> dict[str, int]:
        return {letter: k for k, letter in enumerate(self.letters, start=FIRST_LETTER)}

    @cached_property
    def _tag_ids(self) -> dict[str, int]:
        return {tag: k for k, tag in enumerate(self.tags)}

    @cached_property
    def _rules(self) -> tuple[list[list[bool]], list[bool], list[bool]] | None:
        if (rules := self.allowed()) is None:
            return None
        return rules.transitions.tolist(), rules.first.tolist(), rules.last.tolist()


def _frequent(
    counts: Counter[str], least: int, name: str
) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """The words that are seen often enough, the most frequent first, and what is left out."""
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    words = tuple(word for word in ranked if counts[word] >= least)
    if not words:
        most = f"the most frequent, {ranked[0]!r}, {counts[ranked[0]]:,} times"
        raise DataError(f"no word of {name} is seen least={least:,} times; {most}")
    rare = ranked[len(words) :]
    if not rare:
        return words, ()
    lost = sum(counts[word] for word in rare)
    text = (
        f"rare, so read by their letters alone: {len(rare):,} of {len(ranked):,} different words, "
        f"{lost:,} of {counts.total():,} in the sentences"
    )
    return words, (Finding("ignored", text, len(rare)),)


def casing_of(word: str) -> list[float]:
    """Which of `CASING` a word is, 1 or 0 each."""
    letters = [letter for letter in word if letter.isalpha()]
    marks = (
        word[0].isupper(),
        len(letters) > 1 and all(letter.isupper() for letter in letters),
        any(letter.isupper() for letter in word[1:]),
        any(letter.isdigit() for letter in word),
        not letters,
    )
    return [float(mark) for mark in marks]


class Encoded:
    """Sentences as numbers, and batches of them.

    Attributes:
        coding: of their words, letters and tags.
        data: the sentences.
        lengths: words of each, [N].
        findings: what cannot be read or scored as it is, counted.
    """

    def __init__(self, coding: Coding, data: TaggedSentences):
        self.coding, self.data = coding, data
        self.lengths = np.array([len(words) for words in data.words], dtype=np.int64)
        written = sorted({word for words in data.words for word in words})
        place = {word: k for k, word in enumerate(written)}
        self._places = [np.array([place[word] for word in words]) for words in data.words]
        # Of each different word; what is last in line stands beyond the end of a sentence.
        self._ids = torch.tensor([*coding.word_ids(written), UNKNOWN])
        self._casing = torch.tensor([*map(casing_of, written), [0.0] * len(CASING)])
        self._letters = [*map(coding.letter_ids, written), []]
        self._tags = [_targets(coding, tags) for tags in data.tags] if data.tagged else None
        self.findings = _findings(coding, data, written)

    def batch(self, places: Sequence[int]) -> dict[str, Tensor]:
        """Some sentences side by side.

        Returns:
            words: ids, [B, T].
            lengths: [B].
            casing: which of `CASING` each word is, [B, T, 5].
            letters: ids, 0 beyond the end of a word, [B, T, L].
            tags: ids, -1 beyond the lengths and throughout a sentence that has no probability,
                [B, T]; left out where the sentences have none.
        """
        here = torch.from_numpy(pad([self._places[k] for k in places], len(self._ids) - 1).ids)
        unique, which = here.unique(return_inverse=True)
        letters = pad([self._letters[k] for k in unique.tolist()]).ids
        found = {
            "words": self._ids[here],
            "lengths": torch.from_numpy(self.lengths[list(places)]),
            "casing": self._casing[here],
            "letters": torch.from_numpy(letters)[which],
        }
        if self._tags is not None:
            rows = [self._tags[k] for k in places]
            found["tags"] = torch.from_numpy(pad(rows, NO_TAG).ids)
        return found


def _targets(coding: Coding, tags: Sequence[str]) -> np.ndarray:
    """The ids of a sentence's tags; `NO_TAG` for all if the network gives them no probability."""
    ids = np.array(coding.tag_ids(tags))
    possible = NO_TAG not in ids and (not coding.well_formed or coding.keeps_to_scheme(tags))
    return ids if possible else np.full_like(ids, NO_TAG)


def _findings(
    coding: Coding, data: TaggedSentences, spellings: Sequence[str]
) -> tuple[Finding, ...]:
    found = []
    if long := sum(len(word) > MOST_LETTERS for word in spellings):
        text = f"{counted(long, 'word')} of more than {MOST_LETTERS} letters, read by their ends"
        found.append(Finding("repaired", text, long))
    new = {tag: n for tag, n in data.tag_counts().items() if tag not in coding.tags}
    if new:
        count = sum(new.values())
        text = (
            f"{counted(count, 'word')} with tags that training has not seen: {listed(sorted(new))}"
        )
        found.append(Finding("warning", text, count))
    checked = data.tags if coding.well_formed and data.tagged else ()
    if broken := sum(not coding.keeps_to_scheme(tags) for tags in checked):
        text = f"{counted(broken, 'sentence')} with spans not well-formed in {coding.scheme}"
        found.append(Finding("warning", text, broken))
    return tuple(found)
