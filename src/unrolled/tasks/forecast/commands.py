"""Forecasting on the command line."""

import platform
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from ... import __version__
from ...data import DataError, SeriesSet, read_series
from ...files import write_text
from ...training import Machine
from ...training.board import check_tensorboard
from ...training.machine import started_processes, started_rank
from ..inspection import Subject
from ..options import takes
from ..runs import METRICS, check_writable, read_json
from ..training import Found, Optimising, Running, find_unfinished, make_place
from ..tuning import Searching
from .card import describe_gain, model_card
from .console import MOST_TEST_WINDOWS, Console, TrainingLog
from .forecaster import Forecaster
from .inspection import subject
from .options import Modelling, Reading, default_horizon, numbers, test_start
from .report import write_report
from .results import Backtest
from .saving import load_forecaster, purpose
from .tuning import chosen_space, search_and_tell, with_parameters

# What a newcomer's first run trains on.
DEMO_TABLE, DEMO_TARGET, DEMO_HORIZON = "nyc_weather", "temp", 24

Table = Annotated[str, typer.Argument(help="A CSV or Parquet file, or a bundled example.")]


def register(train_app: typer.Typer, check_app: typer.Typer, tune_app: typer.Typer) -> None:
    """Add the task to `unrolled train`, `unrolled check` and `unrolled tune`."""
    train_app.command("forecast", help="Forecast a column of a table.")(train)
    tune_app.command("forecast", help="Search what forecasts a column best, then train it.")(tune)
    check_app.command("forecast", help="What a table holds, and what is wrong with it.")(check)


@takes(Reading, Modelling, Optimising, Running)
def train(
    table: Table,
    reading: Reading,
    modelling: Modelling,
    optimising: Optimising,
    running: Running,
    test: Annotated[
        str, typer.Option(help="Held out: a time, steps, or a share.", show_default=False)
    ] = "",
    suggest_lr: Annotated[
        bool, typer.Option("--suggest-lr", help="Only look for a learning rate; write nothing.")
    ] = False,
) -> None:
    """Train a forecaster, test it, and leave a run folder with a report."""
    if running.threads:
        torch.set_num_threads(running.threads)
    data = reading.read(table)
    forecaster = modelling.forecaster(data, optimising.optimisation())
    if suggest_lr:
        part = _training_part(data, test_start(test, data, forecaster.horizon))
        found = forecaster.suggest_learning_rate(part)
        if started_rank() == 0:
            Console(running.quiet).suggested(found)
        return
    train_and_report(forecaster, data, test, running)


@takes(Searching, Reading, Modelling, Optimising, Running)
def tune(
    table: Table,
    searching: Searching,
    reading: Reading,
    modelling: Modelling,
    optimising: Optimising,
    running: Running,
    test: Annotated[
        str, typer.Option(help="Held out: a time, steps, or a share.", show_default=False)
    ] = "",
) -> None:
    """Search hyper-parameters on the validation part, then train with the best."""
    if (processes := started_processes()) > 1:
        raise ValueError(f"tune runs in one process, got {processes}; start it without torchrun")
    if running.threads:
        torch.set_num_threads(running.threads)
    if running.tensorboard:
        check_tensorboard()
    data = reading.read(table)
    forecaster = modelling.forecaster(data, optimising.optimisation())
    space = chosen_space(forecaster, searching.search)
    part = _training_part(data, test_start(test, data, forecaster.horizon))
    study = Path(searching.study or running.output / f"{_slug(data.name)}-study.jsonl")
    for folder in (running.output, study.parent):
        check_writable(folder)
    tuned = search_and_tell(forecaster, part, space, searching.trials, study, running.quiet)
    best = with_parameters(forecaster, tuned.best.parameters)
    # A study that has been gone on with may have its best run already.
    train_and_report(best, data, test, running, takes_up=tuned.taken_up > 0)


@takes(Reading)
def check(
    table: Table,
    reading: Reading,
    horizon: Annotated[
        int | None,
        typer.Option(help="To forecast. Default a season, up to 60.", show_default=False),
    ] = None,
) -> None:
    """Read a table and say what was found; nothing is trained or written."""
    data = reading.read(table)
    horizon = default_horizon(data) if horizon is None else horizon
    forecaster = Forecaster(horizon=horizon)
    forecaster.check_arguments()
    Console().checked(data, forecaster)


def demo(output: Path, quiet: bool) -> None:
    """Train on the weather of New York's airports."""
    data = read_series(DEMO_TABLE, target=DEMO_TARGET)
    forecaster = Modelling(horizon=DEMO_HORIZON).forecaster(data)
    train_and_report(forecaster, data, "", Running(output=output, quiet=quiet))


