"""Which files are read, and their text and format."""

import codecs
import re
from pathlib import Path

from ...naming import counted, nearest
from ..errors import DataError
from ..series import Finding
from .columns import lines_of
from .sentences import Sentences

# Files of a folder that are read.
_SUFFIXES = (".conllu", ".conll", ".iob", ".bio", ".tsv", ".txt", ".json", ".jsonl", ".ndjson")
# From so many lines on, equally many words in each of them are columns.
_FEW = 5


def files_at(path: Path, findings: list[Finding]) -> list[Path]:
    """A file; of a folder, those that may hold sentences, by their names."""
    if not path.is_dir():
        return [path]
    there = sorted(path.iterdir())
    found = [each for each in there if each.is_file() and each.suffix.lower() in _SUFFIXES]
    if not found:
        raise DataError(f"{path} holds no file that ends in {', '.join(_SUFFIXES)}")
    if left := len(there) - len(found):
        text = f"skipped {counted(left, 'file')} of {path.name}, by the ends of their names"
        findings.append(Finding("ignored", text, left))
    return found


def decoded(path: Path, encoding: str | None, found: Sentences) -> str:
    """The text of a file: UTF-8, or UTF-16 with its mark; other bytes as Windows-1252 (cp1252).

    Raises:
        DataError: it cannot be read, or not as text in its encoding, or is empty.
    """
    data = _bytes_of(path)
    if encoding is not None:
        text = _decoded_as(encoding, data, path)
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = _decoded_as("utf-16", data, path)
        found.note("found", f"{path.name} is UTF-16")
    elif b"\0" in data:
        raise DataError(
            f"{path} is not text in UTF-8; save it as text in UTF-8, or give its encoding"
        )
    else:
        text = data.decode("utf-8-sig", "surrogateescape")
        # A byte b that is not UTF-8 has become the code point 0xDC00 + b.
        text, count = re.subn("[\udc80-\udcff]", _from_cp1252, text)
        if count:
            found.note("repaired", f"{counted(count, 'byte')} not in UTF-8, read as cp1252", count)
    if not text.strip():
        raise DataError(f"{path} is empty; expected sentences of tagged words")
    return text


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = "" if path.exists() else nearest(path.name, siblings)
        raise DataError(f"{path} cannot be read: {hint}{problem.strerror}") from None


def _decoded_as(encoding: str, data: bytes, path: Path) -> str:
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except LookupError:
        raise DataError(f"no encoding is called {encoding!r}; try utf-8 or cp1252") from None
    except UnicodeError as problem:
        raise DataError(f"{path} is not text in {encoding}: {problem}") from None


def _from_cp1252(match: re.Match[str]) -> str:
    return bytes([ord(match[0]) - 0xDC00]).decode("cp1252", "replace")


def format_of(path: Path, text: str, tagged: bool) -> str:
    """The format of a file, by its name and content; without tags it may be plain text."""
    kind = path.suffix.lower().removeprefix(".")
    if kind in ("conllu", "jsonl"):
        return kind
    start = text.lstrip()
    if kind in ("json", "ndjson") or re.match(r'\{\s*"', start):
        # Intents hold lists of objects, sentences lists of words.
        is_intents = re.match(r'\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\[\s*\{', start)
        return "json" if is_intents else "jsonl"
    if re.search(r"^1(-\d+)?(\t[^\t\n]*){9}\r?$", text, re.MULTILINE):
        return "conllu"
    return "columns" if tagged or _in_columns(text) else "text"


def _in_columns(text: str) -> bool:
    """Whether lines are words in columns: a word each, or as many cells in every line."""
    lines = [line for line in lines_of(text) if line.strip()]
    if all("\t" in line for line in lines):
        return True
    widths = {len(line.split()) for line in lines}
    return widths == {1} or (len(widths) == 1 and len(lines) >= _FEW)
