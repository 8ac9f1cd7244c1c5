"""A trained forecasting model with all that it takes to use it on a table.

Shapes: S series, N windows, H horizon, Q quantiles.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from ...data import DataError, Schema, Series, SeriesSet
from .baselines import LearnedBaselines, all_baselines
from .chunks import in_table_units, window_quantiles
from .dense import fill_forward
from .frame import Frame, build_frame
from .metrics import seasonal_scale
from .model import ForecastModel, models_of
from .plan import Architecture
from .results import Backtest, Forecast
from .scaling import Scaling
from .windows import Windows, at_end, rolling


@dataclass(frozen=True)
class Fitted:
    """What training leaves.

    Attributes:
        schema: roles of the table's columns.
        scaling: how the table becomes numbers of ordinary size.
        architecture: what `model` is built from.
        model: the network and its linear path; or several whose forecasts are averaged.
        baselines: the learned ones among the baselines.
        seasonal_scales: denominator of MASE of every training series.
        trained_until: for every training series, the time of the first step after it.
        history: the end of the training table, long enough to forecast what comes after it.
    """

    schema: Schema
    scaling: Scaling
    architecture: Architecture
    model: nn.Module
    baselines: LearnedBaselines
    seasonal_scales: dict[str, float]
    trained_until: dict[str, str]
    history: SeriesSet

    @property
    def horizon(self) -> int:
        """Steps that are forecast."""
        return self.architecture.horizon

    @property
    def members(self) -> list[ForecastModel]:
        """The networks whose forecasts are averaged; mostly one."""
        return models_of(self.model)

    @property
    def device(self) -> torch.device:
        """Where the model's weights are."""
        return next(self.model.parameters()).device

    def frame(self, data: SeriesSet, known: np.ndarray | None = None) -> Frame:
        """The tensors of a table; `known` as in `build_frame`."""
        return build_frame(data, self.scaling, self.horizon, known, self.device)

    def quantiles(self, frame: Frame, windows: Windows) -> np.ndarray:
        """Forecasts for windows of a frame, in the unit of the table, [N, H, Q]."""
        self.model.eval()
        linear, chunking = self.members[0].linear, self.architecture.chunking
        forecasts = window_quantiles(self.model, linear, frame, windows, chunking)
        return in_table_units(frame, windows, forecasts)

    def predict(self, data: SeriesSet, levels: Sequence[float] | None) -> Forecast:
        """Forecast the steps after the end of every series."""
        data = self.recognise(data)
        self._check_future(data)
        frame = self.frame(data)
        forecasts = self.quantiles(frame, at_end(frame.lengths, self.horizon))
        chosen = self._places(levels)
        return Forecast(
            schema=self.schema,
            series=tuple(series.name for series in data),
            times=np.stack([series.times(series.n, self.horizon) for series in data]),
            quantiles=forecasts[..., chosen],
            levels=tuple(self.architecture.levels[place] for place in chosen),
        )

    def backtest(self, data: SeriesSet, start: Any, stride: int, most: int | None) -> Backtest:
        """Forecast from many origins of a table and compare with what came."""
        data = self.recognise(data)
        first = np.array([self._first_step(series, start) for series in data])
        frame = self.frame(data, known=first)
        windows = rolling(first, frame.lengths, self.horizon, stride)
        if len(windows) == 0:
            since = "the end of training" if start is None else repr(start)
            raise DataError(
                f"no series has {self.horizon} steps from {since} on; start earlier, or use a "
                "model with a shorter horizon"
            )
        windows = windows if most is None else windows.thinned(most)
        targets = [series.target for series in data]
        return Backtest(
            schema=self.schema,
            series=tuple(series.name for series in data),
            windows=windows,
            histories=targets,
            times=_times_at(data, windows),
            truth=windows.truth(targets),
            quantiles=self.quantiles(frame, windows),
            levels=self.architecture.levels,
            baselines=all_baselines(self.baselines, targets, frame, windows),
            scales=self._seasonal_scales(data, first),
        )

    def recognise(self, data: SeriesSet) -> SeriesSet:
        """The same series; a lone one that bears the name of its file is the one of training."""
        if self.schema.series or len(data) > 1 or len(self.trained_until) > 1:
            return data
        return replace(data, series=(replace(data.series[0], name=next(iter(self.trained_until))),))

    def with_little_history(self, data: SeriesSet) -> tuple[int, list[str]]:
        """How many steps a forecast reads, and the series that have fewer."""
        architecture = self.architecture
        reach = max(self.scaling.window, self.scaling.season, architecture.linear.context)
        needed = max(reach, architecture.seasons * self.scaling.season)
        return needed, [series.name for series in data if series.n < needed]

    def windows_in_training(self, data: SeriesSet, backtest: Backtest) -> int:
        """How many windows of a backtest begin inside the part that the model has seen."""
        until = self.trained_until
        ends = np.array(
            [s.steps_before(until[s.name]) if s.name in until else 0 for s in self.recognise(data)]
        )
        return int((backtest.windows.origins + 1 < ends[backtest.windows.series]).sum())

    def _places(self, levels: Sequence[float] | None) -> list[int]:
        trained = self.architecture.levels
        if levels is None:
            return list(range(len(trained)))
        if unknown := [level for level in levels if level not in trained]:
            raise ValueError(
                f"this model has no quantile {unknown[0]}; it was trained for "
                f"{', '.join(map(str, trained))}"
            )
        return [trained.index(level) for level in levels]

    def _check_future(self, data: SeriesSet) -> None:
        """Covariates known in the future must be given over the whole horizon."""
        if not self.schema.future:
            return
        for series in data:
            ahead = series.future[series.n :][: self.horizon]
            missing = self.horizon - len(ahead)
            gaps = np.isnan(ahead).sum(axis=0) + missing
            if gaps.any():
                column = self.schema.future[int(gaps.argmax())]
                raise DataError(
                    f"{column} is known in the future, but series {series.name} lacks "
                    f"{gaps.max()} of its next {self.horizon} values; add rows with {column} and "
                    f"an empty {self.schema.target}"
                )

    def _first_step(self, series: Series, start: Any) -> int:
        """Position of the first step to forecast; a season and a value must lie before it."""
        if start is None:
            start = self.trained_until.get(series.name)
        if start is None:
            return self.scaling.window + 1
        return max(series.steps_before(start), min(self.scaling.season + 1, series.n))

    def _seasonal_scales(self, data: SeriesSet, first: np.ndarray) -> np.ndarray:
        """Denominators of MASE; of series that were not in training, from before the test."""
        season = self.scaling.season
        return np.array(
            [
                self.seasonal_scales.get(series.name, seasonal_scale(series.target[:n], season))
                for series, n in zip(data, first, strict=True)
            ]
        )


