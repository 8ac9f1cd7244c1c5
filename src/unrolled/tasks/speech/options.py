"""How recordings are read from the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from ...data import Recordings, read_audio
from ...data.audio_labels import AUTO, COMMON_PATTERN, FOLDER

Source = Annotated[str, typer.Argument(help="A folder or a zip of recordings.")]


@dataclass
class ReadingRecordings:
    """Where recordings and labels come from, and at which rate they are heard."""

    recordings: Source
    labels: Annotated[
        str,
        typer.Option(
            help=f"A pattern of file names '{COMMON_PATTERN}', '{FOLDER}', or a CSV with columns "
            "file and label or transcript. Default found.",
            show_default=False,
        ),
    ] = AUTO
    rate: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Samples a second to resample to. Default the commonest.",
            show_default=False,
        ),
    ] = None

    def read(self) -> Recordings:
        """The recordings of a folder, a zip or one file."""
        return read_audio(self.recordings, self.labels, self.rate)
