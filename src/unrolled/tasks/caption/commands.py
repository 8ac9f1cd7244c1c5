"""Captions on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...data.images import CaptionedImages
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
from .digits import composed_digits
from .model import Captioner
from .options import ReadingImages
from .report import CaptionParts

Images = Annotated[
    str, typer.Argument(help="A folder of images with a table of captions, or that table.")
]
# Images of `check --show`, and words of each.
SHOWN, SHOWN_WORDS = 3, 12
DEMO_IMAGES, DEMO_EPOCHS = 2000, 16


def register(train_app: typer.Typer, check_app: typer.Typer, tune_app: typer.Typer) -> None:
    """Add the task to `unrolled train`, `unrolled check` and `unrolled tune`."""
    train_app.command("caption", help="Learn to say in words what images show.")(train)
    check_app.command("caption", help="What a folder of images and captions holds.")(check)
    tune_app.command("caption", help="Search hyper-parameters of a captioner, and train.")(tune)


@takes(ReadingImages, Captioner, Optimising, Running)
def train(
    images: Images,
    reading: ReadingImages,
    model: Captioner,
    optimising: Optimising,
    running: Running,
    test: Test = TEST,
) -> None:
    """Train a captioner, test it beside baselines, and leave a run folder with a report."""
    check_running(running)
    model.optimisation = optimising.optimisation(model.optimisation)
    train_and_report(model, reading.read(images), test, running, CaptionParts())


@takes(Searching, ReadingImages, Captioner, Optimising, Running)
def tune(
    images: Images,
    searching: Searching,
    reading: ReadingImages,
    model: Captioner,
    optimising: Optimising,
    running: Running,
    test: Test = TEST,
) -> None:
    """Search hyper-parameters on the validation part, then train with the best."""
    model.optimisation = optimising.optimisation(model.optimisation)
    tune_and_report(model, reading.read(images), test, searching, running, CaptionParts())


@takes(ReadingImages, Captioner)
def check(
    images: Images,
    reading: ReadingImages,
    model: Captioner,
    shown: Annotated[
        bool, typer.Option("--show", help="Show pixels, tokens, ids, and the padded tensors.")
    ] = False,
) -> None:
    """Read images and captions and say what was found; nothing is trained or written."""
    model.check_arguments()
    coding, learned = check_and_tell(model, reading.read(images))
    if shown:
        show(Console(), coding, learned.select(range(min(SHOWN, len(learned)))))


def predict(
    run: Run,
    images: Annotated[str, typer.Argument(help="An image, or a folder of images.")],
    beam: Annotated[
        int | None, typer.Option(min=1, help="Captions kept while searching; 1 is greedy.")
    ] = None,
    best: Annotated[int, typer.Option(min=1, help="Captions of each image.")] = 1,
) -> None:
    """Write captions of images, with how probable each is."""
    model = Captioner.load(run)
    model.beam = beam or model.beam
    data = model.read_alone(images)
    tell_findings(finding for finding in data.findings if finding.kind != "found")
    width = max(map(len, data.names))
    for name, captions in zip(data.names, model.predict_probable(data, best), strict=True):
        for caption in captions:
            line = f"{name:<{width}}  {caption.probability:.3f}  {caption.text}"
            typer.echo(line.rstrip())


def evaluate(run: Run, images: Images) -> None:
    """Score the model on images with captions, the baselines beside."""
    evaluate_and_tell(Captioner.load(run), images)


def inspect(run: Path) -> Subject:
    """Show what a run folder holds, and give what there is to look into."""
    return inspect_run(run, Captioner.load(run))


def demo(output: Path, quiet: bool) -> None:
    """Train on handwritten digits above and beside each other, from scikit-learn."""
    data = composed_digits(DEMO_IMAGES)
    model = Captioner(epochs=DEMO_EPOCHS)
    train_and_report(model, data, TEST, Running(output=output, quiet=quiet), CaptionParts())


def show(console: Console, coding: Coding, data: CaptionedImages) -> None:
    """Images and captions on their way to the network: pixels, words, ids, padded tensors."""
    vocabulary, encoded = coding.vocabulary, coding.encode(data)
    for image in data:
        shape = list(image.pixels.shape)
        console.line("image", f"{image.name}, bytes [height, width, channels] = {shape}")
        for caption in image.captions:
            more = " ..." if len(vocabulary.encode(caption)) > SHOWN_WORDS else ""
            tokens = vocabulary.tokenize(caption)[:SHOWN_WORDS]
            ids = vocabulary.encode(caption)[:SHOWN_WORDS]
            console.line("tokens", " ".join(map(repr, tokens)) + more)
            console.line("ids", " ".join(map(str, ids)) + more)
    batch = encoded.batch(range(len(data)))
    console.line("images", f"[images, channels, height, width] = {list(batch['images'].shape)}")
    if "words" in batch:
        shape = list(batch["words"].shape)
        console.line("padded", f"[captions, words] = {shape}, each with its end")
        for ids, length in zip(batch["words"].tolist(), batch["lengths"].tolist(), strict=True):
            mask = "x" * length + "." * (len(ids) - length)
            console.line("", f"{' '.join(f'{token:>3}' for token in ids)}   {mask}")
