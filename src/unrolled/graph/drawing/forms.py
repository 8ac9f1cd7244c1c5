"""What a drawing of a network shows of a cell: what it carries, and from where it feeds back."""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Graph
from ..nodes import Affine, Input, Node
from . import symbols


@dataclass(frozen=True)
class Form:
    """
    Attributes:
        name: of the cell.
        input: the name of what a step reads from outside, or "".
        hidden: the name of the state that an output is read from.
        carried: names of the components that a step takes over from the one before.
        readout: whether the rows o, L and y belong to it.
        feeds_back_output: whether the next step reads the output rather than the hidden state.
        squashed: whether the output is a function of o, and not o itself.
    """

    name: str
    input: str
    hidden: str
    carried: tuple[str, ...]
    readout: bool
    feeds_back_output: bool = False
    squashed: bool = False

    @property
    def is_box(self) -> bool:
        """Whether a step is drawn as a box, having more than one line to the next."""
        return len(self.carried) > 1

    def output(self, time: str = "") -> str:
        return symbols.hat("y", time) if self.squashed else symbols.vector("o", time)


def form_of(graph: Graph) -> Form:
    """What a drawing of a network shows of the graph of a step."""
    carried = carried_names(graph)
    feeds_back = feeds_back_output(graph)
    state = graph.outputs[carried[0]] if carried else next(iter(graph.outputs.values()))
    return Form(
        name=graph.name,
        input=input_name(graph),
        hidden="h" if feeds_back or not carried else carried[0],
        carried=carried,
        readout="o" in graph.outputs or feeds_back,
        feeds_back_output=feeds_back,
        squashed=feeds_back and not isinstance(state, Affine),
    )


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
