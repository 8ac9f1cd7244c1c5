"""What a classifier is compared with, beside scikit-learn's own models."""

import json

import numpy as np
import pytest
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from unrolled.data import samples_of
from unrolled.tasks.classify.baselines import (
    BAYES,
    LARGEST,
    NEIGHBOUR,
    REGRESSION,
    ClassBaselines,
    LinearModels,
    Nearest,
    resampled,
)

WORDS = {"a": "red green blue colour paint", "b": "one two three number count", "c": "dog cat cow"}


def texts(count: int = 90, seed: int = 0) -> tuple[list[str], np.ndarray]:
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, 3, count)
    every = " ".join(WORDS.values()).split()
    found = []
    for target in targets:
        own = list(WORDS.values())[target].split()
        chosen = [generator.choice(own if generator.random() < 0.6 else every) for _ in range(5)]
        found.append(" ".join(chosen))
    return found, targets


@pytest.mark.parametrize(
    ("by", "kind"),
    [
        ("words", {"ngram_range": (1, 2), "token_pattern": r"\w+|[^\s\w]"}),
        ("characters", {"ngram_range": (1, 4), "analyzer": "char_wb"}),
    ],
)
@pytest.mark.parametrize(
    ("name", "model"),
    [(REGRESSION, LogisticRegression(C=10, max_iter=500)), (BAYES, MultinomialNB(alpha=0.1))],
)
def test_linear_models_are_those_of_scikit_learn(by, kind, name, model) -> None:
    known, targets = texts()
    asked, _ = texts(seed=1)
    found = LinearModels.fit(known, targets, 3, by)
    hashing = HashingVectorizer(n_features=2**15, alternate_sign=False, norm=None, **kind)
    pipeline = make_pipeline(hashing, TfidfTransformer(sublinear_tf=True), model)
    expected = pipeline.fit(known, targets).predict(asked)
    # The regression stops after fifty steps: a text on the border may differ.
    assert (found.classes(asked)[name] == expected).mean() >= 0.97


def test_two_classes_have_weights_of_both_signs() -> None:
    known, targets = texts()
    two = targets < 2
    chosen = [text for text, own in zip(known, two, strict=True) if own]
    found = LinearModels.fit(chosen, targets[two], 2, "words")
    weights = found.weights[REGRESSION]
    assert np.array_equal(weights[0], -weights[1])


def test_a_class_without_samples_is_never_given() -> None:
    known, targets = texts()
    found = LinearModels.fit(known, targets * 2, 6, "words")
    for given in found.classes([*known, "", "unheard of"]).values():
        assert set(given) <= {0, 2, 4}


def test_many_classes_have_fewer_places() -> None:
    known, targets = texts()
    for classes, places in ((3, 2**15), (20, 2**14), (500, 2**10)):
        assert LinearModels.fit(known, targets, classes, "words").weights[BAYES].shape == (
            classes,
            places + 1,
        )


def test_nearest_neighbours_are_those_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    lengths = generator.integers(3, 9, 60)
    values = [generator.normal(3, 2, (n, 2)).astype(np.float32) for n in lengths]
    targets = generator.integers(0, 4, 60)
    found = Nearest.fit(values[:40], targets[:40])
    flat = np.stack([resampled(v, found.scale, int(np.median(lengths[:40]))) for v in values])
    expected = KNeighborsClassifier(1).fit(flat[:40], targets[:40]).predict(flat[40:])
    assert (found.classes(values[40:])[NEIGHBOUR] == expected).all()
    assert (found.classes(values[:40])[NEIGHBOUR] == targets[:40]).all()


def test_resampling_by_hand() -> None:
    scale = np.array([[1.0, 0.0], [2.0, 1.0]])
    values = np.array([[1.0, 0.0], [3.0, 4.0], [5.0, 8.0]])
    found = resampled(values, scale, 5).reshape(5, 2)
    # Float32 numbers that are exact in binary.
    assert found.tolist() == [[0, 0], [0.5, 2], [1, 4], [1.5, 6], [2, 8]]
    assert resampled(values[:1], scale, 3).tolist() == [0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("kind", ["text", "numbers"])
def test_baselines_are_kept(kind) -> None:
    known, targets = texts()
    values = known if kind == "text" else [np.arange(3.0) * k for k in range(len(known))]
    data = samples_of(values, [("a", "b", "b")[k] for k in targets])
    fitted = ClassBaselines.fit(data, "b", "words")
    opened = ClassBaselines.from_dict(json.loads(json.dumps(fitted.to_dict())), fitted.tensors)
    scores = fitted.scores(data)
    assert opened.scores(data) == scores
    assert list(scores) == [LARGEST, *([REGRESSION, BAYES] if kind == "text" else [NEIGHBOUR])]
    share = np.mean(targets > 0)
    assert scores[LARGEST]["accuracy"] == share
    # All are said to be of it: precision is its share, recall is 1.
    assert scores[LARGEST]["F1 b"] == pytest.approx(2 * share / (share + 1), rel=1e-12)
