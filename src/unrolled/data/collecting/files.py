"""From a file to text, lines or a table of text columns.

Text is UTF-8 (with or without a byte order mark), UTF-16 with one, or else Windows-1252.
"""

import codecs
import csv
import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...naming import nearest
from ..errors import DataError
from ..reading.notes import Notes

# A table has its columns apart by one of these; a tab wins where every line has one.
_SEPARATORS = ("\t", ",", ";", "|")
_NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
# Lines that are looked at to find out what separates the columns.
_FEW = 100


def existing(source: Any, what: str) -> Path:
    """The path of a file or folder.

    Raises:
        DataError: it is no path, or there is nothing.
    """
    if not isinstance(source, str | os.PathLike):
        raise DataError(f"{what} must be the path of a file, got {type(source).__name__}")
    path = Path(os.fspath(source))
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(path.name, beside)
        raise DataError(f"there is no file {path}; {hint}give a path that exists")
    return path


def read_text(path: Path, notes: Notes) -> str:
    """The text of a file, also of one in a .gz, or alone but for notes in a .zip."""
    try:
        data = path.read_bytes()
        if path.suffix.lower() == ".gz":
            data = gzip.decompress(data)
        if path.suffix.lower() == ".zip":
            return decoded(*_only_member(path, data, notes), notes)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as problem:
        raise DataError(f"{path} cannot be read: {problem}") from None
    return decoded(data, str(path), notes)


def _only_member(path: Path, data: bytes, notes: Notes) -> tuple[bytes, str]:
    """The one file of text in an archive, and its name; files that begin with _ are notes."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        wanted = [n for n in names if Path(n).name[0] not in "_." and "__MACOSX" not in n]
        if len(wanted) != 1:
            found = ", ".join(wanted[:5]) or "none"
            raise DataError(f"{path} must hold one file of text, it holds {len(wanted)}: {found}")
        left = [name for name in names if name not in wanted]
        if left:
            notes.left_out(f"files of {path.name} that are not read: {{}}", len(left))
        return archive.read(wanted[0]), f"{path.name}/{wanted[0]}"


def decoded(data: bytes, what: str, notes: Notes) -> str:
    """Bytes as text with line ends "\\n"."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", errors="replace")
        notes.found(f"{what} is UTF-16")
    elif b"\0" in data[:4096]:
        raise DataError(f"{what} is not a text file; expected UTF-8 or Windows-1252")
    else:
        text = _from_bytes(data, what, notes)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _from_bytes(data: bytes, what: str, notes: Notes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        text = data.decode("cp1252", errors="replace")
        lost = text.count("�")
        notes.warned(f"{what} is not UTF-8 (line {line}), so it was read as Windows-1252", 1)
        notes.repaired(f"bytes of {what} that mean nothing in Windows-1252, replaced: {{}}", lost)
        return text


def lines_of(text: str) -> list[str]:
    """The lines of a text. Only line ends part them, not every control character."""
    return text.removesuffix("\n").split("\n")


def separator_of(lines: list[str], what: str, alone: bool = False) -> str:
    """What stands between the columns of a table, which may have one column `alone`."""
    first = [line for line in lines if line.strip()][:_FEW]
    if not first:
        raise DataError(f"{what} is empty; expected lines with two columns or more")
    if all("\t" in line for line in first):
        return "\t"
    counts = {mark: first[0].count(mark) for mark in _SEPARATORS}
    best = max(counts, key=counts.__getitem__)
    if not counts[best]:
        if alone:
            return "," if what.lower().endswith((".csv", ".csv.gz")) else "\t"
        raise DataError(
            f"{what} has one column; expected two or more, apart by tabs, commas, semicolons or "
            f"bars, but the first line is {first[0][:40]!r}"
        )
    return best


def open_frame(
    source: Any,
    header: bool | None,
    quotes: bool | None,
    guess: Callable[[Any], bool],
    notes: Notes,
    alone: bool = False,
) -> tuple[Any, bool]:
    """A table as a polars frame, and whether its columns have names.

    Arguments:
        source: path of a text file (.gz and .zip too) or a Parquet file, or a dataframe.
        header: whether the first line names the columns; None lets `guess` tell from the frame.
        quotes: whether quotation marks hold cells together; None for yes unless tabs part them.
        alone: whether one column is enough.
    """
    is_path = isinstance(source, str | os.PathLike)
    if not is_path or str(source).lower().endswith((".parquet", ".pq")):
        from ..reading.source import open_table

        return open_table(existing(source, "source") if is_path else source, None).frame, True
    path = existing(source, "source")
    text = read_text(path, notes)
    separator = separator_of(lines_of(text), str(path), alone)
    quoting = separator != "\t" if quotes is None else quotes
    frame = _parsed(text, separator, quoting, path)
    if quotes is None and not quoting:
        _say_quotes(frame, notes)
    named = guess(frame) if header is None else header
    notes.found(
        f"columns apart by {_NAMES[separator]}, " * (frame.width > 1)
        + ("the first line names them" if named else "without a line that names them")
    )
    if named:
        return _with_names(frame, path), True
    frame.columns = [f"column_{place}" for place in range(1, frame.width + 1)]
    return frame, False


def _parsed(text: str, separator: str, quoting: bool, path: Path) -> Any:
    import polars as pl

    # Empty lines before the first row would make a table of one column; others are rows.
    data = io.BytesIO(text.strip("\n").encode())
    mark = '"' if quoting else None
    try:
        # Without inference every column stays text.
        return pl.read_csv(
            data, has_header=False, infer_schema=False, separator=separator, quote_char=mark
        )
    except pl.exceptions.PolarsError as problem:
        raise _ragged(text, separator, quoting, path, problem) from None


def _ragged(text: str, separator: str, quoting: bool, path: Path, problem: Exception) -> DataError:
    style = csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE
    rows = csv.reader(io.StringIO(text), delimiter=separator, quoting=style)
    width = None
    for row in rows:
        width = width or len(row)
        if len(row) > width:
            return DataError(
                f"{path}, line {rows.line_num}: {len(row)} cells for {width} columns; "
                "quote text that contains the separator, or part columns by tabs"
            )
    if quoting and text.count('"') % 2:
        return DataError(f"{path} has a quotation mark that is not closed; quotes=False keeps all")
    return DataError(f"{path} is not a readable table: {str(problem).splitlines()[0]}")


def _say_quotes(frame: Any, notes: Notes) -> None:
    import polars as pl

    starts = frame.select(pl.all().str.starts_with('"').sum()).row(0)
    count = sum(number or 0 for number in starts)
    if count:
        notes.found(
            f"{count:,} cells begin with a quotation mark, which was kept as a character "
            "(quotes=True if it holds cells together)"
        )


def _with_names(frame: Any, path: Path) -> Any:
    names = [(name or "").strip() for name in frame.row(0)]
    names = [name or f"column_{place}" for place, name in enumerate(names, start=1)]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"{path} has two columns named {twice[0]!r}; rename one")
    if frame.height == 1:
        raise DataError(f"{path} has no rows below its header")
    frame = frame.slice(1)
    frame.columns = names
    return frame
