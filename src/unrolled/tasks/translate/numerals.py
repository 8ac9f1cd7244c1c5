"""Numbers and how they are read in English: pairs that need no download.

36,512    thirty six thousand five hundred twelve
"""

from __future__ import annotations

import numpy as np

from ...data.pairs import Pairs
from .model import pairs_of

_BELOW_TEN = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"]
_ONES = [*_BELOW_TEN, *_TEENS, "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
COUNT, DIGITS = 4_000, 6


def numerals(count: int = COUNT, seed: int = 0) -> Pairs:
    """Numbers of one to six digits, each once, with their words."""
    generator = np.random.default_rng(seed)
    found: dict[int, None] = {}
    while len(found) < count:
        # Lengths are drawn, or most numbers would have six digits.
        digits = int(generator.integers(1, DIGITS + 1))
        found[int(generator.integers(10 ** (digits - 1) if digits > 1 else 0, 10**digits))] = None
    return pairs_of([f"{n:,}" for n in found], [in_words(n) for n in found], "numerals")


def in_words(number: int) -> str:
    """A number from 0 to 999,999 as it is read in American English, without hyphens."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        return _joined(_TENS[number // 10 - 2], number % 10)
    if number < 1000:
        return _joined(f"{_ONES[number // 100]} hundred", number % 100)
    return _joined(f"{in_words(number // 1000)} thousand", number % 1000)


def _joined(words: str, rest: int) -> str:
    return f"{words} {in_words(rest)}" if rest else words
