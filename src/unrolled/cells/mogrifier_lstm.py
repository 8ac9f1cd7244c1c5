"""The mogrifier LSTM: input and previous output gate one another before the LSTM reads them.

    x_(r) = 2 sigmoid(Q_r h_(r-1)) x_(r-2)          for r = 1, 3, 5, ... up to the rounds
    h_(r) = 2 sigmoid(R_r x_(r-1)) h_(r-2)          for r = 2, 4, ...

from x_(-1) = x(t) and h_(0) = h(t-1). Then, with the last x and h of the rounds,

    i(t) = sigmoid(b_i + U_i x + W_i h)             input gate
    f(t) = sigmoid(b_f + U_f x + W_f h)             forget gate
    g(t) = tanh(b_g + U_g x + W_g h)                candidate
    o(t) = sigmoid(b_o + U_o x + W_o h)             output gate
    c(t) = f(t) c(t-1) + i(t) g(t)                  internal state
    h(t) = o(t) tanh(c(t))

With a rank k each Q and R is a product of two matrices, left [., k] and right [k, .].

References:
    Melis, Kocisky and Blunsom, "Mogrifier LSTM", ICLR 2020, equations 1 and 2.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .affine import AffineCell
from .cell import check_size


class MogrifierLSTM(AffineCell):
    """State `h, c`. Parameters and gate order (i, f, g, o) of `nn.LSTMCell`, and for every round
    r `weight_qr` [I, H] where r is odd, `weight_rr` [H, I] where it is even: `weight_q1`,
    `weight_r2`, `weight_q3`, ... With a rank k each is a pair, as `weight_q1_left` [I, k] and
    `weight_q1_right` [k, H].

    Arguments:
        input_size: features of x, at least 1.
        hidden_size: size of h and of c.
        bias: whether the affine maps of the LSTM have biases; those of the rounds have none.
        rounds: how often one gates the other; 0 for the LSTM.
        rank: k, best below input_size and hidden_size; None for full matrices.

    Raises:
        ValueError: a size or rank below 1, or rounds below 0.
    """

    gates = ("i", "f", "g", "o")
    keeps: Mapping[str, int] = {"f": 1, "i": -1}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        rounds: int = 5,
        rank: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        check_size("input_size", input_size)
        check_size("rounds", rounds, smallest=0)
        if rank is not None:
            check_size("rank", rank)
        self.rounds, self.rank = rounds, rank
        super().__init__(input_size, hidden_size, ("h", "c"), bias, device, dtype)

    def add_parameters(self, place: dict[str, Any]) -> None:
        super().add_parameters(place)
        sizes = self.hidden_size, self.input_size
        for turn in range(1, self.rounds + 1):
            rows, columns = sizes[turn % 2], sizes[1 - turn % 2]
            shapes = {"": (rows, columns)}
            if self.rank is not None:
                shapes = {"_left": (rows, self.rank), "_right": (self.rank, columns)}
            for part, shape in shapes.items():
                weight = nn.Parameter(torch.empty(*shape, **place))
                self.register_parameter(f"{_name(turn)}{part}", weight)

    def step(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        for turn in range(1, self.rounds + 1):
            if turn % 2:
                x = 2 * torch.sigmoid(self._gate(turn, h)) * x
            else:
                h = 2 * torch.sigmoid(self._gate(turn, x)) * h
        gates = self.from_input(x) + self.from_hidden(h)  # [B, 4 H]
        write, forget, candidate, output = gates.chunk(4, dim=-1)  # each [B, H]
        c = torch.sigmoid(forget) * c + torch.sigmoid(write) * torch.tanh(candidate)
        return torch.sigmoid(output) * torch.tanh(c), c

    def _gate(self, turn: int, vector: Tensor) -> Tensor:
        """What a round's matrix makes of the vector that does the gating."""
        name = _name(turn)
        if self.rank is None:
            return F.linear(vector, getattr(self, name))
        narrow = F.linear(vector, getattr(self, f"{name}_right"))  # [B, k]
        return F.linear(narrow, getattr(self, f"{name}_left"))


def _name(turn: int) -> str:
    """The parameter of a round: Q gates the input on odd rounds, R the output on even ones."""
    return f"weight_{'q' if turn % 2 else 'r'}{turn}"
