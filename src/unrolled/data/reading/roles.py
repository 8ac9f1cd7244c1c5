"""What every other column is for: target, past, future or static covariate, or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from ..errors import DataError
from .columns import Columns
from .notes import Notes, listed

_TARGET_NAMES = ("target", "y", "value", "values")
_INDEX_NAMES = ("column_1", "unnamed: 0", "rownames", "index")
# A text column with more categories than this is a name, not a property.
_MOST_CATEGORIES = 50


@dataclass(frozen=True)
class Roles:
    """Columns by role; `static` may hold text or numbers."""

    target: str
    past: tuple[str, ...]
    future: tuple[str, ...]
    static: tuple[str, ...]


@dataclass(frozen=True)
class Wishes:
    """What the user asked for; None leaves the choice to the reader."""

    target: str | None
    past: tuple[str, ...] | None
    future: tuple[str, ...]
    static: tuple[str, ...] | None

    @property
    def named(self) -> tuple[str, ...]:
        return (*(self.past or ()), *self.future, *(self.static or ()))

    def check(self, columns: Columns, identity: Sequence[str]) -> None:
        """Raise `DataError` for an unknown column, or one with two roles."""
        columns.check([self.target] if self.target else [], "target")
        for role in ("past", "future", "static"):
            columns.check(getattr(self, role) or (), role)
        roles = [*identity, *([self.target] if self.target else []), *self.named]
        twice = [name for name in roles if roles.count(name) > 1]
        if twice:
            raise DataError(f"column {twice[0]!r} was given two roles; a column can have one")


def choose_roles(
    columns: Columns, wishes: Wishes, identity: Sequence[str], codes: pl.Series, notes: Notes
) -> Roles:
    """Assign a role to every column that is not a time or the name of a series.

    Args:
        identity: the time column and the columns that tell series apart.
        codes: the number of the series of each row.
    """
    free = [name for name in columns.names if name not in identity]
    asked = [*wishes.named, wishes.target]
    index = [name for name in free if name not in asked and _counts_rows(columns, name)]
    free = [name for name in free if name not in index]
    target = wishes.target or _choose_target(columns, wishes, free, notes)
    free = [name for name in free if name != target and name not in wishes.named]
    free, static = _choose_static(columns, wishes, free, codes, notes)
    past = _choose_past(columns, wishes, free, notes)
    notes.ignored("counts rows", index)
    if past:
        notes.found(f"past covariates {listed(past)}")
    return Roles(target, past, wishes.future, static)


def _counts_rows(columns: Columns, name: str) -> bool:
    """Whether a column only numbers the rows, as an exported index does."""
    if name.lower() not in _INDEX_NAMES or columns.kind(name) != "number":
        return False
    values = columns.numbers(name)
    return bool((values[1:] - values[:-1] == 1).all())


def _choose_target(columns: Columns, wishes: Wishes, free: Sequence[str], notes: Notes) -> str:
    numbers = [n for n in free if columns.kind(n) == "number" and n not in wishes.named]
    varying = [name for name in numbers if not columns.is_constant(name)] or numbers
    by_name = [name for name in varying if name.lower() in _TARGET_NAMES]
    chosen = varying if len(varying) == 1 else by_name
    if len(chosen) == 1:
        notes.found(f"target {chosen[0]!r}")
        return chosen[0]
    if not varying:
        raise DataError(
            f"no numeric column to forecast among {listed(free) or 'the columns'}; "
            "name it with target=... to see why it is not read as numbers"
        )
    raise DataError(
        f"several columns could be forecast ({listed(varying)}); choose one, target=..."
    )


def _choose_static(
    columns: Columns, wishes: Wishes, free: list[str], codes: pl.Series, notes: Notes
) -> tuple[list[str], tuple[str, ...]]:
    """The columns still free, and the static ones: constant within each of several series."""
    several = codes.drop_nulls().n_unique() > 1
    if wishes.static is not None or not several:
        return free, wishes.static or ()
    constant = [n for n in free if columns.kind(n) in ("text", "number")]
    constant = [n for n in constant if not columns.is_constant(n)]
    constant = [n for n in constant if not varying_series(columns, n, codes).len()]
    names = [n for n in constant if columns.kind(n) == "text" and _is_name(columns, n, codes)]
    broken = [n for n in constant if columns.kind(n) == "number" and _is_unknown(columns, n, codes)]
    notes.ignored("a name for every series, or nearly so", names)
    notes.ignored("constant in each series but unknown for some", broken)
    static = tuple(name for name in constant if name not in [*names, *broken])
    if static:
        notes.found(f"static covariates {listed(static)}")
    return [name for name in free if name not in constant], static


def varying_series(columns: Columns, name: str, codes: pl.Series) -> pl.Series:
    """Codes of the series within which a column changes."""
    table = _by_series(columns, name, codes, pl.col("value").drop_nulls().n_unique())
    return table.filter(pl.col("value") > 1)["code"].sort()


def _is_name(columns: Columns, name: str, codes: pl.Series) -> bool:
    categories = columns.labels(name).drop_nulls().n_unique()
    return categories > min(_MOST_CATEGORIES, codes.drop_nulls().n_unique() / 2)


def _is_unknown(columns: Columns, name: str, codes: pl.Series) -> bool:
    table = _by_series(columns, name, codes, pl.col("value").drop_nulls().len())
    return bool((table["value"] == 0).any())


def _by_series(columns: Columns, name: str, codes: pl.Series, value: pl.Expr) -> pl.DataFrame:
    """An aggregate of a column, "value", for each "code"."""
    table = pl.DataFrame({"code": codes, "value": columns.values(name)})
    return table.filter(codes.is_not_null()).group_by("code").agg(value)


def _choose_past(
    columns: Columns, wishes: Wishes, free: Sequence[str], notes: Notes
) -> tuple[str, ...]:
    kinds = {
        kind: [name for name in free if columns.kind(name) == kind]
        for kind in ("empty", "text", "time", "other", "number")
    }
    notes.ignored("empty", kinds["empty"])
    notes.ignored("text, which cannot be a covariate that varies in time", kinds["text"])
    notes.ignored("times, and another column is the time", kinds["time"])
    notes.ignored("nested values", kinds["other"])
    constant = [name for name in kinds["number"] if columns.is_constant(name)]
    varying = [name for name in kinds["number"] if name not in constant]
    notes.ignored("constant", constant)
    if wishes.past is None:
        return tuple(varying)
    notes.ignored("not asked for", varying)
    return wishes.past
