"""How far back the gradient reaches, by lag, in every layer of a model.

    d z(T) / d z(T-k) = J(T) J(T-1) ... J(T-k+1),    J(t) = d z(t) / d z(t-1)
    d L(T) / d z(T-k) = (d z(T) / d z(T-k))' d L(T) / d z(T)

where z is the whole state and L(T) the part of the loss that reads z(T) directly. The products
are never formed from the start: vectors walk back from their end, one step of the derivative of
the graph at a time, so memory is linear in T. They are kept at size one and their growth is added
up in logarithms, so nothing under- or overflows.

The norm of the matrix is Frobenius' over the root of S: the root mean square, over all
directions, of the factor by which a gradient is multiplied.

Shapes: B batch, T time, S all entries of the state, N walks, m vectors of a walk, K lags.

References:
    Bengio, Simard and Frasconi, "Learning long-term dependencies with gradient descent is
        difficult", IEEE Transactions on Neural Networks 5, 1994.
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks",
        ICML 2013.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..engines import Engine
from .recording import Loss, Recording, evaluating, record
from .steps import StepMap

# The gradient is forgotten where this share of it is left.
FORGOTTEN = 1e-3
# Losses whose gradients walk back, evenly chosen of all; sequences whose whole product is taken.
MOST_ENDS, MOST_SEQUENCES = 256, 8
# Of a larger state, so many random directions stand for all.
MOST_DIRECTIONS = 128


@dataclass(frozen=True, eq=False)
class ByLag:
    """A norm at lags 0, 1, ..., K - 1, as a share of that at lag 0, over many walks.

    Attributes:
        low, middle, high: natural logarithms of the lower quartile, the median and the upper
            quartile, [K]; -inf where nothing is left.
        walks: how many of them reach each lag, [K]: a sequence begins somewhere.
    """

    low: Tensor
    middle: Tensor
    high: Tensor
    walks: Tensor

    @property
    def norms(self) -> Tensor:
        """The medians, [K]."""
        return self.middle.exp()

    @property
    def horizon(self) -> int | None:
        """The memory horizon: the first lag at which less than a thousandth is left.

        None where that is at no lag of those that were looked at.
        """
        below = (self.middle < math.log(FORGOTTEN)).nonzero()
        return int(below[0]) if len(below) else None

    @property
    def growth(self) -> float:
        """The largest norm at any lag, as a share of that at lag 0."""
        return float(self.middle.max().exp())

    def __len__(self) -> int:
        return len(self.middle)

    def __repr__(self) -> str:
        beyond = f"beyond {len(self) - 1}"
        return f"ByLag(horizon {self.horizon or beyond}, {int(self.walks[0])} walks)"


@dataclass(frozen=True, eq=False)
class LayerFlow:
    """The gradient through time of one layer.

    Attributes:
        title: what its cell is.
        state: of d z(T) / d z(T-k), T each sequence's last step; lag k.
        loss: of d L(T) / d z(T-k) over many T; None without a loss, or where none of it reaches
            the layer.
        along: norm of the whole gradient d L / d z(t) at every step, [B, T]; None without a loss.
    """

    title: str
    state: ByLag
    loss: ByLag | None
    along: Tensor | None

    @property
    def horizon(self) -> int | None:
        """The memory horizon of the loss's gradient, of the state's where there is no loss."""
        return (self.loss or self.state).horizon

    def __repr__(self) -> str:
        return f"LayerFlow({self.title}, of the state: {self.state}, of the loss: {self.loss})"


class GradientFlow(Mapping[str, LayerFlow]):
    """The gradient through time of every layer, by its qualified name."""

    def __init__(self, layers: Mapping[str, LayerFlow]):
        self._layers = dict(layers)

    def __getitem__(self, name: str) -> LayerFlow:
        return self._layers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    @property
    def horizon(self) -> int | None:
        """The longest memory horizon of all layers; None where that of one lies beyond T."""
        found = [layer.horizon for layer in self.values()]
        known = [horizon for horizon in found if horizon is not None]
        return max(known) if len(known) == len(found) else None

    def draw(self, path: str | Path) -> Path:
        """Draw what is left by lag, of every layer, into an SVG or PNG file.

        Raises:
            DataError: another ending.
        """
        from ..report.figures import save_figure
        from .figures import paint_flow

        of = "loss" if any(layer.loss for layer in self.values()) else "state"
        return save_figure(paint_flow(self, of=of), path, height=260, white=True)

    def __repr__(self) -> str:
        def told(layer: LayerFlow) -> str:
            steps = len(layer.state) - 1
            horizon = f"beyond {steps}" if layer.horizon is None else str(layer.horizon)
            return horizon if layer.horizon is None else f"{horizon} of {steps}"

        layers = ", ".join(f"{name}: {told(layer)}" for name, layer in self.items())
        return f"GradientFlow(memory horizon in steps: {layers})"


def gradient_flow(
    model: nn.Module, batch: Any, loss: Loss | None = None, *, engine: str | Engine = "auto"
) -> GradientFlow:
    """The norms of the gradient through time by lag, in every layer of a model.

    Arguments:
        model: a cell, or any module that runs cells by `unrolled.unroll`; run in evaluation mode.
        batch: what `loss` takes. Without a loss: the inputs [B, T, I] of a cell; of a module its
            argument, a tuple of them, or a dict by name.
        loss: L of the model on the batch, a number or a `training.Total`.
        engine: of a cell alone; a module has its own. All give the same figures.

    Raises:
        ValueError: no cell was unrolled, or the loss has no gradient.
    """
    with evaluating(model):
        return flow_of(record(model, batch, loss, engine))


def flow_of(recordings: list[Recording]) -> GradientFlow:
    """The gradient flow of what was recorded."""
    return GradientFlow({each.name: _layer_flow(each) for each in recordings})


def _layer_flow(recording: Recording) -> LayerFlow:
    step, direct = StepMap(recording.cell), recording.direct
    state = _by_lag(_walk_back(step, recording, *_from_last(recording, step.size)))
    if direct is None:
        return LayerFlow(recording.cell.title, state, None, None)
    along = _total(step, recording, direct).norm(dim=-1)
    rows, ends = _evenly((direct.norm(dim=-1) > 0).nonzero(), MOST_ENDS)
    if not len(rows):
        return LayerFlow(recording.cell.title, state, None, along)
    walks = _walk_back(step, recording, rows, ends, direct[rows, ends][:, None])
    return LayerFlow(recording.cell.title, state, _by_lag(walks), along)


def _from_last(recording: Recording, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Sequences [N], their last steps [N], and every direction of the state there, [N, m, S]."""
    rows, ends = _evenly((recording.ends >= 0).nonzero(), MOST_SEQUENCES)[0], recording.ends
    like = recording.before
    if size <= MOST_DIRECTIONS:
        directions = torch.eye(size, dtype=like.dtype, device=like.device)
    else:
        # E |v' P|^2 = |P|^2 for v of independent normal entries.
        draw = torch.Generator().manual_seed(0)
        directions = torch.randn(MOST_DIRECTIONS, size, generator=draw).to(like)
    return rows, ends[rows], directions.expand(len(rows), -1, -1)


