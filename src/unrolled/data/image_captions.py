"""Captions of images: from a table beside them.

    file,caption                     CSV, TSV, or any text of columns, also without a header
    {"file": ..., "caption": ...}    JSON lines, or a list in JSON; a caption may be a list
    {"images": ..., "annotations": ...}     COCO's captions

The two columns are found by their names, else by what they hold: the column whose cells name
images, and of the others the one with the longest texts. A file is named by its path in the
folder, its name, or its name without ending; "#0" behind it numbers its captions. A column
`group` says which images belong together (of one scene, one source).

References:
    Hodosh, Young and Hockenmaier, "Framing image description as a ranking task", JAIR 47, 2013
        (Flickr8k, its "#0").
    Chen et al., "Microsoft COCO captions", arXiv 1504.00325, 2015.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from ..naming import nearest
from .errors import DataError
from .reading.notes import Notes, listed

AUTO = "auto"
TABLES = (".csv", ".tsv", ".txt", ".token", ".jsonl", ".json", ".parquet")
FILE_NAMES = ("file", "file_name", "filename", "image", "image_name", "image_path", "path", "img")
CAPTION_NAMES = ("caption", "captions", "text", "sentence", "description", "comment")
GROUP = "group"

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Captions:
    """Captions of the images that have some; the group of each, where a column says it."""

    by_name: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)


def is_table(path: str | PurePath) -> bool:
    """Whether a file may hold captions, by its ending."""
    return PurePosixPath(path).suffix.lower() in TABLES


def find_captions(
    root: Path, images: Sequence[str], wanted: str | os.PathLike[str], notes: Notes
) -> Captions:
    """Captions of `images`, paths in the folder `root`, as `read_images` describes it.

    Raises:
        DataError: no table, or several, or one that cannot be read.
    """
    places = _places(images)
    if wanted != AUTO:
        path = _existing(root, Path(wanted))
        return _captions(_rows(path, places, notes), path.name, places, notes)
    usable, problems = {}, []
    for path in sorted(p for p in root.rglob("*") if p.is_file() and is_table(p)):
        own = Notes()
        try:
            rows = _rows(path, places, own)
            _roles(rows, path.name, places)
            usable[path] = rows, own
        except DataError as problem:
            problems.append(str(problem))
    if not usable:
        why = f" ({problems[0]})" if problems else ""
        raise DataError(
            f"{root} has no table of captions{why}; expected one with columns file and caption, "
            "such as captions.csv"
        )
    if len(usable) > 1:
        several = listed([path.relative_to(root).as_posix() for path in usable])
        raise DataError(f"{root} has several tables of captions: {several}; give one of them")
    [(path, (rows, own))] = usable.items()
    notes.extend(own)
    return _captions(rows, path.name, places, notes)


def _existing(root: Path, path: Path) -> Path:
    for candidate in (root / path, path):
        if candidate.is_file():
            return candidate
    tables = [p.relative_to(root).as_posix() for p in root.rglob("*") if is_table(p)]
    raise DataError(f"there is no table {path}; {nearest(str(path), tables)}give one that exists")


def _places(images: Sequence[str]) -> dict[str, str]:
    """Images by all that a table may call them: path, file name, file name without ending."""
    paths = [PurePosixPath(name) for name in images]
    places: dict[str, str] = {}
    for spelling in ([p.stem for p in paths], [p.name for p in paths]):
        counts = Counter(spelling)
        # A name that several files have in different folders says nothing.
        places |= {s: n for s, n in zip(spelling, images, strict=True) if counts[s] == 1}
    return places | {name: name for name in images}


def _placed(cell: Any, places: Mapping[str, str]) -> str | None:
    """The image that a cell names."""
    name = str(cell).strip().replace("\\", "/").removeprefix("./")
    return places.get(name) or places.get(re.sub(r"#\d+$", "", name))


def _rows(path: Path, places: Mapping[str, str], notes: Notes) -> Rows:
    """The rows of a table by column.

    Raises:
        DataError: it is no table.
    """
    from .collecting.files import open_frame, read_text

    if path.suffix.lower() in (".json", ".jsonl"):
        return _json_rows(read_text(path, notes), path)
    unnamed = lambda frame: not any(_placed(cell, places) for cell in frame.row(0))  # noqa: E731
    frame, _ = open_frame(path, None, None, unnamed, notes)
    return frame.to_dicts()


def _json_rows(text: str, path: Path) -> Rows:
    try:
        if path.suffix.lower() == ".jsonl":
            content = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            content = json.loads(text)
    except json.JSONDecodeError as problem:
        raise DataError(f"{path} is not JSON: {problem}") from None
    if isinstance(content, dict) and {"images", "annotations"} <= set(content):
        return _coco(content, path)
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise DataError(f"{path} must hold objects with file and caption, one a line or in a list")
    return content


def _coco(content: dict[str, Any], path: Path) -> Rows:
    try:
        files = {image["id"]: image["file_name"] for image in content["images"]}
        return [
            {"file": files[each["image_id"]], "caption": each["caption"]}
            for each in content["annotations"]
        ]
    except (KeyError, TypeError) as problem:
        raise DataError(f"{path} is no table of captions as COCO has them: {problem}") from None


def _roles(rows: Rows, table: str, places: Mapping[str, str]) -> tuple[str, str]:
    """The columns of files and of captions.

    Raises:
        DataError: there is none.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    by_lower = {column.lower().strip(): column for column in columns}
    file = next((by_lower[name] for name in FILE_NAMES if name in by_lower), None)
    if file is None:
        named = {c: sum(_placed(row.get(c), places) is not None for row in rows) for c in columns}
        file = max(columns, key=named.__getitem__, default=None)
        if file is None or not named[file]:
            raise DataError(
                f"{table} has no column that names the images; it has {listed(columns) or 'none'}"
            )
    caption = next((by_lower[name] for name in CAPTION_NAMES if name in by_lower), None)
    rest = [column for column in columns if column not in (file, by_lower.get(GROUP))]
    if caption is None and not rest:
        raise DataError(f"{table} has no column of captions; it has {listed(columns)}")
    lengths = {c: sum(len(str(row.get(c) or "")) for row in rows) for c in rest}
    return file, caption or max(rest, key=lengths.__getitem__)


