"""The Jordan network: the output feeds back, the hidden layer does not.

    h(t) = tanh(b + U x(t) + W y(t-1))
    y(t) = output(c + V h(t))

The state is y. Forcing y with the true outputs makes every step independent of the others
(teacher forcing), because nothing else is carried.

`OutputRecurrent` is what this cell has in common with any other whose output recurs: it holds its
readout itself, and says what the output pre-activation o is, which is in no state.

Shapes: N samples of one step, I input_size, O output_size.

References:
    Jordan, "Serial order: a parallel distributed processing approach", 1986.
    Goodfellow, Bengio and Courville, "Deep Learning", section 10.2.1.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..naming import one_of
from .affine import NONLINEARITIES, nonlinearity_named
from .cell import Cell, check_size, draw_uniform

OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": partial(torch.softmax, dim=-1),
    **NONLINEARITIES,
}


class OutputRecurrent(Cell):
    """A cell whose output recurs: the first component of its state is y.

    Extend it and define `step` and `pre_activation`.

    Attributes:
        output: name of the function, of `OUTPUTS`, that makes y of o.
    """

    output: str

    @property
    def output_size(self) -> int:
        """O, the size of o and y."""
        return next(iter(self.state_sizes.values()))

    def pre_activation(
        self, x: Tensor, before: Mapping[str, Tensor], after: Mapping[str, Tensor]
    ) -> Tensor:
        """o(t), [N, O], of any number of steps side by side.

        Arguments:
            x: x(t), [N, I].
            before: the state that the steps read, by component, each [N, size].
            after: the state that they gave.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not define pre_activation(x, before, after)"
        )


class Jordan(OutputRecurrent):
    """State `y`, [B, output_size].

    Parameters: `weight_ih` (U) [H, I], `weight_yh` (W) [H, O], `bias_h` (b) [H],
    `weight_hy` (V) [O, H], `bias_y` (c) [O].

    Arguments:
        input_size: features of x.
        hidden_size: H, size of the hidden layer.
        output_size: O, size of y; default `hidden_size`.
        nonlinearity: of the hidden layer: "tanh", "sigmoid", "relu" or "identity".
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
        return (self._emit(self.pre_activation(x, {"y": y}, {})),)

    def pre_activation(
        self, x: Tensor, before: Mapping[str, Tensor], after: Mapping[str, Tensor]
    ) -> Tensor:
        """o(t) = c + V h(t), [N, O], from x(t) and y(t-1)."""
        fed_back = F.linear(before["y"], self.weight_yh)
        h = self._activate(F.linear(x, self.weight_ih, self.bias_h) + fed_back)
        return F.linear(h, self.weight_hy, self.bias_y)
