"""Arrays of 0 and 1 as pieces: .mat, .npy and .npz files, and what is in memory.

Shapes: N pieces, T steps, K keys.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from ..errors import DataError
from ..midi import KEYS, LOWEST, NOTES
from ..reading.notes import Notes, listed
from ..rolls import Roll, part_of
from .asked import Asked, Found

# How scipy and numpy say that a file is damaged.
# How .npy and .npz files begin.
_MAGIC = (b"\x93NUMPY", b"PK")
_BROKEN = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError),
    *(AttributeError, RuntimeError, SyntaxError, TokenError, zlib.error, zipfile.BadZipFile),
)


def is_arrays(source: Any) -> bool:
    """Whether this is an array, or a list of such, and no dataframe."""
    if isinstance(source, (list, tuple, np.ndarray)):
        return True
    return hasattr(source, "__array__") and not hasattr(source, "columns")


def variables(path: Path, notes: Notes) -> list[tuple[str, Any]]:
    """The variables of a .mat file that hold rolls."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path)
    except NotImplementedError:
        raise DataError(
            f"{path} is of MATLAB 7.3, which is another format; save it again with -v7"
        ) from None
    except (*_BROKEN, MatReadError) as problem:
        raise DataError(f"{path} is no readable .mat file: {_reason(problem)}") from None
    named = {name: value for name, value in content.items() if not name.startswith("__")}
    rolls = [(n, v) for n, v in named.items() if v.dtype.kind == "O" or _is_roll(v)]
    others = sorted(set(named) - {name for name, _ in rolls})
    notes.left_out(f"variables that hold no rolls ({listed(others)}): {{}}", len(others))
    if not rolls:
        raise DataError(f"{path} holds no rolls; expected arrays [steps, keys], or cells of them")
    return [(n, list(v.ravel()) if v.dtype.kind == "O" else v) for n, v in rolls]


def _is_roll(value: np.ndarray) -> bool:
    """Whether a variable is more than one number, such as the length of a step."""
    return value.dtype.kind in "fiub" and value.size > 1


def stored(path: Path) -> list[tuple[str, Any]]:
    """The arrays of a .npy or .npz file."""
    # From memory: numpy leaves a damaged file open.
    held = path.read_bytes()
    if not held.startswith(_MAGIC):
        raise DataError(f"{path} cannot be read: it is no .npy or .npz file, though named so")
    try:
        content = np.load(io.BytesIO(held), allow_pickle=False)
        if isinstance(content, np.ndarray):
            return [("", content)]
        with content:
            return [(name, content[name]) for name in content.files]
    except _BROKEN as problem:
        told = _reason(problem)
        if "allow_pickle" in told:
            told = "it holds pickled objects, which can run code; save plain arrays [steps, keys]"
        raise DataError(f"{path} cannot be read: {told}") from None


def _reason(problem: BaseException) -> str:
    return str(problem).splitlines()[0] if str(problem) else type(problem).__name__


def from_arrays(named: list[tuple[str, Any]], asked: Asked, notes: Notes) -> Found:
    """The pieces of arrays, each under a name that may be that of a part.

    Raises:
        DataError: they hold something else than 0 and 1, or have different keys.
    """
    tally: Counter[str] = Counter()
    pieces = []
    for name, value in named:
        arrays = _several(value)
        part = part_of(name)
        for place, array in enumerate(arrays, start=1):
            told = part or name or "piece"
            called = told if len(arrays) == 1 and name else f"{told} {place}"
            pieces.append(Roll(called, binary(array, called, tally), part))
    if not pieces:
        raise DataError("the source holds no array; expected 0 and 1, [steps, keys]")
    first = pieces[0]
    for piece in pieces:
        if piece.frames.shape[1] != first.frames.shape[1]:
            raise DataError(
                f"{piece.name} has {piece.frames.shape[1]} columns, {first.name} "
                f"{first.frames.shape[1]}; all pieces must have the same keys"
            )
    notes.repaired("cells above 1, such as velocities, taken as 1: {}", tally["above"])
    return placed(pieces, asked, notes)


def _several(value: Any) -> list[Any]:
    """One piece for each array [T, K] of a value."""
    if isinstance(value, (list, tuple)):
        rows = bool(value) and all(np.ndim(row) == 1 for row in value)
        return [value] if rows else list(value)
    return list(value) if np.ndim(value) == 3 else [value]


def binary(array: Any, name: str, tally: Counter[str]) -> np.ndarray:
    """An array as uint8 [T, K] of 0 and 1."""
    try:
        values: np.ndarray = np.asarray(array)
    except (TypeError, ValueError, RuntimeError) as problem:
        raise DataError(f"{name} is no array of numbers: {_reason(problem)}") from None
    if values.ndim != 2 or values.dtype.kind not in "biuf" or not values.shape[1]:
        raise DataError(
            f"{name} must be numbers 0 and 1, [steps, keys], got {list(values.shape)} of "
            f"{values.dtype}"
        )
    if values.dtype.kind in "if":
        _check_whole(values, name)
    tally["above"] += int((values > 1).sum())
    return (values > 0).astype(np.uint8)


def _check_whole(values: np.ndarray, name: str) -> None:
    wrong = ~np.isfinite(values) | (values != np.floor(values)) | (values < 0)
    if wrong.any():
        row, column = np.argwhere(wrong)[0].tolist()
        raise DataError(
            f"{name} holds {values[row, column]:g} at step {row + 1}, key {column + 1}; expected "
            "0 and 1 only"
        )


def placed(pieces: list[Roll], asked: Asked, notes: Notes) -> Found:
    """Arrays with their notes: columns from `lowest` on."""
    width = pieces[0].frames.shape[1]
    lowest = asked.lowest
    if width == NOTES and lowest is not None and asked.keys:
        window = slice(lowest, lowest + asked.keys)
        lost = sum(int(p.frames.sum()) - int(p.frames[:, window].sum()) for p in pieces)
        notes.left_out(
            f"cells outside the keys {lowest} to {lowest + asked.keys - 1}, left out: {{}}", lost
        )
        cut = [replace(p, frames=p.frames[:, window]) for p in pieces]
        return Found(cut, lowest)
    if asked.keys and asked.keys != width:
        raise DataError(f"{pieces[0].name} has {width} columns; {asked.keys} keys are needed")
    if lowest is None:
        lowest = {KEYS: LOWEST, NOTES: 0}.get(width)
    if lowest is not None and lowest + width > NOTES:
        raise DataError(
            f"{width} columns from note {lowest} on reach above {NOTES - 1}; choose a lower lowest"
        )
    return Found(pieces, lowest)
