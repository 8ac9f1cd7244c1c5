"""Many series on one grid of time: what every forecasting model here learns from.

    target  [n]           float64, NaN where missing
    past    [n, P]        covariates known up to now, NaN where missing
    future  [n + ahead, F] covariates known beforehand; they may reach `ahead` steps further
    static  [S]           numbers that describe the series as a whole

Step `k` of every array lies at `series.times()[k]`: there are no gaps in the grid, only
missing values on it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from .errors import DataError
from .frequency import Frequency

_MOST_IN_SUMMARY = 4


@dataclass(frozen=True)
class Finding:
    """Something that was inferred from a table, or repaired in it.

    `kind` is "found", "repaired", "ignored" or "warning"; `count` is how many rows, values
    or columns it concerns (0 where counting means nothing).
    """

    kind: str
    text: str
    count: int = 0


@dataclass(frozen=True)
class Schema:
    """The roles of the columns of a table: enough to read a second one in the same way.

    `static` maps each static column to its categories, one-hot coded in this order, or to
    None if it holds numbers.
    """

    target: str
    time: str
    series: tuple[str, ...]
    frequency: Frequency
    season: int
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: Mapping[str, Sequence[str] | None] | None = None

    @property
    def static_names(self) -> list[str]:
        """One name per number in `Series.static`: "height", "region=north", "region=south"."""
        names = []
        for column, categories in (self.static or {}).items():
            names += [column] if categories is None else [f"{column}={c}" for c in categories]
        return names

    def to_dict(self) -> dict[str, Any]:
        """A form that JSON can hold; `from_dict` is its inverse."""
        return {
            "target": self.target,
            "time": self.time,
            "series": list(self.series),
            "frequency": str(self.frequency),
            "season": self.season,
            "past": list(self.past),
            "future": list(self.future),
            "static": {name: c and list(c) for name, c in (self.static or {}).items()},
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "Schema":
        lists = {name: tuple(saved[name]) for name in ("series", "past", "future")}
        frequency = Frequency.parse(saved["frequency"])
        return cls(**{**saved, **lists, "frequency": frequency, "static": dict(saved["static"])})


@dataclass(frozen=True)
class Series:
    """One series on a regular grid; shapes and missing values as the module says."""

    name: str
    frequency: Frequency
    start: np.datetime64 | int
    target: np.ndarray
    past: np.ndarray
    future: np.ndarray
    static: np.ndarray

    @property
    def n(self) -> int:
        """Steps of the target."""
        return len(self.target)

    @property
    def ahead(self) -> int:
        """Steps by which the future covariates reach beyond the target."""
        return len(self.future) - self.n

    def times(self, first: int = 0, count: int | None = None) -> np.ndarray:
        """Times of `count` steps from step `first`; by default those of the target.

        Steps beyond the end have times too: `times(series.n, 12)` are the next twelve.
        """
        count = self.n - first if count is None else count
        return self.frequency.times(self.start, first, count)

    def steps_before(self, point: "str | date | np.datetime64 | int | float") -> int:
        """How many steps of the target lie before a point, as `SeriesSet.before` takes it."""
        if isinstance(point, float):
            return round(_fraction(point) * self.n)
        if isinstance(point, int | np.integer):
            return max(0, self.n - int(point))
        return int(np.searchsorted(self.times(), _moment(point, self.frequency)))

    def head(self, count: int) -> "Series":
        """The first `count` steps. Future covariates keep all that is known after them."""
        return self.between(0, count)

    def between(self, first: int, last: int) -> "Series":
        """Steps `first .. last - 1` of the target, and all future covariates from `first`."""
        first, last, _ = slice(first, last).indices(self.n)
        return replace(
            self,
            start=self.frequency.time(self.start, first),
            target=self.target[first:last],
            past=self.past[first:last],
            future=self.future[first:],
        )


@dataclass(frozen=True, repr=False)
class SeriesSet:
    """Series of one schema, with everything that was found while reading them."""

    series: tuple[Series, ...]
    schema: Schema
    name: str = "table"
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.series)

    def __repr__(self) -> str:
        return f"SeriesSet({self.summary()})"

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)

    def __getitem__(self, name: str | int) -> Series:
        """A series by its name or its place."""
        if isinstance(name, int):
            return self.series[name]
        for series in self.series:
            if series.name == name:
                return series
        raise DataError(f"{self.name} has no series {name!r}; its first is {self.series[0].name!r}")

    def before(self, point: "str | date | np.datetime64 | int | float") -> "SeriesSet":
        """Every series up to a point in time, which is itself left out.

        Args:
            point: a time ("1959-01", "2013-10-01 06:00", a date; on integer axes a string
                such as "120"), the number of steps to leave out at the end (an integer), or
                the share of the steps to keep (a float between 0 and 1).

        Series that do not begin before the point are left out, and a finding says so.
        Future covariates keep everything that is known after the point.
        """
        cuts = [series.steps_before(point) for series in self.series]
        return self._parts([s.head(cut) for s, cut in zip(self, cuts, strict=True)], point)

    def after(self, point: "str | date | np.datetime64 | int | float") -> "SeriesSet":
        """The rest: every series from that point on; the point is as in `before`."""
        cuts = [series.steps_before(point) for series in self.series]
        parts = [s.between(cut, s.n) for s, cut in zip(self, cuts, strict=True)]
        return self._parts(parts, point)

    def _parts(self, parts: list[Series], point: object) -> "SeriesSet":
        kept = tuple(part for part in parts if part.n)
        absent = len(parts) - len(kept)
        if not kept:
            raise DataError(f"no series of {self.name} has a step on that side of {point}")
        text = f"left out {absent:,} series without a step on one side of {point}"
        added = (Finding("ignored", text, absent),) if absent else ()
        return replace(self, series=kept, findings=self.findings + added)

    def summary(self) -> str:
        """One line: what there is, from when to when, and what was repaired."""
        frequency = self.schema.frequency
        count = frequency.amount(sum(series.n for series in self.series))
        first = min(series.start for series in self.series)
        last = max(frequency.time(series.start, series.n - 1) for series in self.series)
        season = f"season {self.schema.season}" if self.schema.season > 1 else "no season"
        many = f"{len(self):,} series, " if len(self) > 1 else ""
        span = _span(frequency.label(first), frequency.label(last))
        return f"{self.name}  {many}{count} {span}, {season}; {self._repairs()}"

    def _repairs(self) -> str:
        """The most important findings in words, and how many more there are."""
        order = {"warning": 0, "repaired": 1, "ignored": 2}
        told = [finding for finding in self.findings if finding.kind in order]
        told.sort(key=lambda finding: (order[finding.kind], -finding.count))
        texts = [finding.text for finding in told[:_MOST_IN_SUMMARY]] or ["nothing to repair"]
        rest = len(told) - _MOST_IN_SUMMARY
        return ", ".join(texts) + (f" and {rest} more findings" if rest > 0 else "")


def _span(first: str, last: str) -> str:
    # Unless all lies within one day, the day is precise enough for one line.
    days = first[:10], last[:10]
    return " .. ".join(days if days[0] != days[1] else (first, last))


def _fraction(point: float) -> float:
    if not 0 < point < 1:
        raise DataError(
            f"a share of the steps must lie between 0 and 1, got {point}; "
            "write an integer to count steps from the end"
        )
    return point


def _moment(point: object, frequency: Frequency) -> np.datetime64 | int:
    try:
        if frequency.kind == "integer":
            return int(str(point))
        if isinstance(point, datetime) and point.tzinfo:
            point = point.astimezone(UTC).replace(tzinfo=None)
        point = point.removesuffix("Z") if isinstance(point, str) else point
        return np.datetime64(point, "us")  # pyright: ignore[reportCallIssue, reportArgumentType]
    except (ValueError, TypeError):
        wanted = "a step such as '120'" if frequency.kind == "integer" else "a time like 1959-01-31"
        raise DataError(f"cannot split at {point!r}; expected {wanted}") from None
