"""Batches of training: drawn by length, with noise, on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ...training import Machine
from ..batching import Bucketed
from .protocols import Batch


class TrainingBatches:
    """Batches of encoded samples, with noise, on the machine's device.

    The noise of an update is a function of the seed and the number of the update.
    """

    def __init__(
        self,
        encoded: Any,
        drawn: Bucketed,
        augment: Callable[[Batch, np.random.Generator], Batch],
        seed: int,
        machine: Machine,
    ):
        self.encoded, self.drawn, self.augment = encoded, drawn, augment
        self.seed, self.machine, self.done = seed, machine, 0

    def __len__(self) -> int:
        return len(self.drawn)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        batch = self.encoded.batch(next(self.drawn).indices.tolist())
        generator = np.random.default_rng((self.seed, self.machine.rank, self.done))
        self.done += 1
        batch = self.augment(batch, generator)
        return {name: tensor.to(self.machine.device) for name, tensor in batch.items()}

    def state_dict(self) -> dict[str, Any]:
        """How far it is."""
        return {**self.drawn.state_dict(), "done": self.done}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another one was, made with the same arguments."""
        self.done = int(state["done"])
        self.drawn.load_state_dict({name: v for name, v in state.items() if name != "done"})
