"""Recurrent networks as a textbook draws them: folded, with delays, and unrolled over steps.

From the bottom the rows are x, h, o, L, y; U leads from x to h, W from one step to the next, V
from h to o; a black square is a delay of one step.

| network | figure of the book | file |
|---|---|---|
| "every" | 10.3, an output at every step; 10.4 where the output feeds back | rows.py |
| "last" | 10.5, one output after the last step | rows.py |
| "bidirectional" | 10.11, a second state that reads from right to left | pairs.py |
| "encoder-decoder" | 10.12, a sequence to a context to a sequence | pairs.py |

References:
    Goodfellow, Bengio and Courville, "Deep Learning", chapter 10.
"""

from __future__ import annotations

from ...graph import Graph
from ..forms import feeds_back_output, form_of
from ..picture import Picture
from .pairs import bidirectional, encoder_decoder
from .rows import folded, unrolled


def network_picture(graph: Graph, steps: int | None, network: str = "every") -> Picture:
    """The network folded, or unrolled over that many steps.

    In the networks "every" and "last" a cell of one layer is a circle, and one of several layers
    or components is a box with its name. The rows o, L and y are drawn where the graph
    has the output "o", where its output feeds back, and in every network but "every".

    Raises:
        ValueError: a cell whose output feeds back, in a network of two recurrences.
    """
    form = form_of(graph)
    if network in ("every", "last"):
        last = network == "last"
        return folded(form, last) if steps is None else unrolled(form, steps, last)
    if feeds_back_output(graph):
        raise ValueError(
            f"network {network!r} has no drawing of {form.name}, whose output feeds back"
        )
    drawn = bidirectional if network == "bidirectional" else encoder_decoder
    return drawn(form, steps)


def folded_and_unrolled(graph: Graph, steps: int = 3, network: str | None = None) -> Picture:
    """The folded network, an arrow "unfold", and the unrolled one, side by side.

    `network` is the graph's own where it is None.
    """
    network = network or graph.network
    left = network_picture(graph, None, network)
    right = network_picture(graph, steps, network)
    start, reach = left.extent.right + 0.35, 1.5
    picture = Picture()
    picture.place(left, (0, 0))
    # Both stand on the same row of inputs.
    picture.place(right, (start + reach + 0.35 - right.extent.left, 0))
    middle = left.extent.centre[1]
    picture.arrow((start, middle), (start + reach, middle), label="unfold")
    return picture
