"""Pictures on paper: as an SVG, PNG or PDF file.

Drawn by matplotlib without pyplot; it is imported at the first use.
"""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import geometry
from .geometry import Point
from .looks import FILLS, INK, INKS, PAPER, style
from .shapes import Line, Shape, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .picture import Picture

# What may differ from one time to the next is left out.
_METADATA: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None},
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None, "ModDate": None},
}
SUFFIXES = tuple(_METADATA)
_PAGE_CM, _MARGIN_CM = 16.0, 0.15
# Letters of 11 points become letters of 8.
_SMALLEST = 8 / 11
_DASHES: dict[str, Any] = {"solid": "-", "dashed": (0, (4, 2.5))}
_STROKE, _HEAD, _HALO = 0.9, (0.22, 0.085), 2.5


def save(picture: Picture, path: Path) -> Path:
    """Draw into a file that appears whole or not at all; see `Picture.save`."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise ValueError(f"cannot draw {path.name!r}: the name must end in one of {known}")
    drawn = io.BytesIO()
    with style():
        figure = paint(picture)
        figure.savefig(
            drawn, format=suffix[1:], dpi=200, facecolor=PAPER, metadata=_METADATA[suffix]
        )
    return write_whole(drawn.getvalue(), path)


def paint(picture: Picture) -> Figure:
    """The picture as a figure with one axis over all of it, whose unit is the picture's."""
    from matplotlib.figure import Figure

    held = picture.extent
    width, height = held.width + 2 * _MARGIN_CM, held.height + 2 * _MARGIN_CM
    scale = min(1.0, max(_PAGE_CM / width, _SMALLEST))
    figure = Figure(figsize=(width * scale / 2.54, height * scale / 2.54), facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(held.left - _MARGIN_CM, held.right + _MARGIN_CM)
    axes.set_ylim(held.bottom - _MARGIN_CM, held.top + _MARGIN_CM)
    for frame in picture.frames:
        _paint_shape(axes, frame, scale)
    for line in picture.lines:
        _paint_line(axes, line, scale)
    for shape in picture.shapes:
        _paint_shape(axes, shape, scale)
    for text in (*picture.texts, *picture.labels):
        _paint_text(axes, text, scale, _behind(picture, text.centre))
    return figure


def _paint_shape(axes: Axes, shape: Shape, scale: float) -> None:
    from matplotlib.patches import PathPatch

    quiet = shape.kind == "frame"
    outline = "none" if shape.look == "none" else "#c9ced6" if quiet else INK
    looks = {
        "facecolor": FILLS[shape.fill],
        "edgecolor": outline,
        "linewidth": _STROKE * scale,
        "linestyle": _DASHES.get(shape.look, "-"),
    }
    axes.add_patch(PathPatch(_outline(shape), **looks))
    text = Text(shape.centre, shape.width, shape.height, text=shape.text, font=shape.font)
    _paint_text(axes, text, scale, PAPER)


def _outline(shape: Shape) -> Any:
    """The border as a matplotlib path, anticlockwise; each corner is a cubic curve."""
    from matplotlib.path import Path as Outline

    # A cubic this far along its handles differs from a quarter circle by 0.03 % of the radius.
    r, pull = shape.corner, 0.4477 * shape.corner
    x0, x1, y0, y1 = shape.left, shape.right, shape.bottom, shape.top
    points = [(x0 + r, y0), (x1 - r, y0)]
    points += [(x1 - pull, y0), (x1, y0 + pull), (x1, y0 + r), (x1, y1 - r)]
    points += [(x1, y1 - pull), (x1 - pull, y1), (x1 - r, y1), (x0 + r, y1)]
    points += [(x0 + pull, y1), (x0, y1 - pull), (x0, y1 - r), (x0, y0 + r)]
    points += [(x0, y0 + pull), (x0 + pull, y0), (x0 + r, y0), (x0 + r, y0)]
    line, cubic = Outline.LINETO, [Outline.CURVE4] * 3
    codes = [Outline.MOVETO, line, *cubic, line, *cubic, line, *cubic, line, *cubic]
    return Outline(points, [*codes, Outline.CLOSEPOLY])


def _paint_line(axes: Axes, line: Line, scale: float) -> None:
    from matplotlib.lines import Line2D

    # Under the head the line ends early, so that its blunt end does not blur the tip.
    points = geometry.shortened(line.points, 0.8 * _HEAD[0]) if line.head else line.points
    axes.add_line(
        Line2D(
            [x for x, _ in points],
            [y for _, y in points],
            color=INK,
            linewidth=_STROKE * scale,
            linestyle=_DASHES[line.look],
            solid_capstyle="butt",
            dash_capstyle="butt",
            zorder=1,
        )
    )
    if line.head:
        _paint_head(axes, points[-1], line.points[-1])


def _paint_head(axes: Axes, base: Point, tip: Point) -> None:
    from matplotlib.patches import Polygon

    dx, dy = geometry.along([base, tip], 1.0)[1]
    long, wide = _HEAD
    back = (tip[0] - long * dx, tip[1] - long * dy)
    notch = (tip[0] - 0.75 * long * dx, tip[1] - 0.75 * long * dy)
    left = (back[0] - wide * dy, back[1] + wide * dx)
    right = (back[0] + wide * dy, back[1] - wide * dx)
    axes.add_patch(Polygon([tip, left, notch, right], closed=True, color=INK, linewidth=0))


def _paint_text(axes: Axes, text: Text, scale: float, paper: str) -> None:
    from matplotlib.patheffects import withStroke

    if not text.text:
        return
    effects = [withStroke(linewidth=_HALO * scale, foreground=paper)] if text.halo else []
    axes.text(
        *text.centre,
        text.text,
        fontsize=text.font * scale,
        ha="center",
        va="center",
        color=INKS[text.ink],
        path_effects=effects,
        zorder=3,
    )


def _behind(picture: Picture, point: Point) -> str:
    """The colour of what lies behind a text."""
    frames = [frame for frame in picture.frames if frame.holds(point)]
    return FILLS[frames[-1].fill] if frames else PAPER


def write_whole(content: bytes, path: Path) -> Path:
    """Write beside the file and then rename, which replaces it in one piece.

    Raises:
        FileNotFoundError: the folder does not exist.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot draw {path.name!r}: there is no folder {path.parent}")
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # mkstemp makes files that only their owner reads.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path
