"""What to train on a system when nobody says: sizes, rates, windows, and how often.

The numbers come from experiments on the multisine of Silverbox, judged on its end: a polynomial
recurrence of 16 states reaches in 2,000 updates what an LSTM of 64 units reaches in 10,000; windows
of 300 samples, the first 100 of which find the state, do better than shorter ones; the last
quarter of a falling learning rate halves the error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...data.systems import SystemData

STEPS, WASHOUT = 300, 100
UPDATES, ROUNDS = 10_000, 20
# Of few samples there are fewer: one for so many, but so many at least.
SAMPLES_AN_UPDATE, FEWEST_UPDATES = 4, 1000
# The shortest window, and of which part of a record the washout is at most.
FEWEST, SHARE_OF_RECORD = 8, 10


@dataclass(frozen=True)
class Plan:
    """Sizes and rates.

    Attributes:
        hidden_size, num_layers: of the recurrent layers.
        dropout: before the readout.
        learning_rate, weight_decay: of AdamW.
        epochs: validations during training.
        batch_size: windows of an update.
        updates: of the weights, in all.
        steps: samples of a window.
        washout: of them, and of every record that is scored, those at the start that do not count.
    """

    hidden_size: int
    num_layers: int
    dropout: float
    learning_rate: float
    weight_decay: float
    epochs: int
    batch_size: int
    updates: int
    steps: int
    washout: int


def plan_for(cell: str, learned: SystemData) -> Plan:
    """Sizes and rates for a cell, and records of so many samples."""
    usual = usual_length(learned.lengths)
    steps = max(FEWEST, min(STEPS, usual))
    washout = min(WASHOUT, steps // 3, usual // SHARE_OF_RECORD)
    hidden, rate = (16, 3e-3) if cell == "pnlss" else (64, 5e-3)
    updates = min(UPDATES, max(FEWEST_UPDATES, int(learned.lengths.sum()) // SAMPLES_AN_UPDATE))
    return Plan(hidden, 1, 0.0, rate, 0.0, ROUNDS, 32, updates, steps, washout)


def usual_length(lengths: np.ndarray) -> int:
    """The length that half of all samples lie in records of, or in longer ones."""
    ordered = np.sort(lengths)[::-1]
    return int(ordered[np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)])
