"""A cell: the parameters of one step of a recurrence, and the step.

    state(t) = step(x(t), state(t-1); parameters)

A cell names no loop, engine, device or derivative; `unrolled.unroll` runs it over a sequence.

Shapes: B batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from .wrapped import WrappedCell


class Cell(nn.Module):
    """One step of a recurrence. Extend it and define `step`:

        class Leaky(ur.Cell):
            def __init__(self, input_size, hidden_size, leak=0.1):
                super().__init__(input_size, state_sizes={"h": hidden_size})
                self.input = nn.Linear(input_size, hidden_size)
                self.recurrent = nn.Linear(hidden_size, hidden_size, bias=False)
                self.leak = leak

            def step(self, x, h):
                drive = torch.tanh(self.input(x) + self.recurrent(h))
                return ((1 - self.leak) * h + self.leak * drive,)

    Attributes:
        input_size: features of x; 0 for an autonomous system, which has no input.
        state_sizes: name and size of every state component, in order. The first is the output.
        unread: names of components that `step` returns and never reads.
        gates: names of the gates, in the order of their rows in the gated parameters.
        keeps: of the gates, +1 for one whose opening keeps the memory, -1 for one whose opening
            lets go of it: {"f": 1, "i": -1} of an LSTM. `nn.initialise` sets their biases.
        smallest: the least size of a state component.
        reads_time: whether the last feature of x is the time since the previous step.
    """

    input_size: int
    state_sizes: dict[str, int]
    unread: frozenset[str] = frozenset()
    gates: tuple[str, ...] = ()
    keeps: Mapping[str, int] = {}
    smallest: int = 1
    reads_time: bool = False

    def __init__(self, input_size: int, state_sizes: dict[str, int]):
        # Not super(): a cell may be one of torch's by class too, which takes other arguments.
        nn.Module.__init__(self)
        _check_sizes(input_size, state_sizes, self.smallest)
        self.input_size = input_size
        self.state_sizes = dict(state_sizes)

    def take_facts_of(self, cell: Cell) -> None:
        """Have the gates of a cell that this one steps, and what it reads and does not."""
        self.gates, self.keeps = cell.gates, cell.keeps
        self.unread, self.reads_time = cell.unread, cell.reads_time

    @property
    def title(self) -> str:
        """What it is called where it is spoken of."""
        return type(self).__name__

    def step(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Advance by one step.

        Arguments:
            x: input at this step, [B, input_size].
            state: the components of the state before the step, each [B, size].

        Returns:
            The components after the step, in the order of `state_sizes`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define step(x, *state)")

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        return self.step(x, *state)

    def initial_state(
        self,
        batch_size: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> tuple[Tensor, ...]:
        """The state before the first step: zeros, each [batch_size, size].

        Override it for a learned or a random start. `dtype` and `device` default to those of
        the cell's parameters and buffers.
        """
        like = like_of(self)
        place: dict[str, Any] = {"dtype": dtype or like.dtype, "device": device or like.device}
        return tuple(torch.zeros(batch_size, size, **place) for size in self.state_sizes.values())

    @staticmethod
    def wrap(
        module: nn.Module,
        *,
        input_size: int | None = None,
        state: Any = None,
        returns: str = "auto",
        names: tuple[str, ...] | None = None,
    ) -> WrappedCell:
        """Make a cell of any module with `forward(x, state) -> state` or `-> (output, state)`.

        Arguments:
            module: the module; its state is a tensor, or a tuple, list or dict of states.
            input_size: features of x; default `module.input_size`.
            state: an example of the state, with any batch size. Needed only where
                `module(x)` does not start by itself.
            returns: "state", "output_and_state", or "auto": feed the result back and see.
            names: names for the state components in order; default `h`, or `h, c`, or
                `state_0, state_1, ...`. A separate output is called `output`.

        Raises:
            ValueError: the module's sizes, start or form of result cannot be told.
        """
        from .wrapped import WrappedCell

        return WrappedCell(module, input_size=input_size, state=state, returns=returns, names=names)

    def extra_repr(self) -> str:
        sizes = ", ".join(f"{name}: {size}" for name, size in self.state_sizes.items())
        return f"input_size={self.input_size}, state={{{sizes}}}"


def like_of(module: nn.Module) -> Tensor:
    """A tensor of the type and on the device of what a module computes with."""
    tensors = chain(module.parameters(), module.buffers())
    return next((t for t in tensors if t.is_floating_point()), torch.empty(0))


def recompute_parameters(cell: Cell) -> None:
    """Run what torch.nn.utils computes weights by before a module is called, as in pruning.

    Engines call `step`, not the module; modules inside a step are called as ever.
    """
    for module in cell.modules():
        if isinstance(module, Cell):
            for hook in computing_hooks(module).values():
                hook(module, ())


def computing_hooks(module: nn.Module) -> dict[int, Any]:
    """What torch.nn.utils computes a module's weights by, before the module is called."""
    hooks = module._forward_pre_hooks
    return {k: h for k, h in hooks.items() if type(h).__module__.startswith("torch.nn.utils.")}


def draw_uniform(module: nn.Module, hidden_size: int) -> None:
    """Draw every parameter anew from U(-1/sqrt(H), 1/sqrt(H)), as torch's recurrent cells do."""
    bound = 1 / math.sqrt(hidden_size)
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -bound, bound)


def check_size(what: str, size: int, smallest: int = 1) -> None:
    """Raise ValueError unless `size` is a whole number from `smallest` up."""
    if not isinstance(size, int) or isinstance(size, bool) or size < smallest:
        raise ValueError(f"{what} must be a whole number from {smallest} up, got {size!r}")


def _check_sizes(input_size: int, state_sizes: dict[str, int], smallest: int) -> None:
    check_size("input_size", input_size, smallest=0)
    if not isinstance(state_sizes, Mapping):
        raise TypeError(
            f'state_sizes must name the components with their sizes, as {{"h": 32}}, got '
            f"{state_sizes!r}"
        )
    if not state_sizes:
        raise ValueError('state_sizes is empty; name at least one component, as {"h": 32}')
    for name, size in state_sizes.items():
        check_size(f"the size of state {name!r}", size, smallest)
