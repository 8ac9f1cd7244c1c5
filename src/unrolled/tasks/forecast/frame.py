"""Many series as dense tensors, every number normalised by what was known when it was seen.

`values` are targets in units of their series, (y - offset) / unit. A forecast made at step t
is written relative to the recent `level[t]`, in units of the recent `scale[t]`.

Shapes: N series, T time (the longest series), H horizon, C features, K known-ahead features.
    i, t: tensors of one broadcast shape, numbers of series and positions in them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...data import SeriesSet, calendar_features
from .dense import fill_forward, seasonal_change, stack_padded, trailing_mean
from .scaling import Scaling, Unit

# Standardised covariates beyond this many standard deviations are cut off, as are normalised
# targets beyond NORMALISED_LIMIT of their own scale: a network extrapolates badly there.
COVARIATE_LIMIT, NORMALISED_LIMIT = 5.0, 10.0


@dataclass(frozen=True)
class Frame:
    """The tensors of a table.

    Attributes:
        scaling: what they were made with.
        values: targets in units of their series, gaps filled from the past, [N, T].
        observed: true where the target was there, [N, T].
        level: mean of the recent values, [N, T].
        scale: size of the recent seasonal changes where the scaling is local, else 1, [N, T].
        volatility: size of the recent seasonal changes in units of `scale`, [N, T]; the width
            of intervals follows it.
        anomalies: past covariates less their own recent mean, [N, T, P].
        features: known at a step beside the target: past covariates, gaps, static, [N, T, C].
        ahead: known in advance: calendar, then future covariates, [N, T + H, K].
        lengths: steps of each series, [N].
        units: of each series' target.
        horizon: H.
    """

    scaling: Scaling
    values: Tensor
    observed: Tensor
    level: Tensor
    scale: Tensor
    volatility: Tensor
    anomalies: Tensor
    features: Tensor
    ahead: Tensor
    lengths: np.ndarray
    units: list[Unit]
    horizon: int

    @property
    def season(self) -> int:
        """Steps of a season; 1 where there is none."""
        return self.scaling.season

    @property
    def calendar_size(self) -> int:
        """How many of the K known-ahead features are of the calendar; they come first."""
        return len(self.scaling.cycles)

    def history(self, i: Tensor, t: Tensor, steps: int) -> Tensor:
        """The last `steps` values up to t, newest first, [..., steps].

        Before the start of a series stands its first value.
        """
        positions = t[..., None] - torch.arange(steps, device=t.device)
        return self.values[i[..., None], positions.clamp(min=0)]

    def normalised(self, i: Tensor, t: Tensor, values: Tensor) -> Tensor:
        """`values` [..., k] relative to the level and scale at step t."""
        return (values - self.level[i, t][..., None]) / self.scale[i, t][..., None]

    def targets(self, i: Tensor, t: Tensor, ends: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The H values after step t, normalised, and whether each was there, [..., H] both.

        Values from a series' end, or from `ends` [N], on count as not there.
        """
        steps = t[..., None] + torch.arange(1, self.horizon + 1, device=t.device)
        ends = torch.as_tensor(self.lengths, device=t.device) if ends is None else ends
        inside = steps < ends[i][..., None]
        steps = steps.clamp(max=self.values.shape[1] - 1)
        known = inside & self.observed[i[..., None], steps]
        return self.normalised(i, t, self.values[i[..., None], steps]), known

    def ahead_of(self, i: Tensor, t: Tensor) -> Tensor:
        """What is known at step t of the H steps after it, [..., H, K]."""
        steps = t[..., None] + torch.arange(1, self.horizon + 1, device=t.device)
        return self.ahead[i[..., None], steps]

    def restore(self, i: Tensor, t: Tensor, forecasts: Tensor) -> np.ndarray:
        """Normalised forecasts [n, H, Q] in the unit of the table, float64; i and t are [n]."""
        level, scale = self.level[i, t].double(), self.scale[i, t].double()
        values = (forecasts.double() * scale[:, None, None] + level[:, None, None]).cpu().numpy()
        rows = i.cpu().numpy()
        offset, size = np.array(self.units).T[:, rows, None, None]
        original = values * size + offset
        return np.exp(original) if self.scaling.log else original


