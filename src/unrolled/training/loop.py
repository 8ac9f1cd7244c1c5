"""The training loop.

AdamW under a warm-up and a cosine decay to zero, gradients clipped by their norm. What is
validated and kept is an exponential average of the weights. The weights before the first update
are validated too, as epoch 0, so training never returns a model worse than its start.

References:
    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019.
    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

# A single bad batch is skipped and counted; this many in a row mean that the weights are lost.
BAD_UPDATES_IN_A_ROW = 5


class TrainingFailed(RuntimeError):
    """Training cannot go on; the message says what happened and what to try."""


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Attributes:
        epochs: rounds, each of `updates` updates and one validation.
        updates: updates an epoch.
        learning_rate: its peak, after the warm-up.
        warm_up: share of all updates in which it rises from zero.
        weight_decay: decoupled decay of the weights.
        clip_norm: largest norm of the gradient.
        averaging: decay of the exponential average of the weights; less in the first updates.
        patience: epochs without a better validation after which training stops.
    """

    epochs: int = 20
    updates: int = 100
    learning_rate: float = 1e-2
    warm_up: float = 0.1
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    averaging: float = 0.99
    patience: int = 10

    def rate_at(self, update: int) -> float:
        """Learning rate at an update, as a share of its peak: up a line, down a cosine."""
        total = self.epochs * self.updates
        rising = max(1, round(self.warm_up * total))
        if update < rising:
            return (update + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * (update - rising) / max(1, total - rising)))


@dataclass(frozen=True)
class Epoch:
    """One row of the log. Epoch 0 is the model before training: it has no training loss."""

    epoch: int
    train: float
    validation: dict[str, float]
    learning_rate: float
    gradient_norm: float
    seconds: float
    skipped: int = 0
    best: bool = False


@dataclass
class History:
    """The log of a training run, and how it ended."""

    epochs: list[Epoch] = field(default_factory=list)
    ended: str = "running"

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        return [epoch for epoch in self.epochs if epoch.best][-1]

    @property
    def seconds(self) -> float:
        return sum(epoch.seconds for epoch in self.epochs)


def train(
    model: nn.Module,
    loss: Callable[[nn.Module, Any], Tensor],
    batches: Iterable[Any],
    validate: Callable[[nn.Module], dict[str, float]],
    settings: TrainingSettings,
    on_epoch: Callable[[Epoch, nn.Module], None] = lambda epoch, model: None,
    on_update: Callable[[int, float], None] = lambda update, loss: None,
    decides: str = "loss",
) -> History:
    """Train `model` in place and leave the best averaged weights in it.

    Arguments:
        loss: the mean loss of a batch, a scalar with a gradient.
        batches: an endless supply.
        validate: named figures of a model in evaluation mode.
        on_epoch: called after every validation with the log row and the averaged model.
        on_update: called after every update with its number and its loss.
        decides: the figure of `validate` that the best weights have least of.

    Ctrl-C (KeyboardInterrupt) ends training as if the epochs were over: `history.ended` says
    "interrupted".

    Raises:
        TrainingFailed: several updates in a row had an infinite or undefined loss or gradient.
    """
    run = _Run(model, loss, iter(batches), settings, on_update)
    history, best, best_weights = History(), math.inf, {}
    try:
        for number in range(settings.epochs + 1):
            row = run.epoch(number, validate)
            # A figure that only decides is not one to show.
            validation = row["validation"]
            figure = validation["loss"] if decides == "loss" else validation.pop(decides)
            # A first figure that is not a number is beaten by any that is.
            improved = not best_weights or figure < best or (best != best and figure == figure)
            if improved:
                best, best_weights = figure, _copy(run.average)
            history.epochs.append(Epoch(**row, best=improved))
            on_epoch(history.epochs[-1], run.average)
            if number - history.best.epoch >= settings.patience:
                history.ended = f"no better validation for {settings.patience} epochs"
                break
        else:
            history.ended = "all epochs done"
    except KeyboardInterrupt:
        # Before the first validation there is nothing to keep.
        if not history.epochs:
            raise
        history.ended = "interrupted"
    model.load_state_dict(best_weights or model.state_dict())
    model.eval()
    return history


class _Run:
    """The optimiser and everything that advances with it."""

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[nn.Module, Any], Tensor],
        batches: Iterator[Any],
        settings: TrainingSettings,
        on_update: Callable[[int, float], None],
    ):
        self.model, self.loss, self.batches, self.settings = model, loss, batches, settings
        self.on_update = on_update
        self.averaged = AveragedModel(model, multi_avg_fn=_average(settings.averaging))
        self.optimiser = torch.optim.AdamW(
            model.parameters(),
            lr=settings.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=settings.weight_decay,
        )
        self.done, self.bad_in_a_row = 0, 0

    @property
    def average(self) -> nn.Module:
        """The model with averaged weights."""
        return self.averaged.module

    def epoch(self, number: int, validate: Callable[[nn.Module], dict[str, float]]) -> dict:
        """Run one epoch (none of its updates if `number` is 0) and validate."""
        began, rate = time.perf_counter(), self._learning_rate()
        self.model.train()
        steps = [self._update() for _ in range(self.settings.updates if number else 0)]
        self.average.eval()
        with torch.no_grad():
            validation = validate(self.average)
        good = [step for step in steps if step is not None]
        return {
            "epoch": number,
            "train": _mean([step[0] for step in good]),
            "gradient_norm": _mean([step[1] for step in good]),
            "skipped": len(steps) - len(good),
            "validation": validation,
            "learning_rate": rate,
            "seconds": time.perf_counter() - began,
        }

    def _update(self) -> tuple[float, float] | None:
        """One update: its loss and the norm of its gradient, or None if it was skipped."""
        self.optimiser.param_groups[0]["lr"] = self._learning_rate()
        self.optimiser.zero_grad(set_to_none=True)
        value = self.loss(self.model, next(self.batches))
        value.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        finite = bool(torch.isfinite(value) & torch.isfinite(norm))
        self._count_bad(finite)
        if finite:
            self.optimiser.step()
            self.averaged.update_parameters(self.model)
        self.done += 1
        self.on_update(self.done, value.item())
        return (value.item(), norm.item()) if finite else None

    def _learning_rate(self) -> float:
        return self.settings.learning_rate * self.settings.rate_at(self.done)

    def _count_bad(self, finite: bool) -> None:
        self.bad_in_a_row = 0 if finite else self.bad_in_a_row + 1
        if self.bad_in_a_row >= BAD_UPDATES_IN_A_ROW:
            raise TrainingFailed(
                f"the loss or its gradient was infinite or undefined for {BAD_UPDATES_IN_A_ROW} "
                f"updates in a row, up to update {self.done + 1}; try a smaller learning rate, "
                "or look for extreme values in the data"
            )


def _average(decay: float) -> Callable[[Any, Any, Any], None]:
    """Exponential average that is short at first, so that it soon forgets the start."""

    @torch.no_grad()
    def average(averaged: Any, current: Any, count: Any) -> None:
        share = 1 - min(decay, (int(count) + 1) / (int(count) + 10))
        for mean, weight in zip(averaged, current, strict=True):
            mean.lerp_(weight, share)

    return average


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan
