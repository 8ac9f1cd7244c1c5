"""The .ts format of collections of numeric sequences, each with a class.

    # remarks
    @problemName JapaneseVowels
    @dimensions 12
    @classLabel true 1 2 3
    @data
    0.1,0.2,0.3:1.0,1.1,1.2:2

A line is a sample: its dimensions are apart by colons, the steps of each by commas, and the class
comes last. A question mark, or NaN, is a missing value. Tags are not case-sensitive.

References:
    Loening, Bagnall, Ganesh, Kazakov, Lines and Kiraly, "sktime: a unified interface for machine
        learning with time series", 2019; "Representing data with .ts files" in its documentation.
"""

import numpy as np

from ..errors import DataError
from ..reading.notes import Notes
from .files import lines_of
from .numbers import Cleaner

Raw = tuple[np.ndarray, str | None, str]


def from_ts(text: str, what: str, notes: Notes) -> list[Raw]:
    """The samples of a .ts file: [T, F], class or None, name.

    Raises:
        DataError: the text is not of this format, or of a part of it that has no classes.
    """
    tags, rows = _parts(text, what)
    labelled = tags.get("classlabel", "false").split()[:1] == ["true"]
    if tags.get("timestamps", "false").startswith("true"):
        raise DataError(f"{what} has time stamps, which are not read; write the values alone")
    if tags.get("targetlabel", "false").startswith("true"):
        raise DataError(
            f"{what} has a number to predict for each sample; expected @classLabel true"
        )
    cleaner = Cleaner()
    samples = [_sample(line, f"{what}, line {k}", labelled, cleaner) for k, line in rows]
    widths = {values.shape[1] for values, _, _ in samples}
    if len(widths) > 1:
        raise DataError(f"{what} has samples of {min(widths)} to {max(widths)} dimensions")
    declared = tags.get("dimensions", "")
    if widths and declared and widths != {int(declared)}:
        raise DataError(f"{what} says @dimensions {declared}, its samples have {widths.pop()}")
    cleaner.report(notes)
    return samples


def _parts(text: str, what: str) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """The tags, in lower case, and the lines of data with their numbers."""
    tags: dict[str, str] = {}
    rows: list[tuple[int, str]] = []
    for number, line in enumerate(lines_of(text), start=1):
        line = line.strip()
        if not line or line[0] in "#%":
            continue
        if line[0] == "@":
            name, _, value = line[1:].partition(" ")
            tags[name.lower()] = value.strip()
        elif "data" not in tags:
            raise DataError(
                f"{what}, line {number}: expected a tag such as @data, got {line[:30]!r}"
            )
        else:
            rows.append((number, line))
    if "data" not in tags:
        raise DataError(f"{what} has no line @data; expected the .ts format")
    return {**tags, "classlabel": tags.get("classlabel", "false").lower()}, rows


def _sample(line: str, where: str, labelled: bool, cleaner: Cleaner) -> Raw:
    dimensions = line.split(":")
    label = dimensions.pop().strip() if labelled else None
    columns = [_numbers(dimension, where) for dimension in dimensions]
    lengths = {len(column) for column in columns}
    if len(lengths) != 1:
        raise DataError(
            f"{where}: dimensions of {sorted(lengths)} steps; all of one sample must be as long"
        )
    values = np.stack(columns, axis=1)  # [T, F]
    return cleaner.clean(values, where), label, where


def _numbers(dimension: str, where: str) -> np.ndarray:
    cells = [cell.strip() for cell in dimension.split(",")] if dimension.strip() else []
    try:
        return np.array([np.nan if cell == "?" else float(cell) for cell in cells])
    except ValueError as problem:
        raise DataError(f"{where}: {str(problem).split(': ')[-1]} is not a number") from None
