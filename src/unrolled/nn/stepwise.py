"""A stack of cells one step at a time, for models whose next input depends on the output.

Shapes: B batch, T time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..cells.cell import recompute_parameters
from .noise import Noisy
from .recurrent import Recurrent
from .stack import State
from .states import StateForm


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
            after.append(cell.step(read, *state))
            x = x + after[-1][0] if self.skip and depth else after[-1][0]
            if self.dropout and depth + 1 < len(self.cells):
                x = F.dropout(x, self.dropout)
        return x, tuple(after)
