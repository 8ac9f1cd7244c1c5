"""Find after how many steps a set of series repeats itself.

On a clock or calendar only the cycles that people know are considered (24 and 168 for hours),
and the shortest one that the data confirm is taken, or a longer one that is much clearer. On
integer axes any peak of the autocorrelation may be the season. Differences are correlated, not
values, so that a trend is not mistaken for a cycle.

References:
    Box, Jenkins, Reinsel and Ljung, "Time Series Analysis", 5th edition, sections 2.1 and 9.2.
    Makridakis, Spiliotis and Assimakopoulos, "The M4 Competition", IJF 36(1), 2020: the test
    of seasonality by autocorrelation.
"""

from collections.abc import Sequence

import numpy as np

from .frequency import Frequency

_MOST_SERIES = 50
_MOST_STEPS = 20_000
# Below this the cycle explains too little for a seasonal forecast to beat the last value.
_LEAST_CORRELATION = 0.1
# The correlation must rise by this from half a cycle to a whole one.
_LEAST_RISE = 0.05
# By so much more must a longer cycle correlate to be taken for a shorter one.
_CLEARLY_MORE = 0.25
# Cycles are looked at in so many parts, or steps if they have fewer.
_PARTS_OF_A_CYCLE = 24
# With no known cycle to confirm, every lag is a candidate, so chance needs a wider margin.
_LEAST_PEAK = 0.3


def detect_season(frequency: Frequency, targets: Sequence[np.ndarray]) -> tuple[int, str]:
    """The season in steps (1: none), and one line that says why.

    Args:
        frequency: the grid of the series.
        targets: values of each series, NaN where missing; an even sample of them is used.
    """
    if frequency.kind == "integer":
        return _highest_peak(targets)
    best, reached = 1, 0.0
    for season in frequency.candidate_seasons:
        # A longer cycle is looked at with the shorter one averaged out.
        block = best if best > 1 and season % best == 0 else season // _PARTS_OF_A_CYCLE
        correlation, limit = _correlation_at(season, max(1, block), targets)
        # The shortest confirmed cycle is taken, unless a longer one is much clearer.
        if correlation > limit and (best == 1 or correlation > reached + _CLEARLY_MORE):
            best, reached = season, correlation
    if best > 1:
        return best, f"changes {frequency.amount(best)} apart correlate by {reached:.2f}"
    tried = " or ".join(str(season) for season in frequency.candidate_seasons)
    if not tried:
        return 1, f"no known cycle in {frequency.unit}"
    return 1, f"no autocorrelation at {tried} {frequency.unit}, or less than two full cycles"


def _correlation_at(season: int, block: int, targets: Sequence[np.ndarray]) -> tuple[float, float]:
    """Correlation at a lag beyond that at half the lag, and what noise would reach."""
    targets, season = [_block_means(target, block) for target in targets], round(season / block)
    correlations, pairs = _mean_autocorrelation(targets, season + 1, at_least=2 * season + 1)
    if not len(correlations):
        return 0.0, np.inf
    # A smooth series correlates at every short lag; a cycle is weaker halfway through.
    if correlations[season] <= correlations[season // 2] + _LEAST_RISE:
        return 0.0, np.inf
    return float(correlations[season]), max(_LEAST_CORRELATION, float(_noise_limit(pairs[season])))


def _block_means(target: np.ndarray, block: int) -> np.ndarray:
    """Means of `block` steps each. Over a small part of a long cycle a change is mostly noise."""
    if block == 1:
        return target
    blocks = target[len(target) % block :].reshape(-1, block)
    known = np.isfinite(blocks)
    sums, counts = np.where(known, blocks, 0).sum(axis=1), known.sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _highest_peak(targets: Sequence[np.ndarray]) -> tuple[int, str]:
    lags = max((len(target) // 3 for target in targets), default=0)
    correlations, pairs = _mean_autocorrelation(targets, lags + 1, at_least=8)
    season = _first_peak(correlations, np.maximum(_LEAST_PEAK, _noise_limit(pairs, deviations=4)))
    if season == 1:
        return 1, "no peak in the autocorrelation"
    return season, f"the autocorrelation peaks at {correlations[season]:.2f} after {season} steps"


def _first_peak(correlations: np.ndarray, limits: np.ndarray) -> int:
    """The lag of the first high peak, 1 where there is none."""
    lags = np.arange(len(correlations))
    # Over one whole cycle the autocorrelation of differences sums to zero, so it must have
    # been negative before it comes back.
    negative = lags[correlations <= 0]
    if not len(negative):
        return 1
    high = lags[(correlations > limits) & (lags > negative[0])]
    if not len(high):
        return 1
    # Multiples of a season peak as high as the season itself; the first of them is wanted.
    near_top = high[correlations[high] >= 0.9 * correlations[high].max()][0]
    falls = negative[negative > near_top]
    end = falls[0] if len(falls) else len(lags)
    return int(near_top + correlations[near_top:end].argmax())


def _noise_limit(pairs: np.ndarray, deviations: float = 2.5) -> np.ndarray:
    # Differenced noise has autocorrelation -1/2 at lag 1, hence variance 3/2 per pair at
    # longer lags (Bartlett's formula).
    return deviations * np.sqrt(1.5 / np.maximum(pairs, 1))


def _mean_autocorrelation(
    targets: Sequence[np.ndarray], lags: int, at_least: int
) -> tuple[np.ndarray, np.ndarray]:
    """Autocorrelation of the differences at lags `0 .. lags - 1`, and the pairs behind each.

    Series with fewer than `at_least` known values are left out; both are empty if all are.
    """
    known = [target for target in targets if np.isfinite(target).sum() >= at_least]
    sample = known[:: max(1, len(known) // _MOST_SERIES)][:_MOST_SERIES]
    sums, pairs, power = np.zeros(lags), np.zeros(lags), np.zeros(lags)
    for target in sample:
        products, counts, variance = _lagged_products(np.diff(target[-_MOST_STEPS:]), lags)
        # Dividing by the variance lets every series count alike, whatever its scale.
        sums += products / variance if variance > 0 else 0
        power += counts if variance > 0 else 0
        pairs += counts
    if not power.any():
        return np.zeros(0), np.zeros(0)
    return sums / np.maximum(power, 1), pairs


def _lagged_products(
    changes: np.ndarray, lags: int
) -> tuple[np.ndarray, np.ndarray, np.floating | float]:
    """Sum of products and number of known pairs at each lag, and the variance."""
    known = np.isfinite(changes)
    if not known.any():
        return np.zeros(lags), np.zeros(lags), 0.0
    centred = np.where(known, changes - changes[known].mean(), 0.0)
    return _correlate(centred, lags), np.rint(_correlate(known, lags)), centred[known].var()


def _correlate(values: np.ndarray, lags: int) -> np.ndarray:
    """`sum over t of values[t] * values[t + lag]` for each lag, by the FFT."""
    spectrum = np.fft.rfft(values, 2 * len(values))
    full = np.fft.irfft(np.abs(spectrum) ** 2, 2 * len(values))[: len(values)]
    return np.pad(full, (0, max(0, lags - len(full))))[:lags]
