"""Attention as a picture shows the weights under their tokens; numbers are read as they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from unrolled.data import DataError
from unrolled.tasks.translate.decoding import Written
from unrolled.tasks.translate.maps import attention_chart, attention_picture
from unrolled.tasks.translate.numerals import in_words, numerals

READ, TOKENS = ("I", "_am", "here"), ("Je", "_suis", "_là", "<eos>")
WEIGHTS = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0, 0, 1.0], [0.2, 0.3, 0.5]])


def test_weights_stand_under_their_tokens() -> None:
    figure = Figure()
    attention_chart(READ, TOKENS, WEIGHTS)(figure)
    (axes,) = figure.axes
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), WEIGHTS)
    assert [label.get_text() for label in axes.get_xticklabels()] == list(READ)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(TOKENS)
    # The first token that was written is the highest.
    low, high = axes.get_ylim()
    assert low > high


def test_any_script_and_long_tokens_have_a_picture(tmp_path) -> None:
    read = ("שלום", "我爱", "a" * 40)
    made = attention_picture(read, TOKENS, WEIGHTS, "a caption")
    assert "שלום" in made.svg
    assert f">{'a' * 11}…<" in made.svg
    written = Written("x", "y", 0.0, True, True, read, TOKENS, WEIGHTS)
    assert written.draw(tmp_path / "map.png").read_bytes()[1:4] == b"PNG"
    assert written.draw(tmp_path / "map.svg").read_text().startswith("<?xml")
    with pytest.raises(DataError, match=r"the name must end in \.svg or \.png"):
        written.draw(tmp_path / "map.pdf")
    with pytest.raises(ValueError, match="no weights to draw"):
        Written("x", "y").draw(tmp_path / "map.svg")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (85, "eighty five"),
        (500, "five hundred"),
        (1_001, "one thousand one"),
        (36_512, "thirty six thousand five hundred twelve"),
        (999_999, "nine hundred ninety nine thousand nine hundred ninety nine"),
    ],
)
def test_numbers_as_they_are_read(number: int, words: str) -> None:
    assert in_words(number) == words


VALUES = {in_words(n): n for n in range(20)} | {in_words(10 * n): 10 * n for n in range(2, 10)}


@given(st.integers(0, 999_999))
def test_words_say_their_number(number: int) -> None:
    thousands, hundreds = 0, 0
    for word in in_words(number).split():
        if word == "thousand":
            thousands, hundreds = 1000 * hundreds, 0
        else:
            hundreds = 100 * hundreds if word == "hundred" else hundreds + VALUES[word]
    assert thousands + hundreds == number


def test_numerals_repeat_and_differ() -> None:
    found = numerals(50, seed=3)
    assert [p.source for p in numerals(50, seed=3)] == [p.source for p in found]
    assert len(found.references) == 50
    assert all(in_words(int(p.source.replace(",", ""))) == p.target for p in found)
