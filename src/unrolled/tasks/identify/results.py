"""What a model of a system says of some data, and where it is worst.

Shapes: T samples of a record, I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...data.systems import Record, SystemData
from ...report import Table
from ...report.numbers import column
from .coding import Scale
from .measures import Predicted, rmse

WORST = 5


@dataclass(frozen=True, eq=False)
class Stretches:
    """A part of a record: its place there, and the error in it.

    Attributes:
        record: its place among the records.
        first, stop: samples of the record.
        error: RMSE, standardised, over all outputs.
    """

    record: int
    first: int
    stop: int
    error: float


@dataclass(frozen=True, eq=False)
class Details:
    """What a report draws from.

    Attributes:
        data: measured.
        found: predicted.
        washout: samples at the start of every record that do not count.
        scale: of the outputs.
        worst: the stretches with the largest errors, the worst first, none overlapping.
    """

    data: SystemData
    found: Predicted
    washout: int
    scale: Scale
    worst: list[Stretches]

    @classmethod
    def of(
        cls, data: SystemData, found: Predicted, washout: int, scale: Scale, steps: int
    ) -> Details:
        """Look for stretches of so many samples."""
        assert found.simulated is not None, "a model of this task simulates"
        parts = [
            Stretches(k, first, stop, rmse(*(scale.apply(v[first:stop]) for v in (y, said))))
            for k, (y, said) in enumerate(_pairs(data, found))
            for first, stop in _cuts(len(y), washout, steps)
        ]
        ordered = sorted(
            parts, key=lambda part: -part.error if np.isfinite(part.error) else -np.inf
        )
        return cls(data, found, washout, scale, ordered[:WORST])

    def residuals(self) -> Iterator[tuple[Record, np.ndarray]]:
        """Every record, and what it is off by, [T, O]."""
        for record, (y, said) in zip(self.data, _pairs(self.data, self.found), strict=True):
            yield record, y - said

    def table(self) -> Table | None:
        """The worst stretches; None where there is none."""
        if not self.worst or self.found.simulated is None:
            return None
        rows, errors = [], []
        for part in self.worst:
            record, said = self.data.records[part.record], self.found.simulated[part.record]
            inside = slice(part.first, part.stop)
            y, u = record.outputs[inside], record.inputs[inside]
            errors.append(rmse(y, said[inside]))
            where = f"{record.row + part.first:,} to {record.row + part.stop - 1:,}"
            of = [record.experiment] if record.experiment else []
            rows.append([" ".join([*of, where]), _most(u), _most(y)])
        rows = [[row[0], e, *row[1:]] for row, e in zip(rows, column(errors), strict=True)]
        header = ["rows", "RMSE", "largest input", "largest output"]
        return Table(header, rows, "Stretches that were simulated worst.")


def _most(values: np.ndarray) -> str:
    return column([float(np.abs(values).max())])[0]


def _pairs(data: SystemData, found: Predicted) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    assert found.simulated is not None, "a model of this task simulates"
    for record, said in zip(data, found.simulated, strict=True):
        yield record.outputs, said


def _cuts(length: int, washout: int, steps: int) -> Iterator[tuple[int, int]]:
    """Stretches of `steps` samples after the washout; the last may be shorter."""
    for first in range(washout, length, steps):
        yield first, min(first + steps, length)
