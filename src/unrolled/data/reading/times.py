"""Read a time column: dates in many spellings, seconds since 1970, or plain steps."""

import re

import polars as pl

from ..errors import DataError
from ..grids import SECOND
from .dates import DAY_FIRST, MONTH_FIRST, match_digits, match_spelling, offsets, parse_dates
from .notes import Notes

_STEP_NAMES = ("step", "t", "index", "tick")
_EPOCHS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}


def read_times(column: pl.Series, text: pl.Series, notes: Notes) -> pl.Series:
    """A time column as Datetime("us") in UTC, or as Int64 steps; null where missing.

    Args:
        column: the column as it came.
        text: the same as text, null where missing; used unless the column is typed.
        notes: receives how the times were read.

    Raises:
        DataError: naming the first value, and its row, that is no time.
    """
    if column.dtype in (pl.Date, pl.Datetime):
        return _from_typed(column, notes)
    if column.dtype.is_numeric():
        return _from_numbers(column.cast(pl.Float64), notes)
    numbers = text.cast(pl.Float64, strict=False)
    if numbers.null_count() == text.null_count():
        return _from_numbers(numbers.alias(column.name), notes)
    return _from_text(text.alias(column.name), notes)


def _from_typed(column: pl.Series, notes: Notes) -> pl.Series:
    zone = getattr(column.dtype, "time_zone", None)
    if zone:
        how = "are in UTC" if zone == "UTC" else f"converted from {zone} to UTC"
        notes.found(f"times of {column.name!r} {how}")
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column.cast(pl.Datetime("us"))


def _from_numbers(numbers: pl.Series, notes: Notes) -> pl.Series:
    name, known = numbers.name, numbers.drop_nulls().drop_nans()
    broken = (numbers % 1 != 0).fill_null(False) & numbers.is_not_nan()
    if broken.any():
        row = broken.arg_true()[0]
        raise DataError(
            f"the time column {name!r} holds the fraction {numbers[row]} in data row {row + 1}; "
            "times must be dates or whole numbers of steps"
        )
    whole = numbers.fill_nan(None).cast(pl.Int64)
    least, most = (int(known.min() or 0), int(known.max() or 0)) if known.len() else (0, 0)  # pyright: ignore[reportArgumentType]
    for unit, per_second in _EPOCHS.items():
        # Between 2001 and 2100; numbers of steps do not grow so large.
        if least >= 10**9 * per_second and most < 4_102_444_800 * per_second:
            notes.found(f"{name!r} counts {unit} since 1970, read as UTC")
            return _microseconds(whole, per_second).cast(pl.Datetime("us"))
    return _from_digits(whole, notes)


def _microseconds(whole: pl.Series, per_second: int) -> pl.Series:
    if per_second > SECOND:
        return whole // (per_second // SECOND)
    return whole * (SECOND // per_second)


def _from_digits(whole: pl.Series, notes: Notes) -> pl.Series:
    """Dates written as one number (20130131, 201301, 2013), or plain steps."""
    text = whole.cast(pl.String)
    spelling = match_digits(text.drop_nulls())
    if spelling is None or whole.name.lower() in _STEP_NAMES:
        return whole
    times = parse_dates(text, spelling)
    if times.null_count() > text.null_count():
        return whole
    notes.found(f"{whole.name!r} read as {spelling}")
    return times


def _from_text(text: pl.Series, notes: Notes) -> pl.Series:
    known = text.drop_nulls()
    spelling = match_spelling(known) or match_spelling(known, share=0.5)
    if spelling is None:
        raise _no_time(text, text.is_not_null())
    times = _choose(text, spelling, notes)
    if times.null_count() > text.null_count():
        raise _no_time(text, times.is_null() & text.is_not_null())
    zones = offsets(known, spelling)
    if zones.len():
        how = (
            "are in UTC"
            if zones.is_in(["Z", "UTC", "GMT", "+00:00", "+0000"]).all()
            else "converted to UTC"
        )
        notes.found(f"times of {text.name!r} {how}")
    return times


def _choose(text: pl.Series, spelling: str, notes: Notes) -> pl.Series:
    """The times, with day and month exchanged where only that makes sense of them."""
    times = parse_dates(text, spelling)
    if spelling not in (DAY_FIRST, MONTH_FIRST) or "." in str(text.drop_nulls()[0])[:3]:
        return times
    other = parse_dates(text, MONTH_FIRST)
    if times.null_count() != other.null_count():
        day_first = times.null_count() < other.null_count()
    else:
        # Read the wrong way round, regular dates jump to and fro.
        day_first = _distinct_steps(times) < _distinct_steps(other)
        notes.warned(
            f"dates of {text.name!r} could be {DAY_FIRST} or {MONTH_FIRST}; read as "
            f"{DAY_FIRST if day_first else MONTH_FIRST}, which gives the more regular times",
            1,
        )
    return times if day_first else other


def _distinct_steps(times: pl.Series) -> int:
    return times.unique().sort().diff().n_unique()


def _no_time(text: pl.Series, unread: pl.Series) -> DataError:
    row = int(unread.arg_true()[0])
    hint = ""
    if re.fullmatch(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{2}.*", text[row] or ""):
        hint = "; write the year with four digits"
    return DataError(
        f"the time column {text.name!r} holds {text[row]!r} in data row {row + 1}, which is no "
        f"date; expected one like 2013-01-31 06:00, spelled as in the other rows{hint}"
    )
