"""Recordings as tensors: log-mel features and label numbers, in padded batches.

A batch is a dict of tensors:

    features        [B, T, M], zero after the end
    lengths         [B], valid frames
    targets         [B] class numbers; or [B, U] of a sequence, zero after the end
    target_lengths  [B], of a sequence only

Shapes: N recordings, B batch, T frames, M bands, U labels of a transcript, k frames of a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.utils.rnn import pad_sequence

from ...data import Finding, Recordings
from ..batching import pad_sequences
from .augment import Augment
from .coding import UNKNOWN, Coding

Batch = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Encoded:
    """Recordings ready for a network.

    Attributes:
        features: of each recording, [T, M].
        spelt: label numbers of each, `UNKNOWN` for what was not learned; of a class one.
        is_sequence: whether labels are sequences.
    """

    features: tuple[Tensor, ...]
    spelt: tuple[tuple[int, ...], ...]
    is_sequence: bool

    def __len__(self) -> int:
        return len(self.features)

    @cached_property
    def targets(self) -> tuple[tuple[int, ...], ...]:
        """What the network is to give: of sequences what was learned, of classes the class."""
        if not self.is_sequence:
            return self.spelt
        return tuple(tuple(n for n in each if n != UNKNOWN) for each in self.spelt)

    @property
    def has_known(self) -> bool:
        """Whether there is a label that was learned."""
        return any(number != UNKNOWN for each in self.spelt for number in each)

    @property
    def lengths(self) -> np.ndarray:
        """Frames of each, [N]."""
        return np.array([len(each) for each in self.features], dtype=np.int64)

    def batch(self, places: Sequence[int]) -> Batch:
        """Some of the recordings, padded."""
        features, lengths, _ = pad_sequences([self.features[place] for place in places])
        batch = {"features": features, "lengths": lengths}
        targets = [torch.tensor(self.targets[place], dtype=torch.long) for place in places]
        if not self.is_sequence:
            return {**batch, "targets": torch.cat(targets)}
        counts = torch.tensor([len(target) for target in targets])
        padded = pad_sequence(targets, batch_first=True)
        return {**batch, "targets": padded, "target_lengths": counts}

    def where(self, kept: Sequence[bool]) -> Encoded:
        """Those whose place in `kept` is true."""
        chosen = [place for place, keep in enumerate(kept) if keep]
        features = tuple(self.features[place] for place in chosen)
        return Encoded(features, tuple(self.spelt[k] for k in chosen), self.is_sequence)


def encode(coding: Coding, data: Recordings) -> Encoded:
    """Features and label numbers; recordings without a label have none."""
    features = tuple(coding.features(recording.samples) for recording in data)
    numbers = [coding.spelt(r.label) if r.label is not None else [] for r in data]
    if not coding.is_sequence:
        numbers = [found or [UNKNOWN] for found in numbers]
    return Encoded(features, tuple(map(tuple, numbers)), coding.is_sequence)


def steps_needed(target: Sequence[int]) -> int:
    """The fewest steps whose paths can spell `target`: equal labels need a blank between them."""
    return len(target) + sum(a == b for a, b in pairwise(target))


def that_fit(frames: np.ndarray, targets: Sequence[Sequence[int]], stack: int) -> list[bool]:
    """Which recordings have a step for every label.

    Arguments:
        frames: of each, [N].
        targets: label numbers of each.
        stack: k.
    """
    steps = (frames + stack - 1) // stack
    needed = map(steps_needed, targets)
    return [least <= int(count) for least, count in zip(needed, steps, strict=True)]


def misfits(fits: Sequence[bool], stack: int) -> Finding | None:
    """What is said of recordings that cannot be learned from."""
    count = list(fits).count(False)
    if not count:
        return None
    text = (
        f"left out {count:,} of {len(fits):,} recordings with fewer steps than labels, at "
        f"{10 * stack} ms a step; a smaller stack keeps more of them"
    )
    return Finding("ignored", text, count)


def augmented(batch: Batch, augment: Augment, stack: int, generator: Generator) -> Batch:
    """A changed copy of a batch; a recording of a sequence keeps a step for every label."""
    needed = [1] * len(batch["lengths"])
    if "target_lengths" in batch:
        rows = zip(batch["targets"].tolist(), batch["target_lengths"].tolist(), strict=True)
        needed = [stack * steps_needed(row[:count]) for row, count in rows]
    rows = zip(batch["features"], batch["lengths"].tolist(), needed, strict=True)
    changed = [augment(row[:frames], generator, least) for row, frames, least in rows]
    features, lengths, _ = pad_sequences(changed)
    return {**batch, "features": features, "lengths": lengths}
