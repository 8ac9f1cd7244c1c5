"""What the network must know of a system's data: names, scales, and where they were seen.

    standardised = (value - mean) / scale

Shapes: T samples, I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from ...data.errors import DataError
from ...data.reading.notes import listed
from ...data.systems import SystemData
from ...report.numbers import number
from .plan import FEWEST

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Scale:
    """Means and standard deviations of columns, and their range; a constant has the scale 1."""

    mean: Numbers
    scale: Numbers
    least: Numbers
    most: Numbers

    @classmethod
    def of(cls, values: np.ndarray) -> Scale:
        """Of the columns of [T, F]."""
        spread = values.std(axis=0)
        spread = np.where(np.ptp(values, axis=0) == 0, 1.0, spread)
        found = (values.mean(axis=0), spread, values.min(axis=0), values.max(axis=0))
        return cls(*(tuple(part.tolist()) for part in found))

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Scale:
        """From `asdict`."""
        return cls(**{each.name: tuple(saved[each.name]) for each in fields(cls)})

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Standardised values, [T, F]."""
        return (values - np.array(self.mean)) / np.array(self.scale)

    def undo(self, values: np.ndarray) -> np.ndarray:
        """Values in original units, [T, F]."""
        return values * np.array(self.scale) + np.array(self.mean)

    def outside(self, values: np.ndarray) -> int:
        """How many of [T, F] rows have a value beyond the range."""
        beyond = (values < np.array(self.least)) | (values > np.array(self.most))
        return int(beyond.any(axis=1).sum())


@dataclass(frozen=True)
class SystemCoding:
    """Columns and their scales, of the part that is learned from.

    Attributes:
        inputs, outputs: names of the columns.
        input_scale, output_scale: theirs.
        sampling: seconds between samples, where known.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    input_scale: Scale
    output_scale: Scale
    sampling: float | None = None

    @classmethod
    def learn(cls, learned: SystemData) -> SystemCoding:
        """From the part that is learned from.

        Raises:
            DataError: there is too little of it, an output never changes, or no input does.
        """
        if learned.lengths.max() < FEWEST:
            raise DataError(
                f"the part of {learned.name} that is learned from has no {FEWEST} samples in a "
                f"row, its longest record has {learned.lengths.max()}; give more"
            )
        u, y = (np.concatenate([getattr(r, k) for r in learned]) for k in ("inputs", "outputs"))
        still = [name for name, v in zip(learned.outputs, y.T, strict=True) if np.ptp(v) == 0]
        if still:
            raise DataError(
                f"the output {listed(still)} never changes in the part of {learned.name} that is "
                "learned from; there is nothing to learn"
            )
        if (np.ptp(u, axis=0) == 0).all():
            raise DataError(
                f"no input ({listed(learned.inputs)}) changes in the part of {learned.name} that "
                "is learned from; a system shows itself only when it is moved"
            )
        scales = Scale.of(u), Scale.of(y)
        return cls(learned.inputs, learned.outputs, *scales, learned.sampling)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], /) -> SystemCoding:
        """From `to_dict`."""
        names = tuple(saved["inputs"]), tuple(saved["outputs"])
        read, wrote = (Scale.from_dict(saved[name]) for name in ("input_scale", "output_scale"))
        return cls(*names, read, wrote, saved["sampling"])

    def summary(self) -> Iterator[tuple[str, str]]:
        """A line for the inputs and one for the outputs."""
        yield "inputs", _told(self.inputs, self.input_scale)
        yield "outputs", _told(self.outputs, self.output_scale)


def _told(names: tuple[str, ...], scale: Scale) -> str:
    """`V1 mean 0.00578, sd 0.0222, from -0.0805 to 0.0912`."""
    columns = zip(names, scale.mean, scale.scale, scale.least, scale.most, strict=True)
    told = [
        f"{name} mean {number(mean)}, sd {number(sd)}, from {number(low)} to {number(high)}"
        for name, mean, sd, low, high in columns
    ]
    rest = len(told) - 3
    return "; ".join(told[:3]) + (f"; and {rest} more" if rest > 0 else "")
