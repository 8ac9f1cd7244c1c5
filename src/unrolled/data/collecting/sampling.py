"""Times of samples: whether they are even, and where they are not.

A record goes on as long as times rise by about the usual step. It is cut where they rise by more
than one and a half, and where they fall: time begins again with a new experiment.
"""

import re

import numpy as np

from ..errors import DataError
from ..grids import SECOND
from ..reading.columns import Columns, without_missing
from ..reading.notes import Notes
from ..reading.times import read_times

# Seconds of a unit that stands behind the name of a column, as in "t [ms]".
UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}
UNIT = re.compile(r"[\[(]\s*(\S+)\s*[\])]\s*$")
# Columns that count rows, whose steps are no seconds.
COUNTERS = ("step", "index", "k")
# A step longer than this is a gap, one shorter than this is none; in usual steps.
GAP, NONE = 1.5, 0.5
# A step that differs by more is uneven; more uneven steps than this share cannot be used.
UNEVEN, MOST_UNEVEN = 0.05, 0.1


class Clock:
    """Reads times, and counts what is wrong with them.

    Attributes:
        steps: the usual step of every experiment, in seconds; NaN where a column counts rows.
    """

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.gaps = self.again = self.repeated = self.uneven = self.untimed = self.total = 0

    def marks(self, columns: Columns, name: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the samples of one experiment: which do not follow the one before, which are lost.

        Lost are those without a time, and those at the time of the one before.

        Raises:
            DataError: a time cannot be read, or times do not rise evenly.
        """
        times, counts = seconds_of(columns, name, rows)
        lost, breaks = ~np.isfinite(times), np.zeros(len(times), dtype=bool)
        self.untimed += int(lost.sum())
        timed = np.flatnonzero(~lost)
        steps = np.diff(times[timed])
        if not len(steps):
            return breaks, lost
        if not (steps > 0).any():
            raise DataError(f"the times of {name!r} do not rise; leave it out, or correct it")
        usual = float(np.median(steps[steps > 0]))
        late, same = steps > GAP * usual, np.abs(steps) <= NONE * usual
        back = (steps < 0) & ~same
        self._count(name, late, same, back, np.abs(steps / usual - 1) > UNEVEN)
        self.steps.append(np.nan if counts else usual)
        breaks[timed[1:]] = late | back
        lost[timed[1:]] |= same
        return breaks, lost

    def _count(
        self, name: str, late: np.ndarray, same: np.ndarray, back: np.ndarray, uneven: np.ndarray
    ) -> None:
        uneven = uneven & ~(late | same | back)
        self.gaps, self.again = self.gaps + int(late.sum()), self.again + int(back.sum())
        self.repeated += int(same.sum())
        self.uneven, self.total = self.uneven + int(uneven.sum()), self.total + len(late)
        if len(late) and (late | same | back).mean() > MOST_UNEVEN:
            raise DataError(
                f"the times of {name!r} are irregular: {int(late.sum()):,} of {len(late):,} steps "
                f"are gaps, {int(same.sum()):,} are none, {int(back.sum()):,} go back; bring the "
                "samples onto even steps first"
            )

    def finish(self, notes: Notes) -> float | None:
        """Seconds between samples, where all experiments agree; notes get what was counted."""
        notes.repaired("gaps in time, at which records are cut: {}", self.gaps)
        notes.repaired("places where time begins again, at which records are cut: {}", self.again)
        notes.left_out("rows at the time of the row before, left out: {}", self.repeated)
        notes.left_out("rows without a time, left out: {}", self.untimed)
        notes.warned(
            "steps of time that differ from the usual one by more than a twentieth, taken as "
            f"even: {{}} of {self.total:,}",
            self.uneven,
        )
        known = [step for step in self.steps if np.isfinite(step)]
        if not known:
            return None
        usual = float(np.median(known))
        others = sum(abs(step / usual - 1) > UNEVEN for step in known)
        notes.warned(
            f"experiments that are sampled otherwise than every {usual:.6g} s, as most are: {{}}",
            others,
        )
        return usual


def seconds_of(columns: Columns, name: str, rows: np.ndarray) -> tuple[np.ndarray, bool]:
    """A column of times in seconds, NaN where missing, and whether it only counts rows.

    Raises:
        DataError: a value is no time.
    """
    if columns.kind(name) == "number":
        unit = UNIT.search(name)
        scale = UNITS.get(unit[1], 1.0) if unit else 1.0
        return columns.numbers(name, "time")[rows] * scale, name.strip().lower() in COUNTERS
    column = columns.frame[name]
    times = read_times(column, without_missing(column), Notes())
    microseconds = times.to_physical().cast(float).to_numpy()
    return microseconds[rows] / SECOND, False
