"""Long short-term memory with its input and forget gates coupled: it writes where it forgets.

    i(t) = sigmoid(b_i + U_i x(t) + W_i h(t-1))         input gate
    g(t) = tanh(b_g + U_g x(t) + W_g h(t-1))            candidate
    c(t) = (1 - i(t)) c(t-1) + i(t) g(t)                internal state
    o(t) = sigmoid(b_o + U_o x(t) + W_o h(t-1))         output gate
    h(t) = o(t) tanh(c(t))

The paper couples the gates of an LSTM with peepholes: with them p_i c(t-1) is added to the
pre-activation of i(t), and p_o c(t) to that of o(t).

References:
    Greff et al., "LSTM: a search space odyssey", IEEE Transactions on Neural Networks and
        Learning Systems 28, 2017, variant CIFG.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .affine import AffineCell


class CoupledLSTM(AffineCell):
    """State `h, c`. Parameters as those of `nn.LSTMCell` without the forget gate's rows: gate
    order (i, g, o). With `peepholes` there are also `weight_pi` and `weight_po` [H].

    Arguments:
        input_size: features of x.
        hidden_size: size of h and of c.
        bias: whether the affine maps have biases.
        peepholes: whether the gates see the memory, as in the paper.

    Raises:
        ValueError: a size below 1.
    """

    gates = ("i", "g", "o")
    keeps: Mapping[str, int] = {"i": -1}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        peepholes: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        self.peepholes = peepholes
        super().__init__(input_size, hidden_size, ("h", "c"), bias, device, dtype)

    def add_parameters(self, place: dict[str, Any]) -> None:
        super().add_parameters(place)
        if self.peepholes:
            self.weight_pi = nn.Parameter(torch.empty(self.hidden_size, **place))
            self.weight_po = nn.Parameter(torch.empty(self.hidden_size, **place))

    def step(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        gates = self.from_input(x) + self.from_hidden(h)  # [B, 3 H]
        write, candidate, output = gates.chunk(3, dim=-1)  # each [B, H]
        write = torch.sigmoid(write + self.weight_pi * c if self.peepholes else write)
        c = (1 - write) * c + write * torch.tanh(candidate)
        output = torch.sigmoid(output + self.weight_po * c if self.peepholes else output)
        return output * torch.tanh(c), c
