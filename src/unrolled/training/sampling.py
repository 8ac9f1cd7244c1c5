"""Batches of subsequences: of one long sequence, or of a collection of them.

Two ways to cut sequences for training:

    ContiguousStreams     partitioned in order: the whole, sequences end to end, is cut into B rows
                          of equal length side by side, and every chunk continues the rows of the
                          chunk before. A state carried from chunk to chunk (truncated BPTT) has
                          seen all of its sequence so far.
    RandomSubsequences    cut at random: every subsequence of the wanted length is as likely as
                          any other, and every one begins anew.

Both are endless iterators of `Chunk`. What they draw is a function of the seed and of how far they
are, so that their state is two numbers and processes that share a batch need not speak.

Shapes: B batch, b rows of this process, k steps, S sequences, N steps of all of them.

References:
    Mikolov, Karafiat, Burget, Cernocky and Khudanpur, "Recurrent neural network based language
        model", Interspeech 2010 (one long sequence, the state carried on).
    Graves, "Generating sequences with recurrent neural networks", 2013 (resets between).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..cells.cell import check_size

Arrays = Tensor | list[Tensor] | tuple[Tensor | list[Tensor], ...]

# How many rows of a chunk are named where it has more.
NAMED = 2


@dataclass(frozen=True, eq=False)
class Chunk:
    """Steps of b sequences. `str(chunk)` says which, in one line.

    Attributes:
        values: of each array, [b, k, ...].
        reset: true where a sequence starts anew before the step, [b, k].
        place: which sequences from which steps, in words.
    """

    values: tuple[Tensor, ...]
    reset: Tensor
    place: str

    def to(self, device: torch.device | str) -> Chunk:
        """The same on a device."""
        values = tuple(value.to(device) for value in self.values)
        return replace(self, values=values, reset=self.reset.to(device))

    def __str__(self) -> str:
        return self.place


class ContiguousStreams:
    """Rows that run through all sequences in order, `steps` at a time.

    Row r of an epoch is the steps from r (N // B) to (r + 1) (N // B) of all sequences end to end.
    It starts anew at its first step of the epoch and wherever a sequence begins. The last chunk of
    an epoch may be shorter than `steps`.

    Arguments:
        arrays: one array or a tuple of aligned ones, such as (inputs, targets). Each is a tensor
            [N, ...], one long sequence, or a list of tensors [N_i, ...], a collection.
        batch_size: b, rows of a chunk; of several processes each has so many.
        steps: k, steps of a chunk.
        rotate: whether every epoch begins at a step drawn at random, the last step followed by
            the first, so that in the long run no step is left out.
        seed: of what is drawn.
        part: (rank, count), for `count` processes that share a batch of B = count b rows: this
            one's rows are the `rank`-th of `count` equal parts.

    Attributes:
        dropped: N mod B, steps that are left out of an epoch: the last ones.
        epoch: how many epochs are over.

    Raises:
        TypeError: arrays are no tensors, or lists of them.
        ValueError: an argument does not fit, or there are fewer steps than rows.
    """

    def __init__(
        self,
        arrays: Arrays,
        batch_size: int,
        steps: int,
        *,
        rotate: bool = False,
        seed: int = 0,
        part: tuple[int, int] = (0, 1),
    ):
        self._sequences = _Sequences.read(arrays)
        self._rows, rows = _rows_of(part, batch_size)
        check_size("steps", steps)
        check_size("seed", seed, smallest=0)
        total = self._sequences.total
        if total < rows:
            raise ValueError(
                f"arrays hold {total} steps, fewer than the {rows} rows of the batch; "
                "choose a smaller batch_size"
            )
        self.steps, self.rotate, self.seed, self._all = steps, rotate, seed, rows
        self.dropped = total % rows
        self._row_length = total // rows
        self.epoch, self._step = 0, 0

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        begin, end = self._step, min(self._step + self.steps, self._row_length)
        rows = torch.arange(self._rows.start, self._rows.stop)
        first = self._offset() + rows * self._row_length  # [b]
        at = (first[:, None] + torch.arange(begin, end)) % self._sequences.total  # [b, k]
        reset = self._sequences.begins_at(at)
        reset[:, 0] |= begin == 0
        over = end == self._row_length
        self.epoch, self._step = (self.epoch + 1, 0) if over else (self.epoch, end)
        return self._sequences.chunk(at, reset)

    def state_dict(self) -> dict[str, Any]:
        """How far it is, for `load_state_dict` of a sampler made with the same arguments.

        All processes that share a batch have the same.
        """
        return {"epoch": self.epoch, "step": self._step, **self._made_with()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another sampler was.

        Raises:
            ValueError: that one was made with other arguments.
        """
        check_made_alike(state, self._made_with(), ("epoch", "step"))
        self.epoch, self._step = int(state["epoch"]), int(state["step"])

    def _offset(self) -> int:
        """Where row 0 of this epoch begins."""
        if not self.rotate:
            return 0
        return int(np.random.default_rng((self.seed, self.epoch)).integers(self._sequences.total))

    def _made_with(self) -> dict[str, Any]:
        made = {"rows": self._all, "steps": self.steps, "rotate": self.rotate, "seed": self.seed}
        return {**made, **self._sequences.size()}


class RandomSubsequences:
    """Subsequences of `steps` steps, drawn uniformly from all that there are, with replacement.

    Arguments:
        arrays, batch_size, seed, part: as of `ContiguousStreams`.
        steps: k, steps of every subsequence; it lies within one sequence.

    Attributes:
        dropped: sequences shorter than `steps`, which are left out.
        epoch: how many times as many steps have been drawn as there are in all sequences.

    Raises:
        TypeError: arrays are no tensors, or lists of them.
        ValueError: an argument does not fit, or no sequence is long enough.
    """

    def __init__(
        self,
        arrays: Arrays,
        batch_size: int,
        steps: int,
        *,
        seed: int = 0,
        part: tuple[int, int] = (0, 1),
    ):
        self._sequences = _Sequences.read(arrays)
        self._rows, self._all = _rows_of(part, batch_size)
        check_size("steps", steps)
        check_size("seed", seed, smallest=0)
        lengths = self._sequences.lengths
        if int(lengths.max()) < steps:
            raise ValueError(
                f"no sequence has {steps} steps, the longest has {lengths.max()}; "
                "choose smaller steps"
            )
        self.steps, self.seed = steps, seed
        self.dropped = int((lengths < steps).sum())
        # All subsequences are numbered through, sequence by sequence.
        self._counts = (lengths - steps + 1).clamp(min=0)
        self._ends = self._counts.cumsum(0)
        self._chunks = 0

    @property
    def epoch(self) -> int:
        return self._chunks * self._all * self.steps // self._sequences.total

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        generator = np.random.default_rng((self.seed, self._chunks))
        drawn = generator.integers(int(self._ends[-1]), size=self._all)
        number = torch.from_numpy(drawn)[self._rows]
        sequence = torch.searchsorted(self._ends, number, right=True)
        within = number - (self._ends - self._counts)[sequence]
        first = self._sequences.starts[sequence] + within
        at = first[:, None] + torch.arange(self.steps)  # [b, k]
        reset = torch.zeros(at.shape, dtype=torch.bool)
        reset[:, 0] = True
        self._chunks += 1
        return self._sequences.chunk(at, reset)

    def state_dict(self) -> dict[str, Any]:
        """How far it is; as of `ContiguousStreams`."""
        return {"chunks": self._chunks, **self._made_with()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another sampler was.

        Raises:
            ValueError: that one was made with other arguments.
        """
        check_made_alike(state, self._made_with(), ("chunks",))
        self._chunks = int(state["chunks"])

    def _made_with(self) -> dict[str, Any]:
        made = {"rows": self._all, "steps": self.steps, "seed": self.seed}
        return {**made, **self._sequences.size()}


@dataclass(frozen=True, eq=False)
class _Sequences:
    """Sequences end to end.

    Attributes:
        arrays: each [N, ...].
        lengths: [S].
        ends: where each sequence ends among all steps, [S].
    """

    arrays: tuple[Tensor, ...]
    lengths: Tensor
    ends: Tensor

    @staticmethod
    def read(arrays: Arrays) -> _Sequences:
        """Lay the sequences of every array end to end.

        Raises:
            TypeError, ValueError: they are not sequences, or not aligned.
        """
        several = isinstance(arrays, tuple)
        given: Sequence[Any] = arrays if several else (arrays,)
        if not given:
            raise ValueError("arrays is an empty tuple; pass at least one array")
        names = [f"arrays[{k}]" for k in range(len(given))] if several else ["arrays"]
        pieces = [_pieces_of(name, array) for name, array in zip(names, given, strict=True)]
        for name, others in zip(names, pieces, strict=True):
            _check_aligned(names[0], pieces[0], name, others)
        lengths = torch.tensor([len(piece) for piece in pieces[0]])
        # One sequence stays where it is: it may be mapped from a file larger than memory.
        whole = tuple(p[0] if len(p) == 1 else torch.cat(p) for p in pieces)
        return _Sequences(whole, lengths, lengths.cumsum(0))

    @property
    def total(self) -> int:
        return int(self.ends[-1])

    @property
    def starts(self) -> Tensor:
        return self.ends - self.lengths

    def size(self) -> dict[str, int]:
        """What tells these sequences from others, for saving."""
        return {"sequences": len(self.lengths), "total": self.total}

    def begins_at(self, at: Tensor) -> Tensor:
        """Whether a sequence begins at each of these places."""
        return self._within(at)[1] == 0

    def chunk(self, at: Tensor, reset: Tensor) -> Chunk:
        """The steps at these places, [b, k]."""
        values = tuple(array[at.to(array.device)] for array in self.arrays)
        return Chunk(values, reset.to(self.arrays[0].device), self._place(at[:, 0].contiguous()))

    def _within(self, at: Tensor) -> tuple[Tensor, Tensor]:
        """The number of the sequence at each place, and the step within it."""
        sequence = torch.searchsorted(self.ends, at, right=True)
        return sequence, at - self.starts[sequence]

    def _place(self, first: Tensor) -> str:
        """Where rows begin, in words."""
        # A last row that would stand for "and 1 more" is named instead.
        named = len(first) if len(first) <= NAMED + 1 else NAMED
        rows = zip(*(found.tolist() for found in self._within(first[:named])), strict=True)
        words = ", ".join(f"sequence {sequence} from step {step}" for sequence, step in rows)
        return words if named == len(first) else f"{words}, and {len(first) - named} more rows"


def _pieces_of(name: str, array: Any) -> list[Tensor]:
    """The sequences of one array."""
    pieces = array if isinstance(array, list) else [array]
    for piece in pieces:
        if not torch.is_tensor(piece):
            raise TypeError(
                f"{name} must be a tensor [steps, ...] or a list of them, got "
                f"{'a list of ' if isinstance(array, list) else ''}{type(piece).__name__}; "
                "torch.as_tensor makes one"
            )
        if piece.dim() == 0:
            raise ValueError(f"{name} must be [steps, ...], got a tensor of no dimensions")
    for number, piece in enumerate(pieces):
        first = pieces[0]
        if (piece.shape[1:], piece.dtype) != (first.shape[1:], first.dtype):
            raise ValueError(
                f"the sequences of {name} must be alike, [steps, ...]: the first is "
                f"{list(first.shape)} of {first.dtype}, sequence {number} "
                f"{list(piece.shape)} of {piece.dtype}"
            )
    if not sum(map(len, pieces)):
        raise ValueError(f"{name} holds no step")
    return pieces


def _check_aligned(name: str, pieces: list[Tensor], other_name: str, others: list[Tensor]) -> None:
    if len(pieces) != len(others):
        raise ValueError(
            f"arrays must be aligned: {name} has {len(pieces)} sequences, {other_name} "
            f"{len(others)}"
        )
    for number, (piece, other) in enumerate(zip(pieces, others, strict=True)):
        if len(piece) != len(other):
            raise ValueError(
                f"arrays must be aligned: sequence {number} has {len(piece)} steps in {name}, "
                f"{len(other)} in {other_name}"
            )


def _rows_of(part: tuple[int, int], batch_size: int) -> tuple[slice, int]:
    """The rows of the batch that are this process's, and how many there are in all."""
    check_size("batch_size", batch_size)
    whole = isinstance(part, tuple) and len(part) == 2 and all(isinstance(n, int) for n in part)
    if not whole or not 0 <= part[0] < part[1]:
        raise ValueError(f"part must be (rank, count) with rank from 0 to count - 1, got {part!r}")
    rank, count = part
    return slice(rank * batch_size, (rank + 1) * batch_size), count * batch_size


def check_made_alike(
    state: Mapping[str, Any], own: Mapping[str, Any], wanted: tuple[str, ...]
) -> None:
    """Compare what a state was made with to what this sampler was made with."""
    missing = [name for name in (*wanted, *own) if name not in state]
    if missing:
        raise ValueError(f"state lacks {', '.join(missing)}; it is of another kind of sampler")
    for name, value in own.items():
        if state[name] != value:
            raise ValueError(
                f"state is of a sampler with {name} {state[name]}, this one has {value}; "
                "make it with the same arguments and data"
            )
