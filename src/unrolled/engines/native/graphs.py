"""The graph of each cell, traced once and kept as long as the cell stays as it is.

What a trace depends on, beside parameters and buffers: the class of every module, its mode, its
settings. A cell whose fingerprint changes is traced again. What is kept of a cell refers to it
weakly, so that it goes when the cell goes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from threading import RLock
from types import FunctionType, MethodType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._pytree import TreeSpec

from ...cells import Cell
from ...graph import Graph, UnsupportedOperator, graph
from ...graph.trace import Step
from .kernel import Kernel

# Attributes that every module has; the others are a cell's own.
_OF_MODULE = frozenset(vars(nn.Module()))
# Objects inside of settings that are looked into.
DEEPEST = 3
_OPAQUE = (nn.Module, type, ModuleType, FunctionType, MethodType)
_PLAIN = (int, float, bool, str, bytes, complex, type(None), torch.dtype)


@dataclass
class Kept:
    """What is kept of a cell.

    Attributes:
        mark: its fingerprint.
        graph: of its step; None where it has none.
        refusal: why it has none: the arguments of the error.
        kernels: built of the graph so far.
    """

    mark: tuple[Any, ...]
    graph: Graph | None = None
    refusal: tuple[str, ...] = ()
    kernels: dict[Hashable, Kernel] = field(default_factory=dict)


# Held while a cell is traced or its kernels are built.
LOCK = RLock()
_KEPT: WeakKeyDictionary[nn.Module, tuple[Kept, ...]] = WeakKeyDictionary()
# Forms of a cell that are kept, the latest first: in training and in evaluation it may have two.
MOST = 4


def kept_of(cell: Cell) -> Kept:
    """The graph of the cell as it is now, with the kernels built of it.

    Raises:
        UnsupportedOperator: the graph does not know an operator of the step.
    """
    mark = fingerprint(cell)
    kept = _known(cell, mark)
    if kept is None:
        with LOCK:
            kept = _known(cell, mark)
            if kept is None:
                kept = _traced(cell, mark)
                _KEPT[cell] = (kept, *_KEPT.get(cell, ()))[:MOST]
    if kept.graph is None:
        raise UnsupportedOperator(*kept.refusal)
    return kept


def _known(cell: Cell, mark: tuple[Any, ...]) -> Kept | None:
    return next((kept for kept in _KEPT.get(cell, ()) if kept.mark == mark), None)


def _traced(cell: Cell, mark: tuple[Any, ...]) -> Kept:
    try:
        with _plainly():
            made = graph(_copy_of(cell))
    except UnsupportedOperator as error:
        # Not the error itself, whose traceback holds the cell.
        return Kept(mark, refusal=(error.operator, error.line, error.reason))
    weak, paths = ref(cell), {name: name.split(".") for name in Step(cell).tensors()}

    def read_tensors() -> dict[str, Tensor]:
        alive = weak()
        return {} if alive is None else {n: _tensor_at(alive, path) for n, path in paths.items()}

    return Kept(mark, replace(made, read_tensors=read_tensors))


def _tensor_at(module: nn.Module, path: list[str]) -> Tensor:
    """The parameter or buffer of this name now."""
    for name in path[:-1]:
        module = module._modules[name]  # pyright: ignore[reportAssignmentType]
    found = module._parameters.get(path[-1])
    return module._buffers[path[-1]] if found is None else found  # pyright: ignore


def _copy_of(cell: Cell) -> Cell:
    """A copy to trace, which puts other tensors in its place: other threads may use the cell."""
    shared = [v for m in cell.modules() for v in vars(m).values() if isinstance(v, TreeSpec)]
    try:
        return deepcopy(cell, {id(value): value for value in shared})
    except Exception:
        # What cannot be copied, as tensors that torch computed, is traced as it is.
        return cell


@contextmanager
def _plainly() -> Iterator[None]:
    """What a trace finds does not depend on where the first run of a cell happens to be."""
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast("cpu", enabled=False),
        torch.device("cpu"),
        # Nor on who collects what autograd keeps, as a checkpoint does.
        saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor),
    ):
        yield


def fingerprint(cell: nn.Module) -> tuple[Any, ...]:
    """What the trace of a cell depends on, but for the numbers of its parameters.

    Parameters and buffers are told by which of them are one tensor, not by which tensors they
    are: a cell that is given others, of the same shapes, has the same graph. So are submodules.
    """
    seen: dict[int, int] = {}
    return tuple(
        (name, seen.setdefault(id(module), len(seen)), _of_module(module, seen))
        for name, module in cell.named_modules(remove_duplicate=False)
    )


class _Same:
    """Equal to the same object only; it cannot be taken for another at its address.

    Modules of the cell are told by their ids: the cell holds them.
    """

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    __hash__ = None  # pyright: ignore[reportAssignmentType]


def _of_module(module: nn.Module, seen: dict[int, int]) -> tuple[Any, ...]:
    state = vars(module)
    tensors = [
        (name, seen.setdefault(id(t), len(seen)), tuple(t.shape), t.dtype, t.requires_grad)
        for table in ("_parameters", "_buffers")
        for name, t in state[table].items()
        if t is not None
    ]
    hooks = [len(state[table]) for table in ("_forward_hooks", "_forward_pre_hooks")]
    settings = [(n, _of_value(v)) for n, v in state.items() if n not in _OF_MODULE]
    kind = type(module)
    methods = (getattr(kind, "step", None), kind.forward)
    used = [_globals_of(method) for method in methods]
    return (
        kind,
        module.training,
        methods,
        tuple(hooks),
        tuple(tensors),
        tuple(settings),
        tuple(used),
    )


def _globals_of(function: Any) -> tuple[Any, ...]:
    """The numbers and names that a function reads from its module."""
    code = getattr(function, "__code__", None)
    if code is None:
        return ()
    known = function.__globals__
    return tuple(
        (name, known[name])
        for name in code.co_names
        if name in known and isinstance(known[name], _PLAIN)
    )


def _of_value(value: Any, depth: int = 0) -> Any:
    """Something that changes when a setting does."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Tensor):
        return _Same(value), value._version
    if isinstance(value, (tuple, list)):
        return tuple(_of_value(item, depth) for item in value)
    if isinstance(value, dict):
        return tuple((str(key), _of_value(item, depth)) for key, item in value.items())
    if isinstance(value, nn.Module):
        # One that an object holds, as its owner: not kept alive by being known.
        return id(value)
    if isinstance(value, np.ndarray):
        return value.shape, value.tobytes()
    if depth < DEEPEST and hasattr(value, "__dict__") and not isinstance(value, _OPAQUE):
        # An object that holds settings.
        inner = tuple((n, _of_value(v, depth + 1)) for n, v in vars(value).items())
        return id(value), type(value), inner
    # What holds the cell itself, as its bound methods do, would keep it alive.
    return id(value) if hasattr(value, "__self__") else _Same(value)
