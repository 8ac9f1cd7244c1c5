"""What a classifier must know of its data: the classes, and how samples become tensors.

Shapes: N samples, B batch, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data import DataError, Samples
from ...data.reading.notes import Notes, listed
from ...data.series import Finding
from .numbers import EncodedNumbers, NumberCoding, Plane, plane_of
from .texts import EncodedTexts, TextCoding, usual_tokens

NO_PLANE = "none"


@dataclass(frozen=True)
class Coding:
    """Classes and samples.

    Attributes:
        classes: their names.
        counts: samples of each that were learned from.
        reads: how samples become tensors.
        findings: what was noticed or guessed.
    """

    classes: tuple[str, ...]
    counts: tuple[int, ...]
    reads: TextCoding | NumberCoding
    findings: tuple[Finding, ...] = ()

    @property
    def is_text(self) -> bool:
        return isinstance(self.reads, TextCoding)

    @property
    def by_class(self) -> dict[str, int]:
        """Samples of each class that were learned from."""
        return dict(zip(self.classes, self.counts, strict=True))

    @property
    def shares(self) -> np.ndarray:
        """Of each class among the samples that were learned from, [C]."""
        return np.array(self.counts) / sum(self.counts)

    def weights(self, how: str) -> np.ndarray:
        """What a sample of each class counts for in training, [C].

        Arguments:
            how: "none" for 1 each; "balanced" for N / (C N(c)), so that all classes count alike.
        """
        if how == "none":
            return np.ones(len(self.classes))
        return sum(self.counts) / (len(self.counts) * np.maximum(self.counts, 1))

    def check(self, data: Samples) -> None:
        """Raise DataError if the samples are of another kind than those learned from."""
        kinds = {True: "texts", False: "sequences of numbers"}
        if data.is_text != self.is_text:
            raise DataError(
                f"{data.name} holds {kinds[data.is_text]}; the model reads {kinds[self.is_text]}"
            )
        if isinstance(self.reads, NumberCoding) and len(data.features) != len(self.reads.mean):
            raise DataError(
                f"{data.name} has {len(data.features)} features, {listed(data.features)}; the "
                f"model reads {len(self.reads.mean)}, {listed(self.reads.features)}"
            )

    def encode(self, values: Sequence[Any]) -> EncodedTexts | EncodedNumbers:
        """Texts, or arrays [T, F], as tensors."""
        if isinstance(self.reads, TextCoding):
            return EncodedTexts(self.reads, values)
        return EncodedNumbers(self.reads, values)

    def summary(self) -> Iterator[tuple[str, str]]:
        """Lines for the console."""
        yield "tokens" if self.is_text else "numbers", self.reads.summary()

    def to_dict(self) -> dict[str, Any]:
        """A form that JSON can hold; `from_dict` is its inverse. The findings are not kept."""
        kind = "text" if self.is_text else "numbers"
        return {"classes": self.classes, "counts": self.counts, kind: self.reads.to_dict()}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Coding:
        reads = (
            TextCoding.from_dict(saved["text"])
            if "text" in saved
            else NumberCoding.from_dict(saved["numbers"])
        )
        return cls(tuple(saved["classes"]), tuple(map(int, saved["counts"])), reads)


def learn(data: Samples, wanted: Any) -> Coding:
    """The coding of samples.

    Arguments:
        wanted: has the arguments of `Classifier` that say how samples are read.

    Raises:
        DataError: there is nothing to tell apart, or a feature that is asked for is not there.
    """
    counts = tuple(data.counts.values())
    if sum(count > 0 for count in counts) < 2:
        raise DataError(
            f"the part of {data.name} to learn from has samples of one class only; hold out others"
        )
    notes, values = Notes(), [sample.values for sample in data]
    read = _texts if data.is_text else _numbers
    return Coding(data.classes, counts, read(values, data, wanted, notes), tuple(notes))


def _texts(texts: Sequence[Any], data: Samples, wanted: Any, notes: Notes) -> TextCoding:
    kind = wanted.tokens or usual_tokens(texts)
    if wanted.tokens is None:
        notes.found(f"texts are read by {kind} (tokens=... for others)")
    coding = TextCoding.learn(
        texts,
        kind,
        least=wanted.least,
        lower=kind == "words" if wanted.lower is None else wanted.lower,
        buckets=wanted.buckets,
        longest=wanted.longest,
    )
    notes.extend(each for each in coding.vocabulary.findings if each.kind != "found")
    # A token has a character at least.
    notes.extend(EncodedTexts(coding, [t for t in texts if len(t) > wanted.longest]).shortened())
    return coding


def _numbers(values: Sequence[Any], data: Samples, wanted: Any, notes: Notes) -> NumberCoding:
    plane = plane_of(values) if wanted.plane is None else named_plane(wanted.plane, data.features)
    if plane is not None and wanted.plane is None:
        notes.found(
            f"{data.features[0]!r} and {data.features[1]!r} have one range, so they are read as "
            "points in a plane (plane=none if they are not)"
        )
    coding = NumberCoding.learn(
        values,
        data.features,
        differences=wanted.differences,
        plane=plane,
        longest=wanted.longest,
    )
    notes.extend(EncodedNumbers(coding, values).findings)
    return coding


def named_plane(text: str, features: Sequence[str]) -> Plane:
    """The places of two features that are named, "x,y"; None for "none".

    Raises:
        DataError: there are no such features.
    """
    if text == NO_PLANE:
        return None
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or len(set(names)) != 2 or not set(names) <= set(features):
        raise DataError(
            f"plane must name two of the features {listed(features)}, such as "
            f"{','.join(features[:2])!r}, or be {NO_PLANE!r}; got {text!r}"
        )
    return features.index(names[0]), features.index(names[1])


class EncodedSamples:
    """Samples as tensors, with their classes.

    Arguments:
        coding: how.
        data: N samples.
        class_weights: as `Coding.weights` takes it.

    Attributes:
        lengths: steps of each sample that are read, [N].
        findings: what of them is not known or not read.
    """

    def __init__(self, coding: Coding, data: Samples, class_weights: str = "none"):
        self.inputs = coding.encode([sample.values for sample in data])
        self.lengths, self.findings = self.inputs.lengths, self.inputs.findings
        self.targets = data.targets
        self.weights = coding.weights(class_weights)[self.targets].astype(np.float32)

    def batch(self, places: Sequence[int]) -> dict[str, Tensor]:
        """Some of them: those of the inputs, `targets` [B] and `weights` [B]."""
        chosen = np.asarray(places)
        targets, weights = torch.from_numpy(self.targets), torch.from_numpy(self.weights)
        return {
            **self.inputs.batch(places),
            "targets": targets[chosen],
            "weights": weights[chosen],
        }
