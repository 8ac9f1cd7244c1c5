"""The quasi-recurrent network: convolutions over time, and a pooling that alone recurs.

    z(t) = tanh(b_z + V_z x(t-1) + U_z x(t))                      candidate
    f(t) = sigmoid(b_f + V_f x(t-1) + U_f x(t))                   forget gate
    o(t) = sigmoid(b_o + V_o x(t-1) + U_o x(t))                   output gate
    i(t) = sigmoid(b_i + V_i x(t-1) + U_i x(t))                   input gate

    h(t) = f(t) h(t-1) + (1 - f(t)) z(t)                          f-pooling
    c(t) = f(t) c(t-1) + (1 - f(t)) z(t),  h(t) = o(t) c(t)       fo-pooling
    c(t) = f(t) c(t-1) + i(t) z(t),        h(t) = o(t) c(t)       ifo-pooling

A window of 1 has no V. With a window of 2 the input before the first is zero, as in the paper's
padded convolutions, and the last input is carried as a part of the state.

References:
    Bradbury, Merity, Xiong and Socher, "Quasi-recurrent neural networks", ICLR 2017,
        equations 1 to 5.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..naming import one_of
from .cell import Cell, check_size, draw_uniform

POOLINGS = {"f": ("z", "f"), "fo": ("z", "f", "o"), "ifo": ("z", "f", "o", "i")}


class QRNN(Cell):
    """State `h` with f-pooling, else `h, c`, where h is not read; `previous` with a window of 2.

    Parameters, rows grouped in G gates (z, f, o, i, as far as the pooling has them):
    `weight_ih` (U) [G H, I], `weight_previous` (V) [G H, I], None with a window of 1, and
    `bias_ih` (b) [G H], None with `bias=False`.

    Arguments:
        input_size: features of x.
        hidden_size: size of h and of c.
        bias: whether the convolutions have biases.
        pooling: "f", "fo" or "ifo".
        window: inputs that a convolution reads, 1 or 2.

    Raises:
        ValueError: an unknown pooling, another window, or a size below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        pooling: str = "fo",
        window: int = 2,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        check_size("hidden_size", hidden_size)
        self.gates = POOLINGS[one_of(pooling, POOLINGS, "pooling")]
        self.keeps = {"f": 1, "i": -1} if pooling == "ifo" else {"f": 1}
        if window not in (1, 2):
            raise ValueError(f"window must be 1 or 2 inputs, got {window!r}")
        sizes = {"h": hidden_size} if pooling == "f" else {"h": hidden_size, "c": hidden_size}
        super().__init__(input_size, {**sizes, "previous": input_size} if window == 2 else sizes)
        self.unread = frozenset(() if pooling == "f" else ("h",))
        self.hidden_size, self.bias, self.pooling, self.window = hidden_size, bias, pooling, window
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        rows = len(self.gates) * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size, **place))
        before = torch.empty(rows, input_size, **place) if window == 2 else None
        self.weight_previous = None if before is None else nn.Parameter(before)
        self.bias_ih = nn.Parameter(torch.empty(rows, **place)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every parameter anew from U(-1/sqrt(H), 1/sqrt(H))."""
        draw_uniform(self, self.hidden_size)

    def step(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        before = dict(zip(self.state_sizes, state, strict=True))
        candidate, forget, *gates = self._convolve(x, before.get("previous")).chunk(
            len(self.gates), dim=-1
        )
        forget = torch.sigmoid(forget)
        write = torch.sigmoid(gates[1]) if self.pooling == "ifo" else 1 - forget
        memory = forget * before.get("c", before["h"]) + write * torch.tanh(candidate)
        pooled = (torch.sigmoid(gates[0]) * memory, memory) if gates else (memory,)
        return (*pooled, x) if self.window == 2 else pooled

    def _convolve(self, x: Tensor, previous: Tensor | None) -> Tensor:
        """The pre-activations of all gates, [B, G H]."""
        drive = F.linear(x, self.weight_ih, self.bias_ih)
        if previous is None or self.weight_previous is None:
            return drive
        return drive + F.linear(previous, self.weight_previous)
