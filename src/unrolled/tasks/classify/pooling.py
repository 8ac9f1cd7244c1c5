"""One vector from the outputs of all valid steps of a sequence.

    last        the output of each direction at the last step that it reads
    mean        mean over t of h(t)
    max         max over t of h(t), each feature by itself
    mean+max    both, one behind the other
    attention   sum over t of a(t) h(t),  a = softmax over t of v' tanh(W h(t) + b)

Shapes: B batch, T time, H features of the outputs.

References:
    Yang, Yang, Dyer, He, Smola and Hovy, "Hierarchical attention networks for document
        classification", NAACL 2016 (attention).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ...engines.lengths import steps_within
from ...naming import one_of

POOLINGS = ("last", "mean", "max", "mean+max", "attention")


class Pooling(nn.Module):
    """Outputs of sequences, [B, T, H], to one vector each, [B, `output_size`].

    Arguments:
        how: one of `POOLINGS`.
        size: H.
        bidirectional: whether the second half of the features reads from the end.

    Raises:
        ValueError: another name.
    """

    def __init__(self, how: str, size: int, bidirectional: bool = False):
        super().__init__()
        self.how, self.bidirectional = one_of(how, POOLINGS, "pooling"), bidirectional
        self.output_size = 2 * size if how == "mean+max" else size
        if how == "attention":
            self.scores = nn.Sequential(
                nn.Linear(size, size), nn.Tanh(), nn.Linear(size, 1, bias=False)
            )

    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """Pool the valid steps; `lengths` [B] are 1 or more."""
        if self.how == "last":
            return _last(outputs, lengths, self.bidirectional)
        valid = steps_within(lengths, outputs.shape[1])[:, :, None]  # [B, T, 1]
        if self.how == "attention":
            return (self.weights(outputs, lengths)[:, :, None] * outputs).sum(1)
        parts = []
        if "mean" in self.how:
            parts.append(outputs.where(valid, 0).sum(1) / lengths[:, None])
        if "max" in self.how:
            parts.append(outputs.masked_fill(~valid, -math.inf).amax(1))
        return torch.cat(parts, 1)

    def weights(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """What attention gives each step, [B, T]; zero beyond the lengths."""
        scores = self.scores(outputs)[:, :, 0]
        valid = steps_within(lengths, outputs.shape[1])
        return scores.masked_fill(~valid, -math.inf).softmax(1)


def _last(outputs: Tensor, lengths: Tensor, bidirectional: bool) -> Tensor:
    ends = outputs[torch.arange(len(outputs), device=outputs.device), lengths - 1]
    if not bidirectional:
        return ends
    half = outputs.shape[2] // 2
    return torch.cat([ends[:, :half], outputs[:, 0, half:]], 1)
