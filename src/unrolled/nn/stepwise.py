"""A stack of cells one step at a time, for models whose next input depends on the output.

Shapes: B batch, T time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..cells import Cell
from ..cells.cell import recompute_parameters
from ..engines import Problem, gates_as_of_now
from ..engines.lengths import steps_within
from ..unroll import Trajectory, is_observed, observed
from .noise import Noisy
from .recurrent import Recurrent
from .stack import State
from .states import StateForm


class Watched:
    """One layer of a pass, shown to whoever observes unrolls.

    A zero is added to every state that leaves a step, and taken away where the layer's own next
    step reads it, so that the gradient with respect to it is of everything else that reads the
    state. After the pass its memory holds the states.

    Arguments:
        cell: of the layer.
        state: before the first step, each [B, size].
        like: [B, T, 0] of the type and device of what the layer reads.
    """

    def __init__(self, cell: Cell, state: State, like: Tensor):
        batch, steps = like.shape[:2]
        inputs = like.new_zeros(batch, steps, cell.input_size)
        self.lengths = torch.zeros(batch, dtype=torch.long, device=like.device)
        sizes = cell.state_sizes.items()
        zeros = {name: like.new_zeros(batch, steps, size) for name, size in sizes}
        final = tuple(like.new_zeros(batch, size) for _, size in sizes)
        self.problem = Problem(cell, inputs, tuple(part.detach() for part in state), self.lengths)
        gates, why = gates_as_of_now(self.problem, zeros), "a step reads what the last one gave"
        self.run = observed(self.problem, Trajectory(zeros, final, "eager", why, None, gates))
        self.inputs: list[Tensor] = []
        self.states: list[State] = []

    def read(self, state: State, t: int) -> State:
        """A state as the layer's own step t reads it."""
        if t == 0:
            return state
        zeros = self.run.states.values()
        return tuple(part - zero[:, t - 1] for part, zero in zip(state, zeros, strict=True))

    def gave(self, x: Tensor, state: State, t: int) -> State:
        """A state as all others read it, after step t, which read x."""
        self.inputs.append(x)
        self.states.append(state)
        zeros = self.run.states.values()
        return tuple(part + zero[:, t] for part, zero in zip(state, zeros, strict=True))

    def over(self, final: State, lengths: Tensor) -> None:
        """The pass is over: `lengths` steps of each sequence count, [B]."""
        steps = len(self.inputs)
        valid = steps_within(lengths, steps)[:, :, None]
        # Written past autograd, which has seen zeros and needs no values of them.
        self.lengths.data.copy_(lengths)
        self.problem.inputs.data[:, :steps] = torch.stack(self.inputs, 1).where(valid, 0)
        for k, zero in enumerate(self.run.states.values()):
            zero.data[:, :steps] = torch.stack([s[k] for s in self.states], 1).where(valid, 0)
        for kept, part in zip(self.run.final, final, strict=True):
            kept.data.copy_(part)


class StepByStep:
    """The layers of a stack for one pass, step by step; their noise is drawn beforehand.

    Arguments:
        recurrent: the layers.
        like: [B, T, 0] of the type and device of what they read.
    """

    def __init__(self, recurrent: Recurrent, like: Tensor):
        self.cells = [row[0].now(recurrent.training) for row in recurrent.steppers]
        for cell in self.cells:
            recompute_parameters(cell)
        self.noise = [cell.draw(like) if isinstance(cell, Noisy) else None for cell in self.cells]
        self.form = StateForm.of([[cell] for cell in self.cells])
        self.skip = recurrent.between.skip
        self.dropout = recurrent.between.dropout if recurrent.training else 0.0
        self.like, self.watched = like, []

    def show(self, states: tuple[State, ...]) -> None:
        """Show the pass that begins with `states` to those who observe unrolls, if there are any.

        `over` ends it.
        """
        if is_observed():
            pairs = zip(self.cells, states, strict=True)
            self.watched = [Watched(cell, state, self.like) for cell, state in pairs]

    def over(self, states: tuple[State, ...], lengths: Tensor) -> None:
        """The pass is over; `lengths` of its steps count, [B]."""
        for watched, state in zip(self.watched, states, strict=bool(self.watched)):
            watched.over(state, lengths)

    def start(self, state: Any, batch: int, like: Tensor) -> tuple[State, ...]:
        """A state in the form of `Recurrent`, or what the cells start from, by layer."""
        place: dict[str, Any] = {"dtype": like.dtype, "device": like.device}
        given = zip(self.cells, self.form.read(state, batch, True), strict=True)
        return tuple(cell.initial_state(batch, **place) if s is None else s for cell, s in given)

    def back(self, states: tuple[State, ...]) -> Any:
        """The states of all layers in the form of `Recurrent`."""
        return self.form.back(states, True)

    def step(
        self, x: Tensor, states: tuple[State, ...], t: int
    ) -> tuple[Tensor, tuple[State, ...]]:
        """One step of every layer on top of the other, as a stack runs them."""
        after: list[State] = []
        for depth, (cell, state, noise) in enumerate(
            zip(self.cells, states, self.noise, strict=True)
        ):
            read = x if noise is None else torch.cat([x, noise[:, t]], dim=-1)
            if self.watched:
                watched = self.watched[depth]
                given = cell.step(read, *watched.read(state, t))
                after.append(watched.gave(read, given, t))
            else:
                after.append(cell.step(read, *state))
            x = x + after[-1][0] if self.skip and depth else after[-1][0]
            if self.dropout and depth + 1 < len(self.cells):
                x = F.dropout(x, self.dropout)
        return x, tuple(after)
