"""The classifier: what it learns, gives, keeps and refuses."""

import json
import re

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from tests.classify.conftest import messages, small
from torch.nn import functional as F

import unrolled as ur
from unrolled.data import DataError, samples_of
from unrolled.tasks.classify import Classifier
from unrolled.tasks.classify.demo import CLASSES, control_charts
from unrolled.tasks.classify.plan import plan_for


def test_texts_are_learned(of_texts) -> None:
    texts, labels = messages(seed=5)
    found = of_texts.evaluate(texts, labels)
    # Six words of seven say it.
    assert found.own["accuracy"] > 0.95
    assert found.own["F1 spam"] > 0.95
    assert found.scores["largest class"]["accuracy"] == np.mean([k == "ham" for k in labels])
    assert set(found.scores) == {
        "this model",
        "largest class",
        "logistic regression, n-grams",
        "naive Bayes, n-grams",
    }
    assert of_texts.score(texts, labels) == found.own["accuracy"]
    assert np.mean(of_texts.predict(texts) == labels) == found.own["accuracy"]


def test_numbers_are_learned(of_numbers) -> None:
    data = control_charts(each=10, seed=1)
    charts = [sample.values[::3] for sample in data]
    labels = [sample.label for sample in data]
    assert of_numbers.score(charts, labels) > 0.7
    assert sorted(of_numbers.classes_) == sorted(CLASSES)
    assert "nearest neighbour" in of_numbers.evaluate(charts, labels).scores


def test_probabilities_are_those_of_the_classes(of_texts) -> None:
    found = of_texts.predict_proba(["win cash now", "see you at home"])
    assert found.shape == (2, 2)
    # A softmax in float32.
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-6)
    assert of_texts.classes_.tolist() == ["ham", "spam"]
    assert found[0, 1] > 0.5 > found[1, 1]
    assert of_texts.predict(["win cash now", "see you at home"]).tolist() == ["spam", "ham"]


def test_samples_come_back_in_their_order(of_texts) -> None:
    texts, _ = messages(70, seed=2)
    texts[3] = "win " * 50
    together = of_texts.predict_proba(texts)
    alone = np.concatenate([of_texts.predict_proba([text]) for text in texts])
    # Sums in float32, in batches of other sizes.
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-6)


def test_empty_samples_have_the_shares_of_the_classes(of_texts, of_numbers) -> None:
    with pytest.warns(UserWarning, match="2 of 3 samples are empty"):
        found = of_texts.predict_proba(["  ", "win", ""])
    counts = np.array(of_texts.fitted_.coding.counts)
    assert np.array_equal(found[0], counts / counts.sum())
    assert np.array_equal(found[2], found[0])
    with pytest.warns(UserWarning, match="2 of 2 samples are empty"):
        assert of_numbers.predict_proba([[], [np.nan, np.nan]]).shape == (2, 6)


def test_the_loss_is_weighted_and_smoothed(of_texts) -> None:
    model = clone(of_texts).set_params(class_weights="balanced", label_smoothing=0.1)
    model.fitted_ = of_texts.fitted_
    texts, labels = messages(9)
    data = samples_of(texts, labels)
    batch = model.encode(of_texts.fitted_.coding, data).batch(range(9))
    network = of_texts.fitted_.network
    counts = of_texts.fitted_.coding.counts
    weights = torch.tensor([sum(counts) / (2 * count) for count in counts]).float()
    log_p = network(batch).log_softmax(1)
    each = 0.9 * F.nll_loss(log_p, batch["targets"], reduction="none") - 0.1 * log_p.mean(1)
    own = weights[batch["targets"]]
    found = model.loss(network, batch, 0.0)
    # Sums of nine float32 numbers.
    torch.testing.assert_close(found.mean, (own * each).sum() / own.sum(), rtol=1e-5, atol=1e-6)
    # All classes weigh as much in all.
    assert sum(c * float(w) for c, w in zip(counts, weights, strict=True)) == pytest.approx(
        sum(counts), rel=1e-6
    )


def test_a_rare_class_is_found_more_often_with_weights() -> None:
    texts, labels = messages(240)
    rare = [k for k, label in enumerate(labels) if label == "ham" or k % 24 == 0]
    texts, labels = [texts[k] for k in rare], [labels[k] for k in rare]
    share = []
    for weights in ("none", "balanced"):
        model = small(class_weights=weights, epochs=1, label_smoothing=0.0).fit(texts, labels)
        share.append(model.predict_proba(messages(60, seed=1)[0])[:, 1].mean())
    assert share[1] > share[0] + 0.1


