"""Linear models against systems whose weights are known; measures against their definitions."""

import math

import numpy as np
import pytest
from sklearn.metrics import r2_score, root_mean_squared_error

from unrolled.data.systems import system_of
from unrolled.tasks.identify.baselines import LinearBaselines
from unrolled.tasks.identify.linear import Equations, LinearModel
from unrolled.tasks.identify.measures import (
    Predicted,
    fit_of,
    r2_of,
    rmse,
    scores_of,
    stretch_of,
    stretches_of,
)

# A little ridge, far below the precision that is asked for.
RIDGE = 1e-13


def _second_order(count: int, noise: float = 0.0, seed: int = 0):
    """y(t) = 1.5 y(t-1) - 0.7 y(t-2) + u(t) + 0.5 u(t-1) + 0.1, whose poles are at 0.84."""
    generator = np.random.default_rng(seed)
    u, y = generator.standard_normal(count), np.zeros(count)
    for t in range(count):
        past = [y[t - i] if t >= i else 0.0 for i in (1, 2)]
        y[t] = 1.5 * past[0] - 0.7 * past[1] + u[t] + 0.5 * (u[t - 1] if t else 0.0) + 0.1
    return u[:, None], y[:, None] + noise * generator.standard_normal((count, 1))


def test_arx_finds_the_weights_of_a_linear_system() -> None:
    u, y = _second_order(500)
    model = Equations.of([(u, y)], 4, 4).solve(2, 1, RIDGE)
    wanted = np.array([[1.5], [-0.7], [1.0], [0.5], [0.1]])
    # Float64; the normal equations square the condition, about 100 here.
    np.testing.assert_allclose(model.weights, wanted, atol=1e-8)
    np.testing.assert_allclose(model.simulate(u), y, atol=1e-5)
    np.testing.assert_allclose(model.one_step(u, y), y, atol=1e-7)


def test_every_order_of_the_equations_is_that_of_its_own() -> None:
    pairs = [_second_order(300, 0.1, seed) for seed in (0, 1)]
    large = Equations.of(pairs, 6, 9)
    # Both leave the first nine samples of a record out.
    trimmed = [np.concatenate([u, y], 1) for u, y in pairs]
    rows, targets = [], []
    for values in trimmed:
        for t in range(9, len(values)):
            past = [values[t - i, 1] for i in (1, 2, 3)]
            rows.append([*past, *(values[t - j, 0] for j in range(5)), 1.0])
            targets.append(values[t, 1])
    wanted = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0]
    np.testing.assert_allclose(large.solve(3, 4, RIDGE).weights[:, 0], wanted, atol=1e-8)


@pytest.mark.parametrize("outputs", [1, 2])
def test_simulation_reads_its_own_outputs(outputs) -> None:
    generator = np.random.default_rng(3)
    n, m, inputs = 3, 2, 2
    weights = 0.2 * generator.standard_normal((n * outputs + (m + 1) * inputs + 1, outputs))
    model, u = LinearModel(n, m, weights), generator.standard_normal((40, inputs))
    simulated = model.simulate(u)
    # Free running is one step ahead from what was simulated.
    np.testing.assert_allclose(model.one_step(u, simulated), simulated, atol=1e-12)


def test_a_diverging_simulation_is_infinite_without_a_warning() -> None:
    weights = np.array([[3.0], [1.0], [0.0], [0.0]])
    assert not np.isfinite(LinearModel(1, 1, weights).simulate(np.ones((2000, 1)))).all()


def test_orders_are_chosen_and_kept() -> None:
    u, y = _second_order(3000, 0.01)
    data = system_of(u, y)
    found = LinearBaselines.fit(data.between(0, 2000))
    scores = found.scores(data.between(2000, 3000), 100)
    assert list(scores) == ["linear ARX", "linear FIR", "mean", "last value"]
    # The noise of the measurement is what neither can simulate.
    assert scores["linear ARX"]["simulation RMSE"] == pytest.approx(0.01, rel=0.2)
    assert scores["mean"]["fit"] == pytest.approx(0, abs=2)
    assert "one-step RMSE" not in scores["linear FIR"]
    last = np.diff(y[2000:, 0])[99:]
    assert scores["last value"]["one-step RMSE"] == pytest.approx(math.sqrt(np.mean(last**2)))
    again = LinearBaselines.from_dict(found.to_dict(), found.tensors)
    assert again.scores(data, 7) == found.scores(data, 7)


def test_an_input_without_high_frequencies_does_not_blow_up_fir() -> None:
    """Many filters fit a slow input; those of large weights fail on any other part of it."""
    time = np.arange(4000)
    u = sum(np.sin(w * time + k) for k, w in enumerate(np.linspace(0.01, 0.15, 40)))
    y = np.convolve(u, 0.5 ** np.arange(20))[:4000]
    data = system_of(u, y)
    scores = LinearBaselines.fit(data.between(0, 3000)).scores(data.between(3000, 4000), 400)
    assert scores["linear FIR"]["fit"] > 95


# --- measures


def test_measures_are_their_definitions() -> None:
    generator = np.random.default_rng(0)
    y = generator.standard_normal((50, 2)) * [1, 20] + 3
    said = y + generator.standard_normal((50, 2))
    assert rmse(y, said) == pytest.approx(math.sqrt(np.mean((y - said) ** 2)))
    assert rmse(y[:, :1], said[:, :1]) == pytest.approx(
        root_mean_squared_error(y[:, 0], said[:, 0])
    )
    assert r2_of(y, said) == pytest.approx(r2_score(y, said))
    fits = [
        100 * (1 - np.linalg.norm(a - b) / np.linalg.norm(a - a.mean()))
        for a, b in zip(y.T, said.T, strict=True)
    ]
    assert fit_of(y, said) == pytest.approx(np.mean(fits))
    assert fit_of(y, y) == 100
    assert math.isnan(fit_of(np.ones((5, 1)), np.zeros((5, 1))))


def test_washout_and_stretches_choose_what_counts() -> None:
    u = np.arange(10.0)
    data = system_of([u, u], [np.zeros(10), np.zeros(10)])
    off = [np.arange(10.0)[:, None], np.full((10, 1), 100.0)]
    scores = scores_of(data, Predicted(off), 7, stretches_of("0:9,10:20"))
    # Samples 7, 8 and 9 of each record, rows 7 to 9 and 17 to 19, count.
    assert scores["simulation RMSE"] == pytest.approx(math.sqrt((49 + 64 + 81 + 3e4) / 6))
    assert scores["RMSE 0:9"] == pytest.approx(math.sqrt((49 + 64) / 2))
    assert scores["RMSE 10:20"] == pytest.approx(100)


@pytest.mark.parametrize("text", ["5", ":", "9:3", "a:b", "1:2:3", "-5:9"])
def test_rows_that_are_none(text) -> None:
    with pytest.raises(ValueError, match="--test"):
        stretch_of(text, "test")
