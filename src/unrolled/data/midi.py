"""Standard MIDI files as piano rolls, and back.

    roll[k, n] = 1  where note `lowest + n` sounds from step k to step k + 1

A step is 1 / steps_per_beat of a quarter note. Beginnings and ends of notes are moved to the
nearest step; the time grid comes from ticks per beat, so changes of tempo do not bend it.

Shapes: T steps, K keys.

References:
    "Standard MIDI files 1.0", RP-001, MIDI Manufacturers Association, 1996.
"""

from __future__ import annotations

import io
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .errors import DataError

# The grid where nobody asks for another, and the keys of a piano: A0 to C8.
STEPS_PER_BEAT, LOWEST, KEYS = 4, 21, 88
TEMPO, VELOCITY = 120.0, 80
NOTES = 128
# More steps than this, days of music, come from a damaged time.
MOST_STEPS = 2_000_000
# Channel 10 of General MIDI, counted from 0.
DRUMS = 9
TICKS_PER_STEP = 120
# Ticks per beat must fit into 15 bits.
MOST_STEPS_PER_BEAT = (2**15 - 1) // TICKS_PER_STEP
_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


class MidiError(Exception):
    """Why the bytes are no MIDI file that can be read, in a few words."""


class Note(NamedTuple):
    """A note from one tick to another."""

    start: int
    end: int
    number: int


@dataclass(frozen=True)
class MidiPiece:
    """What a MIDI file holds.

    Attributes:
        frames: 0 and 1, uint8 [T, K].
        tempo: the first, in beats a minute.
        counts: how many notes were "drums", "outside" the keys, "short" (held for a step),
            "unended" or "repeated" (at once after one of the same key, which a roll joins);
            "tempos" is how often the tempo changes.
    """

    frames: np.ndarray
    tempo: float
    counts: Counter[str]


def note_name(number: int) -> str:
    """The name of a MIDI note: 60 is "C4"."""
    return f"{_NAMES[number % 12]}{number // 12 - 1}"


def read_midi(
    data: bytes, steps_per_beat: int = STEPS_PER_BEAT, lowest: int = LOWEST, keys: int = KEYS
) -> MidiPiece:
    """The roll of a MIDI file; no steps where it has no note within the keys.

    Raises:
        MidiError: it is no such file, is damaged, or measures time in seconds.
    """
    file = _parsed(data)
    counts: Counter[str] = Counter()
    notes = []
    for note, channel in _notes(file.merged_track, counts):
        if channel == DRUMS:
            counts["drums"] += 1
        elif not 0 <= note.number - lowest < keys:
            counts["outside"] += 1
        else:
            notes.append(note)
    tempos = [message.tempo for message in file.merged_track if message.type == "set_tempo"]
    counts["tempos"] = sum(a != b for a, b in pairwise(tempos))
    # A tempo is microseconds a beat.
    tempo = 60e6 / tempos[0] if tempos and tempos[0] else TEMPO
    return MidiPiece(
        _frames(notes, file.ticks_per_beat, steps_per_beat, lowest, keys, counts), tempo, counts
    )


def _parsed(data: bytes) -> Any:
    import mido
    from mido.midifiles.meta import KeySignatureError

    # What mido raises at damaged bytes.
    damaged = (OSError, ValueError, LookupError, TypeError, struct.error, KeySignatureError)
    try:
        file = mido.MidiFile(file=io.BytesIO(data))
    except EOFError:
        raise MidiError("the file ends early") from None
    except damaged as problem:
        raise MidiError(str(problem).splitlines()[0] if str(problem) else "damaged") from None
    if file.type not in (0, 1):
        raise MidiError(f"of type {file.type}, whose tracks have no common time")
    if file.ticks_per_beat < 1:
        raise MidiError("time in seconds (SMPTE), not in beats")
    return file


def _notes(messages: Any, counts: Counter[str]) -> Iterator[tuple[Note, int]]:
    """Every note of a piece and its channel."""
    sounding: dict[tuple[int, int], list[int]] = {}
    now = 0
    for message in messages:
        now += message.time
        if message.type not in ("note_on", "note_off"):
            continue
        voice = (message.channel, message.note)
        if message.type == "note_on" and message.velocity:
            sounding.setdefault(voice, []).append(now)
        elif sounding.get(voice):
            yield Note(sounding[voice].pop(0), now, message.note), message.channel
    for (channel, number), starts in sounding.items():
        counts["unended"] += len(starts)
        for start in starts:
            yield Note(start, now, number), channel


