"""Speech on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...data import Recordings
from ..console import Console
from ..inspection import Subject
from ..options import Run, takes
from ..running import check_running
from ..supervised import (
    TEST,
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
from .coding import Coding
from .demo import melodies
from .encoded import encode
from .model import SpeechRecogniser
from .options import ReadingRecordings
from .report import SpeechParts

Source = Annotated[str, typer.Argument(help="A folder or a zip of recordings.")]
Beam = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Width of the search for a transcript; 0 takes the best path. Default the run's.",
        show_default=False,
    ),
]
SHOWN = 3


def register(train_app: typer.Typer, check_app: typer.Typer, tune_app: typer.Typer) -> None:
    """Add the task to `unrolled train` and `unrolled check`."""
    train_app.command("speech", help="Learn from recordings what is said.")(train)
    check_app.command("speech", help="What recordings hold, and how they become numbers.")(check)
    tune_app.command("speech", help="Search hyper-parameters of speech, and train the best.")(tune)


@takes(ReadingRecordings, SpeechRecogniser, Optimising, Running)
def train(
    recordings: Source,
    reading: ReadingRecordings,
    model: SpeechRecogniser,
    optimising: Optimising,
    running: Running,
    test: Test = TEST,
) -> None:
    """Train a speech recogniser, test it, and leave a run folder with a report."""
    check_running(running)
    model.optimisation = optimising.optimisation(model.optimisation)
    train_and_report(model, reading.read(recordings), test, running, SpeechParts())


@takes(Searching, ReadingRecordings, SpeechRecogniser, Optimising, Running)
def tune(
    recordings: Source,
    searching: Searching,
    reading: ReadingRecordings,
    model: SpeechRecogniser,
    optimising: Optimising,
    running: Running,
    test: Test = TEST,
) -> None:
    """Search hyper-parameters on the validation part, then train with the best."""
    model.optimisation = optimising.optimisation(model.optimisation)
    tune_and_report(model, reading.read(recordings), test, searching, running, SpeechParts())


@takes(ReadingRecordings, SpeechRecogniser)
def check(
    recordings: Source,
    reading: ReadingRecordings,
    model: SpeechRecogniser,
    shown: Annotated[
        bool, typer.Option("--show", help="Show samples, frames, features, steps and targets.")
    ] = False,
) -> None:
    """Read recordings and say what was found; nothing is trained or written."""
    model.check_arguments()
    data = reading.read(recordings)
    coding, learned = check_and_tell(model, data)
    if shown:
        show(Console(), coding, learned)


def show(console: Console, coding: Coding, data: Recordings) -> None:
    """Some recordings on their way to the network: samples, features, the padded tensor."""
    made, some = coding.features, data.select(range(min(SHOWN, len(data))))
    encoded = encode(coding, some)
    for recording, features, target in zip(some, encoded.features, encoded.targets, strict=True):
        console.line("recording", f"{recording.name}, {recording.label!r}")
        console.line("samples", f"[{len(recording.samples):,}], {recording.seconds:.2f} s")
        console.line(
            "features",
            f"[{', '.join(map(str, features.shape))}]: a frame of {1000 * made.frame:.0f} ms "
            f"every {1000 * made.hop:.0f} ms, {made.bands} bands",
        )
        console.line("targets", " ".join(map(str, target)))
    batch = encoded.batch(range(len(encoded)))
    padded = list(batch["features"].shape)
    console.line("padded", f"{padded}, valid frames {batch['lengths'].tolist()}")
    steps = [padded[0], -(-padded[1] // coding.stack), coding.stack * padded[2]]
    console.line("steps", f"[recordings, steps, features] = {steps}")


def predict(
    run: Run,
    recordings: Annotated[str, typer.Argument(help="A recording, or a folder or zip of them.")],
    beam: Beam = None,
) -> None:
    """Print what each recording is heard to say, and how probable that is."""
    model = _opened(run, beam)
    data = model.read_unlabelled(recordings)
    tell_findings(finding for finding in data.findings if finding.kind != "found")
    found = model.predict(data)
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


def inspect(run: Path) -> Subject:
    """Show what a run folder holds, and give what there is to look into."""
    return inspect_run(run, SpeechRecogniser.load(run))


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
