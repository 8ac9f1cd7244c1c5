"""The forecaster: from a table of measurements to forecasts with their uncertainty.

    data = ur.read_series("weather.csv", target="temp")
    model = ur.Forecaster("lstm", horizon=24).fit(data)
    model.predict().to_polars()
    model.backtest(data, start="2013-11-17").table()
    model.save("runs/weather"); ur.load("runs/weather")

Shapes: S series, N windows, H horizon, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...cells import Cell
from ...cells.cell import like_of
from ...data import DataError, Finding, Schema, SeriesSet, read_series
from ...nn import Scheduled, initialise
from ...nn.forcing import known_forcing, parse_forcing, write_forcing
from ...nn.initialisation import INITIALISATIONS
from ...training import Optimisation, RangeTest, range_test
from ...training.checkpoint import own_random_numbers
from ...unroll import unroll
from ..arguments import argument
from ..estimator import BY_DATA, Estimator
from ..learning import Listener, check_whole, few_threads
from .fitted import Fitted, recent
from .fitting import Fit
from .model import MakeCell
from .objective import Split
from .plan import FEW, Plan
from .results import Backtest, Forecast, check_levels
from .scaling import MANY_SERIES
from .windows import validation_steps

DECODERS = ("direct", "recurrent", "feedback")
DEFAULT_FORCING = "free"
# Features that a cell reads which is made only to see whether it can start as asked.
TRIAL_INPUTS = 3
# Besides a season, a window to train on and one to validate on, so many steps to learn from.
SPARE_WINDOWS = 10


@dataclass(eq=False, repr=False, kw_only=True)
class Forecaster(Estimator):
    """Forecasts series by a recurrent network over simple forecasts.

    One model learns from all series. It takes past covariates, covariates known in the
    future, static ones, and the calendar; missing values are masked.

    Arguments:
        cell: a cell by name ("lstm", "gru", "elman", "jordan"), or a `Cell` class that is
            built with (input_size, hidden_size).
        horizon: steps to forecast.
        quantiles: levels between 0 and 1, among them 0.5, the point forecast; numbers, or a text
            such as "0.1,0.5,0.9".
        decoder: "direct", all steps from the last output; "recurrent", a second network that
            runs over the horizon; "feedback", one that also reads its own last forecast.
        forcing: what the decoder "feedback" reads in training: "free", its own forecasts;
            "teacher", the truth; "scheduled", more and more its own; or as
            `nn.forcing.parse_forcing` takes it. None is "free". Validation runs free.
        initialisation: how the recurrent cells start, as `nn.initialise` takes it:
            "orthogonal", "chrono:200", "orthogonal+forget-bias", ... None leaves them as they
            are drawn.
        hidden_size, num_layers, dropout, learning_rate, weight_decay, updates: of network and
            training; None chooses by the amount of data. Layer after layer looks back one step,
            four, and a season; more than three begin anew.
        members: networks that learn apart and whose forecasts are averaged; None chooses by the
            amount of data: three where there are many series.
        epochs: validations during training.
        patience: epochs without a better validation after which training stops.
        batch_size: chunks of series a batch, for each process that trains.
        optimisation: how a gradient becomes an update: clipping, learning-rate schedule,
            accumulation, precision.
        validation: steps at the end of each series held out of training; None chooses.
        min_length: shorter series are left out, which is said; None demands that all are long
            enough.
        further: those of `Estimator`.

    Attributes (after `fit`):
        fitted_: the trained model with all that it takes to use it.
        history_: the log of training.
        plan_: the sizes and rates that were chosen.
        findings_: what was noticed about the training table.
    """

    task: ClassVar[str] = "forecast"

    horizon: int = argument(
        24, "Steps to forecast. Default a season, up to 60.", whole=1, positional=True, typed=None
    )
    quantiles: Sequence[float] | str = argument(
        (0.1, 0.5, 0.9), "Levels, among them 0.5.", kind=str, typed="0.1,0.5,0.9"
    )
    decoder: str = argument("direct", "Over the horizon", among=DECODERS)
    forcing: str | Scheduled | None = argument(
        None, "What the decoder feedback reads: free, teacher, scheduled[:HOW].", kind=str
    )
    initialisation: str | None = argument(
        None, f"How the cells start: {', '.join(INITIALISATIONS)}:T. Default as drawn."
    )
    dropout: float | None = argument(None, f"Before the head. {BY_DATA}", below=1.0)
    updates: int | None = argument(None, f"Of the weights, in all. {BY_DATA}", whole=1)
    members: int | None = argument(None, f"Networks that are averaged. {BY_DATA}", whole=1)
    epochs: int = argument(12, "Validations during training.", whole=1)
    patience: int = argument(6, "Epochs without progress, then stop.", whole=1)
    batch_size: int = argument(32, "Pieces of series a batch.", whole=1)
    validation: int | None = argument(
        None, "Steps at the end to validate on. Default a share.", whole=1
    )
    min_length: int | None = argument(None, "Leave shorter series out.", whole=1)
    optimisation: Optimisation = Optimisation()  # noqa: RUF009, it is frozen

    fitted_: Fitted = field(init=False)
    plan_: Plan = field(init=False)
    split_: Split = field(init=False)
    findings_: tuple[Finding, ...] = field(init=False)

    def fit(self, data: Any, y: None = None, listener: Listener | None = None) -> Forecaster:
        """Learn from a table; the end of every series is held out to validate.

        Arguments:
            data: a `SeriesSet`, or what `read_series` reads without further options.
            y: ignored; scikit-learn's convention.
            listener: told of the progress.

        Raises:
            ValueError: an argument of the constructor makes no sense.
            DataError: series are too short for the horizon; the message says which.
            TrainingFailed: the loss stayed infinite or undefined.
        """
        listener = listener or Listener()
        self.check_arguments()
        data = self.long_enough(as_series(data))
        self.findings_ = data.findings
        self.split_ = self.split_of(data)
        # The caller's random numbers go on as if nothing had happened.
        listener.started(self)
        with own_random_numbers(self.seed), few_threads(len(data) < MANY_SERIES):
            Fit(self, data, self.split_).run(listener)
        return self

    def predict(self, data: Any = None, quantiles: Sequence[float] | None = None) -> Forecast:
        """Forecast the steps after the end of every series.

        Arguments:
            data: a table with the columns of the training table; None continues the training
                table, or the one of `go_on_from`. It need not hold the same series.
            quantiles: some of the levels that the model was trained for; None gives all.

        Raises:
            DataError: a column is missing, a series is empty, or covariates that were said to
                be known in the future do not reach over the horizon.
        """
        fitted = self._fitted()
        table = fitted.history if data is None else as_series(data, fitted.schema)
        return fitted.predict(table, quantiles)

    def backtest(
        self, data: Any, start: Any = None, *, stride: int = 1, windows: int | None = None
    ) -> Backtest:
        """Forecast from many origins of a table and compare with what came.

        The model is not trained again; it sees, for each origin, what lies before it.

        Arguments:
            data: a table with the columns of the training table.
            start: first time, number of steps from the end, or share of the steps from which
                on forecasts are made; default right after what the model was trained on.
            stride: steps between origins.
            windows: at most this many, evenly chosen.

        Raises:
            DataError: no series holds a whole horizon after `start`.
        """
        check_whole("stride", stride, 1)
        check_whole("windows", windows, 1, optional=True)
        fitted = self._fitted()
        return fitted.backtest(as_series(data, fitted.schema), start, stride, windows)

    def go_on_from(self, data: Any) -> Forecaster:
        """Let `predict()` forecast what comes after another table; the model stays as it is."""
        fitted = self._fitted()
        table = fitted.recognise(as_series(data, fitted.schema))
        history = recent(table, fitted.architecture, fitted.scaling)
        self.fitted_ = replace(fitted, history=history)
        return self

    def save(self, folder: str | Path) -> Path:
        """Write config.json, model.safetensors and the end of the table to a run folder.

        Each file is written under another name first, so a crash leaves no half of one.
        `unrolled.load` is the inverse.
        """
        from .saving import save_forecaster

        return save_forecaster(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path, cell: MakeCell | None = None) -> Forecaster:
        """Open a run folder.

        Arguments:
            cell: the class of the cell, where it is not one of unrolled's own: code is never
                loaded from a run folder.

        Raises:
            RunError: the folder is no run, is damaged, or was written by a later version.
        """
        from .saving import load_forecaster

        return load_forecaster(Path(folder), cell)

    @property
    def updates_(self) -> int:
        """How many updates the whole training has."""
        return self.plan_.updates

    @property
    def parameters_(self) -> int:
        """How many numbers training adjusts."""
        return sum(p.numel() for p in self._fitted().model.parameters())

    @property
    def engine_(self) -> tuple[str, str]:
        """The engine that unrolls the network's first layer, and why."""
        fitted = self._fitted()
        stack = fitted.members[0].stack
        cell, dilation = stack.cells[0], stack.dilations[0]
        assert isinstance(cell, Cell)
        steps = max(1, fitted.architecture.chunking.steps // dilation)
        inputs = like_of(cell).new_zeros(1, steps, cell.input_size)
        run = unroll(cell, inputs, engine=self.engine)
        return run.engine, run.why

    def _fitted(self) -> Fitted:
        self.check_fitted()
        return self.fitted_

    def check_arguments(self) -> None:
        """Raise ValueError, naming the argument, if one makes no sense."""
        super().check_arguments()
        check_levels(self.quantiles)
        if self.forcing is not None and self.decoder != "feedback":
            raise ValueError(
                f'forcing is for decoder "feedback", which reads its own last forecast; the '
                f"decoder is {self.decoder!r}"
            )
        self.chosen_forcing()
        if self.validation is not None and self.validation < self.horizon:
            raise ValueError(
                f"validation must hold at least one horizon of {self.horizon} steps, "
                f"got {self.validation}"
            )
        if self.initialisation is not None:
            with own_random_numbers(self.seed):
                trial = self.make_cell(TRIAL_INPUTS, self.hidden_size or FEW.hidden_size)
                initialise(trial, self.initialisation)

    def chosen_forcing(self) -> str | Scheduled:
        """What a decoder that feeds back reads in training."""
        chosen = DEFAULT_FORCING if self.forcing is None else self.forcing
        return parse_forcing(chosen) if isinstance(chosen, str) else known_forcing(chosen)

    def suggest_learning_rate(self, data: Any, updates: int = 100) -> RangeTest:
        """Try learning rates from 1e-6 to 1 on the model at its start; nothing is fitted.

        Arguments:
            data: as in `fit`.
            updates: how many rates.

        Raises:
            ValueError: the loss falls at none of them; or as in `fit`.
        """
        self.check_arguments()
        data = self.long_enough(as_series(data))
        trial = Forecaster(**self.get_params(deep=False))
        with own_random_numbers(self.seed), few_threads(len(data) < MANY_SERIES):
            objective, model = Fit(trial, data, self.split_of(data)).prepared()
            batches = objective.batches(self.batch_size, self.seed)
            return range_test(model, objective.loss, batches, updates, self.optimisation)

    def long_enough(self, data: SeriesSet) -> SeriesSet:
        """The series that hold a season to read, a window to train on and one to validate on.

        Raises:
            DataError: some are shorter, and `min_length` does not say to leave them out.
        """
        season = data.schema.season
        usual = max(season, 2) + 2 * self.horizon + SPARE_WINDOWS
        needed = self.min_length or usual
        short = [series for series in data if series.n < needed]
        if not short:
            return data
        names = ", ".join(f"{s.name} ({s.n})" for s in short[:3])
        more = f" and {len(short) - 3:,} more" if len(short) > 3 else ""
        if self.min_length is None or len(short) == len(data):
            raise DataError(
                f"{len(short):,} of {len(data):,} series are shorter than {needed} steps: "
                f"{names}{more}; training on a season of {season} with a horizon of "
                f"{self.horizon} takes {usual}; use a shorter horizon or season, or leave short "
                "series out with min_length (--min-length)"
            )
        kept = tuple(series for series in data if series.n >= needed)
        said = Finding(
            "ignored", f"left out {len(short):,} short series: {names}{more}", len(short)
        )
        return SeriesSet(kept, data.schema, data.name, (*data.findings, said))

    def split_of(self, data: SeriesSet) -> Split:
        """Where training and validation end in every series."""
        ends = np.array([series.n for series in data])
        held_out = self.validation or validation_steps(ends, self.horizon)
        # A short series keeps at least a season and a horizon to train on.
        least = np.minimum(ends - self.horizon, data.schema.season + self.horizon)
        if self.validation is not None and (ends - held_out < least).any():
            most = int((ends - least).min())
            raise DataError(
                f"validation takes {held_out} steps and leaves too little to train on; the "
                f"shortest series allows {most}"
            )
        return Split(np.maximum(ends - held_out, least), ends)

    def split_text(self, data: SeriesSet, start: Any) -> str:
        """Where training, validation and test part, in words; `start` is of the test part."""
        split, longest = self.split_, max(data, key=lambda series: series.n)
        known = longest.n if start is None else longest.steps_before(start)
        held_out = int(np.median(split.ends - split.train_ends))
        frequency = data.schema.frequency
        last = frequency.label(longest.times(known - held_out - 1, 1)[0])
        parts = [f"train .. {last}", f"validation {frequency.span(held_out)}"]
        test = "no test" if start is None else f"test {frequency.span(longest.n - known)}"
        return " | ".join([*parts, test])

    def plain_arguments(self) -> dict[str, Any]:
        """The arguments as JSON holds them."""
        forcing = None if self.forcing is None else write_forcing(self.forcing)
        levels = list(check_levels(self.quantiles))
        return {**super().plain_arguments(), "forcing": forcing, "quantiles": levels}


def as_series(data: Any, schema: Schema | None = None) -> SeriesSet:
    """A `SeriesSet` as it is, anything else through `read_series`."""
    if not isinstance(data, SeriesSet):
        return read_series(data, schema=schema)
    for role in ("target", "past", "future", "static", "frequency") if schema else ():
        ours, theirs = getattr(data.schema, role) or (), getattr(schema, role) or ()
        if ours != theirs:
            raise DataError(
                f"the table's {role} is {_said(ours)}, the model's {_said(theirs)}; read the "
                "table with read_series(..., schema=model.fitted_.schema)"
            )
    return data


def _said(role: Any) -> str:
    return str(role) if not isinstance(role, (tuple, dict)) else ", ".join(role) or "nothing"
