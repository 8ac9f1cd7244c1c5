"""The samples of a classifier, from whatever holds sequences and their classes."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...data import DataError, Samples, TaggedSentences, read_samples, read_tagged, samples_of
from ...data.reading.notes import listed
from ...data.series import Finding

_JSON = (".json", ".jsonl", ".ndjson")
_LINES = (".jsonl", ".ndjson")


def as_samples(
    source: Any, y: Any = None, classes: Sequence[str] | None = None, **reading: Any
) -> Samples:
    """Samples, from what a user has.

    Arguments:
        source: `Samples`, `TaggedSentences` with labels, what `read_samples` reads, JSON lines, or
            JSON files of labelled sentences; with `y` texts or arrays that are in memory.
        y: the class of each.
        classes: those that a model knows, for further data.
        reading: further arguments of `read_samples`.

    Raises:
        DataError: it cannot be read as it is.
    """
    if y is not None:
        return samples_of(in_memory(source), [str(label) for label in y], classes=classes)
    if isinstance(source, str | os.PathLike) and holds_sentences(Path(source)):
        source = read_tagged(source)
    if isinstance(source, TaggedSentences):
        if not source.labels:
            raise DataError(f"the sentences of {source.name} have no labels to learn from")
        return from_sentences(source, classes)
    if not isinstance(source, Samples):
        name = Path(source).name.split(".")[0] if isinstance(source, str | os.PathLike) else None
        return read_samples(table_of(source), classes=classes, name=name or None, **reading)
    return source if classes is None else _of_classes(source, tuple(classes))


def without_classes(source: Any, reading: Mapping[str, Any]) -> Samples:
    """Samples to predict; classes that a source has are not read.

    Arguments:
        source: as `as_samples` takes it, or texts or arrays that are in memory, none of them empty.
        reading: how the data of training were read.
    """
    if isinstance(source, Samples):
        return source
    if not isinstance(source, str | os.PathLike) and not hasattr(source, "columns"):
        return samples_of(in_memory(source))
    path = Path(source) if isinstance(source, str | os.PathLike) else None
    if path is not None and holds_sentences(path):
        return from_sentences(replace(read_tagged(path), labels=None))
    of_classes = ("label", "classes", "labels")
    known = {name: value for name, value in reading.items() if name not in of_classes}
    if path is not None and path.suffix.lower() == ".txt" and known.get("text"):
        # The lines of a text; columns are those of a table.
        known = {name: value for name, value in known.items() if name not in ("text", "header")}
    return read_samples(table_of(source), labelled=False, **known)


def in_memory(source: Any) -> list[Any]:
    """Texts or arrays as a list.

    Raises:
        TypeError: it is one text, or nothing that has an order.
    """
    if isinstance(source, str | Mapping) or not isinstance(source, Iterable):
        raise TypeError(
            "data must be a list of texts or of arrays [steps, features], a path, or Samples; got "
            f"{type(source).__name__}"
        )
    values = list(source)
    wrong = [v for v in values if not isinstance(v, str) and not np.ndim(v)]
    if wrong:
        raise TypeError(
            "data must hold texts or arrays [steps, features]; the first that is neither is "
            f"{wrong[0]!r}"
        )
    return [value if isinstance(value, str) else np.asarray(value) for value in values]


def has_content(value: Any) -> bool:
    """Whether a text holds more than blanks, or an array a number."""
    if isinstance(value, str):
        return bool(value.strip())
    return bool(value.size) and (value.dtype.kind not in "fiu" or bool(np.isfinite(value).any()))


def holds_sentences(path: Path) -> bool:
    """Whether a path is of JSON files of sentences with a label each, such as those of SNIPS."""
    if path.is_dir():
        kinds = Counter(p.suffix.lower() for p in path.iterdir() if p.name[0] != ".")
        return bool(kinds) and kinds.most_common(1)[0][0] in _JSON
    return path.suffix.lower() in _JSON and path.is_file() and not _is_table(path)


def from_sentences(sentences: TaggedSentences, classes: Sequence[str] | None = None) -> Samples:
    """The texts of sentences, each of the class that its label says, if they have labels."""
    texts = [" ".join(words) for words in sentences.words]
    found = samples_of(texts, sentences.labels, classes=classes, name=sentences.name)
    names = sentences.names or [f"sentence {k}" for k in range(1, len(texts) + 1)]
    kept = tuple(replace(sample, name=names[int(sample.name)]) for sample in found)
    told = [each for each in sentences.findings if each.kind != "found"]
    count = f"{len(texts):,} sentences, their words put together by blanks; tags are not read"
    findings = (Finding("found", count), *told, *found.findings)
    return replace(found, samples=kept, findings=findings)


def table_of(source: Any) -> Any:
    """JSON lines as a dataframe; anything else as it is."""
    if not isinstance(source, str | os.PathLike) or Path(source).suffix.lower() not in _LINES:
        return source
    if not Path(source).is_file():
        return source
    import polars as pl

    try:
        return pl.read_ndjson(Path(source), infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError) as problem:
        reason = str(problem).splitlines()[0]
        raise DataError(f"{source} is not lines of JSON objects: {reason}") from None


def _of_classes(data: Samples, classes: tuple[str, ...]) -> Samples:
    """Samples with the classes that a model knows."""
    others = sorted({sample.label for sample in data} - set(classes)) if data.classes else []
    if others:
        raise DataError(f"the model does not know the classes {listed(others)}; drop them")
    return replace(data, classes=classes) if data.classes else data


def _is_table(path: Path) -> bool:
    """Whether the first line of a file is a JSON object without tokens."""
    if path.suffix.lower() not in _LINES:
        return False
    with path.open(encoding="utf-8", errors="replace") as lines:
        first = next((line for line in lines if line.strip()), "")
    try:
        found = json.loads(first)
    except json.JSONDecodeError:
        return False
    return isinstance(found, dict) and "tokens" not in found
