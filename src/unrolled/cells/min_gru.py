"""The minimal gated recurrent unit without a recurrent matrix (minGRU).

    z(t) = sigmoid(b_z + U_z x(t))                                update gate
    n(t) = g(b_n + U_n x(t))                                      candidate
    h(t) = (1 - z(t)) h(t-1) + z(t) n(t)

g is the identity, or the positive function that lets the paper run the recurrence on logarithms:
g(a) = a + 1/2 from zero up, sigmoid(a) below. No gate reads the state, so h(t) is linear in
h(t-1).

References:
    Feng, Tung, Ahmed, Bengio and Hajimirsadeghi, "Were RNNs all we needed?", arXiv 2410.01201,
        2024, section 3.1, and its appendix on the log-space form for g.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..naming import one_of
from .cell import Cell, check_size, draw_uniform


def linear(a: Tensor) -> Tensor:
    """The candidate's pre-activation itself."""
    return a


def positive(a: Tensor) -> Tensor:
    """a + 1/2 from zero up and sigmoid(a) below: continuous, increasing and above zero."""
    return torch.relu(a) + torch.sigmoid(a.clamp(max=0))


CANDIDATES: dict[str, Callable[[Tensor], Tensor]] = {"linear": linear, "positive": positive}


class MinGRU(Cell):
    """State `h`.

    Parameters, rows grouped in gates (z, n): `weight_ih` (U) [2 H, I] and `bias_ih` (b) [2 H],
    None with `bias=False`.

    Arguments:
        input_size: features of x.
        hidden_size: size of h.
        bias: whether the affine map has a bias.
        candidate: g: "linear" or "positive".

    Raises:
        ValueError: an unknown candidate function, or a size below 1.
    """

    gates = ("z", "n")
    keeps: Mapping[str, int] = {"z": -1}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        candidate: str = "linear",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        check_size("hidden_size", hidden_size)
        super().__init__(input_size, {"h": hidden_size})
        self.hidden_size, self.bias, self.candidate = hidden_size, bias, candidate
        self._shape = CANDIDATES[one_of(candidate, CANDIDATES, "candidate")]
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        self.weight_ih = nn.Parameter(torch.empty(2 * hidden_size, input_size, **place))
        self.bias_ih = nn.Parameter(torch.empty(2 * hidden_size, **place)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every parameter anew from U(-1/sqrt(H), 1/sqrt(H))."""
        draw_uniform(self, self.hidden_size)

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        update, candidate = F.linear(x, self.weight_ih, self.bias_ih).chunk(2, dim=-1)
        update = torch.sigmoid(update)
        return ((1 - update) * h + update * self._shape(candidate),)
