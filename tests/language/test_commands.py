"""Language models on the command line: check, train, predict, evaluate, inspect, demo."""

import json
import re
from pathlib import Path

import pytest

import unrolled as ur
from unrolled import cli
from unrolled.data import Text
from unrolled.tasks.language import commands
from unrolled.tasks.language.results import MODEL

LINES = "the cat sat on the mat.\nthe dog sat on the log.\n" * 60
SMALL = ["--hidden-size", "16", "--embedding-size", "8", "--passes", "3", "--epochs", "2"]
SMALL += ["--batch-size", "4", "--steps", "16", "--learning-rate", "0.02", "--engine", "eager"]


@pytest.fixture
def text(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("pets.txt").write_text(LINES)
    return tmp_path


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = cli.run(list(arguments))
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_from_text_to_a_run_and_back(text, capsys) -> None:
    status, out, _ = run(capsys, "train", "language", "pets.txt", *SMALL)
    assert status == 0
    # Baselines come before training, the test after it.
    words = [line.split()[0] for line in out.splitlines() if line[:1] != " "]
    order = ["data", "split", "tokens", "baseline", "model", "epoch", "ended", "test", "saved"]
    assert [word for word in words if word in order] == order
    folder = Path("runs/pets-1")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (
        metrics["test"][MODEL]["nats per token"]
        < metrics["test"]["unigram, add-k"]["nats per token"]
    )
    card = (folder / "README.md").read_text()
    assert "# A language model of pets" in card
    assert "nats a token" in card
    page = (folder / "report.html").read_text()
    for title in ("Data", "Training", "Scores", "Worst passages", "What it writes", "Settings"):
        assert f">{title}</h2>" in page
    assert not re.search(r"(src|href)=.https?:", page)

    model = ur.load(folder)
    status, out, _ = run(capsys, "predict", str(folder), "the ", "--length", "20", "--seed", "3")
    assert (status, out) == (0, f"the {model.generate('the ', 20, seed=3)}\n")

    status, out, _ = run(capsys, "evaluate", str(folder), "pets.txt", "--learned", "pets.txt")
    assert status == 0
    found = model.evaluate("pets.txt", "pets.txt")
    for name, scores in found.scores.items():
        assert re.search(rf"{re.escape(name)} +{scores.loss:.4f} ", out)

    status, out, _ = run(capsys, "inspect", str(folder))
    assert (status, "memory" in out) == (0, True)
    assert "text that it wrote, 1" in (folder / "inspect.html").read_text()


def test_check_shows_the_way_from_text_to_tensor(text, capsys) -> None:
    status, out, _ = run(capsys, "check", "language", "pets.txt", "--show", "--tokens", "words")
    assert status == 0
    shown = [line for line in out.splitlines() if line.startswith(("text", "tokens", "ids"))]
    assert "text      the cat sat on the mat." in shown
    assert "tokens    'the' 'cat' 'sat' 'on' 'the' 'mat' '.'" in shown
    assert "[4, 7]" in out
    assert "[samples, steps, features] = [4, 7, 256]" in out
    assert not Path("runs").exists()


def test_an_unfinished_run_is_gone_on_with(text, capsys, monkeypatch) -> None:
    from unrolled.tasks.console import TrainingLog

    plain = run(capsys, "train", "language", "pets.txt", *SMALL, "--output", "whole")
    assert plain[0] == 0
    updated = TrainingLog.updated

    def dies(self, number, update) -> None:
        updated(self, number, update)
        if number == 40:
            raise SystemError("killed")

    monkeypatch.setattr(TrainingLog, "updated", dies)
    with pytest.raises(SystemError):
        run(capsys, "train", "language", "pets.txt", *SMALL, "--checkpoint", "0")
    monkeypatch.setattr(TrainingLog, "updated", updated)
    status, out, _ = run(capsys, "train", "language", "pets.txt", *SMALL, "--resume")
    assert (status, "resumed" in out) == (0, True)
    whole, resumed = (
        json.loads(Path(f"{folder}/pets-1/metrics.json").read_text())
        for folder in ("whole", "runs")
    )
    # Bit for bit: the carried state and what is drawn at random are taken up.
    assert whole["updates"] == resumed["updates"]
    assert whole["test"] == resumed["test"]


def test_without_a_test_part(text, capsys) -> None:
    status, out, _ = run(capsys, "train", "language", "pets.txt", *SMALL, "--test", "0")
    assert (status, "no test" in out, "\ntest " in out) == (0, True, False)
    assert "no scores" in Path("runs/pets-1/report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "language", "none.txt"], "there is no file none.txt"),
        (["train", "language", "pets.txt", "--tokens", "letters"], "choose from characters"),
        (["train", "language", "pets.txt", "--test", "1.5"], "test must lie between 0 and 1"),
        (["train", "language", "pets.txt", "--test", "0.9999"], "pets"),
        (["predict", "runs/none"], "is not a run folder"),
        (["check", "language"], "Missing argument"),
    ],
)
def test_bad_input_is_one_line(text, capsys, arguments, said) -> None:
    status, _, err = run(capsys, *arguments)
    assert status == 2
    assert said in err
    assert err.count("\n") == 1
    assert not Path("runs").exists() or not list(Path("runs").iterdir())


def test_odd_files(text, capsys) -> None:
    whole = "t\u00e9t\u00e9\r\n".encode() * 200
    Path("pets.txt").write_bytes(whole + b"\xe9t\xe9\r\n")
    status, out, _ = run(capsys, "check", "language", "pets.txt")
    assert status == 0
    assert "windows-1252" in out or "cp1252" in out
    Path("one.txt").write_text("a")
    status, out, err = run(capsys, "check", "language", "one.txt")
    assert (status, "ready" in out) == (2, False)
    assert "one is too short" in err
    Path("long.txt").write_text("a b c " * 5000)
    assert run(capsys, "check", "language", "long.txt")[0] == 0


def test_the_demo_needs_no_download(tmp_path, monkeypatch, capsys) -> None:
    seen = {}
    monkeypatch.setattr(commands, "train_and_report", lambda *given: seen.update(given=given))
    commands.demo(tmp_path, quiet=True)
    model, text, test, _ = seen["given"]
    assert isinstance(text, Text)
    assert text.characters > 300_000
    assert test == 0.1
    model.check_arguments()


def test_the_warm_up_that_is_asked_for_is_used(text, capsys) -> None:
    told = []
    # 0.1 is what other tasks use where nobody says.
    for more in ([], ["--warm-up", "0.1"]):
        assert run(capsys, "train", "language", "pets.txt", *SMALL, *more)[0] == 0
        folder = sorted(Path("runs").iterdir())[-1]
        told.append(json.loads((folder / "config.json").read_text())["arguments"]["optimisation"])
    assert [each["warm_up"] for each in told] == [0.03, 0.1]


def test_tune_searches_then_trains_the_best(text, capsys) -> None:
    quick = [*SMALL, "--passes", "1", "--epochs", "1"]
    search = ["--search", "cell=gru,elman", "--trials", "2"]
    status, out, _ = run(capsys, "tune", "language", "pets.txt", *quick, *search)
    assert status == 0
    rows = [line for line in out.splitlines() if re.match(r" +\d +\d\.\d{4} +(gru|elman) ", line)]
    assert len(rows) == 2
    best = min(rows, key=lambda row: float(row.split()[1])).split()[2]
    config = json.loads(Path("runs/pets-1/config.json").read_text())
    assert config["arguments"]["cell"] == best
    assert "test" in json.loads(Path("runs/pets-1/metrics.json").read_text())
