"""How samples are read from the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from ...data import Samples
from .reading import as_samples

Source = Annotated[
    str, typer.Argument(help="A table, a folder of files or of folders, a .ts file, or JSON.")
]


@dataclass
class ReadingSamples:
    """Where samples are, columns of a table, and what is done to them before anything else."""

    source: Source
    text: Annotated[
        str, typer.Option(help="Column of texts. Default the longest.", show_default=False)
    ] = ""
    label: Annotated[
        str, typer.Option(help="Column of classes. Default found.", show_default=False)
    ] = ""
    sample: Annotated[
        str,
        typer.Option(help="Column that tells samples apart, a row a step.", show_default=False),
    ] = ""
    step: Annotated[
        str, typer.Option(help="Column of a row's place in its sample.", show_default=False)
    ] = ""
    features: Annotated[
        str, typer.Option(help="Columns of numbers, A,B,C. Default all.", show_default=False)
    ] = ""
    columns_per_step: Annotated[
        int | None,
        typer.Option(min=1, help="Of a row that is a sequence of numbers.", show_default=False),
    ] = None
    header: Annotated[
        bool | None,
        typer.Option(help="Whether a first line names columns. Default found.", show_default=False),
    ] = None
    quotes: Annotated[
        bool | None,
        typer.Option(help="Whether quotation marks hold cells together.", show_default=False),
    ] = None
    unique: Annotated[bool, typer.Option("--unique", help="Drop what comes again.")] = False
    accents: Annotated[bool, typer.Option(help="Keep accents of letters.")] = True

    def read(self) -> Samples:
        """The samples of a file or a folder."""
        named = {"text": self.text, "label": self.label, "sample": self.sample, "step": self.step}
        return as_samples(
            self.source,
            **{name: value or None for name, value in named.items()},
            features=[name.strip() for name in self.features.split(",")] if self.features else None,
            columns_per_step=self.columns_per_step,
            header=self.header,
            quotes=self.quotes,
            unique=self.unique,
            accents=self.accents,
        )
