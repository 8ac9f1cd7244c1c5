"""The Elman network: the hidden state feeds back.

    a(t) = b + W h(t-1) + U x(t)
    h(t) = tanh(a(t)),  or sigmoid, or ReLU

With layer normalisation a(t) = b + normalised(W h(t-1) + U x(t)).

References:
    Elman, "Finding structure in time", Cognitive Science 14, 1990.
    Ba, Kiros and Hinton, "Layer normalization", arXiv 1607.06450, 2016, equation 4.
    Goodfellow, Bengio and Courville, "Deep Learning", equations 10.8 and 10.9.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .affine import AffineCell, nonlinearity_named


class Elman(AffineCell):
    """State `h`. Parameters and initialisation of `torch.nn.RNNCell`.

    Arguments:
        input_size: features of x.
        hidden_size: size of h.
        bias: whether the affine maps have biases.
        nonlinearity: "tanh", "sigmoid", "relu" or "identity".
        layer_norm: normalise the pre-activation, with a gain `weight_norm` [H].

    Raises:
        ValueError: an unknown nonlinearity, or a size below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        layer_norm: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(
            input_size, hidden_size, ("h",), bias, device, dtype, layer_norm=layer_norm
        )
        self.nonlinearity = nonlinearity
        self._activate = nonlinearity_named(nonlinearity, "nonlinearity")

    def add_parameters(self, place: dict[str, Any]) -> None:
        if self.layer_norm:
            self.weight_norm = nn.Parameter(torch.empty(self.hidden_size, **place))

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        if self.layer_norm:
            return (self._activate(self._normalised(x, h)),)
        return (self._activate(self.from_input(x) + self.from_hidden(h)),)

    def _normalised(self, x: Tensor, h: Tensor) -> Tensor:
        a = F.linear(x, self.weight_ih) + F.linear(self.masked(h), self.weight_hh)
        a = F.layer_norm(a, a.shape[-1:], self.weight_norm)
        if self.bias_ih is None or self.bias_hh is None:
            return a
        return a + self.bias_ih + self.bias_hh
