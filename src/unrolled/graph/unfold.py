"""A step unfolded over time: T copies that share every parameter.

    s(3) = f(f(f(s(0); theta); theta); theta)

Reference:
    Goodfellow, Bengio and Courville, "Deep Learning", section 10.1.
"""

from __future__ import annotations

from dataclasses import replace

from .graph import Graph
from .nodes import Node


def unfold(graph: Graph, steps: int) -> Graph:
    """The graph of `steps` steps, one after another.

    Its inputs are those of each step, `x(1)`, `x(2)`, ..., and the state before the first,
    `h(0)`; its outputs are all that each step gives, `h(1)`, `h(2)`, ...

    Raises:
        ValueError: `steps` is below 1, or the graph is not that of a step.
    """
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be a whole number from 1 up, got {steps!r}")
    names = [node.name for node in graph.inputs if node.name in graph.outputs]
    if not names:
        raise ValueError(f"{graph.name} is not a step: it has no state to feed back")
    ops = graph.ops
    driven = [node for node in graph.inputs if node.name not in names]
    state = {n.name: ops.input(f"{n.name}(0)", n.size) for n in graph.inputs if n.name in names}
    inputs = list(state.values())
    now: dict[str, Node] = dict(state)
    outputs: dict[str, Node] = {}
    for t in range(1, steps + 1):
        given = {node.name: ops.input(f"{node.name}({t})", node.size) for node in driven}
        inputs.extend(given.values())
        step = _Copy(graph, {**now, **given})
        new = {name: step.of(node) for name, node in graph.outputs.items()}
        outputs |= {f"{name}({t})": node for name, node in new.items()}
        now = {name: new[name] for name in names}
    name = f"{graph.name} over {steps} steps"
    return replace(graph, name=name, inputs=tuple(inputs), outputs=outputs)


class _Copy:
    """A copy of a graph with other values for its inputs."""

    def __init__(self, graph: Graph, given: dict[str, Node]):
        self.ops = graph.ops
        self.made: dict[Node, Node] = {node: given[node.name] for node in graph.inputs}
        for node in graph.nodes:
            # In order, so that no chain of values is too long for the stack.
            self.of(node)

    def of(self, node: Node) -> Node:
        if node not in self.made:
            self.made[node] = self.ops.rebuilt(node, self.of)
        return self.made[node]
