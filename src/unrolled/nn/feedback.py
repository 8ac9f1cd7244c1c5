"""Outputs that recur: around any cell, and what takes their place before a step.

    [s(t)] = step([x(t), y(t-1)], s(t-1))
    o(t) = c + V h(t)                          h the first component of s
    y(t) = output(o(t))

A cell inside `FeedBack` has two recurrences, of its state and of the output: a network that reads
its own last prediction, or under teacher forcing the last true value.

`forcing_of` says what a step reads in the place of the state that the step before has left: the
truth, where it replaces the output, and the initial state, where a sequence starts anew. `fed_on`
says the same of the first step of a run that goes on where another has ended.

Shapes: B batch, T time, I input_size, O output_size.

References:
    Goodfellow, Bengio and Courville, "Deep Learning", section 10.2.1.
    Lin, Horne, Tino and Giles, "Learning long-term dependencies in NARX recurrent neural
        networks", IEEE Transactions on Neural Networks 7, 1996.
    Salinas, Flunkert, Gasthaus and Januschowski, "DeepAR: probabilistic forecasting with
        autoregressive recurrent networks", International Journal of Forecasting 36, 2020.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..cells import Cell
from ..cells.cell import check_size, like_of
from ..cells.jordan import OUTPUTS, OutputRecurrent
from ..engines import Forcing, Problem
from ..engines.engine import LazyStates
from ..naming import one_of
from .forcing import Scheduled, known_forcing, own_choices
from .resets import anew


class FeedBack(OutputRecurrent):
    """A cell that reads x(t) and, behind it, its own output y(t-1).

        ur.nn.Network(ur.nn.FeedBack(ur.cells.LSTM(5, 16), 2))     # x of 3 features, y of 2

    State: `y`, [B, O], and that of the cell; a component of the cell that is called y itself is
    `cell_y`.

    Arguments:
        cell: the recurrence; the last `output_size` of the features that it reads are y(t-1).
        output_size: O, size of o and y.
        output: of y: "identity", "softmax", "tanh", "sigmoid" or "relu".

    Attributes:
        readout: V and c.

    Raises:
        TypeError: `cell` is not a cell.
        ValueError: a cell that feeds its output back already, or reads times; an unknown output;
            sizes that do not fit.
    """

    def __init__(self, cell: Cell, output_size: int, output: str = "identity"):
        _check_inside(cell, output_size)
        names = {name: "cell_y" if name == "y" else name for name in cell.state_sizes}
        inside = {names[name]: size for name, size in cell.state_sizes.items()}
        super().__init__(cell.input_size - output_size, {"y": output_size, **inside})
        self.cell, self.output = cell, output
        self.take_facts_of(cell)
        self.unread = frozenset(names[name] for name in cell.unread)
        self._emit = OUTPUTS[one_of(output, OUTPUTS, "output")]
        self._read_out, size = next(iter(inside.items()))
        like = like_of(cell)
        self.readout = nn.Linear(size, output_size, device=like.device, dtype=like.dtype)

    @property
    def title(self) -> str:
        return f"{self.cell.title} fed back"

    def step(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        y, *inside = state
        new = self.cell.step(torch.cat([x, y], dim=-1), *inside)
        return (self._emit(self.readout(new[0])), *new)

    def pre_activation(
        self, x: Tensor, before: Mapping[str, Tensor], after: Mapping[str, Tensor]
    ) -> Tensor:
        """o(t) = c + V h(t), [N, O], from h(t)."""
        return self.readout(after[self._read_out])

    def initial_state(
        self,
        batch_size: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> tuple[Tensor, ...]:
        """Zeros for y, and what the cell starts from."""
        inside = self.cell.initial_state(batch_size, dtype=dtype, device=device)
        return (inside[0].new_zeros(batch_size, self.output_size), *inside)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, output={self.output!r}"


def _check_inside(cell: Cell, output_size: int) -> None:
    if not isinstance(cell, Cell):
        kind = cell.__name__ if isinstance(cell, type) else type(cell).__name__
        raise TypeError(
            f"cell must be a Cell that is made, got {kind}; unrolled.Cell.wrap makes one of any "
            "module with forward(x, state)"
        )
    check_size("output_size", output_size)
    if isinstance(cell, OutputRecurrent):
        raise ValueError(f"cell is {cell.title}, which feeds its output back itself; use it alone")
    if cell.reads_time:
        raise ValueError("cell must not read times: its last features are the output fed back")
    if cell.input_size < output_size:
        raise ValueError(
            f"cell must read x and the {output_size} features of y, its input_size is "
            f"{cell.input_size}; make it with the sum of both"
        )


def forcing_of(
    problem: Problem,
    reset: Tensor | None = None,
    targets: Tensor | None = None,
    forcing: str | Scheduled = "free",
) -> dict[str, Forcing]:
    """What takes the place of components of the state before the steps, by name.

    Arguments:
        problem: an unroll in which nothing is forced yet.
        reset: true at the steps before which a sequence starts anew, [B, T].
        targets: the true y(t): values [B, T, O], or class numbers [B, T] for softmax. What they
            hold beyond the lengths has no effect.
        forcing: "free", "teacher", or `Scheduled(p)` with a number for p.

    Raises:
        TypeError, ValueError: an argument that does not fit.
    """
    forced = {} if reset is None else _anew(problem, reset)
    if known_forcing(forcing) == "free":
        return forced
    cell = _fed_back(problem.cell, forcing)
    name = next(iter(cell.state_sizes))
    truth = _truth(problem, cell, targets, forcing)
    # Before the first step there is no target: the initial state is read, given or not.
    fed = torch.cat([problem.state[0][:, None], truth[:, :-1]], dim=1)
    own = own_choices(forcing, fed)
    mask = None if own is None else ~own
    if name in forced and reset is not None:
        fed = torch.where(reset[:, :, None], forced[name].values, fed)
        mask = None if mask is None else mask | reset
    return {**forced, name: Forcing(fed, mask)}


def fed_on(
    cell: Cell,
    final: tuple[Tensor, ...],
    last_targets: Tensor,
    forcing: str | Scheduled,
    reached: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """The state that a run hands on, from which another one reads the steps that follow.

    In one run over all steps the first of these would read the truth of the step before it, or
    the network's own output, as the forcing says; so y is replaced by what it would read.

    Arguments:
        cell: one whose output recurs.
        final: the state after the last step, each [B, size].
        last_targets: the true y of that step: values [B, O], or class numbers [B] for softmax.
        forcing: of the run, as `forcing_of` takes it.
        reached: which sequences have a last step in this run, [B]; the state of others stays, and
            their targets have no effect. None: all have.

    Raises:
        TypeError, ValueError: an argument that does not fit.
    """
    if known_forcing(forcing) == "free":
        return final
    y, *others = final
    if reached is None:
        reached = torch.ones(len(y), dtype=torch.bool, device=y.device)
    truth = last_targets
    if not truth.is_floating_point():
        truth = _one_hot(_fed_back(cell, forcing), truth.masked_fill(~reached, 0), y.dtype)
    own = own_choices(forcing, truth[:, None])
    taken = reached if own is None else reached & ~own[:, 0]
    return (torch.where(taken[:, None], truth, y), *others)


def _anew(problem: Problem, reset: Tensor) -> dict[str, Forcing]:
    """The cell's initial state, where a sequence starts anew."""
    batch, time, _ = problem.inputs.shape
    if not torch.is_tensor(reset) or reset.dtype != torch.bool or reset.shape != (batch, time):
        is_tensor = torch.is_tensor(reset)
        came = f"{reset.dtype} {list(reset.shape)}" if is_tensor else type(reset).__name__
        raise ValueError(f"reset must be torch.bool [{batch}, {time}], got {came}")
    initial = anew(problem.cell, problem.inputs, reset)
    return {name: Forcing(*start) for name, start in initial.items()}


