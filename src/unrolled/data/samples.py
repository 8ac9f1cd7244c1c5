"""A collection of sequences, each with a class: texts, or numbers step by step.

    read_samples("spam.tsv")                            a table: a row a text
    read_samples("names/")                              a file a class, a line a text
    read_samples("reviews/")                            a folder a class, a file a text
    read_samples("pendigits.tra", columns_per_step=2)   a table: a row a sequence of numbers
    read_samples("steps.csv", sample="id", step="t")    a table: a row a step
    read_samples("JapaneseVowels_TRAIN.ts")             sktime's format

Shapes: T steps, F features.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..naming import counted
from .errors import DataError
from .series import Finding
from .splitting import both_sides, held_out

# Below this share of the largest class, a class is called small.
_SMALL = 0.1
_MOST_IN_SUMMARY = 4


@dataclass(frozen=True, eq=False)
class Sample:
    """One sequence.

    Attributes:
        values: a text, or float64 [T, F].
        label: its class; empty where classes are not read.
        name: where it comes from, such as "row 5" or "French.txt, line 3".
    """

    values: str | np.ndarray
    label: str
    name: str

    def __len__(self) -> int:
        """Characters of a text, steps of numbers."""
        return len(self.values)


@dataclass(frozen=True, eq=False, repr=False)
class Samples:
    """Sequences of one kind, with everything that was found while reading them.

    Attributes:
        samples: in the order of their source.
        classes: in alphabetical order.
        features: names of the features of numeric sequences; empty for texts.
        reading: arguments with which `read_samples` reads another source in the same way; JSON
            can hold them.
    """

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    name: str = "samples"
    features: tuple[str, ...] = ()
    reading: dict[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def __getitem__(self, place: int) -> Sample:
        return self.samples[place]

    def __repr__(self) -> str:
        return f"Samples({self.summary()})"

    @property
    def is_text(self) -> bool:
        return isinstance(self.samples[0].values, str)

    @property
    def lengths(self) -> np.ndarray:
        """Characters or steps of each sample, [N]."""
        return np.array([len(sample) for sample in self], dtype=np.int64)

    @property
    def targets(self) -> np.ndarray:
        """The place of each sample's class among the classes, [N].

        Raises:
            DataError: the samples have no classes.
        """
        if not self.classes:
            raise DataError(f"{self.name} was read without classes; read it with labelled=True")
        places = {label: place for place, label in enumerate(self.classes)}
        return np.array([places[sample.label] for sample in self], dtype=np.int64)

    @property
    def counts(self) -> dict[str, int]:
        """Samples of each class."""
        found = Counter(sample.label for sample in self)
        return {label: found[label] for label in self.classes}

    def select(self, places: Sequence[int] | np.ndarray) -> "Samples":
        """Some of the samples, by their places; the classes stay."""
        return replace(self, samples=tuple(self.samples[int(place)] for place in places))

    def split(
        self, share: float, seed: int = 0, stratified: bool = True
    ) -> tuple["Samples", "Samples"]:
        """All but a share of the samples, and that share, each in the order of the source.

        Arguments:
            share: of the samples in the second part, between 0 and 1.
            seed: of what is drawn.
            stratified: whether every class gives that share, up to one sample. A class of one
                sample stays in the first part.

        Raises:
            ValueError: the share is not between 0 and 1.
            DataError: one of the parts would be empty.
        """
        classes = self.targets.tolist() if stratified and self.classes else None
        held = held_out(len(self), share, seed, classes)
        return both_sides(self, held, share, counted(len(self), "sample"))

    def summary(self) -> str:
        """One line: how many, how long, of which classes."""
        lengths, counts = self.lengths, self.counts
        unit = "characters" if self.is_text else f"steps of {len(self.features)} features"
        largest = sorted(counts, key=lambda label: (-counts[label], label))
        shown = ", ".join(f"{label} {counts[label]:,}" for label in largest[:_MOST_IN_SUMMARY])
        rest = len(counts) - _MOST_IN_SUMMARY
        shown += f" and {rest} more" if rest > 0 else ""
        classes = f"; {len(counts)} classes: {shown}" if counts else "; no classes"
        return (
            f"{self.name}: {len(self):,} samples of {lengths.min()} to {lengths.max()} "
            f"(median {int(np.median(lengths))}) {unit}{classes}"
        )


def read_samples(
    source: Any,
    *,
    text: str | None = None,
    label: str | None = None,
    sample: str | None = None,
    step: str | None = None,
    features: Sequence[str] | None = None,
    columns_per_step: int | None = None,
    header: bool | None = None,
    quotes: bool | None = None,
    unique: bool = False,
    accents: bool = True,
    labelled: bool = True,
    classes: Sequence[str] | None = None,
    name: str | None = None,
) -> Samples:
    """Read sequences and their classes.

    Arguments:
        source: a table (path of a text file of columns, .gz, .zip or Parquet; or a dataframe), a
            folder of files or of folders named after their classes, or a .ts file.
        text: column of the texts. By default the one with the longest.
        label: column of the classes. By default by its name, or the one with few values.
        sample, step: columns of a table with a row for each step: the sample it belongs to, and
            its place there. By default by their names; steps else as they come.
        features: columns of numbers. By default all others.
        columns_per_step: numbers of each step, where a row is a sequence: first step first.
        header: whether the first line of a text file names the columns. By default it does
            unless a cell of it is a number, is long, or comes again further down.
        quotes: whether quotation marks hold cells together. By default unless tabs part them.
        unique: whether samples that equal an earlier one in values and class are dropped.
        accents: False removes accents from texts (the marks that Unicode's NFD sets apart).
        labelled: False reads sequences whose classes are not known; of a .txt file, each line.
        classes: of samples read before, for others: each must be of one of them.
        name: of the collection, in summaries. By default that of the source.

    Raises:
        DataError: the source cannot be read as it is; the message says what to do.
    """
    # Polars is imported here, so that importing this package stays cheap.
    from .collecting.roles import Asked
    from .reading.notes import Notes

    notes = Notes()
    wanted = tuple(features or ()) or None
    asked = Asked(text, label, sample, step, wanted, columns_per_step, labelled)
    rows, found, reading = _rows(source, asked, header, quotes, notes)
    samples = [Sample(v, (label or "") * labelled, place) for v, label, place in rows]
    samples = samples if accents else _without_accents(samples, notes)
    kept, known = _checked(samples, labelled, unique, classes, notes)
    reading |= {"quotes": quotes, "accents": accents}
    called = name or (Path(source).name if isinstance(source, str | os.PathLike) else "samples")
    return Samples(kept, known, called, found, reading, tuple(notes))


def samples_of(
    values: Sequence[Any],
    labels: Sequence[Any] | None = None,
    *,
    unique: bool = False,
    classes: Sequence[str] | None = None,
    name: str = "samples",
) -> Samples:
    """Sequences that are in memory, with the checks and findings of `read_samples`.

    Arguments:
        values: texts, or arrays [T, F] or [T].
        labels: the class of each; None where they are not known.
        unique, classes, name: as of `read_samples`.

    Raises:
        DataError: they are neither, of several kinds, or cannot be learnt from.
    """
    from .collecting.numbers import Cleaner
    from .reading.notes import Notes

    notes, cleaner = Notes(), Cleaner()
    labelled = labels is not None
    known = [str(label) for label in labels] if labels is not None else [""] * len(values)
    if len(known) != len(values):
        raise DataError(f"there are {len(values)} values and {len(known)} labels; expected as many")
    samples = []
    for place, (given, label) in enumerate(zip(values, known, strict=True)):
        called = f"{place}"
        ready = given if isinstance(given, str) else cleaner.clean(_array(given, called), called)
        samples.append(Sample(ready, label, called))
    shapes = {None if isinstance(s.values, str) else s.values.shape[1] for s in samples}
    if len(shapes) > 1:
        raise DataError("values must all be texts, or arrays [T, F] with the same F features")
    cleaner.report(notes)
    kept, found = _checked(samples, labelled, unique, classes, notes)
    features = tuple(f"feature {k}" for k in range(1, (shapes.pop() or 0) + 1))
    return Samples(kept, found, name, features, {}, tuple(notes))


def _array(given: Any, name: str) -> np.ndarray:
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.zeros(())
    if values.ndim not in (1, 2):
        raise DataError(
            f"value {name} must be a text or numbers [T, F] or [T], got {type(given).__name__}"
        )
    return values[:, None] if values.ndim == 1 else values


def _rows(
    source: Any, asked: Any, header: bool | None, quotes: bool | None, notes: Any
) -> tuple[list[Any], tuple[str, ...], dict[str, Any]]:
    """Values, class and name of each sample; names of features; how a table was read."""
    from .collecting import files, roles
    from .collecting.folders import from_folder
    from .collecting.tables import from_table
    from .collecting.ts import from_ts

    if isinstance(source, str | os.PathLike):
        path = files.existing(source, "source")
        if path.is_dir():
            return list(from_folder(path, notes)), (), {}
        if path.suffix.lower() == ".ts":
            rows = from_ts(files.read_text(path, notes), path.name, notes)
            size = rows[0][0].shape[1] if rows else 0
            return list(rows), tuple(f"dimension {k}" for k in range(1, size + 1)), {}
        if path.suffix.lower() == ".txt" and not (asked.labelled or asked.text):
            lines = files.lines_of(files.read_text(path, notes))
            notes.found("a line a sample")
            return [(line, None, f"line {k}") for k, line in enumerate(lines, start=1)], (), {}
    frame, named = files.open_frame(
        source, header, quotes, roles.looks_like_header, notes, alone=not asked.labelled
    )
    read = from_table(frame, asked, notes)
    return read.rows, read.features, {**read.reading, "header": named}


def _checked(
    samples: list[Sample], labelled: bool, unique: bool, known: Sequence[str] | None, notes: Any
) -> tuple[tuple[Sample, ...], tuple[str, ...]]:
    """The samples that stay, and the classes."""
    kept = _once(_with_content(samples, labelled, notes), unique, notes)
    return tuple(kept), _classes(kept, known, notes) if labelled else ()


def _with_content(samples: list[Sample], labelled: bool, notes: Any) -> list[Sample]:
    kept = [s for s in samples if (s.values.strip() if isinstance(s.values, str) else len(s))]
    notes.left_out("empty samples, dropped: {}", len(samples) - len(kept))
    with_class = [s for s in kept if s.label] if labelled else kept
    notes.left_out("samples without a class, dropped: {}", len(kept) - len(with_class))
    if not with_class:
        raise DataError("the source holds no sample with content" + " and a class" * labelled)
    return with_class


def _without_accents(samples: list[Sample], notes: Any) -> list[Sample]:
    plain = [
        replace(s, values=without_accents(s.values)) if isinstance(s.values, str) else s
        for s in samples
    ]
    changed = sum(a.values is not b.values for a, b in zip(samples, plain, strict=True))
    notes.repaired("texts with accents, which were removed: {}", changed)
    return plain


def without_accents(text: str) -> str:
    """A text without the marks that Unicode's canonical decomposition (NFD) sets apart."""
    parts = unicodedata.normalize("NFD", text)
    plain = "".join(c for c in parts if unicodedata.category(c) != "Mn")
    return text if plain == text else plain


def _once(samples: list[Sample], unique: bool, notes: Any) -> list[Sample]:
    """Count, and if so wanted drop, what comes again; count what has several classes."""
    seen: dict[Any, set[str]] = {}
    first = []
    for sample in samples:
        values = sample.values
        key = values if isinstance(values, str) else (values.shape, values.tobytes())
        labels = seen.setdefault(key, set())
        if sample.label not in labels:
            first.append(sample)
        labels.add(sample.label)
    again = len(samples) - len(first)
    if unique:
        notes.left_out("samples that equal an earlier one, dropped: {}", again)
    else:
        notes.warned(
            "samples that equal an earlier one, so that both sides of a split can have them "
            "(unique=True drops them): {}",
            again,
        )
    notes.warned(
        "samples that come with several classes: {}", sum(len(s) > 1 for s in seen.values())
    )
    return first if unique else samples


def _classes(samples: list[Sample], known: Sequence[str] | None, notes: Any) -> tuple[str, ...]:
    from .reading.notes import listed

    counts = Counter(sample.label for sample in samples)
    if known is not None:
        others = sorted(set(counts) - set(known))
        if others:
            raise DataError(f"the model does not know the classes {listed(others)}; drop them")
        return tuple(known)
    if len(counts) == 1:
        raise DataError(
            f"all {len(samples):,} samples are of one class, {next(iter(counts))!r}; "
            "there is nothing to tell apart"
        )
    most, many = counts.most_common(1)[0]
    small = sorted(label for label, count in counts.items() if count < _SMALL * many)
    notes.warned(
        f"classes with less than a tenth of the samples of {most!r} ({many:,}): {{}} "
        f"({listed([f'{label} {counts[label]:,}' for label in small])})",
        len(small),
    )
    return tuple(sorted(counts))
