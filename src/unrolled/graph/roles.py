"""The textbook's names for the affine maps of a step.

U maps the input, W the previous state, V what the step itself has computed; a gate's maps carry
its name, as U_f. After Goodfellow, Bengio and Courville, "Deep Learning", section 10.2.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .nodes import Affine, Fixed, Input, Node, Parameter, Pointwise
from .views import cut

if TYPE_CHECKING:
    from .graph import Graph


@dataclass(frozen=True)
class Role:
    """What an affine map does in its step.

    Attributes:
        letter: "U", "W" or "V".
        label: the gate that it is for, a number where there are several unnamed ones, or None.
        source: the state that it maps, where a gate has several maps of one letter.
    """

    letter: str
    label: str | None = None
    source: str = ""

    @property
    def symbol(self) -> str:
        below = f"{self.label or ''}{self.source}"
        return f"{self.letter}_{below}" if below else self.letter

    @property
    def bias(self) -> str:
        """The symbol of the map's bias: c for the output's, b for all others."""
        letter = "c" if self.letter == "V" else "b"
        return letter if self.label is None else f"{letter}_{self.label}"


def roles(graph: Graph) -> dict[Affine, Role]:
    """The role of every affine map of the graph, in the order of computing.

    The maps that are added up to one pre-activation have one label.
    """
    maps = [node for node in graph.nodes if isinstance(node, Affine)]
    first = graph.inputs[0].name if graph.inputs else ""
    new = frozenset(node for node in graph.outputs.values() if not isinstance(node, Input))
    letters = {node: _letter(node, first, new) for node in maps}
    labels = _labels(graph, letters)
    found = {node: Role(letters[node], labels[node]) for node in maps}
    often = Counter(role.symbol for role in found.values())
    for node, role in found.items():
        if often[role.symbol] > 1 and role.letter != "V":
            states = (_direct_inputs(node.vector, new) or set()) - {first}
            found[node] = replace(role, source="".join(sorted(states)))
    return _apart(found)


def _labels(graph: Graph, letters: dict[Affine, str]) -> dict[Affine, str | None]:
    """The gate of every map, or the number of its pre-activation where there are several."""
    users: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        for argument in node.args:
            users.setdefault(argument, []).append(node)
    gates = {node: gate_of(node.matrix, graph.gates) for node in letters}
    found: dict[Affine, str | None] = dict(gates)
    for readouts in (False, True):
        unnamed = [n for n in letters if gates[n] is None and (letters[n] == "V") == readouts]
        sums = list(dict.fromkeys(_sum_of(node, users) for node in unnamed))
        if len(sums) > 1:
            found |= {n: str(sums.index(_sum_of(n, users)) + 1) for n in unnamed}
    return found


def _sum_of(node: Node, users: dict[Node, list[Node]]) -> Node:
    """The largest sum that a map is added up to: its pre-activation."""
    while len(users.get(node, ())) == 1:
        user = users[node][0]
        if not (isinstance(user, Pointwise) and user.function.name == "add"):
            break
        node = user
    return node


def _apart(found: dict[Affine, Role]) -> dict[Affine, Role]:
    """The roles with a number added where two maps would still have one symbol."""
    seen: Counter[str] = Counter()
    for node, role in found.items():
        seen[role.symbol] += 1
        if seen[role.symbol] > 1:
            found[node] = replace(role, source=f"{role.source}{seen[role.symbol]}")
    return found


@dataclass(frozen=True)
class Rows:
    """Rows `start` to `stop` of a parameter that has `total`; None where it is not known."""

    start: int
    stop: int
    total: int | None

    def part(self, start: int, size: int) -> Rows:
        """Those of the rows from `start` on."""
        return Rows(self.start + start, self.start + start + size, self.total)


def rows_of(matrix: Fixed) -> Rows:
    """The rows of a parameter that a matrix or vector is."""
    whole, start, stop = matrix, 0, matrix.shape[0]
    # A part may be cut from a part: the columns of a feature from the rows of a gate.
    while found := cut(whole):
        whole, dim, first, _ = found
        if dim == 0:
            start, stop = first + start, first + stop
    return Rows(start, stop, whole.shape[0] if isinstance(whole, Parameter) else None)


def gate_of(matrix: Fixed, gates: tuple[str, ...]) -> str | None:
    """The gate whose rows of a parameter a matrix or vector is, or None."""
    return gate_at(rows_of(matrix), gates)


def gate_at(rows: Rows, gates: tuple[str, ...]) -> str | None:
    """The gate that has these rows, of as many as there are, or None."""
    size = rows.stop - rows.start
    fits = size * len(gates) == rows.total and rows.start % size == 0
    return gates[rows.start // size] if fits else None


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
