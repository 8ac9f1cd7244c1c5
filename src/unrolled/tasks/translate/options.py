"""The options of `unrolled ... translate` that are not arguments of `Translator`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from ...data.pairs import Pairs, read_pairs


@dataclass
class ReadingPairs:
    """How to read pairs, and which of them."""

    columns: Annotated[
        str, typer.Option(help="Of sources and targets: en,fr. Default the first two.")
    ] = ""
    stress: Annotated[bool, typer.Option("--stress", help="Keep the stress of CMUdict.")] = False
    unique: Annotated[bool, typer.Option("--unique", help="Drop pairs that come again.")] = False
    shortest: Annotated[
        int | None, typer.Option(min=2, help="As many of the shortest pairs.", show_default=False)
    ] = None

    def read(self, source: str, targets: str = "") -> Pairs:
        """The pairs of one file, or of two."""
        pairs = read_pairs(
            source,
            targets or None,
            columns=named_columns(self.columns),
            stress=self.stress,
            unique=self.unique,
        )
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
