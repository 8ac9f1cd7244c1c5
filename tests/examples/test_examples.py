"""The worked examples: their numbers, against closed forms, torch.nn and loops by hand."""

import importlib.util
import math
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from unrolled.training.losses import bernoulli, cross_entropy

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))


def example(name):
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_each_is_short_and_draws_its_figure(script) -> None:
    text = script.read_text()
    assert len(text.splitlines()) < 100
    figures = re.findall(r"docs/examples/(\w+\.svg)", text)
    assert figures == [f"{script.stem}.svg"]
    assert (ROOT / "docs/examples" / figures[0]).read_text().rstrip().endswith("</svg>")


def test_every_figure_has_a_script() -> None:
    figures = {figure.stem for figure in (ROOT / "docs/examples").iterdir()}
    assert figures == {script.stem for script in SCRIPTS}


@pytest.mark.slow
def test_a_script_runs_from_anywhere_and_prints_a_table(tmp_path) -> None:
    for folder in ("examples", "docs/examples", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    script = shutil.copy(ROOT / "examples/moving_sum.py", tmp_path / "examples")
    command = [sys.executable, "-W", "error", script]
    printed = subprocess.check_output(command, cwd=tmp_path / "elsewhere", text=True)
    rows = [line for line in printed.splitlines() if line.startswith(("shift", "trained"))]
    for row in rows:
        assert row.split()[2:7] == ["1.000", "3.000", "6.000", "9.000", "12.000"]
    assert len(rows) == 2
    assert (tmp_path / "docs/examples/moving_sum.svg").stat().st_size > 5000


class TestMovingSum:
    def test_the_shift_register_is_exact_at_any_length(self) -> None:
        network = example("moving_sum").shift_register()
        first = network(torch.arange(1.0, 6.0)[None, :, None])[0, :, 0]
        assert first.tolist() == [1, 3, 6, 9, 12]
        # Sums of three whole numbers below 100 are exact in float32.
        x = torch.randint(-99, 100, (4, 1000, 1)).float()
        by_hand = [np.convolve(row, [1, 1, 1])[:1000] for row in x[..., 0].numpy()]
        assert network(x)[..., 0].tolist() == np.stack(by_hand).tolist()

    def test_the_linear_function_knows_the_steps_it_was_fitted_on_and_no_more(self) -> None:
        script = example("moving_sum")
        function = script.linear_function(*script.batch(500, script.T))
        # Unit vectors have the rows of alpha for outputs: three ones on and below the diagonal.
        ones = np.tri(script.T) - np.tri(script.T, k=-3)
        found = function(torch.eye(script.T)[..., None])[..., 0].T
        # Least squares of 500 equations in float32.
        np.testing.assert_allclose(found, ones, atol=1e-5)
        assert function(torch.ones(1, 50, 1)).shape == (1, script.T, 1)

    def test_no_function_of_one_input_beats_twice_its_variance(self) -> None:
        script = example("moving_sum")
        network = script.trained(nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1)))
        errors = torch.stack([script.errors(network, 60)[2:].mean() for _ in range(5)])
        # The variance in eighths is 1 + 1/768. The mean of 5 x 58000 squares of a normal number
        # of variance 2, of which neighbours are alike, is within 0.02 of it by four deviations.
        assert 2 * (1 + 1 / 768) - 0.03 < errors.mean() < 2.1

    def test_training_finds_it_too(self) -> None:
        script = example("moving_sum")
        network = script.trained(script.recurrent())
        x = torch.arange(1.0, 6.0)[None, :, None]
        # 1e-11 or so is seen; the steps beyond the 10 of training are no worse.
        assert network(x)[0, :, 0].tolist() == pytest.approx([1, 3, 6, 9, 12], abs=1e-3)
        assert script.errors(network, 300)[100:].max() < 1e-7


class TestElmanAndJordan:
    def test_the_tasks(self) -> None:
        script = example("elman_and_jordan")
        for task in script.TASKS:
            x, y = (t[..., 0].int().tolist() for t in script.batch(task, 8, 9))
            for given, wanted in zip(x, y, strict=True):
                last, expected = 0, []
                for t, bit in enumerate(given):
                    last ^= bit
                    expected.append(last if task == "parity" else given[t - 2] if t > 1 else 0)
                assert wanted == expected

    def test_jordan_learns_parity_by_teacher_forcing(self) -> None:
        script = example("elman_and_jordan")
        make, forcing = script.NETWORKS["Jordan, teacher forcing"]
        network = make()
        curve = script.learn(network, "parity", forcing)
        assert curve[0] > 0.6
        assert curve[-1] < 0.01
        # Ten times as long as any in training, running free.
        assert script.accuracy(network, *script.batch("parity", 100, 200)) == 1
        # By hand, a step at a time, with outputs rounded to bits.
        x, y = script.batch("parity", 10, 12)
        named = dict(network.cell.named_parameters())
        U, W, b = named["weight_ih"], named["weight_yh"], named["bias_h"]
        V, c = named["weight_hy"], named["bias_y"]
        bit = torch.zeros(10, 1)
        for t in range(12):
            h = torch.tanh(x[:, t] @ U.T + bit @ W.T + b)
            bit = (torch.sigmoid(h @ V.T + c) > 0.5).float()
            assert torch.equal(bit, y[:, t])

    def test_elman_remembers_what_jordan_cannot(self) -> None:
        script = example("elman_and_jordan")
        test = script.batch("delay", 2000, 20)
        networks = {}
        for name in ("Elman", "Jordan, teacher forcing"):
            make, forcing = script.NETWORKS[name]
            networks[name] = make()
            script.learn(networks[name], "delay", forcing)
        assert script.accuracy(networks["Elman"], *test) == 1
        x, y = test
        with torch.no_grad():
            o = networks["Jordan, teacher forcing"].run(x, targets=y, forcing="teacher").o
        # 36000 coins: within 1 % of log 2 and of a half by five deviations.
        assert bernoulli(o, y)[:, 2:].mean() > math.log(2) - 0.002
        right = ((o > 0) == (y > 0.5))[:, 2:].float().mean()
        assert right == pytest.approx(0.5, abs=0.014)


