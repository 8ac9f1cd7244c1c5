"""The options of forecasting on the command line, in groups, and what they become."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from ...data import DataError, SeriesSet, read_series
from .forecaster import Forecaster


def _option(text: str) -> Any:
    """An option whose default is best said in words."""
    return typer.Option(help=text, show_default=False)


LONGEST_DEFAULT_HORIZON = 60


@dataclass
class Reading:
    """How to read the table."""

    target: Annotated[str, _option("Column to forecast.")] = ""
    time: Annotated[str, _option("Column of times.")] = ""
    series: Annotated[str, _option("Columns that name the series: a,b.")] = ""
    freq: Annotated[str, _option("Step of the time grid: 15min, 1h, 1d, 1mo.")] = ""
    season: Annotated[int | None, _option("Steps of a season; 1 for none.")] = None
    past: Annotated[str, _option("Past covariates: a,b. Default all; write none for none.")] = ""
    future: Annotated[str, _option("Columns known in the future: a,b.")] = ""
    static: Annotated[str, _option("Columns constant in each series: a,b.")] = ""

    def read(self, table: str) -> SeriesSet:
        """The table as series."""
        return read_series(
            table,
            target=self.target or None,
            time=self.time or None,
            series=names(self.series),
            freq=self.freq or None,
            season=self.season,
            past=() if self.past == "none" else names(self.past),
            future=names(self.future) or (),
            static=names(self.static),
        )


def with_horizon(model: Forecaster, data: SeriesSet) -> Forecaster:
    """The forecaster, its arguments checked and its horizon chosen, where none is asked for.

    That is one season, but not more than an hour of minutes, or twelve steps where there is none.
    """
    if model.horizon is None:
        season = data.schema.season
        model.horizon = min(season, LONGEST_DEFAULT_HORIZON) if season > 1 else 12
    model.check_arguments()
    return model


def names(text: str) -> tuple[str, ...] | None:
    """Column names from `a,b`; None from the empty string."""
    return tuple(part.strip() for part in text.split(",") if part.strip()) or None


def test_start(test: str, data: SeriesSet, horizon: int) -> str | int | float | None:
    """Where the test part begins, as `SeriesSet.before` takes it; None for no test part.

    `test` is empty (an eighth of the series), a number of steps (0 for none), a share such as
    0.2 held out, or a time such as 1959-01.
    """
    if not test:
        lengths = sorted(series.n for series in data)
        return max(horizon, round(lengths[len(lengths) // 2] / 8))
    if test.isdigit():
        longest = max(series.n for series in data)
        if int(test) >= longest:
            raise DataError(
                f"{test} is a number of steps, and the longest series has {longest:,}; a year is "
                f"written {test}-01"
            )
        return int(test) or None
    if test.startswith("-"):
        raise DataError(f"{test} is neither a number of steps, nor a share, nor a time")
    try:
        share = float(test)
    except ValueError:
        return test
    if 0 < share < 1:
        return 1 - share
    raise DataError(f"{test} is neither a whole number of steps, nor a share below 1, nor a time")
