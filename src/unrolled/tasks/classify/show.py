"""Samples on their way to the network, shown: raw, as tokens or numbers, padded, embedded."""

from __future__ import annotations

from ...data import Samples
from ..console import Console
from .coding import Coding
from .network import NumberInput
from .plan import Plan
from .results import excerpt
from .texts import TextCoding

# Samples that are shown, and steps of each.
SAMPLES, STEPS = 3, 10


def show(console: Console, coding: Coding, data: Samples, plan: Plan) -> None:
    """A few samples at every stage, and the shapes of what the network reads."""
    few = data.select(range(min(SAMPLES, len(data))))
    encoded = coding.encode([sample.values for sample in few])
    batch = encoded.batch(range(len(few)))
    for sample in few:
        console.line("sample", f"{sample.name}, {sample.label!r}: {excerpt(sample)}")
        more = " ..." if len(sample) > STEPS else ""
        if isinstance(coding.reads, TextCoding):
            tokens = coding.reads.tokens(str(sample.values))[0][:STEPS]
            console.line("tokens", " ".join(map(repr, tokens)) + more)
            console.line("ids", " ".join(str(coding.reads.id_of(token)) for token in tokens) + more)
    lengths = batch["lengths"].tolist()
    if isinstance(coding.reads, TextCoding):
        shape = [*batch["tokens"].shape]
        console.line("padded", f"[samples, tokens] = {shape}, valid tokens {lengths}")
        size = plan.embedding_size
    else:
        console.line("scaled", f"mean {_numbers(coding.reads.mean)}")
        console.line("", f"deviation {_numbers(coding.reads.deviation)}")
        shape = [*batch["values"].shape]
        console.line("padded", f"[samples, steps, features] = {shape}, valid steps {lengths}")
        shape, size = shape[:2], NumberInput(coding.reads).output_size
    for length in lengths:
        console.line("", "".join("x" if k < length else "." for k in range(min(shape[1], 60))))
    console.line("read", f"[samples, steps, features] = {[*shape[:2], size]}")


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4g}" for value in values[:STEPS])
