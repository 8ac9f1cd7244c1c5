"""Rolls on their way to the network: what is on, the roll, the padded tensors."""

from __future__ import annotations

import numpy as np

from ...data.rolls import Rolls
from ..console import Console
from .coding import Coding
from .encoded import Encoded
from .plan import Plan

# Steps, and parts of a batch, that are shown.
SHOWN = 6


def show(console: Console, coding: Coding, learned: Rolls, plan: Plan) -> None:
    """A piece at every stage."""
    piece = max(learned.pieces[:SHOWN], key=len)
    console.line("piece", f"{piece.name}: uint8 [steps, keys] = {list(piece.frames.shape)}")
    for step, frame in enumerate(piece.frames[:SHOWN], start=1):
        on = [coding.keys[k] for k in np.flatnonzero(frame)]
        console.line("step", f"{step}: {' '.join(on) or 'silence'}")
    encoded = Encoded(learned)
    count = min(SHOWN, len(encoded.parts))
    batch = encoded.batch(range(count))
    rows, width, keys = batch["frames"].shape
    console.line("padded", f"[{rows}, {width}, {keys}], steps {batch['lengths'].tolist()} + 1")
    shape = f"[samples, steps, keys] = [{rows}, {width - 1}, {keys}]"
    console.line("input", f"{shape}: all steps but the last")
    console.line("target", f"{shape}: all but the first, where not padded")
