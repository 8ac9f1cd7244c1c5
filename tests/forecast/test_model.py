"""Candidates, quantiles and the loss, by hand and against scikit-learn."""

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_pinball_loss

from unrolled.cells import GRU
from unrolled.data import read_series
from unrolled.nn import DilatedStack
from unrolled.tasks.forecast.frame import build_frame
from unrolled.tasks.forecast.model import (
    DirectHead,
    ForecastModel,
    RecurrentHead,
    candidate_count,
    candidates,
    quantile_loss,
)
from unrolled.tasks.forecast.scaling import learn_scaling

LEVELS = (0.1, 0.25, 0.5, 0.9)


def _counting(season: int):
    """A frame of y = 0, 1, 2, ..., 59."""
    table = pl.DataFrame({"step": np.arange(60), "y": np.arange(60.0)})
    data = read_series(table, target="y", season=season)
    return build_frame(data, learn_scaling(data, np.array([60]), 2), horizon=5)


def _linear(frame, i, t):
    return torch.zeros(*t.shape, frame.horizon)


def _in_units(frame, i, t, values):
    """Candidates [n, H, C] in the unit of the table."""
    return frame.restore(i, t, values)


def test_candidates_of_a_season_by_hand() -> None:
    frame = _counting(season=3)
    i, t = torch.tensor([0]), torch.tensor([20])
    values = candidates(frame, i, t, seasons=2, linear=_linear)
    assert values.shape == (1, 5, candidate_count(2))
    c = _in_units(frame, i, t, values)[0].T
    assert c[0] == pytest.approx([18, 19, 20, 18, 19], abs=1e-4)  # the last season, repeated
    assert c[1] == pytest.approx([15, 16, 17, 15, 16], abs=1e-4)  # the one before it
    assert c[2] == pytest.approx([21, 22, 23, 21, 22], abs=1e-4)  # the last one, shifted
    assert c[3] == pytest.approx([20] * 5, abs=1e-4)  # the last value
    assert c[4] == pytest.approx([frame.units[0].offset] * 5, abs=1e-4)  # the linear one, here 0


def test_candidates_without_a_season_by_hand() -> None:
    frame = _counting(season=1)
    i, t = torch.tensor([0]), torch.tensor([20])
    c = _in_units(frame, i, t, candidates(frame, i, t, seasons=3, linear=_linear))[0].T
    for k, value in enumerate((20, 19, 18)):
        assert c[k] == pytest.approx([value] * 5, abs=1e-4)
    assert c[3] == pytest.approx([21, 22, 23, 24, 25], abs=1e-4)  # the drift
    assert c[4] == pytest.approx([20] * 5, abs=1e-4)


def test_no_seasons_leave_the_linear_one_alone() -> None:
    frame = _counting(season=3)
    i, t = torch.tensor([0]), torch.tensor([20])
    alone = candidates(frame, i, t, 0, _linear)
    torch.testing.assert_close(alone, candidates(frame, i, t, 2, _linear)[..., -1:])
    assert candidate_count(0) == 1


def _model(head, seasons=2):
    stack = DilatedStack([GRU(3, 4), GRU(4, 4)], [1, 2])
    return ForecastModel(stack, head, torch.nn.Identity(), seasons, LEVELS, 5, dropout=0.0)


HEADS = [
    lambda count: DirectHead(4, 5, len(LEVELS) + count, waves=5),
    lambda count: DirectHead(4, 5, len(LEVELS) + count, waves=2),
    lambda count: RecurrentHead(GRU(4 + candidate_count(2), 6), len(LEVELS) + count),
]


@pytest.mark.parametrize("make", HEADS)
def test_a_fresh_model_is_the_fixed_mix(make) -> None:
    frame, i, t = _counting(season=3), torch.tensor([0, 0]), torch.tensor([20, 30])
    model = _model(make(candidate_count(2)))
    torch.nn.init.normal_(model.mix)
    simple = candidates(frame, i, t, 2, _linear)
    quantiles = model(frame, i, t, torch.randn(2, 4), simple)
    mix = (torch.softmax(model.mix, -1) * simple).sum(-1)
    torch.testing.assert_close(quantiles[..., model.median], mix)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000))
def test_quantiles_never_cross(seed) -> None:
    torch.manual_seed(seed)
    model = _model(DirectHead(4, 5, len(LEVELS), waves=5))
    model.stretch.uniform_(0.1, 5)
    quantiles = model._quantiles(torch.randn(3, 5), torch.rand(3, 5, 3) * 3)
    assert (quantiles.diff(dim=-1) >= 0).all()


def test_the_loss_is_that_of_scikit_learn() -> None:
    truth, quantiles = torch.randn(40, 1), torch.randn(40, 1, 4).sort(-1).values
    known = torch.ones(40, 1, dtype=torch.bool)
    total = quantile_loss(quantiles, LEVELS, truth, known)
    y, q = truth[:, 0].numpy(), quantiles[:, 0].numpy()
    others = [mean_pinball_loss(y, q[:, k], alpha=LEVELS[k]) for k in (0, 1, 3)]
    wanted = mean_absolute_error(y, q[:, 2]) + sum(others)
    assert total.count == 40
    assert total.mean.item() == pytest.approx(wanted, rel=1e-5)


def test_what_is_unknown_does_not_count() -> None:
    truth, quantiles = torch.randn(6, 2), torch.randn(6, 2, 4).sort(-1).values
    known = torch.rand(6, 2) < 0.5
    known[0, 0] = True
    spoiled = truth.masked_fill(~known, 1e6)
    for a, b in zip(
        quantile_loss(quantiles, LEVELS, truth, known),
        quantile_loss(quantiles, LEVELS, spoiled, known),
        strict=True,
    ):
        assert a.item() == pytest.approx(b.item())


def test_the_median_follows_the_absolute_error_alone() -> None:
    middle = torch.zeros(3, 1, requires_grad=True)
    quantiles = middle[..., None] + torch.tensor([-2.0, -1.0, 0.0, 1.0])
    known = torch.ones(3, 1, dtype=torch.bool)
    truth = torch.randn(3, 1)
    total = quantile_loss(quantiles, LEVELS, truth, known)
    (gradient,) = torch.autograd.grad(total.total, middle)
    # Of the pinball losses two paths have opposite gradients, in float32.
    torch.testing.assert_close(gradient, -truth.sign(), atol=1e-6, rtol=0)
