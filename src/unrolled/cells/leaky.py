"""The leaky RNN: a recurrent network in continuous time, in Euler steps.

    tau dh/dt = -h + f(U x + W h + b)

    h(t) = (1 - a) h(t-1) + a f(U x(t) + W h(t-1) + b),    a = elapsed / tau

`leak` is 1 / tau: the share of the state that a step of one unit of time renews.

References:
    Funahashi and Nakamura, "Approximation of dynamical systems by continuous time recurrent
        neural networks", Neural Networks 6, 1993.
    Jaeger, Lukoševičius, Popovici and Siewert, "Optimization and applications of echo state
        networks with leaky-integrator neurons", Neural Networks 20, 2007.
"""

import torch
from torch import Tensor

from .affine import AffineCell, nonlinearity_named
from .elapsed import mapped_features, split_elapsed
from .ranges import check_number


class Leaky(AffineCell):
    """State `h`. Parameters and initialisation of `torch.nn.RNNCell`.

    With `elapsed="input"` a step over a time above tau overshoots, as Euler steps do, and beyond
    2 tau it is unstable: choose the unit of time so that the longest gap stays below tau.

    Arguments:
        input_size: features of x.
        hidden_size: size of h.
        bias: whether the affine maps have biases.
        leak: 1 / tau, above 0 and up to 1.
        nonlinearity: "tanh", "sigmoid", "relu" or "identity".
        elapsed: the time between steps, or "input": the last feature of x is the time since the
            previous step, which the maps do not read.

    Raises:
        ValueError: a leak or an elapsed out of range, a product of the two above 1, an unknown
            nonlinearity, or a size below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        leak: float = 0.1,
        nonlinearity: str = "tanh",
        elapsed: float | str = 1.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        check_number("leak", leak, most=1)
        features = mapped_features(input_size, elapsed)
        if not isinstance(elapsed, str):
            check_number("leak * elapsed", leak * elapsed, most=1)
        super().__init__(features, hidden_size, ("h",), bias, device, dtype)
        self.reads_time = elapsed == "input"
        self.input_size, self.elapsed = input_size, elapsed
        self.leak, self.nonlinearity = leak, nonlinearity
        self._activate = nonlinearity_named(nonlinearity, "nonlinearity")

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        features, elapsed = split_elapsed(x, self.elapsed)
        renewed = self.leak * elapsed
        target = self._activate(self.from_input(features) + self.from_hidden(h))
        return ((1 - renewed) * h + renewed * target,)
