"""The stages of reading a table, in order: `learn` finds a schema, `follow` obeys one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from ..errors import DataError
from ..frequency import Frequency
from ..season import detect_season
from ..series import Schema, Series, SeriesSet
from .columns import Columns
from .identity import find_series, find_time, series_codes
from .notes import Notes
from .placing import Placed, Reach, place, reaches
from .roles import Wishes, choose_roles
from .rows import Rows, tidy
from .source import open_table
from .statics import static_categories, static_values
from .steps import check_step, choose_frequency


@dataclass(frozen=True)
class Identity:
    """Which series and time each row belongs to; codes and times are null where unknown."""

    time: str
    times: pl.Series
    series: tuple[str, ...]
    codes: pl.Series
    names: list[str]


def learn(
    source: Any,
    name: str | None,
    wishes: Wishes,
    time: str | None,
    series: tuple[str, ...] | None,
    freq: "str | int | Frequency | None",
    season: int | None,
) -> SeriesSet:
    """Read a table whose schema is to be found, as far as the arguments leave it open."""
    notes, table = Notes(), open_table(source, name)
    columns = Columns(table.frame)
    wishes = replace(wishes, target=wishes.target or table.target)
    wishes.check(columns, [*([time] if time else []), *(series or ())])
    taken = list(wishes.named)
    if wishes.target:
        # A target that holds no numbers is refused before it is mistaken for anything else.
        columns.numbers(wishes.target, "target")
        taken.append(wishes.target)
    identity = _identify(columns, time, series, taken, notes)
    roles = choose_roles(columns, wishes, [identity.time, *identity.series], identity.codes, notes)
    static = static_categories(columns, roles.static, identity.codes)
    schema = Schema(
        target=roles.target,
        time=identity.time,
        series=identity.series,
        # Replaced below: the frequency needs sorted rows, the season needs the grid.
        frequency=Frequency("integer", 1),
        season=1,
        past=roles.past,
        future=roles.future,
        static=static,
    )
    rows = tidy(_rows(columns, schema, identity, notes), notes)
    schema = replace(schema, frequency=choose_frequency(rows, freq, notes))
    found = _assemble(columns, schema, identity, rows, table.name, notes)
    schema = replace(schema, season=_choose_season(found, season, notes))
    return replace(found, schema=schema, findings=tuple(notes))


def follow(source: Any, name: str | None, schema: Schema) -> SeriesSet:
    """Read a second table in the way of the first."""
    notes, table = Notes(), open_table(source, name)
    columns = Columns(table.frame)
    used = [schema.time, *schema.series, schema.target, *schema.past, *schema.future]
    used += schema.static or {}
    columns.check(used, "the model was trained with more columns than this table has")
    notes.ignored("unknown to the model", [n for n in columns.names if n not in used])
    identity = _identify(columns, schema.time, schema.series, [], notes)
    rows = tidy(_rows(columns, schema, identity, notes), notes)
    check_step(rows, schema.frequency)
    found = _assemble(columns, schema, identity, rows, table.name, notes)
    return replace(found, findings=tuple(notes))


def _identify(
    columns: Columns,
    time: str | None,
    series: tuple[str, ...] | None,
    taken: Sequence[str],
    notes: Notes,
) -> Identity:
    columns.check(series or (), "series")
    time, times = find_time(columns, time, taken, notes)
    if series is None:
        series = find_series(columns, times, time, taken, notes)
    codes, names = series_codes(columns, series)
    return Identity(time, times, series, codes, names)


def _rows(columns: Columns, schema: Schema, identity: Identity, notes: Notes) -> Rows:
    """The rows that have a time and a series, in the order of the table."""
    timed, named = identity.times.is_not_null(), identity.codes.is_not_null()
    notes.repaired(f"dropped {{}} rows without a {schema.time}", int((~timed).sum()))
    notes.repaired(
        f"dropped {{}} rows without a {' or '.join(schema.series)}", int((timed & ~named).sum())
    )
    values = [columns.numbers(schema.target, "target")]
    values += [columns.numbers(name, "past") for name in schema.past]
    values += [columns.numbers(name, "future") for name in schema.future]
    if not np.isfinite(values[0]).any():
        raise DataError(
            f"the target column {schema.target!r} has no values at all; choose another, target=..."
        )
    kept = (timed & named).to_numpy()
    if not kept.any():
        raise DataError("no row has both a time and a series; fill in those columns")
    codes, times = identity.codes.filter(timed & named), identity.times.filter(timed & named)
    return Rows(codes.to_numpy(), times.to_numpy(), np.column_stack(values)[kept])


def _assemble(
    columns: Columns, schema: Schema, identity: Identity, rows: Rows, name: str, notes: Notes
) -> SeriesSet:
    names = identity.names or [name]
    placed = place(rows, schema.frequency, notes)
    reached = reaches(placed, names, schema, notes)
    static = static_values(columns, schema.static or {}, identity.codes, names, notes)
    series = [_series(part, reach, schema, names, static) for part, reach in reached]
    _note_missing(reached, schema, notes)
    constant = sum(np.nanmin(s.target) == np.nanmax(s.target) for s in series)
    notes.warned(f"{schema.target} never changes in {{}} series", int(constant))
    return SeriesSet(tuple(series), schema, name)


def _series(
    part: Placed, reach: Reach, schema: Schema, names: list[str], static: np.ndarray
) -> Series:
    first_future = 1 + len(schema.past)
    return Series(
        name=names[part.code],
        frequency=schema.frequency,
        start=part.start,
        target=part.values[: reach.target, 0].copy(),
        past=part.values[: reach.target, 1:first_future].copy(),
        future=part.values[: reach.future, first_future:].copy(),
        static=static[part.code],
    )


def _note_missing(reached: list[tuple[Placed, Reach]], schema: Schema, notes: Notes) -> None:
    """Count the missing values in rows that the table has; absent rows are counted apart."""
    columns = [schema.target, *schema.past, *schema.future]
    counts = np.zeros(len(columns), int)
    known_ahead = np.array([name in schema.future for name in columns])
    for part, reach in reached:
        missing = np.isnan(part.values) & part.present[:, None]
        counts += missing[: reach.target].sum(axis=0)
        counts += missing[reach.target : reach.future].sum(axis=0) * known_ahead
    for column, count in zip(columns, counts, strict=True):
        notes.repaired(f"masked {{}} {column} values", int(count))


def _choose_season(found: SeriesSet, season: int | None, notes: Notes) -> int:
    if season is None:
        season, why = detect_season(found.schema.frequency, [s.target for s in found])
        notes.found(f"season {season}: {why}" if season > 1 else f"no season: {why}")
    if season < 1:
        raise DataError(f"season must be a number of steps, 1 for none, got {season}")
    return season
