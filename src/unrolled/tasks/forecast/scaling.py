"""What is learned about a table before a network sees it: units, transforms, covariates.

Everything here comes from the training part alone and is saved with the model, so that another
table, or later rows of the same one, is normalised in the same way.

Shapes: N series, T time, P past covariates, F covariates known in the future.

References:
    Smyl, "A hybrid method of exponential smoothing and recurrent neural networks",
        International Journal of Forecasting 36, 2020 (level and scale by series).
"""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from ...data import DataError, SeriesSet, calendar_features
from .dense import spread_of, stack_padded

# From this many series on, a step is scaled by its own recent past, and nothing else tells one
# series from another. Below, every series keeps one unit.
MANY_SERIES = 50
# A covariate with more gaps than this share also enters as "was it there".
GAP_SHARE = 0.005
# The least size of a unit relative to the mean of its series: a constant's.
SMALLEST_SIZE = 1e-6


@dataclass(frozen=True)
class Scaling:
    """How a table becomes numbers of ordinary size.

    Attributes:
        season: steps of a season; 1 where there is none.
        log: whether the target is replaced by its logarithm.
        local: whether each step is scaled by its own recent past.
        window: steps over which the recent level and scale are averaged.
        past_mean, past_spread: of every past covariate.
        past_gaps: numbers of the past covariates that enter with a mask.
        future_mean, future_spread: of every covariate known in the future.
        static_mean, static_spread: of every static number, over series.
        cycles: names of the calendar features that are used.
        target_gaps: whether the target misses values in training.
        series: unit of every training series' target, by name.
    """

    season: int
    log: bool
    local: bool
    window: int
    past_mean: tuple[float, ...]
    past_spread: tuple[float, ...]
    past_gaps: tuple[int, ...]
    future_mean: tuple[float, ...]
    future_spread: tuple[float, ...]
    static_mean: tuple[float, ...]
    static_spread: tuple[float, ...]
    cycles: tuple[str, ...]
    target_gaps: bool
    series: dict[str, "Unit"]

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; `from_dict` is the inverse."""
        return {**asdict(self), "series": {name: list(u) for name, u in self.series.items()}}

    @staticmethod
    def from_dict(saved: dict[str, Any]) -> "Scaling":
        lists = {name: tuple(v) for name, v in saved.items() if isinstance(v, list)}
        series = {name: Unit(*numbers) for name, numbers in saved["series"].items()}
        return Scaling(**{**saved, **lists, "series": series})

    def units(self, data: SeriesSet, known: np.ndarray) -> list["Unit"]:
        """The unit of each series.

        A series that was not in training gets that of its own first `known` steps.
        """
        own = {
            series.name: unit_of(self.transform(series.target[:steps]), self.season)
            for series, steps in zip(data, known, strict=True)
            if series.name not in self.series
        }
        # New series are held to what was usual in training.
        units = units_with_floor(self.series | own)
        return [units[series.name] for series in data]

    def transform(self, target: np.ndarray) -> np.ndarray:
        """The target as the model sees it: its logarithm where `log` is set.

        Raises:
            DataError: a value has no logarithm.
        """
        if not self.log:
            return target
        if low := int((target <= 0).sum()):
            raise DataError(
                f"this model works on logarithms, because its training series were positive; "
                f"the table has {low:,} values of 0 or less: train a model on such values"
            )
        return np.log(target)


def learn_scaling(data: SeriesSet, known: np.ndarray, kept_seasons: int) -> Scaling:
    """Learn from the first `known[n]` steps of each series.

    Arguments:
        data: the table.
        known: [N], steps of each series that may be looked at.
        kept_seasons: seasons over which level and scale are averaged.
    """
    season = data.schema.season
    targets = [series.target[:steps] for series, steps in zip(data, known, strict=True)]
    log = grows_in_proportion(targets, season)
    units = {
        series.name: unit_of(np.log(target) if log else target, season)
        for series, target in zip(data, targets, strict=True)
    }
    past = stack_padded([s.past[:steps] for s, steps in zip(data, known, strict=True)])
    future = stack_padded([s.future[:steps] for s, steps in zip(data, known, strict=True)])
    past_mean, past_spread = spread_of(past)
    future_mean, future_spread = spread_of(future)
    static_mean, static_spread = spread_of(np.stack([series.static for series in data])[None])
    inside = np.arange(past.shape[1]) < known[:, None]
    gaps = np.isnan(past)[inside].mean(axis=0) > GAP_SHARE
    return Scaling(
        season=season,
        log=log,
        local=len(targets) >= MANY_SERIES,
        window=kept_seasons * season,
        past_mean=tuple(past_mean),
        past_spread=tuple(past_spread),
        past_gaps=tuple(int(k) for k in np.flatnonzero(gaps)),
        future_mean=tuple(future_mean),
        future_spread=tuple(future_spread),
        static_mean=tuple(static_mean),
        static_spread=tuple(static_spread),
        cycles=repeated_cycles(data, known),
        target_gaps=any(bool(np.isnan(target).any()) for target in targets),
        series=units_with_floor(units),
    )


class Unit(NamedTuple):
    """What a series' target is measured in: values are (y - offset) / size."""

    offset: float
    size: float


