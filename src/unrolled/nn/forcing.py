"""What a model that feeds its output back is fed with: the truth, its own choice, or a mixture.

Shapes: B batch, T steps, V tokens.

References:
    Williams and Zipser, "A learning algorithm for continually running fully recurrent neural
        networks", Neural Computation 1, 1989 (teacher forcing).
    Bengio, Vinyals, Jaitly and Shazeer, "Scheduled sampling for sequence prediction with
        recurrent neural networks", NIPS 2015.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..cells.cell import check_size
from ..naming import one_of
from .recurrent import share

FORCINGS = ("teacher", "free")


@dataclass(frozen=True)
class Scheduled:
    """Scheduled sampling: at each step of each sequence the model's own choice, or the truth.

    Attributes:
        p: probability of the model's own choice; drawn by torch's generator.
        sample: whether that choice is drawn from softmax(o), rather than its likeliest token.
    """

    p: float
    sample: bool = False

    def __post_init__(self) -> None:
        share("p", self.p)


@dataclass(frozen=True)
class Plan:
    """What the steps of a decoder are fed with.

    Attributes:
        fed: y(0), ..., y(T-1), [B, T].
        own: true where the model's own choice takes the place of `fed`, [B, T]; None: nowhere.
        lengths: valid steps, [B]; None where all are, or until the end token.
        sample: whether the model's choice is drawn.
        until_end: whether a sequence is over with the end token.
    """

    fed: Tensor
    own: Tensor | None
    lengths: Tensor | None = None
    sample: bool = False
    until_end: bool = False


def choice(logits: Tensor, sample: bool) -> Tensor:
    """The likeliest tokens [B] by logits [B, V], or drawn ones."""
    if not sample:
        return logits.argmax(-1)
    return torch.multinomial(torch.softmax(logits, dim=-1), 1)[:, 0]


def own_choices(forcing: str | Scheduled, fed: Tensor) -> Tensor | None:
    """Where the model's own choice is fed, [B, T]; None for nowhere."""
    if forcing == "teacher" or (isinstance(forcing, Scheduled) and forcing.p == 0):
        return None
    if isinstance(forcing, Scheduled):
        return torch.rand(fed.shape, device=fed.device) < forcing.p
    return torch.ones_like(fed, dtype=torch.bool)


def checked_forcing(
    forcing: str | Scheduled, targets: Tensor | None, steps: int | None
) -> str | Scheduled:
    """The forcing, where it fits the other arguments of a decoder.

    Raises:
        TypeError, ValueError: it does not.
    """
    if isinstance(forcing, str):
        one_of(forcing, FORCINGS, "forcing")
    elif not isinstance(forcing, Scheduled):
        came = type(forcing).__name__
        raise TypeError(f'forcing must be "teacher", "free" or Scheduled(p), got {came}')
    if targets is not None:
        if steps is not None:
            raise ValueError("steps is for free running without targets, which have their own")
        return forcing
    if forcing != "free":
        raise ValueError(f'targets are needed with forcing {forcing!r}; forcing="free" needs none')
    if steps is None:
        raise ValueError("steps is None; without targets say how many steps to run at most")
    check_size("steps", steps)
    return forcing
