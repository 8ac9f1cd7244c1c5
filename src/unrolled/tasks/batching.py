"""Batches of whole sequences of about equal length, so that little of a batch is padding.

    Bucketed         an endless supply for training: shuffled, cut into pools, each pool sorted
    in_order         all sequences once, for evaluation
    pad_sequences    a list of sequences as one tensor, with lengths and a mask

What `Bucketed` draws is a function of the seed and of how far it is, as in `training/sampling.py`:
its state is two numbers, and processes that share a batch need not speak.

Shapes: B batch of all processes, b rows of this one, N sequences, T steps, F features.

References:
    Khomenko, Shyshkov, Radyvonenko and Bokhan, "Accelerating recurrent neural network training
        using sequence bucketing and multi-GPU data parallelization", IEEE DSMP 2016.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..cells.cell import check_size
from ..training.sampling import check_made_alike

# Batches in a pool at most, and pools of an epoch at least as far as there are batches. Larger
# pools leave less padding, and batches that are less random: the same samples side by side.
_POOL, _POOLS = 50, 4
# How many samples of a batch are named where it has more.
_NAMED = 2

Lengths = Sequence[int] | np.ndarray | Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """Some samples. `str(batch)` says which, in one line.

    Attributes:
        indices: of the samples, shortest first, [b].
        lengths: of the samples, [b].
    """

    indices: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.indices)

    def to(self, device: torch.device | str) -> Batch:
        """The same on a device."""
        return replace(self, indices=self.indices.to(device), lengths=self.lengths.to(device))

    def __str__(self) -> str:
        indices = self.indices.tolist()
        # A last sample that would stand for "and 1 more" is named instead.
        named = len(indices) if len(indices) <= _NAMED + 1 else _NAMED
        words = ", ".join(map(str, indices[:named]))
        rest = f", and {len(indices) - named} more" if named < len(indices) else ""
        shortest, longest = int(self.lengths[0]), int(self.lengths[-1])
        steps = f"{longest}" if shortest == longest else f"{shortest} to {longest}"
        return f"sample{'s' * (len(indices) > 1)} {words}{rest}, of {steps} steps"


class Bucketed:
    """Endless batches of sequences of about equal length; every sample once an epoch.

    An epoch is a permutation of all samples, cut into pools of 50 batches, or into four of them
    where there are fewer. Each pool is sorted by length and cut into batches; the batches of all
    pools come in random order. Some have fewer than `batch_size` samples: the last of a pool, and
    with several processes those that are halved so that every process has as many.

    Arguments:
        lengths: steps of each sample, [N].
        batch_size: b, samples of a batch; of several processes each has so many.
        seed: of what is drawn.
        part: (rank, count), for `count` processes that share B = count b samples of about equal
            length: this one's are the `rank`-th of `count` parts.
        shuffle: whether samples and batches come in random order, anew every epoch. Otherwise
            pools are cut from the samples as they stand.
        exact: whether a batch has sequences of one length only, so that nothing is padded. It
            has fewer than `batch_size` samples where so many of one length are not left.

    Attributes:
        epoch: how many epochs are over.
        padding: share of the steps of this epoch that are padding, over all processes.

    Raises:
        ValueError: an argument does not fit, or the samples cannot be dealt to the processes.
    """

    def __init__(
        self,
        lengths: Lengths,
        batch_size: int,
        *,
        seed: int = 0,
        part: tuple[int, int] = (0, 1),
        shuffle: bool = True,
        exact: bool = False,
    ):
        self._lengths = _checked(lengths)
        check_size("batch_size", batch_size)
        check_size("seed", seed, smallest=0)
        self._rank, self._count = _checked_part(part)
        self.batch_size, self.seed, self.shuffle, self.exact = batch_size, seed, shuffle, exact
        self.epoch, self._step = 0, 0
        self._planned: tuple[int, list[np.ndarray]] | None = None
        self._plan()

    def __len__(self) -> int:
        """Batches of this process in an epoch."""
        return len(self._plan()) // self._count

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        indices = self._plan()[self._step * self._count + self._rank]
        over = self._step + 1 == len(self)
        self.epoch, self._step = (self.epoch + 1, 0) if over else (self.epoch, self._step + 1)
        return Batch(torch.from_numpy(indices.copy()), torch.from_numpy(self._lengths[indices]))

    @property
    def padding(self) -> float:
        steps = sum(len(batch) * int(self._lengths[batch].max()) for batch in self._plan())
        return 1 - int(self._lengths.sum()) / steps

    def state_dict(self) -> dict[str, Any]:
        """How far it is, for `load_state_dict` of one made with the same arguments.

        All processes that share a batch have the same.
        """
        return {"epoch": self.epoch, "step": self._step, **self._made_with()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another one was.

        Raises:
            ValueError: that one was made with other arguments.
        """
        check_made_alike(state, self._made_with(), ("epoch", "step"))
        self.epoch, self._step = int(state["epoch"]), int(state["step"])

    def _made_with(self) -> dict[str, Any]:
        return {
            "batch_size": self.batch_size,
            "processes": self._count,
            "seed": self.seed,
            "shuffle": self.shuffle,
            "exact": self.exact,
            "samples": len(self._lengths),
            "total": int(self._lengths.sum()),
        }

    def _plan(self) -> list[np.ndarray]:
        """The batches of this epoch: those of one step side by side, one for each process."""
        if self._planned is None or self._planned[0] != self.epoch:
            self._planned = (self.epoch, self._new_plan())
        return self._planned[1]

    def _new_plan(self) -> list[np.ndarray]:
        generator = np.random.default_rng((self.seed, self.epoch))
        order = np.arange(len(self._lengths))
        order = generator.permutation(order) if self.shuffle else order
        batches = []
        for pool in self._pools(order):
            batches += [pool[k : k + self.batch_size] for k in range(0, len(pool), self.batch_size)]
        batches = _dealt(batches, self._count)
        steps = np.arange(len(batches)).reshape(-1, self._count)
        steps = generator.permutation(steps) if self.shuffle else steps
        return [batches[k] for k in steps.flat]

    def _pools(self, order: np.ndarray) -> list[np.ndarray]:
        """Samples that are cut into batches together, each pool sorted by length."""
        if self.exact:
            by_length = _sorted(order, self._lengths)
            changes = np.flatnonzero(np.diff(self._lengths[by_length])) + 1
            return np.split(by_length, changes)
        together = self.batch_size * self._count
        most = max(len(order) // (_POOLS * together), 1) if self.shuffle else _POOL
        size = min(most, _POOL) * together
        cuts = range(size, len(order), size)
        return [_sorted(pool, self._lengths) for pool in np.split(order, cuts)]


def in_order(lengths: Lengths, batch_size: int) -> tuple[list[Batch], Tensor]:
    """Every sample once, sorted by length, and the way back.

    Arguments:
        lengths: steps of each sample, [N].
        batch_size: samples of a batch.

    Returns:
        The batches, and `inverse`, [N]: `torch.cat(results of the batches)[inverse]` are the
        results in the order of the samples.

    Raises:
        ValueError: an argument does not fit.
    """
    steps = _checked(lengths)
    check_size("batch_size", batch_size)
    order = _sorted(np.arange(len(steps)), steps)
    pieces = np.split(order, range(batch_size, len(order), batch_size))
    batches = [Batch(torch.from_numpy(p), torch.from_numpy(steps[p])) for p in pieces]
    return batches, torch.from_numpy(np.argsort(order))


def pad_sequences(sequences: Sequence[Tensor], value: float = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Sequences side by side, the shorter ones followed by padding.

    Arguments:
        sequences: B tensors [T_i, F], or [T_i] of token ids.
        value: of the padding.

    Returns:
        padded: [B, T, F] or [B, T], where T is the largest T_i.
        lengths: T_i, [B].
        valid: true where a step is not padding, [B, T].

    Raises:
        TypeError: a sequence is no tensor.
        ValueError: there is no sequence, one is empty, or they are not alike.
    """
    if not len(sequences):
        raise ValueError("sequences is empty; pass at least one tensor [steps, features]")
    for number, sequence in enumerate(sequences):
        _check_alike(number, sequence, sequences[0])
    lengths = torch.tensor([len(s) for s in sequences], device=sequences[0].device)
    padded = pad_sequence(list(sequences), batch_first=True, padding_value=value)
    valid = torch.arange(padded.shape[1], device=padded.device) < lengths[:, None]
    return padded, lengths, valid


def _check_alike(number: int, sequence: Tensor, first: Tensor) -> None:
    what = f"sequences[{number}]"
    if not torch.is_tensor(sequence):
        raise TypeError(f"{what} must be a tensor, got {type(sequence).__name__}")
    if sequence.dim() not in (1, 2) or not len(sequence):
        raise ValueError(
            f"{what} must be [steps] or [steps, features] with at least one step, got "
            f"{list(sequence.shape)}"
        )
    if (sequence.shape[1:], sequence.dtype) != (first.shape[1:], first.dtype):
        raise ValueError(
            f"{what} is {list(sequence.shape)} of {sequence.dtype}, the first sequence "
            f"{list(first.shape)} of {first.dtype}; all must have the same features and dtype"
        )


def _checked(lengths: Lengths) -> np.ndarray:
    steps = np.asarray(lengths)
    if steps.ndim != 1 or not steps.size or steps.dtype.kind not in "iu":
        raise ValueError(
            f"lengths must be the steps of one sample or more, whole numbers [N], got "
            f"{list(steps.shape)} of {steps.dtype}"
        )
    if steps.min() < 1:
        raise ValueError(
            f"lengths must be 1 or more; {int((steps < 1).sum())} are not, the first of sample "
            f"{int(np.argmax(steps < 1))}"
        )
    return steps.astype(np.int64)


def _checked_part(part: tuple[int, int]) -> tuple[int, int]:
    whole = isinstance(part, tuple) and len(part) == 2 and all(isinstance(n, int) for n in part)
    if not whole or not 0 <= part[0] < part[1]:
        raise ValueError(f"part must be (rank, count) with rank from 0 to count - 1, got {part!r}")
    return part


def _sorted(indices: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Indices by length; those of equal length stay in their order."""
    return indices[np.argsort(lengths[indices], kind="stable")]


def _dealt(batches: list[np.ndarray], processes: int) -> list[np.ndarray]:
    """As many batches for each process: the largest ones are halved until that is so."""
    batches = list(batches)
    while len(batches) % processes:
        largest = max(range(len(batches)), key=lambda k: len(batches[k]))
        half = len(batches[largest]) // 2
        if not half:
            raise ValueError(
                f"{len(batches)} samples, each a batch of its own, cannot be dealt evenly to "
                f"{processes} processes; choose a larger batch_size, not exact, or fewer processes"
            )
        batches[largest : largest + 1] = [batches[largest][:half], batches[largest][half:]]
    return batches
