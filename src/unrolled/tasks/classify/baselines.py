"""What a classifier is compared with: the largest class, and models without a recurrence.

    texts      logistic regression, and naive Bayes, on n-grams: of one and two words, or of one to
               four characters where texts are read by characters. Each n-gram has one of a fixed
               number of places, by a hash; the value there is (1 + log count) times the inverse
               document frequency, of length 1 a text. Both are linear: o = W v + c
    numbers    the class of the nearest neighbour: the sample with the least Euclidean distance,
               both standardised, and resampled to one length on lines between their steps

Shapes: N samples, C classes, V places of n-grams, K neighbours that are kept, D numbers of each.

References:
    Wang and Manning, "Baselines and bigrams: simple, good sentiment and topic classification",
        ACL 2012.
    Weinberger, Dasgupta, Langford, Smola and Attenberg, "Feature hashing for large scale multitask
        learning", ICML 2009.
    Ding, Trajcevski, Scheuermann, Wang and Keogh, "Querying and mining of time series data",
        VLDB 2008 (nearest neighbour).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ...data import Samples
from ..supervised import Scores
from .metrics import Confusion, scores_of

LARGEST, NEIGHBOUR = "largest class", "nearest neighbour"
REGRESSION, BAYES = "logistic regression, n-grams", "naive Bayes, n-grams"
# Places of n-grams at most, and weights at most of a model, so that a run stays small.
_PLACES, _WEIGHTS = 2**15, 2**19
# Characters of a text that are looked at, its first ones.
_CHARACTERS = 100_000
# Samples that are compared with, steps to which they are resampled, and distances at once.
_NEIGHBOURS, _STEPS, _AT_ONCE = 20_000, 64, 2**24
_WORD = r"\w+|[^\s\w]"


@dataclass(frozen=True, eq=False)
class Grams:
    """Texts as n-grams, sparse [N, V].

    Attributes:
        by: "words" or "characters".
        weights: inverse document frequencies, float32 [V].
    """

    by: str
    weights: np.ndarray

    @staticmethod
    def fit(texts: Sequence[str], by: str, places: int) -> Grams:
        """The frequencies of texts."""
        seen = np.bincount(_hashed(texts, by, places).indices, minlength=places)
        weights = np.log((1 + len(texts)) / (1 + seen)) + 1
        return Grams(by, weights.astype(np.float32))

    def __call__(self, texts: Sequence[str]) -> Any:
        from sklearn.preprocessing import normalize

        found = _hashed(texts, self.by, len(self.weights))
        found.data = (1 + np.log(found.data)) * self.weights[found.indices]
        return normalize(found, copy=False)


def _hashed(texts: Sequence[str], by: str, places: int) -> Any:
    """How often each n-gram is in each text, [N, V]."""
    from sklearn.feature_extraction.text import HashingVectorizer

    kinds: dict[str, dict[str, Any]] = {
        "words": {"ngram_range": (1, 2), "token_pattern": _WORD},
        "characters": {"ngram_range": (1, 4), "analyzer": "char_wb"},
    }
    # The annotations of scikit-learn know no other norms and dtypes than the defaults.
    plain: dict[str, Any] = {"norm": None, "dtype": np.float32, "alternate_sign": False}
    return HashingVectorizer(n_features=places, **plain, **kinds[by]).transform(
        text[:_CHARACTERS] for text in texts
    )


@dataclass(frozen=True, eq=False)
class LinearModels:
    """Linear models on n-grams.

    Attributes:
        grams: texts as n-grams.
        weights: by model, W and c side by side, float32 [C, V + 1].
    """

    grams: Grams
    weights: Mapping[str, np.ndarray]

    @staticmethod
    def fit(texts: Sequence[str], targets: np.ndarray, classes: int, by: str) -> LinearModels:
        """Logistic regression and naive Bayes.

        Arguments:
            targets: the class of each text, [N], of two different ones at least.
            classes: C.
            by: "words" or "characters".
        """
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.naive_bayes import MultinomialNB

        places = min(_PLACES, 1 << (_WEIGHTS // classes).bit_length() - 1)
        grams = Grams.fit(texts, by, places)
        features = grams(texts)
        with warnings.catch_warnings():
            # Fifty steps are enough for a baseline.
            warnings.simplefilter("ignore", ConvergenceWarning)
            regression = LogisticRegression(C=10.0, max_iter=50).fit(features, targets)
        bayes = MultinomialNB(alpha=0.1).fit(features, targets)
        slopes, offsets = regression.coef_, regression.intercept_
        if len(slopes) == 1:
            slopes, offsets = np.concatenate([-slopes, slopes]), np.append(-offsets, offsets)
        known = regression.classes_
        fitted = {
            REGRESSION: _beside(slopes, offsets, known, classes),
            BAYES: _beside(bayes.feature_log_prob_, bayes.class_log_prior_, known, classes),
        }
        return LinearModels(grams, fitted)

    def classes(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """The likeliest class by each model, [N]."""
        features = self.grams(texts)
        return {n: (features @ w[:, :-1].T + w[:, -1]).argmax(1) for n, w in self.weights.items()}

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, but for the tensors."""
        return {"by": self.grams.by, "models": list(self.weights)}

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """What is kept as tensors."""
        return {"frequencies": self.grams.weights, **self.weights}

    @staticmethod
    def from_dict(saved: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> LinearModels:
        """From `to_dict` and `tensors`."""
        grams = Grams(saved["by"], arrays["frequencies"])
        return LinearModels(grams, {name: arrays[name] for name in saved["models"]})


def _beside(slopes: np.ndarray, offsets: np.ndarray, known: np.ndarray, classes: int) -> np.ndarray:
    """W and c side by side; a class that no sample has is never likeliest."""
    whole = np.zeros((classes, slopes.shape[1] + 1), dtype=np.float32)
    whole[:, -1] = -np.inf
    whole[known] = np.concatenate([slopes, offsets[:, None]], 1)
    return whole


@dataclass(frozen=True, eq=False)
class Nearest:
    """The class of the nearest neighbour.

    Attributes:
        neighbours: standardised and resampled, float32 [K, D].
        targets: their classes, [K].
        scale: mean and deviation of each feature, [2, F].
    """

    neighbours: np.ndarray
    targets: np.ndarray
    scale: np.ndarray

    @staticmethod
    def fit(sequences: Sequence[np.ndarray], targets: np.ndarray) -> Nearest:
        """Keep the sequences [T, F] of classes [N]."""
        every = np.concatenate(sequences).astype(np.float64)
        spread = every.std(0)
        scale = np.stack([every.mean(0), np.where(spread > 0, spread, 1.0)])
        steps = min(_STEPS, int(np.median([len(values) for values in sequences])))
        # Too many are thinned out evenly, in whatever order they come.
        kept = np.unique(np.linspace(0, len(sequences) - 1, _NEIGHBOURS).round().astype(int))
        chosen = [resampled(sequences[place], scale, steps) for place in kept]
        return Nearest(np.stack(chosen), targets[kept], scale)

    def classes(self, sequences: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """The class of each one's nearest neighbour, [N]."""
        steps = self.neighbours.shape[1] // self.scale.shape[1]
        asked = np.stack([resampled(values, self.scale, steps) for values in sequences])
        known = torch.from_numpy(self.neighbours)
        parts = torch.from_numpy(asked).split(max(1, _AT_ONCE // len(known)))
        found = torch.cat([torch.cdist(part, known).argmin(1) for part in parts])
        return {NEIGHBOUR: self.targets[found.numpy()]}

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, but for the tensors."""
        return {}

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """What is kept as tensors."""
        return {"neighbours": self.neighbours, "targets": self.targets, "scale": self.scale}

    @staticmethod
    def from_dict(saved: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Nearest:
        """From `to_dict` and `tensors`."""
        return Nearest(**arrays)


def resampled(values: np.ndarray, scale: np.ndarray, steps: int) -> np.ndarray:
    """A sequence [T, F] standardised, at `steps` places evenly over its length, float32 [D]."""
    places, known = np.linspace(0, len(values) - 1, steps), np.arange(len(values))
    standard = ((values - scale[0]) / scale[1]).T
    found = np.stack([np.interp(places, known, feature) for feature in standard], 1)
    return found.ravel().astype(np.float32)


@dataclass(frozen=True, eq=False)
class ClassBaselines:
    """What a classifier is compared with.

    Attributes:
        classes: their names.
        largest: the largest one.
        positive: the one whose F1 is told, or None.
        models: what there is beside the largest class.
    """

    classes: tuple[str, ...]
    largest: int
    positive: str | None
    models: LinearModels | Nearest

    KINDS: ClassVar[dict[str, Any]] = {"linear": LinearModels, "nearest": Nearest}

    @staticmethod
    def fit(learned: Samples, positive: str | None, by: str) -> ClassBaselines:
        """The baselines of samples; texts by "characters", or else by words."""
        values: list[Any] = [sample.values for sample in learned]
        targets, count = learned.targets, len(learned.classes)
        models = (
            LinearModels.fit(values, targets, count, by if by == "characters" else "words")
            if learned.is_text
            else Nearest.fit(values, targets)
        )
        return ClassBaselines(learned.classes, int(np.bincount(targets).argmax()), positive, models)

    def scores(self, data: Samples) -> Scores:
        """By baseline, by metric."""
        values: list[Any] = [sample.values for sample in data]
        given = {LARGEST: np.full(len(data), self.largest), **self.models.classes(values)}
        targets, count = data.targets, len(self.classes)
        found = {name: Confusion.of(targets, each, count) for name, each in given.items()}
        return {name: scores_of(each, self.classes, self.positive) for name, each in found.items()}

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, but for the tensors."""
        kind = next(name for name, kind in self.KINDS.items() if isinstance(self.models, kind))
        return {
            "classes": list(self.classes),
            "largest": self.largest,
            "positive": self.positive,
            "kind": kind,
            **self.models.to_dict(),
        }

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What is kept as tensors."""
        return {name: torch.from_numpy(each) for name, each in self.models.tensors.items()}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> ClassBaselines:
        """From `to_dict` and `tensors`."""
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        models = cls.KINDS[saved["kind"]].from_dict(saved, arrays)
        return cls(tuple(saved["classes"]), saved["largest"], saved["positive"], models)
