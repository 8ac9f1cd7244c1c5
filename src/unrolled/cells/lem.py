"""Long expressive memory: two coupled states, each with learned time steps of its own.

    d(t) = dt sigmoid(W_1 y(t-1) + U_1 x(t) + b_1)                          time steps of z
    e(t) = dt sigmoid(W_2 y(t-1) + U_2 x(t) + b_2)                          time steps of y
    z(t) = (1 - d(t)) z(t-1) + d(t) tanh(W_z y(t-1) + U_z x(t) + b_z)
    y(t) = (1 - e(t)) y(t-1) + e(t) tanh(W_y z(t) + U_y x(t) + b_y)

y is the output, and reads the new z.

References:
    Rusch, Mishra, Erichson and Mahoney, "Long expressive memory for sequence modeling", ICLR
        2022.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from .affine import AffineCell
from .ranges import check_number


class LEM(AffineCell):
    """State `y, z`. `weight_ih` [4 H, I], `weight_hh` [4 H, H], `bias_ih`, `bias_hh` [4 H].

    The rows are grouped as (d, e, z, y) for the equations above; those of y in `weight_hh` are
    W_y, which multiplies z(t). All are drawn from U(-1/sqrt(H), 1/sqrt(H)), as by the authors.

    Arguments:
        input_size: features of x.
        hidden_size: H, size of y and of z.
        bias: whether the affine maps have biases.
        dt: the longest time step.

    Raises:
        ValueError: dt that is not above 0, or a size below 1.
    """

    gates = ("d", "e", "z", "y")
    keeps: Mapping[str, int] = {"d": -1, "e": -1}
    parts = (3, 1)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        dt: float = 1.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        check_number("dt", dt)
        self.dt = dt
        super().__init__(input_size, hidden_size, ("y", "z"), bias, device, dtype)

    def step(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        first, drive_y = self.from_input(x).split([3 * self.hidden_size, self.hidden_size], dim=-1)
        of_z, of_y, drive_z = (first + self.part_from_hidden(y, 0)).chunk(3, dim=-1)
        step_z, step_y = self.dt * torch.sigmoid(of_z), self.dt * torch.sigmoid(of_y)
        z = (1 - step_z) * z + step_z * torch.tanh(drive_z)
        y = (1 - step_y) * y + step_y * torch.tanh(drive_y + self.part_from_hidden(z, 1))
        return y, z
