"""The minimal gated unit: one gate, which both resets and updates.

    f(t) = sigmoid(b_f + U_f x(t) + W_f h(t-1))             forget gate
    n(t) = tanh(b_n + U_n x(t) + W_n (f(t) h(t-1)))         candidate
    h(t) = (1 - f(t)) h(t-1) + f(t) n(t)

It is the gated recurrent unit, reset before the product, with its two gates made one.

References:
    Zhou, Wu, Zhang and Zhou, "Minimal gated unit for recurrent neural networks", International
        Journal of Automation and Computing 13, 2016.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from .affine import AffineCell


class MGU(AffineCell):
    """State `h`. Parameters of `torch.nn.RNNCellBase`, gate order (f, n).

    Arguments:
        input_size: features of x.
        hidden_size: size of h.
        bias: whether the affine maps have biases.

    Raises:
        ValueError: a size below 1.
    """

    gates = ("f", "n")
    keeps: Mapping[str, int] = {"f": -1}
    parts = (1, 1)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(input_size, hidden_size, ("h",), bias, device, dtype)

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        drive_f, drive_n = self.from_input(x).chunk(2, dim=-1)  # each [B, H]
        forget = torch.sigmoid(drive_f + self.part_from_hidden(h, 0))
        new = torch.tanh(drive_n + self.part_from_hidden(forget * h, 1))
        return ((1 - forget) * h + forget * new,)
