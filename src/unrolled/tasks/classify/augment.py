"""Changed copies of numeric sequences, so that a network sees each a little differently.

All work on scaled features, 0 their mean and 1 their deviation. Every random number comes from the
generator that is given, so a seed repeats.

    noise       a number from N(0, noise^2) added to each value
    scale       each feature of a sequence times exp(n), n from N(0, scale^2)
    warp        a sequence read faster here and slower there: x(t) becomes x(t + w(t)), between
                steps on a line; w is a half sine and a whole one over the sequence, each drawn as
                N(0, (warp T)^2) of its T steps, held where time would run backwards
    tilt        of points in a plane: turned by an angle and sheared by a factor, both from
                N(0, tilt^2), then fitted into the box in which the sequence was

Shapes: B batch, T time, F features.

References:
    Um, Pfister, Pichler, Endo, Lang, Hirche, Fietzek and Kulic, "Data augmentation of wearable
        sensor data for Parkinson's disease monitoring using convolutional neural networks",
        ICMI 2017.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Generator, Tensor

from ...engines.lengths import steps_within
from .numbers import Plane

# The slowest that warped time runs, as a share of its speed.
_SLOWEST = 0.1


@dataclass(frozen=True)
class Augment:
    """How much is changed; 0 turns a change off.

    Attributes:
        noise, scale, warp, tilt: as the module says.

    Raises:
        ValueError: one is negative.
    """

    noise: float = 0.0
    scale: float = 0.0
    warp: float = 0.0
    tilt: float = 0.0

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{each.name} must be 0 or more, got {value!r}; 0 turns it off")

    def __call__(
        self, values: Tensor, lengths: Tensor, plane: Plane, generator: Generator
    ) -> Tensor:
        """A changed copy of sequences [B, T, F] of `lengths` [B]; padding stays 0."""
        if self.warp:
            values = warped(values, lengths, self.warp, generator)
        if self.tilt and plane is not None:
            values = tilted(values, lengths, self.tilt, plane, generator)
        if self.scale:
            drawn = torch.randn(len(values), 1, values.shape[2], generator=generator)
            values = values * torch.exp(self.scale * drawn)
        if self.noise:
            values = values + self.noise * torch.randn(values.shape, generator=generator)
        return values * steps_within(lengths, values.shape[1])[:, :, None]


def warped(values: Tensor, lengths: Tensor, size: float, generator: Generator) -> Tensor:
    """Sequences read at an uneven speed, as many steps as before."""
    last = (lengths - 1).clamp(min=1)[:, None]
    step = torch.arange(values.shape[1])
    done = (step / last).clamp(max=1)  # [B, T]
    shift = torch.zeros_like(done)
    for waves in (1, 2):
        height = size * torch.randn(len(values), 1, generator=generator)
        shift = shift + height * torch.sin(math.pi * waves * done)
    speed = (1 + (shift.diff(dim=1) * last)).clamp(min=_SLOWEST)
    # Beyond the end of a sequence time stands still.
    speed = speed * (step[1:] <= last)
    moved = torch.cat([torch.zeros_like(last), speed.cumsum(1)], 1)
    place = moved / moved[:, -1:].clamp(min=_SLOWEST) * (lengths - 1)[:, None]
    below = place.floor().long().clamp(max=values.shape[1] - 1)
    above = torch.minimum(below + 1, (lengths - 1)[:, None])
    share = (place - below)[:, :, None]
    return (1 - share) * _at(values, below) + share * _at(values, above)


def tilted(
    values: Tensor, lengths: Tensor, size: float, plane: tuple[int, int], generator: Generator
) -> Tensor:
    """Points turned and sheared, fitted into the box of each sequence."""
    where = list(plane)
    points = values[:, :, where]
    angle, shear = size * torch.randn(2, len(values), generator=generator)
    cosine, sine = angle.cos(), angle.sin()
    turn = torch.stack([cosine, -sine + shear, sine, cosine], 1).view(-1, 2, 2)
    moved = points @ turn
    valid = steps_within(lengths, values.shape[1])[:, :, None]
    (low, high), (low_now, high_now) = _box(points, valid), _box(moved, valid)
    # A box without width or height stays as it is.
    factor = torch.where(high_now > low_now, (high - low) / (high_now - low_now), 1.0)
    values = values.clone()
    values[:, :, where] = low + (moved - low_now) * factor
    return values


def _box(points: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the largest of each coordinate, [B, 1, 2] each."""
    low = points.masked_fill(~valid, math.inf).amin(1, keepdim=True)
    return low, points.masked_fill(~valid, -math.inf).amax(1, keepdim=True)


def _at(values: Tensor, places: Tensor) -> Tensor:
    return values.gather(1, places[:, :, None].expand(-1, -1, values.shape[2]))
