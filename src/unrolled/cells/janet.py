"""JANET, "just another network": a long short-term memory with the forget gate alone.

    s(t) = b_f + U_f x(t) + W_f h(t-1)                                   gate's pre-activation
    g(t) = tanh(b_g + U_g x(t) + W_g h(t-1))                             candidate
    h(t) = sigmoid(s(t)) h(t-1) + (1 - sigmoid(s(t) - beta)) g(t)

The memory is the output. With a positive beta more is written than is forgotten.

The paper draws the biases by chrono initialisation: b_f is the logarithm of a number uniform
between 1 and T - 1, where T is the longest dependency, and b_g is zero. A unit then forgets at
its own pace, within 1 to T steps.

References:
    van der Westhuizen and Lasenby, "The unreasonable effectiveness of the forget gate", arXiv
        1804.04849, 2018.
    Tallec and Ollivier, "Can recurrent neural networks warp time?", ICLR 2018.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .affine import AffineCell
from .cell import check_size


class JANET(AffineCell):
    """State `h`. Parameters of `torch.nn.RNNCellBase`, gate order (f, g).

    Arguments:
        input_size: features of x.
        hidden_size: size of h.
        bias: whether the affine maps have biases.
        beta: how far the gate that writes lags behind the gate that forgets.
        longest: T, the longest dependency in steps, for chrono initialisation; None to draw the
            biases as the weights.

    Raises:
        ValueError: a size below 1, a `longest` below 2, or one where there are no biases.
    """

    gates = ("f", "g")
    keeps: Mapping[str, int] = {"f": 1}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        beta: float = 1.0,
        longest: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        if longest is not None:
            check_size("longest", longest, smallest=2)
            if not bias:
                raise ValueError("longest needs bias=True: it is the biases that it sets")
        self.beta, self.longest = beta, longest
        super().__init__(input_size, hidden_size, ("h",), bias, device, dtype)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        if self.longest is not None and self.bias_ih is not None and self.bias_hh is not None:
            nn.init.zeros_(self.bias_ih)
            nn.init.zeros_(self.bias_hh)
            with torch.no_grad():
                self.bias_ih[: self.hidden_size].uniform_(1, self.longest - 1).log_()

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        gate, candidate = (self.from_input(x) + self.from_hidden(h)).chunk(2, dim=-1)  # [B, H]
        forget, write = torch.sigmoid(gate), 1 - torch.sigmoid(gate - self.beta)
        return (forget * h + write * torch.tanh(candidate),)
