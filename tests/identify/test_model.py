"""The estimator: what it learns, keeps, refuses; networks against their definitions."""

import json
import math
import re

import numpy as np
import pytest
import torch
from sklearn.base import clone

from unrolled.data.errors import DataError
from unrolled.data.systems import system_of
from unrolled.nn import Recurrent
from unrolled.tasks.identify import SystemIdentifier
from unrolled.tasks.identify.encoded import EncodedSystem
from unrolled.tasks.identify.network import (
    LAGS,
    PredictionNetwork,
    SimulationNetwork,
    expected,
    fit_memory,
    squared_errors,
)
from unrolled.tasks.identify.plan import plan_for, usual_length
from unrolled.tasks.runs import RunError
from unrolled.tasks.supervised import MODEL

torch.set_num_threads(1)
QUICK = {"updates": 200, "epochs": 2, "hidden_size": 8, "steps": 80, "washout": 30}
QUICK |= {"learning_rate": 0.01}


def system(count: int = 1500, seed: int = 0):
    """A resonance, bent: w + w^2 / 2, and noise of 0.01."""
    generator = np.random.default_rng(seed)
    u, w = generator.standard_normal(count), np.zeros(count)
    for t in range(2, count):
        w[t] = 1.4 * w[t - 1] - 0.7 * w[t - 2] + 0.2 * u[t - 1]
    return u, w + w**2 / 2 + 0.01 * generator.standard_normal(count)


@pytest.fixture(scope="module")
def fitted() -> SystemIdentifier:
    u, y = system()
    return SystemIdentifier(**QUICK, seed=1).fit(u, y)


def test_learns_what_linear_models_cannot(fitted) -> None:
    found = fitted.evaluate(*system(1000, seed=5))
    assert found.beats
    assert found.best_baseline in ("linear ARX", "linear FIR")
    assert found.own["simulation RMSE"] < 0.6 * found.scores["linear ARX"]["simulation RMSE"]
    assert "970 samples after 30 of washout" in found.verdict()


def test_simulates_arrays_of_any_form(fitted) -> None:
    u, y = system(200, seed=2)
    flat, column = fitted.simulate(u), fitted.simulate(u[:, None])
    assert flat.shape == (200, 1)
    np.testing.assert_array_equal(flat, column)
    several = fitted.simulate([u[:120], u])
    # Padding changes nothing but the order of a few roundings of float32.
    np.testing.assert_allclose(several[0], flat[:120], atol=1e-5)
    np.testing.assert_allclose(several[1], flat, atol=1e-5)
    ahead = fitted.predict(u, y)
    assert np.sqrt(np.mean((ahead[30:, 0] - y[30:]) ** 2)) < 0.1
    # A simulation sees no output, a prediction none of the present or the future.
    changed = np.concatenate([y[:150], y[150:] + 5])
    np.testing.assert_array_equal(fitted.predict(u, changed)[:151], ahead[:151])


def test_same_seed_same_numbers(fitted) -> None:
    again = SystemIdentifier(**QUICK, seed=1).fit(*system())
    for name, weight in fitted.fitted_.network.state_dict().items():
        assert torch.equal(again.fitted_.network.state_dict()[name], weight), name


def test_a_run_is_opened_as_it_was_saved(fitted, tmp_path) -> None:
    opened = SystemIdentifier.load(fitted.save(tmp_path / "run"))
    u, y = system(300, seed=3)
    assert opened.evaluate(u, y).scores == fitted.evaluate(u, y).scores
    np.testing.assert_array_equal(opened.predict(u, y), fitted.predict(u, y))
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["plan"]["washout"] == 30
    (tmp_path / "run" / "config.json").write_text("{}")
    with pytest.raises(RunError):
        SystemIdentifier.load(tmp_path / "run")


@pytest.mark.parametrize(
    "given",
    [
        {"feedback": "prediction"},
        {"feedback": "prediction", "cell": "gru"},
        {"cell": "lstm", "num_layers": 2, "dropout": 0.1},
        {"cell": "elman", "initialisation": "orthogonal:0.9"},
    ],
)
def test_every_kind_trains_saves_and_opens(given, tmp_path) -> None:
    u, y = system(600)
    model = SystemIdentifier(**{**QUICK, "updates": 10}, **given)
    inputs, outputs = np.stack([u, u**2], 1), np.stack([y, -y], 1)
    model.fit(inputs, outputs)
    scores = model.evaluate(inputs, outputs).scores[MODEL]
    assert set(scores) == {"fit", "simulation RMSE", "R2", "one-step RMSE"}
    opened = SystemIdentifier.load(model.save(tmp_path / "run"))
    np.testing.assert_array_equal(opened.simulate(inputs), model.simulate(inputs))


