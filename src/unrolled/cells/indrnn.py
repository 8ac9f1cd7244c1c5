"""The independently recurrent neural network: every unit feeds back to itself only.

    h(t) = relu(U x(t) + w h(t-1) + b)

w is a vector: unit n sees its own past only, and over T steps its gradient is scaled by w_n^T. The
paper keeps |w_n| below the T-th root of the largest scale that it allows. Units meet in the layer
above: stack two layers or more.

References:
    Li, Li, Cook, Zhu and Gao, "Independently recurrent neural network (IndRNN): building a
        longer and deeper RNN", CVPR 2018.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .affine import nonlinearity_named
from .cell import Cell, draw_uniform


class IndRNN(Cell):
    """State `h`. Parameters: `weight_ih` (U) [H, I], `weight_hh` (w) [H], `bias_ih` (b) [H].

    U and b are drawn from U(-1/sqrt(H), 1/sqrt(H)), w from U(0, 1) as by the authors: each unit
    then has a memory of another length.

    Arguments:
        input_size: features of x.
        hidden_size: H, size of h.
        bias: whether there is b.
        nonlinearity: "relu", "tanh" or "sigmoid".

    Raises:
        ValueError: an unknown nonlinearity, or a size below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "relu",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(input_size, {"h": hidden_size})
        self.hidden_size, self.bias, self.nonlinearity = hidden_size, bias, nonlinearity
        self._activate = nonlinearity_named(nonlinearity, "nonlinearity")
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        self.weight_ih = nn.Parameter(torch.empty(hidden_size, input_size, **place))
        self.weight_hh = nn.Parameter(torch.empty(hidden_size, **place))
        self.bias_ih = nn.Parameter(torch.empty(hidden_size, **place)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every parameter anew."""
        draw_uniform(self, self.hidden_size)
        nn.init.uniform_(self.weight_hh, 0, 1)

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        drive = F.linear(x, self.weight_ih, self.bias_ih)
        return (self._activate(drive + self.weight_hh * h),)
