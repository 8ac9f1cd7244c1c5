"""MIDI files as pieces: one file, a folder with its sub-folders, or a zip."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from ..errors import DataError
from ..midi import KEYS, LOWEST, NOTES, MidiError, read_midi
from ..reading.notes import Notes, listed
from ..rolls import Roll, part_of
from .asked import Asked, Found

SUFFIXES = (".mid", ".midi")


def from_midi(path: Path, asked: Asked, steps_per_beat: int, notes: Notes) -> Found:
    """The pieces of MIDI files; those that cannot be read are left out, and said.

    Raises:
        DataError: there is none that can be read.
    """
    lowest = LOWEST if asked.lowest is None else asked.lowest
    keys = asked.keys or min(KEYS, NOTES - lowest)
    counts: Counter[str] = Counter()
    pieces, unreadable = [], []
    for name, read in _midi_files(path, notes):
        try:
            found = read_midi(_bytes(read), steps_per_beat, lowest, keys)
        except MidiError as problem:
            unreadable.append(f"{name} ({problem})")
            continue
        counts += found.counts
        parts = [part_of(folder) for folder in PurePosixPath(name).parent.parts]
        part = next((part for part in parts if part), "")
        pieces.append(Roll(name, found.frames, part, found.tempo))
    if not pieces:
        raise DataError(f"{path} holds no MIDI file that can be read: {listed(unreadable)}")
    notes.found(f"a step is 1/{steps_per_beat} of a beat")
    notes.left_out(
        f"files that are no readable MIDI, left out: {{}}, {listed(unreadable)}", len(unreadable)
    )
    _say(counts, lowest, keys, notes)
    return Found(pieces, lowest, None, steps_per_beat)


def _say(counts: Counter[str], lowest: int, keys: int, notes: Notes) -> None:
    """What of the notes was left out or moved."""
    notes.left_out("notes of drums, left out: {}", counts["drums"])
    outside = f"notes outside the keys {lowest} to {lowest + keys - 1}, left out: {{}}"
    notes.left_out(outside, counts["outside"])
    notes.repaired("notes shorter than a step, held for one: {}", counts["short"])
    notes.repaired("notes without an end, held to that of their file: {}", counts["unended"])
    notes.repaired("notes struck again at once, joined to the one before: {}", counts["repeated"])
    notes.repaired("changes of tempo, of which the first tempo is kept: {}", counts["tempos"])


def _midi_files(path: Path, notes: Notes) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The MIDI files of a folder, a zip or a path, by name, and how to read each."""
    if path.suffix.lower() in SUFFIXES and not path.is_dir():
        yield path.name, path.read_bytes
        return
    if path.is_dir():
        names = {p.relative_to(path).as_posix(): p for p in path.rglob("*") if p.is_file()}
        chosen = _chosen(sorted(names), path, notes)
        yield from ((name, names[name].read_bytes) for name in chosen)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(member for member in archive.namelist() if not member.endswith("/"))
            for name in _chosen(names, path, notes):
                yield name, lambda name=name: archive.read(name)
    except zipfile.BadZipFile as problem:
        raise DataError(f"{path} cannot be read: {problem}") from None


def _chosen(names: list[str], path: Path, notes: Notes) -> list[str]:
    hidden = [n for n in names if any(p[0] == "." or p == "__MACOSX" for p in n.split("/") if p)]
    midi = [n for n in names if n.lower().endswith(SUFFIXES) and n not in hidden]
    if not midi:
        raise DataError(
            f"{path} holds no MIDI files ({', '.join(SUFFIXES)}) among {len(names)} files"
        )
    notes.left_out("other files, not read: {}", len(names) - len(midi))
    return midi


def _bytes(read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    # RuntimeError is how zipfile says that a file is encrypted.
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as problem:
        raise MidiError(str(problem).splitlines()[0]) from None
