"""Baselines against scikit-learn; and that JSON holds them."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.preprocessing import StandardScaler

from speech.tones import spelled, tones
from unrolled.data.recordings import Recording, Recordings, resampled
from unrolled.tasks.speech.baselines import Baselines, summaries
from unrolled.tasks.speech.features import LogMel

FEATURES = LogMel(8000, bands=6)


def again(fitted):
    return Baselines.from_dict(json.loads(json.dumps(fitted.to_dict())), fitted.tensors)


@pytest.mark.parametrize("letters", ["ab", "abc"])
def test_the_logistic_regression_is_scikit_learns(letters):
    data = tones(60).where(lambda r: r.label in letters)
    others = tones(40, seed=1)
    fitted = Baselines.fit(data, FEATURES, is_sequence=False)
    scaler = StandardScaler().fit(heard(data))
    theirs = LogisticRegression(max_iter=1000)
    theirs.fit(scaler.transform(heard(data)), [r.label for r in data])
    expected = theirs.predict(scaler.transform(heard(others))).tolist()
    answers = fitted.answers(others)
    assert answers["logistic regression"] == expected
    assert answers["largest class"] == ["a"] * 40
    truth = [r.label for r in others]
    assert fitted.scores(others)["logistic regression"] == {
        "accuracy": pytest.approx(accuracy_score(truth, expected)),
        "macro F1": pytest.approx(f1_score(truth, expected, average="macro", zero_division=0)),
    }
    assert again(fitted).answers(others) == answers


def heard(data):
    """Mean and deviation of every band, by numpy."""
    loud = [FEATURES.loudness(r.samples).numpy().astype(float) for r in data]
    return np.stack([np.r_[each.mean(0), each.std(0)] for each in loud])


def test_another_rate_is_heard_alike():
    data = tones(30)
    fitted = Baselines.fit(data, FEATURES, is_sequence=False)
    slow = tuple(Recording(r.name, resampled(r.samples, 8000, 16000), 16000, r.label) for r in data)
    expected = fitted.scores(data)
    # A few tones lie where the filters' edges matter.
    found = fitted.scores(Recordings(slow, "label"))
    assert found["logistic regression"]["accuracy"] == pytest.approx(
        expected["logistic regression"]["accuracy"], abs=0.1
    )


def test_sequences():
    data = spelled(6)
    texts = ["b", "a", "b", "a", "c", "aa"]
    said = tuple(Recording(r.name, r.samples, r.rate, t) for r, t in zip(data, texts, strict=True))
    fitted = Baselines.fit(Recordings(said, "transcript"), FEATURES, is_sequence=True)
    assert fitted.answers(data.select([0, 1])) == {
        "commonest transcript": ["a", "a"],
        "empty transcript": ["", ""],
    }
    found = fitted.scores(Recordings(said, "transcript"))
    # Of 7 letters: "a" is wrong in b, b and c, and one short of aa.
    assert found["commonest transcript"]["CER"] == pytest.approx(4 / 7)
    assert found["empty transcript"]["CER"] == 1
    assert again(fitted).commonest == "a"


def test_one_frame_has_a_deviation_of_zero():
    data = Recordings((Recording("a", np.ones(1, np.float32), 8000, "a"),), "label")
    (row,) = summaries(data, FEATURES)
    assert row[6:].tolist() == [0] * 6
