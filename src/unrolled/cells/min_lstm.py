"""The minimal LSTM without a recurrent matrix (minLSTM).

    f(t) = sigmoid(b_f + U_f x(t))                                forget gate
    i(t) = sigmoid(b_i + U_i x(t))                                input gate
    n(t) = g(b_n + U_n x(t))                                      candidate
    h(t) = f(t) / (f(t) + i(t)) h(t-1) + i(t) / (f(t) + i(t)) n(t)

Without normalised gates h(t) = f(t) h(t-1) + i(t) n(t). g is the identity or positive, as in
`min_gru`. No gate reads the state, so h(t) is linear in h(t-1).

References:
    Feng, Tung, Ahmed, Bengio and Hajimirsadeghi, "Were RNNs all we needed?", arXiv 2410.01201,
        2024, section 3.2, and its appendix on the log-space form for g.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..naming import one_of
from .cell import Cell, check_size, draw_uniform
from .min_gru import CANDIDATES


class MinLSTM(Cell):
    """State `h`.

    Parameters, rows grouped in gates (f, i, n): `weight_ih` (U) [3 H, I] and `bias_ih` (b)
    [3 H], None with `bias=False`.

    Arguments:
        input_size: features of x.
        hidden_size: size of h.
        bias: whether the affine map has a bias.
        candidate: g: "linear" or "positive".
        normalised: divide both gates by their sum, so that h keeps its scale over time.

    Raises:
        ValueError: an unknown candidate function, or a size below 1.
    """

    gates = ("f", "i", "n")
    keeps: Mapping[str, int] = {"f": 1, "i": -1}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        candidate: str = "linear",
        normalised: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        check_size("hidden_size", hidden_size)
        super().__init__(input_size, {"h": hidden_size})
        self.hidden_size, self.bias = hidden_size, bias
        self.candidate, self.normalised = candidate, normalised
        self._shape = CANDIDATES[one_of(candidate, CANDIDATES, "candidate")]
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        self.weight_ih = nn.Parameter(torch.empty(3 * hidden_size, input_size, **place))
        self.bias_ih = nn.Parameter(torch.empty(3 * hidden_size, **place)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every parameter anew from U(-1/sqrt(H), 1/sqrt(H))."""
        draw_uniform(self, self.hidden_size)

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        forget, write, candidate = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, dim=-1)
        new = self._shape(candidate)
        if not self.normalised:
            return (torch.sigmoid(forget) * h + torch.sigmoid(write) * new,)
        # f / (f + i) = sigmoid(log f - log i), which is finite where both gates underflow to 0.
        keep = torch.sigmoid(F.logsigmoid(forget) - F.logsigmoid(write))
        return (keep * h + (1 - keep) * new,)
