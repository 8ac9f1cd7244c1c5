"""The gated recurrent unit.

    r(t) = sigmoid(b_r + U_r x(t) + W_r h(t-1))                       reset gate
    z(t) = sigmoid(b_z + U_z x(t) + W_z h(t-1))                       update gate
    n(t) = tanh(b_n + U_n x(t) + r(t) (W_n h(t-1) + b_hn))            reset after the product
    n(t) = tanh(b_n + U_n x(t) + W_n (r(t) h(t-1)) + b_hn)            reset before it
    h(t) = (1 - z(t)) n(t) + z(t) h(t-1)

Reset after the product is the form of torch and cuDNN; reset before it is the paper's, up to
the name of z: the paper's update gate is the one written here. With layer normalisation the
products are normalised, over the rows of both gates together and over those of n.

References:
    Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014.
    Ba, Kiros and Hinton, "Layer normalization", arXiv 1607.06450, 2016.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from .affine import AffineCell


class GRU(AffineCell):
    """State `h`. Parameters, gate order (r, z, n) and initialisation of `torch.nn.GRUCell`.

    Arguments:
        input_size: features of x.
        hidden_size: size of h.
        bias: whether the affine maps have biases.
        reset_after: apply the reset gate after the recurrent product (torch) or before (paper).
        layer_norm: normalise the products; adds the parameters that `AffineCell` names.

    Raises:
        ValueError: a size below 1.
    """

    gates = ("r", "z", "n")
    keeps: Mapping[str, int] = {"z": 1}
    parts = (2, 1)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        reset_after: bool = True,
        layer_norm: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(
            input_size, hidden_size, ("h",), bias, device, dtype, layer_norm=layer_norm
        )
        self.reset_after = reset_after

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        advance = self._step_reset_after if self.reset_after else self._step_reset_before
        return (advance(self.from_input(x), h),)

    def _step_reset_after(self, drive: Tensor, h: Tensor) -> Tensor:
        drive_r, drive_z, drive_n = drive.chunk(3, dim=-1)
        hidden_r, hidden_z, hidden_n = self.from_hidden(h).chunk(3, dim=-1)
        reset, update = torch.sigmoid(drive_r + hidden_r), torch.sigmoid(drive_z + hidden_z)
        new = torch.tanh(drive_n + reset * hidden_n)
        return (1 - update) * new + update * h

    def _step_reset_before(self, drive: Tensor, h: Tensor) -> Tensor:
        size = self.hidden_size
        gates, drive_n = drive.split([2 * size, size], dim=-1)
        reset, update = torch.sigmoid(gates + self.part_from_hidden(h, 0)).chunk(2, dim=-1)
        new = torch.tanh(drive_n + self.part_from_hidden(reset * h, 1))
        return (1 - update) * new + update * h
