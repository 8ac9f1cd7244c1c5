"""How a figure is drawn: one palette, one style, and SVG that follows the page's colours.

A figure is a function that paints on an empty `matplotlib.figure.Figure`. `inline_svg` draws
it for a page, `save_figure` into a file. Matplotlib is imported when something is drawn, its
pyplot never; its settings are put back afterwards, so a caller's own figures keep their looks.

The same paint function gives the same bytes.
"""

import html
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Paint = Callable[["Figure"], None]

# In light and in dark. The six hues are those of Okabe and Ito, "Color universal design", 2008,
# which people with any common kind of colour blindness tell apart; where a hue is too pale to
# be a line on white, or too dark on black, its lightness is changed.
PALETTE: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#15181c"),
    "ink": ("#1c2024", "#e7e9ec"),
    "quiet": ("#5c636b", "#a3abb5"),
    "rule": ("#dcdfe3", "#343a41"),
    "blue": ("#0072b2", "#5bb4ea"),
    "orange": ("#d55e00", "#f08c3a"),
    "green": ("#008f68", "#2fc79c"),
    "pink": ("#b8568b", "#e39ac3"),
    "brown": ("#8a6d00", "#e3c441"),
    "sky": ("#2f9fd6", "#a5dcff"),
}
WIDTH, POINTS_PER_INCH = 350, 72
_DASHES = {"line": "-", "dashed": (0, (4, 2)), "dotted": (0, (1, 1.2)), "dashdot": "-."}


def colour(name: str) -> str:
    """A colour of the palette to paint with; on a page it follows light and dark."""
    return PALETTE[name][0]


def dashes(look: str) -> Any:
    """The matplotlib line style of a `Key.look`."""
    return _DASHES[look]


def inline_svg(paint: Paint, alt: str, height: int = 200, width: int = WIDTH) -> str:
    """An `<svg>` element to put into a page.

    Arguments:
        alt: what the figure shows, for those who cannot see it.
        height, width: in points. Pages show every figure about one column wide, so with the
            default width letters have the same size in all of them.
    """
    return _for_page(_svg(paint, (width, height), "none"), alt)


def save_figure(
    paint: Paint, path: str | Path, height: int = 200, width: int = WIDTH, white: bool = False
) -> Path:
    """Draw into an SVG or PNG file, by the ending of `path`.

    Arguments:
        white: on white; otherwise transparent, in the colours for a light page.

    Raises:
        DataError: another ending.
    """
    path = Path(path)
    if path.suffix not in (".svg", ".png"):
        raise DataError(f"cannot write {path}: the name must end in .svg or .png")
    # Letters become shapes, so that the file looks the same wherever it is shown.
    with _style("path"):
        figure = _painted(paint, (width, height))
        figure.savefig(
            path,
            facecolor=colour("paper") if white else "none",
            dpi=3 * POINTS_PER_INCH,
            metadata={"Date": None} if path.suffix == ".svg" else {"Software": None},
        )
    return path


@contextmanager
def _style(letters: str) -> Iterator[None]:
    """Matplotlib's defaults and ours on top, whatever the user's own settings are."""
    import matplotlib

    ours: dict[Any, Any] = {
        "svg.fonttype": letters,
        "svg.hashsalt": "unrolled",
        # A "$" in the name of a series is a dollar, not the start of a formula.
        "text.parse_math": False,
        "font.size": 8,
        "text.color": colour("ink"),
        "axes.labelcolor": colour("quiet"),
        "axes.labelsize": 8,
        "axes.edgecolor": colour("rule"),
        "axes.facecolor": "none",
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": colour("rule"),
        "grid.linewidth": 0.5,
        "lines.linewidth": 1.2,
        "xtick.color": colour("rule"),
        "ytick.color": colour("rule"),
        "xtick.labelcolor": colour("quiet"),
        "ytick.labelcolor": colour("quiet"),
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "xtick.minor.size": 0,
        "ytick.minor.size": 0,
        "legend.frameon": False,
        "legend.fontsize": 7.5,
    }
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(ours)
        yield


def _painted(paint: Paint, size: tuple[int, int]) -> "Figure":
    from matplotlib.figure import Figure

    inches = (size[0] / POINTS_PER_INCH, size[1] / POINTS_PER_INCH)
    figure = Figure(figsize=inches, layout="constrained", facecolor="none")
    paint(figure)
    return figure


def _svg(paint: Paint, size: tuple[int, int], letters: str) -> str:
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    text = io.StringIO()
    with _style(letters):
        figure = _painted(paint, size)
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None})
    return text.getvalue()


def _for_page(svg: str, alt: str) -> str:
    """Only the element, with the page's font and colours, and free of clashing names."""
    box = re.search(r'viewBox="([^"]*)"', svg)
    assert box is not None, "matplotlib writes a viewBox"
    body = svg[svg.index(">", box.end()) + 1 :]
    for unwanted in (r"<metadata>.*?</metadata>", r"<style.*?</style>", r"<!--.*?-->"):
        body = re.sub(unwanted, "", body, flags=re.DOTALL)
    # Groups are numbered from 1 in every figure; several figures stand on one page.
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body).replace("xlink:href", "href")
    for name, (light, _) in PALETTE.items():
        body = body.replace(light, f"var(--{name})")
    body = re.sub(r"\n\s*", "\n", body).strip()
    return f'<svg viewBox="{box[1]}" role="img" aria-label="{html.escape(alt)}">\n{body}'
