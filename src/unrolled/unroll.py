"""Run a cell over a sequence: the only door to the engines.

Arguments are checked here, once; engines and steps trust them.

Shapes: B batch, T time, I input_size.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from .cells import Cell, WrappedCell
from .cells.cell import like_of, recompute_parameters
from .engines import Engine, Forcing, Problem, choose, choose_while_compiling, gates_as_of_now
from .engines.engine import is_autocast
from .engines.lengths import checked_lengths, steps_within
from .naming import one_of


@dataclass(frozen=True, repr=False)
class Trajectory:
    """The result of an unroll.

    Attributes:
        states: every state component after every step, [B, T, size], by name; zero beyond a
            sequence's length.
        final: the components after each sequence's last valid step, each [B, size].
        engine: the name of the engine that ran.
        why: why it ran, in one line.
    """

    states: Mapping[str, Tensor]
    final: tuple[Tensor, ...]
    engine: str
    why: str
    _source: Callable[[], str] | None = None
    _gates: Callable[[], dict[str, Tensor]] | None = None

    @property
    def gates(self) -> dict[str, Tensor]:
        """Each gate after its activation at every step, [B, T, size], by name.

        The names are the cell's `gates` (i, f, g, o of an LSTM); empty for a cell that names
        none. They are found in the cell's graph and computed at every call, in one batch.

        Raises:
            UnsupportedOperator: the graph does not know an operator of the step.
            RuntimeError: an input or a parameter was written to since the unroll.
            ValueError: the unroll was compiled by torch.compile.
        """
        if self._gates is None:
            raise ValueError("gates are not kept under torch.compile; unroll without it")
        return self._gates()

    def source(self) -> str:
        """The program that was generated for this run.

        Raises:
            ValueError: the engine that ran generates none.
        """
        if self._source is None:
            raise ValueError(
                f'engine "{self.engine}" runs no generated code; unroll with engine="native"'
            )
        return self._source()

    @property
    def outputs(self) -> Tensor:
        """The first state component after every step, [B, T, size]."""
        return self.states[next(iter(self.states))]

    def __repr__(self) -> str:
        names = ", ".join(self.states)
        shape = list(self.outputs.shape)
        return f"Trajectory(outputs={shape}, states=({names}), engine={self.engine!r}, {self.why})"


# Is shown every unroll, and gives the trajectory that the caller gets in its place.
Observer = Callable[[Problem, Trajectory], Trajectory]
_OBSERVERS: ContextVar[tuple[Observer, ...]] = ContextVar("observers", default=())


@contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Within this context `observer` sees every unroll of this thread, in any model."""
    token = _OBSERVERS.set((*_OBSERVERS.get(), observer))
    try:
        yield
    finally:
        _OBSERVERS.reset(token)


def unroll(
    cell: Cell,
    inputs: Tensor | None = None,
    state: Tensor | Sequence[Tensor] | Mapping[str, Tensor] | None = None,
    lengths: Tensor | Sequence[int] | None = None,
    forced: Mapping[str, Tensor | tuple[Tensor, Tensor]] | None = None,
    engine: str | Engine = "auto",
    *,
    steps: int | None = None,
) -> Trajectory:
    """Apply `cell` to every step of `inputs`, or `steps` times if it takes no input.

    Arguments:
        cell: the step.
        inputs: [B, T, I]. None for an autonomous system, a cell whose input_size is 0.
        state: the state before the first step: its components in order or by name, each
            [B, size]. Default `cell.initial_state(B)`.
        lengths: valid steps of each sequence, [B], from 0 to T. What `inputs` holds beyond
            them, even NaN, has no effect.
        forced: values that replace a component *before* each step, by name: [B, T, size], or a
            pair with a mask [B, T] or [T] that is true where they do. For teacher forcing,
            values at step t are the true outputs of step t-1.
        engine: "auto", "eager", "vendor", "native", or an engine.
        steps: T, where there are no inputs; B is then the state's, or 1.

    Raises:
        ValueError: an argument has the wrong shape, size or type; the message says which.
        EngineRefused: the engine asked for cannot run this.
    """
    if inputs is None:
        inputs = no_inputs(cell, state, steps)
    elif steps is not None:
        raise ValueError("steps is for a cell without inputs; inputs have their own length")
    problem = problem_of(cell, inputs, state, lengths, forced)
    compiling = torch.compiler.is_compiling()
    choice = choose_while_compiling if compiling else choose
    chosen, why = choice(engine, problem)
    solution = chosen.solve(problem)
    # A program of torch.compile keeps nothing for later.
    later = None if compiling else gates_as_of_now(problem, solution.states)
    found = Trajectory(solution.states, solution.final, chosen.name, why, solution.source, later)
    return found if compiling else observed(problem, found)