def test_a_network_that_reads_its_output_is_trained_on_the_measured_one() -> None:
    u, y = system(600)
    model = SystemIdentifier(**{**QUICK, "updates": 100}, feedback="prediction").fit(u, y)
    found = model.evaluate(*system(600, seed=4))
    assert found.own["one-step RMSE"] < 0.5 * found.scores["last value"]["one-step RMSE"]
    assert found.own["one-step RMSE"] < found.own["simulation RMSE"]


# --- networks


def test_a_simulation_network_is_its_equations() -> None:
    torch.manual_seed(0)
    network = SimulationNetwork(Recurrent("elman", 2, 5), 3)
    u, y = torch.randn(2, 9, 2), torch.randn(2, 9, 3)
    cell, h, wanted = network.recurrent.cells[0], torch.zeros(2, 5), []
    for t in range(9):
        (h,) = cell.step(u[:, t], h)
        wanted.append(h @ network.readout.weight.T + u[:, t] @ network.through.weight.T)
    # float32, the same sums in another order.
    torch.testing.assert_close(network.simulate(u), torch.stack(wanted, 1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(network.one_step(u, y), network.simulate(u), rtol=0, atol=0)
    network.memory[:2] = torch.tensor([[0.5, 0.1, 0.0], [-0.2, 0.0, 0.3]])
    residual = y - network.simulate(u)
    ahead = network.one_step(u, y)
    for t in range(2, 9):
        added = network.memory[0] * residual[:, t - 1] + network.memory[1] * residual[:, t - 2]
        torch.testing.assert_close(ahead[:, t], (y - residual)[:, t] + added)
    torch.testing.assert_close(ahead[:, 0], (y - residual)[:, 0])


def test_a_prediction_network_reads_the_truth_or_itself() -> None:
    torch.manual_seed(0)
    network = PredictionNetwork(Recurrent("elman", 3, 4).cells[0], 1)
    u, y = torch.randn(2, 7, 2), torch.randn(2, 7, 1)
    ahead, free = network.one_step(u, y), network.simulate(u)
    # Fed with what it simulates it predicts the same.
    torch.testing.assert_close(network.one_step(u, free), free, rtol=1e-5, atol=1e-6)
    later = y.clone()
    later[:, 3:] += 1
    assert torch.equal(network.one_step(u, later)[:, :4], ahead[:, :4])
    assert not torch.equal(network.one_step(u, later)[:, 4], ahead[:, 4])


def test_an_autoregression_of_residuals_is_found() -> None:
    """e(t) = 0.8 e(t-1) - 0.3 e(t-2) + white noise: least squares finds both."""
    generator = torch.Generator().manual_seed(0)
    e = torch.zeros(6000, 1)
    noise = torch.randn(6000, 1, generator=generator)
    for t in range(2, 6000):
        e[t] = 0.8 * e[t - 1] - 0.3 * e[t - 2] + noise[t]
    memory = fit_memory([e[:4000]], [e[4000:]], 10)
    # Standard errors of sqrt((1 - 0.09) / 4000) = 0.015: 4 of them; the rest are near zero.
    torch.testing.assert_close(memory[:2, 0], torch.tensor([0.8, -0.3]), rtol=0, atol=0.06)
    assert memory[2:].abs().max() < 0.06
    left = (e[4000:] - expected(e[None, 4000:], memory)[0])[10:]
    assert left.std() == pytest.approx(1, abs=0.06)
    white = torch.randn(300, 1, generator=generator)
    # Too short for any lag: nothing is expected.
    assert not fit_memory([white[:8]], [white[8:16]], 10).any()
    assert memory.shape == (LAGS, 1)


def test_only_valid_steps_after_the_washout_count() -> None:
    said, outputs = torch.zeros(2, 6, 2), torch.ones(2, 6, 2)
    outputs[1] = 3
    total = squared_errors(said, {"outputs": outputs, "lengths": torch.tensor([6, 4])}, 3)
    # Steps 3, 4, 5 of the first and step 3 of the second, two numbers each.
    assert (float(total.total), float(total.count)) == (6 * 1 + 2 * 9, 8)
    whole = squared_errors(said, {"outputs": outputs}, 0)
    assert float(whole.count) == 24


def test_examples_are_windows_of_the_longest_record() -> None:
    data = system_of([np.arange(50.0), np.arange(500.0)], [np.arange(50.0), np.arange(500.0)])
    coding = SystemIdentifier().learn_coding(data)
    encoded = EncodedSystem.of(coding, data)
    batch = encoded.windows(100, 5)
    assert batch["inputs"].shape == (5, 100, 1)
    assert torch.equal(batch["inputs"][0], encoded.inputs[1][:100])
    assert torch.equal(batch["outputs"][-1], encoded.outputs[1][-100:])
    # Records of at least 500 samples hold half of all samples, and a window no more than 300.
    assert usual_length(data.lengths) == 500
    assert (plan_for("pnlss", data).steps, plan_for("pnlss", data).washout) == (300, 50)


# --- parts and mistakes


def test_parts_are_stretches_of_time() -> None:
    u, y = system(1000)
    data, model = system_of(u, y), SystemIdentifier(stretches="0:100,100:200")
    learned, test = model.held_out_to_test(data, "0:250")
    assert (test.rows(), learned.rows()) == ("rows 0 to 249", "rows 250 to 999")
    kept, held = model.divide(learned)
    assert (kept.rows(), held.rows()) == ("rows 250 to 849", "rows 850 to 999")
    assert model.describe_split(learned, test) == (
        "train on 600 samples, validate on 150, rows 850 to 999 | test on 250, rows 0 to 249"
    )
    keys = [metric.key for metric in model.metrics]
    assert keys[-2:] == ["RMSE 0:100", "RMSE 100:200"]
    assert SystemIdentifier().held_out_to_test(data, "0") == (data, None)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("2000:3000", "takes none of them: system has rows 0 to 999"),
        ("0:1000", "takes all of them"),
        ("1.5", "must be a share below 1, rows such as 0:40000, or a file"),
        ("nowhere.csv", "must be a share below 1, rows such as 0:40000, or a file"),
        ("500:", "stretches has 0:100, of which system (rows 500 to 999) has no row"),
        ("0", "stretches are of a test part, and there is none"),
    ],
)
def test_parts_that_cannot_be(asked, message) -> None:
    data = system_of(*system(1000))
    with pytest.raises(ValueError, match=re.escape(message)):
        SystemIdentifier(stretches="0:100").held_out_to_test(data, asked)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"validation": 0}, "validation must hold some samples out"),
        ({"feedback": "both"}, "feedback is 'both'; choose from simulation, prediction"),
        ({"feedback": "prediction", "num_layers": 2}, "num_layers must be 1 with feedback"),
        ({"feedback": "prediction", "dropout": 0.2}, "dropout must be 0 with feedback"),
        ({"steps": 20, "washout": 20}, "washout must be less than the 20 steps"),
        ({"steps": 5000}, "no record has the 5000 samples of a window, the longest has 480"),
        ({"washout": 150, "steps": 200}, "longer than the washout of 150 samples"),
        ({"stretches": "9:1"}, "--stretches 9:1 holds no row"),
        ({"cell": "pnls"}, "did you mean 'pnlss'?"),
    ],
)
def test_arguments_that_make_no_sense(given, message) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        SystemIdentifier(**given).fit(*system(600))


def test_data_without_anything_to_learn(fitted) -> None:
    u, y = system(300)
    with pytest.raises(DataError, match="the output y never changes in the part"):
        SystemIdentifier().fit(u, 0 * y)
    with pytest.raises(DataError, match=r"no input \(u\) changes in the part"):
        SystemIdentifier().fit(0 * u, y)
    with pytest.raises(DataError, match=r"the model has 1 inputs \(u\), system has 2"):
        fitted.simulate(np.zeros((50, 2)))
    with pytest.raises(DataError, match="longer than the washout of 30 samples"):
        fitted.evaluate(u[:20], y[:20])


def test_inputs_beyond_the_range_of_training_are_said(fitted) -> None:
    u, y = system(400, seed=6)
    u = 0.5 * u
    u[200:220] = 50
    found = fitted.evaluate(u, y)
    assert [f.count for f in found.findings if "beyond the range of training" in f.text] == [20]
    assert all(math.isfinite(value) for value in found.own.values())


def test_arguments_are_those_of_scikit_learn() -> None:
    model = clone(SystemIdentifier(inputs=["V1"], cell="gru", washout=7))
    assert model.get_params()["washout"] == 7
    assert model.inputs == ["V1"]
