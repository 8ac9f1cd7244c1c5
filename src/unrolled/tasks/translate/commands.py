"""Translators on the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ...data.collecting.files import existing, lines_of, read_text
from ...data.reading.notes import Notes
from ...files import write_text
from ..options import Run, takes
from ..runs import check_output
from ..supervised import SampleCommands, evaluate_and_tell, tell_findings, train_and_report
from ..training import Running
from .model import Translator
from .numerals import numerals
from .options import SHARE, ReadingPairs, TestingPairs
from .report import TranslateParts
from .show import show

COMMANDS = SampleCommands(
    "translate", ReadingPairs, Translator, TranslateParts, show,
    "Learn to write one sequence from another.", "pairs", TestingPairs,
)  # fmt: skip
register, inspect = COMMANDS.register, COMMANDS.inspect


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


@takes(reading=ReadingPairs)
def evaluate(run: Run, reading: ReadingPairs) -> None:
    """Score the model on pairs, beside copies, the most frequent target and a memory."""
    model = Translator.load(run)
    evaluate_and_tell(model, reading.read(model.fitted_.reading))


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
