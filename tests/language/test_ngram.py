"""n-gram models against counts by hand, slow dictionaries, nltk's numbers and published ones."""

import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.tasks.language.ngram import SMOOTHINGS, NGram, best, table
from unrolled.tasks.language.ngram import _discounts as discounts_of

# Float64 sums of a few terms below 1, in another order.
ROUNDING = 1e-12

WRONG: Any = [0.5]

AABAB = [0, 0, 1, 0, 1]
PANGRAM = "the quick brown fox jumps over the lazy dog and the dog barks at the fox"

texts = st.lists(st.lists(st.integers(0, 3), max_size=25), min_size=1, max_size=4).filter(any)
orders = st.integers(1, 5)
smoothings = st.sampled_from(SMOOTHINGS)


def encode(text: str, characters: str) -> np.ndarray:
    return np.array([characters.index(character) for character in text])


def slow(texts: list, V: int, n: int, smoothing: str, k: float = 0.1) -> Callable[..., float]:
    """p(w, context) by dictionaries of tuples, each smoothing's formula as its paper has it."""
    count, before = Counter(), defaultdict(set)
    for text in map(tuple, texts):
        for end in range(1, len(text) + 1):
            for start in range(max(0, end - n), end):
                count[text[start:end]] += 1
                before[text[start:end]].add(text[start - 1] if start else "beginning")

    def weight(gram: tuple) -> int:
        return count[gram] if smoothing != "kneser-ney" or len(gram) == n else len(before[gram])

    followers = defaultdict(list)
    for gram in count:
        followers[gram[:-1]].append(weight(gram))

    @cache
    def discounts(order: int) -> list[float]:
        found = Counter(weight(gram) for gram in count if len(gram) == order)
        n1, n2, n3, n4 = (found[j] for j in (1, 2, 3, 4))
        if n1 * n2 * n3 * n4 == 0:
            return [0.5, 1.0, 1.5]
        y = n1 / (n1 + 2 * n2)
        own = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
        return own if min(own) > 0 else [0.5, 1.0, 1.5]

    def p(w: int, context: tuple) -> float:
        after = followers[context]
        if smoothing == "add-k":
            return (count[(*context, w)] + k) / (sum(after) + k * V)
        lower = p(w, context[1:]) if context else 1 / V
        if not after:
            return lower
        own = count[(*context, w)] and weight((*context, w))
        if smoothing == "witten-bell":
            return (own + len(after) * lower) / (sum(after) + len(after))
        d = [0.0, *discounts(len(context) + 1)]
        gamma = sum(d[min(each, 3)] for each in after) / sum(after)
        return (own - d[min(own, 3)]) / sum(after) + gamma * lower

    return p


def slow_log_probabilities(p: Callable[..., float], texts: list, n: int) -> list[float]:
    return [
        math.log(p(text[t], tuple(text[max(0, t - n + 1) : t])))
        for text in texts
        for t in range(len(text))
    ]


def test_witten_bell_by_hand() -> None:
    # a a b a b: N(a) = 3, N(b) = 2, two types in five tokens, and c is never seen.
    # p(a) = (3 + 2/3) / 7, p(b) = (2 + 2/3) / 7, p(c) = (2/3) / 7.
    # After a: aa once, ab twice, so p(b given a) = (2 + 2 p(b)) / (3 + 2).
    model = NGram(2, 3, "witten-bell").fit(AABAB)
    expected = {(): [11 / 21, 8 / 21, 2 / 21], (0,): [43 / 105, 58 / 105, 4 / 105]}
    expected |= {(1,): [32 / 42, 8 / 42, 2 / 42], (2,): [11 / 21, 8 / 21, 2 / 21]}
    for context, p in expected.items():
        np.testing.assert_allclose(model.distribution(context), p, atol=ROUNDING)
    log_p = np.log([11 / 21, 58 / 105, 2 / 42, 11 / 21])
    np.testing.assert_allclose(model.log_probabilities([0, 1, 2, 0]), log_p, atol=ROUNDING)


