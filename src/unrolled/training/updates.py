"""From batches to updates of the weights.

    gradient = sum over batches and processes of dL / (number of steps in all of them)

Losses are sums over valid steps, so that the mean is over all steps of an update, however they
lie in its batches and processes: what accumulates two batches, or trains in two processes, makes
the update of one batch of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_value_, clip_grads_with_norm_, get_total_norm
from torch.optim.swa_utils import AveragedModel

from .history import Update
from .losses import Total
from .machine import Machine
from .settings import TrainingSettings

# The loss of a batch; the last argument is the share of training that is done.
BatchLoss = Callable[[nn.Module, Any, float], Total | Tensor]

# A single bad batch is skipped and counted; this many updates in a row mean that something is
# wrong with all that follow.
BAD_UPDATES_IN_A_ROW = 5


class TrainingFailed(RuntimeError):
    """Training cannot go on; the message says what happened and what to try.

    Attributes:
        batch: the first of the batches that failed in a row.
    """

    def __init__(self, message: str, batch: Any = None):
        super().__init__(message)
        self.batch = batch


class Updater:
    """The optimiser, and everything that advances with it.

    Arguments:
        model: trained in place.
        loss: of a batch: a `Total`, or the mean as one number.
        batches: an endless supply of this process's parts of the batches.
        settings: how to train.
        machine: where.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: BatchLoss,
        batches: Iterable[Any],
        settings: TrainingSettings,
        machine: Machine,
    ):
        self.model, self.loss, self.batches = model, loss, batches
        self.draws: Iterator[Any] = iter(batches)
        self.settings, self.how, self.machine = settings, settings.optimisation, machine
        self.averaged = AveragedModel(model, multi_avg_fn=_average(self.how.averaging))
        self.optimiser = torch.optim.AdamW(
            model.parameters(),
            lr=settings.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=settings.weight_decay,
        )
        self.scaled = machine.accelerator.prepare_optimizer(self.optimiser, device_placement=False)
        self.done = 0
        self.failed: list[str] = []
        self.bad_batch: Any = None

    @property
    def average(self) -> nn.Module:
        """The model with averaged weights."""
        return self.averaged.module

    @property
    def learning_rate(self) -> float:
        """Of the next update."""
        return self.settings.learning_rate * self.settings.rate_at(self.done)

    def update(self) -> Update:
        """One update, or none where its loss or gradient is not finite.

        Raises:
            TrainingFailed: there were too many of those in a row.
        """
        rate = self.learning_rate
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss, batch = self._gradient()
        norm = self._clipped()
        finite = bool(torch.isfinite(loss) & torch.isfinite(norm))
        if finite or self.machine.accelerator.scaler is not None:
            # Where the loss is scaled, the scaler itself leaves out what is not finite, and
            # scales less from then on.
            self.scaled.step()
        if finite:
            self.averaged.update_parameters(self.model)
        self._count(finite, batch)
        self.done += 1
        return Update(loss.item(), norm.item(), rate, not finite)

    def _gradient(self) -> tuple[Tensor, Any]:
        """Leave the gradient of an update in the parameters; its mean loss, and a batch."""
        progress = self.settings.progress_at(self.done)
        totals: list[Total] = []
        for _ in range(self.how.accumulate):
            batch = next(self.draws)
            with self.machine.autocast():
                total = as_total(self.loss(self.model, batch, progress))
            # By the first count, so that the numbers are of the size of a mean in float16 too.
            first = totals[0].count if totals else total.count.detach().clamp(min=1)
            self.machine.accelerator.backward(total.total / first)
            totals.append(Total(total.total.detach(), first if not totals else total.count))
        return self._shared(totals), batch

    def _shared(self, totals: list[Total]) -> Tensor:
        """Weigh the gradients by all steps of all processes; the mean loss over them."""
        first = totals[0].count
        loss = torch.stack([total.total for total in totals]).sum()
        count = torch.stack([total.count for total in totals]).sum().to(loss.dtype).clamp(min=1)
        if len(totals) == 1 and self.machine.processes == 1:
            return loss / count
        if self.machine.processes == 1:
            for gradient in self._gradients():
                gradient.mul_(first / count)
            return loss / count
        # Another process may have a gradient where this one has none.
        learning = [p for p in self.model.parameters() if p.requires_grad]
        found = loss.new_tensor([float(p.grad is not None) for p in learning])
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad * first for p in learning]
        self.machine.add_up([*gradients, loss, count, found])
        for parameter, gradient, somewhere in zip(learning, gradients, found, strict=True):
            parameter.grad = gradient.div_(count) if somewhere else None
        return loss / count

    def _gradients(self) -> list[Tensor]:
        return [p.grad for p in self.model.parameters() if p.grad is not None]

    def _clipped(self) -> Tensor:
        """Clip the gradients; their norm before that."""
        self.machine.accelerator.unscale_gradients()
        norm = get_total_norm(self._gradients())
        after = norm
        if self.how.clip_value is not None:
            clip_grad_value_(self.model.parameters(), self.how.clip_value)
            after = get_total_norm(self._gradients())
        if self.how.clip_norm is not None:
            clip_grads_with_norm_(self.model.parameters(), self.how.clip_norm, after)
        return norm

    def _count(self, finite: bool, batch: Any) -> None:
        if finite:
            self.failed, self.bad_batch = [], None
            return
        if not self.failed:
            self.bad_batch = batch
        self.failed.append(" ".join(str(batch).split()))
        if len(self.failed) < BAD_UPDATES_IN_A_ROW:
            return
        raise TrainingFailed(
            f"the loss or its gradient was infinite or undefined for {len(self.failed)} updates "
            f"in a row, up to update {self.done + 1}; the first batch of them: "
            f"{_shortened(self.failed[0])}; look for extreme values there, or try a smaller "
            "learning rate",
            self.bad_batch,
        )

    def state_dict(self) -> dict[str, Any]:
        """What all processes share."""
        scaler = self.machine.accelerator.scaler
        return {
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "done": self.done,
            "failed": self.failed,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.machine.accelerator.scaler is not None and state["scaler"]:
            self.machine.accelerator.scaler.load_state_dict(state["scaler"])
        self.done, self.failed = state["done"], state["failed"]


def as_total(loss: Total | Tensor) -> Total:
    """A `Total`; a mean alone counts as one step."""
    return loss if isinstance(loss, Total) else Total(loss, torch.ones_like(loss.detach()))


def _average(decay: float) -> Callable[[Any, Any, Any], None]:
    """Exponential average that is short at first, so that it soon forgets the start."""

    @torch.no_grad()
    def average(averaged: Any, current: Any, count: Any) -> None:
        share = 1 - min(decay, (int(count) + 1) / (int(count) + 10))
        for mean, weight in zip(averaged, current, strict=True):
            mean.lerp_(weight, share)

    return average


def _shortened(text: str, most: int = 200) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
