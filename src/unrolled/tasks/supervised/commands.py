"""What the command line does for every task that learns from samples.

    COMMANDS = SampleCommands("tag", ReadingSentences, Tagger, TaggerParts, show, ...)
    register, inspect = COMMANDS.register, COMMANDS.inspect

`unrolled train`, `tune`, `check` and `inspect` of a task are made so; what it predicts and how
it is evaluated is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ...data.series import Finding
from ...files import csv_text, write_text
from ...naming import counted
from ...training.machine import started_processes
from ..console import Console, TrainingLog
from ..inspection import Subject
from ..options import as_options, takes
from ..running import (
    check_running,
    command,
    metrics_of,
    slug,
    train_in_run_folder,
    write_results,
)
from ..runs import check_output
from ..space import Range
from ..training import Optimising, Running
from ..trials import Searched, check_searching, search_and_tell
from ..tuning import Searching
from .console import SupervisedLog, describe_run, show_scores
from .inspection import subject
from .model import SupervisedEstimator
from .parts import Testing
from .report import Parts, Told, model_card, write_report
from .saving import purpose
from .scores import Evaluation

# What is searched if nobody says. A kernel is compiled for each size, so these are not among it.
USUAL = {
    "dropout": Range(0.0, 0.6),
    "learning_rate": Range(1e-3, 3e-2),
    "weight_decay": Range(1e-4, 0.3),
}


@dataclass(frozen=True)
class SampleCommands:
    """`train`, `tune`, `check` and `inspect` of a task.

    Attributes:
        task: its name.
        reading: the group of options that names data; its `read()` gives them.
        model: the estimator.
        parts: what the task adds to the report.
        show: prints a few samples on their way to the network, of (console, coding, samples,
            plan).
        learns: what it learns, for the help: "Learn the classes of texts."
        samples: what its samples are called there: "recordings".
        testing: the group of options that names what is held out to test.
    """

    task: str
    reading: type
    model: type[SupervisedEstimator]
    parts: type[Parts]
    show: Callable[[Console, Any, Any, Any], None]
    learns: str
    samples: str
    testing: type[Testing] = Testing

    def register(
        self, train_app: typer.Typer, check_app: typer.Typer, tune_app: typer.Typer
    ) -> None:
        """Add the task to `unrolled train`, `unrolled check` and `unrolled tune`."""
        data: dict[str, Any] = {"reading": self.reading, "model": self.model}
        fits = takes(**data, testing=self.testing, optimising=Optimising, running=Running)
        searches = takes(
            **data, testing=self.testing, searching=Searching, optimising=Optimising,
            running=Running,
        )  # fmt: skip
        train_app.command(self.task, help=self.learns)(fits(self.train))
        what = f"What {self.samples} hold, and how they become numbers."
        check_app.command(self.task, help=what)(takes(**data)(self.check))
        what = f"Search what learns {self.samples} best, then train it."
        tune_app.command(self.task, help=what)(searches(self.tune))

    def train(
        self, reading: Any, testing: Any, model: Any, optimising: Optimising, running: Running
    ) -> None:
        """Train, test beside the baselines, and leave a run folder with a report."""
        check_running(running)
        model.optimisation = optimising.optimisation(model.optimisation)
        train_and_report(model, reading.read(), testing.asked(), running, self.parts())

    def tune(
        self,
        reading: Any,
        testing: Any,
        searching: Searching,
        model: Any,
        optimising: Optimising,
        running: Running,
    ) -> None:
        """Search hyper-parameters on the validation part, then train with the best and test."""
        check_searching()
        check_running(running)
        model.optimisation = optimising.optimisation(model.optimisation)
        data, test = reading.read(), testing.asked()
        tune_and_report(model, data, test, searching, running, self.parts())

    def check(
        self,
        reading: Any,
        model: Any,
        shown: Annotated[
            bool, typer.Option("--show", help="Show samples, from what was read to tensors.")
        ] = False,
    ) -> None:
        """Read data and say what was found; nothing is trained or written."""
        model.check_arguments()
        coding, learned, plan = check_and_tell(model, reading.read())
        if shown:
            self.show(Console(), coding, learned, plan)

    def inspect(self, run: Path) -> Subject:
        """Show what a run folder holds, and give what there is to look into."""
        model = self.model.load(run)
        Console().lines(describe_run(run, model))
        return subject(run, model)


def train_and_report(
    model: SupervisedEstimator,
    data: Any,
    test: str | Any,
    running: Running,
    parts: Parts,
    takes_up: bool = False,
) -> None:
    """Fit on all but the test part, test on it, and write the run folder.

    Arguments:
        test: as the option `--test` says it; or the test data themselves.
        parts: what the task adds to the report.
        takes_up: whether a run that is there already is gone on with though nobody asked.
    """
    check_running(running)
    model.check_arguments()
    learned, tested = _parted(model, data, test)
    told = {"test": str(test) if isinstance(test, str) else "", "processes": started_processes()}
    train_in_run_folder(
        lambda log: model.fit(learned, listener=log),
        lambda log: _report(model, log, parts),
        partial(SupervisedLog, data, learned, tested),
        name=slug(data.name),
        purpose=purpose(model, data, **told),
        running=running,
        device=model.torch_device(),
        takes_up=takes_up,
    )


def tune_and_report(
    model: SupervisedEstimator,
    data: Any,
    test: str | Any,
    searching: Searching,
    running: Running,
    parts: Parts,
) -> None:
    """Search hyper-parameters on the validation part, then train with the best and test."""
    check_searching()
    check_running(running)
    model.check_arguments()
    learned, _ = _parted(model, data, test)
    searched, name = searched_of(type(model)), slug(data.name)
    best, taken_up = search_and_tell(model, learned, searched, searching, running, name)
    # A study that has been gone on with may have its best run already.
    train_and_report(best, data, test, running, parts, takes_up=taken_up)


def _parted(model: SupervisedEstimator, data: Any, test: str | Any) -> tuple[Any, Any]:
    """What is learned from, and what is tested on, or None."""
    return model.held_out_to_test(data, test) if isinstance(test, str) else (data, test)


def searched_of(kind: type[SupervisedEstimator]) -> Searched:
    """What is searched of an estimator of samples."""
    return Searched(
        kind.searched,
        USUAL,
        kind,
        lambda model, data: vars(model.planned(data)) | {"cell": model.cell_name},
        purpose,
        lambda model, data: model.planned(data).epochs,
    )


def _report(model: SupervisedEstimator, log: TrainingLog, parts: Parts) -> None:
    """Test, and write what people read of a run."""
    assert isinstance(log, SupervisedLog)
    found = None if log.test is None else model.evaluate(log.test)
    log.tested(model, found)
    told = Told(model, log, found, command())
    write_report(log.folder / "report.html", told, parts)
    tested = {} if found is None else {"test": found.scores}
    write_results(log, model_card(told, parts), metrics_of(model.history_, told.command, **tested))
    log.saved()


def evaluate_and_tell(model: SupervisedEstimator, data: Any) -> Evaluation:
    """Print the scores on labelled data, the baselines beside."""
    console, data = Console(), model.read_again(data)
    console.line("data", data.summary())
    found = model.evaluate(data)
    tell_findings((*data.findings, *found.findings))
    if model.seems_learned(data):
        told = "what was learned from is scored, too; the report has the scores of the test part"
        tell_findings([Finding("warning", f"{data.name} is the name of the training data: {told}")])
    console.line("scores", found.verdict(), style="" if found.beats else "red")
    show_scores(console, found)
    return found


def check_and_tell(model: SupervisedEstimator, data: Any) -> tuple[Any, Any, Any]:
    """Print what data hold and how they would be read; raise what training would.

    Returns:
        The coding of the training part, that part, and the plan.
    """
    console, data = Console(), model.usable(data)
    console.line("data", data.summary())
    learned, _ = model.divide(data)
    coding = model.learn_coding(learned)
    for finding in (*data.findings, *getattr(coding, "findings", ())):
        console.line(finding.kind, finding.text)
    console.lines(coding.summary())
    plan = model.plan_of(coding, learned)
    model.encode(coding, learned)
    console.line(
        "ready",
        f"to learn from {counted(len(learned), model.unit)} in {counted(plan.epochs, 'epoch')}",
        style="green",
    )
    return coding, learned, plan


def check_table(output: str, source: str) -> None:
    """Raise what stands against a table of predictions there, before anything is computed.

    Raises:
        ValueError: the name does not end in .csv, or it is that of the input.
    """
    if not output.lower().endswith(".csv"):
        raise ValueError(f"--output must end in .csv, got {output}")
    check_output(output, source)


def write_table(
    output: str, header: Sequence[str], rows: Sequence[Sequence[object]], unit: str
) -> None:
    """Write predictions as CSV, and say how many."""
    write_text(Path(output), csv_text(header, rows))
    typer.echo(f"{output}: {counted(len(rows), unit)}")


def tell_findings(findings: Iterable[Any]) -> None:
    """Findings on standard error, so that what is predicted can be piped."""
    for finding in findings:
        typer.echo(f"{finding.kind:<9} {as_options(finding.text)}", err=True)
