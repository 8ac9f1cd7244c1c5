"""What an evaluation of rolls shows: pieces by their loss, and stretches to look at.

Shapes: T steps, K keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ...data.rolls import Roll, Rolls
from ...report import Table
from ..supervised.scores import hundredths
from .metrics import Tally, three_decimals
from .network import RollNetwork
from .streams import read_parts

# Pieces in the table of the worst; steps of a piece that are drawn.
WORST, DRAWN = 8, 64


@dataclass(frozen=True)
class Drawn:
    """The beginning of a piece, but for its first step, and what was expected there.

    Attributes:
        name: of the piece.
        nll: of all of the piece.
        truth: 0 and 1, [T, K].
        probabilities: that keys are on, [T, K].
    """

    name: str
    nll: float
    truth: np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True)
class Details:
    """What stands behind the figures.

    Attributes:
        by_piece: NLL of every piece in which something is predicted, the best first.
        typical: the piece whose NLL is the median.
        worst: the piece whose NLL is the largest; None where there is one piece.
    """

    by_piece: tuple[float, ...]
    typical: Drawn
    worst: Drawn | None

    @classmethod
    def of(cls, network: RollNetwork, data: Rolls, tallies: Sequence[Tally]) -> Details:
        """Choose the pieces, and predict them again."""
        ranked = _ranked(tallies)
        typical, last = ranked[(len(ranked) - 1) // 2], ranked[-1]
        draw = lambda k: _drawn(network, data[k], tallies[k].nll)  # noqa: E731
        worst = draw(last) if len(ranked) > 1 else None
        return cls(tuple(tallies[k].nll for k in ranked), draw(typical), worst)


def _ranked(tallies: Sequence[Tally]) -> list[int]:
    """Places of the pieces in which something is predicted, the best first."""
    known = [k for k, tally in enumerate(tallies) if tally.steps]
    return sorted(known, key=lambda k: (tallies[k].nll, k))


def _drawn(network: RollNetwork, piece: Roll, nll: float) -> Drawn:
    start = replace(piece, frames=piece.frames[: DRAWN + 1])
    scores = torch.cat([part.scores for part in read_parts(network, [start])])
    probabilities = torch.sigmoid(scores.float()).cpu().numpy()
    return Drawn(piece.name, nll, start.frames[1:], probabilities)


def worst_pieces(data: Rolls, tallies: Sequence[Tally]) -> Table:
    """The pieces with the largest loss a step."""
    rows = []
    for place in reversed(_ranked(tallies)[-WORST:]):
        tally, on = tallies[place], data[place].frames.mean(axis=0).sum()
        shown = [three_decimals(tally.nll), hundredths(tally.accuracy), hundredths(tally.f1)]
        rows.append([data[place].name, f"{len(data[place]):,}", f"{on:.2f}", *shown])
    header = ["piece", "steps", "keys on", "NLL", "accuracy", "F1"]
    return Table(header, rows, "The pieces with the largest loss a step.")
