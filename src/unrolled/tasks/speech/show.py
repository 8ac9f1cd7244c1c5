"""Recordings on their way to the network: samples, features, the padded tensor."""

from __future__ import annotations

from ...data import Recordings
from ..console import Console
from .coding import Coding
from .encoded import encode
from .plan import Plan

# Recordings that are shown.
SHOWN = 3


def show(console: Console, coding: Coding, learned: Recordings, plan: Plan) -> None:
    """A few recordings at every stage."""
    made, some = coding.features, learned.select(range(min(SHOWN, len(learned))))
    encoded = encode(coding, some)
    for recording, features, target in zip(some, encoded.features, encoded.targets, strict=True):
        console.line("recording", f"{recording.name}, {recording.label!r}")
        console.line("samples", f"[{len(recording.samples):,}], {recording.seconds:.2f} s")
        console.line(
            "features",
            f"[{', '.join(map(str, features.shape))}]: a frame of {1000 * made.frame:.0f} ms "
            f"every {1000 * made.hop:.0f} ms, {made.bands} bands",
        )
        console.line("targets", " ".join(map(str, target)))
    batch = encoded.batch(range(len(encoded)))
    padded = list(batch["features"].shape)
    console.line("padded", f"{padded}, valid frames {batch['lengths'].tolist()}")
    steps = [padded[0], -(-padded[1] // coding.stack), coding.stack * padded[2]]
    console.line("steps", f"[recordings, steps, features] = {steps}")
