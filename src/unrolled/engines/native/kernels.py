"""The kernels of each cell, built at their first use."""

from __future__ import annotations

import torch

from ...cells import Cell
from .build import CompilerFailed
from .graphs import LOCK, kept_of
from .kernel import Kernel


class NoKernel(RuntimeError):
    """A kernel could not be built; the message says why, in one line."""


def kernel_of(
    cell: Cell,
    dtype: torch.dtype,
    forced: tuple[str, ...] = (),
    lean: bool = False,
    half: bool = False,
    wants_x: bool | None = None,
) -> Kernel:
    """The compiled step of a cell as it is now.

    Arguments:
        forced: names of the state components that given values replace.
        lean: whether only states are kept for the backward pass.
        half: whether products take their factors in bfloat16.
        wants_x: whether a backward pass will need the gradient of x; None where there will be
            no backward pass. It is then built beside the forward pass, not after it.

    Raises:
        UnsupportedOperator: the graph does not know an operator of the step.
        NoKernel: it cannot be built.
    """
    kept = kept_of(cell)
    assert kept.graph is not None
    key = (dtype, frozenset(forced), lean, half)
    kernel = kept.kernels.get(key)
    if kernel is not None and kernel.is_built(wants_x):
        return kernel
    with LOCK:
        kernel = kept.kernels.get(key)
        if kernel is None:
            numbers = frozenset(k for k, name in enumerate(cell.state_sizes) if name in forced)
            kernel = Kernel(kept.graph, dtype, numbers, lean, half)
        try:
            kernel.build(wants_x)
        except CompilerFailed as error:
            raise NoKernel(str(error)) from error
        kept.kernels[key] = kernel
    return kernel
