"""Scores of classes and probabilities, beside scikit-learn's and counts by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from unrolled.tasks.classify.metrics import (
    Confusion,
    calibration_error,
    log_loss,
    metrics_for,
    rarer,
    scores_of,
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_scores_are_those_of_scikit_learn(pairs) -> None:
    true, told = np.array(pairs).T
    found = Confusion.of(true, told, 4)
    names = list(range(4))
    assert (found.counts == sk.confusion_matrix(true, told, labels=names)).all()
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        true, told, labels=names, zero_division=0
    )
    # Quotients of the same whole numbers.
    np.testing.assert_allclose(found.precision, precision, rtol=1e-15)
    np.testing.assert_allclose(found.recall, recall, rtol=1e-15)
    np.testing.assert_allclose(found.f1, f1, rtol=1e-15)
    assert (found.support == support).all()
    assert found.accuracy == pytest.approx(sk.accuracy_score(true, told), rel=1e-15)
    macro = sk.f1_score(true, told, average="macro", zero_division=0)
    # A mean of four numbers.
    assert found.macro_f1 == pytest.approx(macro, rel=1e-14)


def test_log_loss_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(3), 20)
    targets = generator.integers(0, 3, 20)
    expected = sk.log_loss(targets, probabilities, labels=[0, 1, 2])
    # A mean of twenty logarithms.
    assert log_loss(probabilities, targets) == pytest.approx(expected, rel=1e-12)


def test_log_loss_of_a_class_that_was_ruled_out_is_finite() -> None:
    # The smallest normal float32 is 2^-126.
    found = log_loss(np.array([[1.0, 0.0]]), np.array([1]))
    assert found == pytest.approx(126 * np.log(2), rel=1e-12)


def test_calibration_error_by_hand() -> None:
    # The bin from 0.9: sure 0.95 on average, right half the time. That from 0.6: 0.6, always.
    sure = np.array([0.91, 0.99, 0.6, 0.6])
    right = np.array([True, False, True, True])
    # Sums of four numbers.
    assert calibration_error(sure, right) == pytest.approx(0.5 * 0.45 + 0.5 * 0.4, rel=1e-12)
    assert calibration_error(np.ones(5), np.ones(5, dtype=bool)) == 0.0


def test_the_rarer_of_two_classes() -> None:
    assert rarer({"ham": 10, "spam": 2}) == "spam"
    assert rarer({"ham": 1, "spam": 2}) == "ham"
    assert rarer({"no": 3, "yes": 3}) == "yes"
    assert rarer({"a": 1, "b": 2, "c": 3}) is None


def test_the_positive_class_has_a_score_of_its_own() -> None:
    found = Confusion(np.array([[8, 2], [1, 3]]))
    told = scores_of(found, ("ham", "spam"), "spam")
    # 2 * 3 / (2 * 3 + 1 + 2)
    assert told["F1 spam"] == pytest.approx(6 / 9, rel=1e-15)
    keys = [metric.key for metric in metrics_for("spam")]
    assert keys[:3] == ["accuracy", "macro F1", "F1 spam"]
    assert "F1 spam" not in scores_of(found, ("ham", "spam"), None)
