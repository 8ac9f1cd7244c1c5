"""Log-mel features: how loud a recording is in each band of pitch, every 10 ms.

    power[t, f] = |sum over n of window[n] x[t hop + n - F/2] exp(-2 pi i f n / F)|^2
    mel[t, b]   = sum over f of power[t, f] filter[f, b]
    loud[t, b]  = max(log mel[t, b] - peak, -12),    peak = max over t, b of log mel[t, b]
    out[t, b]   = (loud[t, b] - mean[b]) / spread[b]

The peak is one number for a recording, so that loudness drops out and the colour of a sound
stays: to subtract the mean of each band would remove the vowel of a short word. Mean and spread
are of all frames of the training recordings.

Bands are triangles, evenly spaced on the mel scale, mel(f) = 2595 log10(1 + f / 700), each as
high as 1.

Shapes: N samples, T = 1 + N // hop frames, F samples of a frame, M = F // 2 + 1 frequencies.

References:
    Davis and Mermelstein, "Comparison of parametric representations for monosyllabic word
        recognition in continuously spoken sentences", IEEE Transactions on Acoustics, Speech,
        and Signal Processing 28(4), 1980.
    O'Shaughnessy, "Speech Communication: Human and Machine", Addison-Wesley, 1987 (this scale).
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.recordings import Recording

# In logarithms of power: 12 is 52 dB below the loudest.
FLOOR = 12.0
# Power below what 16 bits can hold. It only keeps the logarithm of silence finite.
SMALLEST = 1e-10
# The last share of the frequencies is where converters roll off.
HIGHEST = 0.975


class LogMel:
    """Log-mel features of recordings of one sample rate.

    Arguments:
        rate: samples a second.
        frame, hop: length of a frame and distance of two, in seconds.
        bands: features of a frame.
        low, high: lowest and highest frequency, in Hz; by default up to 0.975 of half the rate.

    Raises:
        ValueError: if a length is no sample, the frequencies lie outside 0 .. rate / 2, or the
            bands are so narrow that one holds no frequency of the transform.
    """

    def __init__(
        self,
        rate: int,
        frame: float = 0.032,
        hop: float = 0.010,
        bands: int = 40,
        low: float = 60.0,
        high: float | None = None,
    ) -> None:
        self.rate, self.frame, self.hop = rate, frame, hop
        self.bands, self.low = bands, low
        self.high = HIGHEST * rate / 2 if high is None else high
        self._check()
        self.frame_samples, self.hop_samples = round(frame * rate), round(hop * rate)
        self.filters = mel_filters(rate, self.frame_samples, bands, self.low, self.high)
        self.window = torch.hann_window(self.frame_samples)
        self.mean: Tensor | None = None  # [bands]
        self.spread: Tensor | None = None  # [bands]

    def _check(self) -> None:
        for name, seconds, least in (("frame", self.frame, 2), ("hop", self.hop, 1)):
            if round(seconds * self.rate) < least:
                raise ValueError(
                    f"{name} must be {least} samples or more, got {seconds} s at {self.rate} Hz; "
                    "it is given in seconds, such as 0.01"
                )
        if not 0 <= self.low < self.high <= self.rate / 2:
            raise ValueError(
                f"low and high must lie in order between 0 and {self.rate / 2:g} Hz, half the "
                f"rate, got {self.low:g} and {self.high:g}"
            )

    def fit(self, recordings: Iterable[Recording]) -> "LogMel":
        """Learn mean and spread of every band from the training recordings.

        Raises:
            ValueError: if there is none, or one has another rate.
        """
        count = 0
        total = squares = torch.zeros(self.bands, dtype=torch.float64)
        for recording in recordings:
            if recording.rate != self.rate:
                raise ValueError(
                    f"{recording.name} has {recording.rate} Hz, the features {self.rate}; "
                    f"read it by read_audio(..., rate={self.rate})"
                )
            loud = self.loudness(recording.samples).double()
            count += len(loud)
            total, squares = total + loud.sum(0), squares + loud.square().sum(0)
        if not count:
            raise ValueError("fit needs one recording or more, got none")
        self.mean = total / count
        variance = squares / count - self.mean.square()
        spread = variance.clamp(min=0).sqrt()
        # A band that is the same in all frames is left at its size.
        self.spread = torch.where(spread > 1e-4, spread, torch.ones_like(spread))
        return self

    def __call__(self, samples: np.ndarray | Tensor) -> Tensor:
        """Standardised features of one recording, [N] -> [T, bands], float32.

        Raises:
            ValueError: before `fit`, or if samples are not [N] with N at least 1.
        """
        if self.mean is None or self.spread is None:
            raise ValueError("mean and spread are not known yet; call fit on training recordings")
        return (self.loudness(samples) - self.mean.float()) / self.spread.float()

    def loudness(self, samples: np.ndarray | Tensor) -> Tensor:
        """Logarithms of power from -12 to 0, the peak; [N] -> [T, bands]. Silence is -12."""
        mel = self.power(samples) @ self.filters  # [T, bands]
        log = mel.clamp(min=SMALLEST).log()
        peak = log.max()
        if mel.max() <= SMALLEST:
            return torch.full_like(log, -FLOOR)
        return (log - peak).clamp(min=-FLOOR)

    def power(self, samples: np.ndarray | Tensor) -> Tensor:
        """The spectrogram, [N] -> [T, M]; frame t is centred at sample t * hop."""
        samples = torch.as_tensor(samples, dtype=torch.float32)
        if samples.dim() != 1 or not len(samples):
            raise ValueError(
                f"samples must be [N], one channel of 1 sample or more, got {tuple(samples.shape)}"
            )
        # Silence beyond the ends, because a mirror image needs more samples than half a frame.
        spectrum = torch.stft(
            samples,
            self.frame_samples,
            self.hop_samples,
            window=self.window,
            pad_mode="constant",
            return_complex=True,
        )  # [M, T]
        return spectrum.abs().square().T

    def to_dict(self) -> dict[str, Any]:
        """A form that JSON can hold; `from_dict` is its inverse."""
        learned = {"mean": self.mean, "spread": self.spread}
        return {
            "rate": self.rate,
            "frame": self.frame,
            "hop": self.hop,
            "bands": self.bands,
            "low": self.low,
            "high": self.high,
            **{name: None if value is None else value.tolist() for name, value in learned.items()},
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> "LogMel":
        learned = {name: saved[name] for name in ("mean", "spread")}
        made = cls(**{name: value for name, value in saved.items() if name not in learned})
        for name, value in learned.items():
            numbers = None if value is None else torch.tensor(value, dtype=torch.float64)
            setattr(made, name, numbers)
        return made


def mel_filters(rate: int, frame_samples: int, bands: int, low: float, high: float) -> Tensor:
    """Triangles on the mel scale, [M, bands].

    Band b rises from edge b to edge b + 1, where it is 1, and falls to edge b + 2; the
    bands + 2 edges are evenly spaced in mel from `low` to `high`.

    Raises:
        ValueError: if no frequency of the transform lies inside a band.
    """
    if bands < 1:
        raise ValueError(f"bands must be 1 or more, got {bands}")
    edges = _hertz(np.linspace(_mel(low), _mel(high), bands + 2))
    frequencies = np.arange(frame_samples // 2 + 1) * rate / frame_samples  # [M]
    rise = (frequencies[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])  # [M, bands]
    fall = (edges[2:] - frequencies[:, None]) / (edges[2:] - edges[1:-1])
    filters = np.maximum(np.minimum(rise, fall), 0)
    empty = int((filters.max(0) == 0).sum())
    if empty:
        raise ValueError(
            f"bands={bands} is too many: {empty} hold no frequency of a frame of "
            f"{frame_samples} samples; use fewer bands or a longer frame"
        )
    return torch.tensor(filters, dtype=torch.float32)


def _mel(hertz: float) -> float:
    return 2595 * np.log10(1 + hertz / 700)


def _hertz(mel: np.ndarray) -> np.ndarray:
    return 700 * (10 ** (mel / 2595) - 1)
