"""Records as standardised tensors, and windows of them drawn at random.

Shapes: B batch, T samples, I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.errors import DataError
from ...data.systems import SystemData
from ...training import Machine, RandomSubsequences
from ..batching import pad_sequences
from .coding import SystemCoding
from .plan import Plan

Batch = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class EncodedSystem:
    """Records as tensors: inputs [T, I] and outputs [T, O] of each, float32."""

    inputs: list[Tensor]
    outputs: list[Tensor]

    @classmethod
    def of(cls, coding: SystemCoding, data: SystemData) -> EncodedSystem:
        """Standardised records; outputs that were not read have O = 0."""
        y_scale = coding.output_scale
        inputs = [_tensor(coding.input_scale.apply(record.inputs)) for record in data]
        known = (y_scale.apply(r.outputs) if data.outputs else r.outputs for r in data)
        return cls(inputs, [_tensor(values) for values in known])

    @property
    def lengths(self) -> np.ndarray:
        """Samples of each record, [N]."""
        return np.array([len(u) for u in self.inputs], dtype=np.int64)

    def batch(self, places: Sequence[int]) -> Batch:
        """Some records side by side, padded with zeros."""
        inputs, lengths, _ = pad_sequences([self.inputs[place] for place in places])
        outputs, _, _ = pad_sequences([self.outputs[place] for place in places])
        return {"inputs": inputs, "outputs": outputs, "lengths": lengths}

    def windows(self, steps: int, count: int) -> Batch:
        """Windows spread evenly over the longest record; all of it where it is shorter."""
        place = int(self.lengths.argmax())
        steps = min(steps, int(self.lengths[place]))
        starts = np.linspace(0, self.lengths[place] - steps, count).round().astype(int)
        parts = [slice(start, start + steps) for start in np.unique(starts)]
        stacked = (torch.stack([of[place][p] for p in parts]) for of in (self.inputs, self.outputs))
        u, y = stacked
        return {"inputs": u, "outputs": y, "lengths": torch.full((len(u),), steps)}


class Windows:
    """An endless supply of windows, each as likely as any other; `len` is the updates of an epoch.

    Raises:
        DataError: no record is as long as a window.
    """

    def __init__(self, encoded: EncodedSystem, plan: Plan, seed: int, machine: Machine):
        longest = int(encoded.lengths.max())
        if longest < plan.steps:
            raise DataError(
                f"no record has the {plan.steps} samples of a window, the longest has {longest}; "
                "choose fewer steps"
            )
        arrays, part = (encoded.inputs, encoded.outputs), (machine.rank, machine.processes)
        self.drawn = RandomSubsequences(arrays, plan.batch_size, plan.steps, seed=seed, part=part)
        self.updates, self.machine = max(1, round(plan.updates / plan.epochs)), machine

    def __len__(self) -> int:
        return self.updates

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        inputs, outputs = next(self.drawn).to(self.machine.device).values
        return {"inputs": inputs, "outputs": outputs}

    def state_dict(self) -> dict[str, Any]:
        """How far it is."""
        return self.drawn.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another one was, made with the same arguments."""
        self.drawn.load_state_dict(state)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
