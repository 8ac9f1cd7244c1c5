"""How good classes and their probabilities are.

    accuracy        share of the samples whose likeliest class is the true one
    precision       share of the samples given a class that are of it
    recall          share of the samples of a class that are given it
    F1              2 precision recall / (precision + recall)
    macro F1        mean F1 of the classes that occur, among the true or the given ones
    log loss        - mean log p(true class), in nats
    calibration     how far the model is from being right as often as it is sure: the mean distance
                    of the two in ten bins by the probability of the likeliest class, weighted by
                    their samples

What has no samples to divide by is 0, as in scikit-learn.

Shapes: N samples, C classes.

References:
    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...report.numbers import number
from ..supervised import Metric
from ..supervised.scores import hundredths

ACCURACY, MACRO, LOG_LOSS, CALIBRATION = "accuracy", "macro F1", "log loss", "calibration error"
BINS = 10
# The smallest probability that a float32 tells from 0.
_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, eq=False)
class Confusion:
    """Given classes beside true ones.

    Attributes:
        counts: samples by true class (row) and given class (column), [C, C].
    """

    counts: np.ndarray

    @staticmethod
    def of(targets: np.ndarray, given: np.ndarray, classes: int) -> Confusion:
        """Of samples of the classes `targets` that were given the classes `given`, both [N]."""
        pairs = np.bincount(targets * classes + given, minlength=classes * classes)
        return Confusion(pairs.reshape(classes, classes))

    @property
    def support(self) -> np.ndarray:
        """Samples of each class, [C]."""
        return self.counts.sum(1)

    @property
    def accuracy(self) -> float:
        return float(self.counts.trace() / self.counts.sum())

    @property
    def precision(self) -> np.ndarray:
        """Of each class, [C]."""
        return _share(self.counts.diagonal(), self.counts.sum(0))

    @property
    def recall(self) -> np.ndarray:
        """Of each class, [C]."""
        return _share(self.counts.diagonal(), self.counts.sum(1))

    @property
    def f1(self) -> np.ndarray:
        """Of each class, [C]."""
        return _share(2 * self.counts.diagonal(), self.counts.sum(0) + self.counts.sum(1))

    @property
    def macro_f1(self) -> float:
        occurs = self.counts.sum(0) + self.counts.sum(1) > 0
        return float(self.f1[occurs].mean())


def log_loss(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """-mean log p(true class) of probabilities [N, C]."""
    true = probabilities[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(true, _TINY)).mean())


def calibration_error(sure: np.ndarray, right: np.ndarray) -> float:
    """The expected calibration error over ten bins of equal width.

    Arguments:
        sure: the probability of the class that is given, [N].
        right: whether it is the true one, [N].
    """
    places = np.minimum((sure * BINS).astype(int), BINS - 1)
    # Of each bin: the distance of its two means, times its samples.
    apart = np.bincount(places, weights=sure - right, minlength=BINS)
    return float(np.abs(apart).sum() / len(sure))


def rarer(counts: Mapping[str, int]) -> str | None:
    """The rarer of two classes, the second where both are as frequent; None of more classes."""
    if len(counts) != 2:
        return None
    first, second = counts
    return first if counts[first] < counts[second] else second


def metrics_for(positive: str | None) -> tuple[Metric, ...]:
    """What is told of a classifier; the first decides.

    Arguments:
        positive: the class whose F1 is told, or None.
    """
    one = [Metric(f"F1 {positive}", show=hundredths)] if positive is not None else []
    return (
        Metric(ACCURACY, show=hundredths),
        Metric(MACRO, show=hundredths, meaning="the mean F1 of all classes"),
        *one,
        Metric(LOG_LOSS, False, number, "-log p of the true class, in nats"),
        Metric(
            CALIBRATION,
            False,
            hundredths,
            "how far the model is from being right as often as it is sure",
        ),
    )


def scores_of(found: Confusion, classes: Sequence[str], positive: str | None) -> dict[str, float]:
    """The scores that a confusion gives, by the keys of `metrics_for`."""
    told = {ACCURACY: found.accuracy, MACRO: found.macro_f1}
    if positive is not None:
        told[f"F1 {positive}"] = float(found.f1[list(classes).index(positive)])
    return told


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return part / np.maximum(whole, 1)
