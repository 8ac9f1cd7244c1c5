"""Layers of Keras, or the arrays that their `get_weights` gives.

    kernel [I, G H],  recurrent_kernel [H, G H],  bias [G H], of a GRU with reset_after [2, 3 H]

The columns are gates: i, f, c, o of an LSTM, where c is torch's g; z, r, h of a GRU, where h is
torch's n. The update gate keeps the state, as torch's does.

Shapes: G gates, H units, I features of x.

Reference: keras.io, `keras.layers.LSTM`, `GRU`, `SimpleRNN` and `Bidirectional`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...naming import one_of
from ..bidirectional import Bidirectional
from .arrays import KINDS, check_shape, filled, in_rows, only_with_arrays, sizes, tensors

# The order of the columns, in torch's letters.
_COLUMNS = {"lstm": "ifgo", "gru": "zrn", "rnn": "h"}
_NAMES = ("kernel", "recurrent_kernel", "bias")
_CLASSES = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "rnn"}
_MERGES = {"concat": "concat", "sum": "sum", "ave": "mean"}
# Settings that change what a layer computes, and what to do about each.
_NOT_HERE = {
    "go_backwards": "flip the input",
    "stateful": "pass the state on as hx",
    "time_major": "transpose the input",
    "dropout": "drop the input outside",
    "recurrent_dropout": "drawn otherwise here",
}


def from_keras(
    source: Any,
    kind: str | None = None,
    *,
    reset_after: bool | None = None,
    nonlinearity: str | None = None,
) -> nn.Module:
    """The layer that computes what one of Keras does.

        ur.nn.from_keras(model.layers[0])
        ur.nn.from_keras(model.layers[0].get_weights(), "lstm")

    It takes and gives [B, T, features], all steps and the last state, whatever return_sequences
    and return_state are. Where Keras has one bias, bias_hh is zero. Initialisers, regularisers and
    constraints do not come along.

    Arguments:
        source: a layer LSTM, GRU or SimpleRNN, or Bidirectional around one of them; or arrays in
            the order of `get_weights`: kernel, recurrent_kernel and bias if there is one, of a
            bidirectional layer those of both directions, forward first.
        kind: of arrays: "lstm", "gru" or "rnn".
        reset_after: of arrays of a "gru" without bias, as only the bias tells it; default true.
        nonlinearity: of arrays of an "rnn": "tanh" (default) or "relu".

    Returns:
        An LSTM, GRU or RNN of `unrolled.nn`; for a Bidirectional that adds or averages, a
        `Bidirectional` of two cells.

    Raises:
        TypeError: neither a layer nor arrays.
        ValueError: a layer that is not built or computes something else, with what it is; or an
            array that does not fit, with the shape that was expected.
    """
    if callable(getattr(source, "get_weights", None)):
        only_with_arrays({"kind": kind, "reset_after": reset_after, "nonlinearity": nonlinearity})
        return _from_layer(source)
    if isinstance(source, (str, bytes)) or not isinstance(source, Sequence):
        raise TypeError(
            f"source must be a Keras layer or a list of arrays, got {type(source).__name__}"
        )
    if kind is None:
        raise ValueError(f"kind must be given with arrays: {', '.join(KINDS)}")
    one_of(kind, KINDS, "kind")
    if kind != "gru" and reset_after is not None:
        raise ValueError(f'reset_after is for kind "gru", not "{kind}"; leave it out')
    if kind != "rnn" and nonlinearity is not None:
        raise ValueError(f'nonlinearity is for kind "rnn", not "{kind}"; leave it out')
    return _from_arrays(source, kind, reset_after, nonlinearity or "tanh")


def _from_layer(layer: Any) -> nn.Module:
    both = type(layer).__name__ == "Bidirectional"
    ways = [layer.forward_layer, layer.backward_layer] if both else [layer]
    for way, backwards in zip(ways, (False, True), strict=False):
        _check_layer(way, backwards)
    told = [_told(way) for way in ways]
    if told[0] != told[-1]:
        raise ValueError(f"both directions must be alike, got {told[0]} and {told[1]}")
    merge = layer.merge_mode if both else "concat"
    if merge not in _MERGES:
        raise ValueError(f"merge_mode must be one of {', '.join(_MERGES)}, got {merge!r}")
    arrays = [array for way in ways for array in way.get_weights()]
    if not arrays:
        raise ValueError(f"{layer.name} has no weights yet; call it once, or build it")
    return _from_arrays(arrays, **told[0], merge=_MERGES[merge])


def _told(layer: Any) -> dict[str, Any]:
    """What `_from_arrays` has to know of a layer, beside its arrays."""
    kind = _CLASSES[type(layer).__name__]
    reset_after = layer.reset_after if kind == "gru" else None
    return {
        "kind": kind,
        "reset_after": reset_after,
        "nonlinearity": _function(layer, "activation"),
    }


def _function(layer: Any, which: str) -> str:
    function = getattr(layer, which)
    return getattr(function, "__name__", type(function).__name__)


def _check_layer(layer: Any, backwards: bool) -> None:
    """Check that the layers of this library can compute what it does."""
    name = type(layer).__name__
    if name not in _CLASSES:
        raise ValueError(
            f"the Keras layer must be one of {', '.join(_CLASSES)} or Bidirectional around it, got "
            f"{name}; of a model pass each of model.layers, of a layer that computes the same its "
            "get_weights() and the kind"
        )
    usual = {**dict.fromkeys(_NOT_HERE, False), "go_backwards": backwards}
    found = {setting: getattr(layer, setting, False) for setting in usual}
    wrong = [f"{s}={v!r} ({_NOT_HERE[s]})" for s, v in found.items() if bool(v) != usual[s]]
    functions = {"activation": ["tanh"], "recurrent_activation": ["sigmoid"]}
    if name == "SimpleRNN":
        functions = {"activation": ["tanh", "relu"]}
    for which, known in functions.items():
        if _function(layer, which) not in known:
            wrong.append(f"{which}={_function(layer, which)} (only {' or '.join(known)} here)")
    if wrong:
        raise ValueError(
            f"{name} {layer.name} computes what no layer here does: {', '.join(wrong)}; for its "
            "weights alone pass get_weights() and the kind"
        )


def _from_arrays(
    arrays: Sequence[Any],
    kind: str,
    reset_after: bool | None,
    nonlinearity: str,
    merge: str = "concat",
) -> nn.Module:
    ways = _by_direction(arrays)
    settings = _settings(ways[0], kind, reset_after, nonlinearity)
    for name, array in ways[-1].items():
        check_shape(f"backward {name}", array, *ways[0][name].shape)
    return _made(kind, settings, [_parameters(way, kind) for way in ways], merge)


def _settings(
    arrays: Mapping[str, Tensor], kind: str, reset_after: bool | None, nonlinearity: str
) -> dict[str, Any]:
    """The settings of a layer whose arrays these are, if their shapes are one's."""
    gates, bias = len(_COLUMNS[kind]), arrays.get("bias")
    input_size, hidden_size = sizes(arrays, gates)
    if reset_after is None:
        reset_after = bias is None or bias.dim() == 2
    if bias is not None:
        two = (2,) if kind == "gru" and reset_after else ()
        check_shape("bias", bias, *two, gates * hidden_size)
    settings = {"input_size": input_size, "hidden_size": hidden_size, "bias": bias is not None}
    own = {"gru": {"reset_after": reset_after}, "rnn": {"nonlinearity": nonlinearity}}
    return {**settings, **own.get(kind, {})}


