"""Models of rolls on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..console import Console
from ..options import Run
from ..runs import check_output
from ..supervised import SampleCommands, evaluate_and_tell, tell_findings, train_and_report
from ..training import Running
from .model import OWN, TEMPERATURE, MusicModel
from .options import ReadingRolls, Source, TestingRolls
from .progressions import progressions
from .report import MusicParts
from .show import show
from .writing import check_suffix, usual_suffix

COMMANDS = SampleCommands(
    "music", ReadingRolls, MusicModel, MusicParts, show,
    "Learn the next step of piano rolls, or other 0/1 columns.", "rolls", TestingRolls,
)  # fmt: skip
register, inspect = COMMANDS.register, COMMANDS.inspect


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


def demo(output: Path, quiet: bool) -> None:
    """Learn four voices on chord progressions, which are made by rule."""
    running = Running(output=output, quiet=quiet)
    train_and_report(
        MusicModel(hidden_size=128, epochs=60), progressions(), OWN, running, MusicParts()
    )
