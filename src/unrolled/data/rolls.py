"""Sequences of 0 and 1, many columns at a time: piano rolls, and whatever is on or off by steps.

    read_rolls("JSB_Chorales.mat")           the literature's files, with their own parts
    read_rolls("midi/", steps_per_beat=4)    MIDI files: one, a folder, or a zip
    read_rolls("rolls.npz")                  arrays [T, K], or [pieces, T, K]
    read_rolls("devices.csv", piece="day")   a table: a row a step, a column of 0 and 1 a key
    read_rolls([first, second])              arrays in memory

Shapes: T steps, K keys.

References:
    Boulanger-Lewandowski, Bengio and Vincent, "Modeling temporal dependencies in high-dimensional
        sequences: application to polyphonic music generation and transcription", ICML 2012
        (piano rolls of the notes 21 to 108, and the four collections in parts).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataError
from .midi import NOTES, STEPS_PER_BEAT, check_grid, note_name
from .series import Finding
from .splitting import check_share

PARTS = ("train", "validation", "test")
_PART = re.compile(
    r"(?P<part>train|valid|val|dev|test)(ing|ation)?(data|set)?(?![a-z])", re.IGNORECASE
)
_PARTS = {"train": "train", "valid": "validation", "val": "validation", "dev": "validation"}


@dataclass(frozen=True, eq=False)
class Roll:
    """One piece.

    Attributes:
        name: such as "test 3", "bach/bwv1.mid".
        frames: 0 and 1, uint8 [T, K].
        part: "train", "validation" or "test" where the source has parts of its own, else "".
        tempo: beats a minute; None where it is not known.
    """

    name: str
    frames: np.ndarray = field(repr=False)
    part: str = ""
    tempo: float | None = None

    def __len__(self) -> int:
        """Steps."""
        return len(self.frames)


@dataclass(frozen=True, eq=False, repr=False)
class Rolls:
    """Pieces with the same keys.

    Attributes:
        pieces: at least one, each of one step or more.
        keys: names of the keys, [K]: "C4", or those of columns.
        lowest: MIDI note of the first key; None where keys are no notes.
        steps_per_beat: the grid; None where it is not known.
        reading: arguments with which `read_rolls` reads another source to the same keys; JSON can
            hold them.
    """

    pieces: tuple[Roll, ...]
    keys: tuple[str, ...]
    lowest: int | None = None
    steps_per_beat: int | None = None
    name: str = "rolls"
    findings: tuple[Finding, ...] = ()
    reading: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pieces)

    def __iter__(self) -> Iterator[Roll]:
        return iter(self.pieces)

    def __getitem__(self, place: int) -> Roll:
        return self.pieces[place]

    def __repr__(self) -> str:
        return f"Rolls({self.summary()})"

    @property
    def lengths(self) -> np.ndarray:
        """Steps of each piece, [N]."""
        return np.array([len(piece) for piece in self], dtype=np.int64)

    @property
    def tempo(self) -> float | None:
        """The commonest tempo; None where none is known."""
        known = Counter(round(piece.tempo, 3) for piece in self if piece.tempo)
        return known.most_common(1)[0][0] if known else None

    @property
    def parts(self) -> dict[str, int]:
        """How many pieces each part of the source's own has; empty where it has none."""
        counts = Counter(piece.part for piece in self if piece.part)
        return {part: counts[part] for part in PARTS if counts[part]}

    def of_part(self, *parts: str) -> Rolls:
        """The pieces of some parts; "" is that of the pieces that are in none.

        Raises:
            DataError: there is none.
        """
        return self.select([k for k, piece in enumerate(self) if piece.part in parts])

    def select(self, places: Sequence[int] | np.ndarray) -> Rolls:
        """Some of the pieces.

        Raises:
            DataError: there is none.
        """
        if not len(places):
            raise DataError(f"{self.name} has no piece of the part that was asked for")
        return replace(self, pieces=tuple(self.pieces[k] for k in places))

    def split(self, share: float, seed: int = 0) -> tuple[Rolls, Rolls]:
        """Pieces drawn at random, `share` of them, held out; of a single piece its end.

        Returns:
            The rest, and the part that is held out.

        Raises:
            ValueError: the share is not between 0 and 1.
            DataError: there is one piece, too short to be cut.
        """
        check_share(share)
        if len(self) == 1:
            return self._cut(share)
        count = min(len(self) - 1, max(1, round(share * len(self))))
        order = np.random.default_rng(seed).permutation(len(self))
        return self.select(np.sort(order[count:])), self.select(np.sort(order[:count]))

    def _cut(self, share: float) -> tuple[Rolls, Rolls]:
        (piece,) = self.pieces
        at = len(piece) - max(2, round(share * len(piece)))
        if at < 2:
            raise DataError(
                f"{self.name} is one piece of {len(piece)} steps, too short to hold out {share}"
            )
        rest = replace(piece, frames=piece.frames[:at])
        end = replace(piece, name=f"{piece.name} from step {at:,}", frames=piece.frames[at:])
        return replace(self, pieces=(rest,)), replace(self, pieces=(end,))

    def summary(self) -> str:
        """One line: how many pieces, how long, how many keys are on."""
        lengths = self.lengths
        on = sum(int(piece.frames.sum()) for piece in self)
        grid = f", {self.steps_per_beat} a beat" if self.steps_per_beat else ""
        parts = ", ".join(f"{count:,} {part}" for part, count in self.parts.items())
        pieces = f"{len(self):,} piece" + "s" * (len(self) > 1)
        span = f"{lengths.min():,} to {lengths.max():,}" if len(self) > 1 else f"{lengths[0]:,}"
        return (
            f"{self.name}: {pieces}{f' ({parts})' * bool(parts)} of {span} steps{grid}, "
            f"{lengths.sum():,} in all; {len(self.keys)} keys ({self.keys[0]} to {self.keys[-1]}), "
            f"{on / lengths.sum():.2f} on at a step"
        )


