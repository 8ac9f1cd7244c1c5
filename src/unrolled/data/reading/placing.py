"""Put the rows of each series on the regular grid.

A row off the grid moves to the nearest step; where that step has a row already, the one on the
grid stays. Steps without a row are restored as missing values.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..errors import DataError
from ..frequency import Frequency
from ..series import Schema
from .notes import Notes, listed
from .rows import Rows

# More rows than this lost to other rows on the same step mean that the grid is too coarse.
_MOST_LOST = 0.1
# Mostly absent steps beyond this number would fill the memory with nothing.
_MOST_ABSENT = 20_000_000


@dataclass(frozen=True)
class Placed:
    """One series on the grid: `values` [L, C], NaN where missing or absent."""

    code: int
    start: np.datetime64 | int
    values: np.ndarray
    present: np.ndarray


@dataclass(frozen=True)
class Reach:
    """How many steps of a series have a target, and how many have future covariates."""

    target: int
    future: int


def place(rows: Rows, frequency: Frequency, notes: Notes) -> list[Placed]:
    """Place every series; raises `DataError` where the rows do not fit the frequency."""
    counts: Counter[str] = Counter()
    bounds = rows.bounds()
    placed = []
    for first, last in pairwise(bounds):
        part = slice(first, last)
        code = int(rows.series[first])
        placed.append(_place(code, rows.times[part], rows.values[part], frequency, counts))
    _check_lost(counts["dropped"], len(rows), frequency)
    unit = frequency.unit
    notes.repaired(f"moved {{}} rows to the nearest of the {unit}", counts["moved"])
    notes.repaired("dropped {} rows off the grid whose step was taken", counts["dropped"])
    if counts["absent"]:
        text = f"restored {frequency.amount(counts['absent'], 'absent')}"
        notes.repaired(text, counts["absent"])
    if counts["absent"] > len(rows):
        text = f"more steps are absent ({{}}) than present; is one step really {frequency}?"
        notes.warned(text, counts["absent"])
    return placed


def _place(
    code: int, times: np.ndarray, values: np.ndarray, frequency: Frequency, counts: Counter[str]
) -> Placed:
    start = _anchor(frequency, times)
    positions, off = frequency.positions(start, times)
    # Of the rows on one step the one on the grid comes last, and the last one is kept.
    order = np.lexsort((~off, positions))
    order = order[np.append(np.diff(positions[order]) > 0, True)]
    length = int(positions[-1]) + 1
    counts["dropped"] += len(times) - len(order)
    counts["moved"] += int(off[order].sum())
    counts["absent"] += length - len(order)
    if counts["absent"] > _MOST_ABSENT:
        raise DataError(
            f"at one step per {frequency} the table has over {_MOST_ABSENT:,} absent steps; "
            "choose a longer step with freq=..., or remove rows with stray times"
        )
    grid = np.full((length, values.shape[1]), np.nan)
    grid[positions[order]] = values[order]
    present = np.zeros(length, bool)
    present[positions[order]] = True
    return Placed(code, start, grid, present)


def _anchor(frequency: Frequency, times: np.ndarray) -> np.datetime64 | int:
    """The first time, or the step nearest to it of the grid on which most times lie."""
    # The first time wins ties: it is where the series starts.
    tries = times[[0, len(times) // 3, len(times) // 2, -1]]
    off = [frequency.positions(time, times)[1].mean() for time in tries]
    best = tries[int(np.argmin(off))]
    nearest, _ = frequency.positions(best, times[:1])
    return frequency.time(best, int(nearest[0]))


def _check_lost(lost: int, rows: int, frequency: Frequency) -> None:
    if lost > _MOST_LOST * rows:
        raise DataError(
            f"the frequency {frequency} is too coarse: {lost:,} of {rows:,} rows share their step "
            "with another row; choose a shorter step with freq=..., or average the rows first"
        )


def reaches(
    placed: list[Placed], names: list[str], schema: Schema, notes: Notes
) -> list[tuple[Placed, Reach]]:
    """Where the target and the future covariates of each series end.

    A series without any target is left out; so are rows that hold neither.
    """
    found = [(part, _reach(part, len(schema.future))) for part in placed]
    without = [names[part.code] for part, reach in found if not reach.target]
    found = [(part, reach) for part, reach in found if reach.target]
    target = schema.target
    notes.left_out(f"left out {{}} series without any {target}: {listed(without)}", len(without))
    ahead = max((reach.future - reach.target for _, reach in found), default=0)
    if ahead:
        amount = schema.frequency.amount(ahead)
        notes.found(f"future covariates reach up to {amount} beyond the last {target}")
    cut = sum(int(part.present[reach.future :].sum()) for part, reach in found)
    notes.left_out(f"left out {{}} rows after the last {target} of their series", cut)
    return found


def _reach(part: Placed, future: int) -> Reach:
    target = _last(np.isfinite(part.values[:, 0]))
    covariates = part.values[:, part.values.shape[1] - future :]
    known = np.asarray(np.isfinite(covariates).any(axis=1))
    return Reach(target, max(target, _last(known)))


def _last(known: np.ndarray) -> int:
    """One past the last true position, 0 if there is none."""
    return len(known) - int(known[::-1].argmax()) if known.any() else 0
