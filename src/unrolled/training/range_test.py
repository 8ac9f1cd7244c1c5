"""A learning rate by the range test: let it grow from update to update and watch the loss.

The rate grows by a constant factor from a very small one. The loss first stays, then falls, then
explodes; where it falls fastest over the logarithm of the rate, that rate is fit to train with.
All updates see the same few batches, so that the loss changes by the updates alone.

Reference:
    Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Any

from torch import nn

from .checkpoint import random_states, set_random_states
from .loop import Stateful
from .machine import Machine
from .settings import Optimisation, TrainingSettings
from .updates import BatchLoss, Updater

LOWEST, HIGHEST = 1e-6, 1.0
# The batches that every update sees.
BATCHES = 4
# A loss so many times the first is on its way to infinity.
EXPLODED = 2.0
# Of the first loss: what falls by less does not fall.
LEAST_FALL = 0.01
# A line is put through so many rates on either side, as single differences are mostly noise.
REACH = 4


@dataclass(frozen=True)
class RangeTest:
    """What a range test found.

    Attributes:
        rates: learning rates, growing.
        losses: the loss at each.
        suggestion: the rate at which the loss falls fastest.
    """

    rates: list[float]
    losses: list[float]
    suggestion: float


@dataclass(frozen=True)
class _Growing(TrainingSettings):
    """A rate that grows by a constant factor from `LOWEST` to `HIGHEST`."""

    def rate_at(self, update: int) -> float:
        return LOWEST * (HIGHEST / LOWEST) ** (update / max(1, self.total - 1))


def range_test(
    model: nn.Module,
    loss: BatchLoss,
    batches: Iterable[Any],
    updates: int = 100,
    optimisation: Optimisation | None = None,
    carried: Mapping[str, Stateful] | None = None,
) -> RangeTest:
    """Try learning rates from 1e-6 to 1, and put everything back.

    Arguments: as those of `train`. The model, what is carried, the random generators and, where
    they have a state, the batches are afterwards as they were.

    Raises:
        ValueError: less than 20 updates, or the loss never falls.
    """
    if updates < 20:
        raise ValueError(f"updates must be at least 20 for a range test, got {updates}")
    how = replace(optimisation or Optimisation(), averaging=0.0, accumulate=BATCHES)
    settings = _Growing(epochs=1, updates=updates, learning_rate=1.0, optimisation=how)
    machine = Machine(next(model.parameters()).device, how.precision)
    stateful: list[Any] = [*(carried or {}).values()]
    stateful += [batches] if hasattr(batches, "state_dict") else []
    with _put_back(model, stateful):
        same = cycle(list(islice(iter(batches), BATCHES)))
        updater = Updater(model.train(), loss, same, settings, machine)
        rates, losses = _grown(updater, updates)
    return RangeTest(rates, losses, _steepest(rates, losses))


@contextmanager
def _put_back(model: nn.Module, stateful: Sequence[Stateful]) -> Iterator[None]:
    """Leave everything as it was."""
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    states, training = [deepcopy(part.state_dict()) for part in stateful], model.training
    drawn = random_states()
    try:
        yield
    finally:
        model.load_state_dict(weights)
        model.train(training)
        for name, parameter in model.named_parameters():
            parameter.grad = gradients[name]
        for part, state in zip(stateful, states, strict=True):
            part.load_state_dict(state)
        set_random_states(drawn)


def _grown(updater: Updater, updates: int) -> tuple[list[float], list[float]]:
    """The rates and the losses, until these explode."""
    rates: list[float] = []
    losses: list[float] = []
    for _ in range(updates):
        update = updater.update()
        if not math.isfinite(update.loss):
            break
        if update.skipped:
            continue
        rates.append(update.learning_rate)
        losses.append(update.loss)
        if losses[-1] - min(losses) > EXPLODED * abs(losses[0]):
            break
    return rates, losses


def _steepest(rates: list[float], losses: list[float]) -> float:
    """The rate at which the losses fall fastest, before they are least."""
    lowest = losses.index(min(losses)) if losses else 0
    slopes = {
        rates[k]: (losses[k + REACH] - losses[k - REACH])
        / math.log(rates[k + REACH] / rates[k - REACH])
        for k in range(REACH, min(lowest, len(losses) - REACH - 1) + 1)
    }
    fallen = losses[0] - min(losses) if losses else 0.0
    if not slopes or fallen < LEAST_FALL * abs(losses[0]):
        raise ValueError(
            "the loss does not fall at any learning rate from "
            f"{LOWEST:g} to {HIGHEST:g}; look at the data and the model first"
        )
    return min(slopes, key=lambda rate: slopes[rate])
