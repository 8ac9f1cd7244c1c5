"""Simple forecasts that a network must beat, made for the same windows.

None of them looks past a window's origin. Missing values are filled with the last one seen.

Shapes: S series, T time, n windows, H horizon.

References:
    Hyndman and Athanasopoulos, "Forecasting: principles and practice", 3rd edition, section 5.2.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from torch import Tensor, nn

from .dense import fill_forward, stack_padded
from .frame import Frame
from .linear import LinearPath
from .windows import Windows, rolling

# Enough to fit a function of one number.
MOST_WINDOWS_OF_MLP, HIDDEN = 5_000, 32


def last_value(targets: Sequence[np.ndarray], windows: Windows) -> np.ndarray:
    """The value at the origin, for every step, [n, H]."""
    filled = _filled(targets)
    return np.repeat(filled[windows.series, windows.origins][:, None], windows.horizon, axis=1)


def seasonal_naive(targets: Sequence[np.ndarray], windows: Windows, season: int) -> np.ndarray:
    """The value at the same place of the last season seen, [n, H].

    Where that value is missing, or lies before the start, stands the one of the season before
    it, and so on; then the value at the origin.
    """
    seasons = _filled_by_season(stack_padded(targets), season)
    ahead = np.arange(1, windows.horizon + 1)
    back = season * ((ahead + season - 1) // season) - ahead
    steps = windows.origins[:, None] - back
    forecast = seasons[windows.series[:, None], np.maximum(steps, 0)]
    missing = np.isnan(forecast) | (steps < 0)
    return np.where(missing, last_value(targets, windows), forecast)


def _filled_by_season(values: np.ndarray, season: int) -> np.ndarray:
    """Missing values of [S, T] replaced by the last known one at the same place of a season."""
    series, time = values.shape
    padded = np.full((series, -(-time // season) * season), np.nan)
    padded[:, :time] = values
    blocks = padded.reshape(series, -1, season)
    order = np.arange(blocks.shape[1])[:, None]
    last = np.maximum.accumulate(np.where(np.isnan(blocks), 0, order), axis=1)
    return np.take_along_axis(blocks, last, axis=1).reshape(series, -1)[:, :time]


def drift(targets: Sequence[np.ndarray], windows: Windows) -> np.ndarray:
    """The line through the first value and the one at the origin, prolonged, [n, H]."""
    filled = _filled(targets)
    last = filled[windows.series, windows.origins]
    slope = (last - filled[windows.series, 0]) / np.maximum(windows.origins, 1)
    return last[:, None] + slope[:, None] * np.arange(1, windows.horizon + 1)


class LastValueNetwork(nn.Module):
    """A feed-forward network of the last value alone: what can be known without memory.

    Lectures, row 11: y(t) from x(t), whatever came before.
    """

    def __init__(self, horizon: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(1, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, horizon))

    def fit(self, frame: Frame, train_ends: np.ndarray, seed: int) -> "LastValueNetwork":
        """Train on the first `train_ends[n]` steps of every series."""
        first = np.ones(len(train_ends), dtype=int)
        windows = rolling(first, train_ends, frame.horizon).thinned(MOST_WINDOWS_OF_MLP)
        i, t = _indices(windows, frame)
        steps = t[:, None] + torch.arange(1, frame.horizon + 1, device=t.device)
        wanted = (frame.values[i[:, None], steps] - frame.values[i, t][:, None]).cpu().numpy()
        network = MLPRegressor(
            hidden_layer_sizes=(HIDDEN,),
            max_iter=30,
            # It holds a tenth of the windows out, which takes a few.
            early_stopping=len(windows) >= 100,
            random_state=seed,
        )
        with warnings.catch_warnings():
            # A fixed number of rounds is what is wanted here.
            warnings.simplefilter("ignore", ConvergenceWarning)
            # scikit-learn wants a single output as a vector.
            read = frame.values[i, t].cpu().numpy()[:, None]
            network.fit(read, wanted if frame.horizon > 1 else wanted[:, 0])
        linears = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        with torch.no_grad():
            for linear, w, b in zip(linears, network.coefs_, network.intercepts_, strict=True):
                linear.weight.copy_(torch.from_numpy(w.T))
                linear.bias.copy_(torch.from_numpy(b))
        return self

    def forward(self, frame: Frame, i: Tensor, t: Tensor) -> Tensor:
        """Values in units of the series, [n, H]."""
        last = frame.values[i, t][:, None]
        return last + self.layers(last)


class LearnedBaselines(nn.Module):
    """The baselines that have parameters; saved beside the model that they measure."""

    def __init__(self, linear: LinearPath, feed_forward: LastValueNetwork):
        super().__init__()
        self.linear, self.feed_forward = linear, feed_forward


def all_baselines(
    learned: LearnedBaselines, targets: Sequence[np.ndarray], frame: Frame, windows: Windows
) -> dict[str, np.ndarray]:
    """The forecasts of every baseline by name, [n, H] each, in the unit of the table."""
    return {
        "last value": last_value(targets, windows),
        "seasonal naive": seasonal_naive(targets, windows, frame.season),
        "drift": drift(targets, windows),
        "linear autoregression": _in_table_units(learned.linear, frame, windows),
        "feed-forward": _in_table_units(learned.feed_forward, frame, windows),
    }


@torch.no_grad()
def _in_table_units(model: nn.Module, frame: Frame, windows: Windows) -> np.ndarray:
    parts = []
    for rows in np.array_split(np.arange(len(windows)), max(1, len(windows) // 4096)):
        i, t = _indices(Windows(windows.series[rows], windows.origins[rows], 0), frame)
        forecast = frame.normalised(i, t, model(frame, i, t))
        parts.append(frame.restore(i, t, forecast[..., None])[..., 0])
    return np.concatenate(parts)


def _indices(windows: Windows, frame: Frame) -> tuple[Tensor, Tensor]:
    device = frame.values.device
    return torch.from_numpy(windows.series).to(device), torch.from_numpy(windows.origins).to(device)


def _filled(targets: Sequence[np.ndarray]) -> np.ndarray:
    return fill_forward(stack_padded(targets))
