"""How rolls are read from the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from ...data.rolls import Rolls, read_rolls
from ..supervised import TEST, Testing
from .model import OWN

Source = Annotated[
    str, typer.Argument(help="A .mat, .npz, .npy, .csv or .mid file, or a folder of MIDI files.")
]


@dataclass
class TestingRolls(Testing):
    """What is held out to test; by default the data's own part."""

    test: Annotated[
        str,
        typer.Option(
            help=f"{OWN} (the data's own part, else {TEST}), a share, further data, or a pattern "
            "of names; 0 for none."
        ),
    ] = OWN


@dataclass
class ReadingRolls:
    """Where pieces are, which notes or columns are keys, and what a step is."""

    source: Source
    steps_per_beat: Annotated[
        int | None,
        typer.Option(help="The grid of MIDI files. Default 4.", show_default=False),
    ] = None
    lowest: Annotated[
        int | None,
        typer.Option(help="MIDI note of the first key. Default 21.", show_default=False),
    ] = None
    keys: Annotated[
        int | None, typer.Option(help="How many notes. Default 88.", show_default=False)
    ] = None
    columns: Annotated[
        list[str] | None, typer.Option(help="Columns of a table that are keys, each so.")
    ] = None
    piece: Annotated[
        str | None, typer.Option(help="Column that tells pieces apart.", show_default=False)
    ] = None
    step: Annotated[
        str | None, typer.Option(help="Column of the place in a piece.", show_default=False)
    ] = None

    def read(self) -> Rolls:
        """The rolls of a file or folder."""
        return read_rolls(
            self.source,
            steps_per_beat=self.steps_per_beat,
            lowest=self.lowest,
            keys=self.keys,
            columns=self.columns,
            piece=self.piece,
            step=self.step,
        )
