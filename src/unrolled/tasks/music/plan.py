"""What a model of rolls chooses when nobody says, by how much there is to learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Updates after which a small collection is learned, steps after which a large one is.
UPDATES, MOST_STEPS = 1200, 8_000_000
EPOCHS = 80
# Longest stretch that is learned from at once; shorter where the data would make few of them.
STRETCH, FEWEST_STRETCHES = 512, 64
# Rolls of fewer columns are no music, as a rule.
FEW_KEYS = 32


@dataclass(frozen=True)
class Plan:
    """Sizes and rates.

    Attributes:
        steps: longest stretch of a piece that is learned from at once.
        further: as `MusicModel` has them.
    """

    hidden_size: int = 220
    num_layers: int = 1
    dropout: float = 0.4
    input_dropout: float = 0.15
    recurrent_dropout: float = 0.4
    learning_rate: float = 2.5e-2
    weight_decay: float = 1e-3
    epochs: int = EPOCHS
    batch_size: int = 16
    steps: int = STRETCH


def plan_for(lengths: np.ndarray, keys: int, can_drop: bool) -> Plan:
    """The plan for pieces of these lengths.

    Arguments:
        can_drop: whether the cell can have recurrent dropout.
    """
    frames = int(lengths.sum())
    steps = min(STRETCH, max(32, frames // FEWEST_STRETCHES))
    stretches = int(np.ceil((lengths - 1) / steps).sum())
    batch_size = max(1, min(16, stretches // 8))
    updates = -(-stretches // batch_size)
    most = max(10, MOST_STEPS // max(1, frames))
    epochs = min(most, max(EPOCHS, UPDATES // updates))
    return Plan(
        hidden_size=220 if keys >= FEW_KEYS else 64,
        recurrent_dropout=Plan.recurrent_dropout if can_drop else 0.0,
        batch_size=batch_size,
        epochs=epochs,
        steps=steps,
    )
