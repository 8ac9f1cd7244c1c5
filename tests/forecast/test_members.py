"""Several networks whose forecasts are averaged."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

import unrolled as ur
from unrolled.nn.ensemble import Ensemble
from unrolled.tasks.forecast import Forecaster
from unrolled.tasks.forecast.plan import MANY, plan_for


def table(series: int = 3, steps: int = 240):
    t = np.arange(steps)
    rng = np.random.default_rng(0)
    rows = [
        pl.DataFrame(
            {
                "series": f"s{k}",
                "step": t,
                "y": 10 + k + np.sin(2 * np.pi * t / 12) + rng.normal(0, 0.1, steps),
            }
        )
        for k in range(series)
    ]
    return ur.read_series(
        pl.concat(rows), target="y", time="step", series="series", season=12, name="waves"
    )


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    model = Forecaster(horizon=6, members=2, updates=40, epochs=2, hidden_size=8, engine="eager")
    model.fit(table())
    with torch.no_grad():
        # So short a training leaves the networks nearly silent; these speak.
        for one in model.fitted_.members:
            one.residual_share.fill_(1)
            torch.nn.init.normal_(one.head.linear.weight, std=0.05)
    return model


def test_the_forecast_is_the_mean_of_those_of_the_networks(fitted) -> None:
    together = fitted.predict().quantiles
    whole, alone = fitted.fitted_.model, []
    assert isinstance(whole, Ensemble)
    try:
        for one in whole.members:
            fitted.fitted_ = replace(fitted.fitted_, model=one)
            alone.append(fitted.predict().quantiles)
    finally:
        fitted.fitted_ = replace(fitted.fitted_, model=whole)
    assert np.abs(alone[0] - alone[1]).max() > 1e-3
    # The mean is taken in float32, before the values get their units back.
    np.testing.assert_allclose(together, np.mean(alone, axis=0), rtol=1e-5)


def test_a_saved_ensemble_forecasts_the_same(fitted, tmp_path) -> None:
    opened = ur.load(fitted.save(tmp_path / "run"))
    assert len(opened.fitted_.members) == 2
    # A run keeps the end of the table only, from which levels are summed up in another order.
    np.testing.assert_allclose(opened.predict().quantiles, fitted.predict().quantiles, rtol=1e-6)


def test_networks_start_apart(fitted) -> None:
    one, other = (next(member.stack.parameters()) for member in fitted.fitted_.members)
    assert not torch.equal(one, other)


def test_how_many_there_are(fitted) -> None:
    assert fitted.get_params()["members"] == 2
    assert MANY.members == 3
    assert plan_for(table()).members == 1
    with pytest.raises(ValueError, match="members must be a whole number from 1 up, got 0"):
        Forecaster(members=0).fit(table())
