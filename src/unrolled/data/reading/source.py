"""Open a table: a CSV, TSV or Parquet file, a bundled example, or a dataframe.

Text files are read as text throughout, so that a later stage can name the value and the row
that is not the number it should be.
"""

import csv
import gzip
import io
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl

from ...naming import nearest
from ..errors import DataError

_BUNDLED = Path(__file__).parent.parent / "bundled"
# The bundled examples, with the column that each is about.
_EXAMPLES = {"air_passengers": "passengers", "nyc_weather": "temp"}
_SEPARATORS = {"\t": "tab", ";": "semicolon", "|": "bar"}
_ADVICE = "save it as CSV or Parquet, or pass a polars or pandas dataframe"


@dataclass(frozen=True)
class Table:
    """A table as it came; `target` is set for bundled examples only."""

    frame: pl.DataFrame
    name: str
    target: str | None = None


def open_table(source: Any, name: str | None) -> Table:
    """Open whatever `read_series` accepts; `name` overrides the name of the table."""
    if not isinstance(source, str | os.PathLike):
        return Table(_checked(_from_dataframe(source), "the dataframe"), name or "table")
    text = os.fspath(source)
    example = str(text).replace("-", "_")
    path = Path(text)
    if example in _EXAMPLES and not path.is_file():
        frame = _read_file(_BUNDLED / f"{example}.csv")
        return Table(frame, name or example.replace("_", "-"), _EXAMPLES[example])
    return Table(_read_file(path), name or path.name.split(".")[0])


def _read_file(path: Path) -> pl.DataFrame:
    _check_path(path)
    data = _read_bytes(path)
    kind = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if kind in ("parquet", "pq"):
        return _checked(_read_parquet(data, path), str(path))
    if kind not in ("csv", "tsv"):
        raise DataError(f"{path}: files ending in {path.suffix!r} cannot be read; {_ADVICE}")
    _check_text(data, path)
    return _checked(_read_text(data, path), str(path))


def _check_path(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a directory; give the path of one CSV, TSV or Parquet file")
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(path.name, [*siblings, *_EXAMPLES])
        examples = " and ".join(_EXAMPLES)
        raise DataError(f"there is no file {path}; {hint}the bundled examples are {examples}")


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix.lower() == ".gz" else data
    except (OSError, EOFError, zlib.error) as problem:
        raise DataError(f"{path} cannot be read: {problem}") from None
    if not data.strip():
        raise DataError(f"{path} is empty; expected a header line and rows below it")
    return data


def _read_parquet(data: bytes, path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(io.BytesIO(data))
    except pl.exceptions.PolarsError as problem:
        reason = str(problem).splitlines()[0]
        raise DataError(f"{path} is not a readable Parquet file: {reason}") from None


def _check_text(data: bytes, path: Path) -> None:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{path} is encoded as UTF-16; save it as CSV in UTF-8")
    if data[:2] == b"PK" or data[:4] == b"PAR1" or b"\0" in data[:4096]:
        raise DataError(f"{path} is not a text file, whatever its name; {_ADVICE}")
    try:
        data.decode()
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise DataError(f"{path}, line {line}: the text is not UTF-8; save it as UTF-8") from None


def _read_text(data: bytes, path: Path) -> pl.DataFrame:
    header = data.lstrip(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode().rstrip("\r")
    separator = _separator(header)
    _check_header(next(csv.reader([header], delimiter=separator), []), path)
    try:
        # Without inference every column stays text.
        return pl.read_csv(io.BytesIO(data), infer_schema=False, separator=separator)
    except pl.exceptions.PolarsError as problem:
        raise _ragged(data, separator, path, problem) from None


def _separator(header: str) -> str:
    counts = {mark: header.count(mark) for mark in [",", *_SEPARATORS]}
    return max(counts, key=counts.__getitem__)


def _check_header(names: list[str], path: Path) -> None:
    stripped = [name.strip() for name in names]
    twice = [name for name in stripped if name and stripped.count(name) > 1]
    if twice:
        raise DataError(f"{path} has two columns named {twice[0]!r}; rename one")
    if all(re.match(r"[-+.]?\d", name) for name in stripped):
        raise DataError(
            f"the first line of {path} holds values ({', '.join(stripped[:3])}), not the names "
            "of the columns; add a header line, such as time,value"
        )


def _ragged(data: bytes, separator: str, path: Path, problem: Exception) -> DataError:
    rows = csv.reader(io.StringIO(data.decode()), delimiter=separator)
    width = len(next(rows))
    for row in rows:
        if len(row) > width:
            return DataError(
                f"{path}, line {rows.line_num}: {len(row)} values for {width} columns; "
                "quote text that contains the separator"
            )
    return DataError(f"{path} is not a readable table: {str(problem).splitlines()[0]}")


def _from_dataframe(source: Any) -> pl.DataFrame:
    if nw.dependencies.is_pandas_series(source):
        source = source.to_frame(source.name or "value")
    if nw.dependencies.is_pandas_dataframe(source):
        source = _with_index(source)
    try:
        frame: Any = nw.from_native(source)
        frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
        return frame.to_polars()
    except TypeError:
        raise DataError(
            f"a table must be a path, the name of an example ({', '.join(_EXAMPLES)}) or a "
            f"dataframe (polars, pandas, pyarrow), got {type(source).__name__}"
        ) from None
    except Exception as problem:
        # Every dataframe library fails in its own way, mostly at columns of mixed types.
        reason = str(problem).splitlines()[0]
        raise DataError(f"the dataframe cannot be converted: {reason}") from None


def _with_index(source: Any) -> Any:
    """A pandas frame with its index as a column, unless it only counts rows."""
    index = source.index
    if hasattr(index, "to_timestamp"):
        source, index = source.to_timestamp(), index.to_timestamp()
    is_time = index.dtype.kind == "M" or hasattr(index.dtype, "tz")
    if is_time and index.name is None:
        source = source.rename_axis("index" if "time" in source.columns else "time")
    named = any(name is not None for name in index.names)
    source = source.reset_index() if is_time or named else source
    return source.rename(columns=str)


def _checked(frame: pl.DataFrame, label: str) -> pl.DataFrame:
    if not frame.width or not frame.height:
        raise DataError(f"{label} has no rows below its header")
    names = [name.strip() or f"column_{place}" for place, name in enumerate(frame.columns, start=1)]
    frame.columns = names
    return frame
