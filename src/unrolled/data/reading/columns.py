"""What each column of a table holds, found out when it is first asked for.

Rows are numbered as a reader counts them: data row 1 is the first one below the header.
"""

from collections.abc import Iterable

import numpy as np
import polars as pl

from ...naming import nearest
from ..errors import DataError
from .dates import match_spelling
from .notes import listed

_MISSING = ["", "na", "n/a", "#n/a", "nan", "null", "none", "nat", "?", "-"]
# A number with a thousands separator, a decimal comma, a unit of money or a percent sign.
_NUMBER_LIKE = r"^[-+]?[$€£]?\s?\d[\d.,' ]*\s?[%$€£]?$"
_TRUTH = {"true": 1.0, "false": 0.0}


class Columns:
    """The columns of a table: their kind, and their content as numbers or labels.

    Kinds: "time", "number", "text", "empty" (no value at all), "other" (nested data).
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame
        self._kinds: dict[str, str] = {}
        self._numbers: dict[str, np.ndarray] = {}

    @property
    def names(self) -> list[str]:
        return self.frame.columns

    def check(self, names: Iterable[str], argument: str) -> None:
        """Raise `DataError` for a name that is no column."""
        for name in names:
            if name not in self.names:
                hint = nearest(name, self.names)
                raise DataError(
                    f"{argument}: there is no column {name!r}; {hint}"
                    f"the columns are {listed(self.names)}"
                )

    def kind(self, name: str) -> str:
        if name not in self._kinds:
            self._kinds[name] = _kind(self.frame[name])
        return self._kinds[name]

    def numbers(self, name: str, role: str = "covariate") -> np.ndarray:
        """A column as float64, NaN where missing; raises `DataError` naming what is no number."""
        if name not in self._numbers:
            self._numbers[name] = _numbers(self.frame[name], name, role, self.kind(name))
        return self._numbers[name]

    def labels(self, name: str) -> pl.Series:
        """A column as text, null where empty; "NA" is a label like any other."""
        column = self.frame[name]
        if column.dtype.is_float() and (column.drop_nulls() % 1 == 0).all():
            # pandas turns integers into floats when one is missing.
            column = column.cast(pl.Int64)
        text = column.cast(pl.String).str.strip_chars()
        return text.set(text == "", None)

    def values(self, name: str) -> pl.Series:
        """A column as it came, null where missing: enough to tell values apart."""
        column = self.frame[name]
        if self.kind(name) == "text":
            return self.labels(name)
        return without_missing(column) if _is_text(column) else _nulls_for_nans(column)

    def is_constant(self, name: str) -> bool:
        return self.values(name).drop_nulls().n_unique() == 1


def without_missing(column: pl.Series) -> pl.Series:
    """Text without surrounding blanks, null where it spells a missing value."""
    text = column.cast(pl.String).str.strip_chars()
    return text.set(text.str.to_lowercase().is_in(_MISSING), None)


def _kind(column: pl.Series) -> str:
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return "number" if _nulls_for_nans(column).drop_nulls().len() else "empty"
    if column.dtype in (pl.Date, pl.Datetime):
        return "time"
    if _is_text(column):
        return _kind_of_text(without_missing(column).drop_nulls())
    return "empty" if column.dtype == pl.Null else "other"


def _is_text(column: pl.Series) -> bool:
    return column.dtype in (pl.String, pl.Categorical, pl.Enum)


def _nulls_for_nans(column: pl.Series) -> pl.Series:
    return column.fill_nan(None) if column.dtype.is_float() else column


def _kind_of_text(text: pl.Series) -> str:
    if not text.len():
        return "empty"
    numbers = _cast(text)
    if not numbers.null_count():
        return "number"
    if match_spelling(text.head(200)):
        return "time"
    # Mostly numbers: the rest are mistakes, which `numbers` names when the column is used.
    number_like = (numbers.is_not_null() | text.str.contains(_NUMBER_LIKE)).mean()
    return "number" if float(number_like or 0.0) > 0.5 else "text"  # pyright: ignore[reportArgumentType]


def _cast(text: pl.Series) -> pl.Series:
    """Numbers in text, true and false as 1 and 0, null for what is neither."""
    numbers = text.cast(pl.Float64, strict=False)
    if numbers.null_count() == text.len():
        truths = text.str.to_lowercase()
        return truths.replace_strict(_TRUTH, default=None, return_dtype=pl.Float64)
    return numbers


def _numbers(column: pl.Series, name: str, role: str, kind: str) -> np.ndarray:
    if _is_text(column) and kind != "time":
        text = without_missing(column)
        numbers = _cast(text)
        _check_text_numbers(text, numbers, name, role)
    elif kind in ("number", "empty"):
        numbers = column.cast(pl.Float64)
    else:
        raise DataError(f"the {role} column {name!r} holds {kind}s; numbers are needed")
    values = numbers.to_numpy().astype(np.float64)
    _check_finite(values, name)
    return values


def _check_text_numbers(text: pl.Series, numbers: pl.Series, name: str, role: str) -> None:
    wrong = (text.is_not_null() & numbers.is_null()).arg_true()
    if not wrong.len():
        return
    row = int(wrong[0])
    value = text[row]
    where = f"the {role} column {name!r} holds {value!r} in data row {row + 1}"
    if pl.Series([value]).str.contains(_NUMBER_LIKE)[0]:
        advice = "write it like 1234.5, without separators of thousands, units or percent signs"
    elif wrong.len() == text.len() - text.null_count():
        advice = "no value in it is a number, so choose another column"
    else:
        advice = "correct it, or empty the cell if the value is missing"
    raise DataError(f"{where}, which is not a number; {advice}")


def _check_finite(values: np.ndarray, name: str) -> None:
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        raise DataError(
            f"column {name!r} holds {len(infinite):,} infinite values, the first in data row "
            f"{infinite[0] + 1}; correct them, or empty the cells if they are missing"
        )
