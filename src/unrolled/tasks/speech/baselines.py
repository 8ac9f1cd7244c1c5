"""What a speech network must beat.

    class:     largest class          the commonest label, whatever is heard
               logistic regression    on mean and deviation of every band over time
    sequence:  commonest transcript   whatever is heard
               empty transcript       every label is deleted: an error rate of 1

They are fitted to the recordings that the network learns from, and kept with the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from ...data import Recordings
from .features import LogMel
from .metrics import score_classes, score_transcripts

LARGEST, LOGISTIC = "largest class", "logistic regression"
COMMONEST, EMPTY = "commonest transcript", "empty transcript"
_ITERATIONS = 1000


@dataclass(frozen=True, eq=False)
class Logistic:
    """p(class) = softmax(weights z + bias), z the standardised mean and deviation of the bands.

    Attributes:
        classes: the names, [C].
        weights, bias: [C, 2 M] and [C].
        mean, spread: of the training recordings, [2 M].
    """

    classes: tuple[str, ...]
    weights: np.ndarray
    bias: np.ndarray
    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def fit(cls, summary: np.ndarray, labels: Sequence[str]) -> Logistic:
        """Of recordings summed up as `summaries` does, [N, 2 M]."""
        from sklearn.linear_model import LogisticRegression

        mean, spread = summary.mean(0), summary.std(0)
        # A band that is the same in all recordings is left at its size.
        spread = np.where(spread > 1e-6, spread, 1.0)
        model = LogisticRegression(max_iter=_ITERATIONS).fit((summary - mean) / spread, labels)
        weights, bias = model.coef_, model.intercept_
        if len(weights) == 1:
            # Of two classes scikit-learn keeps the second's weights, against zeros.
            weights, bias = np.vstack([0 * weights, weights]), np.append([0.0], bias)
        return cls(tuple(map(str, model.classes_)), weights, bias, mean, spread)

    def answers(self, summary: np.ndarray) -> list[str]:
        """The most probable class of each recording."""
        scores = ((summary - self.mean) / self.spread) @ self.weights.T + self.bias
        return [self.classes[place] for place in scores.argmax(1)]

    def to_dict(self) -> dict[str, Any]:
        """A form that JSON can hold; `from_dict` is its inverse."""
        arrays = {name: value.tolist() for name, value in vars(self).items() if name != "classes"}
        return {"classes": list(self.classes), **arrays}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Logistic:
        arrays = {name: np.array(value) for name, value in saved.items() if name != "classes"}
        return cls(tuple(saved["classes"]), **arrays)


@dataclass(frozen=True, eq=False)
class Baselines:
    """What needs no network.

    Attributes:
        commonest: the commonest label.
        features: what the regression hears.
        logistic: of classes; None for sequences.
    """

    commonest: str
    features: LogMel
    logistic: Logistic | None
    tensors: ClassVar[dict[str, Tensor]] = {}

    @classmethod
    def fit(cls, data: Recordings, features: LogMel, is_sequence: bool) -> Baselines:
        labels = [recording.label or "" for recording in data]
        counts = Counter(labels)
        # Of labels that are equally common the first by alphabet, so that the order is no matter.
        commonest = min(counts, key=lambda label: (-counts[label], label))
        logistic = None if is_sequence else Logistic.fit(summaries(data, features), labels)
        return cls(commonest, features, logistic)

    def answers(self, data: Recordings) -> dict[str, list[str]]:
        """What each says to every recording, by name."""
        always = [self.commonest] * len(data)
        if self.logistic is None:
            return {COMMONEST: always, EMPTY: [""] * len(data)}
        heard = self.logistic.answers(summaries(data.at(self.features.rate), self.features))
        return {LARGEST: always, LOGISTIC: heard}

    def scores(self, data: Recordings) -> dict[str, dict[str, float]]:
        """By baseline, by metric."""
        labels = [recording.label or "" for recording in data]
        score = score_transcripts if self.logistic is None else score_classes
        return {name: score(said, labels) for name, said in self.answers(data).items()}

    def to_dict(self) -> dict[str, Any]:
        """A form that JSON can hold; `from_dict` is its inverse."""
        logistic = self.logistic and self.logistic.to_dict()
        features = self.features.to_dict()
        return {"commonest": self.commonest, "features": features, "logistic": logistic}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], tensors: dict[str, Tensor]) -> Baselines:
        logistic = saved["logistic"] and Logistic.from_dict(saved["logistic"])
        return cls(saved["commonest"], LogMel.from_dict(saved["features"]), logistic)


def summaries(data: Recordings, features: LogMel) -> np.ndarray:
    """Mean and deviation of every band over time, side by side, [N, 2 M]."""
    rows = []
    for recording in data:
        heard = features.loudness(recording.samples).double()
        rows.append(np.concatenate([heard.mean(0), heard.std(0, correction=0)]))
    return np.stack(rows)
