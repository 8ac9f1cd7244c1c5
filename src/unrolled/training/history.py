"""The log of a training run: a row an epoch, a row an update."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Epoch:
    """One row of the log. Epoch 0 is the model before training: it has no training loss.

    Attributes:
        train: mean loss of a step over all steps of the epoch's updates.
        validation: named figures; "loss" is as in training.
        learning_rate: at the epoch's start.
        gradient_norm: mean over updates, before clipping.
        skipped: updates that were not made: loss or gradient was not finite, or no step valid.
        best: whether no earlier epoch was better on validation.
    """

    epoch: int
    train: float
    validation: dict[str, float]
    learning_rate: float
    gradient_norm: float
    seconds: float
    skipped: int = 0
    best: bool = False


@dataclass(frozen=True)
class Update:
    """One update of the weights.

    Attributes:
        loss: mean of a step; NaN without a valid one.
        gradient_norm: before clipping.
        learning_rate: as it was used.
        count: valid steps.
        skipped: whether it was not made: loss or gradient was not finite, or no step was valid.
    """

    loss: float
    gradient_norm: float
    learning_rate: float
    count: float = 1.0
    skipped: bool = False


@dataclass
class History:
    """The log of a training run, and how it ended."""

    epochs: list[Epoch] = field(default_factory=list)
    ended: str = "running"
    updates: list[Update] = field(default_factory=list)

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        return [epoch for epoch in self.epochs if epoch.best][-1]

    @property
    def seconds(self) -> float:
        return sum(epoch.seconds for epoch in self.epochs)

    def by_update(self) -> dict[str, list[Any]]:
        """The updates as columns, for a file."""
        names = ("loss", "gradient_norm", "learning_rate", "count", "skipped")
        return {name: [getattr(update, name) for update in self.updates] for name in names}

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": [asdict(epoch) for epoch in self.epochs], "updates": self.by_update()}

    @staticmethod
    def from_state(state: dict[str, Any]) -> History:
        """The inverse of `state_dict`."""
        columns = state["updates"]
        rows = zip(*columns.values(), strict=True)
        updates = [Update(**dict(zip(columns, row, strict=True))) for row in rows]
        return History([Epoch(**epoch) for epoch in state["epochs"]], updates=updates)


def mean(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """The mean, weighted if asked; NaN of nothing."""
    weights = [1.0] * len(values) if weights is None else weights
    pairs = zip(values, weights, strict=True)
    return sum(value * weight for value, weight in pairs) / sum(weights) if values else math.nan
