"""What a decoder computes: scores of tokens at every step, and where it looked.

Shapes: B batch, T steps, V tokens, S steps of the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from ..engines.lengths import steps_within
from .shapes import shapes_of


@dataclass(frozen=True, repr=False)
class Decoded:
    """What a decoder computed.

    Attributes:
        logits: o at every step, [B, T, V]; zero beyond each sequence's length.
        weights: of the attention, [B, T, S]; zero beyond both lengths. None without attention.
        final: the state after each sequence's last valid step, in the form of `Recurrent`.
        lengths: valid steps, [B].
        padding: what fills `tokens` beyond the lengths.
    """

    logits: Tensor
    weights: Tensor | None
    final: Any
    lengths: Tensor
    padding: int

    def __repr__(self) -> str:
        return shapes_of(self)

    @property
    def valid(self) -> Tensor:
        """True within each sequence's length, [B, T]."""
        return steps_within(self.lengths, self.logits.shape[1])

    @property
    def tokens(self) -> Tensor:
        """The likeliest token at every step, [B, T]; in free running those that were fed back."""
        return self.logits.argmax(-1).masked_fill(~self.valid, self.padding)

    def loss(self, targets: Tensor) -> Tensor:
        """The mean of - log p(target) over all valid steps of all sequences.

        Arguments:
            targets: [B, T]; what they hold beyond the lengths has no effect.

        Raises:
            ValueError: targets of another shape.
        """
        if list(targets.shape) != list(self.logits.shape[:2]):
            wanted = list(self.logits.shape[:2])
            raise ValueError(f"targets must be {wanted}, got {list(targets.shape)}")
        counted = targets.masked_fill(~self.valid, 0).long()
        each = F.cross_entropy(self.logits.transpose(1, 2), counted, reduction="none")  # [B, T]
        return each.masked_fill(~self.valid, 0).sum() / self.lengths.sum().clamp(min=1)
