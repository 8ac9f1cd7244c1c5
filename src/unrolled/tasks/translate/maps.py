"""Attention as a picture: which tokens of the source each written token looked at.

Shapes: S tokens of the source, T tokens that were written.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...report.figures import WIDTH, Paint, colour, inline_svg, save_figure
from ...report.page import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Points of a row; letters of a token that have room; letters that fit side by side unturned.
ROW, MARGIN, LONGEST_LABEL, UNTURNED = 12, 40, 12, 48


def attention_chart(read: Sequence[str], tokens: Sequence[str], weights: np.ndarray) -> Paint:
    """Weights [T, S] as shades, the source's tokens along the top, the written ones downwards."""

    def paint(figure: Figure) -> None:
        from matplotlib.colors import LinearSegmentedColormap

        shades = LinearSegmentedColormap.from_list(
            "attention", [(*_rgb(colour("blue")), share) for share in (0.0, 1.0)]
        )
        axes = figure.add_subplot()
        axes.imshow(weights, cmap=shades, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        _label(axes, read, tokens)

    return paint


def attention_picture(
    read: Sequence[str], tokens: Sequence[str], weights: np.ndarray, caption: str
) -> Picture:
    """The same for a page."""
    alt = f"Attention of {' '.join(tokens)} over {' '.join(read)}."
    with _any_letters():
        svg = inline_svg(attention_chart(read, tokens, weights), alt, _height(tokens))
    return Picture(svg, caption)


def save_attention(
    path: str | Path, read: Sequence[str], tokens: Sequence[str], weights: np.ndarray
) -> Path:
    """The same in a file .svg or .png, as wide as the source needs."""
    width = max(WIDTH // 2, MARGIN * 2 + ROW * 2 * len(read))
    with _any_letters():
        return save_figure(
            attention_chart(read, tokens, weights), path, _height(tokens), width, white=True
        )


def _label(axes: Axes, read: Sequence[str], tokens: Sequence[str]) -> None:
    turned = sum(map(len, read)) > UNTURNED
    axes.set_xticks(range(len(read)), [_shortened(token) for token in read])
    axes.set_yticks(range(len(tokens)), [_shortened(token) for token in tokens])
    axes.tick_params(axis="x", labelrotation=90 if turned else 0, labelsize=7)
    axes.tick_params(axis="y", labelsize=7)
    axes.xaxis.tick_top()
    axes.grid(visible=False)


def _height(tokens: Sequence[str]) -> int:
    return MARGIN + ROW * len(tokens)


def _shortened(token: str) -> str:
    return token if len(token) <= LONGEST_LABEL else f"{token[: LONGEST_LABEL - 1]}…"


def _rgb(name: str) -> tuple[float, ...]:
    return tuple(int(name[k : k + 2], 16) / 255 for k in (1, 3, 5))


@contextmanager
def _any_letters() -> Iterator[None]:
    """Letters that Matplotlib's font lacks are boxes in a file; a page has the browser's fonts."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield
