"""A cell in float64, whatever it was trained in.

Chaos doubles a rounding error every few steps, an orbit in float32 soon repeats itself, and a
saturated tanh in float32 is 1 exactly, with derivative 0. What is measured of a cell's dynamics
is therefore computed by a copy in float64.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ..cells import Cell
from ..cells.cell import computing_hooks, like_of
from ..engines import Problem


def in_float64(problem: Problem) -> Problem:
    """The problem with a copy of its cell that `measurable` gives, in the type of that."""
    cell, dtype = measurable(problem.cell)
    return replace(problem.to(dtype), cell=cell, known={})


def measurable(cell: Cell) -> tuple[Cell, torch.dtype]:
    """A copy in evaluation mode and its type: float64 where its step runs in that, else its own.

    It has no gradients and computes its weights, as pruned ones, no more: they are what they were
    when it was copied.
    """
    copy = _copy_of(cell, torch.float64)
    try:
        x, rest = at_rest(copy, torch.float64)
        with torch.no_grad():
            if all(part.dtype == torch.float64 for part in copy.step(x, *rest)):
                return copy, torch.float64
    except RuntimeError:
        pass  # Types that do not go together, or an error that the copy below raises as well.
    own = like_of(cell).dtype
    return _copy_of(cell, own), own


def at_rest(cell: Cell, dtype: torch.dtype) -> tuple[Tensor, tuple[Tensor, ...]]:
    """No input, and the state before the first step, of one sequence.

    A cell that reads the time since the previous step is given 1 for that.
    """
    device = like_of(cell).device
    x = torch.zeros(1, cell.input_size, dtype=dtype, device=device)
    if cell.reads_time:
        x[:, -1] = 1
    return x, cell.initial_state(1, dtype=dtype, device=device)


def _copy_of(cell: Cell, dtype: torch.dtype) -> Cell:
    """A copy without the hooks of torch.nn.utils: what they compute is a buffer."""
    parts = [tuple(vars(module).values()) for module in cell.modules()]
    held = [leaf for leaf in pytree.tree_leaves(parts) if torch.is_tensor(leaf)]
    # What torch computed, as a pruned weight, is no leaf: deepcopy could not copy it.
    copy = deepcopy(cell, {id(tensor): _taken(tensor, dtype) for tensor in held}).eval()
    for module in copy.modules():
        for key, hook in computing_hooks(module).items():
            hook(module, ())
            del module._forward_pre_hooks[key]
            computed = [name for name, value in vars(module).items() if torch.is_tensor(value)]
            module._buffers.update({name: vars(module).pop(name) for name in computed})
    return copy.requires_grad_(False)


def _taken(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """A copy, real numbers in the type."""
    tensor = tensor.detach()
    return tensor.to(dtype if tensor.is_floating_point() else tensor.dtype, copy=True)