def _fed_back(cell: Cell, forcing: str | Scheduled) -> OutputRecurrent:
    if not isinstance(cell, OutputRecurrent):
        raise ValueError(
            f"forcing {forcing!r} is for a network whose output feeds back, {cell.title}'s does "
            'not; use forcing="free", or a Jordan or nn.FeedBack cell'
        )
    if isinstance(forcing, Scheduled) and forcing.sample:
        raise ValueError("forcing has sample=True, which is for tokens; y is fed back as it is")
    return cell


def _truth(
    problem: Problem, cell: OutputRecurrent, targets: Tensor | None, forcing: str | Scheduled
) -> Tensor:
    """The targets as values of y, [B, T, O], zero beyond the lengths."""
    if targets is None:
        raise ValueError(f'targets are needed with forcing {forcing!r}; forcing="free" needs none')
    (batch, time, _), size = problem.inputs.shape, cell.output_size
    numbers = torch.is_tensor(targets) and not targets.is_floating_point()
    wanted = (batch, time) if numbers else (batch, time, size)
    if not torch.is_tensor(targets) or targets.shape != wanted:
        came = list(targets.shape) if torch.is_tensor(targets) else type(targets).__name__
        raise ValueError(f"targets to be fed must be a tensor {list(wanted)}, got {came}")
    if not numbers:
        _check_values(targets, problem.inputs)
        return problem.blank(targets)
    classes = problem.blank(targets[:, :, None])[:, :, 0]
    return _one_hot(cell, classes, problem.inputs.dtype)


