"""Regular grids of time, as arithmetic on whole arrays.

A grid says where step `k` lies when step 0 lies at `start` (`at`), and which step is the
nearest to a given time (`nearest`). Times are int64 throughout: microseconds since 1970 on
clocks and calendars, plain numbers on integer axes. A time is on the grid when
`at(start, nearest(start, time)) == time`.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY


class Grid(Protocol):
    def at(self, start: int, positions: np.ndarray) -> np.ndarray: ...

    def nearest(self, start: int, times: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class EvenGrid:
    """Steps of one constant length."""

    size: int

    def at(self, start: int, positions: np.ndarray) -> np.ndarray:
        return start + positions * self.size

    def nearest(self, start: int, times: np.ndarray) -> np.ndarray:
        return _round_divide(times - start, self.size)


@dataclass(frozen=True)
class MonthGrid:
    """Steps of calendar months: the same day of the month, or the last day of it.

    A start on the 31st gives the last day of shorter months, so January 31st is followed by
    February 28th.
    """

    size: int
    month_end: bool

    def at(self, start: int, positions: np.ndarray) -> np.ndarray:
        first_month, into_month = split_month(np.array([start]))
        months = first_month + positions * self.size
        last_day = month_start(months + 1) - month_start(months) - DAY
        day, clock = np.divmod(into_month, DAY)
        days = last_day if self.month_end else np.minimum(day * DAY, last_day)
        return month_start(months) + days + clock

    def nearest(self, start: int, times: np.ndarray) -> np.ndarray:
        months, _ = split_month(times)
        first_month, _ = split_month(np.array([start]))
        return _round_divide(months - first_month, self.size)


@dataclass(frozen=True)
class BusinessDayGrid:
    """Steps from Monday to Friday; a weekend counts as the Monday after it."""

    size: int

    def at(self, start: int, positions: np.ndarray) -> np.ndarray:
        day, clock = np.divmod(start, DAY)
        days = np.busday_offset(_dates(np.int64(day)), positions * self.size, roll="forward")
        return days.astype(np.int64) * DAY + clock

    def nearest(self, start: int, times: np.ndarray) -> np.ndarray:
        days = np.busday_count(_dates(np.int64(start // DAY)), _dates(times // DAY))
        return _round_divide(days, self.size)


def split_month(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Months since January 1970, and microseconds since the start of that month."""
    months = times.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    return months, times - month_start(months)


def month_start(months: np.ndarray) -> np.ndarray:
    """Microseconds since 1970 at which each month begins."""
    return months.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)


def _dates(days: np.ndarray | np.int64) -> np.ndarray:
    return np.asarray(days).astype("datetime64[D]")


def _round_divide(numbers: np.ndarray, size: int) -> np.ndarray:
    return (numbers + size // 2) // size
