"""Read any table of measurements: the only door from files and dataframes to series.

What the arguments leave open is inferred from the table. What is wrong with the table is
repaired where one repair is plainly meant, and refused with one clear line otherwise. Either
way `SeriesSet.findings` says so, with counts.
"""

from collections.abc import Sequence
from typing import Any

from .errors import DataError
from .frequency import Frequency
from .series import Schema, SeriesSet


def read_series(
    source: Any,
    target: str | None = None,
    time: str | None = None,
    series: str | Sequence[str] | None = None,
    freq: str | int | Frequency | None = None,
    season: int | None = None,
    past: str | Sequence[str] | None = None,
    future: str | Sequence[str] = (),
    static: str | Sequence[str] | None = None,
    schema: Schema | None = None,
    name: str | None = None,
) -> SeriesSet:
    """Read a long table, one row per series and time, onto a regular grid.

    Args:
        source: path of a CSV, TSV (also .gz) or Parquet file; "air_passengers" or
            "nyc_weather"; or a dataframe of polars, pandas or pyarrow.
        target: column to forecast. By default the only numeric candidate.
        time: column of dates, or of integer steps. By default found by content and name.
        series: columns that tell series apart; () if the table is one series. By default
            the fewest text columns that leave one row per series and time.
        freq: step of the grid, such as "1h". By default the commonest step.
        season: steps after which the data repeat, 1 for never. By default detected.
        past: covariates known up to now only. By default all other numeric columns.
        future: covariates known beforehand; rows after the last target extend them.
        static: columns constant within each series, text or numbers. By default all that
            are, where there are several series.
        schema: of a table read before, to read this one in the same way; it replaces all
            arguments above.
        name: of the table, in summaries. By default that of the file.

    Raises:
        DataError: if the table cannot be read as it is; the message says what to do.
    """
    # Polars is imported here, so that importing this package stays cheap.
    from .reading.pipeline import follow, learn
    from .reading.roles import Wishes

    if schema is not None:
        given = (target, time, series, freq, season, past, future or None, static)
        if any(argument is not None for argument in given):
            raise DataError("schema= fixes all roles; give it alone, with at most a name")
        return follow(source, name, schema)
    wishes = Wishes(target, _names(past), _names(future) or (), _names(static))
    return learn(source, name, wishes, time, _names(series), freq, season)


def _names(names: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    return (names,) if isinstance(names, str) else tuple(names)
