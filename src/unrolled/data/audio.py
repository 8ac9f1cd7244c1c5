"""Recordings as sequences: a folder or a zip of sound files, read into samples of one rate.

Every recording becomes one channel of float32 samples between -1 and 1. Channels are averaged,
other sample rates are resampled by a polyphase filter, what cannot be read is left out; each is
said in `Recordings.findings`, with names and counts. Files of a zip are read in memory: nothing
is unpacked, so no name in it can reach another place on the disk.

Shapes: N samples of a recording.
"""

import io
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from ..naming import counted, nearest
from .audio_labels import AUTO, Label, Labels, find_labels
from .errors import DataError
from .reading.notes import Notes, listed
from .recordings import Recording, Recordings, resampled
from .series import Finding

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif")
# A recording that moves by less than this, three steps of 16 bits, holds no sound.
SILENCE = 1e-4
_UNKNOWN_SIZE = 2**31 - 2**16

Read = Callable[[], bytes]


def read_audio(
    source: str | os.PathLike[str],
    labels: str | os.PathLike[str] | None = AUTO,
    rate: int | None = None,
    name: str | None = None,
) -> Recordings:
    """Read the recordings of a folder, of a zip, or one file.

    Arguments:
        source: path of the folder (with its sub-folders), the zip, or a sound file. Read are
            wav, flac, ogg, mp3 and aiff.
        labels: where labels come from.
            A pattern of file names without their ending: "{label}_{speaker}_{take}". One field
            is named label or transcript; the others become `Recording.groups`. A field holds
            none of the separators beside it, "*" is anything, and "/" goes down a folder.
            "folder": the name of the folder that a recording lies in.
            A path: a CSV with a column file and a column label or transcript, on the disk or
            inside the source; other columns become groups.
            "auto": a table inside the source, else folders, else the pattern above, if all
            names follow it; which of them is a finding.
            None: no labels.
        rate: samples a second to resample to. By default the commonest rate among the files.
        name: of the recordings, in summaries. By default that of the source.

    Raises:
        DataError: if the source or the labels cannot be read, or no recording remains.
    """
    if rate is not None and (not isinstance(rate, int) or rate < 1):
        raise ValueError(f"rate must be a number of samples a second, 1 or more, got {rate!r}")
    path = Path(source)
    notes = Notes()
    with _opened(path) as files:
        sounds = _sounds(files, path, notes)
        found = find_labels(files, sounds, labels, notes)
        _note_others(set(files) - {*sounds, found.table}, notes)
        wanted = _labelled(sounds, found, notes)
        raw = _decoded({sound: files[sound] for sound in wanted}, notes)
    if not raw:
        raise DataError(f"{path}: no recording could be read; {notes[-1].text}")
    recordings = _of_one_rate(raw, found.by_name, rate, notes)
    silent = [r.name for r in recordings if np.ptp(r.samples) < SILENCE]
    _note(notes, "warning", silent, "{} silent throughout")
    reading = {"labels": found.again, "rate": recordings[0].rate}
    return Recordings(tuple(recordings), found.role, name or path.stem, tuple(notes), reading)


