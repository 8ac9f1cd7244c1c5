"""How far predictions are from what was measured, in original units.

    RMSE = sqrt(mean of (y - yhat)^2)
    fit  = 100 (1 - |y - yhat| / |y - mean y|) %            the normalised fit of the field
    R2   = 1 - |y - yhat|^2 / |y - mean y|^2

Over all samples of all records but the first ones of each, the washout. With several outputs fit
and R2 are means over them, and RMSE is the root of the mean over them.

Shapes: T samples of a record, N of all that count, O outputs.

Reference:
    Ljung, "System identification: theory for the user", 2nd edition, 1999, section 16.4.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...data.systems import Record, SystemData
from ...report.numbers import UNDEFINED
from ..supervised.scores import Metric

SIMULATION, ONE_STEP, FIT, R2 = "simulation RMSE", "one-step RMSE", "fit", "R2"
Arrays = Sequence[np.ndarray]


def _shown(value: float) -> str:
    return UNDEFINED if math.isnan(value) else f"{value:.2f} %"


METRICS = (
    Metric(FIT, show=_shown, meaning="100 (1 - |error| / |output - its mean|)"),
    Metric(SIMULATION, higher=False, meaning="free running, in the output's unit"),
    Metric(R2, meaning="share of the variance that is simulated"),
    Metric(ONE_STEP, higher=False, meaning="from all outputs before, in the output's unit"),
)


@dataclass(frozen=True)
class Stretch:
    """Rows of a source, from `first` to before `stop`, as `text` says."""

    first: int
    stop: int
    text: str


def stretch_of(text: str, option: str) -> Stretch:
    """Rows as "0:40000", "40000:" or ":40000".

    Raises:
        ValueError: it is none of these.
    """
    found = re.fullmatch(r"\s*(\d*):(\d*)\s*", text)
    if not found or found[0].strip() == ":":
        raise ValueError(f"--{option} must be rows such as 0:40000, got {text!r}")
    first, stop = int(found[1] or 0), int(found[2]) if found[2] else np.iinfo(np.int64).max
    if first >= stop:
        raise ValueError(f"--{option} {text} holds no row; write the first one first")
    return Stretch(first, int(stop), text.strip())


def stretches_of(text: str) -> list[Stretch]:
    """Several, apart by commas."""
    parts = [part for part in text.split(",") if part.strip()]
    return [stretch_of(part, "stretches") for part in parts]


def check_stretches(stretches: Sequence[Stretch], test: SystemData | None) -> None:
    """Raise ValueError if one of the stretches has no row of the test part."""
    for stretch in stretches:
        if test is None:
            raise ValueError("stretches are of a test part, and there is none")
        if not len(test.between(stretch.first, stretch.stop)):
            raise ValueError(
                f"stretches has {stretch.text}, of which {test.name} ({test.rows()}) has no row"
            )


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a model says of the records of some data.

    Attributes:
        simulated: from the inputs alone, each [T, O]; None of a model that cannot.
        one_step: one step ahead, each [T, O]; None of a model that cannot.
    """

    simulated: Arrays | None = None
    one_step: Arrays | None = None


def scores_of(
    data: SystemData, found: Predicted, washout: int, stretches: Sequence[Stretch] = ()
) -> dict[str, float]:
    """By the name of a metric; what a model cannot is left out."""
    scores: dict[str, float] = {}
    if found.simulated is not None:
        y, said, rows = counted_samples(data, found.simulated, washout)
        scores |= {FIT: fit_of(y, said), SIMULATION: rmse(y, said), R2: r2_of(y, said)}
        for stretch in stretches:
            inside = (rows >= stretch.first) & (rows < stretch.stop)
            scores[stretch_key(stretch)] = rmse(y[inside], said[inside])
    if found.one_step is not None:
        y, said, _ = counted_samples(data, found.one_step, washout)
        scores[ONE_STEP] = rmse(y, said)
    return {name: value if math.isfinite(value) else math.nan for name, value in scores.items()}


def stretch_key(stretch: Stretch) -> str:
    """The name of the score of a stretch: "RMSE 0:25000"."""
    return f"RMSE {stretch.text}"


def counted_samples(
    data: SystemData, predicted: Arrays, washout: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measured and predicted samples that count, [N, O], and their rows, [N]."""
    pairs = list(zip(data, predicted, strict=True))
    y = np.concatenate([record.outputs[washout:] for record, _ in pairs])
    said = np.concatenate([values[washout:] for _, values in pairs])
    rows = np.concatenate([_rows(record)[washout:] for record, _ in pairs])
    return y, said, rows


def _rows(record: Record) -> np.ndarray:
    return np.arange(record.row, record.stop)


def rmse(y: np.ndarray, said: np.ndarray) -> float:
    """The root of the mean squared error."""
    if not y.size:
        return math.nan
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.mean((y - said) ** 2)))


def fit_of(y: np.ndarray, said: np.ndarray) -> float:
    """The normalised fit in percent; undefined where an output never changes."""
    return float(100 * (1 - np.sqrt(_unexplained(y, said))).mean())


def r2_of(y: np.ndarray, said: np.ndarray) -> float:
    """The share of the variance that is explained."""
    return float((1 - _unexplained(y, said)).mean())


def _unexplained(y: np.ndarray, said: np.ndarray) -> np.ndarray:
    """|y - yhat|^2 / |y - mean y|^2 of each output, [O]."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        spread = ((y - y.mean(axis=0)) ** 2).sum(axis=0) if len(y) else np.zeros(y.shape[1])
        error = ((y - said) ** 2).sum(axis=0)
        return np.where(spread > 0, error / spread, np.nan)
