"""How a training run went: losses, gradients, learning rate, and how it ended.

The log is that of `unrolled.training`; reports name only what they read of it, so that they
depend on no layer that trains.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from .charts import Line, lines_chart, stacked_chart
from .figures import inline_svg
from .numbers import counted, duration, number
from .page import Block, Key, Picture, Pictures, Text


class LoggedEpoch(Protocol):
    """One row of the log; epoch 0 is the model before training."""

    @property
    def epoch(self) -> int: ...
    @property
    def train(self) -> float: ...
    @property
    def validation(self) -> Mapping[str, float]: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def gradient_norm(self) -> float: ...
    @property
    def skipped(self) -> int: ...


class Log(Protocol):
    """The rows, which of them was best, how long all took, and how it ended."""

    @property
    def epochs(self) -> Sequence[LoggedEpoch]: ...
    @property
    def best(self) -> LoggedEpoch: ...
    @property
    def seconds(self) -> float: ...
    @property
    def ended(self) -> str: ...


def training_blocks(log: Log | None, loss: str, start: str) -> list[Block]:
    """A section on training.

    Arguments:
        log: None where there is none, which is said.
        loss: what is minimised, in words.
        start: what the model is before its first update, in words.
    """
    if log is None:
        return [Text("This model was opened from a run folder, which holds no log of training.")]
    return [Text(_how_it_ended(log, start)), Pictures([_losses(log, loss), _effort(log)])]


def _how_it_ended(log: Log, start: str) -> str:
    best, skipped = log.best, sum(epoch.skipped for epoch in log.epochs)
    parts = [f"Ended after {duration(log.seconds)}: {log.ended}."]
    if best.epoch == 0:
        parts.append(f"No epoch was better on validation than the start, so the model is {start}.")
    else:
        parts.append(f"The weights of epoch {best.epoch} are kept, the best on validation.")
    figures = {name: value for name, value in best.validation.items() if name != "loss"}
    parts += [f"There the {name} is {number(value)}." for name, value in figures.items()]
    parts += [f"{counted(skipped, 'update')} skipped: the loss was undefined."] if skipped else []
    return " ".join(parts)


def _losses(log: Log, loss: str) -> Picture:
    numbers, best = [epoch.epoch for epoch in log.epochs], log.best
    lines = [
        Line(Key("training", "orange", "dashed"), numbers, [e.train for e in log.epochs]),
        Line(Key("validation", "blue"), numbers, [e.validation["loss"] for e in log.epochs]),
    ]
    least = best.validation["loss"]
    paint = lines_chart(lines, "epoch", "loss", marked=(best.epoch, least, "best"))
    alt = f"Loss by epoch; validation is lowest, {number(least)}, at epoch {best.epoch}."
    caption = f"Loss: {loss}. Epoch 0 is the model before training."
    return Picture(inline_svg(paint, alt), caption, [line.key for line in lines])


def _effort(log: Log) -> Picture:
    numbers = [epoch.epoch for epoch in log.epochs]
    norms, rates = Key("norm of the gradient", "ink"), Key("learning rate", "ink")
    lines = [
        Line(norms, numbers, [epoch.gradient_norm for epoch in log.epochs]),
        Line(rates, numbers, [epoch.learning_rate for epoch in log.epochs]),
    ]
    caption = "Mean norm of the gradient before clipping, and learning rate at an epoch's start."
    alt = "Norm of the gradient and learning rate by epoch."
    return Picture(inline_svg(stacked_chart(lines, "epoch"), alt), caption)
