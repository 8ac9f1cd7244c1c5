"""Colours, letters and the sizes of texts.

Matplotlib measures and draws under settings of our own that are put back afterwards, so that a
caller's figures keep their looks. It is imported at the first use.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

PAPER, INK = "#ffffff", "#1c2024"
FILLS = {
    "paper": PAPER,
    "ink": INK,
    "input": "#eaf3e6",
    "state": "#e6f0fa",
    "output": "#fdeee3",
    "function": "#fff3d1",
    "operator": "#fbe3ea",
    "frame": "#f5f6f8",
}
INKS = {"ink": INK, "quiet": "#5c636b"}
# Sizes of letters in points.
BODY, SMALL = 11.0, 9.0
_POINTS_PER_CM = 72 / 2.54


@lru_cache(maxsize=1024)
def text_size(text: str, font: float) -> tuple[float, float]:
    """Width and height in centimetres of text, one line or more, in that many points."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not text:
        return 0.0, 0.0
    # Ten times the size, so that rounding to whole pixels does not tell.
    with style():
        figure = Figure(figsize=(1, 1), dpi=720)
        canvas = FigureCanvasAgg(figure)
        box = figure.text(0, 0, text, fontsize=font).get_window_extent(canvas.get_renderer())
    return box.width / 10 / _POINTS_PER_CM, box.height / 10 / _POINTS_PER_CM


def text_width(text: str, font: float = BODY) -> float:
    return text_size(text, font)[0]


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's defaults and ours on top, whatever the user's own settings are."""
    import matplotlib

    ours: dict[Any, Any] = {
        # Letters become shapes, so that a file looks the same wherever it is shown.
        "svg.fonttype": "path",
        "svg.hashsalt": "unrolled",
        "font.family": ["STIXGeneral", "DejaVu Sans"],
        "mathtext.fontset": "stix",
        "text.color": INK,
        # Lines that go on from one another must not be moved to whole pixels one by one.
        "path.snap": False,
    }
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(ours)
        yield
