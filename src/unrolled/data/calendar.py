"""What the calendar says about each step, as numbers a network can read.

A cycle of period `P` becomes the pair `sin(2 pi t / P), cos(2 pi t / P)`, so that its end lies
next to its beginning: 23:00 is as close to midnight as 01:00 is.
"""

from collections.abc import Callable

import numpy as np

from .frequency import YEAR, Frequency
from .grids import DAY, HOUR, WEEK


def calendar_features(frequency: Frequency, times: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Sine and cosine of every calendar cycle that is longer than one step.

    Args:
        frequency: the grid; integer grids have no calendar.
        times: datetime64, one per step.

    Returns:
        float32 features [n, k] in [-1, 1], and their k names ("hour of day sin", ...).
    """
    cycles = [(name, phase) for name, phase in _CYCLES.items() if _fits(frequency, name)]
    if not cycles:
        return np.zeros((len(times), 0), np.float32), []
    clock = times.astype("datetime64[us]").astype(np.int64)
    angles = [2 * np.pi * phase(clock) for _, phase in cycles]
    columns = [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
    names = [f"{name} {wave}" for name, _ in cycles for wave in ("sin", "cos")]
    return np.stack(columns, axis=1).astype(np.float32), names


def _minute_of_hour(clock: np.ndarray) -> np.ndarray:
    return clock % HOUR / HOUR


def _hour_of_day(clock: np.ndarray) -> np.ndarray:
    return clock % DAY / DAY


def _day_of_week(clock: np.ndarray) -> np.ndarray:
    # 1970-01-01 was a Thursday; the week starts on Monday.
    return (clock + 3 * DAY) % WEEK / WEEK


def _day_of_year(clock: np.ndarray) -> np.ndarray:
    # Leap years are stretched, not cut, so that December 31st always ends the cycle.
    years = clock.astype("datetime64[us]").astype("datetime64[Y]")
    first = years.astype("datetime64[us]").astype(np.int64)
    length = (years + 1).astype("datetime64[us]").astype(np.int64) - first
    return (clock - first) / length


def _month_of_year(clock: np.ndarray) -> np.ndarray:
    months = clock.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    return months % 12 / 12


_CYCLES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "minute of hour": _minute_of_hour,
    "hour of day": _hour_of_day,
    "day of week": _day_of_week,
    "day of year": _day_of_year,
    "month of year": _month_of_year,
}
_LENGTHS = {"minute of hour": HOUR, "hour of day": DAY, "day of week": WEEK, "day of year": YEAR}


def _fits(frequency: Frequency, cycle: str) -> bool:
    if frequency.kind == "integer":
        return False
    # Months differ in length, so on their grid the month is the cycle, not the day.
    if (cycle == "month of year") != (frequency.kind == "months"):
        return False
    if cycle == "month of year":
        return frequency.size % 12 != 0
    return frequency.microseconds < _LENGTHS[cycle]