def test_same_seed_same_numbers() -> None:
    texts, labels = messages(60)
    first, again, other = (
        small(seed=seed, epochs=2).fit(texts, labels).predict_proba(texts) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", ["of_texts", "of_numbers"])
def test_a_run_is_opened_as_it_was_saved(kind, request, tmp_path) -> None:
    model = request.getfixturevalue(kind)
    opened = ur.load(model.save(tmp_path / "run"))
    assert isinstance(opened, Classifier)
    data = messages(20, seed=9)[0] if kind == "of_texts" else [np.arange(k) for k in (3, 9)]
    assert np.array_equal(opened.predict_proba(data), model.predict_proba(data))
    assert opened.classes_.tolist() == model.classes_.tolist()
    assert not list((tmp_path / "run").glob("*.p*k*l*"))


def test_classes_that_are_whole_numbers_stay_so(tmp_path) -> None:
    texts, labels = messages(60)
    model = small(epochs=1).fit(texts, [10 if label == "ham" else 9 for label in labels])
    assert model.classes_.tolist() == [10, 9]
    assert model.predict(texts[:3]).dtype.kind == "i"
    opened = ur.load(model.save(tmp_path / "run"))
    assert opened.predict(texts[:3]).tolist() == model.predict(texts[:3]).tolist()
    assert opened.score(texts, [10] * 60) == np.mean(model.predict(texts) == 10)


@pytest.mark.parametrize("pooling", ["last", "max", "attention"])
@pytest.mark.parametrize("tokens", ["characters", "subwords"])
def test_other_poolings_and_tokens(pooling, tokens) -> None:
    texts, labels = messages(60)
    model = small(pooling=pooling, tokens=tokens, epochs=1, bidirectional=False, engine="eager")
    found = model.fit(texts, labels).evaluate(texts, labels)
    assert 0 <= found.own["accuracy"] <= 1
    assert found.details.confusion.counts.sum() == 60


def test_arguments_reach_the_network() -> None:
    texts, labels = messages(60)
    given = {"token_dropout": 0.3, "embedding_dropout": 0.4, "dropout": 0.6, "buckets": 0}
    given |= {"num_layers": 2, "lower": False, "least": 2, "epochs": 1, "engine": "eager"}
    model = small(**given).fit(texts, labels)
    network = model.fitted_.network
    assert network.reads.left_out == 0.3
    assert network.input_dropout.p == 0.4
    assert network.dropout.p == network.recurrent.dropout == 0.6
    assert network.reads.grams is None
    assert len(network.recurrent.cells) == 4
    assert not model.fitted_.coding.reads.vocabulary.lower


def test_noise_is_in_training_only() -> None:
    data = control_charts(each=4)
    alone = {"noise": 0.5, "scale": 0.0, "warp": 0.0, "differences": False}
    model = small(num_layers=1, epochs=1, engine="eager", **alone).fit(data)
    encoded = model.encode(model.fitted_.coding, data)
    batch = encoded.batch([0, 1])
    generator = np.random.default_rng(0)
    changed = model.augment(batch, generator)["values"] - batch["values"]
    # 120 draws: a deviation is known to about one part in fifteen.
    assert float(changed.std()) == pytest.approx(0.5, rel=0.3)
    assert np.array_equal(model.predict_proba(data), model.predict_proba(data))


def test_what_is_guessed_is_said() -> None:
    texts, labels = messages(60)
    model = small(epochs=1).fit(texts, labels)
    assert "texts are read by words" in "; ".join(f.text for f in model.findings_)
    assert small(epochs=1, tokens="words").fit(texts, labels).findings_ == ()
    generator = np.random.default_rng(0)
    points = [generator.uniform(0, 1, (5, 2)) for _ in range(400)]
    labels = ["left" if p[0, 0] < 0.5 else "right" for p in points]
    model = small(epochs=1, num_layers=1, engine="eager").fit(points, labels)
    told = "; ".join(f.text for f in model.findings_)
    assert "'feature 1' and 'feature 2' have one range" in told
    assert model.fitted_.plan.tilt > 0
    learned = model.set_params(plane="none").learn_coding(samples_of(points, labels))
    assert model.plan_for(learned, points).tilt == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tokens": "letters"}, "tokens is 'letters'"),
        ({"pooling": "sum"}, "pooling is 'sum'"),
        ({"class_weights": "even"}, "class_weights is 'even'"),
        ({"positive": "Spam"}, "positive is 'Spam'; did you mean 'spam'?"),
        ({"label_smoothing": 1.0}, "label_smoothing must lie between 0 and 1"),
        ({"longest": 0}, "longest must be a whole number from 1 up"),
        ({"warp": -1.0}, "warp must lie between 0"),
        ({"cell": "lstn"}, "lstm"),
    ],
)
def test_arguments_that_make_no_sense(given, message) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        small(**given).fit(*messages(30))