def observed(problem: Problem, found: Trajectory) -> Trajectory:
    """What the caller gets of a trajectory, once the observers of this thread have seen it."""
    for observer in _OBSERVERS.get():
        found = observer(problem, found)
    return found


def is_observed() -> bool:
    """Whether somebody in this thread sees every unroll."""
    return bool(_OBSERVERS.get())


def problem_of(
    cell: Cell,
    inputs: Tensor,
    state: Tensor | Sequence[Tensor] | Mapping[str, Tensor] | None = None,
    lengths: Tensor | Sequence[int] | None = None,
    forced: Mapping[str, Tensor | tuple[Tensor, Tensor]] | None = None,
) -> Problem:
    """The arguments of `unroll`, checked and in one form.

    Raises:
        TypeError, ValueError: an argument has the wrong type, shape or size.
    """
    if not isinstance(cell, Cell):
        raise TypeError(_no_cell(cell))
    _check_inputs(cell, inputs)
    recompute_parameters(cell)
    valid = _lengths(inputs, lengths)
    if valid is not None:
        inputs = _without_padding(inputs, valid)
    start = _state(cell, inputs, state)
    forcing = _forced(cell, inputs, valid, forced)
    return Problem(cell, inputs, start, valid, forcing)


def _no_cell(given: Any) -> str:
    """What is wrong with something that should be a cell."""
    if isinstance(given, str) or (isinstance(given, type) and issubclass(given, Cell)):
        name = given if isinstance(given, str) else given.__name__
        return f"cell must be made, with its sizes, as unrolled.cells.GRU(8, 32); got {name!r}"
    what = f"cell must be a Cell, got {type(given).__name__}"
    if isinstance(getattr(given, "cell", None), Cell):
        return f"{what}; pass its .cell"
    if hasattr(given, "steppers") or isinstance(given, nn.RNNBase):
        return (
            f"{what}, a layer, which is called itself: layer(inputs); unrolled.nn.cells_of(layer) "
            "has its cells by name"
        )
    return f"{what}; unrolled.Cell.wrap makes one of any module with forward(x, state)"


def no_inputs(cell: Cell, state: Any, steps: int | None) -> Tensor:
    """Inputs without features, [B, T, 0], of an autonomous system."""
    if not isinstance(cell, Cell):
        raise TypeError(_no_cell(cell))
    if getattr(cell, "input_size", 0):
        raise ValueError(f"{type(cell).__name__} reads {cell.input_size} inputs; pass inputs")
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be a whole number from 1 up without inputs, got {steps!r}")
    given = next((t for t in pytree.tree_leaves(state) if torch.is_tensor(t)), None)
    like = like_of(cell) if given is None else given
    return like.new_empty(1 if given is None else len(given), steps, 0)


def _check_inputs(cell: Cell, inputs: Tensor) -> None:
    wanted = f"[batch, time, {cell.input_size}]"
    if not torch.is_tensor(inputs):
        raise TypeError(f"inputs must be a tensor {wanted}, got {type(inputs).__name__}")
    if not inputs.is_floating_point():
        raise ValueError(
            f"inputs must be real numbers {wanted}, got {inputs.dtype}; of class numbers make "
            f"torch.nn.functional.one_hot(inputs, {cell.input_size}).float(), or use an embedding"
        )
    if inputs.dim() == 2:
        advice = "inputs[..., None]" if cell.input_size == 1 != inputs.shape[1] else "inputs[None]"
        raise ValueError(f"inputs must be {wanted}, got {list(inputs.shape)}; pass {advice}")
    if inputs.dim() != 3 or inputs.shape[2] != cell.input_size:
        transposed = inputs.dim() == 3 and inputs.shape[1] == cell.input_size
        advice = "; pass inputs.transpose(1, 2) if features come second" if transposed else ""
        raise ValueError(f"inputs must be {wanted}, got {list(inputs.shape)}{advice}")
    if 0 in inputs.shape[:2]:
        raise ValueError(
            f"inputs must hold at least one sequence and one step, got {list(inputs.shape)}"
        )
    if cell.reads_time and not torch.compiler.is_compiling() and bool((inputs[..., -1] < 0).any()):
        raise ValueError(
            "the last feature of inputs is the time since the previous step; some of it is below "
            "0: sort the steps by time"
        )
    _check_kind(cell, inputs)


