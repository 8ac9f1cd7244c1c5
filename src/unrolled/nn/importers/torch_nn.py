"""Layers and cells of torch.nn, both ways.

Names, shapes and order of the parameters are torch's already: they are copied as they are.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from ...cells import GRU as GRUStep
from ...cells import LSTM as LSTMStep
from ...cells import Elman as ElmanStep
from ..cells import GRUCell, LSTMCell, RNNCell
from ..layers import GRU, LSTM, RNN
from .arrays import filled, tensors

_LAYER = ("input_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")
_CELL = ("input_size", "bias")
# The settings that both sides have, beside hidden_size, by torch's class.
_SETTINGS: dict[type[nn.Module], tuple[str, ...]] = {
    nn.RNN: (*_LAYER, "nonlinearity"),
    nn.LSTM: (*_LAYER, "proj_size"),
    nn.GRU: _LAYER,
    nn.RNNCell: (*_CELL, "nonlinearity"),
    nn.LSTMCell: _CELL,
    nn.GRUCell: _CELL,
}
_OURS: dict[type[nn.Module], Any] = {
    nn.RNN: RNN,
    nn.LSTM: LSTM,
    nn.GRU: GRU,
    nn.RNNCell: RNNCell,
    nn.LSTMCell: LSTMCell,
    nn.GRUCell: GRUCell,
}
_TORCHS: dict[type[nn.Module], Any] = {
    **{ours: torchs for torchs, ours in _OURS.items()},
    ElmanStep: nn.RNNCell,
    LSTMStep: nn.LSTMCell,
    GRUStep: nn.GRUCell,
}


def from_torch(module: nn.Module) -> nn.Module:
    """The layer or cell of this library that computes what torch's does.

    Arguments:
        module: a torch.nn.RNN, LSTM, GRU, RNNCell, LSTMCell or GRUCell, which becomes the class
            of that name in `unrolled.nn`.

    Returns:
        A module with the same settings and copies of the parameters, of their device and type;
        in training or evaluation as `module` is, frozen where it is.

    Raises:
        TypeError: something else, a subclass among it: it may compute something else.
        ValueError: parameters that something replaces, such as weight_norm.
    """
    make = _counterpart(module, "module", _OURS)
    return _taken_over(module, make, _SETTINGS[type(module)])


def to_torch(layer: nn.Module) -> nn.Module:
    """The module of torch.nn that computes what a layer or a cell does.

    `engine` and `forget_bias` do not come along: they change no result of the parameters.

    Arguments:
        layer: an RNN, LSTM, GRU or one of their cells of `unrolled.nn`, or an Elman, LSTM or GRU
            of `unrolled.cells`.

    Returns:
        As `from_torch`.

    Raises:
        TypeError: something else, a subclass among it.
        ValueError: settings that torch.nn has not; the message lists them.
    """
    make = _counterpart(layer, "layer", _TORCHS)
    beyond = ", ".join(_beyond(layer, make))
    if beyond:
        raise ValueError(
            f"torch.nn.{make.__name__} has no {beyond}; make one without, and it loads this "
            "layer's state_dict where the parameters are the same"
        )
    return _taken_over(layer, make, _SETTINGS[make])


def _counterpart(module: nn.Module, what: str, table: dict[type[nn.Module], Any]) -> Any:
    if type(module) in table:
        return table[type(module)]
    names = ", ".join(f"{_library(known)}.{known.__name__}" for known in table)
    came = type(module)
    if any(issubclass(came, known) for known in table):
        advice = "a subclass may compute something else; where it does not, load its state_dict"
    else:
        advice = "of a model pass each recurrent layer, and put the results in their places"
    raise TypeError(
        f"{what} must be one of {names}, got {_library(came)}.{came.__name__}; {advice}"
    )


def _taken_over(module: Any, make: Any, names: tuple[str, ...]) -> nn.Module:
    """What `make` makes with the settings and the parameters of `module`."""
    settings = {name: getattr(module, name) for name in names}
    made = make(hidden_size=_one_size(module), device="meta", **settings)
    made = filled(made, tensors(dict(module.named_parameters()))).train(module.training)
    for name, parameter in module.named_parameters():
        made.get_parameter(name).requires_grad_(parameter.requires_grad)
    return made


def _library(known: type) -> str:
    package = known.__module__.split(".")
    return "torch.nn" if package[0] == "torch" else ".".join(package[:2])


def _one_size(module: Any) -> int:
    """The hidden size of all layers."""
    sizes = module.hidden_size
    return sizes if isinstance(sizes, int) else sizes[0]


def _beyond(layer: Any, torchs: type[nn.Module]) -> list[str]:
    """The settings of a layer that torch's class has not."""
    plain = {"layer_norm": False, "candidate": "tanh", "reset_after": True}
    if torchs is nn.LSTMCell:
        plain["proj_size"] = 0
    found = {n: getattr(layer, n, usual) for n, usual in plain.items()}
    beyond = {n: value for n, value in found.items() if value != plain[n]}
    if getattr(layer, "nonlinearity", "tanh") not in ("tanh", "relu"):
        beyond["nonlinearity"] = layer.nonlinearity
    if hasattr(layer, "extras"):
        beyond |= _extras_beyond(layer)
    return [f"{name}={value!r}" for name, value in beyond.items()]


def _extras_beyond(layer: Any) -> dict[str, Any]:
    extras, sizes = layer.extras, layer.hidden_size
    noise = layer.steppers[0][0].noise
    asked = {
        "hidden_size": sizes if not isinstance(sizes, int) and len(set(sizes)) > 1 else None,
        "recurrent_dropout": extras.recurrent_dropout,
        # Given as one number or several, it may be zero in all of them.
        "zoneout": extras.zoneout if noise.zoneout else None,
        "weight_drop": extras.weight_drop,
        "skip": extras.skip,
    }
    return {name: value for name, value in asked.items() if value}
