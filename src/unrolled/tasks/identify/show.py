"""Records on their way to the network, shown: raw, standardised, in windows."""

from __future__ import annotations

import numpy as np

from ...data.systems import SystemData
from ..console import Console
from .coding import SystemCoding
from .encoded import EncodedSystem
from .plan import Plan

# Records that are shown, and samples of each.
RECORDS, SAMPLES = 2, 6


def show(console: Console, coding: SystemCoding, data: SystemData, plan: Plan) -> None:
    """A few samples at every stage, and the shapes of what the network reads and gives."""
    encoded = EncodedSystem.of(coding, data)
    for place, record in enumerate(data.records[:RECORDS]):
        name = f" of {record.experiment}" if record.experiment else ""
        rows = f"rows {record.row:,} to {record.stop - 1:,}{name}"
        console.line("record", f"{rows}, {len(record):,} samples")
        for k, column in enumerate(coding.inputs):
            _stages(console, column, record.inputs[:, k], encoded.inputs[place][:, k].numpy())
        for k, column in enumerate(coding.outputs):
            _stages(console, column, record.outputs[:, k], encoded.outputs[place][:, k].numpy())
    size = [plan.batch_size, plan.steps]
    longest = int(encoded.lengths.max())
    console.line(
        "windows",
        f"drawn at random from {max(0, longest - plan.steps + 1):,} places"
        + " and those of other records" * (len(data.records) > 1),
    )
    console.line("inputs", f"[windows, steps, inputs] = {[*size, len(coding.inputs)]}")
    console.line("states", f"[windows, steps, hidden] = {[*size, plan.hidden_size]}")
    console.line("outputs", f"[windows, steps, outputs] = {[*size, len(coding.outputs)]}")
    counted = "." * min(plan.washout, 20) + "x" * min(plan.steps - plan.washout, 40)
    console.line("counted", f"steps {plan.washout} to {plan.steps - 1}: {counted}")


def _stages(console: Console, name: str, raw: np.ndarray, scaled: np.ndarray) -> None:
    more = " ..." if len(raw) > SAMPLES else ""
    console.line("", f"{name}: {' '.join(f'{v:.5g}' for v in raw[:SAMPLES])}{more}")
    console.line("", f"standardised: {' '.join(f'{v:.3f}' for v in scaled[:SAMPLES])}{more}")
