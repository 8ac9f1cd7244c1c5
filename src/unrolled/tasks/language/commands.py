"""Language models on the command line."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from ...data import Text
from ...training.machine import started_processes
from ..console import Console, TrainingLog
from ..inspection import Subject
from ..learning import check_between
from ..options import Run, takes
from ..running import (
    check_running,
    command,
    metrics_of,
    slug,
    train_in_run_folder,
    write_results,
)
from ..training import Optimising, Running
from ..trials import check_searching, search_and_tell
from ..tuning import Searching
from .card import model_card
from .console import LanguageLog, describe_run, show, verdict
from .generation import Sampling
from .inspection import subject
from .model import LanguageModel
from .options import ReadingText
from .parts import spread
from .report import write_report
from .results import MODEL, Evaluation
from .saving import load_language_model, purpose
from .tuning import SEARCHED

# A name of a file has fewer letters in any system.
LONGEST_NAME = 250
Texts = Annotated[list[str], typer.Argument(help="Text files, or a folder of them.")]
TEST = Annotated[float, typer.Option(help="Share of the text, its end, to test on; 0 for none.")]


def register(train_app: typer.Typer, check_app: typer.Typer, tune_app: typer.Typer) -> None:
    """Add the task to `unrolled train`, `unrolled check` and `unrolled tune`."""
    train_app.command("language", help="Learn from a text what comes next.")(train)
    tune_app.command("language", help="Search what knows a text best, then train it.")(tune)
    check_app.command("language", help="What a text holds, and how it becomes numbers.")(check)


@takes(reading=ReadingText, model=LanguageModel, optimising=Optimising, running=Running)
def train(
    texts: Texts,
    reading: ReadingText,
    model: LanguageModel,
    optimising: Optimising,
    running: Running,
    test: TEST = 0.1,
) -> None:
    """Train a language model, test it beside n-grams, and leave a run folder with a report."""
    check_running(running)
    model.check_arguments()
    text = reading.read(texts)
    model.optimisation = optimising.optimisation(model.optimisation)
    train_and_report(model, text, test, running)


@takes(
    searching=Searching,
    reading=ReadingText,
    model=LanguageModel,
    optimising=Optimising,
    running=Running,
)
def tune(
    texts: Texts,
    searching: Searching,
    reading: ReadingText,
    model: LanguageModel,
    optimising: Optimising,
    running: Running,
    test: TEST = 0.1,
) -> None:
    """Search hyper-parameters on the validation part, then train with the best."""
    check_searching()
    check_running(running)
    model.check_arguments()
    check_between("test", test, 1.0)
    text = reading.read(texts)
    model.optimisation = optimising.optimisation(model.optimisation)
    learned, _ = text.split(1 - test) if test else (text, None)
    name = slug(text.name)
    best, taken_up = search_and_tell(model, learned, SEARCHED, searching, running, name)
    # A study that has been gone on with may have its best run already.
    train_and_report(best, text, test, running, takes_up=taken_up)


@takes(reading=ReadingText, model=LanguageModel)
def check(
    texts: Texts,
    reading: ReadingText,
    model: LanguageModel,
    shown: Annotated[
        bool, typer.Option("--show", help="Show text, tokens, ids, and the padded tensor.")
    ] = False,
) -> None:
    """Read a text and say what was found; nothing is trained or written."""
    model.check_arguments()
    console, text = Console(), reading.read(texts)
    vocabulary = model.learn_vocabulary(text)
    console.line("data", text.summary())
    for finding in (*text.findings, *vocabulary.findings):
        console.line(finding.kind, finding.text)
    console.line("tokens", vocabulary.summary())
    count = sum(len(vocabulary.encode(document)) for document in text.documents)
    plan = model.plan_for(count)
    if shown:
        show(console, text, vocabulary, plan.embedding_size)
    # Raises what training would.
    spread(text, model.validation)
    console.line("ready", f"to learn from {count:,} tokens, {plan.passes:.3g} times", style="green")


def predict(
    run: Run,
    prompt: Annotated[str, typer.Argument(help="Text to go on from.")] = "",
    length: Annotated[int, typer.Option(min=1, help="Tokens to write.")] = 500,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token.")] = 0.8,
    top_k: Annotated[
        int | None, typer.Option(help="Likeliest tokens that are kept.", show_default=False)
    ] = None,
    top_p: Annotated[float, typer.Option(help="Probability that the kept ones have.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Same seed, same text.")] = 0,
) -> None:
    """Write text that goes on from a prompt, as it comes."""
    sampling, model = Sampling(temperature, top_k, top_p), load_language_model(run)
    if prompt and len(prompt) < LONGEST_NAME and Path(prompt).is_file():
        told = f'{prompt} is a file, and its name is gone on from; for its text: "$(cat {prompt})"'
        typer.echo(f"warning   {told}", err=True)
    coverage = model.fitted_.vocabulary.coverage(prompt)
    if finding := coverage.finding():
        typer.echo(f"{finding.kind:<9} {finding.text}", err=True)
    sys.stdout.write(prompt)
    for piece in islice(model.stream(prompt, sampling, seed), length):
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")


def evaluate(
    run: Run,
    texts: Texts,
    learned: Annotated[
        str, typer.Option(help="The text that was learned from, for n-grams beside.")
    ] = "",
    encoding: Annotated[str, typer.Option(help="Of the files. Default found.")] = "",
) -> None:
    """Score the model on a text, beside n-gram models."""
    model, reading = load_language_model(run), ReadingText(encoding=encoding)
    text = reading.read(texts)
    found = model.evaluate(text, reading.read([learned]) if learned else None)
    console = Console()
    console.line("data", text.summary())
    for finding in text.findings:
        typer.echo(f"{finding.kind:<9} {finding.text}", err=True)
    if found.unknown:
        console.line("unknown", f"{found.unknown:.2%} of the tokens are not in the vocabulary")
    console.plain(" " * 28 + f"{'nats':>10}{'perplexity':>12}{'bits/char':>11}")
    for name, scores in found.scores.items():
        row = f"{scores.loss:>10.4f}{scores.perplexity:>12.3f}{scores.bits_per_character:>11.4f}"
        console.plain(f"{name:<28}{row}", style="bold" if name == MODEL else "")


def inspect(run: Path) -> Subject:
    """Show what a run folder holds, and give what there is to look into."""
    model = load_language_model(run)
    Console().lines([("run", str(run)), *describe_run(run, model)])
    return subject(run, model)


def demo(output: Path, quiet: bool) -> None:
    """Train on the manual of Python, which comes with it."""
    from pydoc_data.topics import topics

    text = Text.of([topics[name] for name in sorted(topics)], "python manual")
    text = replace(text, documents=("\n".join(text.documents),), findings=())
    model = LanguageModel(hidden_size=256, passes=5)
    train_and_report(model, text, 0.1, Running(output=output, quiet=quiet))


def train_and_report(
    model: LanguageModel, text: Text, test: float, running: Running, takes_up: bool = False
) -> None:
    """Fit on all but the test part, test on it, and write the run folder.

    Arguments:
        takes_up: whether a run that is there already is gone on with though nobody asked.
    """
    check_between("test", test, 1.0)
    check_running(running)
    learned, held_out = text.split(1 - test) if test else (text, None)
    told: dict[str, Any] = {"test": test, "processes": started_processes()}
    train_in_run_folder(
        lambda log: model.fit(learned, listener=log),
        lambda log: _report(model, log),
        partial(LanguageLog, text, learned, held_out),
        name=slug(text.name),
        purpose=purpose(model, text, **told),
        running=running,
        device=model.torch_device(),
        takes_up=takes_up,
    )


def _report(model: LanguageModel, log: TrainingLog) -> None:
    """Test, and write what people read of a run."""
    assert isinstance(log, LanguageLog)
    found: Evaluation | None = None
    if log.test is not None and log.baselines is not None:
        found = model.evaluate(log.test).beside(log.baselines)
    log.tested(model, found)
    typed = command()
    write_report(log.folder / "report.html", model, log, found, typed)
    tested = {} if found is None else {"test": {n: s.to_dict() for n, s in found.scores.items()}}
    told = "" if found is None else verdict(found)
    write_results(log, model_card(model, told, typed), metrics_of(model.history_, typed, **tested))
    log.saved()
