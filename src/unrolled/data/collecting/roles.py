"""Which column of a table is the text, the label, the name of a sample, its step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import DataError
from ..reading.columns import Columns
from ..reading.notes import Notes, listed

LABELS = ("label", "class", "target", "category", "intent", "sentiment", "y")
SAMPLES = (
    *("sample", "sample_id", "id", "sequence", "sequence_id", "case", "case_id"),
    *("recording", "recording_id", "trial", "trial_id"),
)
STEPS = ("step", "time", "t", "timestep", "time_step", "position", "timestamp")
# A column with more different values than this, or than half its rows, is no label.
_MOST_CLASSES = 200
# Texts are longer than this on average; shorter ones are names, unless there is nothing else.
_LONG = 20
# Cells longer than this are no names of columns.
_LONGEST_NAME = 40


@dataclass(frozen=True)
class Asked:
    """What the user said of a table; None leaves it to the reader."""

    text: str | None = None
    label: str | None = None
    sample: str | None = None
    step: str | None = None
    features: tuple[str, ...] | None = None
    columns_per_step: int | None = None
    labelled: bool = True

    def check(self, columns: Columns) -> None:
        for role in ("text", "label", "sample", "step"):
            name = getattr(self, role)
            columns.check([name] if name else [], role)
        columns.check(self.features or (), "features")

    @property
    def named(self) -> tuple[str, ...]:
        names = (self.text, self.label, self.sample, self.step)
        return tuple(name for name in names if name)


def looks_like_header(frame: Any) -> bool:
    """Whether the first row of a table of text names its columns.

    It does not if one of its cells is a number, is long, or comes again below; otherwise it does.
    """
    from ..reading.columns import without_missing

    first = [(cell or "").strip() for cell in frame.row(0)]
    if frame.height < 2 or not all(first) or len(set(first)) < len(first):
        return False
    if any(len(cell) > _LONGEST_NAME or _is_number(cell) for cell in first):
        return False
    rest = frame.slice(1)
    return not any(
        bool((without_missing(rest[name]) == cell).any())
        for name, cell in zip(frame.columns, first, strict=True)
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def kind_of(columns: Columns, asked: Asked) -> str:
    """ "text", "long" (a row a step) or "wide" (a row a sequence)."""
    if asked.text:
        return "text"
    if asked.sample or asked.step:
        return "long"
    if asked.columns_per_step:
        return "wide"
    free = [name for name in columns.names if name not in asked.named]
    texts = [name for name in free if columns.kind(name) == "text"]
    numbers = [name for name in free if columns.kind(name) == "number"]
    many = [name for name in texts if not _few_values(columns, name)]
    lone = [] if asked.labelled else texts
    if any(length_of(columns, name) > _LONG for name in texts) or (texts and not numbers):
        return "text"
    if (many or lone) and len(numbers) <= len(texts):
        return "text"
    repeated = [n for n in free if n.lower() in (*SAMPLES, *STEPS) and _repeats(columns, n)]
    return "long" if repeated else "wide"


def length_of(columns: Columns, name: str) -> float:
    """Characters of a text column, on average."""
    texts = columns.labels(name).drop_nulls().to_list()
    return sum(map(len, texts)) / max(1, len(texts))


def find_text(columns: Columns, asked: Asked, label: str | None, notes: Notes) -> str:
    """The column with the longest texts.

    Raises:
        DataError: there is none, or two are about as long.
    """
    if asked.text:
        return asked.text
    free = [n for n in columns.names if n != label and columns.kind(n) == "text"]
    if not free:
        raise DataError(f"no column of text among {listed(columns.names)}; name it with text=...")
    by_length = sorted(free, key=lambda name: -length_of(columns, name))
    close = [n for n in by_length if 2 * length_of(columns, n) > length_of(columns, by_length[0])]
    if len(close) > 1:
        raise DataError(
            f"several columns could be the text ({listed(close)}); choose one, text=..."
        )
    notes.found(f"text {close[0]!r}")
    return close[0]


def find_label(columns: Columns, asked: Asked, free: Sequence[str], notes: Notes) -> str | None:
    """The column with few different values, or None of a table without classes.

    Raises:
        DataError: there is none, or there are several.
    """
    if asked.label or not asked.labelled:
        return asked.label
    free = [name for name in free if columns.kind(name) in ("text", "number")]
    few = [name for name in free if _few_values(columns, name)]
    chosen = [name for name in free if name.lower() in LABELS]
    chosen = chosen if len(chosen) == 1 else few
    if len(chosen) != 1:
        what = f"several columns could be the label ({listed(chosen)})"
        what = what if chosen else f"no column of {listed(free)} has few different values"
        raise DataError(f"{what}; name the one with the classes, label=...")
    notes.found(f"label {chosen[0]!r}")
    return chosen[0]


def find_number_label(columns: Columns, asked: Asked, notes: Notes) -> str | None:
    """The label of a table of numbers: by its name, as the only text, at the end, by few values."""
    if asked.label or not asked.labelled:
        return asked.label
    free = [n for n in columns.names if n not in asked.named and n not in (asked.features or ())]
    by_name = [name for name in free if name.lower() in LABELS]
    texts = [n for n in free if columns.kind(n) == "text" and n.lower() not in SAMPLES]
    last = [free[-1]] if free and _few_values(columns, free[-1]) else []
    few = [name for name in free if _few_values(columns, name)]
    for candidates in (by_name, texts, last, few):
        if len(candidates) == 1:
            notes.found(f"label {candidates[0]!r}")
            return candidates[0]
    several = by_name or texts or few
    what = f"several columns could be the label ({listed(several)})"
    what = what if several else "no column looks like a label"
    raise DataError(f"{what}; name the one with the classes, label=...")


def by_name(columns: Columns, names: Sequence[str], asked: Asked) -> str | None:
    """The first column called one of these."""
    found = [n for n in columns.names if n.lower() in names and n not in asked.named]
    return found[0] if found else None


def _few_values(columns: Columns, name: str) -> bool:
    if columns.frame[name].dtype.is_float():
        return False
    labels = columns.labels(name).drop_nulls()
    return labels.n_unique() <= max(2, min(_MOST_CLASSES, labels.len() // 2))


def _repeats(columns: Columns, name: str) -> bool:
    labels = columns.labels(name).drop_nulls()
    return labels.n_unique() < labels.len()
