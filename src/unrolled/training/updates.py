"""From batches to updates of the weights.

    gradient = sum over batches and processes of dL / (number of steps in all of them)

Losses are sums over valid steps, so that the mean is over all steps of an update, however they
lie in its batches and processes: what accumulates two batches, or trains in two processes, makes
the update of one batch of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

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
# Below it scaling is not what makes a gradient overflow.
LEAST_SCALE = 1.0


class TrainingFailed(RuntimeError):
    """Training cannot go on; the message says what happened and what to try."""


class _Drawn(NamedTuple):
    """A batch, and its loss without a graph."""

    batch: Any
    total: Total


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
            # On a CPU torch goes over every tensor many times unless it is asked not to.
            fused=all(map(_is_plain, model.parameters())) or None,
        )
        self.done, self.failures, self.first_failed = 0, 0, ""
        # What losses are divided by before the backward pass: the steps of the last update.
        self.size = 1.0

    @property
    def average(self) -> nn.Module:
        """The model with averaged weights."""
        return self.averaged.module

    @property
    def learning_rate(self) -> float:
        """Of the next update."""
        return self.settings.learning_rate * self.settings.rate_at(self.done)

    def update(self) -> Update:
        """One update, or none where loss or gradient is not finite, or no step is valid.

        Raises:
            TrainingFailed: there were too many in a row that were not finite; or nothing in the
                model learns.
        """
        rate = self.learning_rate
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        drawn = [self._added() for _ in range(self.how.accumulate)]
        loss, count = self._shared([each.total for each in drawn])
        norm = self._clipped()
        made = bool(torch.isfinite(loss) & torch.isfinite(norm)) and count > 0
        scale = self.machine.scaler.get_scale()
        if made:
            self.machine.scaler.step(self.optimiser)
            self.averaged.update_parameters(self.model)
        # Where the scaled gradient has overflown, the loss is scaled less from now on.
        if self._gradients():
            self.machine.scaler.update()
        overflown = bool(torch.isfinite(loss)) and scale > LEAST_SCALE
        self._count(made or count == 0 or overflown, drawn)
        self.done, self.size = self.done + 1, max(1.0, count)
        return Update(loss.item(), norm.item(), rate, count, not made)

    def _added(self) -> _Drawn:
        """Add the gradient of one more batch to those in the parameters."""
        batch = self._next()
        with self.machine.autocast():
            loss = self.loss(self.model, batch, self.settings.progress_at(self.done))
        total, count = as_total(loss)
        if total.requires_grad:
            # A number of the size of a mean, which fits into float16 too.
            self.machine.scaler.scale(total / self.size).backward()
        elif count > 0:
            raise TrainingFailed(
                "the loss has no gradient with respect to anything; it must be computed, with "
                "gradients, from the model that it is given"
            )
        return _Drawn(batch, Total(total.detach(), count))

    def _next(self) -> Any:
        try:
            return next(self.draws)
        except StopIteration:
            raise TrainingFailed(
                f"the batches ended after update {self.done}; training takes an endless supply, "
                "as those of training.sampling are"
            ) from None

    def _shared(self, totals: list[Total]) -> tuple[Tensor, float]:
        """Weigh the gradients by all steps of all processes; the mean loss, and over how many."""
        loss = torch.stack([total.total for total in totals]).sum()
        count = torch.stack([total.count.to(loss.dtype) for total in totals]).sum()
        learning = [p for p in self.model.parameters() if p.requires_grad]
        if self.done == 0 and count > 0 and all(p.grad is None for p in learning):
            raise TrainingFailed(
                "no parameter of the model gets a gradient from the loss; it must be computed "
                "from the very model that it is given"
            )
        if self.machine.processes > 1:
            # Another process may have a gradient where this one has none.
            found = loss.new_tensor([float(p.grad is not None) for p in learning])
            gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in learning]
            self.machine.add_up([*gradients, loss, count, found])
            for parameter, gradient, somewhere in zip(learning, gradients, found, strict=True):
                parameter.grad = gradient if somewhere else None
        for gradient in self._gradients():
            gradient.mul_(self.size / count.clamp(min=1))
        return loss / count, count.item()

    def _gradients(self) -> list[Tensor]:
        return [p.grad for p in self.model.parameters() if p.grad is not None]

    def _clipped(self) -> Tensor:
        """Clip the gradients; their norm before that."""
        self.machine.scaler.unscale_(self.optimiser)
        norm = get_total_norm(self._gradients())
        after = norm
        if self.how.clip_value is not None:
            clip_grad_value_(self.model.parameters(), self.how.clip_value)
            after = get_total_norm(self._gradients())
        if self.how.clip_norm is not None:
            clip_grads_with_norm_(self.model.parameters(), self.how.clip_norm, after)
        return norm

    def _count(self, good: bool, drawn: list[_Drawn]) -> None:
        """Keep count of failures in a row, and of the first batch of them."""
        if good:
            self.failures, self.first_failed = 0, ""
            return
        if not self.failures:
            self.first_failed = self._culprit(drawn)
        self.failures += 1
        if self.failures < BAD_UPDATES_IN_A_ROW:
            return
        raise TrainingFailed(
            f"the loss or its gradient was infinite or undefined for {self.failures} updates in a "
            f"row, up to update {self.done + 1}; the first batch of them: "
            f"{_shortened(self.first_failed)}; look for extreme values there, or try a smaller "
            "learning rate"
        )

    def _culprit(self, drawn: list[_Drawn]) -> str:
        """The first batch, of all processes, whose loss is not finite; else the first one."""
        bad = [each.batch for each in drawn if not torch.isfinite(each.total.total)]
        own = {"bad": str(bad[0]) if bad else "", "first": str(drawn[0].batch)}
        every = self.machine.gathered(own)
        told = [state["bad"] for state in every if state["bad"]] or [every[0]["first"]]
        return " ".join(told[0].split())

    def state_dict(self) -> dict[str, Any]:
        """What all processes share."""
        return {
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.machine.scaler.state_dict(),
            "done": self.done,
            "size": self.size,
            "failures": self.failures,
            "first_failed": self.first_failed,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        if state["scaler"]:
            self.machine.scaler.load_state_dict(state["scaler"])
        self.done, self.size = state["done"], state["size"]
        self.failures = state["failures"]
        self.first_failed = state["first_failed"]


def as_total(loss: Any) -> Total:
    """A `Total`, in float32 or better; a mean alone counts as one step.

    Raises:
        TypeError: it is neither.
    """
    if torch.is_tensor(loss) and loss.dim() == 0:
        loss = Total(loss, torch.ones_like(loss.detach()))
    if not isinstance(loss, Total):
        came = list(loss.shape) if torch.is_tensor(loss) else type(loss).__name__
        raise TypeError(
            "loss must give a Total, as training.losses.summed does, or a mean, a tensor of no "
            f"dimensions; got {came}"
        )
    return Total(loss.total.to(torch.promote_types(loss.total.dtype, torch.float32)), loss.count)


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


def _is_plain(parameter: nn.Parameter) -> bool:
    """Whether torch's update in one pass is right: it takes numbers as they lie in memory."""
    on_cpu = parameter.device.type == "cpu"
    return on_cpu and parameter.is_floating_point() and parameter.is_contiguous()
