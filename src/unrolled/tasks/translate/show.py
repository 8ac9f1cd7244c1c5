"""Pairs on their way to the network: texts, tokens, ids, the padded tensors, their shapes."""

from __future__ import annotations

import numpy as np

from ...data.pairs import Pairs
from ...data.vocabulary import Padded, Vocabulary, pad
from ..console import Console
from .coding import END_ID, Coding
from .decoding import shown
from .plan import Plan

# Pairs that are shown, and tokens of each.
PAIRS, TOKENS = 3, 12


def show(console: Console, coding: Coding, pairs: Pairs, plan: Plan) -> None:
    """Some pairs on their way, from the first to the last."""
    places = np.unique(np.linspace(0, len(pairs) - 1, PAIRS).astype(int))
    some = [pairs[place] for place in places]
    sides = (
        ("source", coding.source, [pair.source for pair in some], []),
        ("target", coding.target, [pair.target for pair in some], [END_ID]),
    )
    for word, vocabulary, texts, ends in sides:
        rows = [[*vocabulary.encode(text).tolist(), *ends] for text in texts]
        for text, row in zip(texts, rows, strict=True):
            _way(console, word, vocabulary, text, row)
        padded = pad([row[:TOKENS] for row in rows])
        _tensor(console, padded)
        shape = [*padded.ids.shape, plan.embedding_size]
        console.line("embedded", f"[samples, steps, features] = {shape}")


def _way(console: Console, word: str, vocabulary: Vocabulary, text: str, ids: list[int]) -> None:
    more = " ..." if len(ids) > TOKENS else ""
    console.line(word, text if len(text) <= 60 else text[:60] + " ...")
    console.line("tokens", " ".join(shown(vocabulary, ids[:TOKENS])) + more)
    console.line("ids", " ".join(map(str, ids[:TOKENS])) + more)


def _tensor(console: Console, padded: Padded) -> None:
    console.line("padded", f"[{', '.join(map(str, padded.ids.shape))}], and where it is valid")
    for ids, valid in zip(padded.ids, padded.valid, strict=True):
        mask = "".join("x" if known else "." for known in valid)
        console.line("", f"{' '.join(f'{token:>4}' for token in ids)}   {mask}")
