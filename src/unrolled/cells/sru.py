"""The simple recurrent unit: gates that read the input and, entry by entry, the memory.

    n(t) = U_n x(t)                                               new content
    f(t) = sigmoid(b_f + U_f x(t) + v_f c(t-1))                   forget gate
    r(t) = sigmoid(b_r + U_r x(t) + v_r c(t-1))                   reset gate
    c(t) = f(t) c(t-1) + (1 - f(t)) n(t)                          internal state
    h(t) = r(t) c(t) + (1 - r(t)) alpha s(t)                      highway connection

v_f and v_r are vectors. s(t) is x(t), or P x(t) where the sizes of x and h differ. No matrix
reads the state, so all products can be taken for the whole sequence at once.

References:
    Lei, Zhang, Wang, Dai and Artzi, "Simple recurrent units for highly parallelizable
        recurrence", EMNLP 2018, sections 3 and 3.2 for alpha.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cell import Cell, check_size


class SRU(Cell):
    """State `h, c`; h is not read.

    Parameters: `weight_ih` (U) [3 H, I], rows grouped in gates (n, f, r); `weight_c` (v_f, v_r)
    [2 H]; `bias_ih` (b_f, b_r) [2 H], None with `bias=False`; `weight_skip` (P) [H, I], None
    where I = H.

    Arguments:
        input_size: features of x.
        hidden_size: size of h and of c.
        bias: whether the gates have biases.
        highway_bias: where b_r starts; a value below 0 lets x through.
        alpha: scale of what the highway lets through; default sqrt(1 + 2 exp(highway_bias)),
            with which h varies about as much as x at the start.

    Raises:
        ValueError: a size below 1, or a highway_bias where there are no biases.
    """

    gates = ("n", "f", "r")
    keeps: Mapping[str, int] = {"f": 1}
    unread = frozenset({"h"})

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        highway_bias: float = 0.0,
        alpha: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        check_size("hidden_size", hidden_size)
        super().__init__(input_size, {"h": hidden_size, "c": hidden_size})
        if highway_bias and not bias:
            raise ValueError(f"highway_bias needs bias=True, got {highway_bias} and bias=False")
        self.hidden_size, self.bias, self.highway_bias = hidden_size, bias, highway_bias
        self.alpha = math.sqrt(1 + 2 * math.exp(highway_bias)) if alpha is None else alpha
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        self.weight_ih = nn.Parameter(torch.empty(3 * hidden_size, input_size, **place))
        self.weight_c = nn.Parameter(torch.empty(2 * hidden_size, **place))
        self.bias_ih = nn.Parameter(torch.empty(2 * hidden_size, **place)) if bias else None
        differ = input_size != hidden_size
        skip = torch.empty(hidden_size, input_size, **place) if differ else None
        self.weight_skip = None if skip is None else nn.Parameter(skip)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every parameter anew, as the authors' code does.

        U and P have variance 1 / I, halved for the gates; v has variance 1 / 2; b_f is zero.
        """
        bound = math.sqrt(3 / max(self.input_size, 1))
        nn.init.uniform_(self.weight_ih, -bound, bound)
        with torch.no_grad():
            self.weight_ih[self.hidden_size :] *= math.sqrt(0.5)
        nn.init.uniform_(self.weight_c, -math.sqrt(1.5), math.sqrt(1.5))
        if self.bias_ih is not None:
            nn.init.zeros_(self.bias_ih)
            nn.init.constant_(self.bias_ih[self.hidden_size :], self.highway_bias)
        if self.weight_skip is not None:
            nn.init.uniform_(self.weight_skip, -bound, bound)

    def step(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        size = self.hidden_size
        new, gates = F.linear(x, self.weight_ih).split([size, 2 * size], dim=-1)
        gates = gates + self.weight_c * torch.cat([c, c], dim=-1)  # [B, 2 H]
        gates = gates if self.bias_ih is None else gates + self.bias_ih
        forget, reset = torch.sigmoid(gates).chunk(2, dim=-1)
        c = forget * c + (1 - forget) * new
        skip = x if self.weight_skip is None else F.linear(x, self.weight_skip)
        return reset * c + (1 - reset) * (self.alpha * skip), c
