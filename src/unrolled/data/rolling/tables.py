"""Tables as pieces: a row a step, a column of 0 and 1 a key.

Shapes: T steps, K keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..collecting.files import open_frame
from ..errors import DataError
from ..midi import NOTES
from ..reading.notes import Notes, listed
from ..rolls import Roll, part_of
from .arrays import binary, placed
from .asked import Asked, Found

PIECES = ("piece", "song", "sequence", "sample", "sample_id", "id", "name")
STEPS = ("step", "frame", "time", "t", "timestep", "time_step", "timestamp", "index")


def from_table(source: Any, asked: Asked, notes: Notes) -> Found:
    """The pieces of a table.

    Raises:
        DataError: a column is missing, or holds something else than it should.
    """
    from ..reading.columns import Columns

    frame, named = open_frame(source, None, None, _names_columns, notes, alone=True)
    columns = Columns(frame)
    columns.check([name for name in (asked.piece, asked.step) if name], "piece, step")
    columns.check(asked.columns or (), "columns")
    piece = _piece(columns, asked)
    step = asked.step or _by_name(columns.names, STEPS, asked)
    free = [n for n in columns.names if n not in (piece, step)]
    numbers = [name for name in free if columns.kind(name) == "number"]
    keys = list(asked.columns or ())
    if not keys:
        notes.ignored("no numbers", [name for name in free if name not in numbers])
        is_notes = not named or (bool(numbers) and _first_note(numbers) is not None)
        keys = numbers if is_notes else _on_or_off(columns, numbers, notes)
    others = [name for name in free if name not in keys]
    if asked.columns:
        notes.ignored("not read as keys", others)
    if not keys:
        raise DataError(f"no column of numbers 0 and 1 among {listed(columns.names)}")
    tally: Counter[str] = Counter()
    values = np.stack([columns.numbers(name, "key") for name in keys], axis=1)
    told = "the table" if not named else f"the table (keys {listed(keys)})"
    frames = binary(values, told, tally)
    notes.repaired("cells above 1, such as velocities, taken as 1: {}", tally["above"])
    pieces = list(_pieces(columns, frames, piece, step, notes))
    if not named:
        return placed(pieces, asked, notes)
    lowest = asked.lowest if asked.lowest is not None else _first_note(keys)
    return Found(pieces, lowest, None if lowest is not None else tuple(keys), None, piece, step)


def _names_columns(frame: Any) -> bool:
    """Whether the first row names columns: it has something else than 0 and 1."""
    return not all((cell or "").strip() in ("0", "1", "0.0", "1.0") for cell in frame.row(0))


def _by_name(names: list[str], wanted: Sequence[str], asked: Asked) -> str | None:
    taken = (asked.piece, asked.step, *(asked.columns or ()))
    return next((n for n in names if n.lower() in wanted and n not in taken), None)


def _piece(columns: Any, asked: Asked) -> str | None:
    """The column of pieces; one that differs in every row tells none apart."""
    name = asked.piece or _by_name(columns.names, PIECES, asked)
    if name is None or asked.piece or columns.labels(name).n_unique() < len(columns.frame):
        return name
    return None


def _on_or_off(columns: Any, numbers: Sequence[str], notes: Notes) -> list[str]:
    """The columns of 0 and 1; where no column has a 1 at most, all, as velocities."""
    most = {name: np.nanmax(columns.numbers(name, "key"), initial=0) for name in numbers}
    if 1 not in most.values():
        return list(numbers)
    wrong = [n for n in numbers if not _is_on_or_off(columns.numbers(n, "key"))]
    notes.ignored("more than 0 and 1, so no key; name those that are as columns", wrong)
    return [name for name in numbers if name not in wrong]


def _is_on_or_off(values: np.ndarray) -> bool:
    return bool(np.isin(values[~np.isnan(values)], (0, 1)).all())


def _first_note(names: list[str]) -> int | None:
    """The note of the first column, where columns are named by MIDI notes in a row."""
    numbers = [int(name) if name.isdigit() else -1 for name in names]
    in_a_row = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    return numbers[0] if in_a_row and 0 <= numbers[0] <= NOTES - len(numbers) else None


def _order(columns: Any, step: str, notes: Notes) -> np.ndarray:
    """What the rows of a piece are sorted by: numbers, or times; NaN where there is none."""
    if columns.kind(step) != "time":
        return columns.numbers(step, "step")
    from ..reading.columns import without_missing
    from ..reading.times import read_times

    column = columns.frame[step]
    times = read_times(column, without_missing(column), notes)
    return times.to_physical().cast(float).fill_null(float("nan")).to_numpy()


def _pieces(
    columns: Any, frames: np.ndarray, piece: str | None, step: str | None, notes: Notes
) -> Iterator[Roll]:
    """The rows of each piece, step by step."""
    steps = _order(columns, step, notes) if step else np.arange(len(frames), dtype=float)
    if np.isnan(steps).any():
        row = int(np.argmax(np.isnan(steps))) + 1
        raise DataError(f"the column {step!r} is empty in data row {row}; fill it in")
    labels = columns.labels(piece).to_list() if piece else ["piece 1"] * len(frames)
    notes.left_out("rows without a piece, left out: {}", sum(label is None for label in labels))
    notes.found(
        (f"a piece for each {piece!r}" if piece else "all rows are one piece")
        + (f", in the order of {step!r}" if step else ", in the order of the rows")
    )
    places: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        if label is not None:
            places.setdefault(label, []).append(row)
    for label, rows in places.items():
        own = np.array(rows)[np.argsort(steps[rows], kind="stable")]
        twice = np.flatnonzero(np.diff(steps[own]) == 0)
        if len(twice):
            row = own[twice[0] + 1] + 1
            raise DataError(f"{label} has two rows of one {step}, the second in data row {row}")
        yield Roll(label, frames[own], part_of(label))
