"""Names of the values of a graph: what has a line in its listing, a note in its drawing.

A new state component is h', a gate has its own name, what torch computes from parameters is p1,
p2, ..., the rest t1, t2, ... The names of two graphs that compute alike are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from .canonical import Canonical
from .graph import Graph
from .nodes import Affine, Fixed, Input, Literal, Node, Number, Parameter, Pointwise, Slice
from .roles import Rows, gate_at, rows_of
from .views import is_view, spread

# A formula of more operators than this is cut in two.
_LONGEST = 30

# What makes a gate of a pre-activation.
_SQUASHES = ("sigmoid", "tanh", "relu", "erf")


def is_cell(graph: Graph) -> bool:
    """Whether the graph is a step of a recurrence: an output is fed back as an input."""
    return any(node.name in graph.outputs for node in graph.inputs)


def output_name(graph: Graph, name: str) -> str:
    """h' where an input is called h, else the output's own name."""
    return f"{name}'" if any(node.name == name for node in graph.inputs) else name


def computed_outputs(graph: Graph) -> dict[Node, str]:
    """What the outputs that are computed at every step are called; the first of equal ones."""
    names: dict[Node, str] = {}
    for name, node in graph.outputs.items():
        if not isinstance(node, (Fixed, Input, Number)):
            names.setdefault(node, output_name(graph, name))
    return names


def named(graph: Graph) -> dict[Node, str]:
    """Names of the values that have a line of their own, in the order of the lines."""
    gates, outputs, order = gate_values(graph), computed_outputs(graph), Canonical(graph)

    def key(node: Node) -> tuple[Any, ...]:
        if node in outputs:
            return 2, list(outputs).index(node)
        return (0, graph.gates.index(gates[node])) if node in gates else (1, order.key(node))

    names: dict[Node, str] = {}
    taken = {node.name for node in graph.inputs} | set(gates.values()) | set(outputs.values())
    for node in _in_order(_lines(graph, {*gates, *outputs}), key):
        known = outputs.get(node) or gates.get(node)
        names[node] = known or fresh("p" if isinstance(node, Fixed) else "t", taken)
        taken.add(names[node])
    return names


def fresh(letter: str, taken: Collection[str]) -> str:
    """The first of t1, t2, ... that is not taken."""
    index = 1
    while f"{letter}{index}" in taken:
        index += 1
    return f"{letter}{index}"


def gate_values(graph: Graph) -> dict[Node, str]:
    """The values that are a cell's gates, by the rows of the parameters that make them.

    A gate is a squashed value whose affine maps have the rows of one gate. A gate that several
    values could be, or that is called as an input is, is left out.
    """
    squashed = {n: g for n, g in _activations(graph).items() if n.function.name in _SQUASHES}
    found = {node: gates.pop() for node, gates in squashed.items() if len(gates) == 1}
    count = Counter(found.values())
    taken = {node.name for node in graph.inputs} | {""}
    return {n: gate for n, gate in found.items() if count[gate] == 1 and gate not in taken}


def activation_names(graph: Graph) -> dict[Pointwise, str]:
    """What squashes a sum of affine maps, in the order of computing: gates and candidates.

    A gate has its name, one that is a new state component that component's, any other the name
    of its function.
    """
    gates, outputs = gate_values(graph), {node: name for name, node in graph.outputs.items()}
    found: dict[Pointwise, str] = {}
    taken = {*gates.values(), *(node.name for node in graph.inputs)}
    for node, of in _activations(graph).items():
        if node.function.name not in _SQUASHES:
            continue
        own = gates.get(node) or outputs.get(node)
        if own is None:
            # Of a gate that is squashed twice, as JANET's, the second has a number.
            gate = next(iter(of)) if len(of) == 1 else ""
            own = _free(gate if gate and gate not in graph.outputs else node.function.name, taken)
        found[node] = own
        taken.add(own)
    return found


def _free(name: str, taken: Collection[str]) -> str:
    """The name, numbered where it is taken: tanh, tanh2, ..."""
    return name if name not in taken else fresh(name, {*taken, f"{name}1"})


def _activations(graph: Graph) -> dict[Pointwise, set[str]]:
    """The nonlinearities of affine maps, each with the gates of its maps ("" for none).

    Between the nonlinearity and its maps there are sums, products and slices, and no other
    nonlinearity.
    """
    below: dict[Node, set[Rows]] = {}
    found: dict[Pointwise, set[str]] = {}
    for node in graph.nodes:
        match node:
            case Affine():
                below[node] = {rows_of(node.matrix)}
            case Slice() if node.vector in below:
                below[node] = {rows.part(node.start, node.size) for rows in below[node.vector]}
            case Pointwise():
                inside = set().union(*(below.get(operand, ()) for operand in node.operands))
                if _is_nonlinear(node):
                    found |= (
                        {node: {gate_at(r, graph.gates) or "" for r in inside}} if inside else {}
                    )
                else:
                    below[node] = inside
    return found


def _is_nonlinear(node: Pointwise) -> bool:
    return len(node.operands) == 1 and node.function.name not in ("neg", "stop")


def _lines(graph: Graph, known: Collection[Node]) -> set[Node]:
    """The values with a line: gates, outputs, what is used more than once or is long.

    So has what the steps read of the values that are computed once. Where a graph has several
    activations, each has a line.
    """
    activations = _activations(graph)
    lines = {*known, *(activations if len(activations) > 1 else ()), *_shared(graph)}
    lines |= _once(graph)
    length: dict[Node, int] = {}
    for node in graph.nodes:
        length[node] = 1 + sum(length[arg] for arg in node.args if arg not in lines)
        if length[node] > _LONGEST and _has_line(node):
            lines.add(node)
    return lines


def _once(graph: Graph) -> set[Node]:
    """The values that are computed from parameters alone and read at every step."""
    read = {_seen_through(arg) for node in graph.steps for arg in node.args}
    return {node for node in read if isinstance(node, Fixed) and _has_line(node)}


def _shared(graph: Graph) -> set[Node]:
    """The values that are used more than once, or of which only a part is."""
    uses = Counter(_seen_through(arg) for node in graph.nodes for arg in _operands(node))
    parts = {_seen_through(n.args[0]) for n in graph.nodes if isinstance(n, Slice) or is_view(n)}
    return {node for node in graph.nodes if (uses[node] > 1 or node in parts) and _has_line(node)}


def _operands(node: Node) -> tuple[Node, ...]:
    return () if is_view(node) or spread(node) is not None else node.args


def _seen_through(node: Node) -> Node:
    """What a part, a transpose or a repetition is made of."""
    inner = node.args[0] if is_view(node) else spread(node)
    return node if inner is None else _seen_through(inner)


def _has_line(node: Node) -> bool:
    """Whether a value is computed, so that its name would stand for a formula."""
    if isinstance(node, (Input, Number, Parameter, Literal, Slice)):
        return False
    return not is_view(node) and spread(node) is None


def _in_order(wanted: Collection[Node], key: Callable[[Node], Any]) -> list[Node]:
    """The values, each after those it needs, otherwise by key."""
    needs = {node: _needed(node, wanted) for node in wanted}
    lines: list[Node] = []
    while needs:
        ready = min((node for node in needs if not needs[node] & needs.keys()), key=key)
        lines.append(ready)
        del needs[ready]
    return lines


def _needed(node: Node, wanted: Collection[Node]) -> set[Node]:
    """The wanted values from which a value is computed."""
    found: set[Node] = set()
    pending, seen = list(node.args), set()
    while pending:
        arg = pending.pop()
        if arg in wanted:
            found.add(arg)
        elif arg not in seen:
            seen.add(arg)
            pending.extend(arg.args)
    return found
