"""A cell in float64, whatever it was trained in.

Chaos doubles a rounding error every few steps, an orbit in float32 soon repeats itself, and a
saturated tanh in float32 is 1 exactly, with derivative 0. What is measured of a cell's dynamics
is therefore computed by a copy in float64.
"""

from copy import deepcopy
from dataclasses import replace

import torch

from ..engines import Problem


def in_float64(problem: Problem) -> Problem:
    """The problem and a copy of its cell in float64 and in evaluation mode.

    The problem as it is where its cell cannot be copied, or where its step mixes float64 with
    tensors of its own of another type; the type of `inputs` tells.
    """
    try:
        # Autograd has its own reasons, such as weights that torch computed, not to copy.
        cell = deepcopy(problem.cell).double().eval().requires_grad_(False)
        doubled = replace(problem.to(torch.float64), cell=cell, known={})
        with torch.no_grad():
            new = cell.step(doubled.inputs[:, 0], *doubled.state)
    except (RuntimeError, TypeError):
        return problem
    return doubled if all(part.dtype == torch.float64 for part in new) else problem
