"""The definition of an unroll: apply the step, once per time index.

Shapes: B batch, T time.
"""

import torch
from torch import Tensor

from ..cells import Cell
from ..graph.trace import check_tuple
from .engine import Problem, Solution


class Eager:
    """Runs any cell, with autograd through every step."""

    name = "eager"

    def refusal(self, problem: Problem) -> str | None:
        return None

    def reluctance(self, problem: Problem) -> str | None:
        return None

    def advantage(self, problem: Problem) -> str:
        if everything_is_forced(problem):
            return "all that recurs is forced, so every step runs in one batch"
        return "the definition: one Python step at a time"

    def equipment(self) -> str:
        return f"any cell, one step of Python at a time, torch {torch.__version__}"

    def solve(self, problem: Problem) -> Solution:
        return _in_one_batch(problem) if everything_is_forced(problem) else _in_order(problem)


def everything_is_forced(problem: Problem) -> bool:
    """Whether each component that the step reads is forced at every step.

    The steps are then independent of one another: teacher forcing of a Jordan network.
    """
    read = problem.cell.state_sizes.keys() - problem.cell.unread
    return all(n in problem.forced and problem.forced[n].mask is None for n in read)


def _in_order(problem: Problem) -> Solution:
    cell, state, valid = problem.cell, problem.state, problem.valid
    trajectory = []
    for t in range(problem.inputs.shape[1]):
        new = cell.step(problem.inputs[:, t], *_force(problem, state, t))
        if t == 0:
            check_step(cell, new, len(problem.inputs))
        # Beyond its length a sequence keeps the state of its last valid step.
        state = new if valid is None else _select(valid[:, t], new, state)
        trajectory.append(state)
    stacked = [torch.stack(component, dim=1) for component in zip(*trajectory, strict=True)]
    states = dict(zip(cell.state_sizes, map(problem.blank, stacked), strict=True))
    return Solution(states, tuple(state))


def _in_one_batch(problem: Problem) -> Solution:
    cell, (batch, time, _) = problem.cell, problem.inputs.shape
    before = [
        problem.forced[name].values.flatten(0, 1)
        if name in problem.forced
        else start.repeat_interleave(time, dim=0)
        for name, start in zip(cell.state_sizes, problem.state, strict=True)
    ]
    after = cell.step(problem.inputs.flatten(0, 1), *before)
    check_step(cell, after, batch * time)
    unflat = [component.unflatten(0, (batch, time)) for component in after]
    final = map(problem.last, unflat, problem.state)
    states = dict(zip(cell.state_sizes, map(problem.blank, unflat), strict=True))
    return Solution(states, tuple(final))


def _force(problem: Problem, state: tuple[Tensor, ...], t: int) -> tuple[Tensor, ...]:
    forced = list(state)
    for k, name in enumerate(problem.cell.state_sizes):
        if forcing := problem.forced.get(name):
            given = forcing.values[:, t]
            mask = forcing.mask
            forced[k] = given if mask is None else torch.where(mask[:, t, None], given, state[k])
    return tuple(forced)


def _select(keep: Tensor, new: tuple[Tensor, ...], old: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(torch.where(keep[:, None], n, o) for n, o in zip(new, old, strict=True))


def check_step(cell: Cell, state: object, batch_size: int) -> None:
    """Check what a step returned against the cell's own `state_sizes`.

    Raises:
        TypeError: it is not a tuple of tensors.
        ValueError: it has another number of components, or other shapes.
    """
    who = f"{type(cell).__name__}.step"
    check_tuple(who, list(cell.state_sizes), state)
    assert isinstance(state, tuple)
    for (name, size), component in zip(cell.state_sizes.items(), state, strict=True):
        if tuple(component.shape) != (batch_size, size):
            raise ValueError(
                f"{who} returned {name} of shape {list(component.shape)}, "
                f"expected [{batch_size}, {size}]"
            )
