"""RNN, LSTM and GRU with everything of torch.nn's layers, and what they have been asked for.

Each is a torch.nn layer by class: arguments, defaults, parameter names, shapes, errors and
state_dict are those of torch.nn. Further arguments are keywords, and with all of them left out the
results are torch.nn's. The steps run in the library's engines.

References: those of the cells, and of `nn.noise`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..cells import GRU as GRUStep
from ..cells import LSTM as LSTMStep
from ..cells import Cell
from ..cells import Elman as ElmanStep
from ..engines import Engine
from .drop_in import DropIn, Extras, Place, Sizes, count_of, first_of
from .recurrent import Zoneout


class RNN(DropIn, nn.RNN):
    """`torch.nn.RNN`: an Elman network with tanh or ReLU.

    Arguments:
        input_size, hidden_size, num_layers, nonlinearity, bias, batch_first, dropout,
        bidirectional, device, dtype: as `torch.nn.RNN` takes them; `hidden_size` may be a list,
            one for each layer, which then tells `num_layers`.
        layer_norm: normalise the pre-activations (`unrolled.cells.Elman`).
        recurrent_dropout: share of h that the recurrent products do not see, one mask for a
            sequence, in training.
        zoneout: share of the state that keeps its value at a step, one number or one for each
            component; in evaluation its mean.
        weight_drop: share of the entries of `weight_hh` that are zero, one mask for a batch, in
            training. The parameters keep their names and values.
        skip: whether every layer but the first adds its input to its output.
        engine: as `unrolled.unroll` takes it.

    Raises:
        ValueError, TypeError: as `torch.nn.RNN`, and for shares and sizes that do not fit.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Sizes,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Place = None,
        dtype: torch.dtype | None = None,
        *,
        layer_norm: bool = False,
        recurrent_dropout: float = 0.0,
        zoneout: Zoneout = 0.0,
        weight_drop: float = 0.0,
        skip: bool = False,
        engine: str | Engine = "auto",
    ):
        if proj_size:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        layers = count_of(hidden_size, num_layers)
        nn.RNN.__init__(
            self, input_size, first_of(hidden_size), layers, nonlinearity, bias, batch_first,
            dropout, bidirectional, device="meta", dtype=dtype,
        )  # fmt: skip
        self.layer_norm = layer_norm
        extras = Extras(recurrent_dropout, zoneout, weight_drop, skip, engine)
        self._build(input_size, hidden_size, extras, {"device": device, "dtype": dtype})

    def _make_cell(self, input_size: int, hidden_size: int, place: dict[str, Any]) -> Cell:
        return ElmanStep(
            input_size, hidden_size, self.bias, self.nonlinearity, self.layer_norm, **place
        )


class LSTM(DropIn, nn.LSTM):
    """`torch.nn.LSTM`.

    Arguments:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
        proj_size, device, dtype: as `torch.nn.LSTM` takes them; `hidden_size` may be a list,
            one for each layer, which then tells `num_layers`.
        layer_norm, candidate, forget_bias: as `unrolled.cells.LSTM` takes them.
        recurrent_dropout, zoneout, weight_drop, skip, engine: as `RNN` takes them; `zoneout`
            may be a pair, of h and of c.

    Raises:
        ValueError, TypeError: as `torch.nn.LSTM`, and for shares and sizes that do not fit.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Sizes,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Place = None,
        dtype: torch.dtype | None = None,
        *,
        layer_norm: bool = False,
        candidate: str = "tanh",
        forget_bias: float | None = None,
        recurrent_dropout: float = 0.0,
        zoneout: Zoneout = 0.0,
        weight_drop: float = 0.0,
        skip: bool = False,
        engine: str | Engine = "auto",
    ):
        layers = count_of(hidden_size, num_layers)
        nn.LSTM.__init__(
            self, input_size, first_of(hidden_size), layers, bias, batch_first, dropout,
            bidirectional, proj_size, device="meta", dtype=dtype,
        )  # fmt: skip
        self.layer_norm, self.candidate, self.forget_bias = layer_norm, candidate, forget_bias
        extras = Extras(recurrent_dropout, zoneout, weight_drop, skip, engine)
        self._build(input_size, hidden_size, extras, {"device": device, "dtype": dtype})

    def _make_cell(self, input_size: int, hidden_size: int, place: dict[str, Any]) -> Cell:
        return LSTMStep(
            input_size,
            hidden_size,
            self.bias,
            self.candidate,
            self.proj_size,
            self.layer_norm,
            self.forget_bias,
            **place,
        )


class GRU(DropIn, nn.GRU):
    """`torch.nn.GRU`.

    Arguments:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device,
        dtype: as `torch.nn.GRU` takes them; `hidden_size` may be a list, one for each layer,
            which then tells `num_layers`.
        reset_after: apply the reset gate after the recurrent product (torch) or before (paper).
        layer_norm: as `unrolled.cells.GRU` takes it.
        recurrent_dropout, zoneout, weight_drop, skip, engine: as `RNN` takes them.

    Raises:
        ValueError, TypeError: as `torch.nn.GRU`, and for shares and sizes that do not fit.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: Sizes,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Place = None,
        dtype: torch.dtype | None = None,
        *,
        reset_after: bool = True,
        layer_norm: bool = False,
        recurrent_dropout: float = 0.0,
        zoneout: Zoneout = 0.0,
        weight_drop: float = 0.0,
        skip: bool = False,
        engine: str | Engine = "auto",
    ):
        if proj_size:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        layers = count_of(hidden_size, num_layers)
        nn.GRU.__init__(
            self, input_size, first_of(hidden_size), layers, bias, batch_first, dropout,
            bidirectional, device="meta", dtype=dtype,
        )  # fmt: skip
        self.reset_after, self.layer_norm = reset_after, layer_norm
        extras = Extras(recurrent_dropout, zoneout, weight_drop, skip, engine)
        self._build(input_size, hidden_size, extras, {"device": device, "dtype": dtype})

    def _make_cell(self, input_size: int, hidden_size: int, place: dict[str, Any]) -> Cell:
        return GRUStep(
            input_size, hidden_size, self.bias, self.reset_after, self.layer_norm, **place
        )
