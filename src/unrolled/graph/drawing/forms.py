"""What a drawing of a network shows of a cell: what it carries, and from where it feeds back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..graph import Graph
from ..nodes import Affine, Input, Node, Slice
from ..roles import roles
from . import symbols

# A layer of more operators than this is drawn as a box with the cell's name.
_LAYER = 25


@dataclass(frozen=True)
class Form:
    """
    Attributes:
        name: of the cell.
        input: the name of what a step reads from outside, or "".
        hidden: the name of the state that an output is read from.
        carried: names of the components that a step takes over from the one before.
        leaving: names of the components that no step reads.
        readout: whether the rows o, L and y belong to it.
        is_box: whether a step is drawn as a box: it has several components or several layers.
        maps: which of the letters U and W stand for one map of the cell.
        feeds_back_output: whether the next step reads the output rather than the hidden state.
        squashed: whether the output is a function of o, and not o itself.
    """

    name: str
    input: str
    hidden: str
    carried: tuple[str, ...]
    leaving: tuple[str, ...] = ()
    readout: bool = False
    is_box: bool = False
    maps: str = ""
    feeds_back_output: bool = False
    squashed: bool = False

    def map(self, letter: str) -> str:
        """U or W as mathematics; "" where it would stand for several maps, or for none."""
        return symbols.matrix(letter) if letter in self.maps else ""

    def output(self, time: str = "") -> str:
        return symbols.hat("y", time) if self.squashed else symbols.vector("o", time)


def form_of(graph: Graph) -> Form:
    """What a drawing of a network shows of the graph of a step."""
    cell = without_readout(graph)
    carried = carried_names(cell)
    feeds_back = is_fed_back(cell)
    is_box = not feeds_back and not (len(cell.outputs) == 1 and _is_layer(cell))
    state = next(iter(cell.outputs.values()))
    return Form(
        name=graph.name,
        input=input_name(cell),
        hidden="h" if feeds_back or not carried else next(iter(cell.outputs)),
        carried=carried,
        leaving=tuple(name for name in cell.outputs if name not in carried),
        readout=bool(readout_names(graph)) or feeds_back,
        is_box=is_box,
        maps=_maps(cell, is_box),
        feeds_back_output=feeds_back,
        squashed=feeds_back and not isinstance(state, Affine),
    )


def readout_names(graph: Graph) -> tuple[str, ...]:
    """What the outputs o and y of a network around a cell are called; () of a cell alone."""
    given = {node.name for node in graph.inputs}
    names = [n for n in ("o", "network_o") if n in graph.outputs and n not in given]
    ends = ("y", "network_y") if names else ()
    return (*names, *(n for n in ends if n in graph.outputs and n not in given))


def without_readout(graph: Graph) -> Graph:
    """The cell alone: what its steps compute without the outputs o and y of a network."""
    names = readout_names(graph)
    return replace(graph, outputs={k: v for k, v in graph.outputs.items() if k not in names})


def is_fed_back(graph: Graph) -> bool:
    """Whether it is drawn as a row whose output o feeds back: that is all that the cell gives."""
    return len(graph.outputs) == 1 and feeds_back_output(graph)


def _is_layer(cell: Graph) -> bool:
    """Whether one pre-activation at most, and little else, makes the new state."""
    found = {(role.letter == "V", role.label) for role in roles(cell).values()}
    parts = any(isinstance(node, Slice) for node in cell.nodes)
    return len(found) <= 1 and not parts and len(cell.steps) <= _LAYER


def _maps(cell: Graph, is_box: bool) -> str:
    if is_box:
        letters = [role.letter for role in roles(cell).values()]
        return "U" if letters.count("U") == 1 else ""
    read = {name for node in cell.nodes if isinstance(node, Affine) for name in node.vector.reads}
    return ("U" if input_name(cell) in read else "") + ("W" if read & {*cell.outputs} else "")


def carried_names(graph: Graph) -> tuple[str, ...]:
    """The components that a step gives and the next one reads."""
    read = {name for node in graph.outputs.values() for name in node.reads}
    given = [node.name for node in graph.inputs]
    return tuple(name for name in given if name in graph.outputs and name in read)


def input_name(graph: Graph) -> str:
    """What a step is given and does not give: x; "" for an autonomous system."""
    read = {name for node in graph.outputs.values() for name in node.reads}
    names = [node.name for node in graph.inputs if node.name not in graph.outputs]
    return next((name for name in names if name in read), "")


def feeds_back_output(graph: Graph) -> bool:
    """Whether the one state is computed from a hidden layer by a further affine map (Jordan).

    That is so when every way from an input to the state leads through an affine map of
    something that is not an input.
    """
    carried = carried_names(graph)
    if len(carried) != 1:
        return False
    return not any(isinstance(node, Input) for node in _last_sources(graph.outputs[carried[0]]))


def _last_sources(node: Node) -> set[Node]:
    """What the last affine maps before a value read, and the inputs that it reads without one."""
    seen: set[Node] = set()
    found: set[Node] = set()
    pending = [node]
    while pending:
        current = pending.pop()
        if current in seen:
            continue
        seen.add(current)
        if isinstance(current, Affine):
            found.add(current.vector)
        elif isinstance(current, Input):
            found.add(current)
        else:
            pending.extend(current.args)
    return found
