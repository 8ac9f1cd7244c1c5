"""The textbook's names for the affine maps of a step.

U maps the input, W the previous state, V what the step itself has computed; a gate's maps carry
its name, as U_f. After Goodfellow, Bengio and Courville, "Deep Learning", section 10.2.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .nodes import Affine, Fixed, Input, Node, Parameter
from .views import cut

if TYPE_CHECKING:
    from .graph import Graph


@dataclass(frozen=True)
class Role:
    """What an affine map does in its step.

    Attributes:
        letter: "U", "W" or "V".
        gate: the gate that it is for; a number where a letter has several maps and no names.
    """

    letter: str
    gate: str | None = None

    @property
    def symbol(self) -> str:
        return self.letter if self.gate is None else f"{self.letter}_{self.gate}"

    @property
    def bias(self) -> str:
        """The symbol of the map's bias: c for the output's, b for all others."""
        letter = "c" if self.letter == "V" else "b"
        return letter if self.gate is None else f"{letter}_{self.gate}"


def roles(graph: Graph) -> dict[Affine, Role]:
    """The role of every affine map of the graph, in the order of computing."""
    maps = [node for node in graph.nodes if isinstance(node, Affine)]
    first = graph.inputs[0].name if graph.inputs else ""
    new = frozenset(node for node in graph.outputs.values() if not isinstance(node, Input))
    letters = {node: _letter(node, first, new) for node in maps}
    gates = {node: gate_of(node.matrix, graph.gates) for node in maps}
    nameless = Counter(letters[node] for node in maps if gates[node] is None)
    numbers: Counter[str] = Counter()
    found = {}
    for node in maps:
        letter, gate = letters[node], gates[node]
        if gate is None and nameless[letter] > 1:
            numbers[letter] += 1
            gate = str(numbers[letter])
        found[node] = Role(letter, gate)
    return found


def gate_of(matrix: Fixed, gates: tuple[str, ...]) -> str | None:
    """The gate whose rows of a parameter a matrix or vector is, or None."""
    whole, dim, start, stop = cut(matrix) or (matrix, 1, 0, 0)
    rows = isinstance(whole, Parameter) and dim == 0
    return gate_at(start, stop - start, whole.shape[0], gates) if rows else None


def gate_at(start: int, size: int, rows: int, gates: tuple[str, ...]) -> str | None:
    """The gate that has `size` rows from `start` on, of as many as there are, or None."""
    fits = size * len(gates) == rows and start % size == 0
    return gates[start // size] if fits else None


def _letter(node: Affine, x: str, new: frozenset[Node]) -> str:
    direct = _direct_inputs(node.vector, new)
    if direct is None or not direct:
        return "V"
    return "U" if direct == {x} else "W"


def _direct_inputs(node: Node, new: frozenset[Node]) -> set[str] | None:
    """Names of the inputs that a value reaches without passing through an affine map.

    None where it reaches what the step gives, such as the new state that a readout reads.
    """
    names, pending, seen = set(), [node], set()
    while pending:
        current = pending.pop()
        if current in seen:
            continue
        seen.add(current)
        if current in new:
            return None
        if isinstance(current, Input):
            names.add(current.name)
        elif not isinstance(current, Affine):
            pending.extend(current.args)
    return names
