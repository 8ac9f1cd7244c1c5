"""How good a model is on some data, beside its baselines."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...report import Table
from ...report.numbers import UNDEFINED, number

MODEL = "this model"

# By model, then by the metric's key.
Scores = Mapping[str, Mapping[str, float]]


def hundredths(share: float) -> str:
    """A share as "98.46 %"."""
    return UNDEFINED if math.isnan(share) else f"{100 * share:.2f} %"


@dataclass(frozen=True)
class Metric:
    """A figure of merit.

    Attributes:
        key: its name in scores, files and tables: "accuracy".
        higher: whether more is better.
        show: a value as people read it: `hundredths`, or `report.numbers.number`.
        meaning: what it is, in a sentence, for the report; "" where the name says it.
    """

    key: str
    higher: bool = True
    show: Callable[[float], str] = number
    meaning: str = ""

    def best(self, values: Mapping[str, float]) -> str:
        """The name with the best value; those that are undefined are the worst."""
        sign = 1 if self.higher else -1
        known = {n: -math.inf if math.isnan(v) else sign * v for n, v in values.items()}
        return max(known, key=known.__getitem__)

    def beats(self, one: float, other: float) -> bool:
        """Whether one value is better than another."""
        return one > other if self.higher else one < other


@dataclass(frozen=True)
class Evaluation:
    """Scores on some data.

    Attributes:
        name: of the data.
        count: how much there was: "3,498 samples".
        metrics: the first one decides.
        scores: by model, `MODEL` first, the baselines after it; by the metric's key.
        worst: the cases that the model is worst on; None where there is nothing to show.
        details: what else the task's report draws from.
        findings: what was noticed about these data and the model: "unknown characters: 3".
    """

    name: str
    count: str
    metrics: Sequence[Metric]
    scores: Scores
    worst: Table | None = None
    details: Any = None
    findings: Sequence[Any] = ()

    @property
    def decisive(self) -> Metric:
        """The metric that decides."""
        return self.metrics[0]

    @property
    def own(self) -> Mapping[str, float]:
        """The scores of the model."""
        return self.scores[MODEL]

    @property
    def best_baseline(self) -> str | None:
        """The baseline with the best decisive score; None where there is none."""
        return best_baseline(self.scores, self.decisive)

    @property
    def beats(self) -> bool:
        """Whether the model is better than every baseline."""
        best, key = self.best_baseline, self.decisive.key
        return best is None or self.decisive.beats(self.own[key], self.scores[best][key])

    def verdict(self) -> str:
        """One sentence: the model beside the best baseline."""
        told = f"{told_scores(self.metrics, self.own)}, {self.count}"
        best, metric = self.best_baseline, self.decisive
        if best is None:
            return told
        own, value = (metric.show(self.scores[name][metric.key]) for name in (MODEL, best))
        word = "better than" if self.beats else "no better than"
        # A gain that the digits do not show is none.
        word = "as good as" if own == value else word
        return f"{told}; {word} the best baseline ({best}, {value})"

    def __repr__(self) -> str:
        return f"Evaluation({self.verdict()})"


def best_baseline(scores: Scores, metric: Metric) -> str | None:
    """The baseline with the best score, the model left out."""
    others = {n: s[metric.key] for n, s in scores.items() if n != MODEL and metric.key in s}
    return metric.best(others) if others else None


def told_scores(metrics: Sequence[Metric], scores: Mapping[str, float]) -> str:
    """`accuracy 98.46 %, macro F1 98.40 %`."""
    shown = [metric for metric in metrics if metric.key in scores]
    return ", ".join(f"{metric.key} {metric.show(scores[metric.key])}" for metric in shown)


def scores_table(metrics: Sequence[Metric], scores: Scores) -> Table:
    """Models by metrics; the best of each column stands out."""
    names = list(scores)
    rows = [[name, *(_shown(metric, scores[name]) for metric in metrics)] for name in names]
    strong = set()
    for column, metric in enumerate(metrics, start=1):
        values = {n: s[metric.key] for n, s in scores.items() if metric.key in s}
        if values:
            strong.add((names.index(metric.best(values)), column))
    meanings = [f"{metric.key}: {metric.meaning}" for metric in metrics if metric.meaning]
    caption = ". ".join(meanings)
    return Table(["", *(metric.key for metric in metrics)], rows, caption, strong=frozenset(strong))


def scores_lines(metrics: Sequence[Metric], scores: Scores) -> list[str]:
    """The same for a terminal, a line a model below a header."""
    table = scores_table(metrics, scores)
    rows = [table.header, *table.rows]
    widths = [max(len(row[k]) for row in rows) for k in range(len(table.header))]
    first, *others = widths
    return [
        f"{row[0]:<{first}}" + "".join(f"  {v:>{w}}" for v, w in zip(row[1:], others, strict=True))
        for row in rows
    ]


def _shown(metric: Metric, scores: Mapping[str, float]) -> str:
    return metric.show(scores[metric.key]) if metric.key in scores else ""