def _frames(
    notes: list[Note],
    ticks_per_beat: int,
    steps_per_beat: int,
    lowest: int,
    keys: int,
    counts: Counter[str],
) -> np.ndarray:
    """Notes on the grid, [T, K]."""
    last = max((note.end for note in notes), default=0) * steps_per_beat // ticks_per_beat
    if last >= MOST_STEPS:
        raise MidiError(f"{last:.3g} steps, more than {MOST_STEPS:,}: a time in it is damaged")
    ticks = np.array([note[:2] for note in notes], dtype=np.int64).reshape(-1, 2)
    # The nearest step, in whole numbers: halves go up.
    steps = (2 * ticks * steps_per_beat + ticks_per_beat) // (2 * ticks_per_beat)
    short = steps[:, 1] <= steps[:, 0]
    counts["short"] += int(short.sum())
    steps[short, 1] = steps[short, 0] + 1
    frames = np.zeros((steps[:, 1].max(initial=0), keys), dtype=np.uint8)
    for (start, end), note in zip(steps.tolist(), notes, strict=True):
        key = note.number - lowest
        counts["repeated"] += bool(start and frames[start - 1, key] and not frames[start, key])
        frames[start:end, key] = 1
    return frames


def as_midi(
    frames: np.ndarray,
    *,
    lowest: int = LOWEST,
    steps_per_beat: int = STEPS_PER_BEAT,
    tempo: float = TEMPO,
) -> bytes:
    """A roll as a MIDI file of one track; a key that stays on is one note.

    Arguments:
        frames: 0 and 1, [T, K].
        lowest: MIDI note of the first key.
        tempo: beats a minute.

    Raises:
        ValueError: an argument does not fit.
    """
    import mido

    frames = _checked(frames, lowest, steps_per_beat, tempo)
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo))])
    written = 0
    # One silent step before and after, so that every note begins and ends by a change.
    edges = np.diff(np.pad(frames, ((1, 1), (0, 0))).astype(np.int8), axis=0)  # [T + 1, K]
    for step in np.flatnonzero(edges.any(axis=1)):
        # Keys that fall come before those that rise.
        for key in np.argsort(edges[step], kind="stable"):
            if edges[step, key]:
                kind = "note_on" if edges[step, key] > 0 else "note_off"
                note, wait = lowest + int(key), int(step - written) * TICKS_PER_STEP
                track.append(mido.Message(kind, note=note, velocity=VELOCITY, time=wait))
                written = step
    rest = int(len(frames) - written) * TICKS_PER_STEP
    track.append(mido.MetaMessage("end_of_track", time=rest))
    file = io.BytesIO()
    ticks_per_beat = TICKS_PER_STEP * steps_per_beat
    mido.MidiFile(type=0, ticks_per_beat=ticks_per_beat, tracks=[track]).save(file=file)
    return file.getvalue()


def write_midi(
    path: str | Path,
    frames: np.ndarray,
    *,
    lowest: int = LOWEST,
    steps_per_beat: int = STEPS_PER_BEAT,
    tempo: float = TEMPO,
) -> Path:
    """Write a roll as a MIDI file; the arguments are those of `as_midi`.

    Raises:
        ValueError: an argument does not fit.
        DataError: the file cannot be written.
    """
    data = as_midi(frames, lowest=lowest, steps_per_beat=steps_per_beat, tempo=tempo)
    try:
        Path(path).write_bytes(data)
    except OSError as problem:
        raise DataError(f"cannot write {path}: {problem.strerror}") from None
    return Path(path)


def _checked(frames: Any, lowest: int, steps_per_beat: int, tempo: float) -> np.ndarray:
    frames = np.asarray(frames)
    if frames.ndim != 2 or not np.isin(frames, (0, 1)).all():
        raise ValueError(f"frames must be 0 and 1, [T, K], got {list(frames.shape)}")
    if not 0 <= lowest <= NOTES - frames.shape[1]:
        raise ValueError(
            f"lowest must leave all keys among the notes 0 to {NOTES - 1}, got {lowest} for "
            f"{frames.shape[1]} keys"
        )
    check_grid(steps_per_beat)
    # mido's microseconds a beat fill three bytes.
    if not 4 <= tempo <= 1000:
        raise ValueError(f"tempo must be 4 to 1000 beats a minute, got {tempo!r}")
    return frames


def check_grid(steps_per_beat: Any) -> None:
    """Raise ValueError unless this is a number of steps that a beat can have."""
    whole = isinstance(steps_per_beat, int) and not isinstance(steps_per_beat, bool)
    if not whole or not 1 <= steps_per_beat <= MOST_STEPS_PER_BEAT:
        raise ValueError(
            f"steps_per_beat must be a whole number from 1 to {MOST_STEPS_PER_BEAT}, got "
            f"{steps_per_beat!r}"
        )
