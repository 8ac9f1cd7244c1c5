"""A network and an n-gram model that predict together.

    p(x(t) given what is before) = (1 - s) p_network(x(t) ...) + s p_n-gram(x(t) ...)

They err in different places: the n-gram model repeats what it has seen letter for letter, the
network knows what is like it. The share s is the likeliest on a part of the text that neither
learned from, at most one half. It is the same for all contexts: shares for contexts of each length
gained 0.0003 nats a character more on tiny Shakespeare, shares by length and frequency 0.002.

References:
    Jelinek and Mercer, "Interpolated estimation of Markov source parameters from sparse data",
        Pattern Recognition in Practice, 1980.
    Mikolov, Karafiat, Burget, Cernocky and Khudanpur, "Recurrent neural network based language
        model", Interspeech 2010 (a network mixed with a Kneser-Ney model).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from .ngram import ORDERS, NGram, best
from .ngram_counts import Counts
from .results import gram_name

SMOOTHING = "kneser-ney"
# n-grams that a run may hold, of 17 bytes each; an n that needs more is not taken.
MOST_STORED = 4_000_000
# A smaller share is not worth a second model. A larger one would leave the network nothing to say:
# of a text that repeats itself, what is held out stands elsewhere too, which flatters n-grams.
LEAST_SHARE, MOST_SHARE = 0.01, 0.5


@dataclass(frozen=True)
class Mixture:
    """An n-gram model and its share.

    Attributes:
        grams: the n-gram model.
        share: s.
        alone, together: nats a validation token, of the network and of both.
    """

    grams: NGram
    share: float
    alone: float
    together: float

    @property
    def name(self) -> str:
        """What the n-gram model is called: "7-gram, kneser-ney"."""
        return gram_name(self.grams.n, self.grams.smoothing)

    def describe(self) -> str:
        """`61 % network, 39 % 7-gram, kneser-ney: 1.4021 nats a validation token, not 1.4645`."""
        return (
            f"{1 - self.share:.0%} network, {self.share:.0%} {self.name}: {self.together:.4f} nats "
            f"a validation token, the network alone {self.alone:.4f}"
        )

    def losses(self, network: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """-log p of every token of a text but the first, [T - 1], from those of the network."""
        return _mixed(network, -self.grams.log_probabilities(ids)[1:], self.share)

    def log_probabilities(self, network: Tensor, before: Sequence[int]) -> Tensor:
        """log p of every token, [V], from those of the network and the tokens before it."""
        other = torch.from_numpy(self.grams.distribution(before[-self.grams.n :])).log()
        own = network + math.log1p(-self.share)
        return torch.logaddexp(own, other.to(own) + math.log(self.share))

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, apart from the counts."""
        numbers = {"share": self.share, "alone": self.alone, "together": self.together}
        return {"n": self.grams.n, "smoothing": self.grams.smoothing, **numbers}

    def counts(self) -> dict[str, Tensor]:
        """What the n-gram model has counted, by name."""
        arrays = self.grams.counts.to_arrays()
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    @classmethod
    def restored(
        cls, given: dict[str, Any], counts: dict[str, Tensor], vocabulary_size: int
    ) -> Mixture:
        """The inverse of `to_dict` and `counts`."""
        arrays = {name: tensor.numpy() for name, tensor in counts.items()}
        grams = NGram(given["n"], vocabulary_size, given["smoothing"])
        grams.estimate(Counts.from_arrays(arrays, vocabulary_size))
        return cls(grams, given["share"], given["alone"], given["together"])


def mixture_of(
    network: Sequence[np.ndarray],
    held_out: Sequence[np.ndarray],
    learned: Sequence[np.ndarray],
    vocabulary_size: int,
) -> Mixture | None:
    """The n-gram model of `learned` that knows `held_out` best, and its share.

    None where the share is too small, or the network's forecasts are no numbers.

    Arguments:
        network: -log p of every token of each text held out but the first, [T - 1].
        held_out: texts that neither learned from.
        learned: those that the network learned from.
    """
    own = np.concatenate(network)
    if np.isnan(own).any():
        return None
    grams = best(learned, held_out, vocabulary_size, ORDERS, (SMOOTHING,), MOST_STORED)
    other = np.concatenate([-grams.log_probabilities(ids)[1:] for ids in held_out])
    share, together = likeliest_share(own, other, MOST_SHARE)
    if share < LEAST_SHARE:
        return None
    return Mixture(grams, share, float(own.mean()), together)


def likeliest_share(own: np.ndarray, other: np.ndarray, most: float = 1.0) -> tuple[float, float]:
    """The s for which the mean loss is least, and that loss.

    Arguments:
        own, other: -log p of the same tokens, [T]; s is the share of the other.
        most: that it may have.
    """
    found = minimize_scalar(
        lambda share: _mixed(own, other, share).mean(), bounds=(0, most), method="bounded"
    )
    return float(found.x), float(found.fun)


def _mixed(own: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    return -np.logaddexp(math.log1p(-share) - own, math.log(share) - other)
