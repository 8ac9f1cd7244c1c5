"""The Elman network: the hidden state feeds back.

    a(t) = b + W h(t-1) + U x(t)
    h(t) = tanh(a(t)),  or sigmoid, or ReLU

References:
    Elman, "Finding structure in time", Cognitive Science 14, 1990.
    Goodfellow, Bengio and Courville, "Deep Learning", equations 10.8 and 10.9.
"""

import torch
from torch import Tensor

from .affine import AffineCell, nonlinearity_named


class Elman(AffineCell):
    """State `h`. Parameters and initialisation of `torch.nn.RNNCell`.

    Arguments:
        input_size: features of x.
        hidden_size: size of h.
        bias: whether the affine maps have biases.
        nonlinearity: "tanh", "sigmoid" or "relu".

    Raises:
        ValueError: an unknown nonlinearity, or a size below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(input_size, hidden_size, ("h",), bias, device, dtype)
        self.nonlinearity = nonlinearity
        self._activate = nonlinearity_named(nonlinearity, "nonlinearity")

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        return (self._activate(self.from_input(x) + self.from_hidden(h)),)
