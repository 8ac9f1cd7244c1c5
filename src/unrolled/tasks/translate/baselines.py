"""What a translator is compared with.

    copy of the source       as it is
    most frequent target     the same for every source
    nearest source           the target of the most similar source that was learned from: a
                             translation memory

Sources are alike by the cosine of their character trigrams within words, weighted by how rare
these are (tf-idf). The memory is kept with the run, so that it stands beside later evaluations.

Reference:
    Salton and Buckley, "Term-weighting approaches in automatic text retrieval", Information
        Processing and Management 24(5), 1988.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ...data.pairs import Pairs
from .metrics import scores_of

# Sources that the memory holds at most: the first ones.
LARGEST_MEMORY = 200_000
# Length of the n-grams, and sources that are compared with the memory at a time.
GRAM, AT_ONCE = 3, 256
# No text that was read from lines or cells holds it.
_BETWEEN = "\0"


@dataclass(frozen=True)
class Guesses:
    """Translations that need no network.

    Attributes:
        kind: of the target's tokens, which says how they are scored.
        frequent: the most frequent target.
        sources, targets: the memory: each source once, with its most frequent target.
    """

    kind: str
    frequent: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]

    @classmethod
    def fit(cls, learned: Pairs, kind: str) -> Self:
        """Those of pairs."""
        counts: dict[str, Counter[str]] = {}
        for pair in learned:
            counts.setdefault(pair.source, Counter())[pair.target] += 1
        sources = tuple(counts)[:LARGEST_MEMORY]
        targets = tuple(counts[source].most_common(1)[0][0] for source in sources)
        frequent = Counter(pair.target for pair in learned).most_common(1)[0][0]
        return cls(kind, frequent, sources, targets)

    def scores(self, data: Pairs) -> dict[str, dict[str, float]]:
        """By baseline, by metric."""
        texts, references = list(data.references), list(data.references.values())
        return {
            name: scores_of(self.kind, guessed, references)
            for name, guessed in self.guesses(texts).items()
        }

    def guesses(self, texts: Sequence[str]) -> dict[str, list[str]]:
        """By baseline, what it gives for each text."""
        return {
            "copy of the source": list(texts),
            "most frequent target": [self.frequent] * len(texts),
            "nearest source": [self.targets[place] for place in self.nearest(texts)],
        }

    def nearest(self, texts: Sequence[str]) -> np.ndarray:
        """The place in the memory of the source most like each text; of equal ones the first."""
        grams, memory = self._index
        asked = grams.transform(texts)
        found = [
            (asked[start : start + AT_ONCE] @ memory).argmax(1)
            for start in range(0, len(texts), AT_ONCE)
        ]
        return np.concatenate([np.asarray(places).ravel() for places in found])

    @cached_property
    def _index(self) -> tuple[Any, Any]:
        from sklearn.feature_extraction.text import TfidfVectorizer

        grams = TfidfVectorizer(
            analyzer="char_wb",
            ngram_range=(GRAM, GRAM),
            lowercase=False,
            dtype=np.float32,  # pyright: ignore[reportArgumentType]
        )
        return grams, grams.fit_transform(self.sources).T.tocsr()

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, but for the memory."""
        return {"kind": self.kind, "frequent": self.frequent}

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The memory, as bytes of UTF-8."""
        return {"sources": _bytes_of(self.sources), "targets": _bytes_of(self.targets)}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], tensors: dict[str, Tensor], /) -> Self:
        """From `to_dict` and `tensors`."""
        sides = (_texts_of(tensors[name]) for name in ("sources", "targets"))
        return cls(saved["kind"], saved["frequent"], *sides)


def _bytes_of(texts: Sequence[str]) -> Tensor:
    # Half a surrogate pair, which some files hold, has no UTF-8 of its own.
    joined = _BETWEEN.join(texts).encode("utf-8", "surrogatepass")
    return torch.frombuffer(bytearray(joined), dtype=torch.uint8)


def _texts_of(held: Tensor) -> tuple[str, ...]:
    return tuple(held.numpy().tobytes().decode("utf-8", "surrogatepass").split(_BETWEEN))
