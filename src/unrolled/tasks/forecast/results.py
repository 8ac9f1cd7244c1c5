"""What a forecaster gives back: forecasts with their times, and backtests with their scores."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ...data import DataError, Schema
from ...files import write_atomically
from . import metrics
from .metrics import Scored
from .windows import Windows

DAY = 86_400_000_000  # microseconds
MODEL = "model"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"


@dataclass(frozen=True, repr=False)
class Forecast:
    """Forecasts of several series, in the unit of their table.

    Attributes:
        schema: of the table.
        series: names, [S].
        times: of the steps, [S, H].
        quantiles: [S, H, Q] at `levels`.
    """

    schema: Schema
    series: tuple[str, ...]
    times: np.ndarray
    quantiles: np.ndarray
    levels: tuple[float, ...]

    def __repr__(self) -> str:
        series, steps, _ = self.quantiles.shape
        return f"Forecast({self.schema.target}: {series} series, {steps} steps, {self.levels})"

    @property
    def point(self) -> np.ndarray:
        """The median, [S, H].

        Raises:
            ValueError: the forecast was asked for without it.
        """
        if 0.5 not in self.levels:
            raise ValueError("these quantiles do not include 0.5, the point forecast")
        return self.quantiles[..., self.levels.index(0.5)]

    def to_polars(self) -> pl.DataFrame:
        """One row a series and step: series, time, and a column a quantile (`q10`, ...).

        The columns of series and time are called as in the table; several columns that name
        the series become one, `series`.
        """
        steps = self.times.shape[1]
        columns: dict[str, Any] = {}
        if self.schema.series:
            name = self.schema.series[0] if len(self.schema.series) == 1 else "series"
            columns[name] = np.repeat(np.array(self.series, dtype=object), steps).tolist()
        grid = self.schema.frequency
        times = self.times.reshape(-1)
        whole_days = grid.kind in ("months", "business") or grid.microseconds % DAY == 0
        if grid.kind != "integer" and whole_days and (times == times.astype("M8[D]")).all():
            times = times.astype("M8[D]")
        columns[self.schema.time] = times
        for k, level in enumerate(self.levels):
            columns[quantile_name(level)] = self.quantiles[..., k].reshape(-1)
        return pl.DataFrame(columns)

    def to_pandas(self) -> Any:
        """The same as a pandas data frame; needs pandas and pyarrow."""
        return self.to_polars().to_pandas()

    def write(self, path: str | Path = "-") -> None:
        """Write CSV or Parquet, by the ending of `path`; "-" is CSV on standard output.

        Raises:
            DataError: another ending.
        """
        write_table(self.to_polars(), path)


@dataclass(frozen=True, repr=False)
class Backtest:
    """Forecasts from many origins beside the truth and the baselines.

    Attributes:
        schema: of the table.
        series: names, [S].
        windows: series and origin of every window, N of them.
        histories: the whole target of every series, [S] arrays.
        times: of each origin, the last step that was seen, [N].
        truth: [N, H], NaN where unknown.
        quantiles: [N, H, Q] at `levels`.
        baselines: point forecasts by name, [N, H].
        scales: denominators of MASE, [S].
    """

    schema: Schema
    series: tuple[str, ...]
    windows: Windows
    histories: Sequence[np.ndarray]
    times: np.ndarray
    truth: np.ndarray
    quantiles: np.ndarray
    levels: tuple[float, ...]
    baselines: dict[str, np.ndarray]
    scales: np.ndarray
    _cache: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __repr__(self) -> str:
        n, scores = len(self.windows), self.scores[MODEL]
        return f"Backtest({self.schema.target}: {n} windows, MASE {scores['MASE']:.3f})"

    @property
    def point(self) -> np.ndarray:
        """The median forecasts, [N, H]."""
        return self.quantiles[..., self.levels.index(0.5)]

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """Metrics of the model and of every baseline, by name; the model is `model`."""
        if "scores" not in self._cache:
            self._cache["scores"] = {n: metrics.all_metrics(s) for n, s in self._scored().items()}
        return self._cache["scores"]

    @property
    def by_horizon(self) -> dict[str, dict[str, list[float]]]:
        """The same for each step of the horizon, [H]."""
        if "by_horizon" not in self._cache:
            scored = self._scored().items()
            self._cache["by_horizon"] = {n: metrics.by_horizon(s) for n, s in scored}
        return self._cache["by_horizon"]

    @property
    def best_baseline(self) -> str:
        """Name of the baseline with the lowest error (MASE, or MAE where there is none)."""
        return min(self.baselines, key=lambda name: self.error(name))

    def error(self, name: str) -> float:
        """MASE of the model or of a baseline; MAE where MASE is undefined."""
        scores = self.scores[name]
        return scores["MAE"] if np.isnan(scores["MASE"]) else scores["MASE"]

    def worst(self, count: int) -> np.ndarray:
        """Numbers of the windows with the largest scaled error, worst first."""
        errors = np.abs(self.truth - self.point)
        scales = np.nan_to_num(self.scales, nan=1.0)[self.windows.series]
        known = ~np.isnan(errors)
        mean = np.where(known, errors, 0).sum(1) / np.maximum(known.sum(1), 1) / scales
        return np.argsort(-mean)[:count]

    def table(self) -> pl.DataFrame:
        """One row a model and baseline, one column a metric."""
        return pl.DataFrame([{"model": name, **scores} for name, scores in self.scores.items()])

    def write(self, path: str | Path = "-") -> None:
        """Write `table()` as `Forecast.write` does."""
        write_table(self.table(), path)

    def _scored(self) -> dict[str, Scored]:
        rest = (self.windows.series, self.scales)
        model = Scored(self.truth, self.point, *rest, self.quantiles, self.levels)
        return {
            MODEL: model,
            **{name: Scored(self.truth, p, *rest) for name, p in self.baselines.items()},
        }


def write_table(table: pl.DataFrame, path: str | Path) -> None:
    """Write CSV or Parquet, by the ending of `path`; "-" is CSV on standard output.

    Raises:
        DataError: another ending.
    """
    writers = {
        ".csv": partial(table.write_csv, datetime_format=TIME_FORMAT),
        ".parquet": table.write_parquet,
    }
    if str(path) == "-":
        sys.stdout.write(table.write_csv(datetime_format=TIME_FORMAT))
        return
    if Path(path).suffix not in writers:
        raise DataError(f"cannot write {path}: the name must end in .csv or .parquet")
    write_atomically(Path(path), lambda beside: writers[Path(path).suffix](beside))


def quantile_name(level: float) -> str:
    """`q10` for 0.1, `q2.5` for 0.025."""
    return f"q{100 * level:g}"


def levels_of(text: str, name: str = "quantiles") -> tuple[float, ...]:
    """Levels from "0.1,0.5".

    Raises:
        ValueError: one is not a number; `name` says of what.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{name} must be numbers such as 0.1,0.5,0.9, got {text!r}") from None


def check_levels(levels: Sequence[float] | str) -> tuple[float, ...]:
    """Quantile levels in order.

    Raises:
        ValueError: one is not between 0 and 1, one stands twice, or the median is missing.
    """
    if isinstance(levels, str):
        levels = levels_of(levels)
    if isinstance(levels, (int, float)):
        raise ValueError(f"quantiles must be several levels, as (0.1, 0.5, 0.9), got {levels!r}")
    ordered = tuple(sorted(float(level) for level in levels))
    inside = all(0 < level < 1 for level in ordered)
    if not inside or len(set(ordered)) < len(ordered) or 0.5 not in ordered:
        raise ValueError(
            f"quantiles must lie between 0 and 1, be distinct and include 0.5, got {list(levels)}"
        )
    return ordered
