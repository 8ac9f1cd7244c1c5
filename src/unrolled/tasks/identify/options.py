"""How a system's data are read from the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from ...data.systems import SystemData, read_system
from ..supervised import TEST, Testing


@dataclass
class TestingSystem(Testing):
    """What is held out to test: by default the end of the records."""

    test: Annotated[
        str,
        typer.Option(help="To test on: a share, the last one, rows 0:40000, a file; 0 for none."),
    ] = TEST


@dataclass
class ReadingSystem:
    """Where the records of a system are, and columns of a table."""

    source: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA...", help="Tables (CSV, TSV, blanks, .mat, Parquet), or a folder."
        ),
    ]
    inputs: Annotated[
        str, typer.Option(help="Columns of inputs, A,B. Default by name.", show_default=False)
    ] = ""
    outputs: Annotated[
        str, typer.Option(help="Columns of outputs, A,B. Default by name.", show_default=False)
    ] = ""
    time: Annotated[
        str, typer.Option(help="Column of times. Default by name.", show_default=False)
    ] = ""
    experiment: Annotated[
        str,
        typer.Option(
            help="Column that tells experiments apart. Default by name.", show_default=False
        ),
    ] = ""
    header: Annotated[
        bool | None,
        typer.Option(help="Whether a first line names columns. Default found.", show_default=False),
    ] = None

    def read(self) -> SystemData:
        """The records of a file, or of several."""
        return read_system(
            self.source[0] if len(self.source) == 1 else self.source,
            _split(self.inputs),
            _split(self.outputs),
            time=self.time or None,
            experiment=self.experiment or None,
            header=self.header,
        )


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]
