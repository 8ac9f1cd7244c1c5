"""Where forecasts are made and scored: origins, and the split of series by time.

An *origin* is the position of the last step that a forecast may see. The steps after it, up to
the horizon, are its window.

Shapes: N windows, S series, H horizon.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Windows:
    """Forecast windows over many series.

    Attributes:
        series: [N], number of the series.
        origins: [N], position of the last step seen.
        horizon: H.
    """

    series: np.ndarray
    origins: np.ndarray
    horizon: int

    def __len__(self) -> int:
        return len(self.series)

    @property
    def steps(self) -> np.ndarray:
        """Positions of the forecast steps, [N, H]."""
        return self.origins[:, None] + np.arange(1, self.horizon + 1)

    def truth(self, targets: Sequence[np.ndarray]) -> np.ndarray:
        """True values, [N, H]; NaN where missing or beyond the end."""
        longest = max(len(target) for target in targets)
        dense = np.full((len(targets), longest + self.horizon), np.nan)
        for row, target in zip(dense, targets, strict=True):
            row[: len(target)] = target
        return dense[self.series[:, None], self.steps]

    def thinned(self, most: int) -> "Windows":
        """At most `most` windows, evenly chosen."""
        if len(self) <= most:
            return self
        keep = np.linspace(0, len(self) - 1, most).round().astype(int)
        return Windows(self.series[keep], self.origins[keep], self.horizon)


def rolling(
    first: Sequence[int] | np.ndarray,
    lengths: Sequence[int] | np.ndarray,
    horizon: int,
    stride: int = 1,
) -> Windows:
    """Windows that lie in each series from position `first` on, one every `stride` steps.

    Arguments:
        first: [S], position of the first step that may be forecast.
        lengths: [S], positions of the ends: the whole horizon lies before them.
    """
    origins = [
        np.arange(start - 1, length - horizon, stride)
        for start, length in zip(first, lengths, strict=True)
    ]
    series = np.repeat(np.arange(len(origins)), [len(o) for o in origins])
    return Windows(series, np.concatenate(origins).astype(int), horizon)


def at_end(lengths: Sequence[int] | np.ndarray, horizon: int) -> Windows:
    """One window after the end of every series."""
    return Windows(np.arange(len(lengths)), np.array(lengths) - 1, horizon)


def validation_steps(lengths: Sequence[int] | np.ndarray, horizon: int) -> int:
    """How many steps at the end of every series to hold out for validation.

    About a seventh of a series, but no more than gives some 3,000 windows over all series, and
    at least one horizon.
    """
    share = math.ceil(0.15 * float(np.median(lengths)))
    enough = horizon + math.ceil(3000 / len(lengths))
    return max(horizon, min(share, enough))


def test_steps(lengths: Sequence[int] | np.ndarray, horizon: int) -> int:
    """How many steps at the end of every series to hold out for the test: an eighth of it."""
    return max(horizon, round(0.125 * float(np.median(lengths))))
