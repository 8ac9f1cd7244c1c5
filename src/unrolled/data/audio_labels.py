"""Labels of recordings: from a pattern of file names, from folders, or from a table.

`find_labels` gives every file that has one its label and its groups (speaker, take, ...). What
"auto" took is a finding.
"""

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ..naming import nearest
from .errors import DataError
from .reading.notes import Notes, listed
from .series import Finding

AUTO = "auto"
FOLDER = "folder"
ROLES = ("label", "transcript")
COMMON_PATTERN = "{label}_{speaker}_{take}"
_FOLDER_PATTERN = "{label}/*"
# Other names that published tables use for the three columns.
_FILE_COLUMNS = ("file", "filename", "file_name", "path")
_ROLE_COLUMNS = {
    "label": ("label", "class", "category"),
    "transcript": ("transcript", "transcription", "text", "sentence"),
}
_TABLES = (".csv", ".tsv")
_SEPARATORS = (",", "\t", ";", "|")
_CHOICES = (
    f"a pattern such as '{COMMON_PATTERN}', '{FOLDER}', '{AUTO}', the path of a CSV with "
    "columns file and label, or None"
)


class Label(NamedTuple):
    """What is known of one file."""

    text: str
    groups: dict[str, str]


@dataclass(frozen=True)
class Labels:
    """Labels by file name.

    Attributes:
        role: "label", "transcript", or "" where there are none.
        again: the argument that finds those of other recordings in the same way.
        table: the file that they come from; "" where they come from names.
    """

    role: str = ""
    by_name: dict[str, Label] = field(default_factory=dict)
    again: str | None = None
    table: str = ""


def find_labels(
    files: Mapping[str, Callable[[], bytes]],
    sounds: Sequence[str],
    wanted: str | os.PathLike[str] | None,
    notes: Notes,
) -> Labels:
    """Labels of the files `sounds`, as the argument `labels` of `read_audio` says.

    Arguments:
        files: what reads every file of the source, tables among them.
        sounds: names of the sound files.
    """
    if wanted is None:
        return Labels()
    if wanted == AUTO:
        return _inferred(files, sounds, notes)
    text = os.fspath(wanted)
    if text == FOLDER:
        return _some(_by_pattern(sounds, _FOLDER_PATTERN), "no recording lies in a sub-folder")
    if "{" in text:
        labels = _by_pattern(sounds, text)
        return _some(labels, f"no file name follows {text!r}; the first is {sounds[0]!r}")
    rows = _rows(_table_bytes(files, text), text)
    return _some(_by_table(rows, text, sounds, notes), f"{text} names none of the recordings")


def _some(labels: Labels, problem: str) -> Labels:
    if not labels.by_name:
        raise DataError(f"labels: {problem}; give {_CHOICES}")
    return labels


def _inferred(
    files: Mapping[str, Callable[[], bytes]], sounds: Sequence[str], notes: Notes
) -> Labels:
    tables = {name: files[name] for name in files if _suffix(name) in _TABLES}
    rows = {name: _rows(read(), name) for name, read in tables.items()}
    usable = [name for name, table in rows.items() if table and _roles(table[0])]
    if len(usable) > 1:
        raise DataError(f"several tables hold labels: {listed(usable)}; give labels='{usable[0]}'")
    if usable:
        labels = _by_table(rows[usable[0]], usable[0], sounds, notes)
        return _said(_some(labels, f"{usable[0]} names none of the recordings"), usable[0], notes)
    labels = _by_pattern(sounds, _FOLDER_PATTERN)
    if len(labels.by_name) == len(sounds) and _repeat(labels):
        return _said(labels, "the folder names", notes)
    labels = _by_pattern(sounds, COMMON_PATTERN)
    takes = [label.groups["take"] for label in labels.by_name.values()]
    if len(takes) == len(sounds) and all(map(str.isdigit, takes)) and _repeat(labels):
        return _said(labels, f"file names {COMMON_PATTERN}", notes)
    notes.found("no labels")
    return Labels(again=AUTO)


def _repeat(labels: Labels) -> bool:
    """Whether these can be classes: several, of which at least one has several recordings."""
    counts = Counter(label.text for label in labels.by_name.values())
    return len(counts) > 1 and max(counts.values()) > 1


def _said(labels: Labels, where: str, notes: Notes) -> Labels:
    different = sorted({label.text for label in labels.by_name.values()})
    notes.found(f"{labels.role}s from {where}: {listed(different)}")
    return labels


def _by_pattern(sounds: Sequence[str], pattern: str) -> Labels:
    """Labels of the files whose path, without its ending, ends as the pattern says."""
    expression, role = _compiled(pattern)
    depth = pattern.count("/") + 1
    by_name = {}
    for name in sounds:
        tail = "/".join(PurePosixPath(name).with_suffix("").parts[-depth:])
        match = expression.fullmatch(tail)
        if match:
            groups = match.groupdict()
            by_name[name] = Label(groups.pop(role), groups)
    return Labels(role, by_name, FOLDER if pattern == _FOLDER_PATTERN else pattern)


