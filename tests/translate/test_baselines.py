"""The translation memory against a search by hand; what is kept is what was fitted."""

import math
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.tasks.translate import pairs_of
from unrolled.tasks.translate.baselines import Guesses

PAIRS = pairs_of(
    ["Go on.", "I am here.", "Go on.", "Who is there?", "Go on."],
    ["Los.", "Ich bin da.", "Weiter.", "Wer ist da?", "Weiter."],
)


def _trigrams(text):
    words = [f" {word} " for word in text.split()]
    return Counter(word[k : k + 3] for word in words for k in range(len(word) - 2))


def _nearest(memory, text):
    """The first of the sources with the largest cosine, as scikit-learn's user guide has tf-idf."""
    counts = [_trigrams(source) for source in memory]
    seen = Counter(gram for each in counts for gram in each)
    rare = {g: 1 + math.log((1 + len(memory)) / (1 + n)) for g, n in seen.items()}

    def vector(grams):
        found = {g: n * rare[g] for g, n in grams.items() if g in rare}
        norm = math.sqrt(sum(v * v for v in found.values())) or 1
        return {g: v / norm for g, v in found.items()}

    asked = vector(_trigrams(text))
    return [sum(v * asked.get(g, 0) for g, v in vector(each).items()) for each in counts]


def test_each_source_is_remembered_with_its_most_frequent_target() -> None:
    found = Guesses.fit(PAIRS, "words")
    assert found.sources == ("Go on.", "I am here.", "Who is there?")
    assert found.targets == ("Weiter.", "Ich bin da.", "Wer ist da?")
    assert found.frequent == "Weiter."


def test_guesses_by_name() -> None:
    found = Guesses.fit(PAIRS, "words").guesses(["Who is it?", "Stop"])
    assert found == {
        "copy of the source": ["Who is it?", "Stop"],
        "most frequent target": ["Weiter.", "Weiter."],
        # Nothing has a trigram of "Stop", so the first is taken.
        "nearest source": ["Wer ist da?", "Weiter."],
    }


WORD = st.text("abc ", min_size=1, max_size=9).filter(str.strip)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORD, min_size=1, max_size=6, unique_by=str.strip), st.lists(WORD, min_size=1))
def test_the_nearest_source_has_the_largest_cosine(memory: list[str], texts: list[str]) -> None:
    guesses = Guesses.fit(pairs_of(memory, memory), "words")
    for text, place in zip(texts, guesses.nearest(texts), strict=True):
        cosines = _nearest(guesses.sources, text)
        # Cosines are computed in float32.
        assert cosines[place] >= max(cosines) - 1e-5


def test_scores_are_those_of_the_guesses() -> None:
    data = pairs_of(["Go on.", "Go on.", "x"], ["Weiter.", "Los.", "Weiter."])
    found = Guesses.fit(PAIRS, "words").scores(data)
    assert found["copy of the source"]["exact match"] == 0
    # Both sources have it among their targets.
    assert found["most frequent target"]["exact match"] == 1
    symbols = Guesses.fit(PAIRS, "symbols").scores(data)
    assert symbols["most frequent target"] == {"symbol error": 0, "sequence error": 0}


def test_the_memory_is_kept_as_it_is() -> None:
    pairs = pairs_of(["naïve", "我爱你", "שלום עולם", "\ud800x"], ["a", "b\nc", "😀", "d"])
    found = Guesses.fit(pairs, "characters")
    again = Guesses.from_dict(found.to_dict(), found.tensors)
    assert again == found
    texts = ["我爱", "naive", "zzz"]
    np.testing.assert_array_equal(again.nearest(texts), found.nearest(texts))
