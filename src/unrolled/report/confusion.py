"""A table of counts as a picture: which class was taken for which.

Shapes: C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .figures import Paint, colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Above this share of a row a cell is so dark that its count is written in white.
_DARK = 0.6
# Names up to this length have room side by side.
_SHORT = 3


def confusion_chart(counts: np.ndarray, names: Sequence[str]) -> Paint:
    """Counts [C, C] of label (row) and answer (column)."""

    def paint(figure: Figure) -> None:
        from matplotlib.patches import Rectangle

        axes = figure.subplots()
        shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        for row, column in zip(*counts.nonzero(), strict=True):
            share, corner = float(shares[row, column]), (column - 0.5, row - 0.5)
            # A patch of a colour of the palette, not a picture: it follows light and dark.
            axes.add_patch(Rectangle(corner, 1, 1, color=colour("blue"), alpha=share, linewidth=0))
            hue = "paper" if share > _DARK else "ink"
            text = f"{counts[row, column]}"
            axes.text(column, row, text, ha="center", va="center", fontsize=6, color=colour(hue))
        turned = 90 if max(map(len, names)) > _SHORT else 0
        axes.set_xticks(range(len(names)), names, rotation=turned)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(visible=False)

    return paint
