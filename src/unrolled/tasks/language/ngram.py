"""n-gram language models: what a network that predicts the next token must beat.

    p(x(t) given x(1), ..., x(t-1)) = p(x(t) given x(t-n+1), ..., x(t-1))

Where `c` is the context, the n-1 tokens before w, and `c'` is c without its oldest token,

    p(w given c) = (kept(c w) + freed(c) p(w given c')) / (sum over v of kept(c v) + freed(c))

ends at the uniform p(w) = 1 / V. A context that was never seen leaves p(w given c'). With N(c w)
for how often w follows c, and T(c) for how many different tokens do,

    smoothing     kept(c w)            freed(c)
    witten-bell   N(c w)               T(c)
    kneser-ney    M(c w) - D(M(c w))   sum over v of D(M(c v))
    add-k         N(c w)               k V, and 1 / V in place of p(w given c')

"kneser-ney" is the interpolated modified form of Chen and Goodman. M is N for whole n-grams; for
shorter ones it is the number of different tokens that stand before them, the beginning of a text
being one. D has a value for each of M = 1, 2 and 3 or more,

    D(j) = j - (j + 1) Y n(j+1) / n(j),    Y = n(1) / (n(1) + 2 n(2)),

where n(j) of the k-grams have M = j; it is 0.5, 1, 1.5 where that gives no positive number, as in
KenLM. No token has probability 0, and those of all tokens sum to 1.

A full table has V^n entries; those stored grow with the text, and ever more of the n-grams of
another text are not among them (`table`): large n is infeasible, whatever the smoothing.

Shapes: T tokens of all texts, V vocabulary_size, G different k-grams.

References:
    Chen and Goodman, "An empirical study of smoothing techniques for language modeling",
        Computer Speech and Language 13(4), 1999 (sections 2.6, 2.7 and 3).
    Witten and Bell, "The zero-frequency problem", IEEE Trans. Information Theory 37(4), 1991.
    Kneser and Ney, "Improved backing-off for m-gram language modeling", ICASSP 1995.
    Heafield, Pouzyrevsky, Clark and Koehn, "Scalable modified Kneser-Ney language model
        estimation", ACL 2013 (KenLM).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...data import Finding
from ...naming import one_of
from .ngram_counts import Counts, Ids, Text, as_text, contexts_at, join

SMOOTHINGS = ("kneser-ney", "witten-bell", "add-k")
ORDERS = tuple(range(1, 9))
_DISCOUNTS_OF_KENLM = np.array([0.5, 1.0, 1.5])


class NGram:
    """An n-gram model of texts whose tokens are numbered 0 .. V-1.

    The first tokens of a text are predicted from the shorter contexts they have.

    Arguments:
        n: tokens of an n-gram: the one predicted and n-1 before it.
        vocabulary_size: V; tokens that training never shows have their share.
        smoothing: "kneser-ney" (modified, interpolated), "witten-bell" (interpolated) or "add-k".
        k: what "add-k" adds to every count.

    After `fit`, `findings` says which orders took KenLM's discounts for want of their own.

    Raises:
        ValueError: an argument outside its range, or a smoothing of another name.
    """

    def __init__(self, n: int, vocabulary_size: int, smoothing: str = "kneser-ney", k: float = 0.1):
        self.n = _whole(n, "n")
        self.vocabulary_size = _whole(vocabulary_size, "vocabulary_size")
        self.smoothing = one_of(smoothing, SMOOTHINGS, "smoothing")
        if not (k > 0 and math.isfinite(k)):
            raise ValueError(f"k must be a positive number, got {k!r}")
        self.k = k
        self.findings: tuple[Finding, ...] = ()
        self._counts: Counts | None = None
        # p(w given c) of every stored k-gram, and freed(c) / (sum of kept + freed(c)) of every
        # context, for k = 1 .. n.
        self._probabilities: list[np.ndarray] = []
        self._backoffs: list[np.ndarray] = []

    def __repr__(self) -> str:
        return f"NGram(n={self.n}, V={self.vocabulary_size}, smoothing={self.smoothing!r})"

    def fit(self, ids: Ids) -> "NGram":
        """Count the n-grams of a text, or of several.

        Raises:
            TypeError, ValueError: `ids` are not whole numbers from 0 to V-1, or there are none.
        """
        return self.estimate(Counts.of(ids, self.vocabulary_size, self.n))

    def log_probabilities(self, ids: Ids) -> np.ndarray:
        """log p of every token given those before it, [T]; several texts one after the other.

        A network that reads the first token without predicting it is compared on the rest.
        """
        tokens, before = join(ids, self.vocabulary_size)
        return self._score(before, self.counts.find(tokens, before))

    def loss(self, ids: Ids) -> float:
        """Mean of - log p over the tokens, in nats."""
        return -float(self.log_probabilities(ids).mean())

    def perplexity(self, ids: Ids) -> float:
        """exp(loss): among how many equally likely tokens the model hesitates."""
        return math.exp(self.loss(ids))

    def bits_per_character(self, ids: Ids, characters: int) -> float:
        """- log2 p of the whole text over its number of characters, whatever the tokens are."""
        characters = _whole(characters, "characters")
        return -float(self.log_probabilities(ids).sum()) / math.log(2) / characters

    @property
    def contexts(self) -> int:
        """Different contexts of n-1 tokens that a token follows."""
        keys = self.counts.levels[-1].keys
        return len(np.unique(keys // self.vocabulary_size))

    @property
    def ngrams(self) -> int:
        """Different n-grams of n tokens."""
        return len(self.counts.levels[-1].keys)

    @property
    def stored(self) -> int:
        """Different k-grams of all orders k = 1 .. n: the size of the model."""
        return sum(len(level.keys) for level in self.counts.levels)

    @property
    def possible(self) -> int:
        """V^n, the n-grams of a full table."""
        return self.vocabulary_size**self.n

    def distribution(self, context: Text = ()) -> np.ndarray:
        """p of every token after a context, [V]; of its tokens the last n-1 count."""
        counts, V = self.counts, self.vocabulary_size
        p = uniform = np.full(V, 1 / V)
        for k, number in enumerate(self._numbers(context), 1):
            lower = uniform if self.smoothing == "add-k" else p
            if number < 0:
                p = lower
                continue
            keys = counts.levels[k - 1].keys
            start, stop = np.searchsorted(keys, [number * V, (number + 1) * V])
            p = self._backoffs[k - 1][number] * lower
            p[keys[start:stop] - number * V] = self._probabilities[k - 1][start:stop]
        return p

    def sample(
        self, rng: np.random.Generator, prompt: Text, length: int, temperature: float = 1.0
    ) -> np.ndarray:
        """Draw `length` tokens that continue a prompt, from p^(1 / temperature) made to sum to 1.

        Raises:
            ValueError: `length` or `temperature` is not positive.
        """
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature!r}")
        text = as_text(prompt, self.vocabulary_size).tolist()
        for _ in range(_whole(length, "length")):
            log_p = np.log(self.distribution(text[-self.n :]))
            p = np.exp((log_p - log_p.max()) / temperature)
            text.append(int(rng.choice(len(p), p=p / p.sum())))
        return np.array(text[-length:])

    @property
    def counts(self) -> Counts:
        """What `fit` has counted."""
        if self._counts is None:
            raise RuntimeError("this NGram has counted nothing yet; call fit(ids) first")
        return self._counts

    def _numbers(self, context: Text) -> list[int]:
        """Numbers of the last 0, 1, .. n-1 tokens of a context, as far as it reaches."""
        counts = self.counts
        tokens = as_text(context, self.vocabulary_size)
        tokens = tokens[len(tokens) - min(len(tokens), self.n - 1) :]
        if not len(tokens):
            return [0]
        found = counts.up_to(len(tokens)).find(tokens, np.arange(len(tokens)))
        return [int(numbers[-1]) for numbers in found]

    def estimate(self, counts: Counts) -> "NGram":
        """`fit`, of counts of orders up to n."""
        V, lower = self.vocabulary_size, np.array([1 / self.vocabulary_size])
        self._counts, self._probabilities, self._backoffs = counts, [], []
        self.findings = ()
        for k, level in enumerate(counts.levels, 1):
            contexts, size = level.keys // V, len(lower)
            kept, freed = self._smoothed(counts, k, contexts, size)
            total = np.bincount(contexts, kept, minlength=size) + freed
            # The last context of a text may be followed by nothing.
            backoff = np.divide(freed, total, out=np.ones(size), where=total > 0)
            shorter = 1 / V if self.smoothing == "add-k" else lower[level.shorter]
            lower = kept / total[contexts] + backoff[contexts] * shorter
            self._probabilities.append(lower)
            self._backoffs.append(backoff)
        return self

    def _smoothed(
        self, counts: Counts, k: int, contexts: np.ndarray, size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """kept(c w) of every k-gram and freed(c) of every context, [G] and [size]."""
        weights = counts.levels[k - 1].counts
        if self.smoothing == "add-k":
            return weights, np.full(size, self.k * self.vocabulary_size)
        if self.smoothing == "witten-bell":
            return weights, np.bincount(contexts, minlength=size)
        if k < self.n:
            weights = counts.continuations(k)
        discounts = _discounts(weights)
        if discounts is None:
            discounts = _DISCOUNTS_OF_KENLM
            text = f"order {k}: its counts give no discounts; KenLM's 0.5, 1 and 1.5 are used"
            self.findings += (Finding("warning", text, len(weights)),)
        taken = discounts[np.minimum(weights, 3) - 1]
        return weights - taken, np.bincount(contexts, taken, minlength=size)

    def _score(self, before: np.ndarray, found: list[np.ndarray]) -> np.ndarray:
        """log p [T] of tokens whose k-grams `Counts.find` found, k = 0 .. n or beyond."""
        p = np.full(len(before), 1 / self.vocabulary_size)
        for k in range(1, self.n + 1):
            at = np.flatnonzero(before >= k - 1)
            contexts, grams = contexts_at(found[k - 1], at, k), found[k][at]
            new = np.full(len(at), 1 / self.vocabulary_size) if self.smoothing == "add-k" else p[at]
            known, seen = contexts >= 0, grams >= 0
            new[known] *= self._backoffs[k - 1][contexts[known]]
            new[seen] = self._probabilities[k - 1][grams[seen]]
            p[at] = new
        return np.log(p)


@dataclass(frozen=True)
class Row:
    """One model of a table: its size against its loss (nats a token) on another text.

    `contexts`, `ngrams`, `stored` and `possible` are those of `NGram`; `unseen` is the share of
    the other text's n-grams that the first does not have.
    """

    n: int
    smoothing: str
    contexts: int
    ngrams: int
    stored: int
    possible: int
    unseen: float
    loss: float

    @property
    def perplexity(self) -> float:
        return math.exp(self.loss)

    @property
    def bits(self) -> float:
        """The loss in bits a token; bits a character where tokens are characters."""
        return self.loss / math.log(2)


def table(
    train: Ids,
    test: Ids,
    vocabulary_size: int,
    orders: Sequence[int] = ORDERS,
    smoothings: Sequence[str] = SMOOTHINGS,
    first: bool = True,
) -> list[Row]:
    """The size of n-gram models of `train` and their perplexity on `test`, by n and smoothing.

    Arguments:
        first: whether the first token of each text counts, which a network only reads.
    """
    rows, before = [], join(test, vocabulary_size)[1]
    for model, found, log_p in _models(train, test, vocabulary_size, orders, smoothings):
        log_p, whole = log_p if first else log_p[before > 0], before >= model.n - 1
        unseen = float((found[model.n][whole] < 0).mean()) if whole.any() else math.nan
        size = model.contexts, model.ngrams, model.stored, model.possible
        rows.append(Row(model.n, model.smoothing, *size, unseen, -float(log_p.mean())))
    return rows


def best(
    train: Ids,
    validation: Ids,
    vocabulary_size: int,
    orders: Sequence[int] = ORDERS,
    smoothings: Sequence[str] = SMOOTHINGS,
    most: int | None = None,
) -> NGram:
    """The model of `train` whose n and smoothing give the least loss on `validation`.

    Arguments:
        most: n-grams of all orders that it may store; the least n is taken in any case.
    """
    models = _models(train, validation, vocabulary_size, orders, smoothings)
    fits = (m for m in models if most is None or m[0].n == min(orders) or m[0].stored <= most)
    return max(fits, key=lambda scored: scored[2].mean())[0]


def _models(
    train: Ids, test: Ids, vocabulary_size: int, orders: Sequence[int], smoothings: Sequence[str]
) -> Iterator[tuple[NGram, list[np.ndarray], np.ndarray]]:
    """Every model of `train`, the k-grams found of `test`, and log p of its tokens."""
    if not len(orders) or not len(smoothings):
        raise ValueError(
            f"orders and smoothings must name at least one each, got {orders!r} and {smoothings!r}"
        )
    models = [NGram(n, vocabulary_size, smoothing) for n in orders for smoothing in smoothings]
    # One count and one search serve them all.
    counts = Counts.of(train, vocabulary_size, max(orders))
    tokens, before = join(test, vocabulary_size)
    found = counts.find(tokens, before)
    for model in models:
        model.estimate(counts.up_to(model.n))
        yield model, found, model._score(before, found)


def _discounts(weights: np.ndarray) -> np.ndarray | None:
    """D(1), D(2), D(3 or more), or None where the counts of counts give no positive number."""
    of = [np.count_nonzero(weights == j) for j in range(5)]
    if not all(of[1:]):
        return None
    y = of[1] / (of[1] + 2 * of[2])
    discounts = np.array([j - (j + 1) * y * of[j + 1] / of[j] for j in (1, 2, 3)])
    return discounts if (discounts > 0).all() else None


def _whole(value: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{what} must be a whole number of at least 1, got {value!r}")
    return int(value)
