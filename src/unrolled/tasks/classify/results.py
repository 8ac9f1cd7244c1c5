"""What is to be said of many predictions: confusions, scores by class, the worst cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...data import Sample, Samples
from ...naming import counted
from ...report import Table
from ..supervised.scores import hundredths
from .metrics import Confusion

WORST, CONFUSIONS = 12, 12
# Characters of a text that are shown.
SHOWN = 120


@dataclass(frozen=True, eq=False)
class Details:
    """Labelled samples beside the probabilities of the classes.

    Attributes:
        data: N samples.
        probabilities: [N, C].
    """

    data: Samples
    probabilities: np.ndarray

    @property
    def classes(self) -> tuple[str, ...]:
        return self.data.classes

    @property
    def given(self) -> np.ndarray:
        """The likeliest class of each sample, [N]."""
        return self.probabilities.argmax(1)

    @property
    def confusion(self) -> Confusion:
        return Confusion.of(self.data.targets, self.given, len(self.classes))

    def worst(self, count: int = WORST) -> list[int]:
        """The samples whose true class is least probable, the least probable first."""
        true = self.probabilities[np.arange(len(self.data)), self.data.targets]
        return np.argsort(true, kind="stable")[:count].tolist()

    def worst_table(self) -> Table:
        """The same for people to read."""
        rows = []
        for place in self.worst():
            sample, row = self.data[place], self.probabilities[place]
            target, given = self.data.targets[place], int(row.argmax())
            shown = (self.classes[given], hundredths(float(row[given])))
            true = hundredths(float(row[target]))
            rows.append([sample.name, excerpt(sample), sample.label, *shown, true])
        caption = "The samples whose true class the model gives the least probability, p(true)."
        header = ["sample", "content", "true class", "given class", "p(given)", "p(true)"]
        return Table(header, rows, caption, names=4)

    def by_class(self) -> Table:
        """Precision, recall and F1 of every class."""
        found = self.confusion
        columns = (found.precision, found.recall, found.f1)
        rows = [
            [name, f"{int(found.support[k]):,}", *(hundredths(float(each[k])) for each in columns)]
            for k, name in enumerate(self.classes)
        ]
        return Table(["class", "samples", "precision", "recall", "F1"], rows)

    def confusions(self, count: int = CONFUSIONS) -> Table | None:
        """What is taken for what most often; None where nothing is wrong."""
        wrong = self.confusion.counts.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:count]
        pairs = [divmod(int(place), len(self.classes)) for place in order]
        support = self.confusion.support
        rows = [
            [self.classes[a], self.classes[b], f"{wrong[a, b]:,}", f"{support[a]:,}"]
            for a, b in pairs
            if wrong[a, b]
        ]
        caption = (
            f"{int(wrong.sum()):,} of {counted(len(self.data), 'sample')} are given a wrong class: "
            "the pairs with most of them."
        )
        header = ["true class", "given class", "samples", "of"]
        return Table(header, rows, caption, names=2) if rows else None


def excerpt(sample: Sample) -> str:
    """What a sample holds, in a line: the start of a text, the size of numbers."""
    if isinstance(sample.values, str):
        line = " ".join(sample.values[: 2 * SHOWN].split())
        return line if len(line) <= SHOWN else f"{line[:SHOWN]} ..."
    return counted(len(sample.values), "step")


def ranked(probabilities: np.ndarray, classes: Sequence[str], most: int) -> list[tuple[str, float]]:
    """Classes with their probabilities [C], the likeliest first, `most` at most."""
    order = np.argsort(-probabilities, kind="stable")[:most]
    return [(classes[int(place)], float(probabilities[place])) for place in order]
