"""A recurrent model of rolls: every key of the next step from all steps so far.

    h(t) = step(d * x(t), h(t-1)),   o(t) = c + V (e * h(t)),   p(t) = sigmoid(o(t))
    -log p(x(t+1) | x(1), ..., x(t)) = - sum over keys k of log p_k(t) or log (1 - p_k(t))

d and e are dropout, in training. Given the state, keys are independent of one another.

Shapes: B batch, T time, K keys.

References:
    Boulanger-Lewandowski, Bengio and Vincent, "Modeling temporal dependencies in high-dimensional
        sequences", ICML 2012 (the RNN that its RNN-RBM is compared with).
    Chung, Gulcehre, Cho and Bengio, "Empirical evaluation of gated recurrent neural networks on
        sequence modeling", arXiv 1412.3555, 2014.
    Bai, Kolter and Koltun, "An empirical evaluation of generic convolutional and recurrent
        networks for sequence modeling", arXiv 1803.01271, 2018.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from ...nn import Recurrent

# Few keys are on at a step; the output starts at about the right rate.
RARE = -3.0


class RollNetwork(nn.Module):
    """Steps in, scores of every key at the next step out.

    Arguments:
        recurrent: the layers, from K keys.
        dropout: share of what the output layer reads that it does not see, in training.
        input_dropout: share of the input that the recurrence does not see, in training.
    """

    def __init__(self, recurrent: Recurrent, dropout: float = 0.0, input_dropout: float = 0.0):
        super().__init__()
        self.input_dropout, self.recurrent = nn.Dropout(input_dropout), recurrent
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(recurrent.output_size, recurrent.input_size)
        nn.init.constant_(self.readout.bias, RARE)

    def forward(self, frames: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Scores o(t), [B, T, K], and the state after the last step.

        Arguments:
            frames: 0 and 1, [B, T, K].
            state: before the first step, as this method gives it; None: zeros.
        """
        read = self.input_dropout(frames.to(self.readout.weight.dtype))
        outputs, state = self.recurrent(read, state)
        return self.readout(self.dropout(outputs)), state


def losses(scores: Tensor, truth: Tensor) -> Tensor:
    """-log p of every step, summed over its keys, in nats, [B, T]."""
    each = F.binary_cross_entropy_with_logits(scores.float(), truth.float(), reduction="none")
    return each.sum(dim=-1)