def build_frame(
    data: SeriesSet,
    scaling: Scaling,
    horizon: int,
    known: np.ndarray | None = None,
    device: torch.device | str = "cpu",
) -> Frame:
    """The tensors of `data`.

    Arguments:
        data: the table.
        scaling: learned from a training table with the same columns.
        horizon: steps that are forecast.
        known: [N], how much of each series may decide the unit of a series that was not in
            training; default all of it.
    """
    lengths = np.array([len(series.target) for series in data])
    units = scaling.units(data, lengths if known is None else known)
    offset, size = np.array(units).T[:, :, None]
    raw = stack_padded([scaling.transform(series.target) for series in data])
    values = (fill_forward(raw) - offset) / size
    recent = _recent_scale(values, scaling, offset / size)
    covariates = stack_padded([series.past for series in data], values.shape[1])
    past = _standardised(covariates, scaling.past_mean, scaling.past_spread)
    one = np.ones_like(recent)
    tensors = {
        "values": values,
        "level": trailing_mean(values, scaling.window),
        "scale": recent if scaling.local else one,
        "volatility": one if scaling.local else recent,
        "anomalies": past - _recent_mean(past, scaling.window),
        "features": _features(data, scaling, covariates, past),
        "ahead": _ahead(data, scaling, values.shape[1] + horizon),
    }
    return Frame(
        scaling=scaling,
        observed=torch.from_numpy(~np.isnan(raw)).to(device),
        lengths=lengths,
        units=units,
        horizon=horizon,
        **{name: torch.from_numpy(a).float().to(device) for name, a in tensors.items()},
    )


def _recent_scale(values: np.ndarray, scaling: Scaling, zero: np.ndarray) -> np.ndarray:
    """Size of the recent seasonal changes, [N, T]; the data's own zero lies at `-zero` [N, 1]."""
    change = seasonal_change(values, scaling.season)
    recent = _mean_after_first_season(change, scaling)
    # A flat stretch must not blow up what follows it: a tenth of the series' usual change is
    # the least, and a hundredth of the level is added.
    level = trailing_mean(values, scaling.window) + zero
    return np.maximum(recent, 0.1) + (0.0 if scaling.log else 0.01 * np.abs(level))


def _mean_after_first_season(change: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Trailing mean of `change` [N, T] that leaves out the first season, where it is unknown."""
    steps = np.arange(1, change.shape[1] + 1)
    counted = np.minimum(steps, scaling.window)
    known = np.minimum(np.maximum(steps - scaling.season, 0), scaling.window)
    return trailing_mean(change, scaling.window) * counted / np.maximum(known, 1)


def _standardised(values: np.ndarray, mean: tuple, spread: tuple) -> np.ndarray:
    scaled = (fill_forward(values) - np.array(mean)) / np.array(spread)
    return np.clip(scaled, -COVARIATE_LIMIT, COVARIATE_LIMIT)


def _features(
    data: SeriesSet, scaling: Scaling, covariates: np.ndarray, past: np.ndarray
) -> np.ndarray:
    """Standardised past covariates, masks of those with gaps, static ones, [N, T, C]."""
    gaps = np.isnan(covariates)[:, :, list(scaling.past_gaps)].astype(float)
    static = np.stack([series.static for series in data])
    scaled = np.nan_to_num((static - np.array(scaling.static_mean)) / scaling.static_spread)
    everywhere = np.broadcast_to(scaled[:, None], (*past.shape[:2], static.shape[-1]))
    return np.concatenate([past, gaps, everywhere], axis=2)


def _recent_mean(past: np.ndarray, window: int) -> np.ndarray:
    """Trailing mean of every covariate of [N, T, P]."""
    if past.shape[2] == 0:
        return past
    return np.stack([trailing_mean(one, window) for one in np.moveaxis(past, 2, 0)], axis=2)


def _ahead(data: SeriesSet, scaling: Scaling, steps: int) -> np.ndarray:
    """Calendar and covariates known in the future, [N, T + H, K]."""
    calendars = []
    for series in data:
        features, names = calendar_features(data.schema.frequency, series.times(0, steps))
        calendars.append(features[:, [names.index(name) for name in scaling.cycles]])
    future = stack_padded([series.future for series in data], steps)
    known = _standardised(future, scaling.future_mean, scaling.future_spread)
    return np.concatenate([np.stack(calendars), known], axis=2)
