"""A classifier of texts and one of numbers, each fitted once."""

import numpy as np
import pytest

from unrolled.data import samples_of
from unrolled.tasks.classify import Classifier
from unrolled.tasks.classify.demo import control_charts

HAM = ["see", "you", "at", "home", "later", "ok", "fine", "thanks", "good", "night", "love"]
SPAM = ["win", "free", "cash", "prize", "call", "now", "claim", "urgent", "txt", "pounds"]


def messages(count: int = 160, seed: int = 0) -> tuple[list[str], list[str]]:
    """Texts of six words of one kind and one of any, a third of them spam."""
    generator = np.random.default_rng(seed)
    labels = ["spam" if k % 3 == 0 else "ham" for k in range(count)]
    texts = []
    for label in labels:
        own = SPAM if label == "spam" else HAM
        words = [*generator.choice(own, 6), generator.choice([*HAM, *SPAM])]
        texts.append(" ".join(generator.permutation(words)))
    return texts, labels


def small(**arguments) -> Classifier:
    """A classifier that is fitted in a second."""
    usual = {"hidden_size": 8, "embedding_size": 8, "epochs": 8, "batch_size": 16, "buckets": 64}
    usual |= {"learning_rate": 0.02, "dropout": 0.0, "embedding_dropout": 0.0, "token_dropout": 0.0}
    return Classifier(**{**usual, **arguments})


@pytest.fixture(scope="session")
def of_texts() -> Classifier:
    return small().fit(*messages())


@pytest.fixture(scope="session")
def of_numbers() -> Classifier:
    data = control_charts(each=20)
    charts = [sample.values[::3] for sample in data]
    return small(num_layers=1).fit(samples_of(charts, [sample.label for sample in data]))