def read_rolls(
    source: Any,
    *,
    steps_per_beat: int | None = None,
    lowest: int | None = None,
    keys: int | None = None,
    columns: Sequence[str] | None = None,
    piece: str | None = None,
    step: str | None = None,
    name: str | None = None,
) -> Rolls:
    """Read pieces.

    Arguments:
        source: path of a .mat, .mid, .npy, .npz or table file (.csv, .tsv, .parquet), of a folder
            or zip of MIDI files; arrays [T, K], a list of them, or a dataframe.
        steps_per_beat: the grid of MIDI files, default 4 (sixteenths); of other sources what they
            have, for MIDI files that are written.
        lowest, keys: of MIDI files, the first note that is kept and how many; default 21 and 88,
            the piano. Of other sources the note of the first column: default 21 where there are
            88 columns and 0 where there are 128, which `lowest` and `keys` together cut.
        columns: columns of a table that are keys. By default all others that hold numbers.
        piece, step: columns of a table: the piece that a row belongs to, and its place there. By
            default by their names; without a column of pieces all rows are one, as they come.
        name: in summaries. By default that of the source.

    Raises:
        ValueError: an argument is out of its range.
        DataError: the source cannot be read as it is; the message says what to do.
    """
    from .reading.notes import Notes
    from .rolling.asked import Asked
    from .rolling.sources import read_source

    _check(steps_per_beat, lowest, keys)
    notes, asked = Notes(), Asked(lowest, keys, tuple(columns or ()) or None, piece, step)
    found = read_source(source, asked, steps_per_beat or STEPS_PER_BEAT, notes)
    pieces = _with_content(found.pieces, notes)
    own = found.keys or _names(found.lowest, pieces[0].frames.shape[1])
    grid = steps_per_beat or found.steps_per_beat
    reading = {"steps_per_beat": grid, "lowest": found.lowest, "keys": len(own)}
    reading |= {"columns": None if found.keys is None else list(own)}
    reading |= {"piece": found.piece, "step": found.step}
    called = name or (Path(source).stem if isinstance(source, str | os.PathLike) else "rolls")
    read = Rolls(tuple(pieces), own, found.lowest, grid, called, (), reading)
    if read.parts:
        told = ", ".join(f"{count:,} {part}" for part, count in read.parts.items())
        notes.found(f"the source has parts of its own: {told}")
    return replace(read, findings=tuple(notes))


def part_of(name: str) -> str:
    """The part that a name stands for: "validation" for "valid_3", "" for "bach"."""
    match = _PART.match(name)
    return _PARTS.get(match["part"].lower(), "test") if match else ""


def _check(steps_per_beat: int | None, lowest: int | None, keys: int | None) -> None:
    if steps_per_beat is not None:
        check_grid(steps_per_beat)
    for name, value, least in (("lowest", lowest, 0), ("keys", keys, 1)):
        whole = value is None or (isinstance(value, int) and not isinstance(value, bool))
        if not whole or (value is not None and value < least):
            raise ValueError(f"{name} must be a whole number from {least} up, got {value!r}")
    if lowest is not None and lowest + (keys or 1) > NOTES:
        raise ValueError(
            f"lowest and keys must lie among the notes 0 to {NOTES - 1}, got {lowest} and {keys}"
        )


def _with_content(pieces: list[Roll], notes: Any) -> list[Roll]:
    """The pieces that have a step; what is silent, or too short to predict, is counted."""
    kept = [piece for piece in pieces if len(piece)]
    notes.left_out("empty pieces, left out: {}", len(pieces) - len(kept))
    if not kept:
        raise DataError("the source holds no piece with a step; give one with notes")
    silent = sum(not piece.frames.any() for piece in kept)
    notes.warned("pieces that are silent throughout: {}", silent)
    single = sum(len(piece) == 1 for piece in kept)
    notes.warned("pieces of one step, in which nothing can be predicted: {}", single)
    return kept


def _names(lowest: int | None, count: int) -> tuple[str, ...]:
    if lowest is None:
        return tuple(f"key {k}" for k in range(1, count + 1))
    return tuple(note_name(number) for number in range(lowest, lowest + count))