def _evenly(pairs: Tensor, most: int) -> tuple[Tensor, ...]:
    """The columns of at most `most` rows, evenly chosen."""
    if len(pairs) > most:
        pairs = pairs[torch.linspace(0, len(pairs) - 1, most).round().long().to(pairs.device)]
    return pairs.unbind(1)


def _walk_back(
    step: StepMap, recording: Recording, rows: Tensor, ends: Tensor, vectors: Tensor
) -> Iterator[Tensor]:
    """Logarithms of the norms at lags 0, 1, ... of the walks that reach them, as shares.

    Arguments:
        rows, ends: sequence and last step of every walk, [N].
        vectors: what walks back from there, [N, m, S].
    """
    x, before, forced = recording.x, recording.before, recording.forced
    grown = torch.zeros(len(rows), dtype=torch.float64, device=x.device)
    yield grown
    vectors, _ = _at_size_one(vectors)
    # Lag k passes through the steps T, ..., T-k+1; the state before the first step is the last.
    for lag in range(1, int(ends.max()) + 2):
        reach = ends - lag + 1 >= 0
        rows, ends, vectors, grown = rows[reach], ends[reach], vectors[reach], grown[reach]
        at = ends - lag + 1
        vectors = step.pull(x[rows, at], before[rows, at], vectors)
        if forced is not None:
            vectors = vectors.masked_fill(forced[rows, at][:, None], 0)
        vectors, size = _at_size_one(vectors)
        grown = grown + size.log()
        yield grown


def _at_size_one(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The vectors of every walk, of norm one together, and the norm that they had, [N]."""
    sizes = vectors.flatten(1).double().norm(dim=1)
    kept = torch.where(sizes > 0, sizes, 1.0)
    return vectors / kept[:, None, None].to(vectors.dtype), sizes


def _by_lag(walks: Iterator[Tensor]) -> ByLag:
    quartiles, counts = [], []
    at = torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
    for grown in walks:
        ordered, last = grown.cpu().sort().values, len(grown) - 1
        # No interpolation, which -inf would turn into NaN.
        quartiles.append(ordered[(at * last).round().long()])
        counts.append(len(grown))
    low, middle, high = torch.stack(quartiles).unbind(1)
    return ByLag(low, middle, high, torch.tensor(counts))


def _total(step: StepMap, recording: Recording, direct: Tensor) -> Tensor:
    """d L / d z(t) by all later steps together, [B, T, S]."""
    x, before, forced, valid = recording.x, recording.before, recording.forced, recording.valid
    carried, found = torch.zeros_like(direct[:, 0]), []
    for t in reversed(range(x.shape[1])):
        total = direct[:, t] + carried
        found.append(total)
        carried = step.pull(x[:, t], before[:, t], total[:, None])[:, 0]
        if forced is not None:
            carried = carried.masked_fill(forced[:, t], 0)
        # Beyond its length a sequence has no gradient, whatever the step's derivative is there.
        carried = carried.masked_fill(~valid[:, t, None], 0)
    return torch.stack(found[::-1], dim=1)
