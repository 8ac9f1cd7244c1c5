"""Rows of a table, or groups of rows, as samples.

text    a row a sample: a column of text, a column of classes
wide    a row a sample of numbers: T times F columns, step by step, and a column of classes
long    a row a step: the sample's name, the step, F numbers, the class
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from ..reading.columns import Columns
from ..reading.notes import Notes, listed
from . import roles
from .numbers import Cleaner
from .roles import Asked

Raw = tuple[Any, str | None, str]  # text or [T, F], class, name


@dataclass(frozen=True)
class Read:
    """Samples, the names of their features, and what reads another table in the same way."""

    rows: list[Raw]
    features: tuple[str, ...]
    reading: dict[str, Any]


def from_table(frame: Any, asked: Asked, notes: Notes) -> Read:
    """The samples of a table.

    Raises:
        DataError: a column that is needed is missing, or could be one of several.
    """
    columns = Columns(frame)
    asked.check(columns)
    reader = {"text": _texts, "wide": _wide, "long": _long}[roles.kind_of(columns, asked)]
    return reader(columns, asked, notes)


def _texts(columns: Columns, asked: Asked, notes: Notes) -> Read:
    free = [name for name in columns.names if name != asked.text]
    label = roles.find_label(columns, asked, free, notes)
    text = roles.find_text(columns, asked, label, notes)
    others = [name for name in columns.names if name not in (text, label)]
    notes.ignored("neither the text nor the label", others)
    texts = columns.frame[text].cast(str).to_list()
    return Read(
        [(t or "", c, f"row {k}") for k, (t, c) in enumerate(_beside(columns, texts, label), 1)],
        (),
        {"text": text, "label": label},
    )


def _beside(columns: Columns, values: list[Any], label: str | None) -> list[tuple[Any, Any]]:
    """Values with their classes; None where there is none."""
    classes = columns.labels(label).to_list() if label else [None] * len(values)
    return list(zip(values, classes, strict=True))


def _wide(columns: Columns, asked: Asked, notes: Notes) -> Read:
    label = roles.find_number_label(columns, asked, notes)
    names = _names_of_rows(columns, asked)
    wanted = asked.features or _numeric(columns, [label, names], notes)
    size = asked.columns_per_step or 1
    if size < 1 or len(wanted) % size:
        raise DataError(
            f"columns_per_step is {size}, but there are {len(wanted)} columns of numbers "
            f"({listed(wanted)}); choose a divisor, or name the columns with features=..."
        )
    notes.found(
        f"a row a sequence of {len(wanted) // size} steps with {size} numbers each"
        + ("" if asked.columns_per_step else " (columns_per_step=... for more)")
    )
    numbers = np.stack([columns.numbers(name, "feature") for name in wanted], axis=1)
    cleaner = Cleaner()
    called = columns.labels(names).to_list() if names else []
    rows = []
    for place, (values, label_of) in enumerate(_beside(columns, list(numbers), label)):
        name = (called[place] if called else None) or f"row {place + 1}"
        rows.append((cleaner.clean(values.reshape(-1, size), name), label_of, name))
    cleaner.report(notes)
    reading = {"label": label, "features": list(wanted), "columns_per_step": size}
    return Read(rows, tuple(wanted[:size]), reading)


def _names_of_rows(columns: Columns, asked: Asked) -> str | None:
    name = asked.sample or roles.by_name(columns, roles.SAMPLES, asked)
    return None if name in (asked.features or ()) else name


def _numeric(columns: Columns, taken: list[str | None], notes: Notes) -> tuple[str, ...]:
    """The columns of numbers that are not taken."""
    free = [name for name in columns.names if name not in taken]
    numbers = tuple(name for name in free if columns.kind(name) == "number")
    notes.ignored("no numbers", [name for name in free if name not in numbers])
    if not numbers:
        raise DataError(f"no column of numbers among {listed(columns.names)}; name features=...")
    return numbers


def _long(columns: Columns, asked: Asked, notes: Notes) -> Read:
    sample = asked.sample or roles.by_name(columns, roles.SAMPLES, asked)
    if sample is None:
        raise DataError(
            f"which of the columns {listed(columns.names)} tells samples apart? sample=... names "
            "it; columns_per_step=... if a row is a whole sequence"
        )
    step = asked.step or roles.by_name(columns, roles.STEPS, asked)
    label = _long_label(columns, asked, sample, step, notes)
    wanted = asked.features or _numeric(columns, [sample, step, label], notes)
    notes.found(f"a row a step, sample {sample!r}, " + (f"step {step!r}" if step else "in order"))
    order, firsts, names = _grouped(columns, sample, step, notes)
    numbers = np.stack([columns.numbers(name, "feature") for name in wanted], axis=1)[order]
    classes = _classes(columns, label, order, firsts, names)
    cleaner = Cleaner()
    pieces = np.split(numbers, firsts[1:])
    cleaned = [cleaner.clean(v, name) for v, name in zip(pieces, names, strict=True)]
    cleaner.report(notes)
    reading = {"label": label, "sample": sample, "step": step, "features": list(wanted)}
    return Read(list(zip(cleaned, classes, names, strict=True)), tuple(wanted), reading)


def _long_label(
    columns: Columns, asked: Asked, sample: str, step: str | None, notes: Notes
) -> str | None:
    taken = Asked(label=asked.label, sample=sample, step=step, features=asked.features)
    if not asked.labelled:
        return None
    return roles.find_number_label(columns, taken, notes)


def _grouped(
    columns: Columns, sample: str, step: str | None, notes: Notes
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Rows sample by sample and step by step; where samples begin; their names."""
    called = columns.labels(sample).to_list()
    numbered: dict[str, int] = {}
    codes = np.array([-1 if n is None else numbered.setdefault(n, len(numbered)) for n in called])
    steps = _steps(columns, step)
    order = np.lexsort((np.arange(len(codes)), steps, codes))
    order = order[codes[order] >= 0]
    notes.left_out(f"rows with an empty {sample!r}, left out: {{}}", len(codes) - len(order))
    codes, steps = codes[order], steps[order]
    twice = np.flatnonzero((np.diff(codes) == 0) & (np.diff(steps) == 0)) if step else []
    if len(twice):
        row = order[twice[0] + 1] + 1
        raise DataError(
            f"sample {called[row - 1]} has two rows of one {step}, the second in row {row}"
        )
    firsts = np.flatnonzero(np.diff(codes, prepend=-1))
    return order, firsts, list(numbered)


def _steps(columns: Columns, step: str | None) -> np.ndarray:
    """A number for each row, larger for later ones."""
    if step is None:
        return np.zeros(columns.frame.height)
    labels = columns.labels(step)
    if labels.null_count():
        row = labels.is_null().arg_max() or 0
        raise DataError(f"column {step!r} is empty in data row {row + 1}; fill it in")
    if columns.kind(step) == "number":
        return columns.numbers(step, "step")
    # Dates of one spelling, years first, are in the order of their characters.
    return labels.rank("dense").to_numpy().astype(float)


def _classes(
    columns: Columns, label: str | None, order: np.ndarray, firsts: np.ndarray, names: list[str]
) -> list[str | None]:
    """The class of each sample, which all its rows must have."""
    if label is None:
        return [None] * len(names)
    labels = columns.labels(label).gather(order).to_list()
    found: list[str | None] = []
    for name, first, end in zip(names, firsts, [*firsts[1:], len(labels)], strict=True):
        kinds = sorted({c for c in labels[first:end] if c is not None})
        if len(kinds) > 1:
            raise DataError(
                f"sample {name} has several values of {label!r} ({listed(kinds)}); "
                "a sample has one class"
            )
        found.append(kinds[0] if kinds else None)
    return found