def train_and_report(
    forecaster: Forecaster,
    data: SeriesSet,
    test: str,
    running: Running,
    takes_up: bool = False,
) -> None:
    """Fit on all but the test part, test on it, and write the run folder.

    Arguments:
        takes_up: whether a run that is there already is gone on with though nobody asked.
    """
    check_writable(running.output)
    if running.tensorboard:
        check_tensorboard()
    forecaster.long_enough(data)
    start = test_start(test, data, forecaster.horizon)
    part, name = _training_part(data, start), _slug(data.name)
    told = {"test": str(start), "processes": started_processes()}
    purposed = purpose(forecaster, data, **told)
    is_main = started_rank() == 0
    console = Console(running.quiet or not is_main)
    found = _found(running, name, purposed, takes_up, console) if is_main else Found(None, "")
    # The others must not begin what the main process finds complete.
    machine = Machine(forecaster.torch_device())
    if machine.from_main(found.complete):
        if running.quiet and is_main:
            console.plain(str(found.folder))
        machine.leave()
        return
    place = lambda: make_place(found.folder, name, running, purposed, _command(), machine)  # noqa: E731
    with TrainingLog(console, data, start, place, running.tensorboard and is_main) as log:
        forecaster.fit(part, listener=log)
        machine.leave()
        if is_main:
            _report(forecaster, data, start, log)


def _found(
    running: Running, name: str, purposed: dict[str, Any], takes_up: bool, console: Console
) -> Found:
    """The run to go on with, said; none where a new one is wanted."""
    found = find_unfinished(running.output, name, purposed)
    if running.resume or (takes_up and found.folder):
        console.line("resume", found.text)
    elif found.folder and not found.complete:
        console.line("note", f"{found.text}: --resume goes on with it; this is a new run")
    return found if running.resume or takes_up else Found(None, "")


def _report(forecaster: Forecaster, data: SeriesSet, start: Any, log: TrainingLog) -> None:
    """Test, and write what people read of a run."""
    # Forecasts go on from the end of the table, not from that of the training part.
    forecaster.go_on_from(data)
    backtest = None if start is None else _test(forecaster, data, start)
    log.tested(forecaster, backtest)
    _write_results(log, forecaster, data, backtest)
    log.saved()


def _training_part(data: SeriesSet, start: Any) -> SeriesSet:
    return data if start is None else data.before(start)


def _command() -> str:
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _test(forecaster: Forecaster, data: SeriesSet, start: Any) -> Backtest:
    return forecaster.backtest(data, start, windows=MOST_TEST_WINDOWS)


def _write_results(
    log: TrainingLog, forecaster: Forecaster, data: SeriesSet, backtest: Backtest | None
) -> None:
    command = _command()
    write_text(log.folder / "README.md", model_card(forecaster, backtest, command))
    write_report(
        log.folder / "report.html",
        forecaster,
        data,
        backtest,
        command=command,
        split_text=log.split_text,
        advice=log.advice,
        facts={
            "what the network adds": describe_gain(forecaster.fitted_) or "medians and intervals"
        },
    )
    # The last of the files: a run is finished when it is there.
    log.place.finish(metrics(forecaster, backtest, command))


def metrics(forecaster: Forecaster, backtest: Backtest | None, command: str) -> dict[str, Any]:
    """What metrics.json holds: the log of training and the scores on the test part."""
    history = forecaster.history_
    tested = {} if backtest is None else {"test": backtest.scores, "horizon": backtest.by_horizon}
    return {
        "command": command,
        "seconds": history.seconds,
        "ended": history.ended,
        "epochs": [vars(epoch) for epoch in history.epochs],
        "updates": history.by_update(),
        **tested,
        "versions": {
            "unrolled": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def predict(run: Path, table: str | None, output: str, quantiles: str) -> None:
    """Forecast the steps after the end of a table, or of the training table."""
    if output != "-" and Path(output).suffix not in (".csv", ".parquet"):
        raise DataError(f"cannot write {output}: the name must end in .csv or .parquet")
    if output != "-":
        check_writable(Path(output).parent)
    forecaster = load_forecaster(run)
    levels = numbers(quantiles, "--quantiles") if quantiles else None
    data = None if table is None else read_series(table, schema=forecaster.fitted_.schema)
    forecast = forecaster.predict(data, levels)
    tell_findings(data)
    forecast.write(output)


def evaluate(run: Path, table: str, start: str | None, stride: int, output: str) -> None:
    """Score the model on windows of a table, beside the baselines."""
    forecaster = load_forecaster(run)
    data = read_series(table, schema=forecaster.fitted_.schema)
    since = None if start is None else test_start(start, data, forecaster.horizon)
    backtest = forecaster.backtest(data, since, stride=stride, windows=MOST_TEST_WINDOWS)
    if output:
        backtest.write(output)
    tell_findings(data)
    if seen := forecaster.fitted_.windows_in_training(data, backtest):
        text = f"{seen:,} windows begin inside the part that the model learned from"
        typer.echo(f"warning   {text}: these scores flatter it", err=True)
    Console().evaluated(backtest)


def tell_findings(data: SeriesSet | None) -> None:
    """Say on standard error what was repaired or left out, so that standard output stays clean."""
    for finding in data.findings if data else ():
        if finding.kind != "found":
            typer.echo(f"{finding.kind:<9} {finding.text}", err=True)


def inspect(run: Path) -> Subject:
    """Show what a run folder holds, and give what there is to look into."""
    forecaster = load_forecaster(run)
    scores = read_json(run / METRICS).get("test") if (run / METRICS).exists() else None
    Console().inspected(run, forecaster, scores)
    return subject(run, forecaster)


def _slug(name: str) -> str:
    """A name for a folder: letters, digits and dashes."""
    kept = "".join(c if c.isalnum() else "-" for c in name)
    return "-".join(part for part in kept.split("-") if part) or "run"
