"""The gates of a cell at every step, computed from its states afterwards.

Where the states are known the steps are independent: every gate at every step is one batch.

Shapes: B batch, T time.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ..cells.cell import like_of
from ..graph.names import gate_values
from .engine import Problem, as_of_now
from .native.graphs import kept_of


def gates_of(problem: Problem, states: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each gate after its activation, [B, T, size], by name; zero beyond the lengths.

    Arguments:
        problem: the unroll.
        states: every component after every step, [B, T, size].

    Raises:
        UnsupportedOperator: the cell has no graph to find its gates in.
    """
    if not problem.cell.gates:
        return {}
    graph = kept_of(problem.cell).graph
    assert graph is not None, "kept_of raises where there is none"
    gates, dtype = gate_values(graph), like_of(problem.cell).dtype
    problem, states = problem.to(dtype), {name: s.to(dtype) for name, s in states.items()}
    with torch.autocast(problem.inputs.device.type, enabled=False):
        values = graph.values(graph.given([problem.inputs, *problem.before(states)]))
    batch, time, _ = problem.inputs.shape
    found = {name: values[node].expand(batch, time, node.size) for node, name in gates.items()}
    return {name: problem.blank(found[name]) for name in graph.gates if name in found}


def gates_as_of_now(
    problem: Problem, states: Mapping[str, Tensor]
) -> Callable[[], dict[str, Tensor]]:
    """What `gates_of` gives, computed at its first use, of the tensors as they are now."""
    if not problem.cell.gates:
        return dict
    used = [problem.inputs, *problem.state, *problem.cell.parameters()]
    return as_of_now("the gates of an unroll were", used, lambda: gates_of(problem, states))
