"""What the report of a system's model shows besides: simulation over time, errors, residuals.

Shapes: T samples of a record, O outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ...data.systems import Record
from ...report import Key, Picture, Pictures, Table, Text
from ...report.charts import Line, lines_chart
from ...report.figures import inline_svg
from ...report.numbers import column
from ...report.page import Block
from ..supervised import Evaluation, Parts
from .measures import counted_samples, fit_of, r2_of, rmse
from .results import Details, Stretches

MEASURED, SIMULATED = Key("measured", "ink"), Key("simulated", "blue", "dashed")
RESIDUAL = Key("residual", "orange")
WITHIN = Key("within the range of training", "blue")
BEYOND = Key("beyond it", "orange", "dashed")
# Points of a line; more are drawn as the least and the largest of each of so many parts.
POINTS = 1200
# Stretches that are drawn, and samples of each at most.
ZOOMED, WIDEST = 2, 300
# Samples of a part and bins by which errors are told by size; samples of a spectrum's segment.
PART, BINS, SEGMENT = 100, 12, 1024


class IdentifyParts(Parts):
    """Sections of system identification."""

    title = "{data}: a model of a system"
    limits = (
        "It was trained on inputs of a certain range and spectrum; beyond them it extrapolates, "
        "and says so. It simulates from the state of rest; the first samples after any other "
        "state are off. Samples must be apart as they were in training."
    )
    usage = "model.simulate(u)          # [samples, outputs] from [samples, inputs]"
    predict = "INPUTS.csv --output SIMULATED.csv"

    def scores(self, model: Any, found: Evaluation) -> Sequence[Block]:
        """Each output on its own, where there are several, and the orders of the linear models."""
        told = Text(f"{model.fitted_.baselines.describe()}.", "quiet")
        details = _details(found)
        return [told] if len(details.data.outputs) == 1 else [_by_output(details), told]

    def sections(
        self, model: Any, data: Any, found: Evaluation | None
    ) -> Sequence[tuple[str, Sequence[Block]]]:
        if found is None:
            return []
        details = _details(found)
        drawn = [p for k in range(len(data.outputs)) for p in _simulation(details, k)]
        errors = [p for k in range(len(data.outputs)) for p in _errors(details, k)]
        return [
            ("Simulation", [Text(_said(details)), Pictures(drawn)]),
            ("Errors", [Pictures(errors)]),
        ]


def _details(found: Evaluation) -> Details:
    assert isinstance(found.details, Details)
    return found.details


def _said(details: Details) -> str:
    washout = details.washout
    told = f" The first {washout} samples of each record do not count." if washout else ""
    return (
        "The model sees the input alone and runs free from the state of rest; it is drawn over "
        f"what was measured on the test part.{told}"
    )


def _by_output(details: Details) -> Table:
    assert details.found.simulated is not None
    y, said, _ = counted_samples(details.data, details.found.simulated, details.washout)
    rows = []
    for k, name in enumerate(details.data.outputs):
        one, other = y[:, [k]], said[:, [k]]
        values = column([rmse(one, other)])
        rows.append([name, f"{fit_of(one, other):.2f} %", *values, f"{r2_of(one, other):.4f}"])
    return Table(["output", "fit", "simulation RMSE", "R2"], rows, "Each output on its own.")


def _simulation(details: Details, k: int) -> list[Picture]:
    """The longest record as a whole, and the worst stretches."""
    records, name = details.data.records, details.data.outputs[k]
    place = int(details.data.lengths.argmax())
    whole = Stretches(place, 0, len(records[place]), 0.0)
    pictures = [_drawn(details, whole, k, f"{name}, {_where(records[place], whole)}")]
    for number, part in enumerate(details.worst[:ZOOMED], start=1):
        stop = min(part.stop, part.first + WIDEST)
        part = Stretches(part.record, part.first, stop, part.error)
        where = _where(records[part.record], part)
        rank = "worst stretch" if number == 1 else f"worst stretch but {number - 1}"
        pictures.append(_drawn(details, part, k, f"{name}, the {rank}: {where}"))
    return pictures


def _where(record: Record, part: Stretches) -> str:
    of = f" of {record.experiment}" if record.experiment else ""
    return f"rows {record.row + part.first:,} to {record.row + part.stop - 1:,}{of}"


def _drawn(details: Details, part: Stretches, k: int, caption: str) -> Picture:
    assert details.found.simulated is not None
    record, inside = details.data.records[part.record], slice(part.first, part.stop)
    y = record.outputs[inside, k]
    said = details.found.simulated[part.record][inside, k]
    rows = np.arange(record.row + part.first, record.row + part.stop)
    lines = [
        Line(MEASURED, *thinned(rows, y), width=1.0),
        Line(SIMULATED, *thinned(rows, said), width=1.0),
        Line(RESIDUAL, *thinned(rows, y - said), width=0.8),
    ]
    svg = inline_svg(lines_chart(lines, "row", details.data.outputs[k]), caption, height=220)
    return Picture(svg, f"{caption}.", [MEASURED, SIMULATED, RESIDUAL])


def thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A line of few points: of each part of a long one the least and the largest, in order."""
    if len(y) <= POINTS:
        return x, y
    edges = np.linspace(0, len(y), POINTS // 2 + 1).astype(int)
    places = []
    for first, stop in pairwise(edges.tolist()):
        part = y[first:stop]
        places += sorted((first + int(part.argmin()), first + int(part.argmax())))
    return x[places], y[places]


def _errors(details: Details, k: int) -> list[Picture]:
    """Errors by how large the output is, and the spectrum of what is left."""
    name = details.data.outputs[k]
    sizes, errors = by_size(details, k)
    lines = [
        Line(WITHIN, sizes, np.where(sizes <= 100, errors, np.nan)),
        Line(BEYOND, sizes, np.where(sizes > 100, errors, np.nan)),
    ]
    title = f"{name}: RMSE of {PART} samples by the largest output in them."
    paint = lines_chart(lines, "% of the largest output in training", "RMSE")
    shown = Picture(inline_svg(paint, title, height=200), title, [WITHIN, BEYOND])
    residuals = [e[details.washout :, k] for _, e in details.residuals()]
    measured = [record.outputs[details.washout :, k] for record in details.data]
    if max(map(len, residuals)) < SEGMENT:
        return [shown]
    lines = [
        Line(MEASURED, *spectrum(measured), width=1.0),
        Line(RESIDUAL, *spectrum(residuals), width=1.0),
    ]
    title = f"{name}: power of the output and of the residual by frequency."
    paint = lines_chart(lines, "frequency, thousandths of the sampling rate", "power, dB")
    return [shown, Picture(inline_svg(paint, title, height=200), title, [MEASURED, RESIDUAL])]


def by_size(details: Details, k: int) -> tuple[np.ndarray, np.ndarray]:
    """RMSE of short parts, put together by the largest output in them.

    Returns:
        The middles of the sizes, in percent of the largest output in training, and the RMSE.
    """
    scale, sizes, squares = details.scale, [], []
    mean = scale.mean[k]
    largest = max(abs(scale.least[k] - mean), abs(scale.most[k] - mean))
    for record, residual in details.residuals():
        for first in range(details.washout, len(record), PART):
            part = slice(first, first + PART)
            sizes.append(100 * np.abs(record.outputs[part, k] - mean).max() / largest)
            squares.append(float(np.mean(residual[part, k] ** 2)))
    edges = np.linspace(0, max(sizes) * (1 + 1e-9), BINS + 1)
    place = np.digitize(sizes, edges) - 1
    total = np.bincount(place, np.array(squares), BINS)
    with np.errstate(invalid="ignore"):
        # A bin without a part is undefined, which leaves a gap.
        found = np.sqrt(total / np.bincount(place, minlength=BINS))
    return (edges[:-1] + edges[1:]) / 2, found


def spectrum(records: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Welch's estimate over all records that are long enough: thousandths of the rate, dB."""
    from scipy.signal import welch

    long = [record for record in records if len(record) >= SEGMENT]
    powers = [welch(record, nperseg=SEGMENT)[1] for record in long]
    weights = np.array([len(record) for record in long], dtype=float)
    power = np.average(powers, axis=0, weights=weights)
    # A power of zero has no decibels.
    return np.linspace(0, 500, len(power)), 10 * np.log10(np.maximum(power, 1e-300))
