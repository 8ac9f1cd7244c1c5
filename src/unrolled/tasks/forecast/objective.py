"""What training minimises and validation measures, and where a model starts.

While a model trains, its linear path forecasts each block of time from the others; afterwards
it is the one fitted on everything.

Shapes: N series, n windows, H horizon, C candidates, Q quantiles.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...data import DataError
from ...nn import Scheduled
from ...nn.forcing import forcing_at
from ...report.training import FORCED, GAP
from ...training import Total
from .chunks import (
    Batch,
    Chunking,
    Label,
    RandomChunks,
    batch_quantiles,
    in_table_units,
    numbered,
    window_quantiles,
)
from .frame import Frame
from .linear import (
    LinearFit,
    LinearForm,
    contexts_for,
    covariate_lags,
    fit_linears,
    simplest_good,
)
from .metrics import Scored, mase, seasonal_scale
from .model import ForecastModel, LinearForecast, candidates, models_of, quantile_loss
from .windows import Windows, rolling

SCORED_STEPS = 24
STEPS_OF_MIX, RATE_OF_MIX, BATCHES_OF_MIX = 150, 0.1, 6
# A constant is forecast without error; its error still divides.
TINY = 1e-12
# The least weight that a candidate starts with, as a logit below the heaviest.
LEAST_LOGIT = -5.0
MOST_VALIDATION_WINDOWS = 3000
# With so many validation windows a stretch is believed by half.
WINDOWS_OF_DOUBT = 30


@dataclass(frozen=True)
class Split:
    """Where training ends and where validation ends in every series, [N] each."""

    train_ends: np.ndarray
    ends: np.ndarray

    def validation(self, horizon: int) -> Windows:
        """Windows that lie in the validation part."""
        return rolling(self.train_ends, self.ends, horizon).thinned(MOST_VALIDATION_WINDOWS)


def choose_linears(frame: Frame, split: Split) -> tuple[LinearFit, LinearFit]:
    """The linear autoregression of the target alone, and the one with covariates if it helps."""
    contexts = contexts_for(float(np.median(split.ends)), frame.season, frame.horizon)
    forms = [LinearForm(context) for context in contexts]
    if frame.features.shape[-1] + frame.ahead.shape[-1] > 0:
        lags = covariate_lags(frame.season)
        forms += [LinearForm(context, lags) for context in contexts]
    fits = fit_linears(frame, forms, split.train_ends, split.ends)
    return simplest_good([fit for fit in fits if not fit.form.lags]), simplest_good(fits)


class Objective:
    """What training minimises and validation measures, on one frame and one split.

    Arguments:
        linear: the linear forecast among the candidates while training.
        first: position from which steps are scored.
        targets: of every series, in the unit of the table.
        forcing: what a head that feeds back reads in training.
        label: what people call a step of a series.
    """

    def __init__(
        self,
        frame: Frame,
        split: Split,
        linear: LinearForecast,
        chunking: Chunking,
        first: int,
        targets: Sequence[np.ndarray],
        forcing: str | Scheduled = "free",
        label: Label = numbered,
    ):
        self.forcing, self.label = forcing, label
        self.frame, self.linear, self.chunking, self.first = frame, linear, chunking, first
        self.train_ends = torch.as_tensor(split.train_ends, device=frame.values.device)
        self.at_first: tuple[float, float] | None = None
        self.windows = split.validation(frame.horizon)
        self.truth = self.windows.truth(targets)
        if np.isnan(self.truth).all():
            raise DataError(
                "no true value is known in the validation part, the last steps before the test; "
                "hold out more with validation, or less for the test"
            )
        pairs = zip(targets, split.train_ends, strict=True)
        self.scales = np.array([seasonal_scale(y[:end], frame.season) for y, end in pairs])

    def batches(self, batch_size: int, seed: int, part: tuple[int, int] = (0, 1)) -> RandomChunks:
        """An endless supply of training chunks, on the frame's device."""
        scored = min(SCORED_STEPS, self.chunking.active)
        ends, device = self.train_ends.cpu().numpy(), self.frame.values.device
        return RandomChunks(
            self.chunking, ends, self.first, batch_size, scored, seed, device, part, self.label
        )

    def loss(self, model: nn.Module, batch: Batch, progress: float) -> Total:
        """Absolute error of the median plus pinball loss of the other quantiles."""
        first, ends = models_of(model)[0], self.train_ends
        forcing = forcing_at(self.forcing, progress) if first.feeds_back else "free"
        quantiles, i, t = batch_quantiles(model, self.linear, self.frame, batch, forcing, ends)
        truth, known = self.frame.targets(i, t.clamp(min=0), ends)
        known = known & (t >= self.first)[:, None]
        return Total.averaged([quantile_loss(q, first.levels, truth, known) for q in quantiles])

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training takes up."""
        return {"at_first": self.at_first}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.at_first = state["at_first"]

    def validate(self, model: nn.Module) -> dict[str, float]:
        """How good a model is on the validation windows, with its residual or without.

        The better of the two stays set in the model. Where a network overfits, the widths of
        its intervals often hold up when its medians do not.

        Returns:
            "loss", the same as in training, running free; "MASE" of the median in table units;
            "decides", the loss as a share of the first model's; of a model that feeds back
            also "teacher-forced loss", with the residual and the truth fed back, and
            "free-running gap", by how much the loss is above it where the model reads its own.
        """
        members = models_of(model)
        # Where both are equal, as before the first update, the residual is nothing.
        tried = {share: self._figures(model, share) for share in (0.0, 1.0)}
        further = self._gap(model, tried[1.0]["loss"]) if members[0].feeds_back else {}
        best = min(tried, key=lambda share: tried[share]["decides"])
        for one in members:
            one.residual_share.fill_(best)
        return tried[best] | further

    def _gap(self, model: nn.Module, free: float) -> dict[str, float]:
        """The loss where the truth is fed back, and by how much that of free running is above."""
        forced = float(self._loss(model, *self._validation(model, "teacher")).mean)
        return {FORCED: forced, GAP: free - forced}

    def _figures(self, model: nn.Module, share: float) -> dict[str, float]:
        members = models_of(model)
        for one in members:
            one.residual_share.fill_(share)
        quantiles, truth, known = self._validation(model)
        loss = float(self._loss(model, quantiles, truth, known).mean)
        squared = float((truth - quantiles[..., members[0].median])[known].square().mean())
        self.at_first = self.at_first or (max(loss, TINY), max(squared, TINY))
        shares = loss / self.at_first[0], math.sqrt(squared / self.at_first[1])
        # A gain in the loss at the cost of the squared error is chance more often than not.
        decides = shares[0] if shares[1] <= 1 else max(shares)
        in_units = in_table_units(self.frame, self.windows, quantiles)
        return {"loss": loss, "MASE": self._mase(in_units, members[0]), "decides": decides}

    @staticmethod
    def _loss(model: nn.Module, quantiles: Tensor, truth: Tensor, known: Tensor) -> Total:
        return quantile_loss(quantiles, models_of(model)[0].levels, truth, known)

    def _validation(self, model: nn.Module, forcing: str = "free") -> tuple[Tensor, Tensor, Tensor]:
        """Normalised quantiles [n, H, Q], truth and whether it is known [n, H]."""
        windows, frame = self.windows, self.frame
        quantiles = window_quantiles(model, self.linear, frame, windows, self.chunking, forcing)
        i, t = (torch.from_numpy(a).to(quantiles.device) for a in (windows.series, windows.origins))
        return quantiles, *frame.targets(i, t)

    def _mase(self, quantiles: np.ndarray, model: ForecastModel) -> float:
        point = quantiles[..., model.median]
        return mase(Scored(self.truth, point, self.windows.series, self.scales))

    def calibrate(self, model: nn.Module) -> None:
        """Stretch the distances between quantiles to fit the validation windows, in place.

        On training steps a model knows more than it will later, so its intervals are too
        narrow. The stretch of a quantile is the one with which the right share of validation
        values lies below it, drawn towards 1 where there are few of them.

        References:
            Romano, Patterson and Candes, "Conformalized quantile regression", NeurIPS 2019.
        """
        quantiles, truth, known = self._validation(model)
        members = models_of(model)
        middle = quantiles[..., members[0].median]
        for k, level in enumerate(members[0].levels):
            distance = (quantiles[..., k] - middle).abs().clamp(min=1e-6)
            ratio = ((truth - middle) / distance)[known].cpu().numpy()
            if level == 0.5 or len(ratio) == 0:
                continue
            needed = float(np.quantile(ratio if level > 0.5 else -ratio, max(level, 1 - level)))
            trust = len(self.windows) / (len(self.windows) + WINDOWS_OF_DOUBT)
            for one in members:
                one.stretch[k] = 1 + trust * (float(np.clip(needed, 0.2, 5)) - 1)

    def start_from_mix(self, model: nn.Module, seed: int) -> None:
        """Set the model to the best fixed mix of its candidates on training steps, in place.

        The mix minimises the absolute error; the distances become the quantiles of what is left.
        """
        members = models_of(model)
        simple, truth, known, volatility = self._drawn(members[0], seed)
        logits = torch.zeros_like(members[0].mix, requires_grad=True)
        optimiser = torch.optim.Adam([logits], RATE_OF_MIX)
        for _ in range(STEPS_OF_MIX):
            optimiser.zero_grad()
            errors = truth - (torch.softmax(logits, -1) * simple).sum(-1)
            ((errors.abs() * known).sum() / known.sum().clamp(min=1)).backward()
            optimiser.step()
        with torch.no_grad():
            mix = (logits - logits.amax(-1, keepdim=True)).clamp(min=LEAST_LOGIT)
            left = truth - (torch.softmax(mix, -1) * simple).sum(-1)
            left = (left / volatility[:, None]).masked_fill(~known, torch.nan)
            distances = _distances(left, members[0].levels)
            for one in members:
                one.mix.copy_(mix)
                one.distances.copy_(distances)

    @torch.no_grad()
    def _drawn(self, model: ForecastModel, seed: int) -> tuple[Tensor, ...]:
        """Candidates [n, H, C], truth and whether it is known [n, H], and volatility [n]."""
        batches = self.batches(32, seed)
        drawn = [next(batches) for _ in range(BATCHES_OF_MIX)]
        i = torch.cat([b.series[:, None].expand(-1, len(b.scored)).flatten() for b in drawn])
        t = torch.cat([b.positions[:, b.scored].flatten() for b in drawn])
        i, t = i[t >= self.first], t[t >= self.first]
        truth, known = self.frame.targets(i, t, self.train_ends)
        simple = candidates(self.frame, i, t, model.seasons, self.linear)
        return simple, truth, known, self.frame.volatility[i, t]


def _distances(left: Tensor, levels: tuple[float, ...]) -> Tensor:
    """What a softplus turns into the distances between quantiles of `left` [n, H], [H, Q - 1].

    Quantiles on the wrong side of the median get a small distance.
    """
    at = torch.tensor(levels, device=left.device)
    quantiles = torch.nanquantile(left, at, dim=0).T  # [H, Q]
    quantiles[:, levels.index(0.5)] = 0
    return torch.log(torch.expm1(quantiles.diff(dim=-1).nan_to_num().clamp(0.01, 20)))
