"""What a network must know of recordings: their features, and their labels as numbers.

A class is one number. A transcript is a sequence of them: of its characters, or of its words.
Label 0 of a sequence is the blank of connectionist temporal classification, so the first
character or word is 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...data import DataError, Finding, Recordings
from ...data.reading.notes import listed
from ...naming import counted, one_of
from .features import LogMel

CLASS, SEQUENCE = "class", "sequence"
TARGETS = (CLASS, SEQUENCE)
CHARACTERS, WORDS = "characters", "words"
TOKENS = (CHARACTERS, WORDS)
# Transcripts are cut into words where there are at most so many, each said so often on average.
_FEW_WORDS, _OFTEN = 100, 10
# The number of a label that was not learned.
UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Coding:
    """How recordings and labels become numbers, and numbers labels.

    Attributes:
        target: "class" or "sequence".
        labels: the classes; or the characters or words of the transcripts, without the blank.
        tokens: what a transcript is cut into: "characters" or "words"; "" for classes.
        stack: frames that the network reads as one step.
        features: mean and spread are known.
        findings: what was noticed while it was learned.
    """

    target: str
    labels: tuple[str, ...]
    tokens: str
    stack: int
    features: LogMel
    findings: tuple[Finding, ...] = ()

    @property
    def is_sequence(self) -> bool:
        return self.target == SEQUENCE

    @property
    def outputs(self) -> int:
        """Numbers that the network gives: one a label, and one for the blank of a sequence."""
        return len(self.labels) + self.is_sequence

    def encode(self, text: str) -> list[int]:
        """The numbers of a label; what is not known is left out."""
        return [number for number in self.spelt(text) if number != UNKNOWN]

    def spelt(self, text: str) -> list[int]:
        """The numbers of a label, with `UNKNOWN` for what is not known."""
        places = {label: place for place, label in enumerate(self.labels, int(self.is_sequence))}
        return [places.get(part, UNKNOWN) for part in self.cut(text)]

    def decode(self, numbers: Sequence[int]) -> str:
        """The transcript that the numbers of a sequence spell."""
        joint = " " if self.tokens == WORDS else ""
        return joint.join(self.labels[number - 1] for number in numbers)

    def cut(self, text: str) -> list[str]:
        """A class as it is; the characters or words of a transcript."""
        return cut(text, self.tokens) if self.is_sequence else [text]

    def unknown(self, data: Recordings) -> Finding | None:
        """What the labels of other recordings hold that was not learned."""
        known, others = set(self.labels), Counter()
        for recording in data:
            others.update(part for part in self.cut(recording.label or "") if part not in known)
        if not others:
            return None
        what = self.tokens or "classes"
        shown = listed([repr(part) for part in sorted(others)])
        text = (
            f"{what} that the model does not know and never answers: {others.total():,} ({shown})"
        )
        return Finding("warning", text, others.total())

    def summary(self) -> Iterator[tuple[str, str]]:
        made, hop = self.features, 1000 * self.features.hop
        step = "" if self.stack == 1 else f", {self.stack} frames a step"
        yield (
            "features",
            f"log-mel at {made.rate:,} Hz: {made.bands} bands of {made.low:,.0f} to "
            f"{made.high:,.0f} Hz every {hop:.0f} ms{step}",
        )
        if self.is_sequence:
            yield "target", f"sequences of {self.tokens}, {len(self.labels):,} different"
        else:
            yield "target", f"one of {counted(len(self.labels), 'class', 'classes')}"

    def to_dict(self) -> dict[str, Any]:
        """A form that JSON can hold; `from_dict` is its inverse, without the findings."""
        return {
            "target": self.target,
            "labels": list(self.labels),
            "tokens": self.tokens,
            "stack": self.stack,
            "features": self.features.to_dict(),
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Coding:
        made = {"labels": tuple(saved["labels"]), "features": LogMel.from_dict(saved["features"])}
        return cls(**{**saved, **made})


def cut(text: str, tokens: str) -> list[str]:
    """The characters or words of a transcript; blanks in a row count as one."""
    words = text.split()
    return words if tokens == WORDS else list(" ".join(words))


def target_of(data: Recordings, wanted: str | None) -> tuple[str, Finding | None]:
    """What is learned: `wanted`, or what the labels look like, which is then a finding.

    Transcripts are sequences. So are labels most of which are there once: no class has examples.

    Raises:
        DataError: there are no labels.
    """
    if not data.role:
        raise DataError(
            f"{data.name} has no labels to learn: give labels='{{label}}_*', after the names of "
            "the files, or 'folder', or the path of a CSV with columns file and label (or "
            "transcript)"
        )
    if wanted is not None:
        return one_of(wanted, TARGETS, "target"), None
    counts = Counter(recording.label for recording in data)
    once = sum(count == 1 for count in counts.values())
    if data.role == "transcript" or 2 * once > len(data):
        text = f"{data.role}s are learned as sequences (target 'class' takes each as a class)"
        return SEQUENCE, Finding("found", text)
    return CLASS, None


def tokens_of(data: Recordings, wanted: str | None) -> tuple[str, Finding | None]:
    """What transcripts are cut into: `wanted`, or words where they are few and come often."""
    if wanted is not None:
        return one_of(wanted, TOKENS, "tokens"), None
    counts = Counter(word for recording in data for word in cut(recording.label or "", WORDS))
    few = len(counts) <= _FEW_WORDS and counts.total() >= _OFTEN * len(counts)
    tokens = WORDS if few else CHARACTERS
    told = f"transcripts are cut into {tokens}: {counts.total():,} words, {len(counts):,} different"
    return tokens, Finding("found", told)


def learn_labels(data: Recordings, target: str, tokens: str) -> tuple[str, ...]:
    """All classes, characters or words, sorted.

    Raises:
        DataError: there is one class only, or nothing is said.
    """
    labels = [recording.label or "" for recording in data]
    if target == SEQUENCE:
        found = sorted({part for text in labels for part in cut(text, tokens)})
        if not found:
            raise DataError(f"all transcripts of {data.name} are empty; there is nothing to learn")
        return tuple(found)
    found = sorted(set(labels))
    if len(found) == 1:
        raise DataError(
            f"all {len(data):,} recordings of {data.name} are of one class, {found[0]!r}; there is "
            "nothing to tell apart"
        )
    return tuple(found)


def rare(data: Recordings) -> Finding | None:
    """A warning of classes that one recording has."""
    counts = Counter(recording.label or "" for recording in data)
    once = sorted(label for label, count in counts.items() if count == 1)
    if not once:
        return None
    text = f"classes of one recording: {len(once):,} ({listed(once)}); nothing can test them"
    return Finding("warning", text, len(once))
