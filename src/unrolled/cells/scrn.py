"""The structurally constrained recurrent network: slow context units beside fast hidden ones.

    s(t) = (1 - alpha) B x(t) + alpha s(t-1)                    slow: a leaky mean of the input
    h(t) = sigmoid(b + P s(t) + A x(t) + R h(t-1))              fast: reads the new context

With `adaptive` every context unit learns its own alpha, as sigmoid(beta).

The paper's output y(t) = softmax(U h(t) + V s(t)) is a readout of both states, which is a
layer's matter. The paper has no bias b.

References:
    Mikolov, Joulin, Chopra, Mathieu and Ranzato, "Learning longer memory in recurrent neural
        networks", ICLR 2015 workshop.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .affine import AffineCell
from .cell import check_size


class SCRN(AffineCell):
    """State `h` [B, H], `s` [B, C]. Parameters of `torch.nn.RNNCell`, where `weight_ih` is A and
    `weight_hh` is R, and `weight_is` (B) [C, I], `weight_sh` (P) [H, C]; with `adaptive` also
    `beta` [C], which starts where sigmoid(beta) is `alpha`.

    Arguments:
        input_size: features of x.
        hidden_size: size of h.
        bias: whether the hidden units have biases.
        context_size: C, size of s.
        alpha: the part of the context that is kept at every step, between 0 and 1.
        adaptive: learn an alpha for every context unit.

    Raises:
        ValueError: an alpha that is not between 0 and 1, or a size below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        context_size: int = 40,
        alpha: float = 0.95,
        adaptive: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        check_size("context_size", context_size)
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must be between 0 and 1, both excluded, got {alpha!r}")
        self.context_size, self.alpha, self.adaptive = context_size, alpha, adaptive
        super().__init__(input_size, hidden_size, ("h",), bias, device, dtype)
        self.state_sizes["s"] = context_size

    def add_parameters(self, place: dict[str, Any]) -> None:
        super().add_parameters(place)
        context, hidden = self.context_size, self.hidden_size
        self.weight_is = nn.Parameter(torch.empty(context, self.input_size, **place))
        self.weight_sh = nn.Parameter(torch.empty(hidden, context, **place))
        if self.adaptive:
            self.beta = nn.Parameter(torch.empty(context, **place))

    def reset_parameters(self) -> None:
        super().reset_parameters()
        if self.adaptive:
            nn.init.constant_(self.beta, math.log(self.alpha / (1 - self.alpha)))

    def step(self, x: Tensor, h: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        keep = torch.sigmoid(self.beta) if self.adaptive else self.alpha
        s = (1 - keep) * F.linear(x, self.weight_is) + keep * s
        h = torch.sigmoid(F.linear(s, self.weight_sh) + self.from_input(x) + self.from_hidden(h))
        return h, s
