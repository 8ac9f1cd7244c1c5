"""A language that is learned in seconds: letters to capitals, "ab" to X, "c" silent at the end."""

import random

import pytest

from unrolled.data import Pairs
from unrolled.tasks.translate import Translator, pairs_of

SMALL = {
    "hidden_size": 48,
    "embedding_size": 16,
    "dropout": 0.0,
    "learning_rate": 0.01,
    "batch_size": 16,
    "epochs": 8,
    "engine": "eager",
}


def spoken(word: str) -> str:
    sounds = word.replace("ab", "X").removesuffix("c").upper()
    return " ".join(sounds or "C")


def spelling(count: int = 600, seed: int = 0) -> Pairs:
    draw = random.Random(seed)
    words = {"".join(draw.choices("abcde", k=draw.randint(2, 6))): None for _ in range(count)}
    return pairs_of(words, [spoken(word) for word in words], "spelling")


@pytest.fixture(scope="session")
def fitted() -> Translator:
    return Translator(**SMALL).fit(spelling())
