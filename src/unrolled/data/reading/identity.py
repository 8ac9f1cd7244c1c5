"""Which column holds the times, and which columns tell the series apart.

The columns that identify a series are the fewest ones that leave (almost) no two rows of
one series at the same time.
"""

import re
from collections.abc import Sequence
from itertools import combinations

import polars as pl

from ..errors import DataError
from .columns import Columns, without_missing
from .notes import Notes, listed
from .times import read_times

# Names of time columns, best first. Numbers count as times only under one of these names.
_TIME_NAMES = (
    *("time", "timestamp", "datetime", "date", "ds", "date_time", "period", "year"),
    *("step", "t", "index", "tick", "epoch", "quarter", "month", "week", "day", "hour", "minute"),
)
_ID_NAME = re.compile(
    r"(^|_)(id|key|series|item|store|shop|product|sku|station|sensor|site|region|city|country|"
    r"group|name|entity|customer|ticker|symbol|origin|unit|category)($|_|\d)",
    re.IGNORECASE,
)
# A table may hold some times twice. Up to the first share it is still one series; up to the
# second, columns that separate all other rows still tell series apart.
_FEW, _SOME = 0.05, 0.15


def find_time(
    columns: Columns, wanted: str | None, taken: Sequence[str], notes: Notes
) -> tuple[str, pl.Series]:
    """The time column and its content, as `read_times` gives it.

    Args:
        taken: columns that have another role already.
    """
    if wanted is not None:
        columns.check([wanted], "time")
        return wanted, _times_of(columns, wanted, notes)
    name = _choose_time(columns, taken)
    notes.found(f"time in column {name!r}")
    return name, _times_of(columns, name, notes)


def _choose_time(columns: Columns, taken: Sequence[str]) -> str:
    free = [name for name in columns.names if name not in taken]
    candidates = [name for name in free if columns.kind(name) == "time"]
    numbers = [name for name in free if columns.kind(name) == "number"]
    ranked = sorted(candidates or numbers, key=_time_rank)
    if not ranked or (not candidates and _time_rank(ranked[0]) == len(_TIME_NAMES)):
        raise _no_time_column(columns)
    if len(ranked) > 1 and _time_rank(ranked[0]) == _time_rank(ranked[1]):
        raise DataError(f"several columns hold times ({listed(ranked)}); choose one, time=...")
    return ranked[0]


def _time_rank(name: str) -> int:
    low = name.lower()
    return _TIME_NAMES.index(low) if low in _TIME_NAMES else len(_TIME_NAMES)


def _no_time_column(columns: Columns) -> DataError:
    advice = "name it with time=..., or add a column of dates or step numbers called 'time'"
    numbers = sum(columns.kind(name) == "number" for name in columns.names)
    if numbers > 12:
        advice = (
            f"{numbers} of its {len(columns.names)} columns hold numbers: if every row is a "
            "series, reshape the table to three columns: series, time, value (DataFrame.unpivot "
            "in polars, melt in pandas)"
        )
    return DataError(f"no time column among {listed(columns.names)}; {advice}")


def _times_of(columns: Columns, name: str, notes: Notes) -> pl.Series:
    column = columns.frame[name]
    if columns.kind(name) == "other":
        raise DataError(f"the time column {name!r} holds {column.dtype}; expected dates or steps")
    if columns.kind(name) == "empty":
        raise DataError(f"the time column {name!r} is empty; choose another, time=...")
    return read_times(column, without_missing(column), notes)


def find_series(
    columns: Columns, times: pl.Series, time: str, taken: Sequence[str], notes: Notes
) -> tuple[str, ...]:
    """The columns that tell series apart, none if the table is one series.

    Args:
        taken: columns that have another role already.
    """
    known = times.is_not_null()
    rows = int(known.sum())
    if rows - times.filter(known).n_unique() <= _FEW * rows:
        return ()
    names = _candidates(columns, [time, *taken])
    for count in (1, 2, len(names)):
        groups = [group for group in combinations(names, count) if count <= len(names)]
        repeats = [_repeats(columns, times, known, group) for group in groups]
        if repeats and min(repeats) <= _SOME * rows:
            chosen = groups[repeats.index(min(repeats))]
            notes.found(f"series told apart by {listed(chosen)}")
            return chosen
    raise _unknown_series(columns, times)


def _candidates(columns: Columns, taken: Sequence[str]) -> list[str]:
    """Text columns, and numbers named like an identifier; fewest distinct values first."""
    names = [
        name
        for name in columns.names
        if name not in taken
        and (columns.kind(name) == "text" or (_ID_NAME.search(name) and _is_whole(columns, name)))
    ]
    return sorted(names, key=lambda name: (not _ID_NAME.search(name), _distinct(columns, name)))


def _is_whole(columns: Columns, name: str) -> bool:
    labels = columns.labels(name).drop_nulls()
    return columns.kind(name) == "number" and labels.str.contains(r"^\d+$").all()


def _distinct(columns: Columns, name: str) -> int:
    return columns.labels(name).n_unique()


def _repeats(columns: Columns, times: pl.Series, known: pl.Series, group: Sequence[str]) -> int:
    """Rows that share their time with another row of the same series."""
    labels = [columns.labels(name) for name in group]
    table = pl.DataFrame([times.alias("\0time"), *labels]).filter(known)
    series = table.drop("\0time").n_unique()
    # Labels that change with almost every row identify rows, not series.
    return table.height - table.n_unique() if series <= table.height / 2 else table.height


def _unknown_series(columns: Columns, times: pl.Series) -> DataError:
    counts = times.drop_nulls().value_counts()
    most = int(counts["count"].max() or 0)  # pyright: ignore[reportArgumentType]
    low = {name.lower() for name in columns.names}
    advice = "name the column that does, series='...'"
    if {"year", "month"} <= low:
        advice += ", or join year and month into one column of dates like 2013-01"
    return DataError(
        f"up to {most:,} rows share one time and no column tells their series apart; {advice}"
    )


def series_codes(columns: Columns, names: Sequence[str]) -> tuple[pl.Series, list[str]]:
    """The number of the series of each row (null where an identifier is empty), and their names.

    Series are numbered in the order of their names, whatever the order of the rows.
    """
    if not names:
        return pl.zeros(columns.frame.height, dtype=pl.Int64, eager=True), []
    labels = pl.DataFrame([columns.labels(name) for name in names])
    distinct = labels.drop_nulls().unique().sort(list(names)).with_row_index("\0code")
    codes = labels.join(distinct, on=list(names), how="left", maintain_order="left")["\0code"]
    keys = distinct.select(pl.concat_str(names, separator="/")).to_series().to_list()
    return codes.cast(pl.Int64), keys
