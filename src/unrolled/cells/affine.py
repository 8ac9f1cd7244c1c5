"""The parameters that torch.nn's cells share: two affine maps, their rows grouped in gates.

Shapes: G gates, H hidden_size, I input_size.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..naming import one_of
from .cell import Cell

NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
}


def nonlinearity_named(name: str, what: str) -> Callable[[Tensor], Tensor]:
    """The pointwise function called `name`; `what` is the argument that an error names."""
    return NONLINEARITIES[one_of(name, NONLINEARITIES, what)]


class AffineCell(Cell):
    """A cell with the parameter names, shapes and initialisation of `torch.nn.RNNCellBase`.

    `weight_ih` [G H, I], `weight_hh` [G H, H], `bias_ih` and `bias_hh` [G H], all drawn from
    U(-1/sqrt(H), 1/sqrt(H)). With `bias=False` both biases are None.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        states: tuple[str, ...],
        bias: bool,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ):
        super().__init__(input_size, dict.fromkeys(states, hidden_size))
        self.hidden_size, self.bias = hidden_size, bias
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        rows = max(len(self.gates), 1) * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size, **place))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size, **place))
        self.bias_ih = nn.Parameter(torch.empty(rows, **place)) if bias else None
        self.bias_hh = nn.Parameter(torch.empty(rows, **place)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every parameter anew, in torch.nn's order: the same seed gives its numbers."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def from_input(self, x: Tensor) -> Tensor:
        """The part of the pre-activations that depends on x(t), [B, G H]."""
        return F.linear(x, self.weight_ih, self.bias_ih)

    def from_hidden(self, h: Tensor) -> Tensor:
        """The part of the pre-activations that depends on h(t-1), [B, G H]."""
        return F.linear(h, self.weight_hh, self.bias_hh)
