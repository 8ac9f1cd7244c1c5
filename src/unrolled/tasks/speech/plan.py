"""Sizes and rates of speech networks where nobody asks.

Small collections come in smaller batches and are passed over more often, so that the number of
updates is about the same; large ones are passed over `LEAST` times.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

UPDATES, LEAST, MOST = 1700, 12, 120
# The batch size from so many recordings up.
BATCHES = {0: 8, 200: 16, 600: 32}
# Sequences are longer, and each has several labels to learn from.
MOST_SEQUENCES = 16


@dataclass(frozen=True)
class Plan:
    """What was chosen."""

    hidden_size: int
    num_layers: int
    dropout: float
    learning_rate: float
    weight_decay: float
    epochs: int
    batch_size: int


def plan_for(count: int, is_sequence: bool, batch_size: int | None = None) -> Plan:
    """The plan for `count` training recordings.

    Arguments:
        batch_size: where it is asked for.
    """
    usual = max(size for least, size in BATCHES.items() if count >= least)
    batch = batch_size or (min(usual, MOST_SEQUENCES) if is_sequence else usual)
    return Plan(
        hidden_size=128,
        num_layers=2,
        dropout=0.3,
        learning_rate=3e-3 if is_sequence else 2e-3,
        weight_decay=1e-2,
        epochs=min(MOST, max(LEAST, ceil(UPDATES / ceil(count / batch)))),
        batch_size=batch,
    )
