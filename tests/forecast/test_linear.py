"""Linear autoregression against scikit-learn, and on series whose law is known."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.linear_model import Ridge

from forecast.tables import series
from unrolled.data import read_series
from unrolled.tasks.forecast import linear
from unrolled.tasks.forecast.frame import build_frame
from unrolled.tasks.forecast.linear import CrossFitted, LinearForm, LinearPath, fit_linears
from unrolled.tasks.forecast.scaling import learn_scaling


@pytest.fixture
def frame():
    data = series(steps=400)
    return build_frame(data, learn_scaling(data, np.array([400, 400]), 2), 3)


TRAIN, ENDS = np.array([300, 300]), np.array([400, 400])


def test_weights_are_those_of_scikit_learn(frame, monkeypatch) -> None:
    monkeypatch.setattr(linear, "PENALTIES", (0.01,))
    form = LinearForm(8, lags=(0, 2))
    [fit] = fit_linears(frame, [form], TRAIN, ENDS)
    t = torch.arange(7, 397).repeat(2)
    i = torch.tensor([0, 1]).repeat_interleave(390)
    x = form.features(frame, i, t).double().numpy()
    y = frame.values[i[:, None], t[:, None] + torch.arange(1, 4)] - frame.values[i, t][:, None]
    y = y.double().numpy()
    limit = np.quantile(np.abs(y), 0.999)
    reference = Ridge(alpha=0.01 * len(x)).fit(x[:, :-1], y.clip(-limit, limit))
    # Both solve the same equations in float64; the weights are stored in float32.
    np.testing.assert_allclose(fit.weights[:-1].T, reference.coef_, atol=2e-5)
    np.testing.assert_allclose(fit.weights[-1], reference.intercept_, atol=2e-5)


def test_the_law_of_a_noiseless_series_is_found() -> None:
    """A constant and two waves obey a linear law of five values exactly."""
    steps = np.arange(400)
    y = 5 + np.sin(0.3 * steps) + 0.5 * np.sin(1.1 * steps)
    data = read_series(pl.DataFrame({"step": steps, "y": y}), target="y", season=1)
    frame = build_frame(data, learn_scaling(data, np.array([300]), 4), 1)
    [fit] = fit_linears(frame, [LinearForm(5)], np.array([250]), np.array([300]))
    i, t = torch.zeros(80, dtype=torch.long), torch.arange(310, 390)
    forecast = LinearPath(fit.form, fit.weights)(frame, i, t)[:, 0]
    # The smallest penalty, 1e-5 a window, keeps the weights from being exact.
    torch.testing.assert_close(forecast, frame.values[0, 311:391], atol=0.02, rtol=0)


def test_left_out_fits_have_not_seen_their_block(frame, monkeypatch) -> None:
    """Spoiling a block changes the fits of the other blocks, and not the one without it."""
    monkeypatch.setattr(linear, "PENALTIES", (0.01,))
    [before] = fit_linears(frame, [LinearForm(8)], TRAIN, ENDS)
    # Windows with an origin in block 2 (steps 120 to 179) touch these values, and no others do.
    spoiled = frame.values.clone()
    spoiled[:, 140:160] = spoiled[:, 140:160].flip(1)
    [after] = fit_linears(replace(frame, values=spoiled), [LinearForm(8)], TRAIN, ENDS)
    same = [
        bool(torch.allclose(a, b, atol=1e-3))
        for a, b in zip(before.left_out, after.left_out, strict=True)
    ]
    assert same == [False, False, True, False, False, False]


def test_cross_fitted_takes_the_fit_of_the_block(frame) -> None:
    [fit] = fit_linears(frame, [LinearForm(8)], TRAIN, ENDS)
    crossed = CrossFitted(fit, TRAIN, "cpu")
    i, t = torch.tensor([0, 1, 0]), torch.tensor([10, 130, 350])
    forecast = crossed(frame, i, t)
    for row, block in enumerate((0, 2, linear.BLOCKS)):
        path = LinearPath(fit.form, fit.left_out[block])
        expected = path(frame, i[row : row + 1], t[row : row + 1])
        torch.testing.assert_close(forecast[row : row + 1], expected, rtol=1e-5, atol=1e-5)


def test_blocks_cover_training_and_validation_is_one_more() -> None:
    t = torch.tensor([0, 59, 60, 296, 297, 390])
    assert linear.block_of(t, torch.tensor(300), 3).tolist() == [0, 0, 1, 4, 5, 5]


def test_contexts_fit_the_series() -> None:
    assert linear.contexts_for(8000, 24, 24) == [25, 49, 168, 336]
    assert linear.contexts_for(120, 12, 6) == [13, 25]
    assert linear.contexts_for(30, 12, 6) == [6]


def test_the_simplest_good_fit_is_taken() -> None:
    def fit(features, *errors):
        e = torch.tensor(errors)
        return linear.LinearFit(LinearForm(1), 0, float(e.mean()), e, torch.zeros(features, 1), e)

    small, large = fit(3, 1.0, 1.3, 0.9), fit(9, 1.1, 1.0, 1.0)
    assert linear.simplest_good([large, small]) is small
    clearly = fit(9, 0.5, 0.8, 0.4)
    assert linear.simplest_good([clearly, small]) is clearly
