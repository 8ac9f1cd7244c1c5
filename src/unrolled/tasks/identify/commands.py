"""System identification on the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ...data.errors import DataError
from ...data.systems import SystemData
from ...files import csv_text, write_text
from ...naming import counted
from ..options import Run
from ..supervised import (
    TEST,
    SampleCommands,
    check_table,
    evaluate_and_tell,
    tell_findings,
    train_and_report,
)
from ..training import Running
from .demo import oscillator
from .measures import stretch_of
from .model import SystemIdentifier
from .options import ReadingSystem, TestingSystem
from .predicting import beyond_training
from .report import IdentifyParts
from .show import show

Table = Annotated[str, typer.Argument(help="A table of inputs, as in training.")]
Rows = Annotated[str, typer.Option(help="Of the data, from:to. Default all.", show_default=False)]


COMMANDS = SampleCommands(
    "identify", ReadingSystem, SystemIdentifier, IdentifyParts, show,
    "Learn a dynamical system from inputs and outputs.", "records", TestingSystem,
)  # fmt: skip
register, inspect = COMMANDS.register, COMMANDS.inspect


def predict(
    run: Run,
    source: Table,
    output: Annotated[str, typer.Option(help="A .csv to write; default to the terminal.")] = "",
    rows: Rows = "",
    one_step: Annotated[
        bool, typer.Option("--one-step", help="One step ahead, from measured outputs before.")
    ] = False,
) -> None:
    """Simulate the output for a table of inputs, free running, as CSV."""
    if output:
        check_table(output, source)
    model = SystemIdentifier.load(run)
    read = model.read_again if one_step else model.without_outputs
    data = _part(read(source), rows)
    tell_findings(f for f in (*data.findings, *beyond_training(model, data)) if f.kind != "found")
    found = model.predictions(data)
    told = found.one_step if one_step else found.simulated
    assert told is not None, "measured outputs are read where one step is asked for"
    text = table(data, told, model.fitted_.coding.outputs)
    if output:
        write_text(Path(output), text)
        typer.echo(f"{output}: {counted(len(data), 'sample')}")
    else:
        sys.stdout.write(text)


def table(data: SystemData, found: Sequence[np.ndarray], outputs: tuple[str, ...]) -> str:
    """Predictions as CSV: experiment, if there are several, row, and the outputs."""
    several = any(record.experiment for record in data)
    return csv_text(["experiment"] * several + ["row", *outputs], _lines(data, found, several))


def _lines(
    data: SystemData, found: Sequence[np.ndarray], several: bool
) -> Iterator[list[str | int]]:
    for record, values in zip(data, found, strict=True):
        for row, numbers in enumerate(values.tolist(), start=record.row):
            name: list[str | int] = [record.experiment] if several else []
            yield [*name, row, *(f"{number:.9g}" for number in numbers)]


def evaluate(
    run: Run,
    source: Table,
    rows: Rows = "",
    stretches: Annotated[
        str, typer.Option(help="Rows that are scored on their own too: 0:25000,25000:40000.")
    ] = "",
    washout: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="First samples of records that do not count. Default as trained.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Score the model on measured outputs, beside linear ones."""
    model = SystemIdentifier.load(run)
    model.stretches = stretches
    model.washout = model.washout if washout is None else washout
    evaluate_and_tell(model, _part(model.read_again(source), rows))


def _part(data: SystemData, rows: str) -> SystemData:
    if not rows:
        return data
    wanted = stretch_of(rows, "rows")
    part = data.between(wanted.first, wanted.stop)
    if not len(part):
        raise DataError(f"--rows {rows} takes none: {data.name} has {data.rows()}")
    return part


def demo(output: Path, quiet: bool) -> None:
    """Train on an oscillator with a stiffening spring, which is simulated here."""
    running = Running(output=output, quiet=quiet)
    model = SystemIdentifier(updates=1500, epochs=10)
    train_and_report(model, oscillator(), TEST, running, IdentifyParts())
