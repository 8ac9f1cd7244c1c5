"""The coupled oscillatory RNN: driven and damped oscillators that act on each other.

    y'' = tanh(W y + V y' + U x + b) - gamma y - epsilon y'

With the velocity z = y' it advances by steps of dt:

    z(t) = z(t-1) + dt (tanh(W y(t-1) + V z(t-1) + U x(t) + b) - gamma y(t-1) - epsilon z(s))
    y(t) = y(t-1) + dt z(t)

where the damping reads z(s) at s = t-1 (explicit) or at s = t (implicit, solved for z(t)).

References:
    Rusch and Mishra, "Coupled oscillatory recurrent neural network (coRNN): an accurate and
        (gradient) stable architecture for learning long time dependencies", ICLR 2021.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..naming import one_of
from .affine import AffineCell
from .ranges import check_number


class CoRNN(AffineCell):
    """State `y, z`: positions and velocities. Parameters of `torch.nn.RNNCell`, and V.

    W is `weight_hh`, V is `weight_zh` [H, H], b = bias_ih + bias_hh. All are drawn from
    U(-1/sqrt(H), 1/sqrt(H)).

    Arguments:
        input_size: features of x.
        hidden_size: H, the number of oscillators: size of y and of z.
        bias: whether there is b.
        dt: time step.
        gamma: stiffness, the square of the oscillators' own frequency.
        epsilon: damping.
        damping: "explicit", as in the authors' experiments, or "implicit".

    The default dt, gamma and epsilon are the authors' for sequential MNIST. They tune them for
    every task: the products with dt decide how far back the cell remembers.

    Raises:
        ValueError: dt, gamma or epsilon that is not above 0, an unknown damping, a size below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        dt: float = 0.042,
        gamma: float = 2.7,
        epsilon: float = 4.7,
        damping: str = "explicit",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        for name, value in {"dt": dt, "gamma": gamma, "epsilon": epsilon}.items():
            check_number(name, value)
        self.dt, self.gamma, self.epsilon = dt, gamma, epsilon
        self.damping = one_of(damping, ("explicit", "implicit"), "damping")
        super().__init__(input_size, hidden_size, ("y", "z"), bias, device, dtype)

    def add_parameters(self, place: dict[str, Any]) -> None:
        self.weight_zh = nn.Parameter(torch.empty(self.hidden_size, self.hidden_size, **place))

    def step(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        coupling = self.from_hidden(y) + F.linear(self.masked(z), self.weight_zh)
        force = torch.tanh(self.from_input(x) + coupling) - self.gamma * y
        if self.damping == "implicit":
            z = (z + self.dt * force) / (1 + self.dt * self.epsilon)
        else:
            z = z + self.dt * (force - self.epsilon * z)
        return y + self.dt * z, z
