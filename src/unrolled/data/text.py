"""Text in files, read into strings of Unicode characters.

A file holds bytes. They become characters by the first of these that applies:

    an encoding is given       by it, strictly
    a byte order mark          UTF-8, UTF-16 or UTF-32, strictly
    otherwise                  UTF-8; bytes that are not UTF-8 one by one as windows-1252

windows-1252 is what cp1252 and Latin-1 agree on, with a character for every byte, so nothing is
lost by the guess; a finding counts the bytes it concerns. Line ends \\r\\n and \\r become \\n.

References:
    WHATWG, "Encoding Standard", section 9 (legacy single-byte encodings).
"""

import codecs
import gzip
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..naming import counted, nearest
from .errors import DataError
from .reading.notes import Notes, listed
from .series import Finding

# The mark of UTF-32 begins with that of UTF-16, so it comes first.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_PDF, _ZIP = b"%PDF-", b"PK\x03\x04"
_MARK = "\ufeff"
_SURROGATE = re.compile("[\ud800-\udfff]")
# Byte b that is not UTF-8 is decoded by "surrogateescape" to the code point 0xDC00 + b.
_WINDOWS_1252 = {
    0xDC00 + byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(128, 256)
}


@dataclass(frozen=True, repr=False)
class Text:
    """One document or several, in order, with everything that was found while reading them.

    `read_text` makes one from files, `Text.of` from strings.

    Raises:
        TypeError: if the documents are not a tuple of strings.
    """

    documents: tuple[str, ...]
    name: str = "text"
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.documents, tuple):
            raise TypeError(
                f"documents must be a tuple of strings, got {type(self.documents).__name__}; "
                "Text.of takes a string, or any sequence of strings"
            )

    def __repr__(self) -> str:
        return f"Text({self.summary()})"

    @classmethod
    def of(cls, documents: str | Iterable[str], name: str = "text") -> "Text":
        """Text from a string, or from several, one a document.

        Raises:
            DataError: if there is nothing but white space, a NUL or half a surrogate pair.
        """
        documents = [documents] if isinstance(documents, str) else list(documents)
        if not all(isinstance(document, str) for document in documents):
            raise TypeError("documents must be strings; read_text takes paths of files")
        many = len(documents) > 1
        labels = [f"{name} {k + 1}" if many else name for k in range(len(documents))]
        return _gathered(documents, labels, name, Notes())

    @property
    def characters(self) -> int:
        """Characters in all documents."""
        return sum(map(len, self.documents))

    def split(self, share: float) -> tuple["Text", "Text"]:
        """A leading and a trailing part, the first with `share` of the characters.

        One document is cut at that position (rounded down); of several, each stays whole, and
        a finding says which share that gives.

        Raises:
            ValueError: if the share is not between 0 and 1.
            DataError: if the text is too short for two parts.
        """
        if not 0 < share < 1:
            raise ValueError(f"share must lie between 0 and 1, got {share}; 0.9 puts 90 % first")
        if len(self.documents) > 1:
            return self._split_documents(share)
        document = "".join(self.documents)
        cut = int(share * len(document))
        if not cut:
            raise DataError(
                f"{self.name} has {counted(len(document), 'character')}, too few to keep {share:g} "
                "of them in front; give more text"
            )
        lead, trail = (replace(self, documents=(p,)) for p in (document[:cut], document[cut:]))
        return lead, trail

    def _split_documents(self, share: float) -> tuple["Text", "Text"]:
        reached = np.cumsum([len(document) for document in self.documents]) / self.characters
        cut = 1 + int(np.abs(reached[:-1] - share).argmin())
        text = (
            f"split after {cut:,} of {len(self.documents):,} documents, "
            f"at {reached[cut - 1]:.1%} of the characters"
        )
        findings = (*self.findings, Finding("found", text))
        parts = self.documents[:cut], self.documents[cut:]
        lead, trail = (replace(self, documents=part, findings=findings) for part in parts)
        return lead, trail

    def summary(self) -> str:
        """One line: how much text, of how many distinct characters, and what was repaired."""
        many = f"{len(self.documents):,} documents, " if len(self.documents) > 1 else ""
        lines = sum(text.count("\n") + (text[-1:] not in ("\n", "")) for text in self.documents)
        distinct = len(set().union(*self.documents))
        told = [finding.text for finding in self.findings if finding.kind != "found"]
        return (
            f"{self.name}  {many}{self.characters:,} characters, {lines:,} lines, {distinct:,} "
            f"distinct characters; {', '.join(told) or 'nothing to repair'}"
        )


def read_text(
    source: "str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Text",
    encoding: str | None = None,
) -> Text:
    """Read a text file, several, or the .txt files of a folder: one document a file.

    Args:
        source: path of a file (.gz is unpacked), or of a folder, whose files ending in .txt or
            .txt.gz are read in the order of their names; several paths; or a `Text`, returned
            as it is.
        encoding: of the files, such as "cp1251". By default as the module says.

    Files of white space alone are left out where others have text; a finding counts them.

    Raises:
        DataError: if a file is missing, binary, or not in the encoding given; if nothing is
            left; if a folder has no .txt file.
        TypeError, ValueError: if the source is none of these; an encoding beside a `Text`.
    """
    if isinstance(source, Text):
        if encoding is not None:
            raise ValueError(f"encoding={encoding!r} is for files; source is a Text, read already")
        return source
    notes = Notes()
    several = not isinstance(source, str | os.PathLike)
    paths = [path for item in _listed(source) for path in _files(item, notes)]
    read = [_decoded(_bytes(path), path, encoding) for path in paths]
    _note(read, notes)
    first = paths[0] if several else Path(source)  # pyright: ignore[reportArgumentType]
    rest = f" and {len(paths) - 1:,} more" if several and len(paths) > 1 else ""
    name = first.resolve().name.split(".")[0] or first.name
    return _gathered([r.text for r in read], [str(p) for p in paths], name + rest, notes)


