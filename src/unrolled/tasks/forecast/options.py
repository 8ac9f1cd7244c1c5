"""The options of forecasting on the command line, in groups, and what they become."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from ...cells import BY_NAME
from ...data import DataError, SeriesSet, read_series
from ...nn.initialisation import INITIALISATIONS
from ...training import Optimisation
from .forecaster import DECODERS, Forecaster


def _option(text: str) -> Any:
    """An option whose default is best said in words."""
    return typer.Option(help=text, show_default=False)


LONGEST_DEFAULT_HORIZON = 60
BY_DATA = "Default by the amount of data."


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


@dataclass
class Modelling:
    """What to train; the names are those of the Forecaster's arguments."""

    horizon: Annotated[int | None, _option("To forecast. Default a season, up to 60.")] = None
    cell: Annotated[str, typer.Option(help=f"One of {', '.join(BY_NAME)}.")] = "lstm"
    decoder: Annotated[str, typer.Option(help=f"One of {', '.join(DECODERS)}.")] = "direct"
    quantiles: Annotated[str, typer.Option(help="Levels, among them 0.5.")] = "0.1,0.5,0.9"
    forcing: Annotated[
        str,
        _option("What the decoder feedback reads: free, teacher, scheduled[:HOW]. Default free."),
    ] = ""
    initialisation: Annotated[
        str, _option(f"How the cell starts: {', '.join(INITIALISATIONS)}:T. Default as drawn.")
    ] = ""
    hidden_size: Annotated[int | None, _option(f"Of each layer. {BY_DATA}")] = None
    dropout: Annotated[float | None, _option(f"Before the head. {BY_DATA}")] = None
    learning_rate: Annotated[float | None, _option(f"At its peak. {BY_DATA}")] = None
    weight_decay: Annotated[float | None, _option(f"Of AdamW. {BY_DATA}")] = None
    updates: Annotated[int | None, _option(f"Of the weights, in all. {BY_DATA}")] = None
    members: Annotated[int | None, _option(f"Networks that are averaged. {BY_DATA}")] = None
    epochs: Annotated[int, typer.Option(help="Validations during training.")] = 12
    patience: Annotated[int, typer.Option(help="Epochs without progress, then stop.")] = 6
    batch_size: Annotated[int, typer.Option(help="Pieces of series a batch.")] = 32
    validation: Annotated[int | None, _option("Steps to validate on. Default a share.")] = None
    min_length: Annotated[int | None, _option("Leave shorter series out.")] = None
    seed: Annotated[int, typer.Option(help="Same seed, same numbers.")] = 0
    device: Annotated[str, typer.Option(help="auto, cpu, cuda.")] = "auto"
    engine: Annotated[str, typer.Option(help="auto, native, vendor, eager.")] = "auto"

    def forecaster(
        self,
        data: SeriesSet,
        optimisation: Optimisation = Optimisation(),  # noqa: B008
    ) -> Forecaster:
        """A forecaster for `data` with these arguments, checked."""
        arguments = {
            **asdict(self),
            "horizon": default_horizon(data) if self.horizon is None else self.horizon,
            "quantiles": numbers(self.quantiles, "--quantiles"),
            "forcing": self.forcing or None,
            "initialisation": self.initialisation or None,
            "optimisation": optimisation,
        }
        forecaster = Forecaster(**arguments)
        forecaster.check_arguments()
        return forecaster


def default_horizon(data: SeriesSet) -> int:
    """One season, but not more than an hour of minutes, or twelve steps where there is none."""
    season = data.schema.season
    return min(season, LONGEST_DEFAULT_HORIZON) if season > 1 else 12


def names(text: str) -> tuple[str, ...] | None:
    """Column names from `a,b`; None from the empty string."""
    return tuple(part.strip() for part in text.split(",") if part.strip()) or None


def numbers(text: str, option: str) -> tuple[float, ...]:
    """Numbers from `0.1,0.5`.

    Raises:
        DataError: one is not a number; `option` is named.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise DataError(f"{option} must be numbers such as 0.1,0.5,0.9, got {text!r}") from None


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
