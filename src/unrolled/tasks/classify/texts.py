"""Texts as tokens for the network: characters, words with the characters in them, or subwords.

A word's vector is that of the word itself and the mean of those of its character n-grams, so that
a word that was never seen, or is misspelt, is like those that it resembles. The n-grams are of 3
to 5 characters of "<word>", and "<word>" itself; digits are read as 0 in them, and each has one
of a fixed number of vectors, by a hash.

Shapes: B texts, T tokens of the longest, D distinct words of a batch, G n-grams of all of those.

References:
    Bojanowski, Grave, Joulin and Mikolov, "Enriching word vectors with subword information",
        TACL 2017.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.coders import words
from ...data.reading.notes import Notes
from ...data.series import Finding
from ...data.vocabulary import PADDING, Coverage, Vocabulary, pad

SHORTEST_GRAM, LONGEST_GRAM = 3, 5
# Texts of fewer words than this on average, or of longer ones, are read by characters.
FEW_WORDS, LONG_WORDS = 3.0, 12.0
# Texts that are looked at to tell, and characters of each.
_LOOKED_AT = 2000
# Of a text only so many characters for each token that is read are looked at.
_CHARACTERS_A_TOKEN = 32
_DIGIT = re.compile(r"\d")


def usual_tokens(texts: Sequence[str]) -> str:
    """What texts are read by when nobody says: "words", or "characters" of short ones.

    Names have few words. Languages without blanks seem to have few, or very long ones.
    """
    looked_at = [text[:_LOOKED_AT] for text in texts[:_LOOKED_AT]]
    found = [word for text in looked_at for word in words(text) if word[0].isalnum()]
    long = sum(map(len, found)) > LONG_WORDS * len(found)
    return "characters" if long or len(found) < FEW_WORDS * len(looked_at) else "words"


@dataclass(frozen=True)
class TextCoding:
    """How texts become tokens.

    Attributes:
        vocabulary: of characters, words or subwords; its first token is padding.
        buckets: different vectors of character n-grams; 0 for none.
        longest: tokens of a text that are read, its first ones.
    """

    vocabulary: Vocabulary
    buckets: int
    longest: int

    @staticmethod
    def learn(
        texts: Sequence[str], kind: str, *, least: int, lower: bool, buckets: int, longest: int
    ) -> TextCoding:
        """The coding of texts; arguments as those of `Vocabulary.learn` and the attributes."""
        start = [_start(text, longest) for text in texts]
        vocabulary = Vocabulary.learn(start, kind, least=least, specials=(PADDING,), lower=lower)
        return TextCoding(vocabulary, buckets if kind == "words" else 0, longest)

    def tokens(self, text: str) -> tuple[list[str], bool]:
        """The tokens that are read, words with their capital letters; whether some are not."""
        looked_at = _start(text, self.longest)
        spell = words if self.vocabulary.kind == "words" else self.vocabulary.tokenize
        found = spell(looked_at)
        cut = len(found) > self.longest or looked_at != text.strip()
        return found[: self.longest], cut

    def id_of(self, token: str) -> int:
        """The id of a token, known or not."""
        spelt = token.lower() if self.vocabulary.lower else token
        return self._ids.get(spelt, self.vocabulary.unknown or 0)

    def grams(self, word: str) -> list[int]:
        """The places of the n-grams of a word among their vectors."""
        spelt = f"<{_DIGIT.sub('0', word)}>"
        parts = {
            spelt[start : start + size]
            for size in range(SHORTEST_GRAM, LONGEST_GRAM + 1)
            for start in range(len(spelt) - size + 1)
        }
        codes = (zlib.crc32(part.encode("utf-8", "surrogatepass")) for part in parts | {spelt})
        return sorted(code % self.buckets for code in codes)

    def summary(self) -> str:
        """`65 characters and <pad>, <unk>`; of words, how many vectors n-grams have."""
        grams = f"; {self.buckets:,} vectors for n-grams of characters" * bool(self.buckets)
        return self.vocabulary.summary() + grams

    def to_dict(self) -> dict[str, Any]:
        """A form that JSON can hold; `from_dict` is its inverse."""
        saved = {"buckets": self.buckets, "longest": self.longest}
        return {"vocabulary": self.vocabulary.to_dict(), **saved}

    @staticmethod
    def from_dict(saved: Mapping[str, Any]) -> TextCoding:
        vocabulary = Vocabulary.from_dict(saved["vocabulary"])
        return TextCoding(vocabulary, int(saved["buckets"]), int(saved["longest"]))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: place for place, token in enumerate(self.vocabulary.tokens)}


def _start(text: str, longest: int) -> str:
    """The part of a text that is looked at, so that one very long line does no harm."""
    return text.strip()[: longest * _CHARACTERS_A_TOKEN]


class EncodedTexts:
    """Texts as tokens, and batches of them.

    Arguments:
        coding: how.
        texts: N of them.

    Attributes:
        lengths: tokens of each that are read, [N].
        findings: what is not known and what is not read, with counts.
    """

    def __init__(self, coding: TextCoding, texts: Sequence[str]):
        self.coding = coding
        places: dict[str, int] = {}
        counts: Counter[str] = Counter()
        self.rows: list[np.ndarray] = []
        self._shortened = 0
        for text in texts:
            tokens, cut = coding.tokens(text)
            self._shortened += cut
            counts.update(tokens)
            found = [places.setdefault(token, len(places)) for token in tokens]
            self.rows.append(np.array(found, dtype=np.int64))
        self.lengths = np.array([len(row) for row in self.rows], dtype=np.int64)
        self.ids = np.array([coding.id_of(token) for token in places], dtype=np.int64)
        self.findings = (*self.shortened(), *self._unknown(counts))
        bags = [coding.grams(word) for word in places] if coding.buckets else []
        self._grams = np.array([gram for bag in bags for gram in bag], dtype=np.int64)
        self._starts = np.cumsum([0, *map(len, bags)])

    def batch(self, places: Sequence[int]) -> dict[str, Tensor]:
        """Some of the texts.

        Returns:
            `lengths` [B] and `tokens` [B, T]. With n-grams `tokens` are places in `words` [D],
            whose n-grams are `grams` [G]; those of word d begin at `starts` [D].
        """
        chosen = np.asarray(places)
        rows, lengths = [self.rows[place] for place in chosen], self.lengths[chosen]
        if not self.coding.buckets:
            found = {"tokens": pad([self.ids[row] for row in rows]).ids}
        else:
            distinct, inverse = np.unique(np.concatenate(rows), return_inverse=True)
            first, end = self._starts[distinct], self._starts[distinct + 1]
            found = {
                "tokens": pad(np.split(inverse, np.cumsum(lengths)[:-1])).ids,
                "words": self.ids[distinct],
                "grams": np.concatenate(
                    [self._grams[a:b] for a, b in zip(first, end, strict=True)]
                ),
                "starts": np.cumsum(end - first) - (end - first),
            }
        found = {"lengths": lengths, **found}
        return {name: torch.from_numpy(each) for name, each in found.items()}

    def shortened(self) -> tuple[Finding, ...]:
        """What is not read, with its count."""
        notes = Notes()
        notes.left_out(
            f"texts longer than {self.coding.longest:,} {self.coding.vocabulary.kind}, of which "
            "the rest is not read (longest=... reads more): {}",
            self._shortened,
        )
        return tuple(notes)

    def _unknown(self, counts: Counter[str]) -> tuple[Finding, ...]:
        unknown = self.coding.vocabulary.unknown
        strange = [] if unknown is None else [t for t in counts if self.coding.id_of(t) == unknown]
        known = Coverage(counts.total(), sum(counts[t] for t in strange), tuple(strange))
        return tuple(filter(None, [known.finding()]))
