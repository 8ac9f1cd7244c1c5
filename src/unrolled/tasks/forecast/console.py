"""What forecasting prints: a few aligned lines, and one row an epoch.

On a terminal a progress bar with the time left stands below the rows; elsewhere there are
only the rows.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ...data import Finding, SeriesSet
from ...report.numbers import counted
from ...report.training import FORCED
from ...training import Checkpoint, Epoch, RangeTest, Update
from ...training.board import Board
from ...training.machine import started_processes, started_rank
from ..training import INTERRUPTED, Place
from .advice import advice_for
from .card import describe_gain, verdict
from .fitting import Listener
from .forecaster import Forecaster
from .results import MODEL, Backtest

# So many windows tell the scores of a long table well enough.
MOST_TEST_WINDOWS = 20_000
ROWS_OF_RANGE_TEST = 12
# How each baseline is called where there is little room.
SHORT = {"linear autoregression": "linear", "feed-forward": "feed-forward (no memory)"}


class Console:
    """Prints lines `word  text`; with `quiet`, nothing but what is asked for by name."""

    def __init__(self, quiet: bool = False):
        self.quiet = quiet
        self.rich = RichConsole(highlight=False, soft_wrap=True)

    def line(self, word: str, text: str, style: str = "") -> None:
        """One line: a word in the margin, and what it is about."""
        if not self.quiet:
            self.rich.print(f"{word:<9} {text}", style=style or None, markup=False)

    def plain(self, text: str, style: str = "") -> None:
        """Text without a word in the margin, even when quiet."""
        self.rich.print(text, style=style or None, markup=False)

    def checked(self, data: SeriesSet, forecaster: Forecaster) -> None:
        """The findings about a table, and whether a forecaster could learn from it."""
        self.line("data", data.summary())
        for finding in data.findings:
            self.line(finding.kind, finding.text)
        kept = forecaster.long_enough(data)
        for finding in kept.findings[len(data.findings) :]:
            self.line(finding.kind, finding.text)
        schema = data.schema
        roles = {"past": schema.past, "future": schema.future, "static": tuple(schema.static or ())}
        for role, columns in roles.items():
            self.line(role, ", ".join(columns) or "none")
        amount = schema.frequency.amount(forecaster.horizon)
        self.line("ready", f"to forecast {schema.target} {amount} ahead", style="green")

    def suggested(self, found: RangeTest) -> None:
        """The losses of a range test, and the learning rate that it suggests."""
        if self.quiet:
            self.plain(f"{found.suggestion:.1e}")
            return
        self.line("rate", f"{'loss':>10}")
        for place in np.linspace(0, len(found.rates) - 1, ROWS_OF_RANGE_TEST).round().astype(int):
            self.plain(f"{found.rates[place]:>9.1e}{found.losses[place]:>11.4f}")
        self.plain(f"suggest   --learning-rate {found.suggestion:.1e}")

    def evaluated(self, backtest: Backtest) -> None:
        """The scores of a backtest, a row a forecast."""
        self.line("windows", f"{len(backtest.windows):,} over {len(backtest.series):,} series")
        names = list(backtest.scores[MODEL])
        self.plain(" " * 22 + "".join(f"{name:>10}" for name in names))
        for model, scores in backtest.scores.items():
            cells = "".join(f"{_figure(scores.get(name)):>10}" for name in names)
            self.plain(f"{model:<22}{cells}", style="bold" if model == MODEL else "")

    def inspected(self, run: Path, forecaster: Forecaster, scores: dict[str, Any] | None) -> None:
        """What a run folder holds."""
        fitted = forecaster.fitted_
        plan, schema = fitted.architecture, fitted.schema
        self.line("run", str(run))
        names = list(fitted.trained_until)
        covariates = ", ".join([*schema.past, *schema.future]) or "none"
        what = f"{schema.target} of {len(names):,} series ({names[0]}{', ...' * (len(names) > 1)})"
        self.line("data", f"{what}, season {schema.season}, covariates {covariates}")
        self.line("model", describe_model(forecaster))
        layers = f"{len(plan.dilations)} layers with dilations {plan.dilations}"
        self.line("adds", describe_gain(fitted) or "the network moves medians and intervals")
        self.line("network", f"{plan.input_size} inputs, {layers}, {plan.decoder} decoder")
        state = sum(sum(cell.state_sizes.values()) for cell in fitted.model.stack.cells)  # pyright: ignore
        self.line("state", f"{state} numbers a series")
        lags = f" and covariates at lags {plan.linear.lags}" if plan.linear.lags else ""
        self.line("linear", f"reads {plan.linear.context} values{lags}")
        if scores:
            error = {name: s["MASE"] for name, s in scores.items()}
            self.line("test", ", ".join(f"{n} MASE {_figure(e)}" for n, e in error.items()))


class TrainingLog(Listener):
    """Prints the progress of a fit and keeps its run folder up to date.

    Arguments:
        console: where to print.
        data: the whole table.
        start: where its test part begins, or None.
        make_place: makes the run folder, called when training begins and not before.
        board: whether to log for TensorBoard.
    """

    def __init__(
        self,
        console: Console,
        data: SeriesSet,
        start: Any,
        make_place: Callable[[], Place],
        board: bool = False,
    ):
        self.console, self.data, self.start = console, data, start
        self.make_place, self.wants_board = make_place, board
        self.is_main = started_rank() == 0
        self.board: Board | None = None
        # What keeps other processes off the run folder.
        self.held = ExitStack()
        self.advice: list[str] = []
        self.progress = Progress(
            TextColumn("training"),
            BarColumn(),
            TimeRemainingColumn(),
            console=console.rich,
            transient=True,
            disable=console.quiet or not console.rich.is_terminal,
        )

    def __enter__(self) -> "TrainingLog":
        return self

    def __exit__(self, *error: Any) -> None:
        self.progress.stop()
        if self.board:
            self.board.close()
        self.held.__exit__(*error)

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.place.folder

    def started(self, forecaster: Forecaster) -> None:
        say = self.console.line
        say("data", self.data.summary())
        for finding in _new_findings(forecaster.findings_, self.data.findings):
            say(finding.kind, finding.text)
        self.split_text = forecaster.split_text(self.data, self.start)
        say("split", self.split_text)

    def prepared(self, forecaster: Forecaster) -> None:
        say = self.console.line
        if self.start is not None and self.is_main:
            start = forecaster.backtest(self.data, self.start, windows=MOST_TEST_WINDOWS)
            say("baseline", _baselines(start))
        say("model", describe_model(forecaster))
        if (processes := started_processes()) > 1:
            size = forecaster.batch_size
            say("shared", f"by {processes} processes, batches of {processes} x {size}")
        self.place = self.make_place()
        if self.is_main:
            self.held.enter_context(self.place.held())
        # A run that goes on has better weights there than those of the start.
        goes_on = self.place.checkpoint.path.exists()
        if self.is_main and not goes_on:
            forecaster.save(self.folder)
        forced = f"{'forced':>8}" if forecaster.fitted_.model.feeds_back else ""
        header = f"{'train':>7}{'val':>8}{forced}{'val MASE':>10}{'lr':>10}{'grad':>8}{'s':>7}"
        say("epoch", header)
        self.task = self.progress.add_task("training", total=forecaster.plan_.updates)
        self.progress.start()
        if self.wants_board and not goes_on:
            self.board = Board(self.folder)

    def checkpoint(self, forecaster: Forecaster) -> Checkpoint:
        return self.place.checkpoint

    def resumed(self, forecaster: Forecaster, update: int) -> None:
        if self.is_main:
            forecaster.save(self.folder)
        for epoch in forecaster.history_.epochs:
            self._row(epoch)
        self.console.line("resumed", f"after update {update:,} of {forecaster.plan_.updates:,}")
        if self.wants_board:
            self.board = Board(self.folder, update)

    def updated(self, number: int, update: Update) -> None:
        self.progress.update(self.task, completed=number)
        if self.board:
            self.board.updated(number, update)

    def validated(self, forecaster: Forecaster, epoch: Epoch) -> None:
        if epoch.best and self.is_main:
            forecaster.save(self.folder)
        self._row(epoch)
        if self.board:
            self.board.validated(epoch, len(forecaster.history_.updates))

    def _row(self, epoch: Epoch) -> None:
        if not self.console.quiet:
            self.console.rich.print(_row(epoch), markup=False)

    def tested(self, forecaster: Forecaster, backtest: Backtest | None) -> None:
        """Say how training ended and what the test says."""
        history, say = forecaster.history_, self.console.line
        forecaster.save(self.folder)
        kept = history.best.epoch
        say("ended", f"{history.ended}; epoch {kept} is kept; {history.seconds:.0f} s")
        if history.ended == INTERRUPTED:
            say("", "the same command with --resume goes on")
        if remark := describe_gain(forecaster.fitted_):
            say("", remark)
        if backtest is None:
            return
        say("test", _verdict(backtest))
        self.advice = advice_for(forecaster, backtest)
        if self.advice:
            say("", verdict(forecaster, backtest), style="red")
        for text in self.advice:
            say("", text, style="red")

    def saved(self) -> None:
        """Say where everything is, and what to do next."""
        if self.console.quiet:
            self.console.plain(str(self.folder))
            return
        files = " ".join(sorted(os.listdir(self.folder), key=lambda f: f != "report.html"))
        self.console.line("saved", f"{self.folder}/  {files}")
        self.console.line(
            "next", f"unrolled predict {self.folder}    unrolled inspect {self.folder}"
        )


def describe_model(forecaster: Forecaster) -> str:
    """`lstm 3x64, 115k parameters, engine vendor (oneDNN through torch.nn), 2 threads`."""
    plan = forecaster.fitted_.architecture
    engine, why = forecaster.engine_
    size = f"{len(plan.dilations)}x{plan.hidden_size}"
    return (
        f"{plan.cell} {size}, {_count(forecaster.parameters_)} parameters, "
        f"engine {engine} ({why}), {counted(torch.get_num_threads(), 'thread')}"
    )


def _new_findings(after: tuple[Finding, ...], before: tuple[Finding, ...]) -> list[Finding]:
    return [finding for finding in after if finding not in before]


def _baselines(backtest: Backtest) -> str:
    best = backtest.best_baseline
    parts = [f"{SHORT.get(n, n)} {_figure(backtest.error(n))}" for n in backtest.baselines]
    return f"test MASE: {', '.join(parts)}   <- to beat: {SHORT.get(best, best)}"


def _verdict(backtest: Backtest) -> str:
    scores = backtest.scores
    others = [f"{SHORT.get(n, n)} {_figure(scores[n]['MASE'])}" for n in _shown(backtest)]
    rmse = [f"{SHORT.get(n, n)} {_figure(scores[n]['RMSE'])}" for n in _shown(backtest)]
    width = round(100 * (backtest.levels[-1] - backtest.levels[0]))
    covered = round(100 * scores[MODEL]["coverage"])
    return (
        f"MASE {_figure(scores[MODEL]['MASE'])} ({', '.join(others)}); "
        f"RMSE {_figure(scores[MODEL]['RMSE'])} ({', '.join(rmse)}); "
        f"{width} % interval covers {covered} %"
    )


def _shown(backtest: Backtest) -> list[str]:
    """Seasonal naive, the linear one, and the best baseline if that is another."""
    return list(dict.fromkeys(["seasonal naive", "linear autoregression", backtest.best_baseline]))


def _row(epoch: Epoch) -> str:
    train = "" if np.isnan(epoch.train) else f"{epoch.train:.3f}"
    norm = "" if np.isnan(epoch.gradient_norm) else f"{epoch.gradient_norm:.2f}"
    forced = epoch.validation.get(FORCED)
    other = "" if forced is None else f"{forced:>8.3f}"
    skipped = f"  {epoch.skipped} updates skipped: not finite" if epoch.skipped else ""
    return (
        f"{epoch.epoch:>9} {train:>7}{epoch.validation['loss']:>8.3f}{other}"
        f"{epoch.validation['MASE']:>10.3f}{epoch.learning_rate:>10.1e}{norm:>8}"
        f"{epoch.seconds:>7.1f}{' *' if epoch.best else ''}{skipped}"
    )


def _count(number: int) -> str:
    return f"{number / 1000:.0f}k" if number >= 1000 else str(number)


def _figure(value: float | None) -> str:
    """A score with three significant digits or so; a dash where it is undefined."""
    if value is None or np.isnan(value):
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.2f}"
