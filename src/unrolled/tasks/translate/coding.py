"""From pairs of texts to ids and back: the tokens of either side.

Where nobody says what the tokens of a side are, `fitting_tokens` looks at its texts:

    symbols      few distinct symbols, parted by blanks and without marks of sentences, that
                 recur: phonemes, notes, glosses
    characters   single words, and texts that are written without blanks
    subwords     everything else: sentences

Shapes: N pairs, B batch, S tokens of the longest source, T of the longest target.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ...data.pairs import Pairs
from ...data.series import Finding
from ...data.vocabulary import BEGIN, END, KINDS, PADDING, Vocabulary, pad
from ...naming import one_of

# Their places are the ids that `nn.EncoderDecoder` takes by default.
SPECIALS = (PADDING, BEGIN, END)
PADDING_ID, END_ID = SPECIALS.index(PADDING), SPECIALS.index(END)
# Symbols are few, and each is seen often.
MOST_SYMBOLS, LEAST_SEEN = 200, 10
ENDS_OF_SENTENCES = (".", ",", ";", "!", "?")
# Pieces between blanks that a sentence has at least, in the mean.
LEAST_PIECES = 1.5
# Subwords: one for so many pieces between blanks, within bounds.
PIECES_A_SUBWORD, FEWEST_SUBWORDS, MOST_SUBWORDS = 40, 400, 8000


@dataclass(frozen=True)
class Tokens:
    """What the tokens of both sides are to be.

    Attributes:
        source, target: a kind of `Vocabulary`; None: `fitting_tokens` says.
        least: how often a token must be seen to be kept.
        most: tokens of a side at most; None: all, and subwords by the size of the data.
        lower: whether capital letters of the sources are read as small ones; None: where the
            sources have none, so that what is translated later may have them.
        shared: whether both sides have one vocabulary, learned from both.

    Raises:
        ValueError: a kind that is none.
    """

    source: str | None = None
    target: str | None = None
    least: int = 1
    most: int | None = None
    lower: bool | None = None
    shared: bool = False

    def __post_init__(self) -> None:
        for name, kind in (("source_tokens", self.source), ("target_tokens", self.target)):
            if kind is not None:
                one_of(kind, KINDS, name)

    def learn(self, sources: Sequence[str], targets: Sequence[str]) -> list[Vocabulary]:
        """The vocabularies of sources and of targets.

        Raises:
            DataError: no token is seen often enough.
            ValueError: a shared vocabulary that cannot be.
        """
        kinds = [self.source or fitting_tokens(sources), self.target or fitting_tokens(targets)]
        if self.shared:
            if kinds[0] != kinds[1]:
                raise ValueError(
                    f"shared needs one kind of tokens on both sides, got {kinds[0]} and "
                    f"{kinds[1]}; name one for both, or do not share"
                )
            if self.lower:
                raise ValueError("shared and lower exclude each other: targets keep their capitals")
            return [self._learned([*sources, *targets], kinds[0], False)] * 2
        lower = self.lower
        if lower is None:
            lower = all(text == text.lower() for text in sources)
        return [
            self._learned(sources, kinds[0], lower),
            self._learned(targets, kinds[1], False),
        ]

    def _learned(self, texts: Sequence[str], kind: str, lower: bool) -> Vocabulary:
        most = self.most
        if kind == "subwords" and most is None:
            most = fitting_size(texts)
        return Vocabulary.learn(texts, kind, self.least, most, SPECIALS, lower)


@dataclass(frozen=True)
class Coding:
    """The tokens of both sides, and how long the sequences were that were learned from.

    Attributes:
        source, target: their vocabularies.
        longest_source, longest_target: tokens of the longest.
        findings: what was noticed.
    """

    source: Vocabulary
    target: Vocabulary
    longest_source: int
    longest_target: int
    findings: tuple[Finding, ...] = field(default=(), compare=False)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; the findings are not kept."""
        return {
            "source": self.source.to_dict(),
            "target": self.target.to_dict(),
            "longest_source": self.longest_source,
            "longest_target": self.longest_target,
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], /) -> Self:
        """From `to_dict`."""
        source, target = (Vocabulary.from_dict(saved[name]) for name in ("source", "target"))
        return cls(source, target, saved["longest_source"], saved["longest_target"])

    def summary(self) -> Iterator[tuple[str, str]]:
        """Lines for the console."""
        if self.source == self.target:
            yield "tokens", f"{self.source.summary()}, on both sides"
        else:
            yield "tokens", f"from {self.source.summary()} to {self.target.summary()}"
        yield "lengths", f"at most {self.longest_source:,} and {self.longest_target:,} tokens"

    def most_steps(self, source_tokens: int) -> int:
        """How long a target may become: the longest seen, more for longer sources than seen."""
        longer = max(1.0, source_tokens / self.longest_source)
        return math.ceil(self.longest_target * longer) + 1

    def written(self, ids: Sequence[int]) -> str:
        """The text of ids of the target, without its end token."""
        return self.target.decode([token for token in ids if token != END_ID])


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs as ids.

    Attributes:
        sources, targets: ids of each pair, without special tokens.
        pairs: as they were written.
    """

    sources: Sequence[np.ndarray]
    targets: Sequence[np.ndarray]
    pairs: Pairs

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of the sources, [N]."""
        return np.array([len(ids) for ids in self.sources])

    def batch(self, places: Sequence[int]) -> dict[str, Tensor]:
        """Some pairs side by side; the targets end with the end token.

        Returns:
            source [B, S] and target [B, T], padded; lengths and target_lengths, [B].
        """
        sources = [self.sources[k] for k in places]
        targets = [np.append(self.targets[k], END_ID) for k in places]
        return {
            "source": torch.from_numpy(pad(sources).ids),
            "lengths": torch.tensor([len(ids) for ids in sources]),
            "target": torch.from_numpy(pad(targets).ids),
            "target_lengths": torch.tensor([len(ids) for ids in targets]),
        }


