"""Find the step of a table from the differences between its times.

The commonest difference is the step if nearly all differences are multiples of it, so gaps
do no harm. Calendar months are recognised by their day of the month, business days by
the absence of weekends.
"""

from collections.abc import Iterable
from datetime import timedelta

import numpy as np

from .errors import DataError
from .grids import DAY, month_start, split_month
from .spelling import Spacing

# Share of the differences that a step must explain; the rest may be stray rows.
_ENOUGH = 0.9


def find_spacing(times_per_series: Iterable[np.ndarray]) -> Spacing:
    """The kind, size and month end of the grid that these times share.

    Raises `DataError` where no series has two times, or where the times are irregular.
    """
    series = [np.unique(times) for times in times_per_series]
    numbers = [times.astype(np.int64) for times in series]
    steps = np.concatenate([np.diff(times) for times in numbers] or [np.zeros(0, np.int64)])
    if not len(steps):
        raise DataError(
            "the step of time cannot be found because no series has two different times; "
            "give the frequency, such as freq='1d'"
        )
    if series[0].dtype.kind != "M":
        return "integer", _common_step(steps, "integer"), False
    times = np.concatenate(numbers)
    return _months(numbers, times, steps) or _days_or_shorter(times, steps)


def _days_or_shorter(times: np.ndarray, steps: np.ndarray) -> Spacing:
    size = _common_step(steps, "duration")
    # 1970-01-01 was a Thursday, weekday 3 when Monday is 0.
    weekday = (times // DAY + 3) % 7
    skips_weekends = (steps >= 3 * DAY).any() and (weekday < 5).all()
    if size == DAY and skips_weekends:
        return "business", 1, False
    return "duration", size, False


def _months(numbers: list[np.ndarray], times: np.ndarray, steps: np.ndarray) -> Spacing | None:
    """The calendar grid of these times, or None where they do not keep a day of the month."""
    if np.median(steps) < 28 * DAY:
        return None
    months, into_month = split_month(times)
    to_end = month_start(months + 1) - times
    _, counts = np.unique(into_month, return_counts=True)
    on_last_day = _most(to_end <= DAY)
    # The first or last business day wanders within a week.
    keeps_day = counts.max() >= _ENOUGH * len(times) or on_last_day
    wanders = _most(into_month < 7 * DAY) or _most(to_end <= 7 * DAY)
    even = len(np.unique(steps)) == 1 and len(steps) > 1
    if not keeps_day and (even or not wanders):
        return None
    month_steps = np.concatenate([np.diff(split_month(series)[0]) for series in numbers])
    return "months", _common_step(month_steps[month_steps > 0], "months"), bool(on_last_day)


def _most(truths: np.ndarray) -> bool:
    return bool(truths.mean() >= _ENOUGH)


def _common_step(steps: np.ndarray, kind: str) -> int:
    """The commonest step of which nearly all steps are multiples."""
    sizes, counts = np.unique(steps, return_counts=True)
    commonest = sizes[np.argsort(-counts, kind="stable")]
    for size in commonest[:3]:
        if _most(steps % size == 0):
            return int(size)
    median = int(np.median(steps))
    words = {"months": "months", "integer": "steps"}
    # A timedelta prints as days and h:mm:ss.
    usual = timedelta(microseconds=median) if kind == "duration" else f"{median:,} {words[kind]}"
    raise DataError(
        f"the times are irregular: steps vary around {usual} and none is common to "
        f"{_ENOUGH:.0%} of them; give the step of the grid on which to place the rows, freq=..."
    )
