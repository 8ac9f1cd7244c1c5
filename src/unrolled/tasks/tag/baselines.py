"""What a tagger is compared with: every word gets the tag that it has most often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from ...data.tagged import TaggedSentences
from .results import scores_of
from .spans import MostFrequentTag

NAME = "most frequent tag"


@dataclass(frozen=True)
class FrequentTags:
    """The simplest tagger, which also knows what training has seen.

    Attributes:
        tagger: by word.
        lower: whether words are looked up in small letters.
        spans: whether the tags mark spans.
    """

    tagger: MostFrequentTag
    lower: bool
    spans: bool
    tensors: ClassVar[dict[str, Tensor]] = {}

    @classmethod
    def fit(cls, learned: TaggedSentences, lower: bool, spans: bool) -> FrequentTags:
        """Count the tags of words."""
        words = [_folded(sentence, lower) for sentence in learned.words]
        return cls(MostFrequentTag.fit(words, learned.tags), lower, spans)

    def predict(self, words: Sequence[Sequence[str]]) -> list[list[str]]:
        """A tag for each word."""
        return self.tagger.predict([_folded(sentence, self.lower) for sentence in words])

    def was_seen(self, word: str) -> bool:
        """Whether training has seen a word, be it rare."""
        return (word.lower() if self.lower else word) in self.tagger.by_word

    def scores(self, data: TaggedSentences) -> dict[str, dict[str, float]]:
        """By metric."""
        return {NAME: scores_of(data, self.predict(data.words), self.was_seen, self.spans)}

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; `from_dict` is the inverse."""
        return {
            "by_word": dict(self.tagger.by_word),
            "commonest": self.tagger.commonest,
            "lower": self.lower,
            "spans": self.spans,
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], tensors: dict[str, Tensor]) -> FrequentTags:
        """The inverse of `to_dict`."""
        tagger = MostFrequentTag(saved["by_word"], saved["commonest"])
        return cls(tagger, saved["lower"], saved["spans"])


def _folded(words: Sequence[str], lower: bool) -> Sequence[str]:
    return [word.lower() for word in words] if lower else words
