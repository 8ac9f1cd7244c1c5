"""Pieces of any length read part by part, the state carried on: memory does not grow with them.

Shapes: B rows that are read side by side, T time of a part, K keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...data.rolls import Roll
from .network import RollNetwork

# Pieces that are read side by side, and steps of each that are read in one go.
ROWS, PART = 32, 512


class Part(NamedTuple):
    """What a network says of some steps of a piece.

    Attributes:
        piece: its place.
        start: the first step that is predicted; 1 at the beginning of a piece.
        scores: of every key, [T, K].
        truth: 0 and 1, [T, K].
    """

    piece: int
    start: int
    scores: Tensor
    truth: Tensor


@torch.no_grad()
def read_parts(network: RollNetwork, pieces: Sequence[Roll]) -> Iterator[Part]:
    """The scores of every step but the first of every piece.

    The parts of one piece come in order; those of several pieces in turn.
    """
    network.eval()
    longest_first = sorted(range(len(pieces)), key=lambda k: -len(pieces[k]))
    for first in range(0, len(pieces), ROWS):
        yield from _side_by_side(network, pieces, longest_first[first : first + ROWS])


def _side_by_side(network: RollNetwork, pieces: Sequence[Roll], rows: list[int]) -> Iterator[Part]:
    device = next(network.parameters()).device
    state: Any = None
    for start in range(0, len(pieces[rows[0]]) - 1, PART):
        # The longest come first, so that pieces end from the last row on.
        rows = [k for k in rows if len(pieces[k]) - 1 > start]
        state = _first_rows(state, len(rows))
        frames = _padded([pieces[k].frames[start : start + PART + 1] for k in rows]).to(device)
        scores, state = network(frames[:, :-1], state)
        for row, place in enumerate(rows):
            stop = min(len(pieces[place]) - 1, start + PART) - start
            truth = frames[row, 1 : stop + 1]
            yield Part(place, start + 1, scores[row, :stop], truth)


def _first_rows(state: Any, count: int) -> Any:
    """The state of the first rows; components are [layers, B, size]."""
    if state is None:
        return None
    if torch.is_tensor(state):
        return state[:, :count]
    return tuple(_first_rows(part, count) for part in state)


def _padded(frames: Sequence[np.ndarray]) -> Tensor:
    width = max(map(len, frames))
    padded = np.zeros((len(frames), width, frames[0].shape[1]), dtype=np.uint8)
    for row, some in zip(padded, frames, strict=True):
        row[: len(some)] = some
    return torch.from_numpy(padded)


@torch.no_grad()
def read_through(network: RollNetwork, frames: np.ndarray) -> tuple[Tensor, Any]:
    """The scores after the last of some steps, [K], and the state there.

    Arguments:
        frames: 0 and 1, [T, K]; one step at least.
    """
    network.eval()
    device = next(network.parameters()).device
    state: Any = None
    scores = torch.empty(0)
    for start in range(0, len(frames), PART):
        some = torch.from_numpy(frames[None, start : start + PART].astype(np.uint8)).to(device)
        scores, state = network(some, state)
    return scores[0, -1], state
