"""Changed copies of log-mel features, so that a network sees a recording a little differently.

All work on standardised features: 0 is the mean of a band, 1 its spread. Every random number
comes from the generator that is given, so a seed repeats.

Shapes: T frames, M bands.

References:
    Park et al., "SpecAugment: a simple data augmentation method for automatic speech
        recognition", Interspeech 2019 (masks).
    Ko et al., "Audio augmentation for speech recognition", Interspeech 2015 (speed).
"""

import math
from dataclasses import dataclass, fields

import torch
from torch import Generator, Tensor


@dataclass(frozen=True)
class Augment:
    """What is changed, and by how much at most; 0 turns a change off.

    Attributes:
        stretch: share by which time runs faster or slower: 0.25 is from 0.8 to 1.25 of T.
        band_mask: most bands that are set to their mean.
        time_mask: most frames that are set to the mean, as a share of T.
        roll: most bands by which the pitch moves up or down.
        gain: standard deviation of a number added to everything.
        offset: standard deviation of a number added to each band.
        noise: standard deviation of a number added to each value.

    Raises:
        ValueError: if one is negative, or `time_mask` is above 1.
    """

    stretch: float = 0.25
    band_mask: int = 7
    time_mask: float = 1 / 6
    roll: int = 1
    gain: float = 0.3
    offset: float = 0.15
    noise: float = 0.1

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{each.name} must be 0 or more, got {value!r}; 0 turns it off")
        if self.time_mask > 1:
            raise ValueError(f"time_mask is a share of the frames, 0 .. 1, got {self.time_mask!r}")

    def times(self, strength: float) -> "Augment":
        """The same changes, `strength` times as large."""
        scaled = {each.name: strength * getattr(self, each.name) for each in fields(self)}
        whole = {name: round(scaled[name]) for name in ("band_mask", "roll")}
        return Augment(**{**scaled, **whole, "time_mask": min(1.0, scaled["time_mask"])})

    def __call__(self, features: Tensor, generator: Generator, least: int = 1) -> Tensor:
        """A changed copy, [T, M] -> [T', M]; T' is T unless time is stretched.

        Arguments:
            least: frames that stay, where there are as many.
        """
        if self.stretch:
            features = time_stretch(features, self.stretch, generator, least)
        if self.roll:
            features = band_roll(features, self.roll, generator)
        if self.gain or self.offset or self.noise:
            features = self._louder(features, generator)
        if self.band_mask:
            features = mask(features.T, self.band_mask, generator).T
        if self.time_mask:
            features = mask(features, int(self.time_mask * len(features)), generator)
        return features

    def _louder(self, features: Tensor, generator: Generator) -> Tensor:
        for size, shape in (
            (self.gain, (1, 1)),
            (self.offset, (1, features.shape[1])),
            (self.noise, features.shape),
        ):
            if size:
                features = features + size * torch.randn(shape, generator=generator)
        return features


def time_stretch(features: Tensor, most: float, generator: Generator, least: int = 1) -> Tensor:
    """Frames left out or repeated, so that T' / T is from 1 / (1 + most) to 1 + most.

    Slower and faster are equally likely: the logarithm of the factor is uniform. `least` frames
    stay, where there are as many.
    """
    limit = math.log1p(most)
    factor = math.exp(limit * (2 * torch.rand((), generator=generator).item() - 1))
    frames = max(1, min(least, len(features)), round(len(features) * factor))
    places = torch.linspace(0, len(features) - 1, frames).round().long()
    return features[places]


def band_roll(features: Tensor, most: int, generator: Generator) -> Tensor:
    """Bands moved by -most .. most; the band at the edge is repeated."""
    bands = features.shape[1]
    shift = torch.randint(-most, most + 1, (), generator=generator)
    return features[:, (torch.arange(bands) - shift).clamp(0, bands - 1)]


def mask(features: Tensor, most: int, generator: Generator) -> Tensor:
    """Rows `first .. first + width - 1` set to 0, where width is 0 .. most; a copy."""
    rows = len(features)
    width = int(torch.randint(min(most, rows) + 1, (), generator=generator))
    first = int(torch.randint(rows - width + 1, (), generator=generator))
    features = features.clone()
    features[first : first + width] = 0
    return features
