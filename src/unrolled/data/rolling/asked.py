"""What a user said of a source of rolls, and what it holds."""

from __future__ import annotations

from dataclasses import dataclass

from ..rolls import Roll


@dataclass(frozen=True)
class Asked:
    """What the user said of a source; None leaves it to the reader. As `read_rolls` takes it."""

    lowest: int | None = None
    keys: int | None = None
    columns: tuple[str, ...] | None = None
    piece: str | None = None
    step: str | None = None


@dataclass(frozen=True)
class Found:
    """What a source holds.

    Attributes:
        pieces: with as many keys each; some may have no step.
        lowest: MIDI note of the first key; None where keys are no notes.
        keys: names of the keys, where the source names them and they are no notes.
        steps_per_beat: None where the source does not say.
        piece, step: the columns of a table.
    """

    pieces: list[Roll]
    lowest: int | None = None
    keys: tuple[str, ...] | None = None
    steps_per_beat: int | None = None
    piece: str | None = None
    step: str | None = None
