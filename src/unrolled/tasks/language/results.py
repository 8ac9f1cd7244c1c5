"""How well a language model knows a text, beside n-gram models on the same tokens.

    loss = -1/N sum over t of log p(x(t) | x(1), ..., x(t-1)), in nats a token
    perplexity = exp(loss),   bits per character = loss N / (log 2 characters)

Perplexities compare models of one vocabulary only; bits per character compare all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .ngram import Row

# The model, and its network where an n-gram model is mixed in.
MODEL, NETWORK = "this model", "its network alone"


@dataclass(frozen=True)
class Scores:
    """Of one model on one text.

    Attributes:
        loss: nats a token.
        tokens: how many were predicted.
        characters: of the text that they are.
    """

    loss: float
    tokens: int
    characters: int

    @property
    def perplexity(self) -> float:
        return math.exp(self.loss)

    @property
    def bits_per_character(self) -> float:
        return self.loss * self.tokens / (math.log(2) * self.characters)

    def to_dict(self) -> dict[str, float]:
        """By name, for a file."""
        return {
            "nats per token": self.loss,
            "perplexity": self.perplexity,
            "bits per character": self.bits_per_character,
        }


@dataclass(frozen=True)
class Passage:
    """Tokens in a row that were predicted badly: where they are, the text, nats a token."""

    start: int
    text: str
    loss: float


@dataclass(frozen=True)
class Evaluation:
    """Scores on a text, of the model and of n-grams that learned from the same text.

    Attributes:
        name: of the text.
        scores: by model, `MODEL` first, then `NETWORK` if it is another.
        grams: the n-gram models by n, with how many n-grams they store.
        unknown: share of the tokens that the vocabulary does not know.
        worst: the passages that were predicted worst.
    """

    name: str
    scores: Mapping[str, Scores]
    grams: Sequence[Row]
    unknown: float
    worst: Sequence[Passage]

    def beside(self, others: Evaluation) -> Evaluation:
        """The same with the n-gram models of another evaluation of the same text."""
        return replace(self, scores={**self.scores, **others.scores}, grams=others.grams)

    @property
    def best_baseline(self) -> str:
        """The n-gram model with the least loss."""
        others = [name for name in self.scores if name not in (MODEL, NETWORK)]
        return min(others, key=lambda name: self.scores[name].loss)


def gram_name(n: int, smoothing: str) -> str:
    """What an n-gram model is called: "5-gram, kneser-ney"."""
    known = {1: "unigram", 2: "bigram", 3: "trigram"}
    return f"{known.get(n, f'{n}-gram')}, {smoothing}"


def worst_passages(
    losses: np.ndarray, decode: object, ids: np.ndarray, length: int, count: int
) -> list[Passage]:
    """The `count` stretches of `length` tokens with the largest mean loss, none overlapping."""
    if len(losses) < length:
        return []
    means = np.convolve(losses, np.ones(length) / length, mode="valid")
    found: list[Passage] = []
    free = np.ones(len(means), dtype=bool)
    while free.any() and len(found) < count:
        start = int(np.where(free, means, -np.inf).argmax())
        # Loss k is that of token k + 1.
        text = decode(ids[start + 1 : start + 1 + length])  # pyright: ignore[reportCallIssue]
        found.append(Passage(start + 1, str(text), float(means[start])))
        free[max(0, start - length + 1) : start + length] = False
    return found