def test_kneser_ney_by_hand() -> None:
    # Before a stand a, b and the beginning, before b only a: M = 3 and 1, discounts 1.5 and 0.5.
    # p(a) = (3 - 1.5)/4 + (2/4)/3 = 13/24, p(b) = (1 - 0.5)/4 + (2/4)/3 = 7/24, p(c) = 4/24.
    # After a: (aa 1 - 0.5, ab 2 - 1, freed 1.5) / 3, so p(a given a) = (0.5 + 1.5 p(a)) / 3.
    model = NGram(2, 3).fit(AABAB)
    np.testing.assert_allclose(model.distribution(), [13 / 24, 7 / 24, 4 / 24], atol=ROUNDING)
    np.testing.assert_allclose(model.distribution([0]), [21 / 48, 23 / 48, 4 / 48], atol=ROUNDING)
    # Neither order has counts of 1, 2, 3 and 4.
    assert [finding.kind for finding in model.findings] == ["warning", "warning"]
    assert "order 1" in model.findings[0].text


def test_discounts_by_hand() -> None:
    # Y = 8/16; D1 = 1 - 2 Y 4/8, D2 = 2 - 3 Y 2/4, D3 = 3 - 4 Y 1/2.
    discounts = discounts_of(np.repeat([1, 2, 3, 4, 7], [8, 4, 2, 1, 5]))
    assert discounts is not None
    np.testing.assert_allclose(discounts, [0.5, 1.25, 2.0], atol=ROUNDING)
    # D2 = 2 - 3 (8/10) 9/1 is negative.
    assert discounts_of(np.repeat([1, 2, 3, 4], [8, 1, 9, 1])) is None


def test_add_k_by_hand() -> None:
    model = NGram(2, 3, "add-k", k=0.5).fit(AABAB)
    np.testing.assert_allclose(model.distribution(), [7 / 13, 5 / 13, 1 / 13], atol=ROUNDING)
    np.testing.assert_allclose(model.distribution([0]), [3 / 9, 5 / 9, 1 / 9], atol=ROUNDING)
    np.testing.assert_allclose(model.distribution([2]), [1 / 3, 1 / 3, 1 / 3], atol=ROUNDING)


@given(texts, texts, orders, smoothings)
@settings(max_examples=150, deadline=None)
def test_agrees_with_dictionaries(train: list, test: list, n: int, smoothing: str) -> None:
    model = NGram(n, 5, smoothing).fit([np.array(text, dtype=int) for text in train])
    expected = slow_log_probabilities(slow(train, 5, n, smoothing), test, n)
    np.testing.assert_allclose(
        model.log_probabilities(test), expected, rtol=ROUNDING, atol=ROUNDING
    )


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_agrees_with_dictionaries_on_a_longer_text(smoothing: str) -> None:
    # Token frequencies fall as 1/rank, so counts of 1 to 4 are there at every order but the first.
    rng = np.random.default_rng(0)
    p = 1 / np.arange(1, 31)
    train, test = rng.choice(30, 3000, p=p / p.sum()), rng.choice(30, 300, p=p / p.sum())
    model = NGram(3, 30, smoothing).fit(train)
    if smoothing == "kneser-ney":
        assert [finding.text[:7] for finding in model.findings] == ["order 1"]
    reference = slow([train.tolist()], 30, 3, smoothing)
    expected = slow_log_probabilities(reference, [test.tolist()], 3)
    np.testing.assert_allclose(model.log_probabilities(test), expected, rtol=ROUNDING)


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_large_vocabulary_and_order(smoothing: str) -> None:
    # 20 tokens of 30 bits each would need keys of 600 bits.
    V = 2**30
    words = np.random.default_rng(1).integers(0, V, 12)
    text = np.tile(words, 6)[:60]
    expected = slow_log_probabilities(slow([text.tolist()], V, 20, smoothing), [text.tolist()], 20)
    model = NGram(20, V, smoothing).fit(text)
    np.testing.assert_allclose(
        model.log_probabilities(text), expected, rtol=ROUNDING, atol=ROUNDING
    )
    assert model.possible == 2**600


