"""The echo state network's reservoir: a random leaky RNN that is not trained.

    h(t) = (1 - leak) h(t-1) + leak tanh(U x(t) + W h(t-1) + b)

Only the readout above it learns. W is random, sparse and scaled to a spectral radius, usually
below 1, so that the state forgets how it began (the echo state property).

References:
    Jaeger, "The 'echo state' approach to analysing and training recurrent neural networks", GMD
        report 148, 2001.
    Lukoševičius, "A practical guide to applying echo state networks", in "Neural networks: tricks
        of the trade", 2012, equations 2 and 3.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cell import Cell
from .ranges import check_number

# Connections that each unit receives where no density is given, as the practical guide advises.
CONNECTIONS = 10


class EchoState(Cell):
    """State `h`. Buffers `weight_ih` (U) [H, I], `weight_hh` (W) [H, H], `bias_ih` (b) [H].

    They are drawn from torch's generator and saved with the cell; it has no parameters. U and b
    are uniform in their scaling times (-1, 1). So are the connections of W, before W is scaled.

    Arguments:
        input_size: features of x.
        hidden_size: H, size of h.
        bias: whether there is b.
        spectral_radius: largest magnitude of the eigenvalues of W.
        leak: the share of the state that a step renews, above 0 and up to 1.
        input_scaling: largest magnitude in U.
        bias_scaling: largest magnitude in b.
        density: share of the entries of W that are not zero; None for 10 in a row, on average.

    Raises:
        ValueError: a number out of its range, a size below 1, or a density so low that the
            connections drawn form no cycle: all eigenvalues are then zero.
    """

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        spectral_radius: float = 0.9,
        leak: float = 1.0,
        input_scaling: float = 1.0,
        bias_scaling: float = 1.0,
        density: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(input_size, {"h": hidden_size})
        density = min(1.0, CONNECTIONS / hidden_size) if density is None else density
        check_number("spectral_radius", spectral_radius)
        check_number("leak", leak, most=1)
        check_number("input_scaling", input_scaling)
        check_number("bias_scaling", bias_scaling, zero=True)
        check_number("density", density, most=1)
        self.hidden_size, self.bias, self.leak = hidden_size, bias, leak
        self.spectral_radius, self.density = spectral_radius, density
        self.input_scaling, self.bias_scaling = input_scaling, bias_scaling
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        self.register_buffer("weight_ih", torch.empty(hidden_size, input_size, **place))
        self.register_buffer("weight_hh", torch.empty(hidden_size, hidden_size, **place))
        self.register_buffer("bias_ih", torch.empty(hidden_size, **place) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw another reservoir."""
        nn.init.uniform_(self.weight_ih, -self.input_scaling, self.input_scaling)
        if self.bias_ih is not None:
            nn.init.uniform_(self.bias_ih, -self.bias_scaling, self.bias_scaling)
        nn.init.uniform_(self.weight_hh, -1, 1)
        self.weight_hh *= torch.rand_like(self.weight_hh) < self.density
        radius = torch.linalg.eigvals(self.weight_hh.to("cpu", torch.float64)).abs().max().item()
        if radius == 0:
            raise ValueError(
                f"density {self.density:g} leaves {self.hidden_size} units without a cycle, so "
                "there is no spectral radius to scale; raise density"
            )
        self.weight_hh *= self.spectral_radius / radius

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        drive = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh)
        return ((1 - self.leak) * h + self.leak * torch.tanh(drive),)
