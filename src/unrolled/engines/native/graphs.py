"""The graph of each cell, traced once and kept as long as the cell stays as it is.

What a trace depends on, beside parameters and buffers: the class of every module, its mode, its
settings. A cell whose fingerprint changes is traced again.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from ...cells import Cell
from ...graph import Graph, UnsupportedOperator, graph

_KEPT: WeakKeyDictionary[nn.Module, tuple[Any, Graph | UnsupportedOperator]] = WeakKeyDictionary()
_PLAIN = (int, float, bool, str, bytes, complex, type(None), torch.dtype)


def graph_of(cell: Cell) -> Graph:
    """The graph of the cell as it is now.

    Raises:
        UnsupportedOperator: the graph does not know an operator of the step.
    """
    mark = fingerprint(cell)
    kept = _KEPT.get(cell)
    if kept is None or kept[0] != mark:
        try:
            kept = (mark, graph(cell))
        except UnsupportedOperator as error:
            kept = (mark, error)
        _KEPT[cell] = kept
    if isinstance(kept[1], UnsupportedOperator):
        raise kept[1]
    return kept[1]


def fingerprint(cell: nn.Module) -> tuple[Any, ...]:
    """What the trace of a cell depends on, but for the numbers of its parameters."""
    return tuple(_of_module(module) for module in cell.modules())


def _of_module(module: nn.Module) -> tuple[Any, ...]:
    state = vars(module)
    tensors = [
        (name, id(t), tuple(t.shape), t.dtype, t.requires_grad)
        for table in ("_parameters", "_buffers")
        for name, t in state[table].items()
        if t is not None
    ]
    hooks = [len(state[table]) for table in ("_forward_hooks", "_forward_pre_hooks")]
    settings = [(n, _of_value(v)) for n, v in state.items() if not n.startswith("_") or callable(v)]
    kind = type(module)
    methods = (id(getattr(kind, "step", None)), id(kind.forward))
    return kind, methods, tuple(hooks), tuple(tensors), tuple(settings)


def _of_value(value: Any) -> Any:
    """Something that changes when a setting does."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, torch.Tensor):
        return id(value), value._version
    if isinstance(value, (tuple, list)):
        return tuple(_of_value(item) for item in value)
    if isinstance(value, dict):
        return tuple((str(key), _of_value(item)) for key, item in value.items())
    return id(value)
