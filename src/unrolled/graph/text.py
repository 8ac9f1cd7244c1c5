"""A graph as a program that can be read: what `print(graph)` shows.

    LSTM: x[3], h[4], c[4] -> h[4], c[4]
    at every step
      i  = sigmoid(weight_ih[0:4] x + bias_ih[0:4] + weight_hh[0:4] h + bias_hh[0:4])
      ...
      c' = f * c + i * g
      h' = o * tanh(c')

A value that is used once is written inside the formula that uses it, any other has a name: a
new state component h', a gate its own, what torch computes from parameters p1, p2, ..., the
rest t1, t2, ...
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from .canonical import Canonical
from .graph import Graph
from .nodes import Affine, Fixed, Input, Literal, Node, Number, Parameter, Pointwise, Slice
from .notation import Formulas, is_view, spread
from .roles import gate_of


def listing(graph: Graph) -> str:
    """The program of a graph: its sizes, what is computed once, what at every step."""
    names = named(graph)
    formulas = Formulas(graph, names)
    once = {name: formulas.definition(n) for n, name in names.items() if isinstance(n, Fixed)}
    every = {name: formulas.definition(n) for n, name in names.items() if not isinstance(n, Fixed)}
    every |= _plain_outputs(graph, formulas)
    cell = is_cell(graph)
    lines = [_signature(graph)]
    if once:
        lines += ["once per unroll" if cell else "once", *_aligned(once)]
    if cell or once:
        lines += ["at every step" if cell else "for every sample"]
    return "\n".join([*lines, *_aligned(every)])


def is_cell(graph: Graph) -> bool:
    """Whether the graph is a step of a recurrence: an output is fed back as an input."""
    return any(node.name in graph.outputs for node in graph.inputs)


def output_name(graph: Graph, name: str) -> str:
    """h' where an input is called h, else the output's own name."""
    return f"{name}'" if any(node.name == name for node in graph.inputs) else name


def named(graph: Graph) -> dict[Node, str]:
    """Names of the values that have a line of their own, in the order of the lines."""
    gates, outputs = gate_values(graph), _named_outputs(graph)
    order = Canonical(graph)
    rank = {gate: index for index, gate in enumerate(graph.gates)}

    def key(node: Node) -> tuple[object, ...]:
        if node in outputs:
            return 2, list(outputs).index(node)
        return (0, rank[gates[node]]) if node in gates else (1, order.key(node))

    wanted = _shared(graph) | set(outputs) | set(gates)
    lines = _in_order(wanted, key)
    names: dict[Node, str] = {}
    taken = {node.name for node in graph.inputs} | set(gates.values()) | set(outputs.values())
    for node in lines:
        known = outputs.get(node) or gates.get(node)
        names[node] = known or fresh("p" if isinstance(node, Fixed) else "t", taken)
        taken.add(names[node])
    return names


def gate_values(graph: Graph) -> dict[Node, str]:
    """The values that are a cell's gates, by the rows of the parameters that make them.

    A gate is a nonlinearity of sums and products of affine maps whose rows are those of one
    gate. A gate that several values could be, or that is called as an input is, is left out.
    """
    found: dict[Node, str] = {}
    for node in graph.nodes:
        if isinstance(node, Pointwise) and _is_nonlinearity(node):
            rows = _gates_below(node.operands, graph.gates)
            if len(rows) == 1:
                found[node] = rows.pop()
    count = Counter(found.values())
    taken = {node.name for node in graph.inputs}
    return {n: gate for n, gate in found.items() if count[gate] == 1 and gate not in taken}


def _gate_at(start: int, size: int, rows: int, gates: tuple[str, ...]) -> str | None:
    fits = size * len(gates) == rows and start % size == 0
    return gates[start // size] if fits else None


def _is_nonlinearity(node: Pointwise) -> bool:
    return len(node.operands) == 1 and node.function.name not in ("neg", "stop")


def _gates_below(nodes: Iterable[Node], gates: tuple[str, ...]) -> set[str]:
    """Gates of the affine maps that values are made of without another nonlinearity."""
    found: set[str] = set()
    for node in nodes:
        match node:
            case Affine():
                gate = gate_of(node.matrix, gates)
            case Slice() if gates:
                gate = _gate_at(node.start, node.size, node.vector.size, gates)
            case Pointwise() if not _is_nonlinearity(node):
                found |= _gates_below(node.operands, gates)
                continue
            case _:
                continue
        found |= {gate} if gate else set()
    return found


def _named_outputs(graph: Graph) -> dict[Node, str]:
    """What the outputs that are computed at every step are called; the first of equal ones."""
    names: dict[Node, str] = {}
    for name, node in graph.outputs.items():
        if not isinstance(node, (Fixed, Input, Number)):
            names.setdefault(node, output_name(graph, name))
    return names


def _plain_outputs(graph: Graph, formulas: Formulas) -> dict[str, str]:
    """The outputs that are an input, a parameter, a number or another output."""
    computed = {name: node for node, name in _named_outputs(graph).items()}
    labels = {output_name(graph, name): node for name, node in graph.outputs.items()}
    return {name: formulas.written(n) for name, n in labels.items() if name not in computed}


def _shared(graph: Graph) -> set[Node]:
    """The values that are used more than once, or of which only a part is."""
    uses = Counter(_seen_through(arg) for node in graph.nodes for arg in _operands(node))
    cut = {_seen_through(n.args[0]) for n in graph.nodes if isinstance(n, Slice) or is_view(n)}
    return {node for node in graph.nodes if (uses[node] > 1 or node in cut) and _has_line(node)}


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


def _in_order(wanted: Collection[Node], key: object) -> list[Node]:
    """The values, each after those it needs, otherwise by key."""
    needs = {node: _needed(node, wanted) for node in wanted}
    lines: list[Node] = []
    while needs:
        ready = min((node for node in needs if not needs[node] & needs.keys()), key=key)  # pyright: ignore
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


def fresh(letter: str, taken: Collection[str]) -> str:
    """The first of t1, t2, ... that is not taken."""
    index = 1
    while f"{letter}{index}" in taken:
        index += 1
    return f"{letter}{index}"


def _signature(graph: Graph) -> str:
    given = ", ".join(f"{node.name}[{node.size}]" for node in graph.inputs)
    made = ", ".join(f"{name}[{node.size}]" for name, node in graph.outputs.items())
    return f"{graph.name}: {given} -> {made}"


def _aligned(lines: Mapping[str, str]) -> list[str]:
    width = max(map(len, lines), default=0)
    return [f"  {name:<{width}} = {formula}" for name, formula in lines.items()]
