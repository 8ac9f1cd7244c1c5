"""How many steps of each sequence are valid.

Shapes: B batch, T time.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

Lengths = Tensor | Sequence[int] | None


def checked_lengths(what: str, lengths: Tensor | Sequence[int], steps: Tensor) -> Tensor:
    """Valid steps of each sequence of `steps` [B, T, ...], as a tensor [B] on its device.

    Raises:
        ValueError: they are not B whole numbers from 0 to T; it names them as `what`.
    """
    batch, time = steps.shape[:2]
    try:
        given: Tensor = torch.as_tensor(lengths, device=steps.device)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} must be {batch} whole numbers, got {lengths!r}") from error
    if given.shape != (batch,) or given.is_floating_point() or given.dtype == torch.bool:
        raise ValueError(f"{what} must be {batch} whole numbers, got {given.tolist()}")
    counts = given.to(torch.int64)
    if not torch.compiler.is_compiling() and bool(((counts < 0) | (counts > time)).any()):
        raise ValueError(f"{what} must lie between 0 and {time}, got {counts.tolist()}")
    return counts


def steps_within(lengths: Tensor, steps: int) -> Tensor:
    """True at the steps that `lengths` [B] count, [B, steps]."""
    return torch.arange(steps, device=lengths.device) < lengths[:, None]
