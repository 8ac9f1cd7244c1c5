"""Rows of numbers: drop those without a place, sort, and merge those at the same place."""

from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .notes import Notes

# Beyond these shares conflicting rows more likely belong to different series.
_FEW_CONFLICTS, _MOST_CONFLICTS = 0.05, 0.4


@dataclass(frozen=True)
class Rows:
    """Rows of all series.

    series [N] int64, times [N] datetime64[us] or int64, values [N, C] float64 with NaN where
    missing. After `tidy` they are sorted by series, then by time, each place once.
    """

    series: np.ndarray
    times: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.series)

    def take(self, which: np.ndarray) -> "Rows":
        return Rows(self.series[which], self.times[which], self.values[which])

    def bounds(self) -> np.ndarray:
        """Where each series begins, and the end of the last one."""
        starts = np.flatnonzero(np.diff(self.series, prepend=-1))
        return np.append(starts, len(self))


def tidy(rows: Rows, notes: Notes) -> Rows:
    """Sort by series and time, and keep the last of the rows that share both."""
    by_series = np.argsort(rows.series, kind="stable")
    late = (np.diff(rows.series[by_series]) == 0) & (
        np.diff(rows.times[by_series].astype(np.int64)) < 0
    )
    notes.repaired("sorted {} rows that came late", int(late.sum()))
    rows = rows.take(np.lexsort((rows.times, rows.series)))
    return _merge(rows, notes)


def _merge(rows: Rows, notes: Notes) -> Rows:
    repeated = (np.diff(rows.series) == 0) & (np.diff(rows.times.astype(np.int64)) == 0)
    # Exact copies are harmless; conflicting values deserve to be told apart from them.
    equal = (rows.values[1:] == rows.values[:-1]) | (
        np.isnan(rows.values[1:]) & np.isnan(rows.values[:-1])
    )
    same = repeated & equal.all(axis=1)
    conflicting = int((repeated & ~same).sum())
    notes.repaired("dropped {} repeated rows", int(same.sum()))
    notes.repaired("dropped {} rows that a later row for the same time contradicts", conflicting)
    _check_conflicts(conflicting, len(rows), notes)
    return rows.take(np.append(~repeated, True))


def _check_conflicts(conflicting: int, rows: int, notes: Notes) -> None:
    advice = "name every column that tells series apart, series=[...]"
    if conflicting > _MOST_CONFLICTS * rows:
        raise DataError(
            f"{conflicting:,} of {rows:,} rows share their series and time with another row that "
            f"has other values; {advice}"
        )
    if conflicting > max(5, _FEW_CONFLICTS * rows):
        notes.warned(f"{{}} rows conflict with another one; {advice}", conflicting)
