"""The liquid time-constant network: a gate drives the state and sets how fast it follows.

    f = sigmoid(U x + W h + b)
    dh/dt = -(1 / tau + f) h + f A

A step solves it over the elapsed time in L fused Euler steps, each of dt = elapsed / L:

    h <- (h + dt f A) / (1 + dt (1 / tau + f))

The h that is linear in the equation is taken at the end of dt, that inside f at its start. All is
positive below the line, so that the state stays between 0 and A whatever dt is.

This is the vector form, equations 1 and 3, with one layer for f; the authors' code has a sigmoid
for every synapse instead.

References:
    Hasani, Lechner, Amini, Rus and Grosu, "Liquid time-constant networks", AAAI 2021.
"""

from typing import Any

import torch
from torch import Tensor, nn

from .affine import AffineCell
from .cell import check_size
from .elapsed import mapped_features, split_elapsed


class LTC(AffineCell):
    """State `h`. Parameters of `torch.nn.RNNCell`, and `log_tau` and `target` (A), each [H].

    b = bias_ih + bias_hh. tau starts at 1, A is drawn from U(-1, 1), the others as torch does.

    Arguments:
        input_size: features of x.
        hidden_size: H, size of h.
        bias: whether there is b.
        solver_steps: L, the number of Euler steps between two inputs.
        elapsed: the time between steps, or "input": the last feature of x is the time since the
            previous step, which the maps do not read.

    Raises:
        ValueError: fewer than one solver step, an elapsed out of range, or a size below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        solver_steps: int = 6,
        elapsed: float | str = 1.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        check_size("solver_steps", solver_steps)
        features = mapped_features(input_size, elapsed)
        super().__init__(features, hidden_size, ("h",), bias, device, dtype)
        self.reads_time = elapsed == "input"
        self.input_size, self.elapsed, self.solver_steps = input_size, elapsed, solver_steps

    def add_parameters(self, place: dict[str, Any]) -> None:
        self.log_tau = nn.Parameter(torch.empty(self.hidden_size, **place))
        self.target = nn.Parameter(torch.empty(self.hidden_size, **place))

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.zeros_(self.log_tau)
        nn.init.uniform_(self.target, -1, 1)

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        features, elapsed = split_elapsed(x, self.elapsed)
        dt, drive = elapsed / self.solver_steps, self.from_input(features)
        rate = torch.exp(-self.log_tau)  # 1 / tau
        for _ in range(self.solver_steps):
            gate = torch.sigmoid(drive + self.from_hidden(h))
            h = (h + dt * gate * self.target) / (1 + dt * (rate + gate))
        return (h,)
