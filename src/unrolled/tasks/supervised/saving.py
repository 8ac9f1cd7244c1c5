"""An estimator of samples on disk.

    baselines.safetensors   what of the baselines is better kept as tensors, where there is any
    examples.safetensors    some held-out samples, for `inspect`

The rest is as `tasks.runs` describes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from ... import __version__
from ...cells import BY_NAME
from ...files import write_json, write_tensors
from ...training import Optimisation
from ..runs import CONFIG, FORMAT, MODEL, RunError, read_config, read_tensors, whole_run
from ..training import purpose_of
from .model import SupervisedEstimator
from .protocols import Fitted

E = TypeVar("E", bound=SupervisedEstimator)
BASELINES, EXAMPLES = "baselines.safetensors", "examples.safetensors"


def save(model: SupervisedEstimator, folder: Path) -> Path:
    """Write what `load` reads; the folder is made if it is not there."""
    model.check_fitted()
    fitted = model.fitted_
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / MODEL, _weights(fitted.network))
    write_tensors(folder / EXAMPLES, fitted.examples)
    tensors = fitted.baselines.tensors
    if tensors:
        write_tensors(folder / BASELINES, tensors)
    # The configuration comes last: a folder that has one is complete.
    write_json(folder / CONFIG, _config(model))
    return folder


def _weights(network: Any) -> dict[str, Tensor]:
    """The weights, each tensor under one name: tied ones under the first."""
    kept: dict[str, Tensor] = {}
    seen: set[tuple[int, Any, Any]] = set()
    for name, tensor in network.state_dict(keep_vars=True).items():
        mark = (tensor.data_ptr(), tensor.shape, tensor.stride())
        if tensor.numel() and mark in seen:
            continue
        seen.add(mark)
        kept[name] = tensor
    return kept


def _config(model: SupervisedEstimator) -> dict[str, Any]:
    fitted = model.fitted_
    return {
        "format": FORMAT,
        "unrolled": __version__,
        "task": model.task,
        # Device and engine are those of the machine that opens the run.
        "arguments": {**model.plain_arguments(), "device": "auto", "engine": "auto"},
        "own_cell": model.cell_name not in BY_NAME,
        "plan": asdict(fitted.plan),
        "coding": fitted.coding.to_dict(),
        "baselines": fitted.baselines.to_dict(),
        "data": fitted.data,
        "reading": fitted.reading,
    }


def load(kind: type[E], folder: Path, cell: Any = None) -> E:
    """Open a run folder.

    Raises:
        RunError: the folder is no such run, is damaged, or was written by a later version.
    """
    config = read_config(folder)
    if config["task"] != kind.task:
        raise RunError(f"{folder} is a run of the task {config['task']}, not {kind.task}")
    with whole_run(folder):
        arguments = dict(config["arguments"])
        if cell is None and config["own_cell"]:
            name = arguments["cell"]
            raise RunError(
                f"this run uses the cell {name}, which is not one of unrolled's; pass the class, "
                f"as in unrolled.load(folder, cell={name})"
            )
        arguments["optimisation"] = Optimisation(**arguments["optimisation"])
        model = kind(**{**arguments, **({} if cell is None else {"cell": cell})})
        model.fitted_ = _fitted(model, config, folder)
    return model


def _fitted(model: SupervisedEstimator, config: dict[str, Any], folder: Path) -> Fitted:
    coding = model.coding_type.from_dict(config["coding"])
    plan = model.plan_type(**config["plan"])
    network = model.build(coding, plan)
    network.load_state_dict(_tied(network, read_tensors(folder / MODEL)), strict=True)
    there = folder / BASELINES
    tensors = read_tensors(there) if there.exists() else {}
    baselines = model.baselines_type.from_dict(config["baselines"], tensors)
    return Fitted(
        coding,
        plan,
        network.to(model.torch_device()).eval(),
        baselines,
        config["data"],
        config["reading"],
        read_tensors(folder / EXAMPLES),
    )


def _tied(network: Any, kept: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights with tied ones under all their names."""
    first: dict[tuple[int, Any, Any], str] = {}
    whole = dict(kept)
    for name, tensor in network.state_dict(keep_vars=True).items():
        mark = (tensor.data_ptr(), tensor.shape, tensor.stride())
        if tensor.numel() and mark in first and first[mark] in kept:
            whole[name] = kept[first[mark]]
        first.setdefault(mark, name)
    return whole


def purpose(model: SupervisedEstimator, data: Any, **further: Any) -> dict[str, Any]:
    """What tells a run from others: arguments, a digest of the data, and `further`."""
    # The device does not change what is trained.
    told = {name: value for name, value in model.plain_arguments().items() if name != "device"}
    texts: list[str] = []
    arrays = list(_arrays(data, texts))
    return purpose_of(model.task, {**told, **further}, arrays, texts)


def _arrays(value: Any, texts: list[str]) -> Iterator[np.ndarray]:
    """All arrays within data; everything else goes to `texts`."""
    if isinstance(value, np.ndarray):
        yield value
    elif is_dataclass(value):
        for each in fields(value):
            if each.name != "findings":
                yield from _arrays(getattr(value, each.name), texts)
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _arrays(part, texts)
    elif isinstance(value, dict):
        for name, part in value.items():
            texts.append(str(name))
            yield from _arrays(part, texts)
    else:
        texts.append(str(value))
