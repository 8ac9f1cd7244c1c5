"""Numeric sequences for the network: standardised, with their differences, as points in a plane.

    u(t) = (x(t) - mean) / deviation            of each feature, over all steps learned from
    d(t) = (u(t) - u(t-1)) / its deviation      d(1) = 0
    e(t) = d(t) / |d(t)|                        of points in a plane: the direction of the step

Two features that are the coordinates of points in a plane have one mean and deviation, and one
deviation of their differences, so that directions and rotations keep their meaning.

Shapes: B sequences, T steps of the longest, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ...data.reading.notes import Notes
from ...data.series import Finding

# Two features whose least and largest values are this close, as a share of the range of both, are
# taken for coordinates.
_ALIKE = 0.02

Plane = tuple[int, int] | None


def plane_of(sequences: Sequence[np.ndarray]) -> Plane:
    """The places of the coordinates of a point, where there are two features of one range."""
    every = np.concatenate(sequences)
    if every.shape[1] != 2:
        return None
    low, high = every.min(0), every.max(0)
    span, apart = high.max() - low.min(), max(np.ptp(low), np.ptp(high))
    return (0, 1) if span > 0 and apart <= _ALIKE * span else None


@dataclass(frozen=True)
class NumberCoding:
    """How numeric sequences are scaled, and what is made of them.

    Attributes:
        features: their names.
        mean, deviation: of each feature.
        change: the deviation of the differences of each scaled feature; empty for no differences.
        plane: the places of two features that are coordinates, or None.
        longest: steps of a sequence that are read, its first ones.
    """

    features: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    change: tuple[float, ...]
    plane: Plane
    longest: int

    @staticmethod
    def learn(
        sequences: Sequence[np.ndarray],
        features: Sequence[str],
        *,
        differences: bool,
        plane: Plane,
        longest: int,
    ) -> NumberCoding:
        """The coding of sequences [T, F]."""
        read = [values[:longest].astype(np.float64) for values in sequences]
        every = np.concatenate(read)
        mean, deviation = _together(every.mean(0), plane), every.std(0)
        deviation = _above_zero(np.sqrt(_together(deviation**2, plane)))
        steps = np.concatenate([np.diff(values, axis=0) for values in read]) / deviation
        square = (steps**2).mean(0) if len(steps) else np.zeros(len(mean))
        change = _above_zero(np.sqrt(_together(square, plane)))
        return NumberCoding(
            tuple(features),
            tuple(mean.tolist()),
            tuple(deviation.tolist()),
            tuple(change.tolist()) if differences else (),
            plane,
            longest,
        )

    @property
    def size(self) -> int:
        """Features that the network reads."""
        directions = 2 if self.change and self.plane else 0
        return len(self.mean) + len(self.change) + directions

    def scaled(self, values: np.ndarray) -> Tensor:
        """u, [T, F]."""
        standard = (values[: self.longest] - np.array(self.mean)) / np.array(self.deviation)
        return torch.from_numpy(standard.astype(np.float32))

    def summary(self) -> str:
        """`2 features, standardised, with differences and directions`."""
        made = ["differences"] * bool(self.change)
        made += ["directions"] * bool(self.change and self.plane)
        beside = f", with {' and '.join(made)}" if made else ""
        count = len(self.mean)
        return f"{count} feature{'s' * (count > 1)}, standardised{beside}"

    def to_dict(self) -> dict[str, Any]:
        """A form that JSON can hold; `from_dict` is its inverse."""
        return asdict(self)

    @staticmethod
    def from_dict(saved: Mapping[str, Any]) -> NumberCoding:
        numbers = {k: tuple(map(float, saved[k])) for k in ("mean", "deviation", "change")}
        plane = None if saved["plane"] is None else (int(saved["plane"][0]), int(saved["plane"][1]))
        return NumberCoding(
            tuple(saved["features"]), **numbers, plane=plane, longest=int(saved["longest"])
        )


class EncodedNumbers:
    """Numeric sequences scaled, and batches of them.

    Arguments:
        coding: how.
        sequences: N arrays [T, F].

    Attributes:
        lengths: steps of each that are read, [N].
        findings: what is not read, with its count.
    """

    def __init__(self, coding: NumberCoding, sequences: Sequence[np.ndarray]):
        self.rows = [coding.scaled(values) for values in sequences]
        self.lengths = np.array([len(row) for row in self.rows], dtype=np.int64)
        notes = Notes()
        notes.left_out(
            f"samples longer than {coding.longest:,} steps, of which the rest is not read "
            "(longest=... reads more): {}",
            sum(len(values) > coding.longest for values in sequences),
        )
        self.findings: tuple[Finding, ...] = tuple(notes)

    def batch(self, places: Sequence[int]) -> dict[str, Tensor]:
        """Some of the sequences: `lengths` [B] and `values` [B, T, F]."""
        chosen = np.asarray(places)
        values = pad_sequence([self.rows[place] for place in chosen], batch_first=True)
        return {"lengths": torch.from_numpy(self.lengths[chosen]), "values": values}


def _together(values: np.ndarray, plane: Plane) -> np.ndarray:
    """The same with the mean of both at the places of coordinates."""
    if plane is not None:
        values = values.copy()
        values[list(plane)] = values[list(plane)].mean()
    return values


def _above_zero(deviation: np.ndarray) -> np.ndarray:
    """1 in place of 0: a feature that never changes stays 0."""
    return np.where(deviation > 0, deviation, 1.0)
