"""Long short-term memory whose gates see the memory, through peepholes.

    i(t) = sigmoid(b_i + U_i x(t) + W_i h(t-1) + p_i c(t-1))     input gate
    f(t) = sigmoid(b_f + U_f x(t) + W_f h(t-1) + p_f c(t-1))     forget gate
    g(t) = tanh(b_g + U_g x(t) + W_g h(t-1))                     candidate
    c(t) = f(t) c(t-1) + i(t) g(t)                               internal state
    o(t) = sigmoid(b_o + U_o x(t) + W_o h(t-1) + p_o c(t))       output gate
    h(t) = o(t) tanh(c(t)),  or o(t) c(t)

The peepholes p are vectors: every unit's gates see that unit's memory alone. The input and
forget gates see it before the step, the output gate after it. This is the vanilla LSTM of Greff
et al.; the papers that introduced peepholes leave the output unsquashed, h(t) = o(t) c(t).

References:
    Gers and Schmidhuber, "Recurrent nets that time and count", IJCNN 2000.
    Gers, Schraudolph and Schmidhuber, "Learning precise timing with LSTM recurrent networks",
        Journal of Machine Learning Research 3, 2002.
    Greff et al., "LSTM: a search space odyssey", IEEE Transactions on Neural Networks and
        Learning Systems 28, 2017, section II.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..naming import one_of
from .affine import EMISSIONS, AffineCell


class PeepholeLSTM(AffineCell):
    """State `h, c`. Parameters and gate order (i, f, g, o) of `nn.LSTMCell`, and the peepholes
    `weight_pi`, `weight_pf`, `weight_po` [H]; with the peepholes at zero it is that LSTM.

    Arguments:
        input_size: features of x.
        hidden_size: size of h and of c.
        bias: whether the affine maps have biases.
        output: what squashes c on its way out: "tanh", or "identity" for nothing.

    Raises:
        ValueError: an unknown output, or a size below 1.
    """

    gates = ("i", "f", "g", "o")
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
        self.weight_pi = nn.Parameter(torch.empty(self.hidden_size, **place))
        self.weight_pf = nn.Parameter(torch.empty(self.hidden_size, **place))
        self.weight_po = nn.Parameter(torch.empty(self.hidden_size, **place))

    def step(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        gates = self.from_input(x) + self.from_hidden(h)  # [B, 4 H]
        write, forget, candidate, output = gates.chunk(4, dim=-1)  # each [B, H]
        write = torch.sigmoid(write + self.weight_pi * c)
        forget = torch.sigmoid(forget + self.weight_pf * c)
        c = forget * c + write * torch.tanh(candidate)
        output = torch.sigmoid(output + self.weight_po * c)
        return output * self._emit(c), c
