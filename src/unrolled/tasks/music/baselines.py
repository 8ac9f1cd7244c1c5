"""What a model of rolls is compared with: keys on their own, with and without their last step.

    frequency    p(x_k(t) = 1) = f_k
    last step    p(x_k(t) = 1 | x_k(t-1) = 1) = a_k,   p(x_k(t) = 1 | x_k(t-1) = 0) = b_k

Each is a share of the steps of training, with one step added at the mean of all keys, so that a key
that was never on is not impossible: f_k = (n_k + f) / (N + 1), f of all keys.

Shapes: T steps, K keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ...data.rolls import Rolls
from ..supervised import Scores
from .metrics import Tally, logit, total

# Steps that are scored in one go.
PART = 4096
FREQUENCY, LAST = "keys at their frequency", "keys after their last step"


@dataclass(frozen=True)
class KeyByKey:
    """Keys that know nothing of one another.

    Attributes:
        on: f, how likely a key is on, [K].
        stays: a, how likely it is on after a step at which it was, [K].
        comes: b, how likely it is on after a step at which it was not, [K].
    """

    on: tuple[float, ...]
    stays: tuple[float, ...]
    comes: tuple[float, ...]
    tensors: ClassVar[dict[str, Tensor]] = {}

    @classmethod
    def fit(cls, learned: Rolls) -> KeyByKey:
        """Count the steps of training, the first of each piece as one before."""
        keys = len(learned.keys)
        after = np.zeros((2, 2, keys), dtype=np.int64)  # [before, now, K]
        for piece in learned:
            # Whole numbers of 64 bits, as a long piece overflows those of 8.
            before, now = piece.frames[:-1].astype(bool), piece.frames[1:].astype(bool)
            for was, at in ((0, ~before), (1, before)):
                after[was, 1] += (at & now).sum(axis=0)
                after[was, 0] += (at & ~now).sum(axis=0)
        shares = (_shares(counts) for counts in (after.sum(axis=0), after[1], after[0]))
        return cls(*shares)

    def scores(self, data: Rolls) -> Scores:
        """By baseline, by metric."""
        on, stays, comes = (logit(torch.tensor(p)) for p in (self.on, self.stays, self.comes))
        tallies = {FREQUENCY: [], LAST: []}
        for before, truth in _parts(data):
            tallies[FREQUENCY].append(Tally.of(on.expand(truth.shape), truth))
            tallies[LAST].append(Tally.of(torch.where(before.bool(), stays, comes), truth))
        return {name: total(each).scores() for name, each in tallies.items()}

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"on": list(self.on), "stays": list(self.stays), "comes": list(self.comes)}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], tensors: dict[str, Tensor]) -> KeyByKey:
        """From `to_dict`."""
        return cls(**{name: tuple(shares) for name, shares in saved.items()})


def _parts(data: Rolls) -> Iterator[tuple[Tensor, Tensor]]:
    """Steps and those that follow them, [T, K] each, some thousand at a time."""
    for piece in data:
        for start in range(0, len(piece) - 1, PART):
            some = torch.from_numpy(piece.frames[start : start + PART + 1])
            yield some[:-1], some[1:]


def _shares(counts: np.ndarray) -> tuple[float, ...]:
    """How likely a key is on, from how often it was off and on, [2, K]."""
    off, on = counts
    # Half a step on and off, for data in which all keys are always the same.
    mean = (on.sum() + 0.5) / (counts.sum() + 1)
    return tuple(((on + mean) / (off + on + 1)).tolist())
