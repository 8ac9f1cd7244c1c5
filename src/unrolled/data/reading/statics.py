"""Columns that describe a whole series, as numbers: text becomes one-hot."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from ..errors import DataError
from .columns import Columns
from .notes import Notes, listed
from .roles import varying_series


def static_categories(
    columns: Columns, names: Sequence[str], codes: pl.Series
) -> dict[str, list[str] | None]:
    """The categories of each static text column, in order; None for numbers."""
    found: dict[str, list[str] | None] = {}
    for name in names:
        text = columns.kind(name) == "text"
        known = columns.labels(name).filter(codes.is_not_null()).drop_nulls()
        found[name] = known.unique().sort().to_list() if text else None
    return found


def static_values(
    columns: Columns,
    static: Mapping[str, Sequence[str] | None],
    codes: pl.Series,
    series: list[str],
    notes: Notes,
) -> np.ndarray:
    """The static numbers of every series, [series, S], in the order of `Schema.static_names`."""
    blocks = [np.zeros((max(1, len(series)), 0))]
    for name, categories in static.items():
        _check_constant(columns, name, codes, series)
        if categories is None:
            blocks.append(_numbers(columns, name, codes, series))
        else:
            blocks.append(_one_hot(columns, name, categories, codes, notes))
    return np.concatenate(blocks, axis=1)


def _check_constant(columns: Columns, name: str, codes: pl.Series, series: list[str]) -> None:
    varying = varying_series(columns, name, codes)
    if varying.len():
        where = f"series {series[varying[0]]!r}" if series else "the series"
        raise DataError(
            f"the static column {name!r} changes within {where}; make it a past or future covariate"
        )


def _numbers(columns: Columns, name: str, codes: pl.Series, series: list[str]) -> np.ndarray:
    values = pl.Series(columns.numbers(name, "static")).fill_nan(None)
    values = _first(values, codes).cast(pl.Float64)
    if values.null_count():
        missing = [series[i] for i in values.is_null().arg_true()] or ["the series"]
        raise DataError(f"the static column {name!r} is empty for {listed(missing)}; fill it in")
    return values.to_numpy()[:, None]


def _one_hot(
    columns: Columns, name: str, categories: Sequence[str], codes: pl.Series, notes: Notes
) -> np.ndarray:
    labels = _first(columns.labels(name), codes)
    known = labels.drop_nulls().unique()
    unseen = sorted(set(known) - set(categories))
    if unseen:
        notes.warned(
            f"categories of {name!r} that the model has not seen count as none: {listed(unseen)}",
            len(unseen),
        )
    notes.warned(f"{name!r} is empty for {{}} series and counts as none", labels.null_count())
    return np.array([[label == category for category in categories] for label in labels], float)


def _first(values: pl.Series, codes: pl.Series) -> pl.Series:
    """The first value of each series that is not null, in the order of the codes."""
    table = pl.DataFrame({"code": codes, "value": values}).filter(codes.is_not_null())
    firsts = table.group_by("code").agg(pl.col("value").drop_nulls().first()).sort("code")
    return firsts["value"]