@contextmanager
def _opened(path: Path) -> Iterator[dict[str, Read]]:
    """What reads the bytes of every file, by its name inside the folder or zip, sorted."""
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*") if file.is_file())
        yield {file.relative_to(path).as_posix(): file.read_bytes for file in inside}
    elif not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"there is no folder or file {path}; {nearest(path.name, siblings)}")
    elif path.suffix.lower() in SUFFIXES:
        yield {path.name: path.read_bytes}
    elif zipfile.is_zipfile(path):
        with _archive(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            members.sort(key=lambda member: member.filename)
            yield {member.filename: partial(archive.read, member) for member in members}
    else:
        raise DataError(f"{path} is neither a folder nor a zip nor a sound file (such as .wav)")


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as problem:
        raise DataError(f"{path} cannot be read: {problem}") from None


def _sounds(files: dict[str, Read], path: Path, notes: Notes) -> list[str]:
    """The names of the sound files; the rest is counted."""
    hidden = [name for name in files if _is_hidden(name)]
    # macOS adds such files to every zip and to foreign disks; they are no recordings.
    for name in hidden:
        del files[name]
    sounds = [name for name in files if _suffix(name) in SUFFIXES]
    if not sounds:
        there = f"its files end in {_endings(files)}" if files else "it is empty"
        wanted = ", ".join(SUFFIXES)
        raise DataError(f"{path} has no sound files ({wanted}); {there}")
    _note(notes, "ignored", hidden, "left out {}, hidden", "file")
    return sounds


def _note_others(others: Collection[str], notes: Notes) -> None:
    if others:
        text = f"left out {counted(len(others), 'file')} other than recordings ({_endings(others)})"
        notes.append(Finding("ignored", text, len(others)))


def _endings(names: Iterable[str]) -> str:
    return listed(sorted({_suffix(name) or "no ending" for name in names}))


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _labelled(sounds: list[str], found: Labels, notes: Notes) -> list[str]:
    if not found.role:
        return sounds
    without = [name for name in sounds if name not in found.by_name]
    _note(notes, "ignored", without, f"left out {{}} without a {found.role}")
    return [name for name in sounds if name in found.by_name]


def _decoded(reads: dict[str, Read], notes: Notes) -> dict[str, tuple[np.ndarray, int]]:
    """One channel [N] and its rate of each file that can be read."""
    decoded: dict[str, tuple[np.ndarray, int]] = {}
    unreadable, empty, mixed, cut = [], [], [], []
    for name, read in reads.items():
        try:
            data = _bytes(read)
            channels, rate = _decode(data)  # [N, channels]
        except _Unreadable as problem:
            unreadable.append(f"{name} ({problem})")
            continue
        if not len(channels):
            empty.append(name)
            continue
        if channels.shape[1] > 1:
            mixed.append(name)
        if _is_cut(data):
            cut.append(name)
        decoded[name] = channels.mean(1, dtype=np.float32), rate
    _note(notes, "warning", cut, "{} cut short: the file ends before its header says")
    _note(notes, "repaired", mixed, "averaged the channels of {}")
    _note(notes, "ignored", empty, "left out {} of zero length")
    _note(notes, "ignored", unreadable, "left out {} that cannot be read")
    return decoded


class _Unreadable(Exception):
    """Why one file cannot be read, in a few words."""


def _bytes(read: Read) -> bytes:
    try:
        return read()
    # RuntimeError is how zipfile says that a file is encrypted.
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as problem:
        raise _Unreadable(str(problem).splitlines()[0]) from None


def _decode(data: bytes) -> tuple[np.ndarray, int]:
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as problem:
        raise _Unreadable(problem.error_string.rstrip(".")) from None
    if not np.isfinite(samples).all():
        raise _Unreadable("samples that are not finite")
    return samples, rate


def _is_cut(data: bytes) -> bool:
    """Whether a wav file ends early; libsndfile reads what there is and says nothing."""
    size = int.from_bytes(data[4:8], "little")
    # Programs that write to a pipe do not know the size and give the largest there is.
    return data[:4] == b"RIFF" and len(data) < size + 8 < _UNKNOWN_SIZE


def _of_one_rate(
    raw: dict[str, tuple[np.ndarray, int]],
    labels: dict[str, Label],
    rate: int | None,
    notes: Notes,
) -> list[Recording]:
    counts = Counter(own for _, own in raw.values())
    # Of rates that are equally common, the lowest: resampling to it invents nothing.
    rate = rate or max(counts, key=lambda own: (counts[own], -own))
    other = [name for name, (_, own) in raw.items() if own != rate]
    rates = ", ".join(f"{own:,}" for own in sorted(set(counts) - {rate}))
    _note(notes, "repaired", other, f"resampled {{}} from {rates} to {rate:,} Hz")
    return [
        Recording(name, resampled(samples, own, rate), rate, *labels.get(name, (None, {})))
        for name, (samples, own) in raw.items()
    ]


def _note(
    notes: Notes, kind: str, names: Sequence[str], text: str, what: str = "recording"
) -> None:
    """A finding about named files, where there are any; `{}` is where their count goes."""
    if names:
        text = text.replace("{}", counted(len(names), what))
        notes.append(Finding(kind, f"{text}: {listed(names)}", len(names)))
