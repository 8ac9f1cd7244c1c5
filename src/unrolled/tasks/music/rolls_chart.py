"""Piano rolls as charts: keys upwards, steps to the right.

Shapes: T steps, K keys.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ...report.figures import Paint, colour
from ...report.page import Key

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRUTH, EXPECTED = Key("on", "ink"), Key("probability", "blue", "band")
# Probabilities are drawn in classes, which leaves few shapes; below the first they are not seen.
CLASSES = (0.03, 0.1, 0.25, 0.5, 0.75, 1.01)
# Keys beyond those in use, and most names beside the axis.
MARGIN, MOST_NAMES = 2, 14


def roll_chart(
    frames: np.ndarray,
    keys: tuple[str, ...],
    probabilities: np.ndarray | None = None,
    first: int = 1,
) -> Paint:
    """What is on, outlined, over how likely that was, shaded; without probabilities, filled.

    Arguments:
        frames: 0 and 1, [T, K].
        keys: their names.
        probabilities: [T, K].
        first: number of the first step.
    """

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        if probabilities is not None:
            for low, high in pairwise(CLASSES):
                inside = (probabilities >= low) & (probabilities < high)
                _boxes(axes, _runs(inside), first, colour("blue"), (low + high) / 2)
        _boxes(axes, _runs(frames > 0), first, colour("blue"), 1.0, probabilities is not None)
        low, high = rows_of(frames, probabilities)
        axes.set_xlim(first - 0.5, first + len(frames) - 0.5)
        axes.set_ylim(low - 0.5, high + 0.5)
        _name_keys(axes, keys, low, high)
        axes.set_xlabel("step")

    return paint


def rows_of(frames: np.ndarray, probabilities: np.ndarray | None = None) -> tuple[int, int]:
    """The first and the last key to draw."""
    used = frames.any(axis=0)
    if probabilities is not None:
        used = used | (probabilities >= CLASSES[0]).any(axis=0)
    places = np.flatnonzero(used)
    first, last = (int(places[0]), int(places[-1])) if len(places) else (0, 0)
    return max(0, first - MARGIN), min(frames.shape[1] - 1, last + MARGIN)


def height_of(frames: np.ndarray, probabilities: np.ndarray | None = None) -> int:
    """Points that leave room for every key."""
    low, high = rows_of(frames, probabilities)
    return max(110, 50 + 4 * (high - low + 1))


def _runs(on: np.ndarray) -> list[tuple[int, int, int]]:
    """Key, first step and number of steps of every run that is on."""
    edges = np.diff(np.pad(on, ((1, 1), (0, 0))).astype(np.int8), axis=0)  # [T + 1, K]
    keys, starts = np.nonzero(edges.T == 1)
    ends = np.nonzero(edges.T == -1)[1]
    return list(zip(keys.tolist(), starts.tolist(), (ends - starts).tolist(), strict=True))


def _boxes(
    axes: Axes,
    runs: list[tuple[int, int, int]],
    first: int,
    fill: str,
    alpha: float,
    outlined: bool = False,
) -> None:
    from matplotlib.collections import PolyCollection

    corners = [
        [(x, k - 0.45), (x + width, k - 0.45), (x + width, k + 0.45), (x, k + 0.45)]
        for k, start, width in runs
        for x in [first + start - 0.5]
    ]
    if not corners:
        return
    if outlined:
        looks = {"facecolor": "none", "edgecolor": colour("ink"), "linewidth": 0.7}
    else:
        looks = {"facecolor": fill, "edgecolor": "none", "alpha": alpha}
    axes.add_collection(PolyCollection(corners, **looks), autolim=False)


def _name_keys(axes: Axes, keys: tuple[str, ...], low: int, high: int) -> None:
    """Every key, or every C, or every n-th key."""
    places = list(range(low, high + 1))
    if len(places) > MOST_NAMES:
        octaves = [k for k in places if keys[k][:1] == "C" and keys[k][1:].isdigit()]
        places = octaves or places[:: -(-len(places) // MOST_NAMES)]
    axes.set_yticks(places, [keys[k] for k in places])
