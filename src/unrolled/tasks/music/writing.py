"""Rolls as files: MIDI where keys are notes; else, or if so wanted, a table or an array."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from ...data.midi import TEMPO, as_midi
from ...naming import one_of
from .coding import Coding

# What a beat is given where the data do not say how many steps it has.
ONE_STEP = 1
SUFFIXES = (".mid", ".midi", ".csv", ".npy")


def usual_suffix(coding: Coding) -> str:
    """ ".mid" for notes, ".csv" for other keys."""
    return ".csv" if coding.lowest is None else ".mid"


def check_suffix(path: Path, coding: Coding) -> None:
    """Raise ValueError unless rolls of these keys can be written to `path`, by its ending."""
    one_of(path.suffix.lower(), SUFFIXES, "the ending of the output")
    if path.suffix.lower() in (".mid", ".midi") and coding.lowest is None:
        raise ValueError(
            f"{path} cannot be written: the keys of this model are no notes; choose .csv or .npy"
        )


def write_roll(path: Path, frames: np.ndarray, coding: Coding, tempo: float | None = None) -> Path:
    """Write steps [T, K], as the ending of `path` says.

    Raises:
        ValueError: another ending, or MIDI of keys that are no notes; the tempo is out of range.
        OSError: the file cannot be written.
    """
    check_suffix(path, coding)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        held = io.BytesIO()
        np.save(held, frames.astype(np.uint8), allow_pickle=False)
        data = held.getvalue()
    elif suffix == ".csv":
        rows = [coding.keys, *frames.tolist()]
        data = "".join(",".join(map(_cell, row)) + "\n" for row in rows).encode()
    else:
        data = as_midi(
            frames,
            lowest=coding.lowest or 0,
            steps_per_beat=coding.steps_per_beat or ONE_STEP,
            tempo=tempo or coding.tempo or TEMPO,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _cell(value: object) -> str:
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n\r') else text
