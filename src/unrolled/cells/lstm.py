"""Long short-term memory.

    f(t) = sigmoid(b_f + U_f x(t) + W_f h(t-1))                 forget gate
    i(t) = sigmoid(b_i + U_i x(t) + W_i h(t-1))                 external input gate
    c(t) = f(t) c(t-1) + i(t) squash(b + U x(t) + W h(t-1))     internal state
    o(t) = sigmoid(b_o + U_o x(t) + W_o h(t-1))                 output gate
    h(t) = o(t) tanh(c(t))

`squash` is tanh in torch and in most of the literature, sigmoid in Goodfellow, Bengio and
Courville.

References:
    Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9, 1997.
    Gers, Schmidhuber and Cummins, "Learning to forget", Neural Computation 12, 2000.
    Goodfellow, Bengio and Courville, "Deep Learning", equations 10.40 to 10.44.
"""

import torch
from torch import Tensor

from .affine import AffineCell, nonlinearity_named


class LSTM(AffineCell):
    """State `h, c`. Parameters, gate order (i, f, g, o) and initialisation of `nn.LSTMCell`.

    Arguments:
        input_size: features of x.
        hidden_size: size of h and of c.
        bias: whether the affine maps have biases.
        candidate: what squashes the candidate: "tanh", "sigmoid" or "relu".

    Raises:
        ValueError: an unknown candidate function, or a size below 1.
    """

    gates = ("i", "f", "g", "o")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        candidate: str = "tanh",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(input_size, hidden_size, ("h", "c"), bias, device, dtype)
        self.candidate = candidate
        self._squash = nonlinearity_named(candidate, "candidate")

    def step(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        gates = self.from_input(x) + self.from_hidden(h)  # [B, 4 H]
        write, forget, candidate, output = gates.chunk(4, dim=-1)  # each [B, H]
        c = torch.sigmoid(forget) * c + torch.sigmoid(write) * self._squash(candidate)
        return torch.sigmoid(output) * torch.tanh(c), c
