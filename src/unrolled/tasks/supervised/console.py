"""What an estimator of samples says of itself on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...naming import counted
from ...nn.ensemble import members_of
from ..console import Column, Console, TrainingLog
from ..runs import METRICS, read_json
from .model import SupervisedEstimator
from .scores import MODEL, Evaluation, Scores, best_baseline, scores_lines, told_scores


class SupervisedLog(TrainingLog):
    """The log of a training on samples.

    Arguments:
        data: all of them.
        learned: those that are given to `fit`.
        test: those held out to test, or None.
        further: as `TrainingLog` takes them.
    """

    def __init__(self, data: Any, learned: Any, test: Any, *further: Any):
        super().__init__(*further)
        self.data, self.learned, self.test = data, learned, test

    def opening(self, learner: SupervisedEstimator) -> Iterator[tuple[str, str]]:
        yield "data", self.data.summary()
        for finding in learner.findings_:
            yield finding.kind, finding.text
        yield "split", learner.describe_split(self.learned, self.test)

    def before_training(self, learner: SupervisedEstimator) -> Iterator[tuple[str, str]]:
        yield from learner.fitted_.coding.summary()
        if self.test is not None and self.is_main:
            yield "baseline", baseline_line(learner, learner.baseline_scores(self.test))
        yield "model", describe(learner)

    def columns(self, learner: SupervisedEstimator) -> Sequence[Column]:
        return learner.columns

    def batch_size(self, learner: SupervisedEstimator) -> int:
        return learner.fitted_.plan.batch_size

    def tested(self, learner: SupervisedEstimator, found: Evaluation | None) -> None:
        """Say how training ended, and what the test says."""
        self.ended(learner)
        if found is None:
            return
        self.console.line("test", found.verdict(), style="" if found.beats else "red")
        show_scores(self.console, found)


def show_scores(console: Console, found: Evaluation) -> None:
    """All scores as a table, the model's in bold."""
    header, *rows = scores_lines(found.metrics, found.scores)
    console.line("", header)
    for name, row in zip(found.scores, rows, strict=True):
        console.line("", row, style="bold" if name == MODEL else "")


def baseline_line(learner: SupervisedEstimator, scores: Scores) -> str:
    """The baselines on the test part, and which is to beat."""
    metrics = learner.metrics
    told = "; ".join(f"{name}: {told_scores(metrics, each)}" for name, each in scores.items())
    best = best_baseline(scores, metrics[0])
    return f"{told}   <- to beat: {best}" if len(scores) > 1 else told


def describe(learner: SupervisedEstimator) -> str:
    """`lstm 2x128, 574,218 parameters, 15 epochs, 1,275 updates`."""
    told = f"{describe_network(learner)}, {counted(learner.fitted_.plan.epochs, 'epoch')}"
    known = hasattr(learner, "settings_")
    return f"{told}, {counted(learner.updates_, 'update')}" if known else told


def describe_network(learner: SupervisedEstimator) -> str:
    """`lstm 2x128, 574,218 parameters`."""
    plan = learner.fitted_.plan
    size = sum(p.numel() for p in learner.fitted_.network.parameters())
    members = len(members_of(learner.fitted_.network))
    several = f"{members} times " if members > 1 else ""
    shape = f"{plan.num_layers}x{plan.hidden_size}"
    return f"{several}{learner.cell_name} {shape}, {size:,} parameters"


def describe_run(run: Path, learner: SupervisedEstimator) -> Iterator[tuple[str, str]]:
    """What a run folder holds."""
    yield "run", str(run)
    yield "data", learner.fitted_.data
    yield from learner.fitted_.coding.summary()
    yield "model", describe(learner)
    tested = read_json(run / METRICS).get("test", {}) if (run / METRICS).exists() else {}
    if MODEL in tested:
        known = {name: value for name, value in tested[MODEL].items() if value is not None}
        yield "test", told_scores(learner.metrics, known)
