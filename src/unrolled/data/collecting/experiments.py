"""Tables of samples in time as records: stretches of one experiment without a gap.

    Wanted       what the user said of the columns
    Cutter       samples to records: cut where a value is missing

Columns are found by their names, letters of the field: u and y, x and y of a filter's two ends,
V1 and V2 of an oscilloscope. Rows are counted from 0 over all files.

Shapes: T samples, I inputs, O outputs.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..reading.columns import Columns
from ..reading.notes import Notes, listed
from . import files
from .sampling import Clock

Raw = tuple[np.ndarray, np.ndarray, str, int]  # [T, I], [T, O], experiment, first row

INPUTS = r"u|in|inputs?|excitation|stimulus|v_?in|u_?in"
OUTPUTS = r"y|out|outputs?|response|v_?out|u_?out"
# Names that mean an input and an output only together, and where there is no other.
PAIRS = (("v1", "v2"), ("ch1", "ch2"), ("x", "y"))
TIMES = ("time", "t", "timestamp", "date", "datetime", "seconds", "step", "index", "k")
EXPERIMENTS = ("experiment", "experiment_id", "record", "run", "trial", "realisation", "period")
TABLES = (".csv", ".tsv", ".txt", ".dat", ".mat", ".parquet", ".pq", ".gz", ".zip")
# A unit behind a name: "u [V]", "force (N)".
UNIT = re.compile(r"^(?P<name>.*?)\s*[\[(](?P<unit>[^\])]*)[\])]$")
# The shortest record: a step from one sample to the next.
SHORTEST = 2


@dataclass(frozen=True)
class Wanted:
    """What the user said of a table; None leaves it to the reader."""

    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None
    time: str | None = None
    experiment: str | None = None
    measured: bool = True

    def check(self, columns: Columns) -> None:
        """Raise `DataError` for an unknown column, or one with two roles."""
        for role in ("inputs", "outputs"):
            columns.check(getattr(self, role) or () if self._reads(role) else (), role)
        for role in ("time", "experiment"):
            columns.check([name] if (name := getattr(self, role)) else [], role)
        twice = [name for name in self.named if self.named.count(name) > 1]
        if twice:
            raise DataError(f"column {twice[0]!r} was given two roles; a column can have one")

    def _reads(self, role: str) -> bool:
        return role == "inputs" or self.measured

    @property
    def named(self) -> list[str]:
        single = [name for name in (self.time, self.experiment) if name]
        return [*(self.inputs or ()), *(self.outputs or ()), *single]


@dataclass(frozen=True)
class Found:
    """Records, their columns, and what reads another source in the same way."""

    records: list[Raw]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    sampling: float | None
    name: str
    reading: dict[str, Any]


@dataclass
class Cutter:
    """Cuts samples to records where a value is missing, and counts what is lost.

    Attributes:
        records: what there is so far.
        missing: rows with a missing value.
        alone: rows between two gaps.
    """

    records: list[Raw] = field(default_factory=list)
    missing: int = 0
    alone: int = 0

    def add(
        self,
        inputs: np.ndarray,
        outputs: np.ndarray,
        experiment: str,
        start: int,
        breaks: np.ndarray | None = None,
        lost: np.ndarray | None = None,
    ) -> None:
        """Samples of one experiment.

        Arguments:
            inputs, outputs: [T, I] and [T, O], NaN where missing.
            start: the row of the first one.
            breaks: true where a sample does not follow the one before, [T].
            lost: true for samples that are left out whatever their values, [T].
        """
        whole = np.all(np.isfinite(np.concatenate([inputs, outputs], axis=1)), axis=1)
        self.missing += int((~whole).sum())
        if lost is not None:
            whole = whole & ~lost
        apart = np.ones(len(whole) + 1, dtype=bool)
        apart[1:-1] = ~whole[:-1] | ~whole[1:]
        if breaks is not None:
            apart[:-1] |= breaks
        # A record is a stretch of whole samples between two edges.
        firsts = np.flatnonzero(whole & apart[:-1])
        stops = np.flatnonzero(whole & apart[1:]) + 1
        for first, stop in zip(firsts.tolist(), stops.tolist(), strict=True):
            if stop - first < SHORTEST:
                self.alone += stop - first
            else:
                values = inputs[first:stop], outputs[first:stop]
                self.records.append((*values, experiment, start + first))

    def finish(self, notes: Notes) -> list[Raw]:
        """The records; notes get what was cut.

        Raises:
            DataError: there is none.
        """
        cut = "rows with a missing value, at which records are cut: {}"
        notes.repaired(cut, self.missing)
        notes.left_out("rows between two gaps, with none beside them, left out: {}", self.alone)
        if not self.records:
            raise DataError(
                f"no two rows in a row have all values ({self.missing:,} rows have one missing)"
            )
        return self.records


def read_experiments(source: Any, wanted: Wanted, header: bool | None, notes: Notes) -> Found:
    """The records of a table, or of several.

    Raises:
        DataError: a table cannot be read, or which columns are what cannot be told.
    """
    tables, name = _tables(source, header, notes)
    frame, called, named = tables[0]
    roles_of = _find_roles(Columns(frame), wanted, notes)
    clock, cutter, start = Clock(), Cutter(), 0
    for frame, called, _ in tables:
        columns = Columns(frame)
        roles_of.check(columns)
        for rows, experiment in _experiments(columns, roles_of, called if len(tables) > 1 else ""):
            u, y = (_numbers(columns, roles_of, role)[rows] for role in ("inputs", "outputs"))
            marks = clock.marks(columns, roles_of.time, rows) if roles_of.time else (None, None)
            cutter.add(u, y, experiment, start + int(rows[0]), *marks)
        start += frame.height
    sampling = clock.finish(notes)
    records = cutter.finish(notes)
    inputs, outputs = roles_of.inputs or (), roles_of.outputs or ()
    say_constant(records, inputs, outputs, notes)
    reading = {"inputs": list(inputs), "outputs": list(outputs), "time": roles_of.time}
    reading |= {"experiment": roles_of.experiment, "header": named}
    return Found(records, inputs, outputs if wanted.measured else (), sampling, name, reading)


def _tables(source: Any, header: bool | None, notes: Notes) -> tuple[list[Any], str]:
    """Each table with its name and whether its columns are named; a name for all."""
    if not isinstance(source, (str, os.PathLike, list, tuple)):
        return [(*_open(source, header, notes), "")], "system"
    given = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    paths = [path for each in given for path in _paths(each)]
    if not paths:
        raise DataError("there is no table among the files; expected CSV, TSV or Parquet")
    tables = []
    for path in paths:
        frame, named = _open(path, header, notes)
        if tables and frame.columns != tables[0][0].columns:
            raise DataError(
                f"{path} has the columns {listed(frame.columns)}, {paths[0]} has "
                f"{listed(tables[0][0].columns)}; files of one system must have the same"
            )
        tables.append((frame, path.name.split(".")[0], named))
    if len(paths) > 1:
        notes.found(f"{len(paths)} files, each an experiment: {listed([p.name for p in paths])}")
    first = Path(os.fspath(given[0]))
    name = paths[0].name.split(".")[0] if len(paths) == 1 else first.name if len(given) == 1 else ""
    return [(f, n, h) for f, n, h in tables], name or f"{len(paths)} experiments"


def _paths(source: Any) -> list[Path]:
    """The tables that a path means: itself, those in a folder, or those of a pattern."""
    text = os.fspath(source)
    if any(c in text for c in "*?[") and not Path(text).exists():
        pattern = Path(text)
        found = sorted(pattern.parent.glob(pattern.name))
        if not found:
            raise DataError(f"no file is like {text}")
        return found
    path = files.existing(source, "source")
    if not path.is_dir():
        return [path]
    return sorted(p for p in path.iterdir() if p.suffix.lower() in TABLES and p.name[0] != ".")


def _open(source: Any, header: bool | None, notes: Notes) -> tuple[Any, bool]:
    if isinstance(source, Path) and source.suffix.lower() == ".mat":
        return _matlab(source), True
    if isinstance(source, Path) and source.suffix.lower() not in (".parquet", ".pq"):
        frame = _blanks(files.read_text(source, Notes()))
        if frame is not None:
            notes.found("columns apart by blanks, without a line that names them")
            return frame, False
    return files.open_frame(source, header, None, _is_header, notes, alone=True)


def _matlab(path: Path) -> Any:
    """The vectors of a MATLAB file, those of the commonest length, as a frame."""
    import polars as pl
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        found = loadmat(path)
    except (MatReadError, ValueError, NotImplementedError, OSError, TypeError) as problem:
        reason = str(problem).splitlines()[0]
        raise DataError(f"{path} cannot be read as a MATLAB file ({reason}); save as -v7") from None
    vectors = {
        name: value.ravel().astype(np.float64)
        for name, value in found.items()
        if isinstance(value, np.ndarray)
        and value.dtype.kind in "fiu"
        and value.size > 1
        and value.size == max(value.shape)
    }
    if not vectors:
        raise DataError(f"{path} holds no vector of numbers; expected one for each column")
    lengths = [len(vector) for vector in vectors.values()]
    usual = max(lengths, key=lengths.count)
    return pl.DataFrame({name: v for name, v in vectors.items() if len(v) == usual})


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_header(frame: Any) -> bool:
    """Whether the first row names the columns: none of its cells is a number."""
    cells = [cell for cell in frame.row(0) if cell and cell.strip()]
    return bool(cells) and not any(_is_number(cell) for cell in cells)


def _blanks(text: str) -> Any:
    """Numbers apart by blanks, as a frame; None of any other text. Lines of remarks are left."""
    import polars as pl

    lines = [line.split() for line in files.lines_of(text)]
    lines = [cells for cells in lines if cells and cells[0][0] not in "%#"]
    if not lines or len(lines[0]) < 2 or len({len(cells) for cells in lines}) > 1:
        return None
    try:
        values = np.array(lines, dtype=np.float64)
    except ValueError:
        return None
    return pl.DataFrame({f"column_{k}": values[:, k - 1] for k in range(1, values.shape[1] + 1)})


def _find_roles(columns: Columns, wanted: Wanted, notes: Notes) -> Wanted:
    """The columns of every role.

    Raises:
        DataError: which columns are inputs, or outputs, cannot be told.
    """
    wanted.check(columns)
    empty = [n for n in columns.names if columns.kind(n) == "empty" and n not in wanted.named]
    notes.ignored("empty", empty)
    time = wanted.time or _by_name(columns, wanted, TIMES) or _dates(columns, wanted)
    experiment = wanted.experiment or _by_name(columns, wanted, EXPERIMENTS)
    taken = {time, experiment, *wanted.named, *empty}
    free = [name for name in columns.names if name not in taken]
    numbers = [name for name in free if columns.kind(name) == "number"]
    notes.ignored("no numbers", [name for name in free if name not in numbers])
    inputs, outputs = _inputs_and_outputs(wanted, numbers)
    told = f"inputs {listed(inputs)}" + (f", outputs {listed(outputs)}" if outputs else "")
    told += f", time {time}" * bool(time) + f", experiment {experiment}" * bool(experiment)
    notes.found(told)
    notes.ignored("not used", [n for n in numbers if n not in (*inputs, *outputs)])
    return Wanted(inputs, outputs, time, experiment, wanted.measured)


def _by_name(columns: Columns, wanted: Wanted, names: tuple[str, ...]) -> str | None:
    free = [n for n in columns.names if n not in wanted.named and columns.kind(n) != "empty"]
    return next((name for name in free if plain(name) in names), None)


def _dates(columns: Columns, wanted: Wanted) -> str | None:
    """The only column of dates that has no other role."""
    free = [n for n in columns.names if n not in wanted.named and columns.kind(n) == "time"]
    return free[0] if len(free) == 1 else None


def plain(name: str) -> str:
    """A name in small letters, without its unit."""
    found = UNIT.match(name)
    return (found["name"] if found else name).strip().lower().replace(" ", "_")


def _inputs_and_outputs(wanted: Wanted, free: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    inputs = wanted.inputs or _like(free, INPUTS)
    outputs = wanted.outputs or (_like(free, OUTPUTS) if wanted.measured else ())
    if not wanted.inputs and not wanted.outputs and not (inputs and outputs):
        pair = _pair(free)
        inputs, outputs = pair or (inputs, outputs)
    rest = tuple(name for name in free if name not in (*inputs, *outputs))
    if len(rest) == 1 and bool(inputs) != bool(outputs) and wanted.measured:
        inputs, outputs = inputs or rest, outputs or rest
    if not inputs or (wanted.measured and not outputs):
        raise DataError(_which(free, inputs, outputs))
    return inputs, outputs if wanted.measured else ()


def _like(names: list[str], pattern: str) -> tuple[str, ...]:
    """The names that are one of a pattern, with a number behind it or not."""
    return tuple(n for n in names if re.fullmatch(rf"({pattern})_?\d*", plain(n)))


def _pair(names: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    known = {plain(name): name for name in names}
    for first, second in PAIRS:
        if first in known and second in known:
            return (known[first],), (known[second],)
    return None


def _which(free: list[str], inputs: tuple[str, ...], outputs: tuple[str, ...]) -> str:
    if not free and not (inputs or outputs):
        return "there is no column of numbers; expected at least an input and an output"
    what = "inputs" if not inputs else "outputs"
    what = "inputs and which outputs" if not (inputs or outputs) else what
    among = [name for name in free if name not in (*inputs, *outputs)]
    example = {"inputs": inputs or among[:1], "outputs": outputs or among[-1:]}
    how = ", ".join(f"{role}={listed(names) or '...'}" for role, names in example.items())
    return f"which of the columns {listed(among) or 'that are left'} are {what}? Name them: {how}"


def _experiments(columns: Columns, wanted: Wanted, file: str) -> list[tuple[np.ndarray, str]]:
    """The rows of each experiment, in order, and its name."""
    if wanted.experiment is None:
        return [(np.arange(columns.frame.height), file)]
    labels = columns.labels(wanted.experiment).fill_null("").to_numpy()
    edges = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    pieces = np.split(np.arange(len(labels)), edges)
    again = len(pieces) - len(set(labels.tolist()))
    if again:
        raise DataError(
            f"{again:,} experiments of {wanted.experiment!r} come again after another; sort the "
            "rows by experiment, then by time"
        )
    prefix = f"{file} " if file else ""
    return [(rows, f"{prefix}{labels[rows[0]]}") for rows in pieces]


def _numbers(columns: Columns, wanted: Wanted, role: str) -> np.ndarray:
    """The columns of a role, [rows, columns]."""
    names = getattr(wanted, role) or ()
    if not names:
        return np.zeros((columns.frame.height, 0))
    return np.stack([columns.numbers(name, role[:-1]) for name in names], axis=1)


def say_constant(
    records: list[Raw], inputs: tuple[str, ...], outputs: tuple[str, ...], notes: Notes
) -> None:
    """Note the columns whose value is the same in every row of all records."""
    for k, names in enumerate((inputs, outputs)):
        values = np.concatenate([record[k] for record in records])
        same = [n for n, v in zip(names, values.T, strict=False) if np.ptp(v) == 0]
        notes.warned(f"columns that never change ({listed(same)}): {{}}", len(same))
