"""A kernel's run as a function that autograd knows, with derivatives of any order.

Shapes: B batch, T time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..engine import Problem
from .kernel import Forced, Kernel, Run


def states_of(kernel: Kernel, problem: Problem) -> tuple[Tensor, ...]:
    """Every state at every step, each [B, T, size]."""
    forced = problem.forced_in_order
    tensors = [*problem.state, *kernel.bases(), *(given.values for given in forced)]
    masks = tuple(given.mask for given in forced)
    keep = torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in (problem.inputs, *tensors)
    )
    return Unroll.apply(kernel, keep, problem.lengths, masks, problem.inputs, *tensors)  # pyright: ignore


class Unroll(torch.autograd.Function):
    """All steps of a kernel, with the kernel's own derivative."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,
        kernel: Kernel,
        keep: bool,
        lengths: Tensor | None,
        masks: tuple[Tensor | None, ...],
        x: Tensor,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        """Every state at every step, each [B, T, size].

        Arguments:
            keep: whether gradients will be asked for.
            tensors: the initial states, the bases, the forced values.
        """
        states, bases, given = _parted(kernel, tensors)
        forced = [Forced(v, mask) for v, mask in zip(given, masks, strict=True)]
        run = kernel.forward(x, states, bases, lengths, forced, keep)
        ctx.kernel, ctx.lengths, ctx.masks = kernel, lengths, masks
        if keep:
            ctx.save_for_backward(x, *tensors, run.x, *run.states, run.kept, *run.before)
        sizes = [start.shape[1] for start in states]
        return tuple(b[1:, :, :n].transpose(0, 1) for b, n in zip(run.states, sizes, strict=True))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:  # pyright: ignore
        kernel, plan = ctx.kernel, ctx.kernel.plan
        count = 1 + len(plan.states) + len(plan.bases) + len(plan.forced)
        x, *tensors = ctx.saved_tensors[:count]
        states, bases, given = _parted(kernel, tensors)
        forced = [Forced(v, mask) for v, mask in zip(given, ctx.masks, strict=True)]
        if torch.is_grad_enabled():
            # A derivative of the derivative is asked for: go through the definition.
            found = _by_definition(kernel, ctx.lengths, x, states, bases, forced, gradients)
            return None, None, None, None, *found
        rest = list(ctx.saved_tensors[count:])
        kept = 1 + len(states)
        run = Run(rest[0], rest[1:kept], rest[kept], rest[kept + 1 :])
        wants_x = ctx.needs_input_grad[4]
        dx, initial, of_bases, of_forced = kernel.backward(run, bases, gradients, wants_x, forced)
        return None, None, None, None, dx, *initial, *of_bases, *of_forced


def _parted(
    kernel: Kernel, tensors: Sequence[Tensor]
) -> tuple[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]]:
    """Initial states, bases and forced values."""
    first = len(kernel.plan.states)
    second = first + len(kernel.plan.bases)
    return tensors[:first], tensors[first:second], tensors[second:]


def _by_definition(
    kernel: Kernel,
    lengths: Tensor | None,
    x: Tensor,
    states: Sequence[Tensor],
    bases: Sequence[Tensor],
    forced: Sequence[Forced],
    gradients: Sequence[Tensor | None],
) -> tuple[Tensor | None, ...]:
    """The gradients by autograd through a loop over the graph, differentiable again."""
    outputs = _loop(kernel, lengths, x, states, bases, forced)
    reached = [(o, g) for o, g in zip(outputs, gradients, strict=True) if g is not None]
    leaves = [x, *states, *bases, *(given.values for given in forced)]
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    results, incoming = zip(*reached, strict=True)
    found = iter(
        torch.autograd.grad(results, wanted, incoming, create_graph=True, allow_unused=True)
    )
    return tuple(next(found) if leaf.requires_grad else None for leaf in leaves)


def _loop(
    kernel: Kernel,
    lengths: Tensor | None,
    x: Tensor,
    states: Sequence[Tensor],
    bases: Sequence[Tensor],
    forced: Sequence[Forced],
) -> list[Tensor]:
    """Every state at every step, each [B, T, size], one step of the graph at a time."""
    graph, now, trajectory = kernel.plan.graph, list(states), []
    fixed = dict(zip(kernel.plan.bases, bases, strict=True))
    for t in range(x.shape[1]):
        before = list(now)
        for k, given in zip(sorted(kernel.plan.forced), forced, strict=True):
            value, mask = given.values[:, t], given.mask
            before[k] = value if mask is None else torch.where(mask[:, t, None], value, now[k])
        values: dict[Any, Tensor] = dict(zip(graph.inputs, [x[:, t], *before], strict=True))
        known = graph.values({**values, **fixed})
        new = [known[graph.outputs[node.name]] for node in graph.inputs[1:]]
        new = [value.expand_as(old) for value, old in zip(new, now, strict=True)]
        if lengths is not None:
            valid = (t < lengths)[:, None]
            new = [torch.where(valid, a, b) for a, b in zip(new, now, strict=True)]
        now = new
        trajectory.append(now)
    return [torch.stack(component, 1) for component in zip(*trajectory, strict=True)]