def _check_kind(cell: Cell, inputs: Tensor) -> None:
    """Compare type and device with the parameters', which a kernel reports unreadably."""
    parameter = like_of(cell)
    if not parameter.numel() or is_autocast(inputs.device.type):
        return
    if inputs.dtype != parameter.dtype:
        advice = f" or cell.to({inputs.dtype})" if inputs.is_floating_point() else ""
        raise ValueError(
            f"inputs are {inputs.dtype}, the parameters of the cell {parameter.dtype}; "
            f"pass inputs.to({parameter.dtype}){advice}"
        )
    if inputs.device != parameter.device:
        raise ValueError(f"inputs are on {inputs.device}, the cell on {parameter.device}")


def _lengths(inputs: Tensor, lengths: Tensor | Sequence[int] | None) -> Tensor | None:
    if lengths is None:
        return None
    steps = checked_lengths("lengths", lengths, inputs)
    if torch.compiler.is_compiling():
        # A look at the numbers would cut the compiled program in two.
        return steps
    return None if bool((steps == inputs.shape[1]).all()) else steps


def _without_padding(inputs: Tensor, lengths: Tensor) -> Tensor:
    # `where`, not a product: what lies beyond a length may be NaN, and so would its gradient.
    return inputs.masked_fill(~steps_within(lengths, inputs.shape[1])[:, :, None], 0)


def _state(cell: Cell, inputs: Tensor, state: Any) -> tuple[Tensor, ...]:
    batch = len(inputs)
    if state is None:
        return cell.initial_state(batch, dtype=inputs.dtype, device=inputs.device)
    names = list(cell.state_sizes)
    components = _components(cell, names, state)
    if len(components) != len(names):
        raise ValueError(
            f"state needs {', '.join(names)}, as a tuple or by name; got {len(components)} of them"
        )
    for (name, size), component in zip(cell.state_sizes.items(), components, strict=True):
        if tuple(component.shape) != (batch, size):
            raise ValueError(f"state {name} must be [{batch}, {size}], got {list(component.shape)}")
        _check_like(f"state {name}", component, inputs)
    return components


def _check_like(what: str, given: Tensor, inputs: Tensor) -> None:
    # Under autocast what comes out of a step has another type than what goes in.
    alike = given.dtype == inputs.dtype or is_autocast(inputs.device.type)
    if not alike or given.device != inputs.device:
        raise ValueError(
            f"{what} is {given.dtype} on {given.device}, inputs are {inputs.dtype} on "
            f"{inputs.device}"
        )


def _components(cell: Cell, names: list[str], state: Any) -> tuple[Tensor, ...]:
    """A state given as one tensor, in order, by name, or in a wrapped module's own form."""
    if isinstance(state, Mapping) and set(state) == set(names):
        return tuple(state[name] for name in names)
    if torch.is_tensor(state):
        state = (state,)
    flat = isinstance(state, (tuple, list)) and all(map(torch.is_tensor, state))
    if flat and len(state) == len(names):
        return tuple(state)
    if isinstance(cell, WrappedCell):
        return cell.flatten(state)
    if isinstance(state, Mapping):
        raise ValueError(f"state names {', '.join(state)}, the cell has {', '.join(names)}")
    if not flat:
        raise TypeError(f"state must be tensors {', '.join(names)}, got {type(state).__name__}")
    return tuple(state)


def _forced(
    cell: Cell,
    inputs: Tensor,
    lengths: Tensor | None,
    forced: Mapping[str, Tensor | tuple[Tensor, Tensor]] | None,
) -> dict[str, Forcing]:
    checked = {
        one_of(name, cell.state_sizes, "forced component"): _forcing(cell, inputs, name, given)
        for name, given in (forced or {}).items()
    }
    if lengths is None:
        return checked
    return {n: Forcing(_without_padding(f.values, lengths), f.mask) for n, f in checked.items()}


def _forcing(cell: Cell, inputs: Tensor, name: str, given: Any) -> Forcing:
    values, mask = given if isinstance(given, tuple) else (given, None)
    batch, time, _ = inputs.shape
    expected = (batch, time, cell.state_sizes[name])
    if not torch.is_tensor(values) or not (mask is None or torch.is_tensor(mask)):
        raise TypeError(f"forced {name} must be a tensor, or a pair of a tensor and its mask")
    if tuple(values.shape) != expected:
        raise ValueError(f"forced {name} must be {list(expected)}, got {list(values.shape)}")
    _check_like(f"forced {name}", values, inputs)
    if mask is None:
        return Forcing(values)
    if mask.dtype != torch.bool or tuple(mask.shape) not in ((batch, time), (time,)):
        raise ValueError(
            f"the mask of forced {name} must be boolean [{batch}, {time}] or [{time}], "
            f"got {mask.dtype} {list(mask.shape)}"
        )
    always = not torch.compiler.is_compiling() and bool(mask.all())
    return Forcing(values) if always else Forcing(values, mask.expand(batch, time))
