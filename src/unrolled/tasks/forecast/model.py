"""The forecasting model: a learned mix of simple forecasts, and what they leave over.

    forecast(t, h) = level(t) + scale(t) ( sum over k of a_hk candidate_k(t, h) + r_h )

Candidates are the values of past seasons, the last value, the last season shifted, and a linear
autoregression. A dilated recurrent stack reads the series step by step; from its output a head
gives, for every step h of the horizon, the weights a_h (a softmax), the residual r_h, and the
distances between quantiles. It starts as the best fixed mix of the candidates.

Shapes: B batch, S steps of a chunk, n origins, H horizon, C candidates, Q quantiles,
    K known-ahead features.

References:
    Smyl, "A hybrid method of exponential smoothing and recurrent neural networks",
        International Journal of Forecasting 36, 2020.
    Wen et al., "A multi-horizon quantile recurrent forecaster", 2017 (direct quantiles).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...cells import Cell
from ...nn import DilatedStack, Scheduled
from ...nn.ensemble import members_of
from ...nn.forcing import own_choices
from ...training import Total
from ...unroll import unroll
from .frame import NORMALISED_LIMIT, Frame

MakeCell = Callable[[int, int], Cell]
LinearForecast = Callable[[Frame, Tensor, Tensor], Tensor]

# Of a longer season only this many values are read at each step; candidates still reach back
# over the whole of it.
MOST_VALUES_READ = 192


def read_size(frame: Frame) -> int:
    """How many of the last values the network reads at each step: a season of them."""
    return min(frame.season if frame.season > 1 else frame.horizon, MOST_VALUES_READ)


def network_inputs(frame: Frame, i: Tensor, t: Tensor) -> Tensor:
    """What the network reads at step t, [..., I]: values, gaps, covariates, calendar.

    All that wanders with the level of a series, the target and past covariates, is read
    relative to its own recent mean: a network that sees the level learns which stretch of the
    training table it is in, and errs on every other.
    """
    recent = frame.normalised(i, t, frame.history(i, t, read_size(frame)))
    parts = [recent.clamp(-NORMALISED_LIMIT, NORMALISED_LIMIT), frame.anomalies[i, t]]
    if frame.scaling.target_gaps:
        parts.append((~frame.observed[i, t]).float()[..., None])
    others = frame.features[i, t][..., frame.anomalies.shape[-1] :]
    known_ahead = frame.ahead_of(i, t)[..., frame.calendar_size :].flatten(-2)
    parts += [others, frame.ahead[i, t][..., : frame.calendar_size], known_ahead]
    return torch.cat(parts, dim=-1)


def candidates(frame: Frame, i: Tensor, t: Tensor, seasons: int, linear: LinearForecast) -> Tensor:
    """Simple forecasts made at step t, normalised, [..., H, C].

    In order: the values at the same place of the last `seasons` seasons (without a season, the
    last `seasons` values), the last season shifted to end at the last value (without a season,
    the drift of those values), the last value, the linear autoregression. With `seasons` 0
    there is only the last of these.
    """
    # A sum over hundreds of values: in full, whatever the precision of the network.
    with torch.autocast(t.device.type, enabled=False):
        values = linear(frame, i, t)[..., None]
    if seasons > 0:
        last = frame.values[i, t][..., None].expand(*t.shape, frame.horizon)[..., None]
        values = torch.cat([_past_seasons(frame, i, t, seasons), last, values], dim=-1)
    return frame.normalised(i, t, values.flatten(-2)).unflatten(-1, (frame.horizon, -1))


def candidate_count(seasons: int) -> int:
    """C, how many `candidates` there are."""
    return seasons + 3 if seasons > 0 else 1


def _past_seasons(frame: Frame, i: Tensor, t: Tensor, seasons: int) -> Tensor:
    """The last seasons, and the last one shifted, [..., H, seasons + 1]."""
    h = torch.arange(1, frame.horizon + 1, device=t.device)
    last = frame.values[i, t][..., None]
    if frame.season == 1:
        recent = frame.history(i, t, seasons)
        drift = last + h * (last - recent[..., -1:]) / max(seasons - 1, 1)
        flat = recent[..., None, :].expand(*drift.shape, seasons)
        return torch.cat([flat, drift[..., None]], dim=-1)
    back = h - frame.season * ((h + frame.season - 1) // frame.season)
    ago = frame.season * torch.arange(seasons, device=t.device)
    steps = t[..., None, None] + back[:, None] - ago
    past = frame.values[i[..., None, None], steps.clamp(min=0)]
    shift = last - frame.values[i, (t - frame.season).clamp(min=0)][..., None]
    return torch.cat([past, (past[..., 0] + shift)[..., None]], dim=-1)


class DirectHead(nn.Module):
    """All steps of the horizon at once, from the last output.

    With fewer `waves` than steps the outputs are sums of the slowest cosines over the horizon:
    smooth, and so many fewer numbers to learn.
    """

    basis: Tensor

    def __init__(self, hidden_size: int, horizon: int, outputs: int, waves: int):
        super().__init__()
        self.shape = (outputs, waves)
        self.linear = start_silent(nn.Linear(hidden_size, outputs * waves))
        middles = (torch.arange(horizon) + 0.5) / horizon
        cosines = torch.cos(math.pi * torch.arange(waves)[:, None] * middles)  # [waves, H]
        self.register_buffer("basis", torch.eye(horizon) if waves == horizon else cosines)

    def forward(self, context: Tensor, candidates: Tensor, ahead: Tensor) -> Tensor:
        """Outputs [n, H, outputs] from [n, hidden], [n, H, C] and [n, H, K]."""
        return (self.linear(context).unflatten(-1, self.shape) @ self.basis).transpose(1, 2)


class RecurrentHead(nn.Module):
    """A decoder that runs over the horizon, one step after another.

    Every step reads the encoder's last output, the candidates for that step, and what is known
    in advance about it.
    """

    engine: str = "auto"

    def __init__(self, cell: Cell, outputs: int):
        super().__init__()
        self.cell = cell
        self.linear = start_silent(nn.Linear(next(iter(cell.state_sizes.values())), outputs))

    def forward(self, context: Tensor, candidates: Tensor, ahead: Tensor) -> Tensor:
        """Outputs [n, H, outputs] from [n, hidden], [n, H, C] and [n, H, K]."""
        context = context[:, None].expand(-1, candidates.shape[1], -1)
        limited = candidates.clamp(-NORMALISED_LIMIT, NORMALISED_LIMIT)
        read = torch.cat([context, limited, ahead], dim=-1)
        run = unroll(self.cell, read, engine=self.engine)
        return self.linear(run.outputs)


class FeedbackCell(Cell):
    """A step of the horizon, from the forecast of the step before it.

        h(k) = step([read(k), error(k-1)], h(k-1))
        forecast(k) = sum over c of softmax(mix(k) + logits)_c simple(k)_c + share r(k)
        error(k) = forecast(k) - linear(k)

    What is fed back is the error of the linear autoregression at the step before, as far as the
    model knows, or the truth says.

    The input holds read, simple [C], mix [C] and share, in this order; the linear
    autoregression is the last of simple.
    """

    def __init__(self, cell: Cell, outputs: int, candidates: int, levels: int):
        read = cell.input_size - 1
        super().__init__(read + 2 * candidates + 1, {"error": 1, **cell.state_sizes})
        self.cell, self.levels = cell, levels
        self.take_facts_of(cell)
        self.sizes = [read, candidates, candidates, 1]
        self.linear = start_silent(nn.Linear(next(iter(cell.state_sizes.values())), outputs))

    def step(self, x: Tensor, error: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        read, simple, mix, share = x.split(self.sizes, dim=-1)
        new = self.cell.step(torch.cat([read, error], dim=-1), *state)
        raw = self.linear(new[0])
        logits = mix + raw[:, self.levels :] if raw.shape[-1] > self.levels else mix
        middle = (torch.softmax(logits, dim=-1) * simple).sum(-1, keepdim=True)
        return (middle + share * raw[:, :1] - simple[:, -1:], *new)


class FeedbackHead(nn.Module):
    """A decoder that runs over the horizon and reads its own last forecast, or the truth.

    Reference:
        Salinas, Flunkert, Gasthaus and Januschowski, "DeepAR: probabilistic forecasting with
            autoregressive recurrent networks", International Journal of Forecasting 36, 2020.
    """

    engine: str = "auto"

    def __init__(self, cell: Cell, outputs: int, candidates: int, levels: int):
        super().__init__()
        self.cell = FeedbackCell(cell, outputs, candidates, levels)

    @property
    def linear(self) -> nn.Linear:
        """From the cell's output to the head's."""
        return self.cell.linear

    def forward(
        self,
        context: Tensor,
        candidates: Tensor,
        ahead: Tensor,
        mix: Tensor,
        share: Tensor,
        fed: tuple[Tensor, Tensor] | None,
    ) -> Tensor:
        """Outputs [n, H, outputs] from [n, hidden], [n, H, C] and [n, H, K].

        Arguments:
            mix, share: of the model, [H, C] and one number.
            fed: true values and where they are fed, [n, H] both; None runs free.
        """
        n, steps = candidates.shape[:2]
        context = context[:, None].expand(-1, steps, -1)
        limited = candidates.clamp(-NORMALISED_LIMIT, NORMALISED_LIMIT)
        same = [mix.expand(n, -1, -1), share.expand(n, steps, 1)]
        read = torch.cat([context, limited, ahead, candidates, *same], dim=-1)
        run = unroll(self.cell, read, forced=_forced(candidates, fed), engine=self.engine)
        names = list(self.cell.state_sizes)
        return self.linear(run.states[names[1]])


def _forced(
    candidates: Tensor, fed: tuple[Tensor, Tensor] | None
) -> dict[str, tuple[Tensor, Tensor]] | None:
    """What `unroll` overwrites the error with before a step: the truth of the step before it."""
    if fed is None:
        return None
    truth, mask = fed
    errors = (truth - candidates[..., -1]).masked_fill(~mask, 0)
    # Before the first step nothing has been wrong yet.
    before = torch.cat([torch.zeros_like(errors[:, :1]), errors[:, :-1]], dim=1)
    where = torch.cat([torch.zeros_like(mask[:, :1]), mask[:, :-1]], dim=1)
    return {"error": (before[..., None], where)}


def truth_fed(
    forcing: str | Scheduled, truth: Tensor, known: Tensor
) -> tuple[Tensor, Tensor] | None:
    """True values and where they take the place of the model's own, [n, H] both.

    Arguments:
        truth, known: the values, and where there are any.
    """
    if forcing == "free":
        return None
    own = own_choices(forcing, known)
    return truth, known if own is None else known & ~own


def start_silent(linear: nn.Linear) -> nn.Linear:
    """The same layer with all its weights zero: it adds nothing until it has learned to."""
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


class ForecastModel(nn.Module):
    """The recurrent stack, its head, and the fixed mix that they start from.

    Arguments:
        stack: reads network inputs [B, S, I], gives [B, S, hidden].
        head: from the stack's output to the residual, Q - 1 distances, and, where there are
            several candidates, C weights.
        linear: the linear autoregression among the candidates.
        seasons: past seasons among the candidates; 0 for the linear one alone.
        levels: quantile levels, ascending; one of them 0.5.
        horizon: H.
        dropout: of what the head reads.
    """

    def __init__(
        self,
        stack: DilatedStack,
        head: nn.Module,
        linear: nn.Module,
        seasons: int,
        levels: tuple[float, ...],
        horizon: int,
        dropout: float,
    ):
        super().__init__()
        self.stack, self.head, self.linear = stack, head, linear
        self.seasons, self.levels = seasons, levels
        self.dropout = nn.Dropout(dropout)
        self.mix = nn.Parameter(torch.zeros(horizon, candidate_count(seasons)))
        # How much of the residual is added: 1, or 0 where only the distances held up.
        self.residual_share: Tensor
        self.register_buffer("residual_share", torch.ones(()))
        # What `calibrate` finds after training: factors of the distances to the median, [Q].
        self.stretch: Tensor
        self.register_buffer("stretch", torch.ones(len(levels)))
        self.distances = nn.Parameter(torch.zeros(horizon, len(levels) - 1))

    def use(self, engine: str) -> "ForecastModel":
        """The same model, whose networks are unrolled by `engine`."""
        self.stack.engine = engine
        if isinstance(self.head, (RecurrentHead, FeedbackHead)):
            self.head.engine = engine
        return self

    @property
    def feeds_back(self) -> bool:
        """Whether a forecast depends on the one of the step before it."""
        return isinstance(self.head, FeedbackHead)

    @property
    def median(self) -> int:
        """Place of the median among the levels."""
        return self.levels.index(0.5)

    def forward(
        self,
        frame: Frame,
        i: Tensor,
        t: Tensor,
        outputs: Tensor,
        simple: Tensor,
        fed: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Normalised quantiles of forecasts made at steps t, [n, H, Q].

        Arguments:
            i, t: [n].
            outputs: the stack's output at those steps, [n, hidden].
            simple: the candidates, [n, H, C].
            fed: for a head that feeds back, as `truth_fed` gives it.
        """
        read = self.dropout(outputs), simple, frame.ahead_of(i, t)
        if isinstance(self.head, FeedbackHead):
            raw = self.head(*read, self.mix, self.residual_share, fed)
        else:
            raw = self.head(*read)
        own, logits = raw.tensor_split([len(self.levels)], dim=-1)
        weights = torch.softmax(self.mix + logits if logits.shape[-1] else self.mix, dim=-1)
        middle = (weights * simple).sum(-1) + self.residual_share * own[..., 0]
        distances = F.softplus(own[..., 1:] + self.distances)
        return self._quantiles(middle, distances * frame.volatility[i, t][:, None, None])

    def _quantiles(self, middle: Tensor, distances: Tensor) -> Tensor:
        """Quantiles from the median [n, H] outwards, by positive distances [n, H, Q - 1]."""
        low, high = distances.tensor_split([self.median], dim=-1)
        below, above = self.stretch[: self.median], self.stretch[self.median + 1 :]
        # Each distance adds to those nearer the median. The largest so far is taken, so that
        # quantiles never cross, whatever the stretches are.
        down = (low.flip(-1).cumsum(-1) * below.flip(-1)).cummax(-1).values.flip(-1)
        up = (high.cumsum(-1) * above).cummax(-1).values
        middle = middle[..., None]
        return torch.cat([middle - down, middle, middle + up], dim=-1)


def models_of(model: nn.Module) -> list[ForecastModel]:
    """The networks whose forecasts are averaged; mostly one."""
    found = members_of(model)
    assert all(isinstance(each, ForecastModel) for each in found)
    return found  # pyright: ignore[reportReturnType]


def quantile_loss(
    quantiles: Tensor, levels: tuple[float, ...], truth: Tensor, known: Tensor
) -> Total:
    """Absolute error of the median, and pinball loss of the other quantiles around it.

    The second has no gradient with respect to the median, which therefore minimises the first
    alone.

    Arguments:
        quantiles: [n, H, Q] at `levels`.
        truth, known: [n, H]; where not known, nothing is counted.

    Returns:
        Their sum, and how many values are known.
    """
    middle = quantiles[..., levels.index(0.5)]
    absolute = ((truth - middle).abs() * known).sum()
    around = quantiles - middle[..., None] + middle.detach()[..., None]
    errors = truth[..., None] - around
    at = torch.tensor(levels, device=errors.device)
    pinball = torch.maximum(at * errors, (at - 1) * errors)
    others = torch.tensor([level != 0.5 for level in levels], device=errors.device)
    return Total(absolute + (pinball * others * known[..., None]).sum(), known.sum())