def unit_of(values: np.ndarray, season: int) -> Unit:
    """Mean of a series, and the mean absolute difference of values one season apart.

    Without such pairs the size is the standard deviation; it is 0 for a constant.
    """
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return Unit(0.0, 0.0)
    change = np.abs(values[season:] - values[:-season])
    change = change[~np.isnan(change)]
    size = float(change.mean()) if len(change) and change.mean() > 0 else float(known.std())
    return Unit(float(known.mean()), size)


def units_with_floor(units: dict[str, Unit]) -> dict[str, Unit]:
    """The same with sizes that are fit to divide by.

    A series that hardly moves in training may move later. Were its own small size the unit,
    one such series would outweigh all others; so a size is at least a tenth of what is usual
    among the series, relative to their means.
    """
    moving = [unit for unit in units.values() if unit.size > 0]
    relative = [unit.size / abs(unit.offset) for unit in moving if unit.offset != 0]
    usual_share = float(np.median(relative)) if relative else 0.0
    usual_size = float(np.median([unit.size for unit in moving])) if moving else 1.0

    def floored(unit: Unit) -> Unit:
        least = 0.1 * usual_share * abs(unit.offset)
        if unit.size == 0 and least == 0:
            least = usual_size
        return Unit(unit.offset, max(unit.size, least, SMALLEST_SIZE * abs(unit.offset)))

    return {name: floored(unit) for name, unit in units.items()}


def grows_in_proportion(targets: list[np.ndarray], season: int) -> bool:
    """Whether the swings of most series grow with their level, so that a logarithm evens them.

    All series must be positive throughout. A series votes for it when its seasons' means at
    least double, and the logarithms of the spread and the mean of its seasons go together.
    """
    if season <= 1 or any((target <= 0).any() for target in targets):
        return False
    return bool(np.mean([_votes_for_log(target, season) for target in targets]) > 0.5)


def _votes_for_log(target: np.ndarray, season: int) -> bool:
    values = target[~np.isnan(target)]
    seasons = len(values) // season
    if seasons < 5:
        return False
    blocks = values[-seasons * season :].reshape(seasons, season)
    mean, spread = blocks.mean(axis=1), blocks.std(axis=1)
    if mean.max() < 2 * mean.min() or spread.min() <= 0:
        return False
    size, swing = np.log(mean), np.log(spread)
    correlation = np.corrcoef(size, swing)[0, 1]
    return bool(correlation > 0.7 and correlation * swing.std() / size.std() > 0.5)


def repeated_cycles(data: SeriesSet, known: np.ndarray) -> tuple[str, ...]:
    """Names of the calendar features whose cycle the longest series goes through twice.

    A cycle seen once tells a network where it is in the training set, not in the cycle.
    """
    longest = int(known.argmax())
    times = data.series[longest].times(0, int(known[longest]))
    features, names = calendar_features(data.schema.frequency, times)
    # Features come in pairs, sine and cosine of one cycle.
    phases = np.unwrap(np.arctan2(features[:, 0::2], features[:, 1::2]), axis=0)
    turns = (phases[-1] - phases[0]) / (2 * np.pi) if len(phases) else np.zeros(0)
    return tuple(n for k, turn in enumerate(turns) if turn >= 2 for n in names[2 * k : 2 * k + 2])
