"""Which kind of source rolls come from."""

from __future__ import annotations

import os
from typing import Any

from ..collecting.files import existing
from ..errors import DataError
from ..reading.notes import Notes
from .arrays import from_arrays, is_arrays, stored, variables
from .asked import Asked, Found
from .midi_files import SUFFIXES, from_midi
from .tables import from_table

TABLES = (".csv", ".tsv", ".txt", ".parquet", ".pq", ".gz")
PICKLES = (".pkl", ".pickle", ".p", ".pt", ".joblib")


def read_source(source: Any, asked: Asked, steps_per_beat: int, notes: Notes) -> Found:
    """The pieces of a source.

    Arguments:
        steps_per_beat: the grid of MIDI files.

    Raises:
        DataError: it cannot be read as it is.
    """
    if not isinstance(source, str | os.PathLike):
        if is_arrays(source):
            return from_arrays([("", source)], asked, notes)
        return from_table(source, asked, notes)
    path = existing(source, "source")
    kind = path.suffix.lower()
    if path.is_dir() or kind in (*SUFFIXES, ".zip"):
        return from_midi(path, asked, steps_per_beat, notes)
    if kind == ".mat":
        return from_arrays(variables(path, notes), asked, notes)
    if kind in (".npy", ".npz"):
        return from_arrays(stored(path), asked, notes)
    if kind in PICKLES:
        raise DataError(
            f"{path} is a pickle, which can run code when it is opened; save the arrays with "
            "numpy.savez, or take the .mat file of the same collection"
        )
    if kind in TABLES:
        return from_table(path, asked, notes)
    raise DataError(
        f"{path}: files ending in {kind!r} cannot be read; give a .mat, .mid, .npy, .npz or .csv "
        "file, or a folder of MIDI files"
    )
