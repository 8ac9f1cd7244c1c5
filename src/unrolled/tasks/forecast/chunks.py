"""Pieces of series that a network reads in one go.

A chunk warms the network's state up over its first steps; forecasts are made, or scored, in
the rest. Which chunk a step belongs to depends on its position alone, so that a forecast is
the same number whichever other forecasts are asked for with it.

Shapes: B batch, S steps of a chunk, n origins, M steps scored in a chunk, H horizon,
    C candidates, Q quantiles.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...nn import Scheduled
from .frame import Frame
from .model import LinearForecast, candidates, models_of, network_inputs, truth_fed
from .windows import Windows

# Chunks that run as one batch when forecasts are made.
CHUNKS_AT_ONCE = 64


@dataclass(frozen=True)
class Chunking:
    """Steps in which a chunk only warms up, and steps after them in which it forecasts."""

    warm_up: int
    active: int

    @property
    def steps(self) -> int:
        return self.warm_up + self.active


# What people call a step of a series: from their numbers.
Label = Callable[[int, int], str]


def numbered(series: int, step: int) -> str:
    """A step of a series whose name is not known."""
    return f"series {series} up to step {step}"


@dataclass(frozen=True)
class Batch:
    """Chunks to train on: series [B], positions [B, S], and which M steps of S are scored."""

    series: Tensor
    positions: Tensor
    scored: Tensor
    label: Label = numbered

    def __str__(self) -> str:
        pairs = zip(self.series.tolist(), self.positions[:, -1].tolist(), strict=True)
        ends = [self.label(series, end) for series, end in pairs]
        more = f", and {len(ends) - 3} more" if len(ends) > 3 else ""
        return ", ".join(ends[:3]) + more

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        series, positions = self.series.to(device), self.positions.to(device)
        return Batch(series, positions, self.scored.to(device), self.label)


class RandomChunks:
    """An endless supply of chunks: a series, then an end in it, each drawn uniformly.

    Arguments:
        train_ends: [N], steps of each series that belong to training.
        first: position from which a chunk may end.
        batch_size: chunks a batch, for each of the processes.
        scored: M, how many of a chunk's active steps are drawn to be scored.
        device: of the batches.
        part: this process's number and how many there are. All draw the same batch, of
            `batch_size` chunks for each, and take their part of it.
        label: what people call a step of a series.
    """

    def __init__(
        self,
        chunking: Chunking,
        train_ends: np.ndarray,
        first: int,
        batch_size: int,
        scored: int,
        seed: int,
        device: torch.device,
        part: tuple[int, int] = (0, 1),
        label: Label = numbered,
    ):
        self.label = label
        self.chunking, self.train_ends, self.first = chunking, train_ends, first
        self.batch_size, self.scored, self.device, self.part = batch_size, scored, device, part
        self.draw = np.random.default_rng(seed)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        draw, chunking, (rank, count) = self.draw, self.chunking, self.part
        rows = self.batch_size * count
        series = draw.integers(0, len(self.train_ends), rows)
        # The last step of training is nobody's origin: it has no next value.
        last = self.train_ends[series] - 2
        lowest = np.minimum(self.first, last)
        ends = lowest + (draw.random(rows) * (last + 1 - lowest)).astype(int)
        positions = ends[:, None] - np.arange(chunking.steps)[::-1]
        active = np.sort(draw.permutation(chunking.active)[: self.scored]) + chunking.warm_up
        arrays = (series[rank::count], positions[rank::count], active)
        own, ends, steps = (torch.from_numpy(array) for array in arrays)
        return Batch(own, ends, steps, self.label).to(self.device)

    def state_dict(self) -> dict[str, Any]:
        return {"draw": self.draw.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.draw.bit_generator.state = state["draw"]


def batch_quantiles(
    model: nn.Module,
    linear: LinearForecast,
    frame: Frame,
    batch: Batch,
    forcing: str | Scheduled = "free",
    ends: Tensor | None = None,
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Normalised quantiles at a batch's scored steps, and the series and positions of those.

    Arguments:
        forcing: of a head that feeds back; `ends` [N] where what may be fed ends.

    Returns:
        Quantiles [B M, H, Q] of every network, series [B M], positions [B M].
    """
    i, t = batch.series[:, None], batch.positions
    inputs, members = network_inputs(frame, i, t.clamp(min=0)), models_of(model)
    outputs = [one.stack(inputs)[:, batch.scored].flatten(0, 1) for one in members]
    at = t[:, batch.scored]
    i, at = i.expand_as(at).flatten(), at.flatten()
    # Before a series' start there is nothing to forecast from; such steps are not scored.
    origins = at.clamp(min=0)
    simple = candidates(frame, i, origins, members[0].seasons, linear)
    fed = truth_fed(forcing, *frame.targets(i, origins, ends)) if forcing != "free" else None
    found = zip(members, outputs, strict=True)
    return [one(frame, i, origins, read, simple, fed) for one, read in found], i, at


@torch.no_grad()
def window_quantiles(
    model: nn.Module,
    linear: LinearForecast,
    frame: Frame,
    windows: Windows,
    chunking: Chunking,
    forcing: str | Scheduled = "free",
) -> Tensor:
    """Normalised quantiles for every window, [n, H, Q]: the mean of those of all networks."""
    device, members = frame.values.device, models_of(model)
    distinct, which = _chunk_numbers(windows, chunking)
    result = torch.empty(len(windows), windows.horizon, len(members[0].levels), device=device)
    for chunks, inside in _groups(which):
        series, number = (torch.from_numpy(a).to(device) for a in distinct[chunks].T)
        starts = number * chunking.active - chunking.warm_up
        steps = torch.arange(chunking.steps, device=device)
        positions = (starts[:, None] + steps).clamp(0, frame.values.shape[1] - 1)
        inputs = network_inputs(frame, series[:, None], positions)
        i, t = (torch.from_numpy(a[inside]).to(device) for a in (windows.series, windows.origins))
        row = torch.from_numpy(which[inside] - chunks.start).to(device)
        simple = candidates(frame, i, t, members[0].seasons, linear)
        fed = truth_fed(forcing, *frame.targets(i, t)) if forcing != "free" else None
        found = [
            one(frame, i, t, one.stack(inputs)[row, t - starts[row]], simple, fed)
            for one in members
        ]
        result[torch.from_numpy(inside)] = torch.stack(found).mean(0)
    return result


def in_table_units(frame: Frame, windows: Windows, quantiles: Tensor) -> np.ndarray:
    """Normalised quantiles [n, H, Q] of windows, in the unit of the table."""
    device = quantiles.device
    i, t = (torch.from_numpy(a).to(device) for a in (windows.series, windows.origins))
    return frame.restore(i, t, quantiles)


def _chunk_numbers(windows: Windows, chunking: Chunking) -> tuple[np.ndarray, np.ndarray]:
    """The distinct chunks, [m, 2] series and number, and which of them each window needs, [n]."""
    keys = np.stack([windows.series, windows.origins // chunking.active], axis=1)
    distinct, which = np.unique(keys, axis=0, return_inverse=True)
    return distinct, which.reshape(-1)


def _groups(chunk_of_origin: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Runs of consecutive chunks, and the windows that lie in them."""
    for start in range(0, int(chunk_of_origin.max()) + 1, CHUNKS_AT_ONCE):
        chunks = slice(start, start + CHUNKS_AT_ONCE)
        inside = (chunk_of_origin >= chunks.start) & (chunk_of_origin < chunks.stop)
        yield chunks, np.flatnonzero(inside)
