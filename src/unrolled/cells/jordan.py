"""The Jordan network: the output feeds back, the hidden layer does not.

    h(t) = tanh(b + U x(t) + W y(t-1))
    y(t) = output(c + V h(t))

The state is y. Forcing y with the true outputs makes every step independent of the others
(teacher forcing), because nothing else is carried.

References:
    Jordan, "Serial order: a parallel distributed processing approach", 1986.
    Goodfellow, Bengio and Courville, "Deep Learning", section 10.2.1.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..naming import one_of
from .affine import NONLINEARITIES, identity, nonlinearity_named
from .cell import Cell, check_size, draw_uniform

OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": identity,
    "softmax": partial(torch.softmax, dim=-1),
    **NONLINEARITIES,
}


class Jordan(Cell):
    """State `y`, [B, output_size].

    Parameters: `weight_ih` (U) [H, I], `weight_yh` (W) [H, O], `bias_h` (b) [H],
    `weight_hy` (V) [O, H], `bias_y` (c) [O].

    Arguments:
        input_size: features of x.
        hidden_size: H, size of the hidden layer.
        output_size: O, size of y; default `hidden_size`.
        nonlinearity: of the hidden layer: "tanh", "sigmoid" or "relu".
        output: of y: "identity", "softmax", "tanh", "sigmoid" or "relu".

    Raises:
        ValueError: an unknown nonlinearity or output, or a size below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int | None = None,
        nonlinearity: str = "tanh",
        output: str = "identity",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        output_size = hidden_size if output_size is None else output_size
        super().__init__(input_size, {"y": output_size})
        check_size("hidden_size", hidden_size)
        self.hidden_size, self.nonlinearity, self.output = hidden_size, nonlinearity, output
        self._activate = nonlinearity_named(nonlinearity, "nonlinearity")
        self._emit = OUTPUTS[one_of(output, OUTPUTS, "output")]
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        self.weight_ih = nn.Parameter(torch.empty(hidden_size, input_size, **place))
        self.weight_yh = nn.Parameter(torch.empty(hidden_size, output_size, **place))
        self.bias_h = nn.Parameter(torch.empty(hidden_size, **place))
        self.weight_hy = nn.Parameter(torch.empty(output_size, hidden_size, **place))
        self.bias_y = nn.Parameter(torch.empty(output_size, **place))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every parameter anew from U(-1/sqrt(H), 1/sqrt(H))."""
        draw_uniform(self, self.hidden_size)

    def step(self, x: Tensor, y: Tensor) -> tuple[Tensor]:
        fed_back = F.linear(y, self.weight_yh)
        h = self._activate(F.linear(x, self.weight_ih, self.bias_h) + fed_back)
        return (self._emit(F.linear(h, self.weight_hy, self.bias_y)),)
