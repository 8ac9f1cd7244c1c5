"""Cells that every part of the graph is tested on: torch's, torchrecurrent's, our own."""

import warnings

import torch
import torchrecurrent
from torch import nn

import unrolled as ur

TORCH = (nn.RNNCell, nn.GRUCell, nn.LSTMCell)
TORCHRECURRENT = sorted(name for name in dir(torchrecurrent) if name.endswith("Cell"))
OURS = {
    "Elman": lambda: ur.cells.Elman(3, 5),
    "Elman relu": lambda: ur.cells.Elman(3, 5, nonlinearity="relu", bias=False),
    "Jordan": lambda: ur.cells.Jordan(3, 5, 4),
    "Jordan softmax": lambda: ur.cells.Jordan(3, 5, 4, output="softmax"),
    "LSTM": lambda: ur.cells.LSTM(3, 5),
    "LSTM sigmoid": lambda: ur.cells.LSTM(3, 5, candidate="sigmoid", bias=False),
    "GRU": lambda: ur.cells.GRU(3, 5),
    "GRU reset before": lambda: ur.cells.GRU(3, 5, reset_after=False),
}
NAMES = [*(kind.__name__ for kind in TORCH), *TORCHRECURRENT, *OURS]


class Pendulum(ur.Cell):
    """An autonomous system: s(t) = f(s(t-1); theta), the angle and speed of a pendulum."""

    def __init__(self):
        super().__init__(0, {"s": 2})
        self.stiffness = nn.Parameter(torch.tensor(0.7))

    def step(self, x, s):
        angle, speed = s[:, :1], s[:, 1:]
        return (torch.cat([angle + 0.1 * speed, speed - 0.1 * self.stiffness * angle.sin()], 1),)


def cell_named(name: str) -> ur.Cell:
    """A cell of the catalogue in float64, with parameters from the current seed."""
    for kind in TORCH:
        if name == kind.__name__:
            return ur.Cell.wrap(kind(3, 5)).double()
    if name in OURS:
        return OURS[name]().double()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ur.Cell.wrap(getattr(torchrecurrent, name)(4, 4)).double()


def arguments(cell: ur.Cell, *leading: int) -> list[torch.Tensor]:
    """An input and a state, float64, away from the kinks of ReLU and hard sigmoid at zero."""
    sizes = [cell.input_size, *cell.state_sizes.values()]
    return [torch.rand(*leading, size, dtype=torch.float64) + 0.1 for size in sizes]
