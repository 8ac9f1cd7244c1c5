"""What to train on a table when nobody says: sizes and rates that fit the amount of data.

The numbers come from experiments on M4 Hourly (many series), New York weather and ETTh1 (few
long series) and AirPassengers (one short series), chosen on validation parts alone.
"""

from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from ...cells import Cell
from ...data import SeriesSet
from ...nn import DilatedStack
from ...nn.ensemble import ensemble_of
from .chunks import Chunking
from .linear import LinearForm, LinearPath
from .model import (
    DirectHead,
    FeedbackHead,
    ForecastModel,
    MakeCell,
    RecurrentHead,
    candidate_count,
)
from .scaling import MANY_SERIES

# Seasons outside these bounds do not set the length of chunks and dilations.
SHORTEST_RHYTHM, LONGEST_RHYTHM = 6, 48
MOST_SEASONS = 7


@dataclass(frozen=True)
class Plan:
    """Sizes and rates for an amount of data.

    Attributes:
        hidden_size: of every recurrent layer.
        num_layers: how many there are.
        dropout: of what the head reads; half as much between layers.
        learning_rate, weight_decay: of AdamW.
        updates: over the whole training.
        members: networks whose forecasts are averaged.
    """

    hidden_size: int
    dropout: float
    learning_rate: float
    weight_decay: float
    updates: int
    num_layers: int = 3
    members: int = 1


MANY = Plan(64, dropout=0.1, learning_rate=1e-2, weight_decay=0.0, updates=1000, members=3)
FEW = Plan(8, dropout=0.3, learning_rate=4e-3, weight_decay=0.05, updates=300)
# With few series the network's outputs are smooth over the horizon: so many cosines.
WAVES_OF_FEW = 6


def plan_for(data: SeriesSet) -> Plan:
    """Sizes and rates for a table."""
    return MANY if len(data) >= MANY_SERIES else FEW


def kept_seasons(typical_length: float, season: int) -> int:
    """How many past seasons are candidates, and set the recent level: a quarter of a series."""
    if season == 1:
        return MOST_SEASONS
    return int(min(max(typical_length // (4 * season), 1), MOST_SEASONS))


def chunking_for(season: int) -> Chunking:
    """Chunks of seven seasons, four of them to warm up."""
    rhythm = min(max(season, SHORTEST_RHYTHM), LONGEST_RHYTHM)
    return Chunking(warm_up=4 * rhythm, active=3 * rhythm)


def dilations_for(season: int, layers: int = 3) -> tuple[int, ...]:
    """Strides of the recurrent layers: one step, some steps, a season; and over again."""
    strides = (1, 4, min(season, LONGEST_RHYTHM)) if season > 4 else (1, 2, 4)
    return tuple(strides[layer % len(strides)] for layer in range(layers))


@dataclass(frozen=True)
class Architecture:
    """Everything that a model is built from, apart from its weights; JSON holds it.

    Attributes:
        cell: name of the cell, for the record.
        input_size: what the network reads at a step.
        ahead_size: K, what is known in advance of a step.
        hidden_size, dilations, dropout: of the stack.
        decoder: "direct", "recurrent" or "feedback".
        waves: as in `DirectHead`.
        horizon, seasons, levels: as in `ForecastModel`.
        linear, baseline: forms of the linear path and of the linear baseline.
        chunking: how series are cut to be read.
        members: networks whose forecasts are averaged.
    """

    cell: str
    input_size: int
    ahead_size: int
    hidden_size: int
    dilations: tuple[int, ...]
    dropout: float
    decoder: str
    waves: int
    horizon: int
    seasons: int
    levels: tuple[float, ...]
    linear: LinearForm
    baseline: LinearForm
    chunking: Chunking
    members: int = 1

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; `from_dict` is the inverse."""
        return asdict(self)

    @staticmethod
    def from_dict(saved: dict[str, Any]) -> "Architecture":
        forms = {
            name: LinearForm(saved[name]["context"], tuple(saved[name]["lags"]))
            for name in ("linear", "baseline")
        }
        tuples = {name: tuple(saved[name]) for name in ("dilations", "levels")}
        return Architecture(
            **{**saved, **forms, **tuples, "chunking": Chunking(**saved["chunking"])}
        )

    def build(self, make_cell: MakeCell, linear: LinearPath) -> nn.Module:
        """A model with fresh weights around a linear path; or an ensemble of such."""
        return ensemble_of(self.members, lambda: self._member(make_cell, linear))

    def _member(self, make_cell: MakeCell, linear: LinearPath) -> ForecastModel:
        count = candidate_count(self.seasons)
        # One candidate needs no weight.
        outputs = len(self.levels) + (count if count > 1 else 0)
        return ForecastModel(
            self._stack(make_cell),
            self._head(make_cell, outputs),
            linear,
            self.seasons,
            self.levels,
            self.horizon,
            self.dropout,
        )

    def _stack(self, make_cell: MakeCell) -> DilatedStack:
        sizes = [self.input_size] + [self.hidden_size] * (len(self.dilations) - 1)
        cells: list[Cell] = [make_cell(size, self.hidden_size) for size in sizes]
        return DilatedStack(cells, self.dilations, self.dropout / 2)

    def _head(self, make_cell: MakeCell, outputs: int) -> DirectHead | RecurrentHead | FeedbackHead:
        if self.decoder == "direct":
            return DirectHead(self.hidden_size, self.horizon, outputs, self.waves)
        count = candidate_count(self.seasons)
        read = self.hidden_size + count + self.ahead_size
        if self.decoder == "feedback":
            cell = make_cell(read + 1, self.hidden_size)
            return FeedbackHead(cell, outputs, count, len(self.levels))
        return RecurrentHead(make_cell(read, self.hidden_size), outputs)
