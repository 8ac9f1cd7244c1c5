"""How good forecasts are: accuracy, and the calibration of their quantiles.

A forecast is scored only where the truth is known (not NaN). Scaled and percentage errors are
averaged inside each series first and then over series, as in the M4 competition, so that a
series counts once however many windows it has; RMSE, MAE and pinball loss pool everything and
keep the unit of the data.

Shapes: N windows, H horizon, Q quantile levels, S series.

References:
    Hyndman and Koehler, "Another look at measures of forecast accuracy",
        International Journal of Forecasting 22, 2006 (MASE).
    Makridakis, Spiliotis and Assimakopoulos, "The M4 competition", IJF 36, 2020 (sMAPE, MASE).
    Koenker and Bassett, "Regression quantiles", Econometrica 46, 1978 (pinball loss).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Scored:
    """Forecasts beside the truth.

    Attributes:
        truth: [N, H], NaN where unknown.
        point: point forecasts, [N, H].
        series: which series a window belongs to, [N], numbers from 0 to S - 1.
        scales: mean absolute seasonal difference of each series' training part, [S].
        quantiles: forecasts of the quantiles `levels`, [N, H, Q], or None.
        levels: [Q], ascending, between 0 and 1.
    """

    truth: Array
    point: Array
    series: Array
    scales: Array
    quantiles: Array | None = None
    levels: tuple[float, ...] = ()

    def step(self, h: int) -> "Scored":
        """The same forecasts, only their h-th step (from 0)."""
        quantiles = None if self.quantiles is None else self.quantiles[:, h : h + 1]
        step = slice(h, h + 1)
        return Scored(
            self.truth[:, step],
            self.point[:, step],
            self.series,
            self.scales,
            quantiles,
            self.levels,
        )


def seasonal_scale(values: Array, season: int) -> float:
    """Mean absolute difference between values one season apart, the denominator of MASE.

    Arguments:
        values: one series' training part, [T]; pairs with a NaN are left out.

    Returns:
        The mean, or NaN where no pair exists or the series repeats exactly.
    """
    differences = np.abs(values[season:] - values[:-season])
    known = differences[~np.isnan(differences)]
    return float(known.mean()) if len(known) and known.mean() > 0 else float("nan")


def mase(scored: Scored) -> float:
    """Mean absolute error divided by the series' seasonal scale; 1 is about seasonal naive."""
    return _mean(_by_series(np.abs(_errors(scored)), scored) / scored.scales)


def smape(scored: Scored) -> float:
    """Symmetric mean absolute percentage error, from 0 to 200."""
    size = np.abs(scored.truth) + np.abs(scored.point)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Where truth and forecast are both zero the error is zero.
        terms = np.where(size == 0, 0.0, 200 * np.abs(_errors(scored)) / size)
    return _mean(_by_series(np.where(np.isnan(scored.truth), np.nan, terms), scored))


def mape(scored: Scored) -> float:
    """Mean absolute percentage error; infinite where a true value is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = 100 * np.abs(_errors(scored)) / np.abs(scored.truth)
    return _mean(_by_series(terms, scored))


def rmse(scored: Scored) -> float:
    """Root of the mean squared error, in the unit of the data."""
    return math.sqrt(_mean(_errors(scored) ** 2))


def mae(scored: Scored) -> float:
    """Mean absolute error, in the unit of the data."""
    return _mean(np.abs(_errors(scored)))


def pinball(scored: Scored) -> float:
    """Mean quantile loss over all levels, in the unit of the data."""
    assert scored.quantiles is not None, "pinball loss needs quantile forecasts"
    errors = scored.truth[..., None] - scored.quantiles
    levels = np.array(scored.levels)
    return _mean(np.maximum(levels * errors, (levels - 1) * errors))


def coverage(scored: Scored) -> float:
    """Share of true values between the lowest and the highest quantile, from 0 to 1."""
    assert scored.quantiles is not None, "coverage needs quantile forecasts"
    low, high = scored.quantiles[..., 0], scored.quantiles[..., -1]
    known = ~np.isnan(scored.truth)
    inside = (scored.truth >= low) & (scored.truth <= high)
    return _mean(np.where(known, inside, np.nan))


POINT_METRICS: dict[str, Callable[[Scored], float]] = {
    "MASE": mase,
    "sMAPE": smape,
    "MAPE": mape,
    "RMSE": rmse,
    "MAE": mae,
}
QUANTILE_METRICS: dict[str, Callable[[Scored], float]] = {
    "pinball": pinball,
    "coverage": coverage,
}


def all_metrics(scored: Scored) -> dict[str, float]:
    """Every metric that the forecasts allow, by name."""
    chosen = POINT_METRICS | (QUANTILE_METRICS if scored.quantiles is not None else {})
    return {name: metric(scored) for name, metric in chosen.items()}


def by_horizon(scored: Scored) -> dict[str, list[float]]:
    """Every metric of each step of the horizon apart, [H] a metric."""
    steps = [all_metrics(scored.step(h)) for h in range(scored.truth.shape[1])]
    return {name: [step[name] for step in steps] for name in steps[0]}


def _mean(values: Array) -> float:
    """Mean of what is not NaN; NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _errors(scored: Scored) -> Array:
    return scored.truth - scored.point


def _by_series(values: Array, scored: Scored) -> Array:
    """Mean of `values` [N, H] over the known ones of each series, [S]; NaN where there are none."""
    known = ~np.isnan(values)
    count = np.bincount(scored.series, known.sum(1), minlength=len(scored.scales))
    total = np.bincount(
        scored.series, np.where(known, values, 0).sum(1), minlength=len(scored.scales)
    )
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
