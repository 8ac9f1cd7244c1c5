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
from ..options import takes
from ..runs import METRICS, check_writable, new_run_folder, read_json, write_json, write_text
from .card import describe_gain, model_card
from .console import MOST_TEST_WINDOWS, Console, TrainingLog
from .forecaster import Forecaster
from .options import Modelling, Reading, default_horizon, numbers, test_start
from .report import write_report
from .results import Backtest
from .saving import load_forecaster

# What a newcomer's first run trains on.
DEMO_TABLE, DEMO_TARGET, DEMO_HORIZON = "nyc_weather", "temp", 24

Table = Annotated[str, typer.Argument(help="A CSV or Parquet file, or a bundled example.")]


def register(train_app: typer.Typer, check_app: typer.Typer) -> None:
    """Add the task to `unrolled train` and `unrolled check`."""
    train_app.command("forecast", help="Forecast a column of a table.")(train)
    check_app.command("forecast", help="What a table holds, and what is wrong with it.")(check)


@takes(Reading, Modelling)
def train(
    table: Table,
    reading: Reading,
    modelling: Modelling,
    test: Annotated[
        str, typer.Option(help="Held out: a time, steps, or a share.", show_default=False)
    ] = "",
    threads: Annotated[
        int | None, typer.Option(min=1, help="To compute with. Default all.", show_default=False)
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for run folders.")] = Path("runs"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the run folder.")] = False,
) -> None:
    """Train a forecaster, test it, and leave a run folder with a report."""
    if threads:
        torch.set_num_threads(threads)
    data = reading.read(table)
    train_and_report(modelling.forecaster(data), data, test, output, Console(quiet))


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
    train_and_report(forecaster, data, "", output, Console(quiet))


def train_and_report(
    forecaster: Forecaster, data: SeriesSet, test: str, output: Path, console: Console
) -> Path:
    """Fit on all but the test part, test on it, and write the run folder; its path."""
    check_writable(output)
    forecaster.long_enough(data)
    start = test_start(test, data, forecaster.horizon)
    log = TrainingLog(console, data, start, lambda: new_run_folder(output, _slug(data.name)))
    with log:
        forecaster.fit(data if start is None else data.before(start), listener=log)
    # Forecasts go on from the end of the table, not from that of the training part.
    forecaster.go_on_from(data)
    backtest = None if start is None else _test(forecaster, data, start)
    log.tested(forecaster, backtest)
    _write_results(log, forecaster, data, backtest)
    log.saved()
    return log.folder


def _test(forecaster: Forecaster, data: SeriesSet, start: Any) -> Backtest:
    return forecaster.backtest(data, start, windows=MOST_TEST_WINDOWS)


def _write_results(
    log: TrainingLog, forecaster: Forecaster, data: SeriesSet, backtest: Backtest | None
) -> None:
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    write_json(log.folder / METRICS, metrics(forecaster, backtest, command))
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


def metrics(forecaster: Forecaster, backtest: Backtest | None, command: str) -> dict[str, Any]:
    """What metrics.json holds: the log of training and the scores on the test part."""
    history = forecaster.history_
    tested = {} if backtest is None else {"test": backtest.scores, "horizon": backtest.by_horizon}
    return {
        "command": command,
        "seconds": history.seconds,
        "ended": history.ended,
        "epochs": [vars(epoch) for epoch in history.epochs],
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


def inspect(run: Path) -> None:
    """What a run folder holds."""
    forecaster = load_forecaster(run)
    scores = read_json(run / METRICS).get("test") if (run / METRICS).exists() else None
    Console().inspected(run, forecaster, scores)


def _slug(name: str) -> str:
    """A name for a folder: letters, digits and dashes."""
    kept = "".join(c if c.isalnum() else "-" for c in name)
    return "-".join(part for part in kept.split("-") if part) or "run"
