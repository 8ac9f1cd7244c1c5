"""What `unrolled inspect` looks at in a forecaster: its network on the end of the table.

Shapes: B chunks, S steps of a chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ...data import SeriesSet
from ...dynamics.examination import Context, examine
from ...naming import counted
from ...training import Total
from ..inspection import Example, Subject
from ..running import log_of
from .card import cell_name, describe_gain
from .chunks import Batch, batch_quantiles
from .fitted import Fitted
from .forecaster import Forecaster
from .frame import Frame
from .model import ForecastModel, quantile_loss, read_size

# Chunks that are looked at, of as many series as there are.
MOST_CHUNKS = 8
# Chunks whose gates are drawn.
MOST_EXAMPLES = 2
LOSS = "absolute error of the median plus pinball loss, in scaled units"


def subject(run: Path, forecaster: Forecaster) -> Subject:
    """A run to look into.

    Raises:
        RunError: its log is damaged.
        ValueError: the end of its table is too short to forecast from and compare with.
    """
    fitted = forecaster.fitted_
    batch = last_chunks(fitted)
    frame, data = fitted.frame(fitted.history), fitted.history
    names = layer_names(fitted)
    strides = dict(zip(names, fitted.architecture.dilations, strict=False))
    found = examine(
        # Of several networks the first.
        fitted.members[0],
        batch,
        lambda model, batch: loss_of(model, batch, frame),
        labels=_labels(batch, data, strides),
        context=_context(fitted, frame),
        strides=strides,
        names=names,
        decoders=("head.cell",),
    )
    schema = fitted.schema
    gain = describe_gain(fitted)
    return Subject(
        title=f"Inside {run.name}",
        subtitle=f"{cell_name(forecaster)}, forecast of {schema.target}{_which(fitted)}",
        examination=found,
        batch=(
            f"{counted(len(batch.series), 'chunk')} of {batch.positions.shape[1]:,} "
            f"{schema.frequency.unit} at the end of the table, "
            f"{counted(len(batch.scored), 'forecast')} in each"
        ),
        examples=_examples(fitted, batch, names),
        log=log_of(run),
        loss=LOSS,
        start="the fixed mix that it starts with",
        clip_norm=forecaster.optimisation.clip_norm,
        remarks=[f"{gain[0].upper()}{gain[1:]}."] if gain else [],
        facts={"updates": forecaster.describe_updates(), "run": str(run)},
    )


def _which(fitted: Fitted) -> str:
    count = len(fitted.members)
    return f"; the first of {count} networks whose forecasts are averaged" if count > 1 else ""


def last_chunks(fitted: Fitted) -> Batch:
    """The last chunks whose whole horizon is known, of evenly chosen series."""
    chunking, data = fitted.architecture.chunking, fitted.history
    ends = [
        (number, series.n - 1 - fitted.horizon - back * chunking.active)
        for back in range(MOST_CHUNKS)
        for number, series in enumerate(data)
    ]
    # At least the scored steps lie inside the series; what is before its start repeats.
    ends = [(number, end) for number, end in ends if end >= chunking.active - 1]
    if not ends:
        raise ValueError(
            f"no series of the run holds {chunking.active + fitted.horizon} steps, which it takes "
            "to forecast and compare; there is nothing to look at"
        )
    first = ends[: max(len(data), MOST_CHUNKS)]
    chosen = np.linspace(0, len(first) - 1, min(len(first), MOST_CHUNKS)).round().astype(int)
    series, last = np.array(first)[np.unique(chosen)].T
    positions = last[:, None] - np.arange(chunking.steps)[::-1]
    scored = np.arange(chunking.warm_up, chunking.steps)
    own, at, steps = (torch.from_numpy(array) for array in (series, positions, scored))
    return Batch(own, at, steps).to(fitted.device)


def loss_of(model: nn.Module, batch: Batch, frame: Frame) -> Total:
    """The loss of training, running free, on a batch."""
    assert isinstance(model, ForecastModel)
    (quantiles,), i, t = batch_quantiles(model, model.linear, frame, batch)
    truth, known = frame.targets(i, t.clamp(min=0))
    return quantile_loss(quantiles, model.levels, truth, known & (t >= 0)[:, None])


def layer_names(fitted: Fitted) -> dict[str, str]:
    """What to call the cells of the model, by qualified name: layers, then the decoder."""
    unit = fitted.schema.frequency.unit
    names = {}
    for number, dilation in enumerate(fitted.architecture.dilations):
        back = f", {dilation} {unit} a step" if dilation > 1 else ""
        names[f"stack.cells.{number}"] = f"layer {number + 1}{back}"
    if fitted.architecture.decoder != "direct":
        names["head.cell"] = "decoder, over the horizon"
    return names


def _context(fitted: Fitted, frame: Frame) -> Context:
    season = frame.season
    return Context(
        given=fitted.architecture.chunking.steps,
        wanted=season if season > 1 else None,
        reason="the season",
        read=read_size(frame),
        unit=fitted.schema.frequency.unit,
    )


def _labels(
    batch: Batch, data: SeriesSet, strides: dict[str, int]
) -> dict[str, Sequence[Sequence[Any]]]:
    """The times of the steps, of every row that a layer runs; none of the decoder's."""
    label = data.schema.frequency.label
    rows = []
    for number, positions in zip(batch.series.tolist(), batch.positions.tolist(), strict=True):
        times = data[number].times(positions[0], len(positions))
        rows.append([label(time) for time in times])
    return {name: _strands(rows, stride) for name, stride in strides.items()}


def _strands(rows: list[list[str]], stride: int) -> list[list[str]]:
    """The labels of the rows that a dilated layer runs in place of each: every so many steps."""
    found = []
    for row in rows:
        padded = ["(before)"] * (-len(row) % stride) + row
        found += [padded[first::stride] for first in range(stride)]
    return found


def _examples(fitted: Fitted, batch: Batch, names: dict[str, str]) -> list[Example]:
    """The first layer on some chunks, below what it read; the others on one."""
    data, label = fitted.history, fitted.schema.frequency.label
    first, *others = list(names)
    found = []
    for row in range(min(MOST_EXAMPLES, len(batch.series))):
        series = data[int(batch.series[row])]
        positions = batch.positions[row].clamp(min=0).cpu().numpy()
        values = series.target[positions]
        begin, end = (label(series.times(int(at), 1)[0]) for at in positions[[0, -1]])
        title = f"{series.name}, {begin} to {end}"
        found.append(Example(first, row, title, (fitted.schema.target, values.tolist())))
    name = data[int(batch.series[0])].name
    return found + [Example(layer, 0, name) for layer in others]
