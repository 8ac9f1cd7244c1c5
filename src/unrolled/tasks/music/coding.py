"""What a network must know of its rolls: the keys, the grid, how pieces open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...data.errors import DataError
from ...data.rolls import Rolls
from ...data.series import Finding

# Openings that a run keeps; of more pieces every n-th.
MOST_OPENINGS = 1000


@dataclass(frozen=True)
class Coding:
    """The keys of the rolls that a network learned from.

    Attributes:
        keys: their names, [K].
        lowest: MIDI note of the first; None where keys are no notes.
        steps_per_beat: the grid; None where it is not known.
        tempo: beats a minute; None where it is not known.
        density: how many keys are on at a step, on average.
        openings: the keys that are on at the first step of each piece.
        findings: what was noticed about the pieces.
    """

    keys: tuple[str, ...]
    lowest: int | None
    steps_per_beat: int | None
    tempo: float | None
    density: float
    openings: tuple[tuple[int, ...], ...]
    findings: tuple[Finding, ...] = field(default=(), compare=False)

    @classmethod
    def learn(cls, learned: Rolls) -> Coding:
        """From the training part.

        Raises:
            DataError: nothing in it can be predicted.
        """
        frames = learned.lengths.sum()
        on = sum(int(piece.frames.sum()) for piece in learned)
        if learned.lengths.max() < 2:
            raise DataError(
                f"every piece of {learned.name} has one step, so that nothing can be predicted"
            )
        if not on:
            raise DataError(f"{learned.name} is silent throughout; there is nothing to learn")
        every = -(-len(learned) // MOST_OPENINGS)
        openings = [np.flatnonzero(piece.frames[0]).tolist() for piece in learned.pieces[::every]]
        return cls(
            learned.keys,
            learned.lowest,
            learned.steps_per_beat,
            learned.tempo,
            on / float(frames),
            tuple(map(tuple, openings)),
            learned.findings,
        )

    def opening(self, place: int) -> np.ndarray:
        """The first step of a piece, uint8 [K]."""
        frame = np.zeros(len(self.keys), dtype=np.uint8)
        frame[list(self.openings[place])] = 1
        return frame

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "keys": list(self.keys),
            "lowest": self.lowest,
            "steps_per_beat": self.steps_per_beat,
            "tempo": self.tempo,
            "density": self.density,
            "openings": [list(opening) for opening in self.openings],
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Coding:
        """From `to_dict`."""
        openings = tuple(tuple(opening) for opening in saved["openings"])
        return cls(**{**saved, "keys": tuple(saved["keys"]), "openings": openings})

    def summary(self) -> Iterator[tuple[str, str]]:
        """For the console."""
        kind = "columns" if self.lowest is None else "notes"
        yield (
            "keys",
            f"{len(self.keys)} {kind}, {self.keys[0]} to {self.keys[-1]}; {self.density:.2f} on at "
            "a step",
        )