def _listed(source: object) -> list[str | os.PathLike[str]]:
    items = [source] if isinstance(source, str | os.PathLike) else source
    if not isinstance(items, Sequence) or not all(isinstance(i, str | os.PathLike) for i in items):
        raise TypeError(
            "source must be the path of a file or a folder, several paths, or a Text, got "
            f"{type(source).__name__}"
        )
    if not items:
        raise DataError("source names no file; give at least one path")
    return list(items)


def _files(source: str | os.PathLike[str], notes: Notes) -> list[Path]:
    """The file itself, or those of a folder that are text by their names."""
    path = Path(source)
    _check_exists(path)
    if not path.is_dir():
        return [path]
    inside = sorted(path.iterdir())
    texts = [p for p in inside if p.name.lower().endswith((".txt", ".txt.gz")) and p.is_file()]
    others = [p.name for p in inside if p not in set(texts)]
    if not texts:
        found = f"it holds {listed(others)}" if others else "it is empty"
        raise DataError(f"the folder {path} has no .txt file; {found}; give the paths of files")
    if others:
        text = f"left out what is no .txt file in {path.name}: {listed(others)}"
        notes.append(Finding("ignored", text, len(others)))
    return texts


def _check_exists(path: Path) -> None:
    try:
        if path.exists():
            return
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    except OSError:
        # A name that is longer than names can be: text that was taken for a path.
        siblings = []
    name = str(path)
    shown = name if len(name) < 200 and name.isprintable() else repr(name[:40])[:-1] + "...'"
    hint = nearest(path.name, siblings)
    raise DataError(f"there is no file {shown}; {hint}text itself goes through Text.of(text)")


def _bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix.lower() == ".gz" else data
    except (OSError, EOFError, zlib.error) as problem:
        raise DataError(f"{path} cannot be read: {problem}") from None


@dataclass(frozen=True)
class _Decoded:
    """Characters of a file; the encoding that its mark names; where the first guess was made."""

    text: str
    marked: str = ""
    guessed: int = 0
    place: str = ""


def _decoded(data: bytes, path: Path, encoding: str | None) -> _Decoded:
    marked = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "")
    if encoding or marked:
        text = _strict(data, path, encoding or marked)
        obeyed = not encoding or codecs.lookup(encoding).name.startswith(marked)
        return _Decoded(text, (encoding or marked) if marked and obeyed else "")
    if b"\0" in data or data.startswith((_PDF, _ZIP)):
        raise DataError(
            f"{path} is not a text file, whatever its name: save it as plain text in UTF-8 "
            "(if it is UTF-16 without a byte order mark, name that encoding: utf-16-le)"
        )
    text = data.decode("utf-8", "surrogateescape")
    guessed = _SURROGATE.findall(text)
    if not guessed:
        return _Decoded(text)
    line = 1 + len(re.findall("\r\n?|\n", text[: text.index(guessed[0])]))
    place = f"0x{ord(guessed[0]) - 0xDC00:02X} in line {line:,} of {path.name}"
    return _Decoded(text.translate(_WINDOWS_1252), "", len(guessed), place)


def _strict(data: bytes, path: Path, encoding: str) -> str:
    try:
        return data.decode(encoding).removeprefix(_MARK)
    except LookupError:
        raise DataError(
            f"encoding={encoding!r} is not known; common ones are utf-8, utf-16, cp1252, latin-1, "
            "cp1251, shift_jis and gb18030"
        ) from None
    except UnicodeError as problem:
        at = getattr(problem, "start", 0)
        reason = getattr(problem, "reason", problem)
        raise DataError(
            f"{path} is not {encoding} throughout: {reason} at byte {at:,}; repair the file, or "
            "name another encoding"
        ) from None


def _note(read: list[_Decoded], notes: Notes) -> None:
    for encoding, count in Counter(r.marked for r in read if r.marked).items():
        files = "1 file" if count == 1 else f"{count:,} files"
        notes.found(f"dropped the byte order mark of {files} read as {encoding}")
    place = next((r.place for r in read if r.guessed), "")
    notes.warned(
        f"bytes that are not UTF-8 read as windows-1252: {{}}, the first {place}; if letters look "
        "wrong, name the encoding",
        sum(r.guessed for r in read),
    )


def _gathered(documents: list[str], labels: list[str], name: str, notes: Notes) -> Text:
    """Text of documents that are checked, with one kind of line end."""
    for document, label in zip(documents, labels, strict=True):
        _check_characters(document, label)
    kept = tuple(document for document in documents if document.strip())
    if not kept:
        raise DataError(f"{listed(labels) or name}: empty; expected text")
    notes.left_out("documents that are empty: {}", len(documents) - len(kept))
    # Every line end that is not \n alone holds one \r.
    notes.repaired("line ends \\r\\n or \\r made \\n: {}", sum(text.count("\r") for text in kept))
    kept = tuple(text.replace("\r\n", "\n").replace("\r", "\n") for text in kept)
    return Text(kept, name, tuple(notes))


def _check_characters(document: str, label: str) -> None:
    if "\0" in document:
        raise DataError(
            f"{label} holds the character NUL at {document.index(chr(0)):,}, so it is no text, or "
            "in another encoding"
        )
    half = _SURROGATE.search(document)
    if half:
        raise DataError(
            f"{label} holds U+{ord(half[0]):04X} at {half.start():,}, half a surrogate pair and no "
            "character; read it again in the encoding it was written in"
        )
