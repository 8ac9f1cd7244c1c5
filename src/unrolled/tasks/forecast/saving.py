"""A forecaster on disk."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ... import __version__
from ...cells import BY_NAME
from ...data import Schema, SeriesSet
from ...data.store import from_arrays, to_arrays
from ...files import write_json, write_tensors
from ...training import Optimisation
from ..runs import (
    CONFIG,
    FORMAT,
    MODEL,
    RunError,
    read_config,
    read_tensors,
    whole_run,
)
from ..training import purpose_of
from .baselines import LastValueNetwork, LearnedBaselines
from .fitted import Fitted
from .forecaster import Forecaster
from .linear import LinearForm, LinearPath
from .model import MakeCell, models_of
from .plan import Architecture
from .scaling import Scaling

HISTORY = "history.safetensors"


def save_forecaster(forecaster: Forecaster, folder: Path) -> Path:
    """Write what `load_forecaster` reads; the folder is made if it is not there."""
    fitted = forecaster.fitted_
    folder.mkdir(parents=True, exist_ok=True)
    arrays, beside = to_arrays(fitted.history)
    write_tensors(folder / HISTORY, {name: torch.from_numpy(a) for name, a in arrays.items()})
    weights = {f"model.{name}": t for name, t in fitted.model.state_dict().items()}
    weights |= {f"baselines.{name}": t for name, t in fitted.baselines.state_dict().items()}
    write_tensors(folder / MODEL, weights)
    # The configuration comes last: a folder that has one is complete.
    write_json(folder / CONFIG, _config(forecaster, beside))
    return folder


def _config(forecaster: Forecaster, history: dict[str, Any]) -> dict[str, Any]:
    fitted = forecaster.fitted_
    return {
        "format": FORMAT,
        "unrolled": __version__,
        "task": "forecast",
        # Device and engine are those of the machine that opens the run.
        "arguments": {
            **forecaster.plain_arguments(),
            "cell": fitted.architecture.cell,
            "device": "auto",
            "engine": "auto",
        },
        "own_cell": fitted.architecture.cell not in BY_NAME,
        "schema": fitted.schema.to_dict(),
        "architecture": fitted.architecture.to_dict(),
        "scaling": fitted.scaling.to_dict(),
        "seasonal_scales": fitted.seasonal_scales,
        "trained_until": fitted.trained_until,
        "history": history,
    }


def purpose(forecaster: Forecaster, data: SeriesSet, **further: Any) -> dict[str, Any]:
    """What tells a run or a study from others: arguments, a digest of the data, and `further`."""
    arguments = forecaster.plain_arguments()
    # The device does not change what is trained.
    told = {name: value for name, value in arguments.items() if name != "device"}
    arrays, beside = to_arrays(data)
    roles = {name: value for name, value in data.schema.to_dict().items() if name not in told}
    return purpose_of("forecast", {**told, **roles, **further}, arrays.values(), beside)


def load_forecaster(folder: Path, cell: MakeCell | None = None) -> Forecaster:
    """Open a run folder of the task forecast.

    Raises:
        RunError: the folder is no such run, is damaged, or was written by a later version.
    """
    config = read_config(folder)
    with whole_run(folder):
        forecaster = _forecaster(config, cell)
        forecaster.fitted_ = _fitted(forecaster, config, folder)
    return forecaster


def _forecaster(config: dict[str, Any], cell: MakeCell | None) -> Forecaster:
    arguments = {**config["arguments"], "quantiles": tuple(config["arguments"]["quantiles"])}
    if "optimisation" in arguments:
        arguments["optimisation"] = Optimisation(**arguments["optimisation"])
    if cell is not None:
        arguments["cell"] = cell
    elif config["own_cell"]:
        raise RunError(
            f"this run uses the cell {arguments['cell']}, which is not one of unrolled's; pass "
            f"the class, as in unrolled.load(folder, cell={arguments['cell']})"
        )
    return Forecaster(**arguments)


def _fitted(forecaster: Forecaster, config: dict[str, Any], folder: Path) -> Fitted:
    schema = Schema.from_dict(config["schema"])
    architecture = Architecture.from_dict(config["architecture"])
    weights, device = read_tensors(folder / MODEL), forecaster.torch_device()
    first = "model.members.0" if architecture.members > 1 else "model"
    path = _linear_path(architecture.linear, weights, f"{first}.linear.weights")
    model = architecture.build(forecaster.make_cell, path)
    baseline = _linear_path(architecture.baseline, weights, "baselines.linear.weights")
    baselines = LearnedBaselines(baseline, LastValueNetwork(architecture.horizon))
    for name, module in {"model": model, "baselines": baselines}.items():
        _load(module, name, weights)
    model.to(device).eval()
    for one in models_of(model):
        one.use(forecaster.engine)
    scales = config["seasonal_scales"]
    return Fitted(
        schema=schema,
        scaling=Scaling.from_dict(config["scaling"]),
        architecture=architecture,
        model=model,
        baselines=baselines.to(device),
        seasonal_scales={n: np.nan if s is None else s for n, s in scales.items()},
        trained_until=config["trained_until"],
        history=_history(folder, config["history"], schema),
    )


def _linear_path(form: LinearForm, weights: dict[str, torch.Tensor], name: str) -> LinearPath:
    return LinearPath(form, torch.empty_like(weights[name]))


def _load(module: nn.Module, prefix: str, weights: dict[str, torch.Tensor]) -> None:
    start = f"{prefix}."
    own = {n.removeprefix(start): t for n, t in weights.items() if n.startswith(start)}
    module.load_state_dict(own, strict=True)


def _history(folder: Path, beside: dict[str, Any], schema: Schema) -> SeriesSet:
    arrays = {name: t.numpy() for name, t in read_tensors(folder / HISTORY).items()}
    return from_arrays(arrays, beside, schema)
