"""Which part of the data is learned from, which is held out.

A part is asked for by a share ("0.2"), by a path of further data ("pendigits.tes"), or by a
pattern of the samples' names ("*_[0-4].wav"). A share is drawn by one seed, whatever that of
training, so that trainings by several seeds are tested on the same samples.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ...data.errors import DataError

SPLIT_SEED = 0
Test = Annotated[
    str, typer.Option(help="A share, further data, or a pattern of names; 0 for none.")
]
TEST, VALIDATION = "0.2", "0.1"


@dataclass
class Testing:
    """What is held out to test, as a group of options."""

    test: Test = TEST

    def asked(self) -> Any:
        """As the option says it, or data that are read already."""
        return self.test


def held_out(data: Any, asked: str, name: str, read: Callable[[str], Any]) -> tuple[Any, Any]:
    """The rest, and the part that is asked for; None for none.

    Arguments:
        data: has `split(share, seed)`; for patterns also `select(places)` and samples with `name`.
        asked: "0", a share, a path, or a pattern.
        name: of the option, for messages.
        read: reads a path in the way in which `data` were read.

    Raises:
        ValueError: it is none of these.
        DataError: a part is empty, or the path cannot be read.
    """
    share = _number(asked)
    if share == 0:
        return data, None
    if share is not None:
        if not 0 < share < 1:
            raise ValueError(f"--{name} must be a share below 1, a path or a pattern, got {asked}")
        try:
            return data.split(share, seed=SPLIT_SEED)
        except DataError as problem:
            raise DataError(f"--{name} {asked}: {problem}") from None
    if Path(asked).exists():
        return data, read(asked)
    if any(c in asked for c in "*?["):
        return _by_name(data, asked, name)
    raise ValueError(
        f"--{name} {asked} is no share between 0 and 1, no file or folder that is there, and no "
        "pattern with * ? or ["
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _by_name(data: Any, pattern: str, option: str) -> tuple[Any, Any]:
    if not hasattr(data, "select"):
        raise ValueError(f"--{option} takes a share or a path here: these samples have no names")
    hit = [fnmatch.fnmatchcase(sample.name, pattern) for sample in data]
    if all(hit) or not any(hit):
        found = "every" if all(hit) else "no"
        example = data[0].name
        raise DataError(
            f"--{option} {pattern} fits {found} sample of {data.name}, whose names are like "
            f"{example!r}; both parts must have some"
        )
    rest, part = ([k for k, inside in enumerate(hit) if inside == want] for want in (False, True))
    return data.select(rest), data.select(part)
