"""Which drawing of a graph: by its level, its network and the ending of the file's name."""

from __future__ import annotations

from pathlib import Path

from ...naming import one_of
from ..graph import Graph
from .forms import carried_names
from .inside import has_inside, inside_picture
from .networks import network_picture
from .operators import dot, mermaid, operators_picture
from .picture import SUFFIXES, Picture, write_whole

LEVELS = ("textbook", "operators")
NETWORKS = ("every", "last", "bidirectional", "encoder-decoder")
_MARKUP = {".mmd": mermaid, ".dot": dot, ".gv": dot}


def draw(
    graph: Graph,
    path: str | Path,
    steps: int | None = None,
    level: str = "textbook",
    network: str | None = None,
) -> Path:
    """Draw the graph into a file, which appears whole or not at all.

    Arguments:
        path: .svg, .png or .pdf for a picture; .mmd (Mermaid), .dot or .gv (Graphviz) for a text
            that other programs draw. Texts hold every operator, at either level.
        steps: None for the folded graph, with its delays; otherwise that many steps in a row.
        level: "textbook" or "operators". See `picture_of`.
        network: "every", "last", "bidirectional" or "encoder-decoder"; None for the graph's own.

    Raises:
        ValueError: another ending, level or network; `steps` is not a whole number from 1 up,
            or the graph carries no state from step to step; a network around operators.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (*SUFFIXES, *_MARKUP):
        known = ", ".join((*SUFFIXES, *_MARKUP))
        raise ValueError(f"cannot draw {path.name!r}: the name must end in one of {known}")
    if suffix in SUFFIXES:
        return picture_of(graph, steps, level, network).save(path)
    _check(graph, steps, level, network)
    if network not in (None, "every", graph.network):
        raise ValueError(f"{suffix} holds the operators of the step alone; leave out network")
    return write_whole(_MARKUP[suffix](graph, steps).encode(), path)


def picture_of(
    graph: Graph,
    steps: int | None = None,
    level: str = "textbook",
    network: str | None = None,
) -> Picture:
    """The picture that `draw` saves; `network` is the graph's own where it is None.

    At the level "operators" every operator is drawn. At the level "textbook":

    - a cell of one layer, or with a readout `o`, or in any network but "every", is a row of
      circles x, h, o, L, y, folded or unrolled; a box with its name stands for a cell of
      several layers or components (`networks`);
    - another cell is drawn from inside, its gates and its state line (`inside`), unless it has
      more than 25 blocks: then it is one box in a row;
    - a function, which carries no state, is drawn by its operators.
    """
    _check(graph, steps, level, network)
    if level == "operators" or not carried_names(graph):
        return operators_picture(graph, steps)
    if is_row(graph, network):
        return network_picture(graph, steps, network or graph.network)
    return inside_picture(graph, steps)


def is_row(graph: Graph, network: str | None = None) -> bool:
    """Whether the textbook level draws a cell as a row of circles or boxes, not from inside."""
    return (network or graph.network) != "every" or not has_inside(graph)


def _check(graph: Graph, steps: int | None, level: str, network: str | None) -> None:
    one_of(level, LEVELS, "level")
    # A network that the graph has by itself is no demand on the level.
    asked = network not in (None, "every", graph.network)
    network = network or graph.network
    one_of(network, NETWORKS, "network")
    whole = isinstance(steps, int) and not isinstance(steps, bool)
    if steps is not None and not (whole and steps >= 1):
        raise ValueError(f"steps must be a whole number from 1 up, or None, got {steps!r}")
    carries = bool(carried_names(graph))
    if steps is not None and not carries:
        raise ValueError(f"{graph.name} carries no state to unroll; leave out steps")
    if asked and not carries:
        raise ValueError(f"{graph.name} carries no state; leave out network")
    if asked and level == "operators":
        raise ValueError('network is drawn at the level "textbook" only')
