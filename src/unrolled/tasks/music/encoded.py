"""Rolls as tensors: a sample is a stretch of a piece, its steps are those that are predicted.

Shapes: N stretches, B batch, T steps that are predicted, K keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ...data.errors import DataError
from ...data.rolls import Rolls
from ..batching import pad_sequences

Batch = dict[str, Tensor]


class Encoded:
    """Stretches of pieces, each with the step before its first prediction.

    Arguments:
        data: the pieces; those of one step have nothing to predict.
        steps: most steps that a stretch predicts; a longer piece is cut into several, of about
            equal length. None: pieces stay whole.

    Raises:
        DataError: no piece has two steps.
    """

    def __init__(self, data: Rolls, steps: int | None = None):
        self.data = data
        self.parts = [
            (place, start, stop)
            for place, piece in enumerate(data)
            for start, stop in stretches(len(piece) - 1, steps)
        ]
        if not self.parts:
            raise DataError(f"no piece of {data.name} has two steps; nothing can be predicted")

    @property
    def lengths(self) -> np.ndarray:
        """Steps that are predicted, [N]."""
        return np.array([stop - start for _, start, stop in self.parts], dtype=np.int64)

    def batch(self, places: Sequence[int]) -> Batch:
        """Some stretches: "frames" uint8 [B, T + 1, K], padded, and "lengths" [B]."""
        chosen = [self.parts[place] for place in places]
        frames = [torch.from_numpy(self.data[k].frames[a : b + 1]) for k, a, b in chosen]
        padded, lengths, _ = pad_sequences(frames)
        return {"frames": padded, "lengths": lengths - 1}


def stretches(predicted: int, steps: int | None) -> list[tuple[int, int]]:
    """A piece of so many predictions, cut into as few stretches of at most `steps` as possible."""
    if predicted < 1:
        return []
    count = 1 if steps is None else -(-predicted // steps)
    cuts = np.linspace(0, predicted, count + 1).round().astype(int).tolist()
    return list(pairwise(cuts))


def transposed(batch: Batch, most: int, generator: np.random.Generator) -> Batch:
    """Every stretch moved up or down by up to `most` keys, so that no note is lost."""
    frames = batch["frames"].clone()
    width = frames.shape[2]
    for row in frames:
        used = row.any(dim=0).nonzero()[:, 0]
        if len(used):
            low, high = -min(most, int(used[0])), min(most, width - 1 - int(used[-1]))
            row.copy_(row.roll(int(generator.integers(low, high + 1)), dims=1))
    return {**batch, "frames": frames}
