"""What a model that feeds its output back is fed with: the truth, its own output, or a mixture.

    y(t-1) read at step t = the target (teacher forcing)
                          | the model's own output (free running)
                          | its own with probability p, else the target (scheduled sampling)

Where p follows a schedule, it rises with the progress u of training, from 0 to 1. The paper gives
the share of the truth, eps = 1 - p:

| schedule | eps(u) |
|---|---|
| "linear" | 1 - end u |
| "exponential" | last^u |
| "inverse-sigmoid" | k / (k + exp(100 u / k)) |

Shapes: B batch, T steps, V tokens.

References:
    Williams and Zipser, "A learning algorithm for continually running fully recurrent neural
        networks", Neural Computation 1, 1989 (teacher forcing).
    Bengio, Vinyals, Jaitly and Shazeer, "Scheduled sampling for sequence prediction with
        recurrent neural networks", NIPS 2015 (the schedules: section 2.4).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..cells.cell import check_size
from ..naming import nearest, one_of
from .recurrent import share

FORCINGS = ("teacher", "free")


@dataclass(frozen=True)
class Linear:
    """p = end u.

    Attributes:
        end: p at the end of training, from 0 to 1.
    """

    end: float = 1.0

    def __post_init__(self) -> None:
        share("end", self.end)

    def __call__(self, progress: float) -> float:
        return self.end * progress


@dataclass(frozen=True)
class Exponential:
    """p = 1 - last^u.

    Attributes:
        last: share of the truth at the end of training, above 0 and up to 1.
    """

    last: float = 0.01

    def __post_init__(self) -> None:
        if share("last", self.last) == 0:
            raise ValueError("last must be above 0, got 0; use Linear() to end without the truth")

    def __call__(self, progress: float) -> float:
        return 1 - self.last**progress


@dataclass(frozen=True)
class InverseSigmoid:
    """p = 1 - k / (k + exp(100 u / k)).

    Attributes:
        k: 1 or more; the more, the later the truth is left.
    """

    k: float = 17.5

    def __post_init__(self) -> None:
        number = isinstance(self.k, (int, float)) and not isinstance(self.k, bool)
        if not number or not 1 <= self.k < math.inf:
            raise ValueError(f"k must be a number from 1 up, got {self.k!r}")

    def __call__(self, progress: float) -> float:
        return 1 - self.k / (self.k + math.exp(100 * progress / self.k))


Schedule = Linear | Exponential | InverseSigmoid
SCHEDULES: dict[str, Callable[[], Schedule]] = {
    "linear": Linear,
    "exponential": Exponential,
    "inverse-sigmoid": InverseSigmoid,
}


@dataclass(frozen=True)
class Scheduled:
    """Scheduled sampling: at each step of each sequence the model's own output, or the truth.

        Scheduled(0.25)
        Scheduled("inverse-sigmoid"), Scheduled(InverseSigmoid(k=10))

    Attributes:
        p: probability of the model's own output, drawn by torch's generator; or a schedule for
            it, or the name of one. `forcing_at` makes a number of a schedule.
        sample: of a model that writes tokens, whether its own is drawn from softmax(o), rather
            than its likeliest.

    Raises:
        ValueError: a number that is not from 0 to 1, or an unknown name.
    """

    p: float | Schedule | str
    sample: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.p, str):
            object.__setattr__(self, "p", SCHEDULES[one_of(self.p, SCHEDULES, "p")]())
        elif not isinstance(self.p, Schedule):
            share("p", self.p)

    @property
    def probability(self) -> float:
        """p, where it is a number.

        Raises:
            ValueError: it is a schedule.
        """
        if isinstance(self.p, (int, float)):
            return float(self.p)
        raise ValueError(
            f"forcing has the schedule {self.p} for p, which needs the progress of training; pass "
            "forcing_at(forcing, progress)"
        )


def forcing_at(forcing: str | Scheduled, progress: float) -> str | Scheduled:
    """The forcing at a moment of training, with a number for p.

    Arguments:
        forcing: "teacher", "free" or `Scheduled(p)`.
        progress: the share of training that is done, from 0 to 1.

    Raises:
        TypeError, ValueError: another forcing, or a progress that is not from 0 to 1.
    """
    known_forcing(forcing)
    progress = share("progress", progress)
    if isinstance(forcing, Scheduled) and isinstance(forcing.p, Schedule):
        return replace(forcing, p=forcing.p(progress))
    return forcing


def parse_forcing(text: str) -> str | Scheduled:
    """A forcing as it is written on a command line.

    Arguments:
        text: "free", "teacher", "scheduled" (linear), "scheduled:exponential" or another
            schedule, also with its number, as "scheduled:inverse-sigmoid:10", or "scheduled:0.3",
            a fixed p.

    Raises:
        ValueError: another text.
    """
    name, colon, rest = text.partition(":")
    if name != "scheduled":
        return one_of(text, (*FORCINGS, "scheduled"), "forcing")
    if not colon:
        return Scheduled("linear")
    schedule, colon, number = rest.partition(":")
    try:
        if schedule in SCHEDULES:
            return Scheduled(SCHEDULES[schedule](*([float(number)] if colon else [])))
        return Scheduled(float(rest))
    except ValueError as error:
        out_of_range = "could not convert" not in str(error)
        hint = f"{error}; " if out_of_range else nearest(schedule, SCHEDULES)
        raise ValueError(
            f"forcing is {text!r}; {hint}what follows scheduled: is a number from 0 to 1, or one "
            f"of {', '.join(SCHEDULES)}"
        ) from None


def write_forcing(forcing: str | Scheduled) -> str:
    """A forcing as `parse_forcing` takes it."""
    if not isinstance(forcing, Scheduled):
        return forcing
    if not isinstance(forcing.p, Schedule):
        return f"scheduled:{forcing.p}"
    names = [name for name, kind in SCHEDULES.items() if isinstance(forcing.p, kind)]  # pyright: ignore
    numbers = vars(forcing.p).values()
    return ":".join(["scheduled", names[0], *map(str, numbers)])


def known_forcing(forcing: Any) -> str | Scheduled:
    """`forcing`, where it is one.

    Raises:
        TypeError, ValueError: it is not.
    """
    if isinstance(forcing, str):
        return one_of(forcing, FORCINGS, "forcing")
    if isinstance(forcing, Scheduled):
        return forcing
    came = type(forcing).__name__
    raise TypeError(f'forcing must be "teacher", "free" or Scheduled(p), got {came}')


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
    """Where the model's own output is fed in the place of `fed` [B, T, ...]; None for nowhere.

    Raises:
        ValueError: the forcing has a schedule, not a number, for p.
    """
    p = forcing.probability if isinstance(forcing, Scheduled) else float(forcing == "free")
    if p == 0:
        return None
    if forcing == "free":
        return torch.ones(fed.shape[:2], dtype=torch.bool, device=fed.device)
    return torch.rand(fed.shape[:2], device=fed.device) < p


def checked_forcing(
    forcing: str | Scheduled, targets: Tensor | None, steps: int | None
) -> str | Scheduled:
    """The forcing, where it fits the other arguments of a decoder.

    Raises:
        TypeError, ValueError: it does not.
    """
    known_forcing(forcing)
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
