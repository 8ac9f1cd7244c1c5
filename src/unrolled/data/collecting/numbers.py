"""Numeric sequences as models take them: float64 [T, F], without missing values."""

import numpy as np

from ..errors import DataError
from ..reading.notes import Notes


class Cleaner:
    """Cuts missing steps off the ends of sequences and fills gaps, and counts both."""

    def __init__(self) -> None:
        self.cut, self.filled = 0, 0

    def clean(self, values: np.ndarray, name: str) -> np.ndarray:
        """[T, F] with NaN where missing, without.

        Steps without any value at the end are cut off. A gap takes the value of the step before
        it, one at the start that of the first step that has one.

        Raises:
            DataError: a feature has no value in the whole sequence.
        """
        present = np.isfinite(values)
        steps = np.flatnonzero(present.any(axis=1))
        values = values[: steps[-1] + 1] if len(steps) else values[:0]
        self.cut += len(present) - len(values)
        present = present[: len(values)]
        if not present.all():
            self.filled += int((~present).sum())
            values = _filled(values, present, name)
        return values.astype(np.float64)

    def report(self, notes: Notes) -> None:
        notes.repaired("steps without a value at the end of a sample, cut off: {}", self.cut)
        notes.repaired(
            "gaps in samples, each filled with the value of the step before: {}", self.filled
        )


def _filled(values: np.ndarray, present: np.ndarray, name: str) -> np.ndarray:
    if not present.any(axis=0).all():
        place = int(np.argmin(present.any(axis=0)))
        raise DataError(f"sample {name} has no value of feature {place + 1}; leave one of them out")
    step = np.arange(len(values))[:, None]
    last = np.maximum.accumulate(np.where(present, step, -1), axis=0)  # [T, F]
    last = np.where(last < 0, np.argmax(present, axis=0), last)
    return np.take_along_axis(values, last, axis=0)
