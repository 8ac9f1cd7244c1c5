"""The forms in which sequences come, and the one in which cells run over them.

Sequences come with time or batch first, one alone, packed, with lengths or with a mask. Cells run
over [B, T, features] with lengths. A mask may have holes: what it leaves out is taken from between
the steps, and its place is zero in what comes out.

Shapes: B batch, T time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from ..engines.lengths import Lengths, checked_lengths


@dataclass(frozen=True)
class Sequences:
    """Sequences as cells run over them, and the way back to the form they came in.

    Attributes:
        data: [B, T, features].
        lengths: valid steps of each, [B]; None where all are T.
    """

    data: Tensor
    lengths: Tensor | None
    batch_first: bool
    batched: bool = True
    packed: PackedSequence | None = None
    order: Tensor | None = None

    @staticmethod
    def read(
        input: Tensor | PackedSequence,
        batch_first: bool,
        lengths: Lengths = None,
        mask: Tensor | None = None,
    ) -> Sequences:
        """Take sequences in any form.

        Arguments:
            input: [T, features], [T, B, features], with `batch_first` [B, T, features], or packed.
            lengths: valid steps of each sequence, [B].
            mask: true at valid steps, of the input's shape without features.

        Raises:
            ValueError: lengths or a mask that do not fit, or both, or with packed sequences.
        """
        if isinstance(input, PackedSequence):
            if lengths is not None or mask is not None:
                raise ValueError("packed sequences know their lengths; pass no lengths or mask")
            data, counts = pad_packed_sequence(input, batch_first=True)
            return Sequences(data, counts.to(data.device), batch_first, packed=input)
        if lengths is not None and mask is not None:
            raise ValueError("pass lengths or mask, not both")
        batched = input.dim() == 3
        if not batched and lengths is not None:
            raise ValueError(
                "a sequence alone, [time, features], has no lengths; pass its valid steps, or a "
                "batch of one"
            )
        data = _in(input, batch_first, batched)
        given = Sequences(data, None, batch_first, batched)
        if lengths is not None:
            return replace(given, lengths=checked_lengths("lengths", lengths, data))
        return given if mask is None else given._masked(mask)

    def flags(self, given: Tensor, what: str) -> Tensor:
        """Flags of the steps, as the caller has them, [B, T] in the order of `data`.

        A flag at a step that a mask leaves out counts for the next one that is left.

        Raises:
            ValueError: another shape or type.
        """
        flags = self._by_step(given, what)
        if self.order is None:
            return flags
        count = flags.cumsum(1).gather(1, self.order)
        before = torch.cat([torch.zeros_like(count[:, :1]), count[:, :-1]], dim=1)
        return count > before

    def back(self, steps: Tensor) -> Any:
        """What cells gave, [B, T, size], in the form that the sequences came in."""
        if self.packed is not None:
            return self._packed(steps)
        # A tensor of its own, row by row: `view` works, and it may be written to.
        return self.padded(steps).clone(memory_format=torch.contiguous_format)

    def padded(self, steps: Tensor) -> Tensor:
        """As `back`; of packed sequences, with padding."""
        if self.order is not None:
            where = self.order[:, :, None].expand_as(steps)
            steps = torch.zeros_like(steps).scatter(1, where, steps)
        if not self.batched:
            return steps[0]
        return steps if self.batch_first else steps.transpose(0, 1)

    def _by_step(self, given: Tensor, what: str) -> Tensor:
        batch, time, _ = self.data.shape
        shape = (time,) if not self.batched else (time, batch)
        shape = (batch, time) if self.batched and self.batch_first else shape
        if isinstance(given, (list, tuple, np.ndarray)):
            given = torch.as_tensor(given)
        if not torch.is_tensor(given) or given.dtype != torch.bool or tuple(given.shape) != shape:
            came = list(given.shape) if torch.is_tensor(given) else type(given).__name__
            kind = f" of {given.dtype}" if torch.is_tensor(given) else ""
            raise ValueError(f"{what} must be a boolean tensor {list(shape)}, got {came}{kind}")
        given = given.to(self.data.device)
        return _in(given, self.batch_first, self.batched)

    def _masked(self, mask: Tensor) -> Sequences:
        valid = self._by_step(mask, "mask")
        order = torch.argsort(~valid, dim=1, stable=True)
        where = order[:, :, None].expand_as(self.data)
        return replace(self, data=self.data.gather(1, where), lengths=valid.sum(1), order=order)

    def _packed(self, steps: Tensor) -> PackedSequence:
        packed, lengths = self.packed, self.lengths
        assert packed is not None
        assert lengths is not None
        if packed.sorted_indices is not None:
            steps, lengths = steps[packed.sorted_indices], lengths[packed.sorted_indices]
        data = pack_padded_sequence(steps, lengths.cpu(), batch_first=True).data
        return PackedSequence(
            data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices
        )


def _in(given: Tensor, batch_first: bool, batched: bool) -> Tensor:
    """Batch first, then time."""
    if not batched:
        return given[None]
    return given if batch_first else given.transpose(0, 1)


def flipped(steps: Tensor, lengths: Tensor | None) -> Tensor:
    """Each sequence from its last valid step to its first; padding stays behind.

    Arguments:
        steps: [B, T, ...].
        lengths: [B]; None where all steps are valid.
    """
    if lengths is None:
        return steps.flip(1)
    time = torch.arange(steps.shape[1], device=steps.device)
    mirrored = lengths[:, None] - 1 - time  # [B, T]
    where = torch.where(mirrored >= 0, mirrored, time)
    if steps.dim() == 2:
        return steps.gather(1, where)
    return steps.gather(1, where[:, :, None].expand_as(steps))
