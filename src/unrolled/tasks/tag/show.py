"""Sentences on their way to the network, shown: words, ids, letters, the padded tensor."""

from __future__ import annotations

from ...data.tagged import TaggedSentences
from ..console import Console
from .coding import NO_TAG, Coding, Encoded
from .plan import Plan

# Sentences that are shown, and words of each.
SENTENCES, WORDS = 3, 8


def show(console: Console, coding: Coding, data: TaggedSentences, plan: Plan) -> None:
    """A few sentences at every stage, and the shapes of what the network reads."""
    few = data.select(range(min(SENTENCES, len(data))))
    batch = Encoded(coding, few).batch(range(len(few)))
    for k in range(len(few)):
        n = min(WORDS, len(few.words[k]))
        words, tags = few.words[k][:n], few.tags[k][:n]
        widths = [max(len(word), len(tag), 3) for word, tag in zip(words, tags, strict=True)]
        letters = batch["letters"][k, :n].tolist()
        lines = {
            "words": words,
            "tags": tags,
            "word ids": batch["words"][k, :n].tolist(),
            "tag ids": batch["tags"][k, :n].tolist(),
            "letters": [sum(letter != 0 for letter in word) for word in letters],
        }
        more = " ..." if len(few.words[k]) > n else ""
        for name, cells in lines.items():
            row = "  ".join(f"{cell!s:<{w}}" for cell, w in zip(cells, widths, strict=True))
            console.line(name, row.rstrip() + more)
    _show_shapes(console, batch, plan)


def _show_shapes(console: Console, batch: dict, plan: Plan) -> None:
    valid = batch["tags"] != NO_TAG
    console.line("padded", f"words {list(batch['words'].shape)}, and where they are valid")
    for row in valid.tolist():
        console.line("", "".join("x" if there else "." for there in row))
    console.line("letters", f"[sentences, words, letters] = {list(batch['letters'].shape)}")
    casing = batch["casing"].shape[-1]
    size = plan.embedding_size + 2 * plan.letter_size + casing
    parts = f"embedding {plan.embedding_size}, spelling 2 x {plan.letter_size}, casing {casing}"
    shape = [*batch["words"].shape, size]
    console.line("read", f"[sentences, words, features] = {shape}: {parts}")
