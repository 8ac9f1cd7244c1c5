"""Text as numbers: raw text -> tokens -> ids -> rows of one length with a mask, and back.

    characters   every Unicode code point is a token
    words        words, numbers, line ends, and every other character alone; white space apart
                 from line ends is not kept, and decoded text has blanks where one writes them
    symbols      what blanks part, whole: phonemes, glosses
    subwords     byte-pair encoding over the bytes of UTF-8, so that no text is unknown

`coders.py` says what each does in detail. Words need blanks between them: for Chinese or Thai
take characters or subwords.

Ids count the special tokens first, then "<unk>" (subwords have none), then what was learned: the
most frequent first, or the 256 bytes and then the merges in their order.

Shapes: B rows, T tokens of the longest row.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from ..naming import one_of
from .coders import Characters, Coder, Merges, Subwords, Symbols, Words, learn_subwords, words
from .errors import DataError
from .reading.notes import listed
from .series import Finding
from .text import Text

KINDS = ("characters", "words", "symbols", "subwords")
PADDING, BEGIN, END, UNKNOWN = "<pad>", "<bos>", "<eos>", "<unk>"
_CODERS = {"characters": Characters, "words": Words, "symbols": Symbols}
# Tokens where `most` leaves the number of subwords open.
_SUBWORDS = 4096


class Coverage(NamedTuple):
    """How much of a text a vocabulary knows: tokens in all, those unknown, and which."""

    total: int
    unknown: int
    distinct: tuple[str, ...]

    @property
    def share(self) -> float:
        """Known tokens as a share of all, 1 for an empty text."""
        return 1 - self.unknown / max(self.total, 1)

    def finding(self) -> Finding | None:
        """A warning that counts the unknown tokens; None where all are known."""
        if not self.unknown:
            return None
        text = (
            f"unknown to the vocabulary: {self.unknown:,} of {self.total:,} tokens "
            f"({1 - self.share:.2%}), {len(self.distinct):,} of them distinct: "
            f"{listed([repr(token) for token in self.distinct])}"
        )
        return Finding("warning", text, self.unknown)


class Padded(NamedTuple):
    """Rows of one length: ids [B, T] int64, valid [B, T] bool, and a finding if any was cut."""

    ids: np.ndarray
    valid: np.ndarray
    findings: tuple[Finding, ...]


def pad(
    rows: Sequence[Sequence[int] | np.ndarray], padding: int = 0, length: int | None = None
) -> Padded:
    """Rows of ids below one another, filled up on the right.

    Args:
        rows: ids of each sequence.
        padding: the id that fills up.
        length: T, of every row; longer ones lose their end. By default that of the longest.

    Raises:
        ValueError: if the length is negative.
    """
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    steps = int(lengths.max(initial=0)) if length is None else length
    if steps < 0:
        raise ValueError(f"length must be 0 or more, got {length}")
    valid = np.arange(steps) < lengths[:, None]  # [B, T]
    ids = np.full(valid.shape, padding, dtype=np.int64)
    if len(lengths):
        ids[valid] = np.concatenate([np.asarray(row[:steps], dtype=np.int64) for row in rows])
    return Padded(ids, valid, _cut(lengths, steps))


def _cut(lengths: np.ndarray, steps: int) -> tuple[Finding, ...]:
    beyond = np.maximum(lengths - steps, 0)
    count = int((beyond > 0).sum())
    text = (
        f"cut to {steps:,} tokens: {count:,} of {len(lengths):,} rows, by {beyond.sum():,} tokens"
    )
    return (Finding("ignored", text, count),) if count else ()


@dataclass(frozen=True, repr=False)
class Vocabulary:
    """The tokens that a model knows, and the way from text to their ids and back.

    Made by `Vocabulary.learn`, kept as JSON by `to_dict`.

    Args:
        kind: "characters", "words", "symbols" or "subwords".
        tokens: all of them, at the place of their ids.
        specials: the first of the tokens, which no text contains.
        lower: whether capital letters are read as small ones.
        merges: of subwords, in their order.
        findings: what was left out when it was learned.
    """

    kind: str
    tokens: tuple[str, ...]
    specials: tuple[str, ...] = ()
    lower: bool = False
    merges: Merges = ()
    findings: tuple[Finding, ...] = field(default=(), compare=False)

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        return f"Vocabulary({self.summary()})"

    def summary(self) -> str:
        """One line: "65 characters and <unk>", "4,093 subwords and <pad>, lower case"."""
        beside = [*self.specials, *([] if self.unknown is None else [UNKNOWN])]
        also = f" and {', '.join(beside)}" if beside else ""
        case = ", lower case" if self.lower else ""
        return f"{len(self) - len(beside):,} {self.kind}{also}{case}"

    @classmethod
    def learn(
        cls,
        texts: Text | str | Iterable[str],
        kind: str = "characters",
        least: int = 1,
        most: int | None = None,
        specials: Sequence[str] = (),
        lower: bool = False,
    ) -> "Vocabulary":
        """The vocabulary of texts; the same texts give the same vocabulary.

        Args:
            texts: a `Text`, a string, or several.
            kind: "characters", "words", "symbols" or "subwords".
            least: how often a token must be seen to be kept (subwords: a pair, to be merged).
            most: tokens in all, special and unknown ones among them; the most frequent are
                kept. By default all, and 4,096 subwords.
            specials: such as ("<pad>", "<bos>", "<eos>"), in angle brackets.
            lower: read capital letters as small ones.

        Raises:
            ValueError: for an unknown kind, or numbers and names that cannot be used.
            DataError: if no token is seen often enough.
        """
        one_of(kind, KINDS, "kind")
        specials = tuple(specials)
        _check_specials(specials)
        _check_sizes(least, most, len(specials) + (256 if kind == "subwords" else 2))
        documents = _documents(texts)
        findings = _capitals(documents) if lower else ()
        documents = [text.lower() for text in documents] if lower else documents
        if kind == "subwords":
            size = (most or _SUBWORDS) - len(specials)
            learned, merges = learn_subwords(documents, least, size)
            tokens, found = (*specials, *learned), _fewer(len(learned), size)
        else:
            room = None if most is None else most - len(specials) - 1
            learned, found = _frequent(_counts(kind, documents), least, room)
            tokens, merges = (*specials, UNKNOWN, *learned), ()
        return cls(kind, tokens, specials, lower, merges, (*findings, *found))

    @property
    def unknown(self) -> int | None:
        """The id of "<unk>"; None for subwords, which know every text."""
        return None if self.kind == "subwords" else len(self.specials)

    def special(self, name: str) -> int:
        """The id of a special token, such as "<bos>"; ValueError if there is none."""
        return self.specials.index(one_of(name, self.specials, "special token"))

    def tokenize(self, text: str) -> list[str]:
        """A text as tokens, known or not.

        Subwords come as in `tokens`, a printable character for each byte: "Ġ" is a blank.
        """
        return self._coder.tokenize(self._folded(text))

    def encode(self, text: str) -> np.ndarray:
        """A text as ids [T] int64, what is unknown as `unknown`.

        Raises:
            DataError: for subwords, if half a surrogate pair is in it, which has no bytes.
        """
        return self._coder.encode(self._folded(text))

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """The text of ids [T], without special tokens.

        Equal to the text that was encoded if its tokens are known (in lower case where `lower`;
        words up to white space). "<unk>" stands for an unknown word, U+FFFD for an unknown
        character and for bytes that are no whole character.

        Raises:
            ValueError: if ids are no integers, or beyond the vocabulary.
        """
        ids = np.asarray(ids)
        if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
            raise ValueError(f"ids must be one row of integers, got {ids.dtype}{list(ids.shape)}")
        wrong = ids[(ids < 0) | (ids >= len(self))]
        if wrong.size:
            raise ValueError(f"ids must lie between 0 and {len(self) - 1:,}, got {wrong[0]}")
        return self._coder.decode(ids[ids >= len(self.specials)].astype(np.int64))

    def coverage(self, text: str) -> Coverage:
        """How many tokens of a text are known, and the distinct ones that are not."""
        ids = self.encode(text)
        where = [] if self.unknown is None else np.flatnonzero(ids == self.unknown)
        tokens = self.tokenize(text) if len(where) else []
        return Coverage(len(ids), len(where), tuple(dict.fromkeys(tokens[k] for k in where)))

    def to_dict(self) -> dict[str, Any]:
        """A form that JSON can hold; `from_dict` is its inverse. The findings are not kept."""
        return {
            "kind": self.kind,
            "lower": self.lower,
            "specials": list(self.specials),
            "tokens": list(self.tokens),
            "merges": [list(pair) for pair in self.merges],
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "Vocabulary":
        """The inverse of `to_dict`.

        Raises:
            DataError: if `saved` is no vocabulary.
        """
        try:
            return cls(
                kind=one_of(saved["kind"], KINDS, "kind"),
                tokens=tuple(saved["tokens"]),
                specials=tuple(saved["specials"]),
                lower=saved["lower"],
                merges=tuple((left, right) for left, right in saved["merges"]),
            )
        except (KeyError, TypeError, ValueError) as problem:
            raise DataError(f"this is not a saved vocabulary: {problem}") from None

    def _folded(self, text: str) -> str:
        return text.lower() if self.lower else text

    @cached_property
    def _coder(self) -> Coder:
        if self.unknown is None:
            return Subwords(self.tokens, len(self.specials), self.merges)
        return _CODERS[self.kind](self.tokens, self.unknown)


def _documents(texts: Text | str | Iterable[str]) -> list[str]:
    if isinstance(texts, Text):
        return list(texts.documents)
    return [texts] if isinstance(texts, str) else list(texts)


def _counts(kind: str, documents: list[str]) -> Counter[str]:
    if kind == "characters":
        return Counter(chain.from_iterable(documents))
    parted = words if kind == "words" else str.split
    return Counter(chain.from_iterable(map(parted, documents)))


def _frequent(
    counts: Counter[str], least: int, room: int | None
) -> tuple[list[str], tuple[Finding, ...]]:
    """The tokens that are kept, the most frequent first, and what is left out."""
    ranked = sorted(counts, key=lambda token: (-counts[token], token))
    kept = [token for token in ranked if counts[token] >= least][:room]
    if not kept:
        seen = f"the most frequent one {counts[ranked[0]]:,} times" if ranked else "there is none"
        raise DataError(f"no token is seen least={least:,} times, {seen}; give more text")
    dropped = ranked[len(kept) :]
    if not dropped:
        return kept, ()
    lost = sum(counts[token] for token in dropped)
    text = (
        f"rare, so read as {UNKNOWN}: {len(dropped):,} of {len(ranked):,} distinct tokens, "
        f"{lost:,} of {counts.total():,} in the text"
    )
    return kept, (Finding("ignored", text, len(dropped)),)


def _fewer(count: int, size: int) -> tuple[Finding, ...]:
    text = f"the text gives {count:,} subwords, where {size:,} were possible"
    return (Finding("found", text),) if count < size else ()


def _capitals(documents: list[str]) -> tuple[Finding, ...]:
    counts = Counter(chain.from_iterable(documents))
    count = sum(n for letter, n in counts.items() if letter.lower() != letter)
    text = f"capital letters read as small ones: {count:,}"
    return (Finding("found", text, count),) if count else ()


def _check_specials(specials: tuple[str, ...]) -> None:
    for name in specials:
        if not re.fullmatch(r"<\w+>", name) or name == UNKNOWN or specials.count(name) > 1:
            raise ValueError(
                f"specials holds {name!r}; expected distinct names in angle brackets, such as "
                f"{PADDING}, {BEGIN} and {END} ({UNKNOWN} is added where it is needed)"
            )


def _check_sizes(least: int, most: int | None, fewest: int) -> None:
    if least < 1:
        raise ValueError(f"least must be 1 or more, got {least}")
    if most is not None and most < fewest:
        raise ValueError(
            f"most must be {fewest:,} or more, to hold the special tokens and something beside "
            f"them (subwords: all 256 bytes), got {most}"
        )
