"""How to train: how long, at which rate, clipped how, in which precision.

References:
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017
        (cosine).
    Vaswani et al., "Attention is all you need", NeurIPS 2017 (inverse square root).
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks",
        ICML 2013 (clipping by norm).
    Mikolov, "Statistical language models based on neural networks", thesis, 2012 (by value).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..cells.cell import check_size
from ..naming import one_of
from .machine import AUTO, PRECISIONS


def _cosine(done: float, warm_up: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * (done - warm_up) / max(1 - warm_up, 1e-9)))


def _linear(done: float, warm_up: float) -> float:
    return 1 - (done - warm_up) / max(1 - warm_up, 1e-9)


def _constant(done: float, warm_up: float) -> float:
    return 1.0


def _inverse_square_root(done: float, warm_up: float) -> float:
    return math.sqrt(max(warm_up, 1e-3) / max(done, warm_up, 1e-3))


# The learning rate after the warm-up as a share of its peak, from the share of updates done.
SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "cosine": _cosine,
    "linear": _linear,
    "constant": _constant,
    "inverse-sqrt": _inverse_square_root,
}


@dataclass(frozen=True)
class Optimisation:
    """How a gradient becomes an update.

    Attributes:
        schedule: of the learning rate after the warm-up: "cosine" or "linear" to zero,
            "constant", "inverse-sqrt".
        warm_up: share of all updates in which the rate rises from zero, in a line.
        clip_norm: largest norm of the gradient; None for any.
        clip_value: largest size of each of its numbers; None for any. Taken before the norm.
        accumulate: batches an update.
        precision: of matrix products: "float32", "bfloat16", "float16"; "auto": bfloat16 on a CPU
            with an instruction that multiplies it, else float32.
        averaging: decay of the exponential average of the weights, which is what is validated
            and kept; less in the first updates; 0 for the last weights.

    Raises:
        ValueError: an argument is out of its range.
    """

    schedule: str = "cosine"
    warm_up: float = 0.1
    clip_norm: float | None = 1.0
    clip_value: float | None = None
    accumulate: int = 1
    precision: str = "float32"
    averaging: float = 0.99

    def __post_init__(self) -> None:
        one_of(self.schedule, SCHEDULES, "schedule")
        one_of(self.precision, (AUTO, *PRECISIONS), "precision")
        for name in ("warm_up", "averaging"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name)!r}")
        for name in ("clip_norm", "clip_value"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0, or None to leave it, got {value!r}")
        if not isinstance(self.accumulate, int) or self.accumulate < 1:
            raise ValueError(
                f"accumulate must be a whole number from 1 up, got {self.accumulate!r}"
            )


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Attributes:
        epochs: rounds, each of `updates` updates and one validation.
        updates: updates an epoch.
        learning_rate: its peak, after the warm-up.
        weight_decay: decoupled decay of the weights.
        patience: epochs without a better validation after which training stops.
        optimisation: how a gradient becomes an update.

    Raises:
        ValueError: an argument is out of its range.
    """

    epochs: int = 20
    updates: int = 100
    learning_rate: float = 1e-2
    weight_decay: float = 0.0
    patience: int = 10
    optimisation: Optimisation = Optimisation()

    def __post_init__(self) -> None:
        for name in ("epochs", "updates", "patience"):
            check_size(name, getattr(self, name))
        for name in ("learning_rate", "weight_decay"):
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and 0 <= value < math.inf):
                raise ValueError(f"{name} must be a number from 0 up, got {value!r}")

    @property
    def total(self) -> int:
        """Updates over the whole training."""
        return self.epochs * self.updates

    def progress_at(self, update: int) -> float:
        """The share of training that is done before an update."""
        return update / self.total

    def rate_at(self, update: int) -> float:
        """Learning rate at an update, as a share of its peak: up a line, then by schedule."""
        rising = max(1, round(self.optimisation.warm_up * self.total))
        if update < rising:
            return (update + 1) / rising
        schedule = SCHEDULES[self.optimisation.schedule]
        return schedule(update / self.total, rising / self.total)