def test_data_that_cannot_be_learned_from(of_texts, of_numbers) -> None:
    texts, labels = messages(30)
    with pytest.raises(DataError, match="all 3 samples are of one class, 'x'"):
        small().fit(["a b", "c", "d"], ["x"] * 3)
    with pytest.raises(DataError, match="30 values and 29 labels"):
        small().fit(texts, labels[1:])
    with pytest.raises(DataError, match="has samples of one class only; hold out others"):
        # Samples are named after their places; every third is spam.
        small(validation="[0]").fit(samples_of(texts, labels).select([0, 1, 2, 4, 5]))
    with pytest.raises(DataError, match=r"does not know the classes egg"):
        of_texts.evaluate(["see you"], ["egg"])
    with pytest.raises(DataError, match="holds sequences of numbers; the model reads texts"):
        of_texts.predict([[1.0, 2.0]])
    with pytest.raises(DataError, match="has 2 features"):
        of_numbers.predict([np.zeros((3, 2))])
    with pytest.raises(TypeError, match="a list of texts or of arrays"):
        of_texts.predict(7)
    with pytest.raises(NotFittedError, match="this Classifier is not fitted yet"):
        Classifier().predict(["a"])


def test_plans_by_kind_and_amount(of_texts, of_numbers) -> None:
    few, many = plan_for(of_texts.fitted_.coding, 500), plan_for(of_texts.fitted_.coding, 50_000)
    assert few.batch_size < many.batch_size
    assert few.epochs > many.epochs >= 4
    # About as many updates for few as for many.
    assert 500 / few.batch_size * few.epochs == pytest.approx(1200, rel=0.1)
    assert plan_for(of_numbers.fitted_.coding, 100).epochs == 100
    assert json.dumps(vars(few))


@pytest.mark.parametrize("labels", [[True, False], [0.0, 1.5], [3, 7], ["x", "y"]])
def test_classes_are_of_the_kind_that_was_given(labels) -> None:
    texts, y = ["win cash now", "see you then"] * 12, labels * 12
    model = Classifier(hidden_size=8, epochs=1, engine="eager").fit(texts, y)
    found = model.predict(texts)
    assert found.dtype.kind == np.asarray(labels).dtype.kind
    assert set(found.tolist()) <= set(labels)


def test_what_is_neither_text_nor_sequence() -> None:
    model = Classifier(hidden_size=8, epochs=1, engine="eager").fit(
        ["a b c", "d e f"] * 9, [0, 1] * 9
    )
    with pytest.raises(TypeError, match="the first that is neither is None"):
        model.predict(["a b", None])


def test_large_offsets_keep_their_changes() -> None:
    values = [1.6e9 + np.arange(10.0) * (1 if k % 2 else 3) for k in range(40)]
    model = Classifier(hidden_size=8, epochs=12, engine="eager", learning_rate=0.02)
    assert (
        model.fit(values, [k % 2 for k in range(40)]).score(values, [k % 2 for k in range(40)]) == 1
    )


def test_a_model_of_data_in_memory_reads_files(tmp_path) -> None:
    model = Classifier(hidden_size=8, epochs=1, engine="eager")
    model.fit(["win cash now", "see you then"] * 12, ["s", "h"] * 12)
    (tmp_path / "new.txt").write_text("win cash\nsee you\n")
    (tmp_path / "new.tsv").write_text("text\tlabel\nwin cash now ok\ts\nsee you then yes\th\n")
    alike = model.predict(["win cash", "see you"]).tolist()
    assert model.predict(str(tmp_path / "new.txt")).tolist() == alike
    assert model.evaluate(str(tmp_path / "new.tsv")).count == "2 samples"
