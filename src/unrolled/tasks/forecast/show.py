"""A table on its way to the network: values, what they are relative to, chunks, targets."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from ...data import SeriesSet
from ..console import Console
from .fitting import Fit
from .forecaster import Forecaster
from .model import network_inputs, read_size
from .objective import SCORED_STEPS
from .results import check_levels

# Series that are shown, and values of each.
SERIES, VALUES = 3, 8


def show(console: Console, forecaster: Forecaster, data: SeriesSet) -> None:
    """A few series at every stage, and the shapes of what the network reads and is to give."""
    fit = Fit(forecaster, data, forecaster.split_of(data))
    frame, chunking = fit.frame, fit.chunking
    for number, series in enumerate(data.series[:SERIES]):
        end = int(fit.split.train_ends[number])
        shown = slice(max(0, end - VALUES), end)
        i, t = torch.tensor(number), torch.tensor(end - 1)
        relative = frame.normalised(i, t, frame.values[number, shown]).tolist()
        console.line("series", f"{series.name}, {series.n:,} steps, {end:,} to learn from")
        console.line("values", _told(series.target[shown]))
        console.line("relative", f"{_told(relative)}   less their level, by their scale")
    first, read = torch.zeros(2, dtype=torch.long), read_size(frame)
    inputs = network_inputs(frame, *first).shape[-1]
    shape = [forecaster.batch_size, chunking.steps, inputs]
    console.line("inputs", f"[chunks, steps, features] = {shape}")
    told = f"the last {read} values, then {inputs - read} of covariates, gaps and calendar"
    console.line("features", told)
    scored = forecaster.batch_size * min(SCORED_STEPS, chunking.active)
    shape = [scored, forecaster.horizon, len(check_levels(forecaster.quantiles))]
    console.line("targets", f"[forecasts, horizon, quantiles] = {shape}")
    masked = int((~frame.observed).sum())
    console.line("masked", f"{masked:,} steps without a value, for which no loss counts")


def _told(values: Iterable[float]) -> str:
    return " ".join("?" if np.isnan(value) else f"{value:.4g}" for value in values)