def _captions(rows: Rows, table: str, places: Mapping[str, str], notes: Notes) -> Captions:
    """Captions by image, and what was wrong with some.

    Raises:
        DataError: no image has one.
    """
    file, column = _roles(rows, table, places)
    group = next((c for row in rows for c in row if c.lower().strip() == GROUP), None)
    found: dict[str, list[str]] = {}
    groups: dict[str, str] = {}
    absent, empty, again = [], [], 0
    for row in rows:
        name = _placed(row.get(file), places)
        texts = [t for t in map(_tidy, _several(row.get(column))) if t]
        if name is None:
            absent.append(str(row.get(file)))
        elif not texts:
            empty.append(name)
        else:
            own = found.setdefault(name, [])
            fresh = [text for text in dict.fromkeys(texts) if text not in own]
            again += len(texts) - len(fresh)
            own += fresh
            groups.setdefault(name, str(row.get(group)) if group else "")
    if not found:
        raise DataError(f"{table} names none of the images; its first is {absent[:1] or empty[:1]}")
    notes.found(f"captions from {table}, columns {file} and {column}")
    notes.warned(f"rows of {table} whose image is not there: {{}} ({listed(absent)})", len(absent))
    notes.left_out(f"rows of {table} without a caption: {{}} ({listed(empty)})", len(empty))
    notes.left_out("captions that an image has already, dropped: {}", again)
    if group is not None:
        notes.found(f"{len(set(groups.values())):,} groups, each on one side of a split")
    return Captions({n: tuple(c) for n, c in found.items()}, groups if group is not None else {})


def _several(cell: Any) -> list[Any]:
    return cell if isinstance(cell, list) else [cell]


def _tidy(cell: Any) -> str:
    """A caption in one line."""
    return "" if cell is None else " ".join(str(cell).split())
