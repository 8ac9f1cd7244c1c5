"""The choice of an engine while `torch.compile` reads a caller of `unroll`.

It is made once, with stand-ins of the shapes of the problem, and is a constant of the compiled
program. Importing this module imports the compiler.
"""

import torch

from ..cells import Cell
from .choose import choose
from .engine import EngineRefused, Forcing, Problem

# Sequences and steps of the stand-ins: sizes may be unknown while compiling.
BATCH, STEPS = 2, 64


@torch.compiler.assume_constant_result
def chosen_for(
    cell: Cell,
    engine: str,
    dtype: torch.dtype,
    device: str,
    forced: tuple[str, ...],
    with_lengths: bool,
) -> tuple[str, str]:
    """The name of the engine, and why; without a name, why it was refused."""
    inputs = torch.zeros(BATCH, STEPS, cell.input_size, dtype=dtype, device=device)
    state = cell.initial_state(BATCH, dtype=dtype, device=device)
    lengths = torch.full((BATCH,), STEPS, device=device) if with_lengths else None
    values = {
        name: Forcing(inputs.new_zeros(BATCH, STEPS, cell.state_sizes[name])) for name in forced
    }
    try:
        chosen, why = choose(engine, Problem(cell, inputs, state, lengths, values))
    except EngineRefused as error:
        return "", str(error)
    return chosen.name, why
