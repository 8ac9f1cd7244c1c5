"""What `unrolled inspect` looks at in a run that learned from samples: some held-out ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...dynamics.examination import Context, examine
from ...naming import counted
from ...nn import cells_of
from ...nn.ensemble import members_of
from ..inspection import Example, Subject
from ..running import log_of
from .console import describe_network
from .model import SupervisedEstimator

# Samples whose gates are drawn.
DRAWN = 2


def subject(run: Path, model: SupervisedEstimator) -> Subject:
    """A run to look into.

    Raises:
        RunError: its log is damaged.
    """
    fitted = model.fitted_
    device = next(fitted.network.parameters()).device
    batch = {name: tensor.to(device) for name, tensor in fitted.examples.items()}
    # Of several networks that predict together, the first.
    network, *others = members_of(fitted.network)
    told = f"; the first of {1 + len(others)} networks" if others else ""
    names = layer_names(model, network)
    aside = set(model.aside(network))
    labels = model.step_labels(fitted.coding, batch)
    count, steps = len(next(iter(batch.values()))), _steps(batch)
    found = examine(
        network,
        batch,
        lambda network, batch: model.loss(network, batch, 1.0),
        labels={} if labels is None else {n: labels for n in names if n not in aside},
        strides=model.strides(network),
        context=Context(steps, unit=model.step_unit),
        names=names,
        decoders=aside,
    )
    layers = [layer.name for layer in found.layers]
    first, *rest = sorted(layers, key=lambda name: name in aside)
    drawn = [Example(first, row, f"sample {row + 1}") for row in range(min(DRAWN, count))]
    return Subject(
        title=f"Inside {run.name}",
        subtitle=f"{describe_network(model)}, {model.task} on {fitted.data}{told}",
        examination=found,
        batch=f"{counted(count, model.unit)} that were held out of training, of up to "
        f"{steps:,} {model.step_unit}",
        examples=[*drawn, *(Example(name, 0, "sample 1") for name in rest)],
        log=log_of(run),
        loss=model.loss_name,
        start=model.describe_start(),
        clip_norm=model.optimisation.clip_norm,
        facts={"updates": model.describe_updates(), "run": str(run)},
    )


def layer_names(model: SupervisedEstimator, network: nn.Module) -> dict[str, str]:
    """What to call the cells: layers by their numbers in the network's order, or as the task says.

    Cells that the network does not run on the examples are named too, which does no harm.
    """
    named = {name: f"{name} ({cell.title})" for name, cell in cells_of(network).items()}
    return named | model.layer_names(network)


def _steps(batch: dict[str, Any]) -> int:
    """The longest sequence of a batch."""
    lengths = batch.get("lengths")
    if lengths is not None:
        return int(lengths.max())
    return max(t.shape[1] for t in batch.values() if torch.is_tensor(t) and t.dim() > 1)
