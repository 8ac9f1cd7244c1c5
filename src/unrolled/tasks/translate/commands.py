"""Translators on the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ...data.collecting.files import existing, lines_of, read_text
from ...data.pairs import read_pairs
from ...data.reading.notes import Notes
from ...files import write_text
from ..console import Console
from ..inspection import Subject
from ..options import Run, takes
from ..running import check_running
from ..runs import check_output
from ..supervised import (
    Test,
    check_and_tell,
    evaluate_and_tell,
    inspect_run,
    tell_findings,
    train_and_report,
    tune_and_report,
)
from ..training import Optimising, Running
from ..tuning import Searching
from .model import Translator
from .numerals import numerals
from .options import ReadingPairs
from .report import TranslateParts
from .show import show

Source = Annotated[
    str, typer.Argument(help="A table of two columns, or a file with a source a line.")
]
Targets = Annotated[str, typer.Argument(help="A file with a target a line.", show_default=False)]
SHARE = "0.1"


def register(train_app: typer.Typer, check_app: typer.Typer, tune_app: typer.Typer) -> None:
    """Add the task to `unrolled train`, `unrolled check` and `unrolled tune`."""
    train_app.command("translate", help="Learn to write one sequence from another.")(train)
    check_app.command("translate", help="What pairs hold, and how they become numbers.")(check)
    tune_app.command("translate", help="Search hyper-parameters of a translator, and train.")(tune)


@takes(ReadingPairs, Translator, Optimising, Running)
def train(
    source: Source,
    reading: ReadingPairs,
    model: Translator,
    optimising: Optimising,
    running: Running,
    targets: Targets = "",
    test: Test = SHARE,
    test_targets: Annotated[
        str, typer.Option(help="A file with a target a line, for the sources of --test.")
    ] = "",
) -> None:
    """Train a translator, test it beside simpler ones, and leave a run folder with a report."""
    check_running(running)
    model.optimisation = optimising.optimisation(model.optimisation)
    tested = read_pairs(test, test_targets) if test_targets else test
    train_and_report(model, reading.read(source, targets), tested, running, TranslateParts())


@takes(Searching, ReadingPairs, Translator, Optimising, Running)
def tune(
    source: Source,
    searching: Searching,
    reading: ReadingPairs,
    model: Translator,
    optimising: Optimising,
    running: Running,
    targets: Targets = "",
    test: Test = SHARE,
) -> None:
    """Search hyper-parameters on the validation part, then train with the best."""
    model.optimisation = optimising.optimisation(model.optimisation)
    pairs = reading.read(source, targets)
    tune_and_report(model, pairs, test, searching, running, TranslateParts())


@takes(ReadingPairs, Translator)
def check(
    source: Source,
    reading: ReadingPairs,
    model: Translator,
    targets: Targets = "",
    shown: Annotated[
        bool, typer.Option("--show", help="Show texts, tokens, ids, and the padded tensors.")
    ] = False,
) -> None:
    """Say what pairs hold, and which tokens they would become."""
    model.check_arguments()
    pairs = model.short_enough(reading.read(source, targets))
    coding, learned = check_and_tell(model, pairs)
    if shown:
        show(Console(), learned, coding, model.plan_for(coding, learned).embedding_size)


def predict(
    run: Run,
    sources: Annotated[
        str, typer.Argument(help="A file with a source a line; - for what is typed or piped.")
    ] = "",
    text: Annotated[str, typer.Option(help="One source, in place of a file.")] = "",
    beam: Annotated[
        int | None, typer.Option(min=1, help="Beginnings kept; 1 is greedy.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="A file to write to.", show_default=False)
    ] = None,
    attention: Annotated[
        Path | None,
        typer.Option(help="With --text: a picture .svg or .png.", show_default=False),
    ] = None,
) -> None:
    """Write a target for every source, a line each."""
    if bool(sources) == bool(text):
        raise ValueError("give a file of sources, or one source as --text, and not both")
    if attention is not None and not text:
        raise ValueError("--attention draws one source: give it as --text")
    if output is not None:
        check_output(output, sources)
    model, notes = Translator.load(run), Notes()
    texts = [text] if text else _lines(sources, notes)
    if attention is None:
        written = model.write(texts, beam=beam)
    else:
        written = [model.attend(text, beam=beam)]
        written[0].draw(attention)
    tell_findings((*notes, *model.noticed(written)))
    lines = "".join(f"{' '.join(each.text.split(chr(10)))}\n" for each in written)
    if output is None:
        sys.stdout.write(lines)
    else:
        write_text(output, lines)


@takes(ReadingPairs)
def evaluate(run: Run, source: Source, reading: ReadingPairs, targets: Targets = "") -> None:
    """Score the model on pairs, beside copies, the most frequent target and a memory."""
    model = Translator.load(run)
    evaluate_and_tell(model, reading.read(source, targets, model.fitted_.reading))


def inspect(run: Path) -> Subject:
    """Show what a run folder holds, and give what there is to look into."""
    return inspect_run(run, Translator.load(run))


def demo(output: Path, quiet: bool) -> None:
    """Train on numbers and how they are read in English."""
    model = Translator(hidden_size=128, epochs=8)
    train_and_report(
        model, numerals(), SHARE, Running(output=output, quiet=quiet), TranslateParts()
    )


def _lines(path: str, notes: Notes) -> list[str]:
    if path == "-":
        return sys.stdin.read().removesuffix("\n").split("\n")
    return lines_of(read_text(existing(path, "sources"), notes))
