"""The command line: what it prints, what it writes, and one line for whatever is wrong."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

import unrolled as ur
from forecast.tables import hourly, with_gaps
from unrolled import cli

QUICK = ["--updates", "8", "--epochs", "2", "--hidden-size", "4"]


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    """Every command runs in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def table(inside):
    """Two series with gaps, doubled and shuffled rows, and some columns beside the target."""
    frame = with_gaps(hourly(steps=24 * 12)).with_columns((pl.col("y") * 2).alias("load"))
    frame.write_csv("table.csv")
    return "table.csv"


def _run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = cli.run(list(arguments))
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def _files() -> list[str]:
    return sorted(os.listdir())


def test_train_predict_evaluate_and_load(table, capsys) -> None:
    status, out, err = _run(
        capsys, "train", "forecast", table, "--target", "y", "--horizon", "6", *QUICK
    )
    assert (status, err) == (0, "")
    words = [line.split()[0] for line in out.splitlines() if line[0] != " "]
    assert words == [
        "data",
        "split",
        "baseline",
        "model",
        "epoch",
        "ended",
        "test",
        "saved",
        "next",
    ]
    assert "restored" in out
    assert "linear" in out
    assert len(out.splitlines()) <= 25
    folder = "runs/table-1"
    assert sorted(os.listdir(folder)) == [
        "README.md", "config.json", "history.safetensors",
        "metrics.json", "model.safetensors", "report.html",
    ]  # fmt: skip

    metrics = json.loads(Path(folder, "metrics.json").read_text())
    data = ur.read_series(table, target="y")
    model = ur.load(folder)
    backtest = model.backtest(data)
    assert metrics["test"]["model"]["MASE"] == pytest.approx(backtest.scores["model"]["MASE"])

    status, out, _ = _run(capsys, "predict", folder)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (status, len(rows)) == (0, 12)
    assert list(rows[0]) == ["name", "time", "q10", "q50", "q90"]
    assert float(rows[0]["q50"]) == pytest.approx(model.predict().point[0, 0])

    status, out, _ = _run(capsys, "predict", folder, table, "--output", "next.parquet")
    assert (status, out) == (0, "")
    expected = model.predict(table).to_polars()
    assert pl.read_parquet("next.parquet").equals(expected)

    status, out, _ = _run(capsys, "evaluate", folder, table, "--output", "scores.csv")
    assert status == 0
    assert "seasonal naive" in out
    scores = pl.read_csv("scores.csv")
    assert scores["MASE"][0] == pytest.approx(backtest.scores["model"]["MASE"])

    status, out, _ = _run(capsys, "inspect", folder)
    assert status == 0
    assert "lstm 3x4" in out


def test_air_passengers_from_end_to_end(capsys) -> None:
    status, out, _ = _run(
        capsys, "train", "forecast", "air_passengers", "--horizon", "6", "--test", "1959-01", *QUICK
    )
    assert status == 0
    assert "144 months 1949-01 .. 1960-12, season 12" in out
    report = Path("runs/air-passengers-1/report.html").read_text()
    assert "passengers" in report
    assert len(report) > 20_000
    model = ur.load("runs/air-passengers-1")
    last = model.backtest(ur.read_series("air_passengers"), "1959-01").by_horizon
    # Box and Jenkins' series: seasonal naive of the sixth month from 1959-06 to 1960-12.
    assert last["seasonal naive"]["MAPE"][5] == pytest.approx(10.71, abs=0.01)


def test_runs_are_numbered_and_quiet_prints_the_folder(capsys) -> None:
    command = ["train", "forecast", "air_passengers", "--horizon", "3", "--quiet", *QUICK]
    assert _run(capsys, *command) == (0, "runs/air-passengers-1\n", "")
    assert _run(capsys, *command) == (0, "runs/air-passengers-2\n", "")


def test_no_test_part_is_possible(capsys) -> None:
    status, out, _ = _run(
        capsys, "train", "forecast", "air_passengers", "--test", "0", "--horizon", "3", *QUICK
    )
    assert status == 0
    assert "no test" in out
    model = ur.load("runs/air-passengers-1")
    assert str(model.predict().times[0, 0]).startswith("1961-01")


def test_a_run_goes_on_from_the_end_of_the_table(table, capsys) -> None:
    _run(capsys, "train", "forecast", table, "--target", "y", "--horizon", "6", *QUICK)
    data = ur.read_series(table, target="y")
    first = ur.load("runs/table-1").predict().times[:, 0]
    assert [time == s.times(s.n, 1)[0] for time, s in zip(first, data, strict=True)] == [True, True]


def test_a_lone_series_is_known_by_any_file_name(capsys) -> None:
    hourly(names=("a",), steps=24 * 12).drop("name").write_csv("old.csv")
    Path("new.csv").write_bytes(Path("old.csv").read_bytes())
    _run(capsys, "train", "forecast", "old.csv", "--horizon", "6", *QUICK)
    scores = [_run(capsys, "evaluate", "runs/old-1", name)[1] for name in ("old.csv", "new.csv")]
    assert scores[0] == scores[1]
    status, _, err = _run(capsys, "evaluate", "runs/old-1", "new.csv", "--start", "200")
    assert status == 0
    assert "begin inside the part that the model learned from" in err