def learn_coding(learned: Pairs, tokens: Tokens = Tokens()) -> Coding:
    """The tokens of pairs.

    Raises:
        DataError: no token is seen often enough.
        ValueError: a shared vocabulary that cannot be.
    """
    sources, targets = [pair.source for pair in learned], [pair.target for pair in learned]
    one, other = tokens.learn(sources, targets)
    longest = (
        max(len(side.encode(text)) for text in texts)
        for side, texts in ((one, sources), (other, targets))
    )
    return Coding(one, other, *longest, findings=tuple(_findings(one, other)))


def encode(coding: Coding, pairs: Pairs) -> EncodedPairs:
    """Pairs as ids."""
    return EncodedPairs(
        [coding.source.encode(pair.source) for pair in pairs],
        [coding.target.encode(pair.target) for pair in pairs],
        pairs,
    )


def fitting_tokens(texts: Sequence[str]) -> str:
    """What tokens fit to texts: "symbols", "characters" or "subwords"."""
    seen = Counter(piece for text in texts for piece in text.split())
    pieces = seen.total()
    if pieces / len(texts) < LEAST_PIECES:
        return "characters"
    few = len(seen) <= min(MOST_SYMBOLS, pieces / LEAST_SEEN)
    ends = any(len(piece) > 1 and piece.endswith(ENDS_OF_SENTENCES) for piece in seen)
    return "symbols" if few and not ends else "subwords"


def fitting_size(texts: Sequence[str]) -> int:
    """How many subwords fit to texts."""
    pieces = sum(len(text.split()) for text in texts)
    return min(max(pieces // PIECES_A_SUBWORD, FEWEST_SUBWORDS), MOST_SUBWORDS)


def _findings(one: Vocabulary, other: Vocabulary) -> Iterator[Finding]:
    named = {"both sides": one} if one is other else {"sources": one, "targets": other}
    for name, vocabulary in named.items():
        for found in vocabulary.findings:
            yield Finding(found.kind, f"{name}: {found.text}", found.count)
