"""Forecasting on the command line."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ...data import DataError, SeriesSet, read_series
from ...data.reading.notes import listed
from ...training.machine import started_processes, started_rank
from ..console import TrainingLog
from ..inspection import Subject
from ..options import Run, takes
from ..running import (
    check_running,
    command,
    metrics_of,
    slug,
    train_in_run_folder,
    write_results,
)
from ..runs import METRICS, check_output, read_json
from ..training import Optimising, Running
from ..trials import check_searching, search_and_tell
from ..tuning import Searching
from .card import describe_gain, model_card
from .console import MOST_TEST_WINDOWS, ForecastConsole, ForecastLog
from .forecaster import Forecaster
from .inspection import subject
from .options import Reading, test_start, with_horizon
from .report import write_report
from .results import Backtest, levels_of
from .saving import load_forecaster, purpose
from .show import show
from .tuning import SEARCHED

# What a newcomer's first run trains on.
DEMO_TABLE, DEMO_TARGET, DEMO_HORIZON = "nyc_weather", "temp", 24

Table = Annotated[str, typer.Argument(help="A CSV or Parquet file, or a bundled example.")]


def register(train_app: typer.Typer, check_app: typer.Typer, tune_app: typer.Typer) -> None:
    """Add the task to `unrolled train`, `unrolled check` and `unrolled tune`."""
    train_app.command("forecast", help="Forecast a column of a table.")(train)
    tune_app.command("forecast", help="Search what forecasts a column best, then train it.")(tune)
    check_app.command("forecast", help="What a table holds, and what is wrong with it.")(check)


@takes(reading=Reading, model=Forecaster, optimising=Optimising, running=Running)
def train(
    table: Table,
    reading: Reading,
    model: Forecaster,
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
    check_running(running)
    data = reading.read(table)
    model.optimisation = optimising.optimisation()
    forecaster = with_horizon(model, data)
    if suggest_lr:
        part = _training_part(data, test_start(test, data, forecaster.horizon))
        found = forecaster.suggest_learning_rate(part)
        if started_rank() == 0:
            ForecastConsole(running.quiet).suggested(found)
        return
    train_and_report(forecaster, data, test, running)


@takes(
    searching=Searching,
    reading=Reading,
    model=Forecaster,
    optimising=Optimising,
    running=Running,
)
def tune(
    table: Table,
    searching: Searching,
    reading: Reading,
    model: Forecaster,
    optimising: Optimising,
    running: Running,
    test: Annotated[
        str, typer.Option(help="Held out: a time, steps, or a share.", show_default=False)
    ] = "",
) -> None:
    """Search hyper-parameters on the validation part, then train with the best."""
    check_searching()
    check_running(running)
    data = reading.read(table)
    model.optimisation = optimising.optimisation()
    forecaster = with_horizon(model, data)
    part = _training_part(data, test_start(test, data, forecaster.horizon))
    name = slug(data.name)
    best, taken_up = search_and_tell(forecaster, part, SEARCHED, searching, running, name)
    # A study that has been gone on with may have its best run already.
    train_and_report(best, data, test, running, takes_up=taken_up)


@takes(reading=Reading, model=Forecaster)
def check(
    table: Table,
    reading: Reading,
    model: Forecaster,
    shown: Annotated[
        bool, typer.Option("--show", help="Show series, from what was read to tensors.")
    ] = False,
) -> None:
    """Read a table and say what was found; nothing is trained or written."""
    data = reading.read(table)
    forecaster = with_horizon(model, data)
    console = ForecastConsole()
    console.checked(data, forecaster)
    if shown:
        show(console, forecaster, forecaster.long_enough(data))


def demo(output: Path, quiet: bool) -> None:
    """Train on the weather of New York's airports."""
    data = read_series(DEMO_TABLE, target=DEMO_TARGET)
    train_and_report(
        Forecaster(horizon=DEMO_HORIZON), data, "", Running(output=output, quiet=quiet)
    )


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
    check_running(running)
    forecaster.long_enough(data)
    start = test_start(test, data, forecaster.horizon)
    part = _training_part(data, start)
    told = {"test": str(start), "processes": started_processes()}
    train_in_run_folder(
        lambda log: forecaster.fit(part, listener=log),
        lambda log: _report(forecaster, data, start, log),
        partial(ForecastLog, data, start),
        name=slug(data.name),
        purpose=purpose(forecaster, data, **told),
        running=running,
        device=forecaster.torch_device(),
        takes_up=takes_up,
    )