def _by_direction(arrays: Sequence[Any]) -> list[dict[str, Tensor]]:
    """The arrays by name, for each direction."""
    if len(arrays) not in (2, 3, 4, 6):
        raise ValueError(
            f"arrays must be {', '.join(_NAMES)}, without the last where there is no bias, and "
            f"twice as many for two directions; got {len(arrays)}"
        )
    each = len(arrays) // 2 if len(arrays) > 3 else len(arrays)
    wheres = ("", "backward ")[: len(arrays) // each]
    names = [where + name for where in wheres for name in _NAMES[:each]]
    copies = tensors(dict(zip(names, arrays, strict=True)))
    return [{name: copies[where + name] for name in _NAMES[:each]} for where in wheres]


def _parameters(arrays: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """The arrays of one direction, under torch's names."""
    found = {"weight_ih": arrays["kernel"], "weight_hh": arrays["recurrent_kernel"]}
    if "bias" in arrays:
        bias = arrays["bias"]
        both = bias if bias.dim() == 2 else torch.stack([bias, torch.zeros_like(bias)])
        found |= {"bias_ih": both[0], "bias_hh": both[1]}
    order, wanted = _COLUMNS[kind], KINDS[kind].gates
    return {name: in_rows(array, order, wanted) for name, array in found.items()}


def _made(
    kind: str, settings: dict[str, Any], ways: Sequence[Mapping[str, Tensor]], merge: str
) -> nn.Module:
    if merge != "concat":
        forward, reverse = (filled(KINDS[kind].cell(**settings, device="meta"), p) for p in ways)
        return Bidirectional(forward, reverse, merge)
    make, suffixes = KINDS[kind].layer, ("_l0", "_l0_reverse")[: len(ways)]
    layer = make(**settings, batch_first=True, bidirectional=len(ways) == 2, device="meta")
    parameters = {
        name + suffix: array
        for suffix, way in zip(suffixes, ways, strict=True)
        for name, array in way.items()
    }
    return filled(layer, parameters)
