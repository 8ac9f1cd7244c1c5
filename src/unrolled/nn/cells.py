"""torch.nn's recurrent cells, which are cells of this library too.

They are called as torch's are, `h = cell(x, h)`, with its parameter names, shapes and errors; and
they are unrolled, drawn and compiled as every cell is.

Shapes: B batch, I input_size, H hidden_size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..cells import GRU, LSTM, Elman
from ..cells.affine import AffineCell

Place = torch.device | str | None


class _Called(AffineCell):
    """A cell that is called as torch's are."""

    smallest = 0

    def forward(self, input: Tensor, hx: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One step.

        Arguments:
            input: [B, I], or one sample [I].
            hx: h, or the pair (h, c) of an LSTM, each [B, H], or [H]; default zeros.

        Returns:
            The new state, in the form of `hx`.

        Raises:
            ValueError, RuntimeError: as torch's cell, with its messages.
        """
        self._check_dimensions(input, hx)
        batched = input.dim() == 2
        x = input if batched else input[None]
        if hx is None:
            state = self.initial_state(len(x), dtype=x.dtype, device=x.device)
        else:
            given = (hx,) if torch.is_tensor(hx) else tuple(hx)
            state = given if batched else tuple(component[None] for component in given)
        self._check_sizes(x, state)
        new = list(self.step(x, *state))
        new = new if batched else [component[0] for component in new]
        return tuple(new) if len(new) > 1 else new[0]

    def _check_dimensions(self, input: Tensor, hx: Any) -> None:
        name = type(self).__name__
        if input.dim() not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        given = () if hx is None else (hx,) if torch.is_tensor(hx) else hx
        if hx is not None and len(given) != len(self.state_sizes):
            raise ValueError(f"{name}: hx must be {', '.join(self.state_sizes)}, got {len(given)}")
        for k, component in enumerate(given):
            what = "hidden" if torch.is_tensor(hx) else f"hx[{k}]"
            if component.dim() not in (1, 2):
                raise ValueError(
                    f"{name}: Expected {what} to be 1D or 2D, got {component.dim()}D instead"
                )

    def _check_sizes(self, x: Tensor, state: tuple[Tensor, ...]) -> None:
        if x.shape[1] != self.input_size:
            raise RuntimeError(
                f"input has inconsistent input_size: got {x.shape[1]} expected {self.input_size}"
            )
        for k, (component, size) in enumerate(zip(state, self.state_sizes.values(), strict=True)):
            if component.shape[1] != size:
                raise RuntimeError(
                    f"hidden{k} has inconsistent hidden_size: got {component.shape[1]}, "
                    f"expected {size}"
                )
            if component.dim() != 2 or len(component) != len(x):
                raise RuntimeError(
                    f"Input batch size {len(x)} doesn't match hidden{k} batch size {len(component)}"
                )

    def extra_repr(self) -> str:
        return nn.RNNCellBase.extra_repr(self)  # pyright: ignore[reportArgumentType]


class RNNCell(_Called, Elman, nn.RNNCell):
    """`torch.nn.RNNCell`, as a cell.

    Arguments:
        input_size, hidden_size, bias, nonlinearity, device, dtype: as `torch.nn.RNNCell` takes
            them.
        layer_norm: as `unrolled.cells.Elman` takes it.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Place = None,
        dtype: torch.dtype | None = None,
        *,
        layer_norm: bool = False,
    ):
        Elman.__init__(self, input_size, hidden_size, bias, nonlinearity, layer_norm, device, dtype)


class LSTMCell(_Called, LSTM, nn.LSTMCell):
    """`torch.nn.LSTMCell`, as a cell. `unrolled.cells.LSTM` has the keywords.

    Arguments:
        input_size, hidden_size, bias, device, dtype: as `torch.nn.LSTMCell` takes them.
        candidate, layer_norm, forget_bias: as `unrolled.cells.LSTM` takes them.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Place = None,
        dtype: torch.dtype | None = None,
        *,
        candidate: str = "tanh",
        layer_norm: bool = False,
        forget_bias: float | None = None,
    ):
        LSTM.__init__(
            self, input_size, hidden_size, bias, candidate, 0, layer_norm, forget_bias, device,
            dtype,
        )  # fmt: skip


class GRUCell(_Called, GRU, nn.GRUCell):
    """`torch.nn.GRUCell`, as a cell. `unrolled.cells.GRU` has the keywords.

    Arguments:
        input_size, hidden_size, bias, device, dtype: as `torch.nn.GRUCell` takes them.
        reset_after, layer_norm: as `unrolled.cells.GRU` takes them.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Place = None,
        dtype: torch.dtype | None = None,
        *,
        reset_after: bool = True,
        layer_norm: bool = False,
    ):
        GRU.__init__(self, input_size, hidden_size, bias, reset_after, layer_norm, device, dtype)
