"""What an engine is given, what it returns, and what it must say of itself.

Shapes: B batch, T time, I input_size.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from ..cells import Cell
from .lengths import steps_within

Result = TypeVar("Result")


class EngineRefused(ValueError):
    """An engine that was asked for by name cannot run this unroll; the message says why."""


class Trouble(str):
    """A refusal whose reason is this machine, not the problem; "auto" warns of it once."""


@dataclass(frozen=True)
class Forcing:
    """Values that replace one state component before each step.

    Attributes:
        values: [B, T, size].
        mask: [B, T], true where a value replaces the state; None where every one does.
    """

    values: Tensor
    mask: Tensor | None = None


@dataclass(frozen=True)
class Problem:
    """A checked unroll: what `unroll` hands to an engine.

    Attributes:
        cell: the step.
        inputs: [B, T, I]; zero beyond each sequence's length.
        state: the components before the first step, each [B, size].
        lengths: valid steps of each sequence, [B]; None where all are T.
        forced: by component.
        known: what engines worked out of the problem, to be found again.
    """

    cell: Cell
    inputs: Tensor
    state: tuple[Tensor, ...]
    lengths: Tensor | None = None
    forced: Mapping[str, Forcing] = field(default_factory=dict)
    known: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def forced_in_order(self) -> list[Forcing]:
        """The forced values, in the order of the state's components."""
        return [self.forced[name] for name in self.cell.state_sizes if name in self.forced]

    def to(self, dtype: torch.dtype) -> "Problem":
        """The same problem in another precision; the cell is left as it is."""
        return replace(
            self,
            inputs=self.inputs.to(dtype),
            state=tuple(component.to(dtype) for component in self.state),
            forced={n: Forcing(f.values.to(dtype), f.mask) for n, f in self.forced.items()},
        )

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """What is given: the inputs, the state, the forced values."""
        return self.inputs, *self.state, *(forcing.values for forcing in self.forced.values())

    @property
    def valid(self) -> Tensor | None:
        """True at the steps inside each sequence's length, [B, T]; None where all are."""
        if self.lengths is None:
            return None
        return steps_within(self.lengths, self.inputs.shape[1])

    def last(self, states: Tensor, initial: Tensor) -> Tensor:
        """The values of `states` [B, T, size] at each sequence's last valid step, [B, size]."""
        if self.lengths is None:
            return states[:, -1]
        rows = torch.arange(len(states), device=states.device)
        reached = states[rows, (self.lengths - 1).clamp(min=0)]
        return torch.where((self.lengths > 0)[:, None], reached, initial)

    def before(self, states: Mapping[str, Tensor]) -> list[Tensor]:
        """What each step read of every component, [B, T, size], from the states after it."""
        read = []
        for (name, after), start in zip(states.items(), self.state, strict=True):
            shifted = torch.cat([start[:, None], after[:, :-1]], dim=1)
            if forcing := self.forced.get(name):
                given, mask = forcing.values, forcing.mask
                shifted = given if mask is None else torch.where(mask[:, :, None], given, shifted)
            read.append(shifted)
        return read

    def blank(self, states: Tensor) -> Tensor:
        """`states` [B, T, size] with zeros beyond each sequence's length."""
        valid = self.valid
        # Not a product: what lies beyond a length may be NaN.
        return states if valid is None else states.masked_fill(~valid[:, :, None], 0)


@dataclass(frozen=True)
class Solution:
    """What an engine computed.

    Attributes:
        states: every component after every step, [B, T, size], zero beyond the lengths.
        final: the components after each sequence's last valid step, each [B, size].
        source: gives the program that was generated for it, where there is one.
    """

    states: Mapping[str, Tensor]
    final: tuple[Tensor, ...]
    source: Callable[[], str] | None = None


class Engine(Protocol):
    """A way to compute an unroll. `name` is the one that `engine=` takes."""

    name: str

    def refusal(self, problem: Problem) -> str | None:
        """Why this engine cannot run the problem, in one line, or None if it can."""
        ...

    def reluctance(self, problem: Problem) -> str | None:
        """Why "auto" should ask another engine first though this one may run the problem."""
        ...

    def advantage(self, problem: Problem) -> str:
        """What runs the problem and why that is a good choice, in one line."""
        ...

    def equipment(self) -> str:
        """What it is made of on this machine, in one line."""
        ...

    def solve(self, problem: Problem) -> Solution:
        """Run the problem; called only where `refusal` returned None."""
        ...


class LazyStates(Mapping[str, Tensor]):
    """States by name, each computed at its first use and kept."""

    def __init__(self, compute: Mapping[str, Callable[[], Tensor]]):
        self._compute = dict(compute)
        self._ready: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._ready:
            self._ready[name] = self._compute[name]()
        return self._ready[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._compute)

    def __len__(self) -> int:
        return len(self._compute)


def as_of_now(
    what: str, used: Iterable[Tensor], compute: Callable[[], Result]
) -> Callable[[], Result]:
    """`compute`, to be called later, with the tensors as they are now.

    Arguments:
        what: is computed, for the error.
        used: tensors that it is computed from. A call after one of them was written to raises
            RuntimeError.
        compute: gives the result, with gradients if they are recorded now.
    """
    watched = [tensor for tensor in used if not tensor.is_inference()]
    versions, with_gradient = [t._version for t in watched], torch.is_grad_enabled()

    def compute_now() -> Result:
        if [tensor._version for tensor in watched] != versions:
            raise RuntimeError(
                f"{what} first read after its inputs or parameters had changed; read it before "
                "the update"
            )
        with torch.set_grad_enabled(with_gradient):
            return compute()

    return compute_now


def is_autocast(device: str) -> bool:
    """Whether autocast is on for a kind of device; some kinds know none."""
    return device in ("cpu", "cuda", "mps", "xpu") and torch.is_autocast_enabled(device)


def transform_of(tensors: Iterable[Tensor]) -> str | None:
    """What looks at tensors from outside, for which there must be operators of torch to see."""
    functorch: Any = torch._C._functorch  # pyright: ignore[reportAttributeAccessIssue]
    if functorch.peek_interpreter_stack() is not None:
        return "a transform of torch.func"
    if forward_ad._current_level >= 0:
        return "forward-mode differentiation"
    if torch.jit.is_tracing():  # pyright: ignore[reportPrivateImportUsage]
        return "torch.jit.trace"
    if torch._C._len_torch_dispatch_stack() or any(
        type(t) not in (Tensor, nn.Parameter) for t in tensors
    ):
        return "a mode of torch or with a kind of tensor that is not plain"
    return None
