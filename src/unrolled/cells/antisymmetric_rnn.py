"""The antisymmetric RNN: Euler steps of a differential equation at the edge of stability.

    a(t) = (W - W' - gamma I) h(t-1)
    h(t) = h(t-1) + epsilon tanh(a(t) + U x(t) + b)                 plain
    h(t) = h(t-1) + epsilon z(t) tanh(a(t) + U x(t) + b)            gated
    z(t) = sigmoid(a(t) + U_z x(t) + b_z)

The eigenvalues of W - W' are imaginary: the continuous system neither forgets nor explodes. gamma
moves them to the left, as much as steps of size epsilon need to be stable.

References:
    Chang, Chen, Haber and Chi, "AntisymmetricRNN: a dynamical system view on recurrent neural
        networks", ICLR 2019.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .affine import AffineCell
from .ranges import check_number


class AntisymmetricRNN(AffineCell):
    """State `h`. Parameters and initialisation of `torch.nn.RNNCell`, and those of the gate.

    W is `weight_hh`, of which only the antisymmetric part is used. A gated cell has also
    `weight_iz` (U_z) [H, I] and `bias_iz` [H]; the recurrent map, with its bias, is shared:
    b = bias_ih + bias_hh and b_z = bias_iz + bias_hh.

    Arguments:
        input_size: features of x.
        hidden_size: H, size of h.
        bias: whether the affine maps have biases.
        epsilon: size of an Euler step. The paper tunes it and gamma for every task.
        gamma: diffusion, from 0 up.
        gated: let z(t) scale the step.

    Raises:
        ValueError: epsilon that is not above 0, gamma below 0, or a size below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        epsilon: float = 0.1,
        gamma: float = 0.1,
        gated: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        check_number("epsilon", epsilon)
        check_number("gamma", gamma, zero=True)
        self.epsilon, self.gamma, self.gated = epsilon, gamma, gated
        super().__init__(input_size, hidden_size, ("h",), bias, device, dtype)

    def add_parameters(self, place: dict[str, Any]) -> None:
        if self.gated:
            size = self.hidden_size
            self.weight_iz = nn.Parameter(torch.empty(size, self.input_size, **place))
            self.bias_iz = nn.Parameter(torch.empty(size, **place)) if self.bias else None

    def from_hidden(self, h: Tensor) -> Tensor:
        h = self.masked(h)
        return F.linear(h, self.weight_hh - self.weight_hh.T, self.bias_hh) - self.gamma * h

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        recurrent = self.from_hidden(h)
        slope = torch.tanh(self.from_input(x) + recurrent)
        if self.gated:
            gate = torch.sigmoid(F.linear(x, self.weight_iz, self.bias_iz) + recurrent)
            slope = gate * slope
        return (h + self.epsilon * slope,)
