"""The different k-grams of a text, k = 1 .. n, counted with numpy.

A k-gram is its context, the k-1 tokens before the last, and its last token. Those of each k are
numbered, and the number of the context takes the place of its tokens: the key

    key(k-gram) = number(its context among the (k-1)-grams) * V + last token

fits 64 bits whatever k, and nothing is hashed.

Shapes: T tokens of all texts, V vocabulary_size, G different k-grams.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Text = np.ndarray | Sequence[int]
# One text of token numbers [T], or several that do not continue one another.
Ids = Text | Sequence[Text]
# The arrays of a level in a file.
_STORED = {"keys": np.int64, "counts": np.int32, "shorter": np.int32, "opens": np.bool_}


@dataclass(frozen=True)
class Level:
    """The k-grams of one k, numbered in the order of their keys, [G] each.

    Those of one context lie side by side.

    Arguments:
        keys: sorted.
        counts: how often each stands in the texts.
        shorter: number, at the level below, of the k-gram without its first token.
        opens: whether a text begins with it.
    """

    keys: np.ndarray
    counts: np.ndarray
    shorter: np.ndarray
    opens: np.ndarray


@dataclass(frozen=True)
class Counts:
    """What the models of orders 1 .. n need to know of a text: `levels[k-1]` has its k-grams."""

    vocabulary_size: int
    levels: tuple[Level, ...]

    @classmethod
    def of(cls, ids: Ids, vocabulary_size: int, n: int) -> "Counts":
        """Count all k-grams, k = 1 .. n, in O(n T log T) time and O(n T) memory.

        Raises:
            TypeError, ValueError: as `join`; or T V is beyond 2^63.
        """
        tokens, before = join(ids, vocabulary_size)
        if len(tokens) * vocabulary_size >= 2**63:
            raise ValueError(f"vocabulary_size {vocabulary_size} is too large; number the tokens")
        levels, grams = [], np.zeros(len(tokens), dtype=np.int64)
        for k in range(1, n + 1):
            at = np.flatnonzero(before >= k - 1)
            keys = contexts_at(grams, at, k) * vocabulary_size + tokens[at]
            keys, first, numbers, counts = np.unique(
                keys, return_index=True, return_inverse=True, return_counts=True
            )
            opens = np.zeros(len(keys), dtype=bool)
            opens[numbers[before[at] == k - 1]] = True
            levels.append(Level(keys, counts, grams[at[first]], opens))
            grams = _spread(numbers, at, len(tokens))
        return cls(vocabulary_size, tuple(levels))

    def find(self, tokens: np.ndarray, before: np.ndarray) -> list[np.ndarray]:
        """Numbers of the k-grams that end at each token, k = 0 .. n, [T] each; -1 where unknown."""
        found = [np.zeros(len(tokens), dtype=np.int64)]
        for k, level in enumerate(self.levels, 1):
            at = np.flatnonzero(before >= k - 1)
            contexts = contexts_at(found[-1], at, k)
            at, contexts = at[contexts >= 0], contexts[contexts >= 0]
            numbers = _places(level.keys, contexts * self.vocabulary_size + tokens[at])
            found.append(_spread(numbers, at, len(tokens)))
        return found

    def continuations(self, k: int) -> np.ndarray:
        """How many different tokens, or beginnings of a text, stand before each k-gram, [G]."""
        level = self.levels[k - 1]
        return np.bincount(self.levels[k].shorter, minlength=len(level.keys)) + level.opens

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All numbers by name, as small as they can be kept: 17 bytes a k-gram."""
        return {
            f"{k}.{name}": np.asarray(getattr(level, name), dtype)
            for k, level in enumerate(self.levels, 1)
            for name, dtype in _STORED.items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], vocabulary_size: int) -> "Counts":
        """The inverse of `to_arrays`."""
        levels = [
            Level(**{name: arrays[f"{k}.{name}"] for name in _STORED})
            for k in range(1, len(arrays) // len(_STORED) + 1)
        ]
        return cls(vocabulary_size, tuple(levels))

    def up_to(self, n: int) -> "Counts":
        return Counts(self.vocabulary_size, self.levels[:n])


def join(ids: Ids, vocabulary_size: int) -> tuple[np.ndarray, np.ndarray]:
    """All texts in one, [T], and how many tokens of its own text are before each, [T].

    Raises:
        TypeError, ValueError: `ids` are not whole numbers from 0 to V-1, or there are none.
    """
    texts = [as_text(part, vocabulary_size) for part in _texts(ids)]
    before = [np.arange(len(text)) for text in texts]
    if not sum(map(len, texts)):
        raise ValueError("ids must have at least one token, got none")
    return np.concatenate(texts), np.concatenate(before)


def _texts(ids: Any) -> Sequence[Any]:
    several = isinstance(ids, list | tuple) and len(ids) > 0 and np.ndim(ids[0]) > 0
    return ids if several else [ids]


def as_text(ids: Any, vocabulary_size: int) -> np.ndarray:
    """One text as an array of whole numbers [T], checked."""
    text = np.asarray(ids)
    if text.ndim != 1:
        raise ValueError(
            f"ids must be one text [T] or a list of them, got an array {list(text.shape)}"
        )
    if not len(text):
        return text.astype(np.int64)
    if text.dtype.kind not in "iu":
        raise TypeError(f"ids must be whole numbers, got {text.dtype}; encode the text first")
    low, high = int(text.min()), int(text.max())
    if low < 0 or high >= vocabulary_size:
        raise ValueError(
            f"ids must be from 0 to vocabulary_size - 1 = {vocabulary_size - 1}, "
            f"got {low} to {high}"
        )
    return text.astype(np.int64)


def contexts_at(grams: np.ndarray, at: np.ndarray, k: int) -> np.ndarray:
    """Numbers of the k-1 tokens before each place, from those of the (k-1)-grams, [len(at)]."""
    return np.zeros(len(at), dtype=np.int64) if k == 1 else grams[at - 1]


def _spread(numbers: np.ndarray, at: np.ndarray, length: int) -> np.ndarray:
    """Numbers at their places, -1 elsewhere, [length]."""
    spread = np.full(length, -1, dtype=np.int64)
    spread[at] = numbers
    return spread


def _places(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where each wanted key stands among sorted keys, -1 where it does not."""
    if not len(keys):
        return np.full(len(wanted), -1, dtype=np.int64)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1)
