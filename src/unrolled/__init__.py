"""Recurrent neural networks on PyTorch.

A recurrence is one step, written once in plain PyTorch. Everything else is derived from it.

    cell = ur.cells.LSTM(input_size=8, hidden_size=32)
    run = ur.unroll(cell, inputs)              # inputs [batch, time, 8]
    run.outputs, run.states["c"], run.final    # [batch, time, 32], the same, (h, c)

`ur.Cell` is the base class of a cell of your own, `ur.Cell.wrap` takes any module that steps,
`ur.training` has what trains one, `ur.dynamics` what looks into one, `ur.Forecaster` trains a model
on a table of measurements, `ur.load` opens a run folder.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import cells, engines, nn
from .cells import Cell
from .graph import UnsupportedOperator, graph
from .unroll import Trajectory, unroll

if TYPE_CHECKING:
    from . import dynamics, training
    from .data import read_series
    from .tasks import load
    from .tasks.forecast import Forecaster
    from .tasks.language import LanguageModel
    from .training import bptt

__version__ = "0.1.0"
__all__ = [
    "Cell",
    "Forecaster",
    "LanguageModel",
    "Trajectory",
    "UnsupportedOperator",
    "bptt",
    "cells",
    "dynamics",
    "engines",
    "graph",
    "load",
    "nn",
    "read_series",
    "training",
    "unroll",
]

# What pulls in table readers and estimators is imported at its first use, so that
# `import unrolled` costs little more than `import torch`.
_LAZY = {
    "bptt": "unrolled.training",
    "load": "unrolled.tasks",
    "read_series": "unrolled.data",
}


def __getattr__(name: str) -> Any:
    if name in ("training", "dynamics"):
        return import_module(f"unrolled.{name}")
    places = _LAZY if name in _LAZY else _estimators()
    if name not in places:
        raise AttributeError(f"module 'unrolled' has no attribute {name!r}")
    return getattr(import_module(places[name]), name)


def _estimators() -> dict[str, str]:
    """The package of each task's estimator, by the estimator's name."""
    tasks = import_module("unrolled.tasks").TASKS
    return {estimator: package for package, estimator in tasks.values()}


def __dir__() -> list[str]:
    return sorted({*__all__, *_estimators()})
