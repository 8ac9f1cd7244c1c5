"""Models of rolls on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ...data.rolls import Rolls
from ..console import Console
from ..inspection import Subject
from ..options import Run, takes
from ..running import check_running
from ..runs import check_output
from ..supervised import (
    TEST,
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
from .encoded import Encoded
from .model import OWN, TEMPERATURE, MusicModel
from .options import ReadingRolls
from .progressions import progressions
from .report import MusicParts
from .writing import check_suffix, usual_suffix

Source = Annotated[
    str, typer.Argument(help="A .mat, .npz, .npy, .csv or .mid file, or a folder of MIDI files.")
]
Test = Annotated[
    str,
    typer.Option(
        help=f"{OWN} (the data's own part, else {TEST}), a share, further data, or a pattern of "
        "names; 0 for none."
    ),
]
# Steps and keys that `check --show` shows.
SHOWN = 6


def register(train_app: typer.Typer, check_app: typer.Typer, tune_app: typer.Typer) -> None:
    """Add the task to `unrolled train`, `unrolled check` and `unrolled tune`."""
    train_app.command("music", help="Learn the next step of piano rolls, or other 0/1 columns.")(
        train
    )
    check_app.command("music", help="What rolls hold, and how they become numbers.")(check)
    tune_app.command("music", help="Search hyper-parameters of a model of rolls, and train.")(tune)


@takes(ReadingRolls, MusicModel, Optimising, Running)
def train(
    source: Source,
    reading: ReadingRolls,
    model: MusicModel,
    optimising: Optimising,
    running: Running,
    test: Test = OWN,
) -> None:
    """Train a model of rolls, test it beside keys on their own, and leave a run folder."""
    check_running(running)
    model.optimisation = optimising.optimisation(model.optimisation)
    train_and_report(model, reading.read(source), test, running, MusicParts())


@takes(Searching, ReadingRolls, MusicModel, Optimising, Running)
def tune(
    source: Source,
    searching: Searching,
    reading: ReadingRolls,
    model: MusicModel,
    optimising: Optimising,
    running: Running,
    test: Test = OWN,
) -> None:
    """Search hyper-parameters on the validation part, then train with the best."""
    model.optimisation = optimising.optimisation(model.optimisation)
    tune_and_report(model, reading.read(source), test, searching, running, MusicParts())


@takes(ReadingRolls, MusicModel)
def check(
    source: Source,
    reading: ReadingRolls,
    model: MusicModel,
    shown: Annotated[
        bool, typer.Option("--show", help="Show notes, the roll, and the padded tensors.")
    ] = False,
) -> None:
    """Read rolls and say what was found; nothing is trained or written."""
    model.check_arguments()
    coding, learned = check_and_tell(model, reading.read(source))
    if shown:
        _show(Console(), coding, learned)


def predict(
    run: Run,
    output: Annotated[
        str,
        typer.Option(
            help="File to write: .mid, .csv or .npy. Default generated.mid in the run folder.",
            show_default=False,
        ),
    ] = "",
    length: Annotated[int, typer.Option(min=1, help="Steps to write.")] = 200,
    prompt: Annotated[
        str, typer.Option(help="File to go on from; it is written first.", show_default=False)
    ] = "",
    temperature: Annotated[
        float, typer.Option(help="Below 1 likely keys become likelier; 0 takes the likeliest.")
    ] = TEMPERATURE,
    tempo: Annotated[
        float | None,
        typer.Option(help="Beats a minute. Default that of the prompt or of training."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same music.")] = 0,
) -> None:
    """Write music that goes on from a prompt, or from an opening of training."""
    model = MusicModel.load(run)
    coding = model.fitted_.coding
    path = Path(output) if output else run / f"generated{usual_suffix(coding)}"
    check_suffix(path, coding)
    check_output(path, prompt)
    frames, told = np.empty((0, len(coding.keys)), dtype=np.uint8), "an opening of training"
    read = model.read_again(prompt) if prompt else None
    if read is not None:
        tell_findings(read.findings)
        frames, told = read[0].frames, f"{read[0].name}, {len(read[0]):,} steps that come first"
        tempo = tempo or read[0].tempo
    new = model.generate(length, read, temperature=temperature, seed=seed)
    model.write(path, np.concatenate([frames, new]), tempo=tempo)
    on = f"{new.sum() / len(new):.2f} keys on at a step, in training {coding.density:.2f}"
    Console().lines([("prompt", told), ("written", f"{path}: {length:,} steps; {on}")])


def evaluate(run: Run, source: Source) -> None:
    """Score the model on rolls, beside keys on their own; of a source with parts, on the test."""
    evaluate_and_tell(MusicModel.load(run), source)


def inspect(run: Path) -> Subject:
    """Show what a run folder holds, and give what there is to look into."""
    return inspect_run(run, MusicModel.load(run))


def demo(output: Path, quiet: bool) -> None:
    """Learn four voices on chord progressions, which are made by rule."""
    running = Running(output=output, quiet=quiet)
    train_and_report(
        MusicModel(hidden_size=128, epochs=60), progressions(), OWN, running, MusicParts()
    )


def _show(console: Console, coding: Coding, learned: Rolls) -> None:
    """A piece on its way to the network: what is on, the roll, the padded tensors."""
    piece = max(learned.pieces[:SHOWN], key=len)
    console.line("piece", f"{piece.name}: uint8 [steps, keys] = {list(piece.frames.shape)}")
    for step, frame in enumerate(piece.frames[:SHOWN], start=1):
        on = [coding.keys[k] for k in np.flatnonzero(frame)]
        console.line("step", f"{step}: {' '.join(on) or 'silence'}")
    encoded = Encoded(learned)
    count = min(SHOWN, len(encoded.parts))
    batch = encoded.batch(range(count))
    rows, width, keys = batch["frames"].shape
    console.line("padded", f"[{rows}, {width}, {keys}], steps {batch['lengths'].tolist()} + 1")
    shape = f"[samples, steps, keys] = [{rows}, {width - 1}, {keys}]"
    console.line("input", f"{shape}: all steps but the last")
    console.line("target", f"{shape}: all but the first, where not padded")