def _compiled(pattern: str) -> tuple[re.Pattern[str], str]:
    parts = re.split(r"(\{[^\W\d]\w*\}|\*)", pattern)
    literals, marks = parts[::2], parts[1::2]
    fields = [mark[1:-1] for mark in marks if mark != "*"]
    roles = [name for name in fields if name in ROLES]
    if len(roles) != 1 or len(set(fields)) < len(fields):
        raise _bad_pattern(pattern, "needs one field {label} or {transcript}, and no field twice")
    if any("{" in literal or "}" in literal for literal in literals):
        raise _bad_pattern(pattern, "holds a brace that is no field such as {label}")
    if any(not literal for literal in literals[1:-1]):
        raise _bad_pattern(pattern, "has two fields without a separator between them")
    text = re.escape(literals[0])
    for place, mark in enumerate(marks):
        before, after = literals[place][-1:], literals[place + 1][:1]
        # A field that held its own separator could be cut in several ways.
        barred = "/" + "".join(c for c in (before, after) if c and not c.isalnum())
        one = f"[^{re.escape(barred)}]+?"
        text += "[^/]*?" if mark == "*" else f"(?P<{mark[1:-1]}>{one})"
        text += re.escape(literals[place + 1])
    return re.compile(text), roles[0]


def _bad_pattern(pattern: str, problem: str) -> DataError:
    return DataError(f"labels: the pattern {pattern!r} {problem}; such as '{COMMON_PATTERN}'")


def _table_bytes(files: Mapping[str, Callable[[], bytes]], name: str) -> bytes:
    if name in files:
        return files[name]()
    path = Path(name)
    if path.is_file():
        return path.read_bytes()
    tables = [file for file in files if _suffix(file) in _TABLES]
    hint = nearest(name, [*tables, FOLDER, AUTO])
    raise DataError(f"labels: there is no file {name}; {hint}give {_CHOICES}")


def _rows(data: bytes, name: str) -> list[dict[str, str]]:
    """The rows of a table by its header; short rows are filled with empty text."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise DataError(f"{name}, line {line}: the text is not UTF-8; save it as UTF-8") from None
    header = text.split("\n", 1)[0]
    separator = max(_SEPARATORS, key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, restval="")
    rows = []
    for row in reader:
        if None in row:
            raise DataError(
                f"{name}, line {reader.line_num}: more values than columns; quote text that "
                "contains the separator"
            )
        rows.append({column.strip(): value.strip() for column, value in row.items()})
    return rows


def _roles(row: Mapping[str, str]) -> tuple[str, str, str] | None:
    """The column of files, that of labels, and their role; None if one is missing."""
    by_lower = {column.lower(): column for column in row}
    file = next((by_lower[name] for name in _FILE_COLUMNS if name in by_lower), None)
    for role, names in _ROLE_COLUMNS.items():
        for name in names:
            if file is not None and name in by_lower:
                return file, by_lower[name], role
    return None


def _by_table(
    rows: list[dict[str, str]], table: str, sounds: Sequence[str], notes: Notes
) -> Labels:
    roles = _roles(rows[0]) if rows else None
    if roles is None:
        columns = f"it has {', '.join(rows[0])}" if rows else "it has no rows"
        raise DataError(f"{table} needs columns file and label (or transcript); {columns}")
    file, column, role = roles
    places = _places(sounds)
    by_name: dict[str, Label] = {}
    absent, empty = [], []
    for row in rows:
        groups = {name: value for name, value in row.items() if name not in (file, column)}
        label = Label(row[column], groups)
        name = places.get(row[file].replace("\\", "/").removeprefix("./"))
        if name is None:
            absent.append(row[file])
        elif not label.text:
            empty.append(row[file])
        elif by_name.setdefault(name, label).text != label.text:
            raise DataError(
                f"{table}: {row[file]} has two {role}s, {by_name[name].text!r} and "
                f"{label.text!r}; keep one row"
            )
    for kind, names, problem in (
        ("warning", absent, "no recording"),
        ("ignored", empty, f"no {role}"),
    ):
        if names:
            text = f"rows of {table} with {problem}: {len(names):,} ({listed(names)})"
            notes.append(Finding(kind, text, len(names)))
    # Other recordings have a table of their own.
    return Labels(role, by_name, AUTO, table)


def _places(sounds: Sequence[str]) -> dict[str, str]:
    """Recordings by all that a table may call them: path, file name, file name without ending."""
    paths = [PurePosixPath(name) for name in sounds]
    places: dict[str, str] = {}
    for spelling in ([p.stem for p in paths], [p.name for p in paths]):
        counts = Counter(spelling)
        # A name that several files have in different folders says nothing.
        places |= {s: n for s, n in zip(spelling, sounds, strict=True) if counts[s] == 1}
    return places | {name: name for name in sounds}


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
