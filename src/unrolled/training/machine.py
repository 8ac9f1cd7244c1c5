"""Where training computes: device, precision, and the processes that share the work.

With several processes (`torchrun`) each takes its part of every batch, and the gradients are
summed, so that all of them make the same update. `accelerate` finds out which processes there
are, and gives each its device.

In mixed precision products are taken in it, weights and sums stay in float32. float16 has so few
exponents that small gradients would vanish: the loss is scaled up, as far as nothing overflows.

Reference:
    Micikevicius et al., "Mixed precision training", ICLR 2018.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..engines.native.build import multiplies_in_half
from ..naming import one_of
from .checkpoint import from_bytes, to_bytes

if TYPE_CHECKING:
    from accelerate import PartialState

PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
# bfloat16 on a CPU with an instruction that multiplies it, else float32.
AUTO = "auto"


class Machine:
    """The device and the processes of a training run.

    Arguments:
        device: where the model is.
        precision: "float32"; or "bfloat16" or "float16" for matrix products, with weights and
            sums in float32, where the device has it; or "auto" (`checked_precision`).

    Attributes:
        precision: the one that is computed in.
        scaler: of the loss; it scales in float16 only.

    Raises:
        ValueError: an unknown precision, or one that the device lacks.
    """

    def __init__(self, device: torch.device | str = "cpu", precision: str = "float32"):
        self.device = torch.device(device)
        self.precision = checked_precision(precision, self.device)
        self.state = _processes(self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "float16")  # pyright: ignore[reportPrivateImportUsage]

    @property
    def processes(self) -> int:
        """How many processes train together."""
        return self.state.num_processes

    @property
    def rank(self) -> int:
        """The number of this process among them, from 0."""
        return self.state.process_index

    @property
    def is_main(self) -> bool:
        """Whether this process prints and writes files."""
        return self.rank == 0

    def autocast(self) -> AbstractContextManager[Any]:
        """Inside, products are taken in the chosen precision."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, PRECISIONS[self.precision])

    def leave(self) -> None:
        """End the work together; the processes go on by themselves."""
        if self.processes > 1:
            # A process that closes its connections early can bring down one that still talks.
            torch.distributed.barrier()
            self.state.destroy_process_group()

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
        if self.processes == 1:
            return state
        content = self._as_tensor(state) if self.is_main else None
        size = torch.tensor([0 if content is None else len(content)], device=self.device)
        torch.distributed.broadcast(size, 0)
        if content is None:
            content = torch.empty(int(size), dtype=torch.uint8, device=self.device)
        torch.distributed.broadcast(content, 0)
        return from_bytes(content.cpu().numpy().tobytes())

    def gathered(self, state: Any) -> list[Any]:
        """The states of all processes, in their order; as a checkpoint may hold them."""
        if self.processes == 1:
            return [state]
        content = self._as_tensor(state)
        sizes = [torch.zeros(1, dtype=torch.long, device=self.device) for _ in self._all()]
        torch.distributed.all_gather(sizes, torch.tensor([len(content)], device=self.device))
        longest = int(torch.cat(sizes).max())
        padded = torch.cat([content, content.new_zeros(longest - len(content))])
        received = [torch.empty_like(padded) for _ in self._all()]
        torch.distributed.all_gather(received, padded)
        pairs = zip(received, sizes, strict=True)
        return [from_bytes(r[: int(size)].cpu().numpy().tobytes()) for r, size in pairs]

    def _as_tensor(self, state: Any) -> Tensor:
        return torch.frombuffer(bytearray(to_bytes(state)), dtype=torch.uint8).to(self.device)

    def _all(self) -> range:
        return range(self.processes)


def checked_precision(precision: str, device: torch.device) -> str:
    """A precision that the device has.

    Arguments:
        precision: by name; "auto": bfloat16 on a CPU with an instruction that multiplies it, else
            float32.

    Raises:
        ValueError: it is unknown, or the device lacks it.
    """
    one_of(precision, (AUTO, *PRECISIONS), "precision")
    precision = precision_on(precision, device)
    if precision == "float16" and device.type == "cpu":
        raise ValueError('precision "float16" needs a GPU; a CPU has "bfloat16"')
    if precision == "bfloat16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise ValueError('this GPU has no bfloat16; use precision "float16" or "float32"')
    return precision


def precision_on(precision: str, device: torch.device) -> str:
    """What "auto" is on a device, which may be another than the one trained on; others as named."""
    if precision != AUTO:
        return precision
    return "bfloat16" if device.type == "cpu" and multiplies_in_half() else "float32"


def started_processes() -> int:
    """How many processes `torchrun` has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def started_rank() -> int:
    """The number of this process among them."""
    return int(os.environ.get("RANK", "0"))


def _processes(device: torch.device) -> PartialState:
    from accelerate import PartialState

    cpu = device.type == "cpu"
    # One for the whole process, made by the first run; a later one may be on another device.
    shared = PartialState._shared_state
    if shared and shared["_cpu"] != cpu:
        PartialState._reset_state()
    with warnings.catch_warnings():
        # Threads are the caller's to choose; accelerate says that it has chosen them.
        warnings.filterwarnings("ignore", message="OMP_NUM_THREADS")
        return PartialState(cpu=cpu)
