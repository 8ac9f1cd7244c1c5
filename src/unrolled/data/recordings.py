"""Recordings in memory: samples of one rate, with labels.

Shapes: N samples of a recording.

References:
    Crochiere and Rabiner, "Multirate digital signal processing", Prentice-Hall, 1983
        (resampling by a rational factor).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..naming import counted
from .errors import DataError
from .series import Finding
from .splitting import both_sides, held_out

_MOST_IN_SUMMARY = 4


@dataclass(frozen=True)
class Recording:
    """One recording.

    Attributes:
        name: path inside the folder or zip, "yes/bob_1.wav".
        samples: [N], float32, one channel, N at least 1.
        rate: samples a second.
        label: class or transcript; None where there is none.
        groups: what else the file name or table says, such as {"speaker": "bob"}.
    """

    name: str
    samples: np.ndarray = field(repr=False)
    rate: int
    label: str | None = None
    groups: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


@dataclass(frozen=True, repr=False)
class Recordings:
    """Recordings of one sample rate, in the order of their names.

    Attributes:
        recordings: at least one.
        role: what the labels are: "label" (a class), "transcript", or "" where there are none.
        name: of the folder or zip.
        findings: everything that was inferred, repaired or left out.
        reading: arguments with which `read_audio` reads another source in the same way; JSON
            can hold them.
    """

    recordings: tuple[Recording, ...]
    role: str = ""
    name: str = "recordings"
    findings: tuple[Finding, ...] = ()
    reading: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.recordings)

    def __iter__(self) -> Iterator[Recording]:
        return iter(self.recordings)

    def __getitem__(self, place: int) -> Recording:
        return self.recordings[place]

    def __repr__(self) -> str:
        return f"Recordings({self.summary()})"

    @property
    def rate(self) -> int:
        """Samples a second, of all of them."""
        return self.recordings[0].rate

    @property
    def labels(self) -> list[str]:
        """The different labels, sorted."""
        return sorted({r.label for r in self.recordings if r.label is not None})

    def select(self, places: Sequence[int] | np.ndarray) -> "Recordings":
        """Some of the recordings, by their places."""
        return replace(self, recordings=tuple(self.recordings[int(place)] for place in places))

    def split(self, share: float, seed: int = 0) -> tuple["Recordings", "Recordings"]:
        """All but a share of the recordings, and that share, each in the order of the names.

        Where labels come again, every label gives about that share; one that a single recording
        has stays in the first part.

        Raises:
            ValueError: the share is not between 0 and 1.
            DataError: one of the parts would be empty.
        """
        labels = [recording.label for recording in self.recordings]
        # Sentences that are said once each have no share to give.
        repeat = self.role and 2 * len(set(labels)) <= len(labels)
        held = held_out(len(self), share, seed, labels if repeat else None)
        return both_sides(self, held, share, counted(len(self), "recording"))

    def where(self, keep: Callable[[Recording], bool]) -> "Recordings":
        """Those that `keep` says True of: `data.where(lambda r: int(r.groups["take"]) < 5)`.

        Raises:
            DataError: if there is none.
        """
        kept = tuple(recording for recording in self.recordings if keep(recording))
        if not kept:
            raise DataError(f"{self.name} has no recording of the kind that was asked for")
        return replace(self, recordings=kept)

    def at(self, rate: int) -> "Recordings":
        """The same at another rate, which is a finding."""
        if rate == self.rate:
            return self
        changed = tuple(
            replace(each, samples=resampled(each.samples, self.rate, rate), rate=rate)
            for each in self.recordings
        )
        text = f"resampled {counted(len(changed), 'recording')} from {self.rate:,} to {rate:,} Hz"
        findings = (*self.findings, Finding("repaired", text, len(changed)))
        reading = {**self.reading, "rate": rate}
        return replace(self, recordings=changed, findings=findings, reading=reading)

    def summary(self) -> str:
        """One line: how many, how long, of what rate; and what was repaired."""
        seconds = [recording.seconds for recording in self.recordings]
        length = f"{min(seconds):.2f} .. {max(seconds):.2f} s"
        labels = f", {counted(len(self.labels), self.role)}" if self.role else ""
        told = [finding.text for finding in self.findings if finding.kind != "found"]
        rest = len(told) - _MOST_IN_SUMMARY
        more = f" and {rest} more findings" if rest > 0 else ""
        repairs = "; ".join(told[:_MOST_IN_SUMMARY]) or "nothing to repair"
        what = counted(len(self.recordings), "recording")
        return f"{self.name}  {what}, {length}, {self.rate:,} Hz{labels}; {repairs}{more}"


def recordings_of(
    samples: Sequence[np.ndarray],
    rate: int,
    labels: Sequence[str] | None = None,
    *,
    transcripts: bool = False,
    name: str = "recordings",
) -> Recordings:
    """Recordings that are in memory, named by their number.

    Arguments:
        samples: of each, [N] with N at least 1; whole numbers are parts of their type's largest.
        rate: samples a second, of all.
        labels: of each; None where they are not known.
        transcripts: whether labels are transcripts, not classes.

    Raises:
        DataError: there is none, one is not as it must be, or labels are not as many.
    """
    if not len(samples) or (labels is not None and len(labels) != len(samples)):
        raise DataError(f"there are {len(samples)} samples and {len(labels or [])} labels")
    texts = [None] * len(samples) if labels is None else list(map(str, labels))
    made = [
        Recording(f"{place}", _channel(given, place), rate, text)
        for place, (given, text) in enumerate(zip(samples, texts, strict=True))
    ]
    role = "" if labels is None else "transcript" if transcripts else "label"
    return Recordings(tuple(made), role, name)


def _channel(given: np.ndarray, place: int) -> np.ndarray:
    array = np.asarray(given)
    if array.dtype.kind not in "iuf" or array.ndim != 1 or not array.size:
        came = f"{list(array.shape)} of {array.dtype}"
        raise DataError(f"samples[{place}] must be [N] numbers of one channel, got {came}")
    scale = np.iinfo(array.dtype).max if array.dtype.kind in "iu" else 1
    channel = (array / scale).astype(np.float32)
    if not np.isfinite(channel).all():
        raise DataError(f"samples[{place}] holds numbers that are not finite")
    return channel


def resampled(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Samples [N] at another rate, [ceil(N * wanted / rate)], float32.

    Frequencies above half of the lower rate are removed, not folded.
    """
    if rate == wanted:
        return samples
    from scipy.signal import resample_poly

    common = math.gcd(rate, wanted)
    return resample_poly(samples, wanted // common, rate // common).astype(np.float32)
