"""Spellings of dates, and the moments that they mean.

Every spelling is one pattern whose named groups are the parts of a date: y, m, d (year, month,
day), b (name of the month), q (quarter), w (ISO week), H, M, S, f (clock), p (AM or PM), z
(offset from UTC).
"""

import numpy as np
import polars as pl

from ..grids import DAY, HOUR, MINUTE, SECOND

_CLOCK = (
    r"(?:(?:[T ]|, )\s*(?<H>\d{1,2})(?::(?<M>\d{2})(?::(?<S>\d{2})(?<f>[.,]\d{1,9})?)?)?"
    r"\s?(?<p>[AaPp][Mm])?\s?(?<z>Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?"
)
_YEAR, _MONTH, _DAY = r"(?<y>\d{4})", r"(?<m>\d{1,2})", r"(?<d>\d{1,2})"
_NAME = r"(?<b>[A-Za-z]{3,9})\.?"
DAY_FIRST, MONTH_FIRST = "day/month/year", "month/day/year"
# Of two spellings that both fit, the earlier is taken, except where the day and the month
# may be exchanged: the reader weighs these two against each other.
_PATTERNS = {
    "year-month-day": f"{_YEAR}[-/.]{_MONTH}[-/.]{_DAY}{_CLOCK}",
    DAY_FIRST: f"{_DAY}[-/.]{_MONTH}[-/.]{_YEAR}{_CLOCK}",
    MONTH_FIRST: f"{_MONTH}[-/]{_DAY}[-/]{_YEAR}{_CLOCK}",
    "day month-name year": rf"{_DAY}[-/. ]+{_NAME}[-/, ]+{_YEAR}{_CLOCK}",
    "month-name day year": rf"{_NAME} {_DAY},? {_YEAR}{_CLOCK}",
    "year-month": f"{_YEAR}(?:[-/]|-?M){_MONTH}",
    "month/year": f"{_MONTH}[-/]{_YEAR}",
    "month-name year": rf"{_NAME}[-/, ]+{_YEAR}",
    "year month-name": rf"{_YEAR}[-/ ]{_NAME}",
    "year-quarter": f"{_YEAR}[-/ ]?[Qq](?<q>[1-4])",
    "quarter year": f"[Qq](?<q>[1-4])[-/ ]{_YEAR}",
    "year-week": rf"{_YEAR}-?W(?<w>\d{{2}})(?:-1)?",
}
# These look like numbers, so they are tried only where the column is known to hold times.
_DIGITS = {
    "yearmonthday": r"(?<y>(?:19|20)\d{2})(?<m>\d{2})(?<d>\d{2})",
    "yearmonth": r"(?<y>(?:19|20)\d{2})(?<m>\d{2})",
    "year": r"(?<y>1[5-9]\d{2}|2[01]\d{2})",
}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def match_spelling(text: pl.Series, share: float = 0.9) -> str | None:
    """The first spelling that this share of the texts follows, or None."""
    return _match(text, _PATTERNS, share)


def match_digits(text: pl.Series) -> str | None:
    """The same for dates that are written as one number."""
    return _match(text, _DIGITS, 1.0)


def _match(text: pl.Series, patterns: dict[str, str], share: float) -> str | None:
    for name, pattern in patterns.items():
        if text.len() and text.str.contains(f"^{pattern}$").sum() >= share * text.len():
            return name
    return None


def parse_dates(text: pl.Series, spelling: str) -> pl.Series:
    """Times of one spelling; null where the text does not follow it or the date is impossible."""
    pattern = {**_PATTERNS, **_DIGITS}[spelling]
    # Series share their times, so each text is parsed once.
    distinct = text.drop_nulls().unique()
    parts = distinct.str.extract_groups(f"^{pattern}$").struct.unnest()
    moments = pl.Series(_moments(parts), dtype=pl.Datetime("us"))
    return text.replace_strict(distinct, moments, default=None, return_dtype=pl.Datetime("us"))


def _moments(parts: pl.DataFrame) -> np.ndarray:
    """The parts of dates as datetime64[us], NaT where they make no date."""
    day, valid = _days(parts)
    hours, minutes, seconds = (_part(parts, name, 0) for name in "HMS")
    half = _texts(parts, "p").str.to_lowercase()
    on_twelve = hours % 12 + np.where((half == "pm").fill_null(False), 12, 0)
    hours = np.where(half.is_not_null(), on_twelve, hours)
    valid &= (hours < 24) & (minutes < 60) & (seconds < 60)
    fraction = _texts(parts, "f").str.replace(",", ".").cast(pl.Float64).fill_null(0).to_numpy()
    clock = hours * HOUR + minutes * MINUTE + seconds * SECOND + np.rint(fraction * SECOND)
    times = (day * DAY + clock - _offset(parts)).astype(np.int64).astype("datetime64[us]")
    times[~valid] = np.datetime64("NaT")
    return times


def _days(parts: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Days since 1970, and which of them exist."""
    years = _part(parts, "y", -1)
    names = _texts(parts, "b").str.to_lowercase().str.slice(0, 3)
    named = names.replace_strict(_MONTHS, range(1, 13), default=0, return_dtype=pl.Int64)
    months = _part(parts, "m", 1)
    months = np.where(names.is_not_null(), named.fill_null(0).to_numpy(), months)
    months = months if "q" not in parts.columns else 3 * _part(parts, "q", 1) - 2
    days = _part(parts, "d", 1)
    month = ((years - 1970) * 12 + months - 1).astype("datetime64[M]")
    first = month.astype("datetime64[D]").astype(np.int64)
    length = (month + 1).astype("datetime64[D]").astype(np.int64) - first
    valid = (years >= 0) & (months >= 1) & (months <= 12) & (days >= 1) & (days <= length)
    if "w" in parts.columns:
        # ISO week 1 is the one that holds January 4th; 1970-01-01 was a Thursday.
        weeks = _part(parts, "w", 1)
        return first + 3 - (first + 6) % 7 + 7 * (weeks - 1), (weeks >= 1) & (weeks <= 53)
    return first + days - 1, valid


def _offset(parts: pl.DataFrame) -> np.ndarray:
    """Microseconds by which each clock is ahead of UTC."""
    zone = _texts(parts, "z").str.replace(":", "")
    sign = np.where((zone.str.slice(0, 1) == "-").fill_null(False), -1, 1)
    hours = zone.str.slice(1, 2).cast(pl.Int64, strict=False).fill_null(0).to_numpy()
    minutes = zone.str.slice(3, 2).cast(pl.Int64, strict=False).fill_null(0).to_numpy()
    return sign * (hours * HOUR + minutes * MINUTE)


def _part(parts: pl.DataFrame, name: str, absent: int) -> np.ndarray:
    return _texts(parts, name).cast(pl.Int64).fill_null(absent).to_numpy()


def _texts(parts: pl.DataFrame, name: str) -> pl.Series:
    if name in parts.columns:
        return parts[name]
    return pl.Series([None] * parts.height, dtype=pl.String)


def offsets(text: pl.Series, spelling: str) -> pl.Series:
    """The offsets from UTC that these texts carry: "Z", "+02:00"; empty if none does."""
    parts = text.str.extract_groups(f"^{_PATTERNS[spelling]}$").struct.unnest()
    return _texts(parts, "z").drop_nulls()
