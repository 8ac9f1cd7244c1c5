"""Captions on the command line."""

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
from .digits import composed_digits
from .model import Captioner
from .options import Images, ReadingImages
from .report import CaptionParts
from .show import show

DEMO_IMAGES, DEMO_EPOCHS = 2000, 16


COMMANDS = SampleCommands(
    "caption", ReadingImages, Captioner, CaptionParts, show,
    "Learn to say in words what images show.", "images and captions",
)  # fmt: skip
register, inspect = COMMANDS.register, COMMANDS.inspect


def predict(
    run: Run,
    images: Annotated[str, typer.Argument(help="An image, or a folder of images.")],
    beam: Annotated[
        int | None, typer.Option(min=1, help="Captions kept while searching; 1 is greedy.")
    ] = None,
    best: Annotated[int, typer.Option(min=1, help="Captions of each image.")] = 1,
    output: Annotated[
        str, typer.Option(help="A .csv to write, instead of the terminal.", show_default=False)
    ] = "",
) -> None:
    """Write captions of images, with how probable each is."""
    if output:
        check_table(output, images)
    model = Captioner.load(run)
    model.beam = beam or model.beam
    data = model.read_alone(images)
    tell_findings(finding for finding in data.findings if finding.kind != "found")
    found = list(zip(data.names, model.predict_probable(data, best), strict=True))
    if output:
        rows = [[name, c.text, f"{c.probability:.6f}"] for name, each in found for c in each]
        write_table(output, ["image", "caption", "probability"], rows, "caption")
        return
    width = max(map(len, data.names))
    for name, captions in found:
        for caption in captions:
            line = f"{name:<{width}}  {caption.probability:.3f}  {caption.text}"
            typer.echo(line.rstrip())


def evaluate(run: Run, images: Images) -> None:
    """Score the model on images with captions, the baselines beside."""
    evaluate_and_tell(Captioner.load(run), images)


def demo(output: Path, quiet: bool) -> None:
    """Train on handwritten digits above and beside each other, from scikit-learn."""
    data = composed_digits(DEMO_IMAGES)
    model = Captioner(epochs=DEMO_EPOCHS)
    train_and_report(model, data, TEST, Running(output=output, quiet=quiet), CaptionParts())
