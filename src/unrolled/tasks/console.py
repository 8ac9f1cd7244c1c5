"""What training prints, whatever the task: a few aligned lines, and one row an epoch.

On a terminal a progress bar with the time left stands below the rows; elsewhere there are
only the rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ..training import Checkpoint, Epoch, RangeTest, Update
from ..training.board import Board
from ..training.machine import started_processes, started_rank
from .learning import Learner, Listener
from .options import as_options
from .training import INTERRUPTED, Place

ROWS_OF_RANGE_TEST = 12
# Losses below it show digits, not decimals.
SMALL_LOSS = 0.01


class Console:
    """Prints lines `word  text`; with `quiet`, nothing but what is asked for by name."""

    def __init__(self, quiet: bool = False):
        self.quiet = quiet
        self.rich = RichConsole(highlight=False, soft_wrap=True)

    def line(self, word: str, text: str, style: str = "") -> None:
        """One line: a word in the margin, and what it is about."""
        if not self.quiet:
            self.rich.print(f"{word:<9} {as_options(text)}", style=style or None, markup=False)

    def lines(self, lines: Iterable[tuple[str, str]]) -> None:
        """Several of them."""
        for word, text in lines:
            self.line(word, text)

    def plain(self, text: str, style: str = "") -> None:
        """Text without a word in the margin, even when quiet."""
        self.rich.print(text, style=style or None, markup=False)

    def suggested(self, found: RangeTest) -> None:
        """The losses of a range test, and the learning rate that it suggests."""
        if self.quiet:
            self.plain(f"{found.suggestion:.1e}")
            return
        self.line("rate", f"{'loss':>10}")
        for place in np.linspace(0, len(found.rates) - 1, ROWS_OF_RANGE_TEST).round().astype(int):
            self.plain(f"{found.rates[place]:>9.1e}{found.losses[place]:>11.4f}")
        self.plain(f"suggest   --learning-rate {found.suggestion:.1e}")


@dataclass(frozen=True)
class Column:
    """One figure of a validation in the rows.

    Attributes:
        header: what stands above.
        key: its name in `Epoch.validation`.
        width: letters, the space before it included.
        decimals: digits after the point; None: three significant ones.
    """

    header: str
    key: str
    width: int = 10
    decimals: int | None = 3

    def shown(self, value: float) -> str:
        """A value, as the row has it."""
        return f"{value:.3g}" if self.decimals is None else f"{value:.{self.decimals}f}"


class TrainingLog(Listener):
    """Prints the progress of a fit and keeps its run folder up to date.

    Arguments:
        console: where to print.
        make_place: makes the run folder, called when training begins and not before.
        board: whether to log for TensorBoard.
    """

    def __init__(self, console: Console, make_place: Callable[[], Place], board: bool = False):
        self.console, self.make_place, self.wants_board = console, make_place, board
        self.is_main = started_rank() == 0
        self.board: Board | None = None
        # What keeps other processes off the run folder.
        self.held = ExitStack()
        self.progress = Progress(
            TextColumn("training"),
            BarColumn(),
            TimeRemainingColumn(),
            console=console.rich,
            transient=True,
            disable=console.quiet or not console.rich.is_terminal,
        )

    def opening(self, learner: Any) -> Iterable[tuple[str, str]]:
        """What is said of the data, before anything is built."""
        return learner.opening()

    def before_training(self, learner: Any) -> Iterable[tuple[str, str]]:
        """What is said of the baselines and of the model."""
        return learner.before_training()

    def columns(self, learner: Any) -> Sequence[Column]:
        """The figures of a row, after the losses."""
        return learner.columns()

    def batch_size(self, learner: Any) -> int:
        """Sequences of a batch, for each process."""
        return learner.batch_size

    def __enter__(self) -> TrainingLog:
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

    def started(self, learner: Learner) -> None:
        self.console.lines(self.opening(learner))

    def prepared(self, learner: Learner) -> None:
        say = self.console.line
        self.console.lines(self.before_training(learner))
        if (processes := started_processes()) > 1:
            size = self.batch_size(learner)
            say("shared", f"by {processes} processes, batches of {processes} x {size}")
        self.place = self.make_place()
        if self.is_main:
            self.held.enter_context(self.place.held())
        # A run that goes on has better weights there than those of the start.
        goes_on = self.place.checkpoint.path.exists()
        if self.is_main and not goes_on:
            learner.save(self.folder)
        self.shown = self.columns(learner)
        others = "".join(f"{column.header:>{column.width}}" for column in self.shown)
        say("epoch", f"{'train':>7}{'val':>9}{others}{'lr':>10}{'grad':>8}{'s':>7}")
        self.task = self.progress.add_task("training", total=learner.updates_)
        self.progress.start()
        if self.wants_board and not goes_on:
            self.board = Board(self.folder)

    def checkpoint(self, learner: Learner) -> Checkpoint:
        return self.place.checkpoint

    def resumed(self, learner: Learner, update: int) -> None:
        if self.is_main:
            learner.save(self.folder)
        for epoch in learner.history_.epochs:
            self._row(epoch)
        self.console.line("resumed", f"after update {update:,} of {learner.updates_:,}")
        if self.wants_board:
            self.board = Board(self.folder, update)

    def updated(self, number: int, update: Update) -> None:
        self.progress.update(self.task, completed=number)
        if self.board:
            self.board.updated(number, update)

    def validated(self, learner: Learner, epoch: Epoch) -> None:
        if epoch.best and self.is_main:
            learner.save(self.folder)
        self._row(epoch)
        if self.board:
            self.board.validated(epoch, len(learner.history_.updates))

    def ended(self, learner: Learner) -> None:
        """Say how training ended; the run folder holds what is kept."""
        history, say = learner.history_, self.console.line
        learner.save(self.folder)
        say(
            "ended", f"{history.ended}; epoch {history.best.epoch} is kept; {history.seconds:.0f} s"
        )
        if history.ended == INTERRUPTED:
            say("", "the same command with --resume goes on")

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

    def _row(self, epoch: Epoch) -> None:
        if not self.console.quiet:
            self.console.rich.print(row(epoch, self.shown), markup=False)


def row(epoch: Epoch, columns: Sequence[Column]) -> str:
    """The row of an epoch."""
    train = "" if np.isnan(epoch.train) else _loss(epoch.train)
    norm = "" if np.isnan(epoch.gradient_norm) else f"{epoch.gradient_norm:.2f}"
    others = "".join(f"{c.shown(epoch.validation[c.key]):>{c.width}}" for c in columns)
    skipped = f"  {epoch.skipped} updates skipped: not finite" if epoch.skipped else ""
    return (
        f"{epoch.epoch:>9} {train:>7}{_loss(epoch.validation['loss']):>9}{others}"
        f"{epoch.learning_rate:>10.1e}{norm:>8}{epoch.seconds:>7.1f}"
        f"{' *' if epoch.best else ''}{skipped}"
    )


def _loss(value: float) -> str:
    """Three decimals, or of a small loss two digits: "1.489", "2.1e-05"."""
    return f"{value:.3f}" if abs(value) >= SMALL_LOSS or not value else f"{value:.2g}"
