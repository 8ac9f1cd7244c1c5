"""The regular grid of time on which a series lies.

    times(start, k, 1)            the time of step k
    positions(start, time)        the step nearest to a time, and whether it misses the grid

A grid has a constant duration ("15min", "1h", "1w"), follows the calendar ("1mo", "1y",
business days "1bd"), or counts plain integers ("1").
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from .errors import DataError
from .grids import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    WEEK,
    BusinessDayGrid,
    EvenGrid,
    Grid,
    MonthGrid,
)
from .spacing import find_spacing
from .spelling import parse_spelling, spell

# The Gregorian year has 365.2425 days on average.
YEAR = 31_556_952 * SECOND
_UNIT_NAMES = {
    "1us": "microseconds",
    "1ms": "milliseconds",
    "1s": "seconds",
    "1min": "minutes",
    "1h": "hours",
    "1d": "days",
    "1w": "weeks",
    "1mo": "months",
    "3mo": "quarters",
    "1y": "years",
    "1bd": "business days",
}
_LONG_UNITS = {
    "us": "microsecond",
    "ms": "millisecond",
    "s": "second",
    "min": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
    "bd": "business-day",
}


@dataclass(frozen=True)
class Frequency:
    """The step of a grid.

    Args:
        kind: "duration", "months", "business" or "integer".
        size: microseconds, months, business days, or plain steps in one step of the grid.
        month_end: calendar grids only: every time is the last day of its month.
    """

    kind: str
    size: int
    month_end: bool = False

    def __post_init__(self) -> None:
        if self.kind not in ("duration", "months", "business", "integer"):
            raise DataError(
                f"kind must be duration, months, business or integer, got {self.kind!r}"
            )
        if self.size < 1:
            raise DataError(f"the size of a step must be 1 or more, got {self.size}")

    @classmethod
    def parse(cls, text: "str | int | timedelta | Frequency") -> "Frequency":
        """Read "1h", "H", "quarterly", "W-SUN", "15min", 1, ...; raises `DataError`."""
        if isinstance(text, Frequency):
            return text
        if isinstance(text, timedelta):
            return cls("duration", text // timedelta(microseconds=1))
        return cls(*parse_spelling(str(text)))

    @classmethod
    def detect(cls, times_per_series: Iterable[np.ndarray]) -> "Frequency":
        """The frequency of these times (datetime64 or integers, one array per series).

        Raises `DataError` where no series has two times, or where the times are irregular.
        """
        return cls(*find_spacing(as_times(times) for times in times_per_series))

    def positions(
        self, start: np.datetime64 | int, times: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The nearest step to each time (int64), and which times miss the grid (bool)."""
        first, numbers = _number(start), as_times(times).astype(np.int64)
        steps = self._grid.nearest(first, numbers)
        return steps, self._grid.at(first, steps) != numbers

    def times(self, start: np.datetime64 | int, first: int, count: int) -> np.ndarray:
        """The times of steps `first .. first + count - 1`: datetime64[us], or int64."""
        numbers = self._grid.at(_number(start), np.arange(first, first + count, dtype=np.int64))
        return numbers if self.kind == "integer" else numbers.astype("datetime64[us]")

    def time(self, start: np.datetime64 | int, step: int) -> np.datetime64 | int:
        """The time of one step."""
        time = self.times(start, step, 1)[0]
        return int(time) if self.kind == "integer" else time

    @property
    def unit(self) -> str:
        """One step in words, in the plural: "hours", "quarters", "15-minute steps"."""
        text = str(self).removesuffix("-end")
        if self.kind == "integer":
            return "steps"
        if text in _UNIT_NAMES:
            return _UNIT_NAMES[text]
        count = text.rstrip("abcdefghijklmnopqrstuvwxyz")
        return f"{count}-{_LONG_UNITS[text.removeprefix(count)]} steps"

    def amount(self, count: int, kind: str = "") -> str:
        """A number of steps in words: "1 hour", "8,730 hours", "75 absent hours"."""
        unit = self.unit.removesuffix("s") if count == 1 else self.unit
        return f"{count:,} {kind} {unit}" if kind else f"{count:,} {unit}"

    def span(self, count: int) -> str:
        """How long a number of steps lasts: "45 days" for 1,091 hours, else as `amount`."""
        days = count * self.microseconds / DAY
        short = self.kind == "duration" and self.microseconds < DAY
        return f"{days:.0f} days" if short and days >= 2 else self.amount(count)

    @property
    def microseconds(self) -> int:
        """How long one step takes, on average where the calendar decides; 0 for integers."""
        lengths = {"duration": 1, "months": YEAR // 12, "business": DAY, "integer": 0}
        return self.size * lengths[self.kind]

    @property
    def candidate_seasons(self) -> tuple[int, ...]:
        """Steps in the cycles that people know at this frequency, the usual one first."""
        if self.kind == "business":
            return (5,) if self.size == 1 else ()
        if self.kind == "months":
            return (12 // self.size,) if 12 % self.size == 0 and self.size <= 6 else ()
        return self._clock_seasons() if self.kind == "duration" else ()

    def _clock_seasons(self) -> tuple[int, ...]:
        # Cycles within the hour matter only where the sampling is much finer than that.
        shortest = {MINUTE: 30, HOUR: 30, DAY: 2, WEEK: 2}
        exact = [
            cycle // self.size
            for cycle, least in shortest.items()
            if cycle % self.size == 0 and cycle // self.size >= least
        ]
        per_year = YEAR // self.size
        return tuple([*exact, per_year] if per_year >= 2 else exact)[:2]

    def label(self, time: np.datetime64 | int) -> str:
        """A time as precisely as the grid needs: "1949-01", "2013-01-31", "2013-01-31 06:00"."""
        if self.kind == "integer":
            return str(int(time))
        text = str(np.asarray(time, "datetime64[us]")).replace("T", " ")
        if self.kind == "months":
            return text[: 4 if self.size % 12 == 0 else 7]
        if self.kind == "business" or self.size % DAY == 0:
            return text[:10]
        return text[:16] if self.size % MINUTE == 0 else text.removesuffix(".000000")

    @property
    def _grid(self) -> Grid:
        if self.kind == "months":
            return MonthGrid(self.size, self.month_end)
        return BusinessDayGrid(self.size) if self.kind == "business" else EvenGrid(self.size)

    def __str__(self) -> str:
        return spell((self.kind, self.size, self.month_end))


def as_times(values: np.ndarray) -> np.ndarray:
    """Times as datetime64[us] or int64; raises `DataError` for anything else."""
    values = np.asarray(values)
    if values.dtype.kind == "M":
        return values.astype("datetime64[us]")
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    raise DataError(f"times must be datetime64 or integers, got {values.dtype}")


def _number(time: np.datetime64 | int) -> int:
    return int(as_times(np.asarray(time)).astype(np.int64))
