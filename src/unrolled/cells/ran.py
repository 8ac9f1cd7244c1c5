"""The recurrent additive network: the memory is a gated sum of linear maps of the inputs.

    i(t) = sigmoid(b_i + U_i x(t) + W_i h(t-1))         input gate
    f(t) = sigmoid(b_f + U_f x(t) + W_f h(t-1))         forget gate
    c(t) = f(t) c(t-1) + i(t) (U_c x(t))                internal state
    h(t) = tanh(c(t)),  or c(t)

Only the gates read the previous output; the content U_c x(t) has no bias and is not squashed.

References:
    Lee, Levy and Zettlemoyer, "Recurrent additive networks", arXiv 1705.07393, 2017.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..naming import one_of
from .affine import EMISSIONS, AffineCell


class RAN(AffineCell):
    """State `h, c`. Parameters of `torch.nn.RNNCellBase` for the gates, in the order (i, f), and
    `weight_ic` (U_c) [H, I].

    Arguments:
        input_size: features of x.
        hidden_size: size of h and of c.
        bias: whether the gates have biases.
        output: what squashes c on its way out: "tanh", or "identity" for nothing.

    Raises:
        ValueError: an unknown output, or a size below 1.
    """

    gates = ("i", "f")
    keeps: Mapping[str, int] = {"f": 1, "i": -1}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        output: str = "tanh",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(input_size, hidden_size, ("h", "c"), bias, device, dtype)
        self.output = output
        self._emit = EMISSIONS[one_of(output, EMISSIONS, "output")]

    def add_parameters(self, place: dict[str, Any]) -> None:
        super().add_parameters(place)
        self.weight_ic = nn.Parameter(torch.empty(self.hidden_size, self.input_size, **place))

    def step(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        gates = torch.sigmoid(self.from_input(x) + self.from_hidden(h))  # [B, 2 H]
        write, forget = gates.chunk(2, dim=-1)  # each [B, H]
        c = forget * c + write * F.linear(x, self.weight_ic)
        return self._emit(c), c
