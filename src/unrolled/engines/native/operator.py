"""A kernel's run as an operator of torch, which `torch.compile` takes into its graphs as one node.

Outside of `torch.compile` the engine calls the kernel without it, which costs less.

Shapes: B batch, T time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import ref

import torch
from torch import Tensor

from ...cells import Cell
from ...graph.nodes import Parameter
from ..engine import Problem
from .differentiable import states_of
from .kernel import Forced, Kernel, Run
from .kernels import kernel_of


@dataclass(frozen=True)
class Asked:
    """What a kernel was asked for; it is looked up again at each call, as cells may change."""

    cell: ref[Cell]
    dtype: torch.dtype
    forced: tuple[str, ...]
    lean: bool
    half: bool


_ASKED: list[Asked] = []


def _kernel(number: int) -> Kernel:
    asked = _ASKED[number]
    cell = asked.cell()
    if cell is None:
        raise RuntimeError("the cell of a compiled unroll is gone; compile the caller again")
    return kernel_of(cell, asked.dtype, asked.forced, asked.lean, asked.half)


def states_as_operator(problem: Problem, lean: bool, half: bool) -> tuple[Tensor, ...]:
    """Every state at every step, each [B, T, size]."""
    forced = tuple(problem.forced)
    number, names = _asked_for(problem.cell, problem.inputs.dtype, forced, lean, half)
    if names is None:
        return _between_graphs(problem, lean, half)  # pyright: ignore[reportCallIssue]
    return _as_operator(number, names, problem)


@torch.compiler.disable
def _between_graphs(problem: Problem, lean: bool, half: bool) -> tuple[Tensor, ...]:
    """Where the kernel reads what torch computes from parameters, the graph is cut in two."""
    kernel = kernel_of(problem.cell, problem.inputs.dtype, tuple(problem.forced), lean, half)
    return states_of(kernel, problem)


@torch.compiler.assume_constant_result
def _asked_for(
    cell: Cell, dtype: torch.dtype, forced: tuple[str, ...], lean: bool, half: bool
) -> tuple[int, tuple[str, ...] | None]:
    """A number for the operator to find the kernel by, and the names of the tensors it reads.

    The names are None where the kernel reads what torch computes from parameters.
    """
    kernel = kernel_of(cell, dtype, forced, lean, half)
    asked = Asked(ref(cell), dtype, forced, lean, half)
    if asked not in _ASKED:
        _ASKED.append(asked)
    number = _ASKED.index(asked)
    if not kernel.reads_parameters_as_they_are:
        return number, None
    return number, tuple(b.name for b in kernel.plan.bases if isinstance(b, Parameter))


def _as_operator(number: int, names: Sequence[str], problem: Problem) -> tuple[Tensor, ...]:
    bases = []
    for name in names:
        found: Any = problem.cell
        for part in name.split("."):
            found = getattr(found, part)
        bases.append(found.to(problem.inputs.dtype).contiguous())
    forced = problem.forced_in_order
    buffers = native_unroll(
        problem.inputs,
        list(problem.state),
        bases,
        problem.lengths,
        [given.values for given in forced],
        [given.mask for given in forced],
        number,
        torch.is_grad_enabled(),
    )
    sizes = list(problem.cell.state_sizes.values())
    return tuple(
        buffer[1:, :, :size].transpose(0, 1)
        for buffer, size in zip(buffers[: len(sizes)], sizes, strict=True)
    )


@torch.library.custom_op("unrolled::native_unroll", mutates_args=())
def native_unroll(
    x: Tensor,
    states: list[Tensor],
    bases: list[Tensor],
    lengths: Tensor | None,
    forced: list[Tensor],
    masks: list[Tensor | None],
    number: int,
    keep: bool,
) -> list[Tensor]:
    """The states [T + 1, B, row], what is kept, and the forced states as the steps read them."""
    given = [Forced(values, mask) for values, mask in zip(forced, masks, strict=True)]
    run = _kernel(number).forward(x, states, bases, lengths, given, keep, clean=True)
    return [*run.states, run.kept, *run.before]


@native_unroll.register_fake
def _(
    x: Tensor,
    states: list[Tensor],
    bases: list[Tensor],
    lengths: Tensor | None,
    forced: list[Tensor],
    masks: list[Tensor | None],
    number: int,
    keep: bool,
) -> list[Tensor]:
    plan, (batch, time, _) = _kernel(number).plan, x.shape
    rows = [plan.target.padded(state.size) for state in plan.states]
    buffers = [x.new_empty(time + 1, batch, row) for row in rows]
    kept = x.new_empty(time if keep else 1, batch, plan.kept_row)
    before = [x.new_empty(time, batch, rows[k]) for k in sorted(plan.forced)]
    return [*buffers, kept, *before]


@torch.library.custom_op("unrolled::native_unroll_backward", mutates_args=())
def native_unroll_backward(
    x: Tensor,
    states: list[Tensor],
    kept: Tensor,
    before: list[Tensor],
    bases: list[Tensor],
    gradients: list[Tensor],
    masks: list[Tensor | None],
    number: int,
    wants_x: bool,
) -> list[Tensor]:
    """The gradients of x (empty if not wanted), initial states, bases and forced values."""
    kernel = _kernel(number)
    plan = kernel.plan
    run = Run(kernel.rows_of(x), states, kept, before)
    sizes = [state.size for state in plan.states]
    given = [g[1:, :, :n].transpose(0, 1) for g, n in zip(gradients, sizes, strict=True)]
    forced = [Forced(values, mask) for values, mask in zip(before, masks, strict=True)]
    dx, initial, of_bases, of_forced = kernel.backward(run, bases, given, wants_x, forced)
    # The buffers begin with the initial states.
    initial = [a + g[0, :, :n] for a, g, n in zip(initial, gradients, sizes, strict=True)]
    found = [x.new_empty(0) if dx is None else dx, *initial, *of_bases, *of_forced]
    return [gradient.contiguous() for gradient in found]


@native_unroll_backward.register_fake
def _(
    x: Tensor,
    states: list[Tensor],
    kept: Tensor,
    before: list[Tensor],
    bases: list[Tensor],
    gradients: list[Tensor],
    masks: list[Tensor | None],
    number: int,
    wants_x: bool,
) -> list[Tensor]:
    plan, (batch, time, _) = _kernel(number).plan, x.shape
    dx = x.new_empty(x.shape if wants_x else (0,))
    initial = [x.new_empty(batch, state.size) for state in plan.states]
    of_bases = [base.new_empty(base.shape) for base in bases]
    of_forced = [x.new_empty(batch, time, plan.states[k].size) for k in sorted(plan.forced)]
    return [dx, *initial, *of_bases, *of_forced]


def _save(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    x, states, bases, _, forced, masks, ctx.number, _ = inputs
    ctx.counts = (len(states), len(bases), len(forced))
    ctx.masked = [mask is not None for mask in masks]
    given = [mask for mask in masks if mask is not None]
    ctx.save_for_backward(x, *bases, *output, *given)


def _backward(ctx: Any, gradients: list[Tensor]) -> tuple[Any, ...]:
    n_states, n_bases, n_forced = ctx.counts
    x, *rest = ctx.saved_tensors
    bases, rest = rest[:n_bases], rest[n_bases:]
    states, kept, rest = rest[:n_states], rest[n_states], rest[n_states + 1 :]
    before, given = rest[:n_forced], iter(rest[n_forced:])
    masks = [next(given) if masked else None for masked in ctx.masked]
    wants_x = ctx.needs_input_grad[0]
    dx, *found = native_unroll_backward(
        x, states, kept, before, bases, list(gradients[:n_states]), masks, ctx.number, wants_x
    )
    initial, found = found[:n_states], found[n_states:]
    of_bases, of_forced = found[:n_bases], found[n_bases:]
    return (
        dx if wants_x else None,
        initial,
        of_bases,
        None,
        of_forced,
        [None] * n_forced,
        None,
        None,
    )


native_unroll.register_autograd(_backward, setup_context=_save)
