"""Captions on the command line: check, train, predict, evaluate, inspect, demo."""

import json
import re
from pathlib import Path

import pytest

import unrolled as ur
from caption.conftest import squares
from unrolled import cli
from unrolled.tasks.caption import commands, composed_digits
from unrolled.tasks.caption.baselines import COMMONEST, NEAREST
from unrolled.tasks.supervised import MODEL

SMALL = ["--hidden-size", "12", "--channels", "4", "--epochs", "2", "--batch-size", "16"]
SMALL += ["--learning-rate", "0.01", "--engine", "eager"]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return squares(60).write("squares")


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = cli.run(list(arguments))
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_from_a_folder_to_a_run_and_back(folder, capsys) -> None:
    status, out, _ = run(capsys, "train", "caption", "squares", "--attention", "luong", *SMALL)
    assert status == 0
    words = [line.split()[0] for line in out.splitlines() if line[:1] != " "]
    order = ["data", "split", "images", "words", "baseline", "model", "epoch", "ended", "test"]
    assert [word for word in words if word in order] == order
    assert "train on 43 images, validate on 5 | test on 12" in out
    run_folder = Path("runs/squares-1")
    metrics = json.loads((run_folder / "metrics.json").read_text())
    assert set(metrics["test"]) == {MODEL, COMMONEST, NEAREST}
    assert "# Captions of squares" in (run_folder / "README.md").read_text()
    page = (run_folder / "report.html").read_text()
    titles = ("Data", "Training", "Scores", "Worst cases", "Where it looks", "Settings")
    for title in titles:
        assert f">{title}</h2>" in page
    assert page.count("data:image/png;base64") > 16
    assert not re.search(r"(src|href)=.https?:", page)

    model = ur.load(run_folder)
    status, out, _ = run(capsys, "predict", "runs/squares-1", "squares")
    said = model.predict_probable("squares")
    lines = [f"{k:03d}.png  {c.probability:.3f}  {c.text}" for k, (c,) in enumerate(said)]
    assert (status, out.splitlines()) == (0, [line.rstrip() for line in lines])
    status, out, _ = run(capsys, "predict", "runs/squares-1", "squares", "--output", "said.csv")
    assert (status, out) == (0, "said.csv: 60 captions\n")
    assert Path("said.csv").read_text().splitlines()[0] == "image,caption,probability"
    status, _, err = run(capsys, "predict", "runs/squares-1", "squares/captions.csv")
    assert (status, "neither an image nor a folder of images" in err) == (2, True)
    status, out, _ = run(capsys, "predict", "runs/squares-1", "squares/007.png", "--best", "3")
    assert (status, len(out.splitlines())) == (0, 3)

    status, out, _ = run(capsys, "evaluate", "runs/squares-1", "squares")
    assert status == 0
    assert model.evaluate("squares").verdict() in out
    status, out, _ = run(capsys, "inspect", "runs/squares-1")
    assert status == 0
    assert "squares" in out


def test_check_shows_the_way_to_tensors(folder, capsys) -> None:
    status, out, _ = run(capsys, "check", "caption", "squares", "--show")
    assert status == 0
    assert "squares: 60 images of 16 x 16, grey; 120 captions of 4 to 6 words" in out
    assert "'a' 'square' 'at' 'the'" in out
    assert "[images, channels, height, width] = [3, 1, 16, 16]" in out
    assert "[captions, words] = [6, 7], each with its end" in out
    assert "xxxxxx." in out
    assert not Path("runs").exists()


def test_reading_options(folder, capsys) -> None:
    status, out, _ = run(capsys, "check", "caption", "squares", "--size", "24x32", "--colour")
    assert status == 0
    assert "60 images of 32 x 24, colour" in out
    table = Path("squares/captions.csv")
    Path("mine.csv").write_text("\n".join(table.read_text().splitlines()[:21]))
    status, out, _ = run(capsys, "check", "caption", "squares", "--captions", "mine.csv")
    assert "squares: 10 images" in out


def test_a_table_may_be_the_test(folder, capsys) -> None:
    header, *rows = Path("squares/captions.csv").read_text().splitlines()
    Path("squares/captions.csv").unlink()
    for name, some in (("train", rows[:80]), ("test", rows[80:])):
        Path(f"squares/{name}.csv").write_text("\n".join([header, *some]))
    status, out, _ = run(
        capsys, "train", "caption", "squares/train.csv", "--test", "squares/test.csv", *SMALL
    )
    assert status == 0
    assert "train on 36 images, validate on 4 | test on 20" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "caption", "nothing"), "there is no file nothing"),
        (("train", "caption", "squares", "--size", "big"), "--size must be a side such as 64"),
        (("train", "caption", "squares", "--test", "2"), "--test must be a share below 1"),
        (("check", "caption", "empty"), "has no images"),
        (("train", "caption", "squares", "--captions", "c.csv"), "did you mean 'captions.csv'?"),
    ],
)
def test_mistakes_are_one_line(folder, capsys, arguments, message) -> None:
    Path("empty").mkdir()
    status, _, err = run(capsys, *arguments)
    assert status != 0
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_demo(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(commands, "DEMO_IMAGES", 40)
    monkeypatch.setattr(commands, "DEMO_EPOCHS", 1)
    status, out, _ = run(capsys, "demo", "caption")
    assert status == 0
    assert "digits: 40 images of 40 x 40, grey; 40 captions" in out
    assert "test on 8" in out
    assert Path("runs/digits-1/report.html").exists()
    status, out, _ = run(capsys, "inspect", "runs/digits-1")
    assert status == 0
    assert "A thousandth of the gradient" in out or "More than a thousandth" in out


def test_the_example_is_written_as_a_user_would_bring_it(tmp_path, capsys) -> None:
    composed_digits(20).write(tmp_path / "digits")
    first = (tmp_path / "digits" / "captions.csv").read_text().splitlines()[:2]
    assert first[0] == "file,caption,group"
    status, out, _ = run(capsys, "check", "caption", str(tmp_path / "digits"))
    assert status == 0
    assert "10 groups, each on one side of a split" in out
