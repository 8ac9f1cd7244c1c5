"""Classification on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ...data import Samples
from ..options import Run
from ..supervised import (
    SampleCommands,
    check_table,
    evaluate_and_tell,
    tell_findings,
    train_and_report,
    write_table,
)
from ..training import Running
from .demo import control_charts
from .model import Classifier
from .options import ReadingSamples, Source
from .report import ClassifyParts
from .results import excerpt, ranked
from .show import show

COMMANDS = SampleCommands(
    "classify", ReadingSamples, Classifier, ClassifyParts, show,
    "Learn the classes of texts or of numeric sequences.", "samples",
)  # fmt: skip
register, inspect = COMMANDS.register, COMMANDS.inspect


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
        check_table(output, source)
    model = Classifier.load(run)
    data = model.read_unlabelled([text] if text else source)
    found, findings = model.classified(data)
    noticed = (*data.findings, *findings)
    tell_findings(finding for finding in noticed if finding.kind != "found")
    classes = model.fitted_.coding.classes
    if output:
        header = ["sample", "class", "probability", *(f"p({name})" for name in classes)]
        write_table(output, header, table(data, found, classes), "sample")
        return
    width = max(len(sample.name) for sample in data)
    for sample, row in zip(data, found, strict=True):
        told = "  ".join(f"{name} {share:.4f}" for name, share in ranked(row, classes, top))
        typer.echo(told if text else f"{sample.name:<{width}}  {told}  {excerpt(sample)}")


def table(data: Samples, found: np.ndarray, classes: tuple[str, ...]) -> list[list[str]]:
    """A row a sample: its name, its class, p of that, and p of every class; `found` is [N, K]."""
    rows = []
    for sample, row in zip(data, found, strict=True):
        given = int(row.argmax())
        shown = [f"{share:.6f}" for share in row]
        rows.append([sample.name, classes[given], shown[given], *shown])
    return rows


def evaluate(run: Run, source: Source) -> None:
    """Score the model on labelled samples, beside the baselines."""
    evaluate_and_tell(Classifier.load(run), source)


def demo(output: Path, quiet: bool) -> None:
    """Train on control charts, which are made here."""
    running = Running(output=output, quiet=quiet)
    model = Classifier(epochs=20)
    train_and_report(model, control_charts(each=150), "0.5", running, ClassifyParts())
