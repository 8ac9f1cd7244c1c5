"""The update gate recurrent network: each unit keeps its value or computes a new one.

    c(t) = s(b_c + U_c x(t) + W_c h(t-1))                   candidate
    g(t) = sigmoid(b_g + U_g x(t) + W_g h(t-1) + b_fg)      update gate
    h(t) = g(t) h(t-1) + (1 - g(t)) c(t)

`s` is tanh or ReLU. The constant b_fg keeps the memory open early in training.

References:
    Collins, Sohl-Dickstein and Sussillo, "Capacity and trainability in recurrent neural
        networks", ICLR 2017.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from .affine import AffineCell, nonlinearity_named


class UGRNN(AffineCell):
    """State `h`. Parameters of `torch.nn.RNNCellBase`, gate order (c, g).

    Arguments:
        input_size: features of x.
        hidden_size: size of h.
        bias: whether the affine maps have biases.
        nonlinearity: of the candidate: "tanh", "sigmoid", "relu" or "identity".
        forget_bias: b_fg, added to the update gate's pre-activation and not learned.

    Raises:
        ValueError: an unknown nonlinearity, or a size below 1.
    """

    gates = ("c", "g")
    keeps: Mapping[str, int] = {"g": 1}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        forget_bias: float = 1.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(input_size, hidden_size, ("h",), bias, device, dtype)
        self.nonlinearity, self.forget_bias = nonlinearity, forget_bias
        self._activate = nonlinearity_named(nonlinearity, "nonlinearity")

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        candidate, keep = (self.from_input(x) + self.from_hidden(h)).chunk(2, dim=-1)  # [B, H]
        keep = torch.sigmoid(keep + self.forget_bias)
        return (keep * h + (1 - keep) * self._activate(candidate),)
