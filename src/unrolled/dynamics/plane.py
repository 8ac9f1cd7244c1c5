"""Eigenvalues drawn in the complex plane, around the unit circle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..report.figures import Paint
    from .spectrum import CellSpectra

# Points of one cloud that are drawn, evenly chosen of all.
MOST_POINTS = 2000
AT_REST, ALONG = "J at rest", "J(t)"
HUES = ("blue", "orange", "green", "pink", "brown", "sky")


def paint_spectrum(cell: CellSpectra) -> Paint:
    """The eigenvalues of a cell in the complex plane, with their legend."""
    return lambda figure: draw_plane(figure.add_subplot(), clouds_of(cell))


def clouds_of(cell: CellSpectra) -> dict[str, Tensor]:
    """The eigenvalues of a cell by what they are of, those along a trajectory first."""
    along = {} if cell.along is None else {ALONG: cell.along.eigenvalues}
    found = {symbol: each.eigenvalues for symbol, each in cell.recurrent.items()}
    return {**along, **found, AT_REST: cell.at_rest.eigenvalues}


def draw_plane(axes: Axes, clouds: Mapping[str, Tensor], legend: bool = True) -> None:
    """Draw eigenvalues and the unit circle.

    Arguments:
        clouds: eigenvalues of any shape, by what they are of; "J(t)" as dots, "J at rest" as
            crosses, all others as rings in colours.
        legend: name them under the plane.
    """
    from matplotlib.patches import Circle

    from ..report.figures import colour

    axes.add_patch(Circle((0, 0), 1, fill=False, color=colour("quiet"), linewidth=0.8))
    largest, rings = 1.0, [name for name in clouds if name not in (AT_REST, ALONG)]
    for name, values in clouds.items():
        points = values[values.isfinite()]
        if not len(points):
            continue
        shown = points[:: -(-len(points) // MOST_POINTS)]
        some = "" if len(shown) == len(points) else f", {len(shown)} of {len(points)}"
        hue = HUES[rings.index(name) % len(HUES)] if name in rings else "ink"
        axes.scatter(shown.real, shown.imag, label=name + some, **_look(name, colour(hue)))
        largest = max(largest, float(points.abs().max()))
    reach = 1.12 * largest
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.set(xlabel="real part", ylabel="imaginary part")
    if legend:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, handletextpad=0.2)


def _look(name: str, colour: str) -> dict[str, Any]:
    if name == ALONG:
        return {"marker": ".", "s": 8, "linewidths": 0, "color": colour, "alpha": 0.35}
    if name == AT_REST:
        return {"marker": "x", "s": 14, "linewidths": 0.9, "color": colour}
    return {"marker": "o", "s": 14, "linewidths": 0.9, "facecolors": "none", "edgecolors": colour}
