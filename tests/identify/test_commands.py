"""The task on the command line: train, predict, evaluate, inspect, check, and what is refused."""

import csv
import io
import json

import numpy as np
import pytest
import torch
from tests.identify.test_model import system

from unrolled.cli import run
from unrolled.tasks.identify import demo
from unrolled.tasks.identify.report import thinned
from unrolled.tasks.supervised import MODEL

torch.set_num_threads(1)
QUICK = ["--updates", "60", "--epochs", "2", "--hidden-size", "6", "--steps", "80"]
QUICK += ["--washout", "20"]


def _table(path, count=900):
    u, y = system(count)
    rows = "\n".join(f"{k * 0.1:.1f},{a},{b}" for k, (a, b) in enumerate(zip(u, y, strict=True)))
    path.write_text(f"t,u,y\n{rows}\n")
    return str(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    table = _table(folder / "bench.csv")
    asked = ["--test", "0:300", "--stretches", "100:200", "--output", str(folder), "--quiet"]
    assert run(["train", "identify", table, *QUICK, *asked]) == 0
    return folder / "bench-1", table


def test_a_run_has_scores_report_and_card(trained) -> None:
    folder, _ = trained
    tested = json.loads((folder / "metrics.json").read_text())["test"]
    assert list(tested) == [MODEL, "linear ARX", "linear FIR", "mean", "last value"]
    assert "RMSE 100:200" in tested[MODEL]
    page = (folder / "report.html").read_text()
    for part in ("the worst stretch", "beyond it", "rows 0 to 299", "linear FIR of"):
        assert part in page
    assert "fit" in (folder / "README.md").read_text()


def test_predictions_are_csv_in_original_units(trained, capsys, tmp_path) -> None:
    folder, table = trained
    assert run(["predict", str(folder), table, "--rows", "0:300"]) == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [int(line["row"]) for line in lines] == list(range(300))
    said = np.array([float(line["y"]) for line in lines])
    tested = json.loads((folder / "metrics.json").read_text())["test"][MODEL]
    _, y = system(900)
    error = np.sqrt(np.mean((said - y[:300])[20:] ** 2))
    # Nine digits are written.
    assert error == pytest.approx(tested["simulation RMSE"], rel=1e-4)
    # Inputs alone suffice to simulate, not to predict one step.
    alone = tmp_path / "u.csv"
    alone.write_text("u\n" + "\n".join(map(str, system(900)[0][:300])) + "\n")
    assert run(["predict", str(folder), str(alone), "--output", str(tmp_path / "o.csv")]) == 2
    assert "there is no column 't'" in capsys.readouterr().err
    alone.write_text("t,u\n" + "\n".join(f"{k},{v}" for k, v in enumerate(system(900)[0][:300])))
    assert run(["predict", str(folder), str(alone), "--output", str(tmp_path / "o.csv")]) == 0
    written = np.genfromtxt(tmp_path / "o.csv", delimiter=",", names=True)["y"]
    np.testing.assert_allclose(written, said, rtol=1e-6, atol=1e-6)
    assert run(["predict", str(folder), str(alone), "--one-step"]) == 2
    assert "outputs: there is no column 'y'" in capsys.readouterr().err


def test_evaluate_inspect_and_check(trained, capsys) -> None:
    folder, table = trained
    asked = ["--rows", "300:500", "--stretches", "400:", "--washout", "50"]
    assert run(["evaluate", str(folder), table, *asked]) == 0
    said = capsys.readouterr().out
    assert "150 samples after 50 of washout" in said
    assert "RMSE 400:" in said
    assert run(["inspect", str(folder)]) == 0
    assert "memory" in capsys.readouterr().out
    assert run(["check", "identify", table, "--show"]) == 0
    said = capsys.readouterr().out
    for part in ("every 0.1 s", "standardised:", "[windows, steps, inputs] = [32, 300, 1]", "xxx"):
        assert part in said


@pytest.mark.parametrize(
    ("content", "asked", "message"),
    [
        ("a,b,c\n1,2,3\n2,3,4\n", [], "which of the columns a, b, c are inputs and which outputs"),
        ("u,y\n1,2\n2,3\n3,4\n", ["--test", "0"], "samples in a row"),
        ("u,y\n1,2\n2,3\n3,4\n", ["--test", "5:9"], "--test 5:9 takes none of them"),
        ("u,y\n" + "1,2\n2,2\n" * 40, [], "the output y never changes"),
        ("u,y\n" + "1,2\n2,3\n" * 40, ["--feedback", "neither"], "feedback is 'neither'"),
        ("u,y\n" + "1,2\n2,3\n" * 40, ["--inputs", "v"], "inputs: there is no column 'v'"),
        ("", [], "is empty"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, content, asked, message) -> None:
    table = tmp_path / "s.csv"
    table.write_text(content)
    status = run(["train", "identify", str(table), *asked, "--output", str(tmp_path / "runs")])
    said = capsys.readouterr().err.strip()
    assert (status, message in said, "\n" in said) == (2, True, False), said
    assert not (tmp_path / "runs").exists()


def test_the_demo_simulates_duffings_equation() -> None:
    """Against an integrator with a step that is its own choice."""
    from scipy.integrate import solve_ivp

    data = demo.oscillator(400)
    force, position = data.records[0].inputs[:, 0], data.records[0].outputs[:, 0]
    d, k, a = (getattr(demo.Duffing(), name) for name in ("friction", "stiffness", "cubic"))
    state, wanted = np.zeros(2), []
    for x in force:
        slope = lambda t, s, x=x: [s[1], x - d * s[1] - k * s[0] - a * s[0] ** 3]  # noqa: E731
        state = solve_ivp(slope, (0, demo.SAMPLING), state, rtol=1e-9, atol=1e-10).y[:, -1]
        wanted.append(state[0])
    # Five standard deviations of the noise.
    np.testing.assert_allclose(position, wanted, atol=5 * demo.NOISE)
    assert np.std(position - wanted) == pytest.approx(demo.NOISE, rel=0.2)


def test_a_multisine_has_equal_sines_up_to_its_cut_off() -> None:
    signal = demo.multisine(1000, 0.1, 1.0)
    size = np.abs(np.fft.rfft(signal))
    # 1 Hz of 1,000 samples at 10 Hz is the 100th line.
    np.testing.assert_allclose(size[1:101], size[1], rtol=1e-9)
    assert size[101:].max() < 1e-9 * size[1]
    assert signal.std() == pytest.approx(1)


def test_long_lines_keep_their_extremes() -> None:
    y = np.sin(np.arange(50_000) / 300)
    y[[12_345, 40_000]] = 7, -9
    x, thin = thinned(np.arange(50_000), y)
    assert len(thin) <= 1200
    assert (thin.max(), thin.min()) == (7, -9)
    assert (np.diff(x) >= 0).all()
    np.testing.assert_array_equal(y[x], thin)
