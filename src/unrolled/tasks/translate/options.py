"""The options of `unrolled ... translate` that are not arguments of `Translator`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from ...data.pairs import Pairs, read_pairs
from ..supervised import Test, Testing

SHARE = "0.1"


@dataclass
class TestingPairs(Testing):
    """What is held out to test."""

    test: Test = SHARE
    test_targets: Annotated[
        str, typer.Option(help="A file with a target a line, for the sources of --test.")
    ] = ""

    def asked(self) -> Any:
        return read_pairs(self.test, self.test_targets) if self.test_targets else self.test


@dataclass
class ReadingPairs:
    """Where pairs are, how to read them, and which of them."""

    source: Annotated[
        str, typer.Argument(help="A table of two columns, or a file with a source a line.")
    ]
    targets: Annotated[
        str, typer.Argument(help="A file with a target a line.", show_default=False)
    ] = ""
    columns: Annotated[
        str, typer.Option(help="Of sources and targets: en,fr. Default the first two.")
    ] = ""
    header: Annotated[
        bool | None,
        typer.Option(help="Whether a first line names columns. Default found.", show_default=False),
    ] = None
    quotes: Annotated[
        bool | None,
        typer.Option(help="Whether quotation marks hold cells together.", show_default=False),
    ] = None
    stress: Annotated[bool, typer.Option("--stress", help="Keep the stress of CMUdict.")] = False
    unique: Annotated[bool, typer.Option("--unique", help="Drop pairs that come again.")] = False
    shortest: Annotated[
        int | None, typer.Option(min=2, help="As many of the shortest pairs.", show_default=False)
    ] = None

    def read(self, before: Mapping[str, Any] | None = None) -> Pairs:
        """The pairs of one file, or of two.

        Arguments:
            before: how others were read, which counts where nothing else is asked for.
        """
        asked = {
            "columns": named_columns(self.columns),
            "header": self.header,
            "quotes": self.quotes,
            "stress": self.stress or None,
        }
        chosen = {name: value for name, value in asked.items() if value is not None}
        reading = {**(before or {}), **chosen}
        pairs = read_pairs(self.source, self.targets or None, unique=self.unique, **reading)
        return pairs if self.shortest is None else pairs.shortest(self.shortest)


def named_columns(text: str) -> tuple[str, str] | None:
    """Two names apart by a comma; None for none.

    Raises:
        ValueError: another number of names.
    """
    if not text:
        return None
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(names):
        raise ValueError(
            f"--columns must name two columns, of sources and targets, as en,fr; got {text!r}"
        )
    return names[0], names[1]
