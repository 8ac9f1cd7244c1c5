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
        outputs = tuple(
            _after_each_step(buffer, start.shape[1])
            for buffer, start in zip(run.states, states, strict=True)
        )
        ctx.kernel, ctx.has_mask = kernel, [mask is not None for mask in masks]
        ctx.has_lengths = lengths is not None
        if keep:
            # Whatever a backward pass reads is watched for changes in place; the outputs share
            # their memory with the states.
            marks = [t for t in (lengths, *masks) if t is not None]
            kept = (run.x, *run.states, run.kept, *run.before)
            ctx.save_for_backward(x, *tensors, *marks, *outputs, *kept)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:  # pyright: ignore
        kernel, plan = ctx.kernel, ctx.kernel.plan
        count = 1 + len(plan.states) + len(plan.bases) + len(plan.forced)
        saved = list(ctx.saved_tensors)
        (x, *tensors), rest = saved[:count], saved[count:]
        states, bases, given = _parted(kernel, tensors)
        lengths = rest.pop(0) if ctx.has_lengths else None
        masks = [rest.pop(0) if has_mask else None for has_mask in ctx.has_mask]
        forced = [Forced(v, mask) for v, mask in zip(given, masks, strict=True)]
        if torch.is_grad_enabled() or any(map(_is_batched, gradients)):
            # A derivative of the derivative is asked for, or many at once: by the definition.
            with torch.enable_grad():
                found = _by_definition(kernel, lengths, x, states, bases, forced, gradients)
            return None, None, None, None, *found
        rest = rest[len(states) :]
        kept = 1 + len(states)
        run = Run(rest[0], rest[1:kept], rest[kept], rest[kept + 1 :])
        wants_x = ctx.needs_input_grad[4]
        dx, initial, of_bases, of_forced = kernel.backward(run, bases, gradients, wants_x, forced)
        return None, None, None, None, dx, *initial, *of_bases, *of_forced


def _after_each_step(buffer: Tensor, size: int) -> Tensor:
    """States [B, T, size] of a buffer [T + 1, B, row], as a tensor of its own."""
    time, batch, row = buffer.shape
    shape, strides = (batch, time - 1, size), (row, batch * row, 1)
    offset = buffer.storage_offset() + batch * row
    return buffer.new_empty(0).set_(buffer.untyped_storage(), offset, shape, strides)


def _is_batched(gradient: Tensor | None) -> bool:
    functorch: Any = torch._C._functorch  # pyright: ignore[reportAttributeAccessIssue]
    kinds = (functorch.is_batchedtensor, functorch.is_legacy_batchedtensor)
    return gradient is not None and any(kind(gradient) for kind in kinds)


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
    given = [x, *states, *bases, *(one.values for one in forced)]
    # Each by a name of its own: one may depend on another, and paths between them are not ours.
    leaves = [tensor.view_as(tensor) for tensor in given]
    x, rest = leaves[0], leaves[1:]
    states, bases, values = _parted(kernel, rest)
    forced = [Forced(v, one.mask) for v, one in zip(values, forced, strict=True)]
    # Autocast would round what autograd's own products take, those of the loop backwards too.
    with torch.autocast("cpu", enabled=False):
        outputs = _loop(kernel, lengths, x, states, bases, forced)
        reached = [
            (output, gradient)
            for output, gradient in zip(outputs, gradients, strict=True)
            if gradient is not None and output.requires_grad
        ]
        wanted = [leaf for leaf in leaves if leaf.requires_grad]
        if not reached or not wanted:
            return (None,) * len(leaves)
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
