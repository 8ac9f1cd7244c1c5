"""What went into a dynamical system and what came out of it, sampled evenly in time.

    read_system("SNLS80mV.csv", inputs="V1", outputs="V2")      a table: a row a sample
    read_system(["run1.csv", "run2.csv"])                       a file an experiment
    read_system("all.csv", experiment="run", time="t")          a column tells experiments apart
    system_of(u, y)                                             arrays

A record is a stretch of time without a gap. Data are split in time, never by drawing samples.

Shapes: T samples of a record, I inputs, O outputs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .errors import DataError
from .series import Finding
from .splitting import check_share

Names = str | Sequence[str]


@dataclass(frozen=True, eq=False)
class Record:
    """Samples that follow one another.

    Attributes:
        inputs: float64 [T, I].
        outputs: float64 [T, O]; O is 0 where they were not read.
        experiment: the name of the experiment that it is of, "" where there is one only.
        row: the place of its first sample among the rows of the source, from 0.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    experiment: str = ""
    row: int = 0

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def stop(self) -> int:
        """The row after its last sample."""
        return self.row + len(self)

    def between(self, first: int, stop: int) -> "Record":
        """The samples of the rows from `first` to before `stop`."""
        low, high = (min(max(row - self.row, 0), len(self)) for row in (first, stop))
        part = slice(low, high)
        return replace(
            self, inputs=self.inputs[part], outputs=self.outputs[part], row=self.row + low
        )


