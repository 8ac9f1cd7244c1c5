"""Arrays of many series: stacked to one length, filled from the past, averaged over it.

Shapes: N series, T time, K features.
"""

from collections.abc import Sequence

import numpy as np


def stack_padded(arrays: Sequence[np.ndarray], length: int | None = None) -> np.ndarray:
    """Arrays [T_n, K] or [T_n] under one another, [N, T, K] or [N, T]; NaN after each end."""
    length = max(len(a) for a in arrays) if length is None else length
    stacked = np.full((len(arrays), length, *arrays[0].shape[1:]), np.nan)
    for row, array in zip(stacked, arrays, strict=True):
        row[: len(array)] = array[:length]
    return stacked


def fill_forward(values: np.ndarray) -> np.ndarray:
    """Missing values of [N, T, ...] replaced by the last one before them along T.

    Before a series' first value stands that value, and zero where there is none at all.
    """
    missing = np.isnan(values)
    steps = np.arange(values.shape[1]).reshape(1, -1, *[1] * (values.ndim - 2))
    last = np.maximum.accumulate(np.where(missing, 0, steps), axis=1)
    filled = np.take_along_axis(values, last, axis=1)
    first = np.take_along_axis(values, np.argmax(~missing, axis=1, keepdims=True), axis=1)
    return np.nan_to_num(np.where(np.isnan(filled), first, filled))


def trailing_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Mean of the last `window` values at every step of [N, T]; of all so far at the start."""
    sums = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    ends = np.arange(1, values.shape[1] + 1)
    starts = np.maximum(ends - window, 0)
    return (sums[:, ends] - sums[:, starts]) / (ends - starts)


def seasonal_change(values: np.ndarray, season: int) -> np.ndarray:
    """Absolute difference to the value one season before, [N, T]; zero in the first season."""
    change = np.zeros_like(values)
    change[:, season:] = np.abs(values[:, season:] - values[:, :-season])
    return change


def spread_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each feature of [N, T, K] over its known values, [K]."""
    flat = values.reshape(values.shape[0] * values.shape[1], values.shape[2])
    known = ~np.isnan(flat)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, flat, 0).sum(axis=0) / count
    variance = (np.where(known, flat - mean, 0) ** 2).sum(axis=0) / count
    return mean, np.where(variance > 0, np.sqrt(variance), 1.0)