def _times_at(data: SeriesSet, windows: Windows) -> np.ndarray:
    """Time of the last step seen in each window, [N]."""
    grids = [series.times() for series in data]
    pairs = zip(windows.series, windows.origins, strict=True)
    return np.array([grids[series][origin] for series, origin in pairs])


def recent(data: SeriesSet, architecture: Architecture, scaling: Scaling) -> SeriesSet:
    """The end of every series, as far as forecasts after it depend on it."""
    chunking = architecture.chunking
    reach = scaling.window + scaling.season + architecture.linear.context
    reach = max(reach, architecture.baseline.context) + max(architecture.linear.lags, default=0)
    needed = reach + chunking.steps + architecture.horizon
    # Whole chunks are cut off, so that the rest is read in the same pieces as before.
    cuts = [max(0, series.n - needed) // chunking.active * chunking.active for series in data]
    kept = tuple(_end_of(series, cut) for series, cut in zip(data, cuts, strict=True))
    return replace(data, series=kept)


def _end_of(series: Series, cut: int) -> Series:
    """A series from a step on, whose first step repeats the last known values before it."""
    end = series.between(cut, series.n)
    if cut == 0:
        return end
    first = {}
    for part in ("target", "past"):
        values = getattr(series, part)[: cut + 1].reshape(1, cut + 1, -1)
        known = fill_forward(values)[0, -1]
        known[np.isnan(values).all(axis=(0, 1))] = np.nan
        first[part] = getattr(end, part).copy()
        first[part][0] = known if part == "past" else known[0]
    return replace(end, **first)
