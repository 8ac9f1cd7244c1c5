"""How well rolls are predicted: likelihood a step, accuracy of steps, F1 of keys.

    NLL = - 1/N sum over steps t, keys k of log p(x_k(t) | x(1), ..., x(t-1))
    accuracy = sum TP / sum (TP + FP + FN),      F1 = 2 TP / (2 TP + FP + FN)

A key is taken to be predicted where its probability is above one half. N counts the steps that are
predicted: all but the first of each piece, as the published figures of the polyphonic-music
collections do (`evaluate` in the music benchmark of Bai, Kolter and Koltun). Where nothing is on
and nothing was predicted, accuracy and F1 are 1.

References:
    Bay, Ehmann and Downie, "Evaluation of multiple-F0 estimation and tracking systems", ISMIR 2009
        (the accuracy).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..supervised.scores import Metric, hundredths
from .network import losses


def three_decimals(value: float) -> str:
    """ "8.234"."""
    return f"{value:.3f}"


METRICS = (
    Metric(
        "NLL",
        higher=False,
        show=three_decimals,
        meaning="-log p of a step in nats, summed over its keys, the mean of all steps but the "
        "first of each piece",
    ),
    Metric("accuracy", show=hundredths, meaning="of keys on or predicted, the share that are both"),
    Metric("F1", show=hundredths, meaning="of the keys that are on"),
)


@dataclass(frozen=True)
class Tally:
    """What is counted of predictions; `a + b` is that of both.

    Attributes:
        nats: -log p, summed.
        steps: how many were predicted.
        hits: keys that were on and predicted, TP.
        false: keys that were predicted and off, FP.
        missed: keys that were on and not predicted, FN.
    """

    nats: float = 0.0
    steps: int = 0
    hits: int = 0
    false: int = 0
    missed: int = 0

    @classmethod
    def of(cls, scores: Tensor, truth: Tensor) -> Tally:
        """Of the scores of every key (the logit of its probability) and the truth, [T, K] each."""
        predicted, on = scores > 0, truth.bool()
        return cls(
            float(losses(scores, truth).double().sum()),
            len(truth),
            int((predicted & on).sum()),
            int((predicted & ~on).sum()),
            int((~predicted & on).sum()),
        )

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.nats + other.nats,
            self.steps + other.steps,
            self.hits + other.hits,
            self.false + other.false,
            self.missed + other.missed,
        )

    @property
    def nll(self) -> float:
        """Nats a step; NaN where none was predicted."""
        return self.nats / self.steps if self.steps else float("nan")

    @property
    def accuracy(self) -> float:
        found = self.hits + self.false + self.missed
        return self.hits / found if found else 1.0

    @property
    def f1(self) -> float:
        found = 2 * self.hits + self.false + self.missed
        return 2 * self.hits / found if found else 1.0

    def scores(self) -> dict[str, float]:
        """By metric."""
        return {"NLL": self.nll, "accuracy": self.accuracy, "F1": self.f1}


def total(tallies: Iterable[Tally]) -> Tally:
    """That of all."""
    return sum(tallies, Tally())


def logit(share: Tensor) -> Tensor:
    """log p / (1 - p), in which baselines give their probabilities."""
    return torch.log(share) - torch.log1p(-share)