class TestTeacherForcing:
    def test_the_series_is_mackey_and_glass(self) -> None:
        script = example("teacher_forcing")
        torch.manual_seed(1)
        found = script.series(3, noise=0.0)[..., 0].double().numpy()
        torch.manual_seed(1)
        s = [0.5 + torch.rand(3, 1)[:, 0].double().numpy()] * 35
        for _ in range(1200):
            s.append(s[-1] + 0.1 * s[-35] / (1 + s[-35] ** 10) - 0.05 * s[-1])
        steps = np.stack(s[-600::6], axis=1)
        # Chaos: float32 rounding of 1e-7 grows by some hundreds over 600 units of time.
        np.testing.assert_allclose(found, (steps - steps.mean()) / steps.std(ddof=1), atol=1e-3)

    @pytest.mark.parametrize("forcing", ["teacher", "free"])
    def test_predictions_are_those_of_a_loop_by_hand(self, forcing) -> None:
        script = example("teacher_forcing")
        network, y = script.Network(script.FeedBack(script.GRU(1, 32), 1)), script.series(4)
        gru = nn.GRUCell(1, 32)
        gru.load_state_dict(network.cell.cell.state_dict())
        h, read, expected = torch.zeros(4, 32), torch.zeros(4, 1), []
        for t in range(script.PAST + script.AHEAD):
            h = gru(read, h)
            own = network.cell.readout(h)
            truth = t < script.PAST or forcing == "teacher"
            read = y[:, t] if truth else own
            expected.append(own)
        expected = torch.stack(expected, dim=1)[:, script.PAST :]
        # float32, a hundred steps of an untrained network, which contracts.
        found = script.predict(network, y, forcing)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)

    @pytest.mark.slow
    def test_the_truth_teaches_the_next_step_and_not_the_rest(self) -> None:
        script = example("teacher_forcing")
        test = script.series(300)
        forced, free = {}, {}
        for name in ("teacher", "free"):
            network = script.learn(script.FORCINGS[name])
            forced[name] = script.errors(network, test, "teacher").mean().item()
            free[name] = script.errors(network, test, "free").mean().item()
        # The noise alone has a variance of 0.09.
        assert 0.09 < forced["teacher"] < 0.9 * forced["free"]
        assert free["teacher"] > 3 * forced["teacher"]
        # The gap between use and training is less where training was as use.
        gaps = {name: free[name] / forced[name] for name in free}
        assert gaps["free"] < 0.9 * gaps["teacher"]


class TestAddingProblem:
    def test_the_task(self) -> None:
        script = example("adding_problem")
        x, y = script.batch(2000, 50)
        assert (x[:, :25, 1].sum(1) == 1).all()
        assert (x[:, 25:, 1].sum(1) == 1).all()
        marked = [sum(v for v, mark in row if mark) for row in x.tolist()]
        assert y[:, 0].tolist() == pytest.approx(marked, abs=1e-6)
        # The squares of 2000 sums spread by 0.2: their mean by 0.0045.
        assert (y - 1).square().mean() == pytest.approx(script.ALWAYS_ONE, abs=0.02)

    @pytest.mark.slow
    @pytest.mark.parametrize("cell", ["GRU", "LSTM"])
    def test_gates_solve_two_hundred_steps(self, cell) -> None:
        torch.manual_seed(0)
        assert example("adding_problem").learn(cell)[-1] < 0.01

    @pytest.mark.slow
    def test_elman_does_not(self) -> None:
        script = example("adding_problem")
        # A little better than always 1 at most.
        assert script.learn("Elman", settings=replace(script.SETTINGS, epochs=8))[-1] > 0.14


class TestCopyMemory:
    def test_the_task(self) -> None:
        script = example("copy_memory")
        x, y = script.batch(5, 7)
        tokens = x.argmax(-1)
        assert x.shape == (5, 27, 10)
        assert (x.sum(-1) == 1).all()
        for read, written in zip(tokens.tolist(), y.tolist(), strict=True):
            symbols = read[:10]
            assert read == symbols + 6 * [0] + [9] + 10 * [0]
            assert written == 17 * [0] + symbols
            assert all(1 <= symbol <= 8 for symbol in symbols)

    def test_the_least_loss_without_memory(self) -> None:
        script = example("copy_memory")
        _, y = script.batch(4, 30)
        # Blanks for sure, then any symbol alike; 40 is as good as sure in float32.
        o = torch.zeros(4, 50, 9)
        o[:, :40, 0], o[:, 40:, 0] = 40, -40
        assert script.without_memory(30) == pytest.approx(cross_entropy(o, y).mean().item())

    @pytest.mark.slow
    def test_gates_remember(self) -> None:
        script = example("copy_memory")
        network = script.initialise(script.Network(script.GRU(10, 128), 9), "chrono:50")
        settings = replace(script.SETTINGS, epochs=10)
        curve = script.learn(network, 30, settings)
        # 0.4 to 0.48 of it over three seeds, with 55 to 64 % right, where guessing has 12.5 %.
        assert curve[-1] < 0.65 * script.without_memory(30)
        assert script.recalled(network, *script.batch(500, 30)) > 0.35
