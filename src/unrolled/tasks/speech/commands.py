"""Speech on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import Run
from ..supervised import (
    TEST,
    SampleCommands,
    check_table,
    evaluate_and_tell,
    tell_findings,
    train_and_report,
    write_table,
)
from ..training import Running
from .demo import melodies
from .model import SpeechRecogniser
from .options import ReadingRecordings, Source
from .report import SpeechParts
from .show import show

Beam = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Width of the search for a transcript; 0 takes the best path. Default the run's.",
        show_default=False,
    ),
]

COMMANDS = SampleCommands(
    "speech", ReadingRecordings, SpeechRecogniser, SpeechParts, show,
    "Learn from recordings what is said.", "recordings",
)  # fmt: skip
register, inspect = COMMANDS.register, COMMANDS.inspect


def predict(
    run: Run,
    recordings: Annotated[str, typer.Argument(help="A recording, or a folder or zip of them.")],
    beam: Beam = None,
    output: Annotated[
        str, typer.Option(help="A .csv to write, instead of the terminal.", show_default=False)
    ] = "",
) -> None:
    """Print what each recording is heard to say, and how probable that is."""
    if output:
        check_table(output, recordings)
    model = _opened(run, beam)
    data = model.read_unlabelled(recordings)
    tell_findings(finding for finding in data.findings if finding.kind != "found")
    found = model.predict(data)
    if output:
        rows = [[each.name, each.text, f"{each.probability:.6f}"] for each in found]
        write_table(output, ["recording", "text", "probability"], rows, "recording")
        return
    width = max(len(each.name) for each in found)
    for each in found:
        typer.echo(f"{each.name:<{width}}  {each.probability:6.4f}  {each.text}".rstrip())


def evaluate(
    run: Run,
    recordings: Source,
    labels: Annotated[
        str, typer.Option(help="As of train. Default as the run's were found.", show_default=False)
    ] = "",
    beam: Beam = None,
) -> None:
    """Score the model on labelled recordings, beside the baselines."""
    model = _opened(run, beam)
    reading = {**model.fitted_.reading, **({"labels": labels} if labels else {})}
    evaluate_and_tell(model, model.read_like(recordings, reading))


def demo(output: Path, quiet: bool) -> None:
    """Train on synthetic melodies, which are made here."""
    model = SpeechRecogniser(hidden_size=48, num_layers=1, epochs=20)
    running = Running(output=output, quiet=quiet)
    train_and_report(model, melodies(), TEST, running, SpeechParts())


def _opened(run: Path, beam: int | None) -> SpeechRecogniser:
    model = SpeechRecogniser.load(run)
    if beam is not None:
        model.beam = beam
    return model