def test_agrees_with_nltk() -> None:
    # nltk 3.10.4, WittenBellInterpolated(3) fitted on the characters' everygrams. Its unigram is
    # N(w) / N; here it was given the uniform base: (N(w) + T/V) / (N + T).
    scores = {
        ("th", "e"): 0.9624242424242425,
        ("th", "o"): 0.0028282828282828287,
        ("e ", "q"): 0.14962121212121213,
        ("fo", "x"): 0.7373737373737375,
        ("do", "z"): 0.002693602693602694,
        ("he", "b"): 0.0017316017316017316,
    }
    characters = "".join(sorted(set(PANGRAM)))
    model = NGram(3, len(characters), "witten-bell").fit(encode(PANGRAM, characters))
    for (context, character), score in scores.items():
        p = model.distribution(encode(context, characters))
        assert p[characters.index(character)] == pytest.approx(score, rel=ROUNDING)


@given(texts, st.lists(st.integers(0, 5), max_size=8), orders, smoothings)
@settings(max_examples=150, deadline=None)
def test_distributions_sum_to_one(train: list, context: list, n: int, smoothing: str) -> None:
    model = NGram(n, 6, smoothing).fit(train)
    p = model.distribution(context)
    assert p.sum() == pytest.approx(1, abs=ROUNDING)
    assert (p > 0).all()
    # The same as what a text gets: its last token, for each token that may follow.
    last = [model.log_probabilities([*context, w])[-1] for w in range(6)]
    np.testing.assert_allclose(np.log(p), last, rtol=ROUNDING, atol=ROUNDING)


@given(texts, orders)
@settings(max_examples=50, deadline=None)
def test_sizes(train: list, n: int) -> None:
    model = NGram(n, 4).fit(train)
    grams = [
        {tuple(text[i : i + k]) for text in train for i in range(len(text) - k + 1)}
        for k in range(1, n + 1)
    ]
    assert model.ngrams == len(grams[-1])
    assert model.contexts == len({gram[:-1] for gram in grams[-1]})
    assert model.stored == sum(map(len, grams))
    assert model.possible == 4**n


def test_loss_perplexity_and_bits() -> None:
    model = NGram(2, 3, "witten-bell").fit(AABAB)
    # As by hand above: 11/21, 58/105, 1/21.
    product = 11 / 21 * 58 / 105 * 1 / 21
    text = [0, 1, 2]
    assert model.loss(text) == pytest.approx(-math.log(product) / 3)
    assert model.perplexity(text) == pytest.approx(product ** (-1 / 3))
    # Three tokens that spell eight characters.
    assert model.bits_per_character(text, characters=8) == pytest.approx(-math.log2(product) / 8)
    # With k so large nothing is learned: as many choices as tokens.
    assert NGram(2, 3, "add-k", k=1e15).fit(AABAB).perplexity(text) == pytest.approx(3)


def test_table_is_that_of_single_models() -> None:
    rng = np.random.default_rng(2)
    train, test = [rng.integers(0, 4, 200), rng.integers(0, 4, 3)], rng.integers(0, 5, 80)
    rows = table(train, test, 5, orders=(1, 2, 4))
    assert [(row.n, row.smoothing) for row in rows] == [
        (n, smoothing) for n in (1, 2, 4) for smoothing in SMOOTHINGS
    ]
    seen = {tuple(text[i : i + 4]) for text in train for i in range(len(text) - 3)}
    unseen = np.mean([tuple(test[i : i + 4]) not in seen for i in range(77)])
    assert rows[-1].unseen == pytest.approx(unseen)
    for row in rows:
        model = NGram(row.n, 5, row.smoothing).fit(train)
        assert row.loss == pytest.approx(model.loss(test), rel=ROUNDING)
        assert row.perplexity == pytest.approx(model.perplexity(test), rel=ROUNDING)
        assert row.bits == pytest.approx(model.bits_per_character(test, 80), rel=ROUNDING)
        sizes = model.contexts, model.ngrams, model.stored, model.possible
        assert (row.contexts, row.ngrams, row.stored, row.possible) == sizes