@dataclass(frozen=True, eq=False, repr=False)
class SystemData:
    """Records of one system, with everything that was found while reading them.

    Attributes:
        records: in order of time.
        inputs, outputs: names of the columns.
        sampling: seconds between samples; None where no times were read.
        reading: arguments with which `read_system` reads another source in the same way; JSON
            can hold them.
    """

    records: tuple[Record, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    sampling: float | None = None
    name: str = "system"
    reading: dict[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        """Samples of all records."""
        return sum(map(len, self.records))

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __repr__(self) -> str:
        return f"SystemData({self.summary()})"

    @property
    def lengths(self) -> np.ndarray:
        """Samples of each record, [N]."""
        return np.array([len(record) for record in self], dtype=np.int64)

    def between(self, first: int, stop: int) -> "SystemData":
        """The samples of the rows from `first` to before `stop`, which count as in the source."""
        parts = (record.between(first, stop) for record in self)
        return replace(self, records=tuple(part for part in parts if len(part)))

    def without(self, first: int, stop: int) -> "SystemData":
        """All other samples; a record that loses some in its middle becomes two."""
        end = max(record.stop for record in self)
        sides = ((record.between(0, first), record.between(stop, end)) for record in self)
        parts = tuple(part for pair in sides for part in pair if len(part))
        return replace(self, records=parts)

    def split(self, share: float) -> tuple["SystemData", "SystemData"]:
        """All but the last share of the samples, and that share.

        Raises:
            ValueError: the share is not between 0 and 1.
            DataError: one of the parts would be empty.
        """
        check_share(share)
        ends = np.cumsum(self.lengths)
        keep = len(self) - round(share * len(self))
        if not 0 < keep < len(self):
            raise DataError(
                f"{share} of the {len(self)} samples of {self.name} leaves one part empty; "
                "choose another share"
            )
        place = int(np.searchsorted(ends, keep, side="left"))
        cut = self.records[place]
        row = cut.stop - (int(ends[place]) - keep)
        sides = cut.between(cut.row, row), cut.between(row, cut.stop)
        before, after = ([side] if len(side) else [] for side in sides)
        return (
            replace(self, records=(*self.records[:place], *before)),
            replace(self, records=(*after, *self.records[place + 1 :])),
        )

    def rows(self) -> str:
        """From where to where: "rows 0 to 39,999"."""
        return f"rows {self.records[0].row:,} to {self.records[-1].stop - 1:,}"

    def summary(self) -> str:
        """One line: how many samples of what, in how many records, how often."""
        lengths = self.lengths
        many = f", in {len(lengths)} records of {lengths.min():,} to {lengths.max():,}"
        every = f", every {self.sampling:.6g} s" if self.sampling is not None else ""
        return (
            f"{self.name}: {len(self):,} samples of {_named('input', self.inputs)}"
            + (f" and {_named('output', self.outputs)}" if self.outputs else "")
            + every
            + many * (len(lengths) > 1)
        )


def _named(what: str, names: Sequence[str]) -> str:
    from .reading.notes import listed

    return f"{len(names)} {what}{'s' * (len(names) != 1)} ({listed(names)})"


def read_system(
    source: Any,
    inputs: Names | None = None,
    outputs: Names | None = None,
    *,
    time: str | None = None,
    experiment: str | None = None,
    header: bool | None = None,
    measured: bool = True,
    name: str | None = None,
) -> SystemData:
    """Read inputs and outputs of a dynamical system.

    Arguments:
        source: path of a table (CSV, TSV, columns apart by blanks, MATLAB, Parquet; also .gz), a
            folder or a pattern of such, a list of paths, or a dataframe. A file is an experiment.
        inputs: columns of what went in. By default by their names (u, input, V1 beside V2).
        outputs: columns of what came out. By default by their names (y, output).
        time: column of times: seconds, or as its name says ("t [ms]"), or dates. By default by
            its name; without one rows are taken as evenly spaced.
        experiment: column that tells experiments apart. By default by its name.
        header: whether the first line names the columns. By default it does unless a cell of it
            is a number.
        measured: False reads the inputs alone.
        name: of the data, in summaries. By default that of the source.

    Raises:
        DataError: the source cannot be read as it is; the message says what to do.
    """
    # Polars is imported here, so that importing this package stays cheap.
    from .collecting.experiments import Wanted, read_experiments
    from .reading.notes import Notes

    notes = Notes()
    wanted = Wanted(_names_of(inputs), _names_of(outputs), time, experiment, measured)
    found = read_experiments(source, wanted, header, notes)
    return SystemData(
        tuple(Record(*each) for each in found.records),
        found.inputs,
        found.outputs,
        found.sampling,
        name or found.name,
        found.reading,
        tuple(notes),
    )


def system_of(
    inputs: Any,
    outputs: Any = None,
    *,
    names: tuple[Names | None, Names | None] = (None, None),
    sampling: float | None = None,
    name: str = "system",
) -> SystemData:
    """Inputs and outputs that are in memory, with the checks and findings of `read_system`.

    Arguments:
        inputs, outputs: arrays [T, I] or [T], or lists of such, one for each experiment. outputs
            None where they are not known.
        names: of inputs and of outputs. By default u, or u1, u2, ..., and y likewise.
        sampling: seconds between samples.

    Raises:
        DataError: they are no numbers, or do not fit one another.
    """
    from .collecting.experiments import Cutter, say_constant
    from .reading.notes import Notes

    given = _experiments(inputs, "inputs")
    came = [np.zeros((len(u), 0)) for u in given]
    came = came if outputs is None else _experiments(outputs, "outputs")
    if [len(u) for u in given] != [len(y) for y in came]:
        raise DataError(
            f"inputs have {[len(u) for u in given]} samples, outputs {[len(y) for y in came]}; "
            "they must be as long"
        )
    notes, cutter, start = Notes(), Cutter(), 0
    for number, (u, y) in enumerate(zip(given, came, strict=True), start=1):
        cutter.add(u, y, f"experiment {number}" if len(given) > 1 else "", start)
        start += len(u)
    found = cutter.finish(notes)
    read = _called(names[0], "u", given[0].shape[1])
    wrote = _called(names[1], "y", came[0].shape[1])
    say_constant(found, read, wrote, notes)
    records = tuple(Record(*each) for each in found)
    return SystemData(records, read, wrote, sampling, name, {}, tuple(notes))


def _experiments(given: Any, what: str) -> list[np.ndarray]:
    """Arrays [T, F] of one experiment or of several."""
    several = isinstance(given, (list, tuple)) and len(given) > 0 and np.ndim(given[0]) > 0
    try:
        arrays = [np.asarray(each, dtype=np.float64) for each in (given if several else [given])]
    except (TypeError, ValueError):
        arrays = [np.zeros(())]
    if any(array.ndim not in (1, 2) for array in arrays):
        raise DataError(f"{what} must be numbers [T, features] or [T], or a list of such arrays")
    arrays = [array[:, None] if array.ndim == 1 else array for array in arrays]
    if len({len(array.T) for array in arrays}) > 1:
        raise DataError(f"{what} of all experiments must have the same features")
    return arrays


def _called(asked: Names | None, letter: str, count: int) -> tuple[str, ...]:
    numbered = [letter] if count == 1 else [f"{letter}{k}" for k in range(1, count + 1)]
    names = _names_of(asked) or tuple(numbered)
    if len(names) != count:
        raise DataError(f"names has {len(names)} for {count} columns: {', '.join(names)}")
    return names


def _names_of(names: Names | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    found = (names,) if isinstance(names, str) else tuple(names)
    return found or None
