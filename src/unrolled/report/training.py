"""How a training run went: losses, gradients, learning rate, and how it ended.

The log is that of `unrolled.training`; reports name only what they read of it, so that they
depend on no layer that trains.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from ..naming import counted
from .charts import Line, lines_chart, stacked_chart
from .figures import inline_svg
from .numbers import duration, number, percent
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


class LoggedUpdate(Protocol):
    """One update of the weights."""

    @property
    def gradient_norm(self) -> float: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def skipped(self) -> bool: ...


class Log(Protocol):
    """The rows, which of them was best, how long all took, and how it ended."""

    @property
    def updates(self) -> Sequence[LoggedUpdate]: ...
    @property
    def epochs(self) -> Sequence[LoggedEpoch]: ...
    @property
    def best(self) -> LoggedEpoch: ...
    @property
    def seconds(self) -> float: ...
    @property
    def ended(self) -> str: ...


# Figures of a validation that are told in a sentence of their own.
FORCED, GAP = "teacher-forced loss", "free-running gap"


def training_blocks(
    log: Log | None, loss: str, start: str, clip_norm: float | None = None
) -> list[Block]:
    """A section on training.

    Arguments:
        log: None where there is none, which is said.
        loss: what is minimised, in words.
        start: what the model is before its first update, in words.
        clip_norm: the largest norm of the gradient, where there is one.
    """
    if log is None:
        return [Text("This model was opened from a run folder, which holds no log of training.")]
    return [
        Text(_how_it_ended(log, start)),
        Pictures([_losses(log, loss), _effort(log, clip_norm)]),
    ]


def _how_it_ended(log: Log, start: str) -> str:
    best, skipped = log.best, sum(epoch.skipped for epoch in log.epochs)
    parts = [f"Ended after {duration(log.seconds)}: {log.ended}."]
    if best.epoch == 0:
        parts.append(f"No epoch was better on validation than the start, so the model is {start}.")
    else:
        parts.append(f"The weights of epoch {best.epoch} are kept, the best on validation.")
    apart = ("loss", FORCED, GAP)
    figures = {name: value for name, value in best.validation.items() if name not in apart}
    parts += [f"There the {name} is {number(value)}." for name, value in figures.items()]
    if FORCED in best.validation:
        forced, gap = best.validation[FORCED], best.validation[GAP]
        parts.append(
            f"With all that the network adds, the loss is {number(forced)} where it is fed with "
            f"the truth, and {number(abs(gap))} {'more' if gap >= 0 else 'less'} where it reads "
            "its own last output, as in use."
        )
    parts += [f"{counted(skipped, 'update')} skipped: the loss was undefined."] if skipped else []
    return " ".join(parts)


def _losses(log: Log, loss: str) -> Picture:
    numbers, best = [epoch.epoch for epoch in log.epochs], log.best
    lines = [
        Line(Key("training", "orange", "dashed"), numbers, [e.train for e in log.epochs]),
        Line(Key("validation", "blue"), numbers, [e.validation["loss"] for e in log.epochs]),
    ]
    if FORCED in best.validation:
        key = Key("validation, fed with the truth", "green", "dotted")
        lines.append(Line(key, numbers, [e.validation[FORCED] for e in log.epochs]))
    least = best.validation["loss"]
    paint = lines_chart(lines, "epoch", "loss", marked=(best.epoch, least, "best"))
    alt = f"Loss by epoch; validation is lowest, {number(least)}, at epoch {best.epoch}."
    caption = f"Loss: {loss}. Epoch 0 is the model before training."
    return Picture(inline_svg(paint, alt), caption, [line.key for line in lines])


def _effort(log: Log, clip_norm: float | None) -> Picture:
    numbers = range(1, len(log.updates) + 1)
    norms = [math.nan if u.skipped else u.gradient_norm for u in log.updates]
    rates = [update.learning_rate for update in log.updates]
    named = {"norm of the gradient": norms, "learning rate": rates}
    lines = [Line(Key(name, "ink"), numbers, y, width=0.8) for name, y in named.items()]
    caption = "Norm of the gradient before clipping, and learning rate, at every update."
    if clip_norm is not None and norms:
        clipped = sum(norm > clip_norm for norm in norms) / len(norms)
        caption += f" {percent(clipped)} of them were clipped to a norm of {number(clip_norm)}."
    alt = "Norm of the gradient and learning rate by update."
    return Picture(inline_svg(stacked_chart(lines, "update"), alt), caption)
