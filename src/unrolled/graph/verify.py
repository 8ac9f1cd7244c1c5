"""Compare a graph with the step that it was made from.

A trace sees what a step computes, not everything that autograd does with it: a part under
`no_grad`, a hook on a gradient, a number read off the size of the batch. So every new graph is
run once beside its step, on random numbers and on zeros, values and gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from .graph import Graph
from .trace import UnsupportedOperator

# Another batch size than the trace's.
BATCH = 5


def verify(
    graph: Graph,
    function: Callable[..., Any],
    tensors: Mapping[str, Tensor],
    values: Callable[[int], Sequence[Tensor]],
) -> None:
    """Raise unless the graph and `function(tensors, *values)` agree.

    Raises:
        UnsupportedOperator: their values or gradients differ.
    """
    generator = torch.Generator().manual_seed(0)
    for random in (True, False):
        given = [
            torch.rand(v.shape, dtype=v.dtype, generator=generator) if random else v
            for v in values(BATCH)
        ]
        _compare(graph, function, tensors, given, random)


def _compare(
    graph: Graph,
    function: Callable[..., Any],
    tensors: Mapping[str, Tensor],
    given: Sequence[Tensor],
    random: bool,
) -> None:
    leaves = {
        name: tensor.detach().to("cpu", copy=True).requires_grad_(tensor.requires_grad)
        for name, tensor in tensors.items()
    }
    inputs = [value.clone().requires_grad_() for value in given]
    with torch.enable_grad():
        expected = pytree.tree_leaves(function(leaves, *inputs))
    found = graph.evaluate(*given, parameters=leaves)
    for name, one, other in zip(graph.outputs, found, expected, strict=True):
        _check(f"the value of {name}", one, other.reshape(one.shape).expand_as(one), random)
    incoming = [torch.ones_like(one) for one in found]
    learned = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
    reached = [(e, g) for e, g in zip(expected, incoming, strict=True) if e.requires_grad]
    wanted = _autograd(reached, [*inputs, *learned.values()])
    derivative = graph.derivative()
    mine, parameters = derivative.gradients(*given, *incoming, parameters=leaves)
    names = [*(node.name for node in graph.inputs), *learned]
    values = [*mine, *(parameters.get(name) for name in learned)]
    for name, one, other in zip(names, values, wanted, strict=True):
        if one is not None or other.any():
            one = torch.zeros_like(other) if one is None else one
            _check(f"the gradient of {name}", one, other, random)


def _autograd(results: Sequence[tuple[Tensor, Tensor]], leaves: Sequence[Tensor]) -> list[Tensor]:
    zeros = [torch.zeros_like(leaf) for leaf in leaves]
    if not results:
        return zeros
    outputs = [result for result, _ in results]
    incoming = [gradient.reshape(result.shape) for result, gradient in results]
    found = torch.autograd.grad(outputs, list(leaves), incoming, allow_unused=True)
    return [zero if g is None else g for g, zero in zip(found, zeros, strict=True)]


def _check(what: str, found: Tensor, expected: Tensor, random: bool) -> None:
    """At zeros, where a kink may have several slopes, only what is finite is compared."""
    found, expected = found.detach(), expected.detach()
    size = expected.abs().nan_to_num(0, 0, 0).max() if expected.numel() else 0
    # Far above rounding, far below a wrong rule: 2e-3 in float32, 1e-7 in float64.
    bound = float(torch.finfo(expected.dtype).eps ** 0.5) * 6 * (1 + float(size))
    if random:
        agree = torch.allclose(found, expected, rtol=0, atol=bound, equal_nan=True)
    else:
        agree = bool((found.isfinite() | ~expected.isfinite()).all())
    if not agree:
        raise UnsupportedOperator(
            "the step",
            "",
            f"computes what its graph does not hold: {what} differs; a part under "
            "no_grad, a hook on a gradient, or a number that depends on the batch does that",
        )
