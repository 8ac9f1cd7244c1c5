"""Which frequency a table has, and whether it is the one that was asked for."""

from dataclasses import replace

import numpy as np

from ..errors import DataError
from ..frequency import Frequency
from ..grids import DAY, month_start, split_month
from .notes import Notes
from .rows import Rows

# With fewer rows, gaps alone can make a table look coarser than it is.
_ENOUGH_ROWS = 8


def choose_frequency(rows: Rows, wanted: "str | int | Frequency | None", notes: Notes) -> Frequency:
    """The frequency asked for, else the one found; raises `DataError` where none fits."""
    if wanted is None:
        frequency = _detect(rows)
        notes.found(f"one step is {frequency}")
        return frequency
    frequency = Frequency.parse(wanted)
    _check_kind(rows, frequency)
    if frequency.kind == "months":
        # Monthly data are monthly, whichever day of the month they are stamped with.
        frequency = replace(frequency, month_end=_on_month_ends(rows))
    return frequency


def check_step(rows: Rows, frequency: Frequency) -> None:
    """Raise `DataError` if the rows step clearly faster or slower than the frequency."""
    _check_kind(rows, frequency)
    if len(rows) < _ENOUGH_ROWS:
        return
    try:
        own = _detect(rows)
    except DataError:
        # Irregular rows are placed on the grid of the model, and every move is counted.
        return
    ratio = (own.microseconds or own.size) / (frequency.microseconds or frequency.size)
    if not 0.7 < ratio < 1.5:
        raise DataError(
            f"one step of the table is {own}, of the model {frequency}; "
            "give the model rows of the frequency it was trained on"
        )


def _detect(rows: Rows) -> Frequency:
    bounds = rows.bounds()
    return Frequency.detect(np.split(rows.times, bounds[1:-1]))


def _check_kind(rows: Rows, frequency: Frequency) -> None:
    dated = rows.times.dtype.kind == "M"
    if dated == (frequency.kind == "integer"):
        have, want = ("dates", "a frequency such as 1d") if dated else ("steps", "a number")
        raise DataError(f"the times are {have}, which do not fit freq={frequency}; give {want}")


def _on_month_ends(rows: Rows) -> bool:
    times = rows.times.astype(np.int64)
    months, _ = split_month(times)
    return bool((month_start(months + 1) - times <= DAY).mean() > 0.5)