def _check_values(targets: Tensor, inputs: Tensor) -> None:
    if targets.dtype != inputs.dtype:
        raise ValueError(
            f"targets are {targets.dtype}, inputs {inputs.dtype}; pass targets.to({inputs.dtype})"
        )


def _one_hot(cell: OutputRecurrent, targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Class numbers [...] as values of y, [..., O]."""
    size = cell.output_size
    if cell.output != "softmax":
        raise ValueError(
            f"targets must be values [batch, time, {size}] for output {cell.output!r}, got "
            f"{targets.dtype}; class numbers are for softmax"
        )
    classes = targets.to(torch.int64)
    if not torch.compiler.is_compiling() and bool(((classes < 0) | (classes >= size)).any()):
        raise ValueError(
            f"targets must be class numbers from 0 to {size - 1}, got {int(classes.min())} to "
            f"{int(classes.max())}"
        )
    return F.one_hot(classes, size).to(dtype)


def pre_activations(problem: Problem, states: Mapping[str, Tensor]) -> Tensor:
    """o of every step of a cell whose output recurs, [B, T, O], in one batch.

    Arguments:
        problem: the unroll, with what was forced in it.
        states: what it gave, every component after every step, [B, T, size].
    """
    cell = problem.cell
    assert isinstance(cell, OutputRecurrent), "Network asks whether it is one"
    starts = dict(zip(cell.state_sizes, problem.state, strict=True))
    # Each component is looked up only if o is made of it: an engine may not have it at hand.
    before = LazyStates({n: partial(_before, problem, n, s, states) for n, s in starts.items()})
    after = LazyStates({name: partial(_flat, states, name) for name in starts})
    o = cell.pre_activation(problem.inputs.flatten(0, 1), before, after)
    return o.unflatten(0, problem.inputs.shape[:2])


def _before(problem: Problem, name: str, start: Tensor, states: Mapping[str, Tensor]) -> Tensor:
    """One component as the steps read it, [B * T, size]."""
    alone = replace(problem, state=(start,))
    return alone.before({name: states[name]})[0].flatten(0, 1)


def _flat(states: Mapping[str, Tensor], name: str) -> Tensor:
    return states[name].flatten(0, 1)
