"""Where training computes: device, precision, and the processes that share the work.

With several processes (`torchrun`) each takes its part of every batch, and the gradients are
summed, so that all of them make the same update. `accelerate` sets the processes up, knows the
mixed precision of a device, and scales the loss where float16 needs it.

Reference:
    Micikevicius et al., "Mixed precision training", ICLR 2018.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..naming import one_of
from .checkpoint import from_bytes, to_bytes

if TYPE_CHECKING:
    from accelerate import Accelerator

# By what accelerate calls them.
PRECISIONS = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}


class Machine:
    """The device and the processes of a training run.

    Arguments:
        device: where the model is.
        precision: "float32"; or "bfloat16" or "float16" for matrix products, with weights and
            sums in float32, where the device has it.

    Raises:
        ValueError: an unknown precision, or one that the device lacks.
    """

    def __init__(self, device: torch.device | str = "cpu", precision: str = "float32"):
        self.device = torch.device(device)
        self.precision = checked_precision(precision, self.device)
        self.accelerator = _accelerator(self.device, PRECISIONS[precision])

    @property
    def processes(self) -> int:
        """How many processes train together."""
        return self.accelerator.num_processes

    @property
    def rank(self) -> int:
        """The number of this process among them, from 0."""
        return self.accelerator.process_index

    @property
    def is_main(self) -> bool:
        """Whether this process prints and writes files."""
        return self.accelerator.is_main_process

    def autocast(self) -> AbstractContextManager[Any]:
        """Inside, products are taken in the chosen precision."""
        return self.accelerator.autocast()

    def leave(self) -> None:
        """End the work together; the processes go on by themselves."""
        if self.processes > 1:
            from accelerate import PartialState

            PartialState().destroy_process_group()

    def add_up(self, values: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in place."""
        if self.processes == 1:
            return
        together = torch.cat([value.reshape(-1).double() for value in values])
        torch.distributed.all_reduce(together)
        for value, total in zip(values, together.split([v.numel() for v in values]), strict=True):
            value.copy_(total.view_as(value))

    def from_main(self, state: Any) -> Any:
        """The main process's `state`, in every process; as a checkpoint may hold it."""
        return self.gathered(state)[0]

    def gathered(self, state: Any) -> list[Any]:
        """The states of all processes, in their order; as a checkpoint may hold them."""
        if self.processes == 1:
            return [state]
        content = torch.frombuffer(bytearray(to_bytes(state)), dtype=torch.uint8)
        content = content.to(self.device)
        sizes = [torch.zeros(1, dtype=torch.long, device=self.device) for _ in self._all()]
        own = torch.tensor([len(content)], device=self.device)
        torch.distributed.all_gather(sizes, own)
        longest = int(torch.cat(sizes).max())
        padded = torch.cat([content, content.new_zeros(longest - len(content))])
        received = [torch.empty_like(padded) for _ in self._all()]
        torch.distributed.all_gather(received, padded)
        pairs = zip(received, sizes, strict=True)
        return [from_bytes(r[: int(size)].cpu().numpy().tobytes()) for r, size in pairs]

    def _all(self) -> range:
        return range(self.processes)


def checked_precision(precision: str, device: torch.device) -> str:
    """A precision that the device has.

    Raises:
        ValueError: it is unknown, or the device lacks it.
    """
    one_of(precision, PRECISIONS, "precision")
    if precision == "float16" and device.type == "cpu":
        raise ValueError('precision "float16" needs a GPU; a CPU has "bfloat16"')
    if precision == "bfloat16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise ValueError('this GPU has no bfloat16; use precision "float16" or "float32"')
    return precision


def started_processes() -> int:
    """How many processes `torchrun` has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def started_rank() -> int:
    """The number of this process among them."""
    return int(os.environ.get("RANK", "0"))


def _accelerator(device: torch.device, mixed_precision: str) -> Accelerator:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, PartialState

    cpu = device.type == "cpu"
    # The state is the process's, made by the first run; a later one may want another.
    state = AcceleratorState._shared_state
    if state and (state["_mixed_precision"] != mixed_precision or state["_cpu"] != cpu):
        AcceleratorState._reset_state(reset_partial_state=PartialState._shared_state["_cpu"] != cpu)
    with warnings.catch_warnings():
        # Threads are the caller's to choose; accelerate says that it has chosen them.
        warnings.filterwarnings("ignore", message="OMP_NUM_THREADS")
        return Accelerator(cpu=cpu, mixed_precision=mixed_precision, device_placement=False)
