"""What forecasting prints."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...data import Finding, SeriesSet
from ...naming import counted
from ...report.training import FORCED
from ..console import Column, Console, TrainingLog
from .advice import advice_for
from .card import describe_gain, verdict
from .forecaster import Forecaster
from .results import MODEL, Backtest

# So many windows tell the scores of a long table well enough.
MOST_TEST_WINDOWS = 20_000
# How each baseline is called where there is little room.
SHORT = {"linear autoregression": "linear", "feed-forward": "feed-forward (no memory)"}


class ForecastConsole(Console):
    """What forecasting says beside training."""

    def checked(self, data: SeriesSet, forecaster: Forecaster) -> None:
        """The findings about a table, and whether a forecaster could learn from it."""
        self.line("data", data.summary())
        for finding in data.findings:
            self.line(finding.kind, finding.text)
        kept = forecaster.long_enough(data)
        for finding in kept.findings[len(data.findings) :]:
            self.line(finding.kind, finding.text)
        schema = data.schema
        roles = {"past": schema.past, "future": schema.future, "static": tuple(schema.static or ())}
        for role, columns in roles.items():
            self.line(role, ", ".join(columns) or "none")
        amount = schema.frequency.amount(forecaster.horizon)
        self.line("ready", f"to forecast {schema.target} {amount} ahead", style="green")

    def evaluated(self, backtest: Backtest) -> None:
        """The scores of a backtest, a row a forecast."""
        self.line("windows", f"{len(backtest.windows):,} over {len(backtest.series):,} series")
        names = list(backtest.scores[MODEL])
        self.plain(" " * 22 + "".join(f"{name:>10}" for name in names))
        for model, scores in backtest.scores.items():
            cells = "".join(f"{_figure(scores.get(name)):>10}" for name in names)
            self.plain(f"{model:<22}{cells}", style="bold" if model == MODEL else "")

    def inspected(self, run: Path, forecaster: Forecaster, scores: dict[str, Any] | None) -> None:
        """What a run folder holds."""
        fitted = forecaster.fitted_
        plan, schema = fitted.architecture, fitted.schema
        self.line("run", str(run))
        names = list(fitted.trained_until)
        covariates = ", ".join([*schema.past, *schema.future]) or "none"
        what = f"{schema.target} of {len(names):,} series ({names[0]}{', ...' * (len(names) > 1)})"
        self.line("data", f"{what}, season {schema.season}, covariates {covariates}")
        self.line("model", describe_model(forecaster))
        layers = f"{len(plan.dilations)} layers with dilations {plan.dilations}"
        self.line("adds", describe_gain(fitted) or "the network moves medians and intervals")
        self.line("network", f"{plan.input_size} inputs, {layers}, {plan.decoder} decoder")
        state = sum(
            sum(cell.state_sizes.values())  # pyright: ignore
            for one in fitted.members
            for cell in one.stack.cells
        )
        self.line("state", f"{state} numbers a series")
        lags = f" and covariates at lags {plan.linear.lags}" if plan.linear.lags else ""
        self.line("linear", f"reads {plan.linear.context} values{lags}")
        if scores:
            error = {name: s["MASE"] for name, s in scores.items()}
            self.line("test", ", ".join(f"{n} MASE {_figure(e)}" for n, e in error.items()))


class ForecastLog(TrainingLog):
    """The log of a forecaster's training.

    Arguments:
        data: the whole table.
        start: where its test part begins, or None.
        further: as `TrainingLog` takes them.
    """

    def __init__(self, data: SeriesSet, start: Any, *further: Any):
        super().__init__(*further)
        self.data, self.start = data, start
        self.advice: list[str] = []

    def opening(self, learner: Forecaster) -> Iterator[tuple[str, str]]:
        yield "data", self.data.summary()
        for finding in _new_findings(learner.findings_, self.data.findings):
            yield finding.kind, finding.text
        self.split_text = learner.split_text(self.data, self.start)
        yield "split", self.split_text

    def before_training(self, learner: Forecaster) -> Iterator[tuple[str, str]]:
        if self.start is not None and self.is_main:
            start = learner.backtest(self.data, self.start, windows=MOST_TEST_WINDOWS)
            yield "baseline", _baselines(start)
        yield "model", describe_model(learner)

    def columns(self, learner: Forecaster) -> list[Column]:
        forced = [Column("forced", FORCED, 8)] if learner.fitted_.members[0].feeds_back else []
        return [*forced, Column("val MASE", "MASE")]

    def tested(self, forecaster: Forecaster, backtest: Backtest | None) -> None:
        """Say how training ended and what the test says."""
        self.ended(forecaster)
        say = self.console.line
        if remark := describe_gain(forecaster.fitted_):
            say("", remark)
        if backtest is None:
            return
        say("test", _verdict(backtest))
        self.advice = advice_for(forecaster, backtest)
        if self.advice:
            say("", verdict(forecaster, backtest), style="red")
        for text in self.advice:
            say("", text, style="red")


def describe_model(forecaster: Forecaster) -> str:
    """`lstm 3x64, 115k parameters, engine vendor (oneDNN through torch.nn), 2 threads`."""
    plan = forecaster.fitted_.architecture
    engine, why = forecaster.engine_
    size = f"{len(plan.dilations)}x{plan.hidden_size}"
    several = f"{plan.members} times " if plan.members > 1 else ""
    return (
        f"{several}{plan.cell} {size}, {_count(forecaster.parameters_)} parameters, "
        f"engine {engine} ({why}), {counted(torch.get_num_threads(), 'thread')}"
    )


def _new_findings(after: tuple[Finding, ...], before: tuple[Finding, ...]) -> list[Finding]:
    return [finding for finding in after if finding not in before]


def _baselines(backtest: Backtest) -> str:
    best = backtest.best_baseline
    parts = [f"{SHORT.get(n, n)} {_figure(backtest.error(n))}" for n in backtest.baselines]
    return f"test MASE: {', '.join(parts)}   <- to beat: {SHORT.get(best, best)}"


def _verdict(backtest: Backtest) -> str:
    scores = backtest.scores
    others = [f"{SHORT.get(n, n)} {_figure(scores[n]['MASE'])}" for n in _shown(backtest)]
    rmse = [f"{SHORT.get(n, n)} {_figure(scores[n]['RMSE'])}" for n in _shown(backtest)]
    width = round(100 * (backtest.levels[-1] - backtest.levels[0]))
    covered = round(100 * scores[MODEL]["coverage"])
    return (
        f"MASE {_figure(scores[MODEL]['MASE'])} ({', '.join(others)}); "
        f"RMSE {_figure(scores[MODEL]['RMSE'])} ({', '.join(rmse)}); "
        f"{width} % interval covers {covered} %"
    )


def _shown(backtest: Backtest) -> list[str]:
    """Seasonal naive, the linear one, and the best baseline if that is another."""
    return list(dict.fromkeys(["seasonal naive", "linear autoregression", backtest.best_baseline]))


def _count(number: int) -> str:
    return f"{number / 1000:.0f}k" if number >= 1000 else str(number)


def _figure(value: float | None) -> str:
    """A score with three significant digits or so; a dash where it is undefined."""
    if value is None or np.isnan(value):
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.2f}"
