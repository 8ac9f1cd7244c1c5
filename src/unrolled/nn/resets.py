"""Sequences that start anew: the initial state takes the place of the state before a step.

Shapes: B batch, T time.
"""

from torch import Tensor

from ..cells import Cell


def anew(cell: Cell, inputs: Tensor, reset: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """The cell's initial state, as `unroll` takes what is forced, where `reset` [B, T] is true."""
    batch, time, _ = inputs.shape
    initial = cell.initial_state(batch, dtype=inputs.dtype, device=inputs.device)
    return {
        name: (start[:, None].expand(-1, time, -1), reset)
        for name, start in zip(cell.state_sizes, initial, strict=True)
    }
