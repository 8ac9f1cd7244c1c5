"""Linear autoregression in closed form: the lectures' general linear function of the past.

    y(t+h) - y(t) = b_h + sum over k of w_hk (y(t-k) - y(t)) + covariates        ridge regression

One ridge regression for every step h of the horizon, all from the same matrix. Context length,
penalty and whether covariates help are chosen by the error on blocks of time that were left out
of the fit. The fits that left a block out also give every training step a forecast that did not
see it, so that a network can learn what such a forecast leaves over.

Shapes: n windows, H horizon, D features of a window, J blocks.

References:
    Hoerl and Kennard, "Ridge regression", Technometrics 12, 1970.
    Wolpert, "Stacked generalization", Neural Networks 5, 1992 (forecasts of left-out blocks).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import torch
from torch import Tensor, nn

from .frame import Frame

# Training is cut into this many blocks of time; validation is one more.
BLOCKS = 5
PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
MOST_WINDOWS, ENOUGH_WINDOWS = 60_000, 500
# The equations grow with the square of the context; this many values keep them below 10 MB.
LONGEST_CONTEXT = 512
# Windows become features this many at a time, to bound memory.
SLICE = 8192
# Beyond this many units a change is cut off, lest one jump decide the fit of all series.
CHANGE_LIMIT = 50.0


@dataclass(frozen=True)
class LinearForm:
    """What a linear autoregression reads.

    Attributes:
        context: how many values of the target, from 1.
        lags: steps back at which covariates are read; empty for the target alone.
    """

    context: int
    lags: tuple[int, ...] = ()

    def features(self, frame: Frame, i: Tensor, t: Tensor) -> Tensor:
        """What is read at step t, and a one for the constant, [..., D]."""
        recent = frame.history(i, t, self.context)
        parts = [(recent[..., 1:] - recent[..., :1]).clamp(-CHANGE_LIMIT, CHANGE_LIMIT)]
        if self.lags:
            future = frame.ahead_of(i, t)[..., frame.calendar_size :].flatten(-2)
            parts += [frame.features[i, t], frame.ahead[i, t][..., : frame.calendar_size], future]
        past = len(frame.scaling.past_mean)
        parts += [frame.features[i, (t - lag).clamp(min=0)][..., :past] for lag in self.lags]
        return torch.cat([*parts, torch.ones_like(recent[..., :1])], dim=-1)


@dataclass(frozen=True)
class LinearFit:
    """A fitted linear autoregression.

    Attributes:
        form: what it reads.
        penalty: ridge penalty a window.
        error: mean absolute error on left-out blocks, in units of the series.
        block_errors: the same of each block that has windows.
        weights: fitted on everything, [D, H].
        left_out: fitted without each block, [J + 1, D, H]; the last left validation out.
    """

    form: LinearForm
    penalty: float
    error: float
    block_errors: Tensor
    weights: Tensor
    left_out: Tensor


class LinearPath(nn.Module):
    """Forecasts of a fitted linear autoregression, as part of a model."""

    weights: Tensor

    def __init__(self, form: LinearForm, weights: Tensor):
        super().__init__()
        self.form = form
        self.register_buffer("weights", weights)

    def forward(self, frame: Frame, i: Tensor, t: Tensor) -> Tensor:
        """Values in units of the series, [..., H]."""
        return frame.values[i, t][..., None] + self.form.features(frame, i, t) @ self.weights


class CrossFitted:
    """Forecasts of each step by the fit that left its block of time out."""

    def __init__(self, fit: LinearFit, train_ends: np.ndarray, device: torch.device | str):
        self.fit, self.weights = fit, fit.left_out.to(device)
        self.train_ends = torch.as_tensor(train_ends, device=device)

    def __call__(self, frame: Frame, i: Tensor, t: Tensor) -> Tensor:
        """Values in units of the series, [..., H]."""
        blocks = block_of(t, self.train_ends[i], frame.horizon)
        features = self.fit.form.features(frame, i, t)
        changes = torch.zeros(*features.shape[:-1], frame.horizon, device=features.device)
        for block in range(BLOCKS + 1):
            inside = blocks == block
            changes[inside] = features[inside] @ self.weights[block]
        return frame.values[i, t][..., None] + changes


def block_of(t: Tensor, train_end: Tensor, horizon: int) -> Tensor:
    """The block of a window whose origin is t: by its place in training, or validation's."""
    inside = (t.clamp(min=0) * BLOCKS // train_end).clamp(max=BLOCKS - 1)
    return torch.where(t + horizon >= train_end, BLOCKS, inside)


def contexts_for(length: float, season: int, horizon: int) -> list[int]:
    """Context lengths worth trying on series of a typical length."""
    longest = max((length - horizon) / 4, 2)
    usual = {season + 1, 2 * season + 1, 7 * season, 14 * season} if season > 1 else {4, 16, 64}
    within = {min(context, LONGEST_CONTEXT) for context in usual}
    return sorted(c for c in within if c <= longest) or [int(min(longest, LONGEST_CONTEXT))]


def covariate_lags(season: int) -> tuple[int, ...]:
    """Steps back at which covariates are read: now, and shares of a season."""
    shares = (1 / 24, 1 / 8, 1 / 4, 1 / 2, 1)
    return (0, *sorted({max(1, round(season * share)) for share in shares}))


def fit_linears(
    frame: Frame, forms: Sequence[LinearForm], train_ends: np.ndarray, ends: np.ndarray
) -> list[LinearFit]:
    """Every form fitted with the penalty that has the smallest error on left-out blocks.

    Arguments:
        frame: the table.
        forms: the forms to fit.
        train_ends: [N], where each series' validation begins.
        ends: [N], the last step that may be fitted on, plus one.
    """
    i, t = _windows(frame, min(form.context for form in forms), ends)
    changes = _changes(frame, i, t)
    blocks = block_of(t, torch.as_tensor(train_ends, device=t.device)[i], frame.horizon)
    # All forms are compared on the same windows, those with the longest context.
    compared = t >= max(form.context for form in forms) - 1
    compared = compared if bool(compared.any()) else torch.ones_like(compared)
    windows = (i, t, changes, blocks, compared)
    return [min(_fits(frame, form, windows), key=lambda fit: fit.error) for form in forms]


def simplest_good(fits: Sequence[LinearFit]) -> LinearFit:
    """The fit with the fewest features that is not clearly worse than the best.

    Clearly: by more than the standard error, over blocks, of the difference. On little data
    the smallest error alone would follow chance.

    References:
        Breiman, Friedman, Olshen and Stone, "Classification and regression trees", 1984,
        section 3.4.3 (the one-standard-error rule).
    """
    best = min(fits, key=lambda fit: fit.error)
    for fit in sorted(fits, key=lambda fit: len(fit.weights)):
        worse = fit.block_errors - best.block_errors
        spread = float(worse.std()) if len(worse) > 1 else 0.0
        if float(worse.mean()) <= spread / len(worse) ** 0.5:
            return fit
    return best


def _windows(frame: Frame, context: int, ends: np.ndarray) -> tuple[Tensor, Tensor]:
    """Series and origins of the windows to fit on: at most MOST_WINDOWS, evenly chosen."""
    starts = [np.arange(min(context, end - frame.horizon) - 1, end - frame.horizon) for end in ends]
    starts = [origins[origins >= 0] for origins in starts]
    i = np.repeat(np.arange(len(starts)), [len(s) for s in starts])
    t = np.concatenate(starts)
    keep = np.linspace(0, len(t) - 1, min(len(t), MOST_WINDOWS)).round().astype(int)
    device = frame.values.device
    i, t = (torch.from_numpy(a[keep]).to(device) for a in (i, t))
    known = torch.cat([frame.targets(a, b)[1].all(-1) for a, b in _slices(i, t)])
    known &= _mostly_observed(frame, i, t, context)
    # Windows with gaps are fitted on their filled values only where there are few without.
    enough = min(ENOUGH_WINDOWS, len(known) // 2)
    return (i[known], t[known]) if int(known.sum()) > enough else (i, t)


def _mostly_observed(frame: Frame, i: Tensor, t: Tensor, context: int) -> Tensor:
    """Whether at least half of the last `context` values up to t were there, [n]."""
    seen = nn.functional.pad(frame.observed.cumsum(1), (1, 0))
    count = seen[i, t + 1] - seen[i, (t + 1 - context).clamp(min=0)]
    return count >= 0.5 * (t + 1).clamp(max=context)


def _changes(frame: Frame, i: Tensor, t: Tensor) -> Tensor:
    """What is to be explained: the H next values less the last, [n, H], without extremes."""
    steps = t[:, None] + torch.arange(1, frame.horizon + 1, device=t.device)
    changes = frame.values[i[:, None], steps] - frame.values[i, t][:, None]
    limit = min(float(np.quantile(changes.abs().cpu().numpy(), 0.999)), CHANGE_LIMIT)
    return changes.clamp(-limit, limit)


def _slices(*tensors: Tensor) -> list[tuple[Tensor, ...]]:
    return list(zip(*(tensor.split(SLICE) for tensor in tensors), strict=True))


@dataclass(frozen=True)
class _Sums:
    """The sums of a least-squares fit over some windows, float64.

    `xx` [D, D] of products of features, `xy` [D, H] with what they explain, `count` of windows.
    """

    xx: Tensor
    xy: Tensor
    count: int

    def __add__(self, other: "_Sums") -> "_Sums":
        return _Sums(self.xx + other.xx, self.xy + other.xy, self.count + other.count)

    def __sub__(self, other: "_Sums") -> "_Sums":
        return _Sums(self.xx - other.xx, self.xy - other.xy, self.count - other.count)

    def solve(self, penalty: float) -> Tensor:
        """The weights [D, H] with the smallest squared error and `penalty` a window."""
        ridge = torch.full_like(self.xx[0], penalty * max(self.count, 1))
        # The constant, the last feature, is not penalised; a trace keeps empty columns solvable.
        ridge[-1] = 0
        weights = torch.linalg.solve(self.xx + torch.diag(ridge + 1e-9), self.xy)
        # Rows in order, as they come back from a file: a product sums in the order of memory.
        return weights.float().contiguous()


def _sums_of_blocks(
    frame: Frame, form: LinearForm, i: Tensor, t: Tensor, changes: Tensor, blocks: Tensor
) -> list[_Sums]:
    nothing = torch.zeros((), dtype=torch.float64, device=t.device)
    sums = [_Sums(nothing, nothing, 0)] * (BLOCKS + 1)
    for a, b, y, where in _slices(i, t, changes, blocks):
        x, y = form.features(frame, a, b).double(), y.double()
        for block in range(BLOCKS + 1):
            rows, wanted = x[where == block], y[where == block]
            sums[block] = sums[block] + _Sums(rows.T @ rows, rows.T @ wanted, len(rows))
    return sums


def _fits(frame: Frame, form: LinearForm, windows: tuple[Tensor, ...]) -> list[LinearFit]:
    """The form fitted with every penalty."""
    sums = _sums_of_blocks(frame, form, *windows[:4])
    total = reduce(add, sums)
    left_out = torch.stack(
        [torch.stack([(total - part).solve(p) for part in sums]) for p in PENALTIES]
    )  # [P, J + 1, D, H]
    device = frame.values.device
    errors = torch.zeros(len(PENALTIES), BLOCKS + 1, device=device)
    count = torch.zeros(BLOCKS + 1, device=device)
    for a, b, y, where, counted in _slices(*windows):
        x = form.features(frame, a, b)
        for block in range(BLOCKS + 1):
            part = (where == block) & counted
            errors[:, block] += (x[part] @ left_out[:, block] - y[part]).abs().sum((1, 2))
            count[block] += part.sum() * y.shape[1]
    means, used = errors / count.clamp(min=1), count > 0
    return [
        LinearFit(
            form=form,
            penalty=penalty,
            error=float(errors[k].sum() / count.sum().clamp(min=1)),
            block_errors=means[k, used],
            weights=total.solve(penalty),
            left_out=left_out[k],
        )
        for k, penalty in enumerate(PENALTIES)
    ]