def _report(forecaster: Forecaster, data: SeriesSet, start: Any, log: TrainingLog) -> None:
    """Test, and write what people read of a run."""
    assert isinstance(log, ForecastLog)
    # Forecasts go on from the end of the table, not from that of the training part.
    forecaster.go_on_from(data)
    backtest = None if start is None else _test(forecaster, data, start)
    log.tested(forecaster, backtest)
    _write_results(log, forecaster, data, backtest)
    log.saved()


def _training_part(data: SeriesSet, start: Any) -> SeriesSet:
    return data if start is None else data.before(start)


def _test(forecaster: Forecaster, data: SeriesSet, start: Any) -> Backtest:
    return forecaster.backtest(data, start, windows=MOST_TEST_WINDOWS)


def _write_results(
    log: ForecastLog, forecaster: Forecaster, data: SeriesSet, backtest: Backtest | None
) -> None:
    typed = command()
    write_report(
        log.folder / "report.html",
        forecaster,
        data,
        backtest,
        command=typed,
        split_text=log.split_text,
        advice=log.advice,
        facts={
            "what the network adds": describe_gain(forecaster.fitted_) or "medians and intervals"
        },
    )
    card = model_card(forecaster, backtest, typed)
    write_results(log, card, metrics(forecaster, backtest, typed))


def metrics(forecaster: Forecaster, backtest: Backtest | None, typed: str) -> dict[str, Any]:
    """What metrics.json holds: the log of training and the scores on the test part."""
    tested = {} if backtest is None else {"test": backtest.scores, "horizon": backtest.by_horizon}
    return metrics_of(forecaster.history_, typed, **tested)


def predict(
    run: Run,
    data: Annotated[str, typer.Argument(help="A table; default: go on after training.")] = "",
    output: Annotated[str, typer.Option(help="A .csv or .parquet file; - for the screen.")] = "-",
    quantiles: Annotated[str, typer.Option(help="Some of the trained levels: 0.1,0.9.")] = "",
) -> None:
    """Forecast the steps after the end of a table, or of the training table."""
    if output != "-" and Path(output).suffix not in (".csv", ".parquet"):
        raise DataError(f"cannot write {output}: the name must end in .csv or .parquet")
    if output != "-":
        check_output(output, data)
    forecaster = load_forecaster(run)
    levels = levels_of(quantiles, "--quantiles") if quantiles else None
    table = read_series(data, schema=forecaster.fitted_.schema) if data else None
    forecast = forecaster.predict(table, levels)
    tell_findings(table)
    needed, short = forecaster.fitted_.with_little_history(table) if table else (0, [])
    if short:
        names = listed(short)
        text = f"series with fewer than the {needed:,} steps that a forecast reads: {len(short)}"
        told = "before its start a series is taken to have stood still"
        typer.echo(f"warning   {text} ({names}); {told}", err=True)
    forecast.write(output)


def evaluate(
    run: Run,
    data: Annotated[str, typer.Argument(help="A table with the truth in it.")],
    start: Annotated[str, typer.Option(help="First time, steps from the end, or share.")] = "",
    stride: Annotated[int, typer.Option(min=1, help="Steps between two forecasts.")] = 1,
    output: Annotated[str, typer.Option(help="A .csv or .parquet file for the scores.")] = "",
) -> None:
    """Score the model on windows of a table, beside the baselines."""
    forecaster = load_forecaster(run)
    table = read_series(data, schema=forecaster.fitted_.schema)
    since = test_start(start, table, forecaster.horizon) if start else None
    backtest = forecaster.backtest(table, since, stride=stride, windows=MOST_TEST_WINDOWS)
    if output:
        backtest.write(output)
    tell_findings(table)
    if seen := forecaster.fitted_.windows_in_training(table, backtest):
        text = f"{seen:,} windows begin inside the part that the model learned from"
        typer.echo(f"warning   {text}: these scores flatter it", err=True)
    ForecastConsole().evaluated(backtest)


def tell_findings(data: SeriesSet | None) -> None:
    """Say on standard error what was repaired or left out, so that standard output stays clean."""
    for finding in data.findings if data else ():
        if finding.kind != "found":
            typer.echo(f"{finding.kind:<9} {finding.text}", err=True)


def inspect(run: Path) -> Subject:
    """Show what a run folder holds, and give what there is to look into."""
    forecaster = load_forecaster(run)
    scores = read_json(run / METRICS).get("test") if (run / METRICS).exists() else None
    ForecastConsole().inspected(run, forecaster, scores)
    return subject(run, forecaster)