def test_repairs_are_said_when_predicting(table, capsys) -> None:
    _run(capsys, "train", "forecast", table, "--target", "y", "--horizon", "6", *QUICK)
    status, out, err = _run(capsys, "predict", "runs/table-1", table)
    assert status == 0
    assert "restored" in err
    assert "restored" not in out


def test_a_constant_can_be_forecast(capsys) -> None:
    frame = hourly(names=("a",), steps=200).with_columns(pl.lit(7.0).alias("y"))
    frame.write_csv("flat.csv")
    status, _, err = _run(
        capsys, *TRAIN, "flat.csv", "--target", "y", "--season", "24", "--horizon", "3", *QUICK
    )
    assert (status, err) == (0, "")
    assert ur.load("runs/flat-1").predict().point[0] == pytest.approx([7.0] * 3)


def test_check_trains_and_writes_nothing(table, capsys) -> None:
    status, out, _ = _run(capsys, "check", "forecast", table, "--target", "y")
    assert status == 0
    for words in ("restored", "masked", "series told apart by name", "ready"):
        assert words in out
    assert _files() == ["table.csv"]


TRAIN = ["train", "forecast"]
BAD = [
    ([*TRAIN, "nowhere.csv"], "no file nowhere.csv"),
    ([*TRAIN, "."], "directory"),
    ([*TRAIN, "table.csv", "--target", "yy"], "did you mean 'y'"),
    ([*TRAIN, "table.csv", "--target", "y", "--time", "tme"], "did you mean 'time'"),
    ([*TRAIN, "table.csv", "--target", "y", "--future", "lod"], "did you mean 'load'"),
    ([*TRAIN, "table.csv", "--target", "y", "--horizn", "3"], "--horizon"),
    ([*TRAIN, "table.csv", "--target", "y", "--horizon", "0"], "horizon"),
    ([*TRAIN, "table.csv", "--target", "y", "--horizon", "x"], "--horizon"),
    ([*TRAIN, "table.csv", "--target", "y", "--horizon", "200"], "shorter than"),
    ([*TRAIN, "table.csv", "--target", "y", "--cell", "lsmt"], "did you mean 'lstm'"),
    ([*TRAIN, "table.csv", "--target", "y", "--freq", "1hh"], "freq"),
    ([*TRAIN, "table.csv", "--target", "y", "--quantiles", "0.1;0.5"], "--quantiles"),
    ([*TRAIN, "table.csv", "--target", "y", "--quantiles", "0.1,0.9"], "0.5"),
    ([*TRAIN, "table.csv", "--target", "y", "--test", "tomorrow"], "tomorrow"),
    ([*TRAIN, "table.csv", "--target", "y", "--device", "warp"], "warp"),
    (["train", "forcast", "table.csv"], "did you mean 'forecast'"),
    (["predict", "runs/none"], "not a run folder"),
    (["predict", "table.csv"], "not a run folder"),
    (["evaluate", "runs/none", "table.csv"], "not a run folder"),
    (["demo", "spech"], "forecast"),
    (["check", "forecast", "table.csv", "--target", "y", "--horizon", "-3"], "horizon"),
    ([*TRAIN, "table.csv", "--target", "y", "--validation", "-5"], "validation"),
    ([*TRAIN, "table.csv", "--target", "y", "--validation", "3"], "one horizon"),
    ([*TRAIN, "table.csv", "--target", "y", "--validation", "999"], "too little to train on"),
    ([*TRAIN, "table.csv", "--target", "y", "--seed", "-1"], "seed"),
    ([*TRAIN, "table.csv", "--target", "y", "--test", "2020"], "2020-01"),
    ([*TRAIN, "table.csv", "--target", "y", "--threads", "0"], "--threads"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD)
def test_bad_arguments_get_one_line_and_write_nothing(table, capsys, arguments, words) -> None:
    status, out, err = _run(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert err.startswith("unrolled: ")
    assert err.count("\n") == 1
    assert words.lower() in err.lower()
    assert _files() == ["table.csv"]


TABLES = {
    "empty": ("", "empty"),
    "header only": ("time,y\n", "no rows"),
    "text in numbers": ("time,y\n2024-01-01,1\n2024-01-02,many\n2024-01-03,2\n", "many"),
    "no time": ("a,y\n1.5,2\n2.5,3\n", "time"),
    "infinite": ("time,y\n2024-01-01,1\n2024-01-02,inf\n2024-01-03,2\n", "infinite"),
    "too short": ("time,y\n2024-01-01,1\n2024-01-02,3\n2024-01-03,2\n", "shorter than"),
}


@pytest.mark.parametrize("name", TABLES)
def test_bad_tables_get_one_line_and_write_nothing(capsys, name) -> None:
    content, words = TABLES[name]
    with open("bad.csv", "w") as file:
        file.write(content)
    status, out, err = _run(capsys, *TRAIN, "bad.csv", "--target", "y", "--horizon", "2")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert words in err
    assert _files() == ["bad.csv"]


def test_help_and_version(capsys) -> None:
    assert _run(capsys, "--version")[:2] == (0, f"unrolled {ur.__version__}\n")
    status, out, _ = _run(capsys, *TRAIN, "--help")
    assert status == 0
    assert "--target" in out


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_training_leaves_a_usable_run(inside, stop) -> None:
    """Killed, the last checkpoint can be read; interrupted, the best is tested and reported."""
    command = [sys.executable, "-m", "unrolled", *TRAIN, "air_passengers", "--horizon", "6"]
    command += ["--updates", "1000000", "--epochs", "100000", "--patience", "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.split()[0] == "3":
                break
        time.sleep(0.2)
        process.send_signal(stop)
        rest = process.stdout.read()
        assert process.wait(60) == (-9 if stop == signal.SIGKILL else 0)
    folder = "runs/air-passengers-1"
    assert ur.load(folder).predict().point.shape == (1, 6)
    assert not [name for name in os.listdir(folder) if name.startswith(".")]
    if stop == signal.SIGINT:
        assert "ended     interrupted" in rest
        assert "report.html" in os.listdir(folder)


# Drawing cells


def test_engines_shows_what_is_here(capsys) -> None:
    status, out, _ = _run(capsys, "engines")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines() if not line.startswith(" ")] == [
        "native",
        "vendor",
        "eager",
    ]


def test_engines_asks_them_about_a_cell(inside, capsys) -> None:
    text = (
        "import unrolled as ur\n"
        "class Sorted(ur.Cell):\n"
        "    def __init__(self, i, h):\n"
        "        super().__init__(i, {'h': h})\n"
        "    def step(self, x, h):\n"
        "        return (h.sort(1)[0],)\n"
    )
    Path("mine.py").write_text(text)
    status, out, _ = _run(capsys, "engines", "mine.py:Sorted")
    flat = " ".join(out.split())
    assert status == 0
    assert "vendor cannot: torch.nn has no kernel for this Sorted" in flat
    assert "auto takes eager" in flat
    assert _run(capsys, "engines", "nonsense")[0] == 2
    Path("bare.py").write_text(text.replace("(h.sort(1)[0],)", "h"))
    for command in ("engines", "draw"):
        status, _, err = _run(capsys, command, "bare.py:Sorted")
        assert (status, "must return a tuple (h,)" in err) == (2, True)


def test_draw_writes_a_picture_or_prints_the_step(inside, capsys) -> None:
    assert _run(capsys, "draw", "elman") == (0, "drew      elman.svg\n", "")
    assert "<svg" in Path("elman.svg").read_text()
    for name in ("g.png", "g.pdf", "g.mmd", "g.dot"):
        status, _, err = _run(capsys, "draw", "gru", name, "--steps", "2")
        assert (status, err) == (0, "")
        assert Path(name).stat().st_size > 100
    status, out, _ = _run(capsys, "draw", "lstm", "-", "--hidden-size", "2")
    assert status == 0
    assert out.startswith("LSTM: x[3], h[2], c[2] -> h[2], c[2]\n")
    assert "c' = f * c + i * g" in out


MINE = """
import torch, unrolled as ur
class Leaky(ur.Cell):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, {"h": hidden_size})
        self.mix = torch.nn.Linear(input_size + hidden_size, hidden_size)
    def step(self, x, h):
        return (0.9 * h + 0.1 * torch.tanh(self.mix(torch.cat([x, h], 1))),)
class Sorted(Leaky):
    def step(self, x, h):
        return (h.sort(1)[0],)
"""


def test_draw_takes_a_cell_of_ones_own(inside, capsys) -> None:
    Path("mine.py").write_text(MINE)
    assert _run(capsys, "draw", "mine.py:Leaky", "--level", "operators")[0] == 0
    assert Path("leaky.svg").is_file()
    status, out, _ = _run(capsys, "draw", "mine.py:Leaky", "-")
    assert (status, "h' = 0.9 * h + 0.1 * tanh(" in out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lstmm"], ["did you mean 'lstm'"]),
        (["lstm", "a.jpg"], ["a.jpg", ".svg", ".png"]),
        (["lstm", "--level", "text"], ["level", "textbook"]),
        (["lstm", "--network", "both"], ["network", "bidirectional"]),
        (["none.py:Cell"], ["none.py", "no file"]),
        (["mine.py"], ["Leaky, Sorted", "mine.py:Class"]),
        (["mine.py:Lucky"], ["Leaky, Sorted"]),
        (["mine.py:Sorted"], ["aten.sort", "h.sort(1)"]),
        (["lstm", "--steps", "0"], ["steps"]),
        (["lstm", "no/such/folder/a.svg"], ["no/such/folder"]),
    ],
)
def test_bad_drawings_end_in_one_line(inside, capsys, arguments, words) -> None:
    Path("mine.py").write_text(MINE)
    status, out, err = _run(capsys, "draw", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert all(word in err for word in words), err
    assert _files() == ["mine.py"]
