"""The loss of an output: the negative log-likelihood of the target.

    L = sum over t of L(t) = - sum over t of log p(y(t) given x(1), ..., x(t))

Each is a function of the output pre-activation o(t):

    cross_entropy    y one of O classes, p = softmax(o)
    bernoulli        y of 0 or 1, p = sigmoid(o)
    poisson          y a count, of rate exp(o)
    squared_error    y Gaussian around o with variance 1, but for the constant
    gaussian         y Gaussian, o its mean and the logarithm of its variance
    Quantile         y asymmetric Laplace around each of its quantiles, but for constants

The gradient of the first four with respect to o is the output minus the target: softmax(o)
minus one-hot, sigmoid(o) minus y, exp(o) minus y, o minus y.

Shapes: B batch, T time, K numbers in o, O numbers in a target, Q levels; `...` is [B, T] or [B].

References:
    Goodfellow, Bengio and Courville, "Deep Learning", section 6.2.2.
    Nix and Weigend, "Estimating the mean and variance of the target probability distribution",
        ICNN 1994 (gaussian).
    McCullagh and Nelder, "Generalized linear models", 1989 (poisson).
    Koenker and Bassett, "Regression quantiles", Econometrica 46, 1978 (Quantile).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..cells.cell import check_size
from ..naming import one_of

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(o: Tensor, target: Tensor) -> Tensor:
    """- log softmax(o)[target]. Target: class numbers [...], or probabilities [..., O]."""
    log_p = torch.log_softmax(o, dim=-1)
    if target.is_floating_point():
        return -(target * log_p).sum(-1)
    return -log_p.gather(-1, target.long()[..., None])[..., 0]


def bernoulli(o: Tensor, target: Tensor) -> Tensor:
    """- log p of independent yes-or-no outputs with p = sigmoid(o). Target: [..., O], 0 to 1."""
    return F.binary_cross_entropy_with_logits(o, target, reduction="none").sum(-1)


def squared_error(o: Tensor, target: Tensor) -> Tensor:
    """Half the squared error: - log p of a Gaussian of variance 1, but for a constant."""
    return 0.5 * (o - target).square().sum(-1)


def gaussian(o: Tensor, target: Tensor) -> Tensor:
    """- log p of independent Gaussians. Target: [..., O]; o: [..., 2 O], means, log variances."""
    mean, log_variance = o.chunk(2, dim=-1)
    distance = (target - mean).square() * torch.exp(-log_variance)
    return 0.5 * (math.log(2 * math.pi) + log_variance + distance).sum(-1)


def poisson(o: Tensor, target: Tensor) -> Tensor:
    """- log p of independent counts of rate exp(o). Target: [..., O], from 0 up."""
    return (torch.exp(o) - target * o + torch.lgamma(target + 1)).sum(-1)


def _checked_levels(levels: tuple[float, ...]) -> tuple[float, ...]:
    try:
        given = tuple(float(level) for level in levels)
    except (TypeError, ValueError) as error:
        raise ValueError(f"levels must be numbers between 0 and 1, got {levels!r}") from error
    between = all(0 < level < 1 for level in given)
    if not given or not between or any(a >= b for a, b in pairwise(given)):
        raise ValueError(
            f"levels must be numbers between 0 and 1, ascending, as (0.1, 0.5, 0.9); got {levels!r}"
        )
    return given


@dataclass(frozen=True)
class Quantile:
    """The pinball loss of quantiles: q (y - o) where y is above o, (1 - q) (o - y) below.

    o: [..., O Q], the Q quantiles of one target beside each other. Target: [..., O]. Summed over
    targets and levels; least where o is the quantile.

    Attributes:
        levels: the q, each between 0 and 1, ascending.

    Raises:
        ValueError: levels that are not so, or none.
    """

    levels: tuple[float, ...] = (0.1, 0.5, 0.9)

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", _checked_levels(self.levels))

    def __call__(self, o: Tensor, target: Tensor) -> Tensor:
        levels = o.new_tensor(self.levels)
        errors = target[..., None] - o.unflatten(-1, (-1, len(self.levels)))  # [..., O, Q]
        return torch.maximum(levels * errors, (levels - 1) * errors).sum((-2, -1))


BY_NAME: dict[str, Loss] = {
    "cross-entropy": cross_entropy,
    "bernoulli": bernoulli,
    "squared-error": squared_error,
    "gaussian": gaussian,
    "poisson": poisson,
    "quantile": Quantile(),
}

# By the name of the output activation.
LOSSES: dict[str, Loss] = {
    "softmax": cross_entropy,
    "sigmoid": bernoulli,
    "identity": squared_error,
}

# What targets lie between, where a likelihood is defined for some numbers only.
_RANGES: dict[Loss, tuple[float, float]] = {bernoulli: (0, 1), poisson: (0, math.inf)}


class Total(NamedTuple):
    """A loss summed over steps. `a + b` is the total of both.

    Attributes:
        total: sum of L(t) over the valid steps, a tensor of no dimensions.
        count: how many these are, likewise.
    """

    total: Tensor
    count: Tensor

    @property
    def mean(self) -> Tensor:
        """The loss of a step on average; NaN where no step is valid."""
        return self.total / self.count

    def __add__(self, other: Total) -> Total:
        return Total(self.total + other.total, self.count + other.count)

    @staticmethod
    def averaged(totals: Sequence[Total]) -> Total:
        """The mean of the losses of several networks on the same steps."""
        summed = torch.stack([each.total for each in totals])
        return Total(summed.mean(), totals[0].count)


def outputs_of(loss: Loss, target_size: int) -> int:
    """K: how many numbers o needs for targets of O = `target_size` numbers, or O classes.

    A loss that is not of this module is taken to need one for each.

    Raises:
        ValueError: `target_size` is below 1.
    """
    check_size("target_size", target_size)
    return _outputs_of_one(loss) * target_size


def summed(loss: Loss | str, o: Tensor, targets: Tensor, valid: Tensor | None = None) -> Total:
    """The sum of a loss over steps.

    Arguments: those of `step_by_step`.

    Raises:
        TypeError, ValueError: an argument does not fit.
    """
    each = step_by_step(loss, o, targets, valid)
    count = torch.tensor(each.numel(), device=o.device) if valid is None else valid.sum()
    return Total(each.sum(), count)


def step_by_step(
    loss: Loss | str, o: Tensor, targets: Tensor, valid: Tensor | None = None
) -> Tensor:
    """L(t) of every step, [B, T] or [B]; zero at those that are not valid.

    Arguments:
        loss: one of this module, or its name in `BY_NAME`; or any function of o [..., K] and
            targets that gives [...].
        o: output pre-activation, [B, T, K] or [B, K].
        targets: [B, T, O] or [B, O]; class numbers without O.
        valid: boolean, [B, T] or [B]; None: all are. The loss sees the steps where it is true, in
            one row [N, ...], and no others: what stands there, even NaN or -100, has no effect.

    Raises:
        TypeError, ValueError: an argument does not fit.
    """
    loss = BY_NAME[one_of(loss, BY_NAME, "loss")] if isinstance(loss, str) else loss
    _check_shapes(loss, o, targets, valid)
    # Sums of numbers with two or three digits would be no better than these.
    o = o.float() if o.dtype in (torch.float16, torch.bfloat16) else o
    seen, aims = (o, targets) if valid is None else (o[valid], targets[valid])
    if _is_ours(loss):
        _check_values(loss, seen, aims)
    each = loss(seen, aims)
    if each.shape != seen.shape[:-1]:
        raise ValueError(
            f"loss must give L(t) for every step, {list(seen.shape[:-1])}; "
            f"it gave {list(each.shape)}"
        )
    return each if valid is None else each.new_zeros(valid.shape).index_put((valid,), each)


def _outputs_of_one(loss: Loss) -> int:
    """How many numbers of o belong to one of a target."""
    if isinstance(loss, Quantile):
        return len(loss.levels)
    return 2 if loss is gaussian else 1


def _is_ours(loss: Loss) -> bool:
    return isinstance(loss, Quantile) or loss in BY_NAME.values()


def _are_classes(loss: Loss, targets: Tensor) -> bool:
    """Whether targets are class numbers."""
    return loss is cross_entropy and not targets.is_floating_point()


def _check_shapes(loss: Loss, o: Tensor, targets: Tensor, valid: Tensor | None) -> None:
    if not torch.is_tensor(targets):
        raise TypeError(f"targets must be a tensor, got {type(targets).__name__}")
    steps = list(o.shape[:-1])
    if valid is not None and (not torch.is_tensor(valid) or valid.dtype != torch.bool):
        came = valid.dtype if torch.is_tensor(valid) else type(valid).__name__
        raise TypeError(f"valid must be a boolean tensor {steps}, got {came}")
    if valid is not None and list(valid.shape) != steps:
        raise ValueError(f"valid must be {steps}, got {list(valid.shape)}")
    if _is_ours(loss):
        _check_targets(loss, o, targets)
    elif valid is not None and list(targets.shape[: len(steps)]) != steps:
        raise ValueError(f"targets must begin with {steps}, got {list(targets.shape)}")


def _check_targets(loss: Loss, o: Tensor, targets: Tensor) -> None:
    """Compare the targets with what a loss of this module takes."""
    steps, each = list(o.shape[:-1]), _outputs_of_one(loss)
    if o.shape[-1] % each:
        raise ValueError(
            f"o must hold {each} numbers for each of a target, got {list(o.shape)}; "
            "losses.outputs_of says how many in all"
        )
    classes = _are_classes(loss, targets)
    wanted = steps if classes else [*steps, o.shape[-1] // each]
    if list(targets.shape) != wanted:
        alone = list(targets.shape) == steps and wanted[-1] == 1
        advice = "; pass targets[..., None]" if alone else ""
        if loss is cross_entropy and list(targets.shape) == steps:
            advice = "; class numbers must be whole, as targets.long() are"
        raise ValueError(f"targets must be {wanted}, got {list(targets.shape)}{advice}")
    if not (classes or targets.is_floating_point()):
        raise ValueError(
            f"targets must be real numbers, got {targets.dtype}; pass targets.to({o.dtype})"
        )


def _check_values(loss: Loss, o: Tensor, targets: Tensor) -> None:
    """Compare the targets of valid steps with what their likelihood is defined for."""
    if _are_classes(loss, targets):
        what, low, high = "class numbers", 0, o.shape[-1] - 1
    elif loss in _RANGES:
        what, (low, high) = "numbers", _RANGES[loss]
    else:
        return
    if not bool(((targets >= low) & (targets <= high)).all()):
        upwards = "up" if high == math.inf else f"to {high}"
        raise ValueError(
            f"targets must be {what} from {low} {upwards}, "
            f"got {targets.min().item()} to {targets.max().item()}"
        )