def test_best_has_the_least_validation_loss() -> None:
    # Each token depends on the two before it, so shorter contexts and longer ones do worse.
    rng, text = np.random.default_rng(3), [0, 1]
    for _ in range(6000):
        text.append((text[-1] + text[-2]) % 5 if rng.random() < 0.8 else int(rng.integers(5)))
    train, validation = text[:5000], text[5000:]
    model = best(train, validation, 5, orders=(1, 2, 3, 5))
    losses = {(row.n, row.smoothing): row.loss for row in table(train, validation, 5, (1, 2, 3, 5))}
    assert (model.n, model.smoothing) == min(losses, key=lambda key: losses[key])
    assert model.n == 3
    assert model.loss(validation) == pytest.approx(min(losses.values()), rel=ROUNDING)


def test_samples_follow_the_distribution() -> None:
    model = NGram(1, 3, "witten-bell").fit(AABAB)
    tokens = model.sample(np.random.default_rng(0), [], 4000)
    share, p = np.bincount(tokens, minlength=3) / 4000, model.distribution()
    # Four standard deviations of a share of 4000 draws.
    assert (abs(share - p) < 4 * np.sqrt(p * (1 - p) / 4000)).all()
    cooler = model.sample(np.random.default_rng(0), [], 4000, temperature=0.5)
    share, p = np.bincount(cooler, minlength=3) / 4000, p**2 / (p**2).sum()
    assert (abs(share - p) < 4 * np.sqrt(p * (1 - p) / 4000)).all()


def test_samples_continue_the_prompt_and_repeat() -> None:
    cycle = np.tile([0, 1, 2, 3], 50)
    model = NGram(3, 4).fit(cycle)
    drawn = model.sample(np.random.default_rng(0), [3, 0], 8, temperature=0.1)
    assert drawn.tolist() == [1, 2, 3, 0, 1, 2, 3, 0]
    first = model.sample(np.random.default_rng(5), [2], 50, temperature=3)
    assert (first == model.sample(np.random.default_rng(5), [2], 50, temperature=3)).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: NGram(0, 3), ValueError, "n must be a whole number of at least 1, got 0"),
        (lambda: NGram(2, WRONG), ValueError, "vocabulary_size must be a whole number"),
        (lambda: NGram(2, 3, "kneserney"), ValueError, "did you mean 'kneser-ney'"),
        (lambda: NGram(2, 3, "add-k", k=0), ValueError, "k must be a positive number, got 0"),
        (lambda: NGram(2, 3).fit([0, 3]), ValueError, "from 0 to vocabulary_size - 1 = 2, got 0"),
        (lambda: NGram(2, 3).fit([-1]), ValueError, "got -1 to -1"),
        (lambda: NGram(2, 3).fit(WRONG), TypeError, "whole numbers, got float64"),
        (lambda: NGram(2, 3).fit([[], []]), ValueError, "at least one token"),
        (lambda: NGram(2, 3).fit(np.zeros((2, 2), int)), ValueError, r"got an array \[2, 2\]"),
        (lambda: NGram(2, 2**62).fit([0, 1]), ValueError, "is too large; number the tokens"),
        (lambda: NGram(2, 3).loss([0]), RuntimeError, r"call fit\(ids\) first"),
        (lambda: NGram(2, 3).fit([0]).sample(WRONG, [0], 1, 0), ValueError, "temperature must be"),
        (lambda: table([0], [0], 2, orders=()), ValueError, "must name at least one"),
    ],
)
def test_errors(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_tiny_shakespeare() -> None:
    path = Path(os.environ.get("UNROLLED_DATA", "")) / "tinyshakespeare" / "input.txt"
    if not os.environ.get("UNROLLED_DATA") or not path.exists():
        pytest.skip("UNROLLED_DATA names no folder with tinyshakespeare/input.txt")
    text = path.read_text()
    characters = sorted(set(text))
    number = {character: i for i, character in enumerate(characters)}
    ids = np.array([number[character] for character in text])
    cut = int(0.9 * len(ids))
    rows = table(ids[:cut], ids[cut:], len(characters), (1, 2, 6), ("witten-bell",))
    # Counted elsewhere by another program, to three decimals.
    assert [row.loss for row in rows] == pytest.approx([3.347, 2.486, 1.698], abs=6e-4)
