"""Layers of haste, or their state_dict.

    kernel [I, G H],  recurrent_kernel [H, G H],  bias [G H],  of a GRU also recurrent_bias [3 H]

The columns are gates: i, g, f, o of an LSTM; z, r, n of a GRU, whose equations are torch's:

    n(t) = tanh(b_n + U_n x(t) + r(t) (W_n h(t-1) + b_hn))
    h(t) = (1 - z(t)) n(t) + z(t) h(t-1)

The layer-normalised LSTM is `unrolled.cells.LSTM`'s: `gamma` [2, 4 H] has the gains of both
products, each normalised over all gates, and `gamma_h`, `beta_h` [H] are those of c. That of the
GRU normalises the rows of all three gates together, which `unrolled.cells.GRU` does not.

Shapes: G gates, H hidden_size, I input_size.

Reference: github.com/lmnt-com/haste, `frameworks/pytorch`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...naming import one_of
from .arrays import KINDS, check_shape, filled, in_rows, only_with_arrays, sizes, tensors

_COLUMNS = {"lstm": "igfo", "gru": "zrn"}
_NAMES = {
    "lstm": ("kernel", "recurrent_kernel", "bias"),
    "gru": ("kernel", "recurrent_kernel", "bias", "recurrent_bias"),
}
_NORM = ("gamma", "gamma_h", "beta_h")
_CLASSES = {"LSTM": "lstm", "LayerNormLSTM": "lstm", "GRU": "gru", "LayerNormGRU": "gru"}


def from_haste(
    source: nn.Module | Mapping[str, Any],
    kind: str | None = None,
    *,
    zoneout: float | None = None,
    dropout: float | None = None,
    batch_first: bool | None = None,
) -> nn.Module:
    """The layer that computes what one of haste does.

    haste drops entries of the recurrent weights, which is `weight_drop` here, and zones out h
    alone. Unlike haste's, outputs beyond a sequence's length are zero. `forget_bias` is where haste
    starts training from; it does not come along.

    Arguments:
        source: an LSTM, GRU or LayerNormLSTM of haste_pytorch, or its state_dict.
        kind: of a state_dict: "lstm" or "gru". It tells by itself whether it has normalisation.
        zoneout, dropout, batch_first: of a state_dict: what the layer was made with; default as
            haste's, 0, 0 and false.

    Returns:
        An LSTM or GRU of `unrolled.nn`. Where haste has one bias, bias_hh is zero.

    Raises:
        TypeError: neither a module nor a state_dict.
        ValueError: a layer of another kind, one that normalises in another way, or an array that
            is unknown, is missing or does not fit, with the shape that was expected.
    """
    if isinstance(source, nn.Module):
        settings = {"zoneout": zoneout, "dropout": dropout, "batch_first": batch_first}
        only_with_arrays({"kind": kind, **settings})
        return _from_module(source)
    if not isinstance(source, Mapping):
        raise TypeError(
            f"source must be a layer of haste or its state_dict, got {type(source).__name__}"
        )
    if kind is None:
        raise ValueError(f"kind must be given with a state_dict: {' or '.join(_NAMES)}")
    one_of(kind, _NAMES, "kind")
    return _from_arrays(source, kind, zoneout or 0.0, dropout or 0.0, bool(batch_first))


def _from_module(module: Any) -> nn.Module:
    name = type(module).__name__
    if name not in _CLASSES:
        raise ValueError(f"the layer of haste must be one of {', '.join(_CLASSES)}, got {name}")
    settings = (module.zoneout, module.dropout, module.batch_first)
    layer = _from_arrays(module.state_dict(), _CLASSES[name], *settings)
    return layer.train(module.training)


def _from_arrays(
    source: Mapping[str, Any], kind: str, zoneout: float, dropout: float, batch_first: bool
) -> nn.Module:
    _check_names(source, kind)
    arrays, columns = tensors(source), _COLUMNS[kind]
    input_size, hidden_size = sizes(arrays, len(columns))
    rows = len(columns) * hidden_size
    wanted = {"gamma": (2, rows), "gamma_h": (hidden_size,), "beta_h": (hidden_size,)}
    for name in arrays.keys() - {"kernel", "recurrent_kernel"}:
        check_shape(name, arrays[name], *wanted.get(name, (rows,)))
    settings: dict[str, Any] = {"zoneout": zoneout}
    if kind == "lstm":
        settings = {"zoneout": (zoneout, 0.0) if zoneout else 0.0, "layer_norm": "gamma" in arrays}
    settings |= {"weight_drop": dropout, "batch_first": batch_first}
    layer = KINDS[kind].layer(input_size, hidden_size, **settings, device="meta")
    gates = {n: in_rows(a, columns, KINDS[kind].gates) for n, a in _of_gates(arrays).items()}
    found = {**gates, **_of_state(arrays)}
    return filled(layer, {f"{name}_l0": array for name, array in found.items()})


def _of_gates(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What has a column for each unit of each gate, under torch's names."""
    bias = arrays["bias"]
    found = {
        "weight_ih": arrays["kernel"],
        "weight_hh": arrays["recurrent_kernel"],
        "bias_ih": bias,
        "bias_hh": arrays.get("recurrent_bias", torch.zeros_like(bias)),
    }
    if "gamma" in arrays:
        found |= dict(zip(("weight_norm_ih", "weight_norm_hh"), arrays["gamma"], strict=True))
    return found


def _of_state(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What normalises c."""
    if "gamma" not in arrays:
        return {}
    return {"weight_norm_c": arrays["gamma_h"], "bias_norm_c": arrays["beta_h"]}


def _check_names(source: Mapping[str, Any], kind: str) -> None:
    names = _NAMES[kind]
    if kind == "gru" and "gamma" in source:
        raise ValueError(
            "haste's LayerNormGRU normalises r, z and n together, unrolled.nn.GRU r and z apart "
            "from n; there is no layer here that computes the same"
        )
    if any(name in source for name in _NORM):
        names += _NORM
    for name in source:
        if name not in names:
            raise ValueError(f"unknown array {name}; the {kind} of haste has {', '.join(names)}")
    for name in names:
        if name not in source:
            raise ValueError(f"{name} is missing; the {kind} of haste has {', '.join(names)}")
