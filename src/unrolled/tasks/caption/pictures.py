"""Images with their captions, and where a captioner looked, as pictures of a report."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...data.vocabulary import END
from ...report import Picture
from ...report.figures import Paint, colour, inline_svg
from .results import Attended, Details

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Images beside each other; width of one, height of a line of text, and between rows, in points.
COLUMNS, SIDE, LINE, BETWEEN = 4, 86, 9, 12
# Letters of a line below an image.
LETTERS = 24


class Shown(NamedTuple):
    """An image with texts below it, each in a colour of the palette."""

    pixels: np.ndarray
    texts: Sequence[tuple[str, str]]


def gallery(images: Sequence[Shown], alt: str, caption: str) -> Picture:
    """Images in rows, their texts below them."""
    rows = -(-len(images) // COLUMNS)
    lines = max(len(_lines(shown)) for shown in images)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
        for axes in panels:
            axes.set_axis_off()
        for axes, shown in zip(panels, images, strict=False):
            draw_image(axes, shown.pixels)
            _write_below(axes, _lines(shown))

    height = rows * _row_height(images[0].pixels, lines)
    return Picture(inline_svg(paint, alt, height=height), caption)


def told(details: Details, places: Sequence[int]) -> list[Shown]:
    """Images with what is true and what was found."""
    found = []
    for place in places:
        said, right = details.said[place], not details.errors[place].errors
        texts = [(f"{said.text} ({said.probability:.2f})", "green" if right else "orange")]
        if not right:
            texts.append((details.data.captions[place][0], "ink"))
        found.append(Shown(details.data.pixels[place], texts))
    return found


def attention_picture(found: Attended) -> Picture:
    """The image once for each word, brighter where that word looked."""
    rows = -(-len(found.words) // COLUMNS)
    alt = f"Where each word of {found.text!r} looked in {found.image.name}."
    height = rows * _row_height(found.image.pixels, 1)
    return Picture(inline_svg(_attention(found, rows), alt, height=height), found.text)


def _attention(found: Attended, rows: int) -> Paint:
    def paint(figure: Figure) -> None:
        panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
        for axes in panels:
            axes.set_axis_off()
        for axes, word, weights in zip(panels, found.words, found.weights, strict=False):
            draw_image(axes, found.image.pixels)
            _lay_over(axes, weights, found.image.pixels.shape[:2])
            axes.set_title("(end)" if word == END else word, fontsize=8, color=colour("ink"))

    return paint


def _row_height(pixels: np.ndarray, lines: int) -> int:
    height, width = pixels.shape[:2]
    return round(SIDE * height / width) + LINE * lines + BETWEEN


def draw_image(axes: Axes, pixels: np.ndarray) -> None:
    """Pixels [H, W, C] of bytes, without axes."""
    grey = pixels.shape[2] == 1
    shown = pixels[:, :, 0] if grey else pixels
    axes.imshow(shown, cmap="gray" if grey else None, vmin=0, vmax=255, interpolation="nearest")


def _lay_over(axes: Axes, weights: np.ndarray, size: tuple[int, int]) -> None:
    """A colour that covers the image where the weights are large."""
    from matplotlib.colors import to_rgb

    layer = np.empty((*weights.shape, 4))
    layer[..., :3] = to_rgb(colour("orange"))
    layer[..., 3] = 0.75 * weights / weights.max()
    height, width = size
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    axes.imshow(layer, extent=extent, interpolation="bilinear")


def _lines(shown: Shown) -> list[tuple[str, str]]:
    return [
        (line, name) for text, name in shown.texts for line in textwrap.wrap(text, LETTERS) or [""]
    ]


def _write_below(axes: Axes, lines: Sequence[tuple[str, str]]) -> None:
    for place, (line, name) in enumerate(lines):
        axes.annotate(
            line,
            (0.5, 0),
            xytext=(0, -LINE * (place + 1)),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="center",
            fontsize=6.5,
            color=colour(name),
        )
