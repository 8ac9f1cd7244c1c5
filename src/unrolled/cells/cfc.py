"""The closed-form continuous-time network: a liquid time-constant network without a solver.

    s    = backbone(x(t), h(t-1))                                layers that all maps share
    late = sigmoid(a(s) elapsed + b(s))

    h(t) = (1 - late) tanh(g(s)) + late tanh(k(s))               "default"
    h(t) = tanh(g(s)) + late tanh(k(s))                          "no_gate"
    h(t) = A - A exp(-(|w| + |g(s)|) elapsed) g(s)               "pure"

a, b, g and k are affine. In the paper, sigmoid(-f t) g + (1 - sigmoid(-f t)) h, there is no b; it
is in the authors' code, whose parameter names and defaults (ncps) are those here.

References:
    Hasani, Lechner, Amini, Liebenwein, Ray, Tschaikowski, Teschl and Rus, "Closed-form
        continuous-time neural networks", Nature Machine Intelligence 4, 2022.
"""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ..naming import one_of
from .cell import Cell, check_size
from .elapsed import mapped_features, split_elapsed

MODES = ("default", "no_gate", "pure")


class LeCunTanh(nn.Module):
    """1.7159 tanh(0.666 a)."""

    def forward(self, a: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(0.666 * a)


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "lecun_tanh": LeCunTanh,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
}


class CfC(Cell):
    """State `h`. Parameters of `ncps.torch.CfCCell`, whose state_dict it loads.

    `backbone` is affine maps of `backbone_units` rows; `ff1` (g), `ff2` (k), `time_a` (a) and
    `time_b` (b) are affine maps of H rows. "pure" has of these `ff1` only, and `w_tau` (w) and `A`
    [1, H]. Matrices, with w_tau and A, are Xavier uniform, biases as `nn.Linear` draws them.

    Arguments:
        input_size: features of x.
        hidden_size: H, size of h.
        bias: whether the affine maps have biases.
        mode: "default", "no_gate" or "pure".
        backbone_layers: number of layers that the maps share; 0 for none.
        backbone_units: size of each of them.
        backbone_activation: "lecun_tanh", "tanh", "relu", "silu" or "gelu".
        elapsed: the time between steps, or "input": the last feature of x is the time since the
            previous step, which the maps do not read.

    Raises:
        ValueError: an unknown mode or activation, an elapsed or a size out of range.
    """

    ff1: nn.Linear
    ff2: nn.Linear
    time_a: nn.Linear
    time_b: nn.Linear

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        mode: str = "default",
        backbone_layers: int = 1,
        backbone_units: int = 128,
        backbone_activation: str = "lecun_tanh",
        elapsed: float | str = 1.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(input_size, {"h": hidden_size})
        features = mapped_features(input_size, elapsed)
        self.reads_time = elapsed == "input"
        check_size("backbone_layers", backbone_layers, smallest=0)
        check_size("backbone_units", backbone_units)
        self.hidden_size, self.bias, self.elapsed = hidden_size, bias, elapsed
        self.mode = one_of(mode, MODES, "mode")
        place: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        activation = ACTIVATIONS[one_of(backbone_activation, ACTIVATIONS, "backbone_activation")]
        sizes = [features + hidden_size, *[backbone_units] * backbone_layers]
        layers = [
            layer
            for read, made in pairwise(sizes)
            for layer in (nn.Linear(read, made, **place), activation())
        ]
        self.backbone = nn.Sequential(*layers)
        for name in ("ff1",) if mode == "pure" else ("ff1", "ff2", "time_a", "time_b"):
            self.add_module(name, nn.Linear(sizes[-1], hidden_size, **place))
        if mode == "pure":
            self.w_tau = nn.Parameter(torch.empty(1, hidden_size, device=device, dtype=dtype))
            self.A = nn.Parameter(torch.empty(1, hidden_size, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every parameter anew."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.xavier_uniform_(parameter)

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        features, elapsed = split_elapsed(x, self.elapsed)
        shared = self.backbone(torch.cat([features, h], dim=-1))
        if self.mode == "pure":
            early = self.ff1(shared)
            decay = torch.exp(-(self.w_tau.abs() + early.abs()) * elapsed)
            return (self.A - self.A * decay * early,)
        early, new = torch.tanh(self.ff1(shared)), torch.tanh(self.ff2(shared))
        late = torch.sigmoid(self.time_a(shared) * elapsed + self.time_b(shared))
        kept = early if self.mode == "no_gate" else (1 - late) * early
        return (kept + late * new,)
