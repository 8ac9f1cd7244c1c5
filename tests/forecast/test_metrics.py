"""Metrics against hand-computed values, and the M4 scorer against the published row."""

import csv
from pathlib import Path

import numpy as np
import pytest

from unrolled.tasks.forecast import metrics
from unrolled.tasks.forecast.metrics import Scored, seasonal_scale

M4 = Path(__file__).parents[3] / "shared" / "data" / "m4"
NAN = float("nan")


@pytest.fixture
def scored() -> Scored:
    """Two series; the second has two windows, and one value is unknown."""
    return Scored(
        truth=np.array([[10.0, 20.0], [4.0, NAN], [2.0, 8.0]]),
        point=np.array([[12.0, 16.0], [5.0, 99.0], [2.0, 4.0]]),
        series=np.array([0, 1, 1]),
        scales=np.array([2.0, 5.0]),
        quantiles=np.array(
            [[[9, 12, 13], [15, 16, 18]], [[4, 5, 6], [0, 99, 100]], [[3, 3, 3], [1, 4, 9]]], float
        ),
        levels=(0.1, 0.5, 0.9),
    )


def test_point_metrics_by_hand(scored) -> None:
    # Absolute errors: series 0: 2, 4; series 1: 1, 0, 4.
    assert metrics.mae(scored) == pytest.approx(11 / 5)
    assert metrics.rmse(scored) == pytest.approx((37 / 5) ** 0.5)
    assert metrics.mase(scored) == pytest.approx(((3 / 2) + (5 / 3) / 5) / 2)
    smape_0 = (200 * 2 / 22 + 200 * 4 / 36) / 2
    smape_1 = (200 * 1 / 9 + 0 + 200 * 4 / 12) / 3
    assert metrics.smape(scored) == pytest.approx((smape_0 + smape_1) / 2)
    assert metrics.mape(scored) == pytest.approx(((20 + 20) / 2 + (25 + 0 + 50) / 3) / 2)


def test_quantile_metrics_by_hand(scored) -> None:
    # Pinball losses at 0.1, 0.5, 0.9, window by window.
    losses = [
        (0.1 * 1, 0.5 * 2, 0.1 * 3),
        (0.1 * 5, 0.5 * 4, 0.9 * 2),
        (0.0, 0.5 * 1, 0.1 * 2),
        (0.9 * 1, 0.5 * 1, 0.1 * 1),
        (0.1 * 7, 0.5 * 4, 0.1 * 1),
    ]
    assert metrics.pinball(scored) == pytest.approx(np.mean(losses))
    assert metrics.coverage(scored) == pytest.approx(3 / 5)


def test_by_horizon_takes_each_step_apart(scored) -> None:
    steps = metrics.by_horizon(scored)
    assert steps["MAE"] == pytest.approx([1.0, 4.0])
    assert set(steps) == {"MASE", "sMAPE", "MAPE", "RMSE", "MAE", "pinball", "coverage"}


def test_zero_truth_and_zero_forecast_have_no_smape() -> None:
    zero = Scored(np.zeros((1, 2)), np.zeros((1, 2)), np.array([0]), np.array([1.0]))
    assert metrics.smape(zero) == 0


def test_seasonal_scale_by_hand() -> None:
    assert seasonal_scale(np.array([1.0, 5.0, 2.0, 9.0, NAN, 7.0]), 2) == pytest.approx(7 / 3)
    assert np.isnan(seasonal_scale(np.array([1.0, 1.0, 1.0]), 1))
    assert np.isnan(seasonal_scale(np.array([1.0]), 3))


@pytest.mark.skipif(not M4.exists(), reason="the M4 competition's files are not here")
def test_seasonal_naive_on_m4_hourly_is_the_published_row() -> None:
    """sMAPE 13.912, MASE 1.193 (M4 organisers' table of benchmarks)."""
    train, test = (_m4_rows(M4 / f"Hourly-{part}.csv") for part in ("train", "test"))
    season = 24
    point = np.stack([np.tile(y[-season:], 2) for y in train])
    scales = np.array([seasonal_scale(y, season) for y in train])
    scored = Scored(np.stack(test), point, np.arange(len(train)), scales)
    assert round(metrics.smape(scored), 3) == 13.912
    assert round(metrics.mase(scored), 3) == 1.193


def _m4_rows(path: Path) -> list[np.ndarray]:
    with path.open() as file:
        rows = list(csv.reader(file))[1:]
    return [np.array([float(v) for v in row[1:] if v not in ("", "NA")]) for row in rows]
