"""Classification on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ...data import Samples
from ...files import write_text
from ...naming import counted
from ..console import Console
from ..inspection import Subject
from ..options import Run, takes
from ..running import check_running
from ..runs import check_output
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
from .demo import control_charts
from .model import Classifier
from .options import ReadingSamples
from .report import ClassifyParts
from .results import excerpt, ranked
from .show import show

Source = Annotated[
    str, typer.Argument(help="A table, a folder of files or of folders, a .ts file, or JSON.")
]


def register(train_app: typer.Typer, check_app: typer.Typer, tune_app: typer.Typer) -> None:
    """Add the task to `unrolled train`, `unrolled check` and `unrolled tune`."""
    train_app.command("classify", help="Learn the classes of texts or of numeric sequences.")(train)
    check_app.command("classify", help="What samples hold, and how they become numbers.")(check)
    tune_app.command("classify", help="Search hyper-parameters of a classifier, and train.")(tune)


@takes(ReadingSamples, Classifier, Optimising, Running)
def train(
    source: Source,
    reading: ReadingSamples,
    model: Classifier,
    optimising: Optimising,
    running: Running,
    test: Test = TEST,
) -> None:
    """Train a classifier, test it beside simpler ones, and leave a run folder with a report."""
    check_running(running)
    model.optimisation = optimising.optimisation(model.optimisation)
    train_and_report(model, reading.read(source), test, running, ClassifyParts())


@takes(Searching, ReadingSamples, Classifier, Optimising, Running)
def tune(
    source: Source,
    searching: Searching,
    reading: ReadingSamples,
    model: Classifier,
    optimising: Optimising,
    running: Running,
    test: Test = TEST,
) -> None:
    """Search hyper-parameters on the validation part, then train with the best."""
    model.optimisation = optimising.optimisation(model.optimisation)
    tune_and_report(model, reading.read(source), test, searching, running, ClassifyParts())


@takes(ReadingSamples, Classifier)
def check(
    source: Source,
    reading: ReadingSamples,
    model: Classifier,
    shown: Annotated[
        bool, typer.Option("--show", help="Show samples, tokens, ids, and the padded tensor.")
    ] = False,
) -> None:
    """Read samples and say what was found; nothing is trained or written."""
    model.check_arguments()
    coding, learned = check_and_tell(model, reading.read(source))
    if shown:
        show(Console(), coding, learned, model.plan_for(coding, learned))


def predict(
    run: Run,
    source: Annotated[
        str, typer.Argument(help="A text file (a line a text), a table, a folder.")
    ] = "",
    text: Annotated[str, typer.Option(help="One text, instead.")] = "",
    output: Annotated[
        str, typer.Option(help="A .csv to write, with the probability of every class.")
    ] = "",
    top: Annotated[int, typer.Option(min=1, help="Classes that are printed of each.")] = 3,
) -> None:
    """Print the classes of samples with their probabilities, the likeliest first."""
    if bool(source) == bool(text):
        raise ValueError("predict needs an INPUT or --text, and not both")
    if output:
        check_output(output, source)
    model = Classifier.load(run)
    data = model.read_unlabelled([text] if text else source)
    found, findings = model.classified(data)
    noticed = (*data.findings, *findings)
    tell_findings(finding for finding in noticed if finding.kind != "found")
    classes = model.fitted_.coding.classes
    if output:
        write_text(Path(output), table(data, found, classes))
        typer.echo(f"{output}: {counted(len(data), 'sample')}")
        return
    width = max(len(sample.name) for sample in data)
    for sample, row in zip(data, found, strict=True):
        told = "  ".join(f"{name} {share:.4f}" for name, share in ranked(row, classes, top))
        typer.echo(told if text else f"{sample.name:<{width}}  {told}  {excerpt(sample)}")


def table(data: Samples, probabilities: np.ndarray, classes: tuple[str, ...]) -> str:
    """Predictions as CSV: sample, class, its probability, and p(class) of every class."""
    import csv
    import io

    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(["sample", "class", "probability", *(f"p({name})" for name in classes)])
    for sample, row in zip(data, probabilities, strict=True):
        given = int(row.argmax())
        shown = [f"{share:.6f}" for share in row]
        writer.writerow([sample.name, classes[given], shown[given], *shown])
    return written.getvalue()


def evaluate(run: Run, source: Source) -> None:
    """Score the model on labelled samples, beside the baselines."""
    evaluate_and_tell(Classifier.load(run), source)


def inspect(run: Path) -> Subject:
    """Show what a run folder holds, and give what there is to look into."""
    return inspect_run(run, Classifier.load(run))


def demo(output: Path, quiet: bool) -> None:
    """Train on control charts, which are made here."""
    running = Running(output=output, quiet=quiet)
    model = Classifier(epochs=20)
    train_and_report(model, control_charts(each=150), "0.5", running, ClassifyParts())
