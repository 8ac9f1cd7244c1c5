"""Models of rolls on the command line: check, train, predict, evaluate, inspect, demo."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import unrolled as ur
from unrolled import cli
from unrolled.data.midi import read_midi, write_midi
from unrolled.data.rolls import read_rolls
from unrolled.tasks.music import MusicModel, commands
from unrolled.tasks.music.progressions import progressions
from unrolled.tasks.supervised import MODEL

torch.set_num_threads(1)

SMALL = ["--hidden-size", "16", "--epochs", "2", "--batch-size", "4", "--engine", "eager"]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder of MIDI files, in which commands run."""
    monkeypatch.chdir(tmp_path)
    for place, piece in enumerate(progressions(24, seed=5)):
        part = "test" if place < 4 else "train"
        path = Path(f"songs/{part}/{piece.name.replace(' ', '-')}.mid")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_midi(path, piece.frames[:20], steps_per_beat=2, tempo=96)
    return tmp_path


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = cli.run(list(arguments))
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_from_midi_to_a_run_and_back(folder, capsys) -> None:
    status, out, _ = run(capsys, "train", "music", "songs", "--steps-per-beat", "2", *SMALL)
    assert status == 0
    words = [line.split()[0] for line in out.splitlines() if line[:1] != " "]
    order = ["data", "split", "keys", "baseline", "model", "epoch", "ended", "test", "saved"]
    assert [word for word in words if word in order] == order
    assert "train on 18 pieces, validate on 2 pieces | test on 4 pieces" in out
    made = Path("runs/songs-1")
    tested = json.loads((made / "metrics.json").read_text())["test"]
    assert set(tested) == {MODEL, "keys at their frequency", "keys after their last step"}
    page = (made / "report.html").read_text()
    for title in ("Data", "Training", "Scores", "Worst cases", "What it writes", "Settings"):
        assert f">{title}</h2>" in page
    assert "outlined what is on" in page
    assert not re.search(r"(src|href)=.https?:", page)
    assert "model.generate(length=200, seed=0)" in (made / "README.md").read_text()

    model = ur.load(made)
    assert isinstance(model, MusicModel)
    status, out, _ = run(capsys, "predict", str(made), "--length", "30", "--seed", "3")
    assert status == 0
    assert "prompt    an opening of training" in out
    assert f"written   {made}/generated.mid: 30 steps" in out
    written = read_midi((made / "generated.mid").read_bytes(), 2)
    expected = model.generate(30, seed=3)
    length = expected.any(axis=1).nonzero()[0][-1] + 1
    assert np.array_equal(written.frames, expected[:length])
    assert written.tempo == pytest.approx(96)

    prompt = "songs/test/progression-1.mid"
    given = ["--prompt", prompt, "--output", "new.npy", "--length", "8", "--temperature", "0.5"]
    status, out, err = run(capsys, "predict", str(made), *given)
    assert status == 0
    assert "progression-1.mid, " in out
    assert "a step is 1/2 of a beat" in err
    frames, first = np.load("new.npy"), read_rolls(prompt, steps_per_beat=2)[0].frames
    assert np.array_equal(frames[:-8], first)
    assert np.array_equal(frames[-8:], model.generate(8, prompt, temperature=0.5))

    status, out, err = run(capsys, "evaluate", str(made), "songs")
    assert status == 0
    assert "test is taken; pieces of others: 20" in err
    found = model.evaluate(read_rolls("songs", steps_per_beat=2).of_part("test"))
    for name, scores in found.scores.items():
        assert re.search(rf"{name} +{scores['NLL']:.3f} ", out)
    assert found.own["NLL"] == pytest.approx(tested[MODEL]["NLL"])

    status, out, _ = run(capsys, "inspect", str(made))
    assert (status, "memory" in out) == (0, True)
    assert "sample 1" in (made / "inspect.html").read_text()


def test_check_shows_the_way_from_notes_to_tensors(folder, capsys) -> None:
    np.savez("x.npz", train_1=[[1, 0, 1], [0, 0, 0], [0, 1, 0]], train_2=np.eye(3), valid=np.eye(3))
    status, out, _ = run(capsys, "check", "music", "x.npz", "--show", "--lowest", "60")
    assert status == 0
    assert "keys      3 notes, C4 to D4; 1.00 on at a step" in out
    assert "step      1: C4 D4\nstep      2: silence\nstep      3: C#4\n" in out
    assert "padded    [2, 3, 3], steps [2, 2] + 1" in out
    assert "input     [samples, steps, keys] = [2, 2, 3]: all steps but the last" in out
    assert "ready     to learn from 2 pieces" in out
    assert not Path("runs").exists()


def test_columns_that_are_no_notes(folder, capsys) -> None:
    rows = [f"{day},{hour},{hour % 2},{hour // 6}" for day in range(12) for hour in range(12)]
    Path("home.csv").write_text("day,hour,lamp,oven\n" + "\n".join(rows) + "\n")
    given = ["--piece", "day", "--step", "hour", "--columns", "lamp", "--columns", "oven"]
    status, out, _ = run(capsys, "train", "music", "home.csv", *given, *SMALL)
    assert status == 0
    assert "keys      2 columns, lamp to oven; 1.00 on at a step" in out
    status, out, _ = run(capsys, "predict", "runs/home-1", "--length", "5")
    assert "generated.csv: 5 steps" in out
    written = Path("runs/home-1/generated.csv").read_text().splitlines()
    assert (written[0], len(written)) == ("lamp,oven", 6)
    status, out, _ = run(capsys, "evaluate", "runs/home-1", "home.csv")
    assert "12 pieces, 132 steps" in out
    status, _, err = run(capsys, "predict", "runs/home-1", "--output", "x.mid")
    assert (status, "the keys of this model are no notes" in err) == (2, True)


def test_an_unfinished_run_is_gone_on_with(folder, capsys, monkeypatch) -> None:
    from unrolled.tasks.console import TrainingLog

    given = ["songs", *SMALL, "--transpose", "2"]
    assert run(capsys, "train", "music", *given, "--output", "whole")[0] == 0
    updated = TrainingLog.updated

    def dies(self, number, update) -> None:
        updated(self, number, update)
        if number == 5:
            raise SystemError("killed")

    monkeypatch.setattr(TrainingLog, "updated", dies)
    with pytest.raises(SystemError):
        run(capsys, "train", "music", *given, "--checkpoint", "0")
    monkeypatch.setattr(TrainingLog, "updated", updated)
    status, out, _ = run(capsys, "train", "music", *given, "--resume")
    assert (status, "resumed" in out) == (0, True)
    whole, resumed = (
        json.loads(Path(f"{at}/songs-1/metrics.json").read_text()) for at in ("whole", "runs")
    )
    # Bit for bit: what is drawn at random, intervals included, is taken up.
    assert whole["updates"] == resumed["updates"]
    assert whole["test"] == resumed["test"]


def test_without_a_test_part_and_quietly(folder, capsys) -> None:
    given = ["train", "music", "songs", *SMALL, "--test", "0", "--validation", "0.2", "--quiet"]
    assert run(capsys, *given) == (0, "runs/songs-1\n", "")
    assert "no scores" in Path("runs/songs-1/report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "music", "none.mat"], "there is no file none.mat"),
        (["train", "music", "songs", "--test", "1.5"], "--test must be a share below 1"),
        (["train", "music", "songs", "--steps-per-beat", "0"], "--steps-per-beat must be a whole"),
        (["train", "music", "songs", "--lowest", "200"], "lowest and keys must lie among"),
        (["train", "music", "songs", "--cell", "lstn"], "lstm"),
        (["check", "music", "songs", "--transpose", "-2"], "transpose must be a whole number"),
        (["predict", "runs/none"], "is not a run folder"),
    ],
)
def test_mistakes_end_with_one_line(folder, capsys, arguments, said) -> None:
    status, _, err = run(capsys, *arguments)
    assert (status, len(err.splitlines())) == (2, 1)
    assert said in err
    assert not Path("runs").exists()


def test_mistakes_of_predict(folder, capsys) -> None:
    run(capsys, "train", "music", "songs", *SMALL, "--quiet")
    for given, said in [
        (["--output", "x.wav"], "the ending of the output is '.wav'"),
        (["--prompt", "none.mid"], "there is no file none.mid"),
        (["--temperature", "-1"], "temperature must be 0 or above"),
        (["--tempo", "1"], "tempo must be 4 to 1000"),
        (["--length", "0"], "greater than or equal to 1"),
    ]:
        status, _, err = run(capsys, "predict", "runs/songs-1", *given)
        assert (status, len(err.splitlines())) == (2, 1)
        assert said in err
    assert run(capsys, "predict", "runs/songs-1", "--output", "new/a.mid")[0] == 0
    assert Path("new/a.mid").exists()


def test_demo(folder, capsys, monkeypatch) -> None:
    # The whole of it takes half a minute; here it is cut short.
    monkeypatch.setattr(commands, "progressions", lambda: progressions(10))
    monkeypatch.setattr(
        commands, "MusicModel", lambda **given: MusicModel(**{**given, "epochs": 1})
    )
    status, out, _ = run(capsys, "demo", "music")
    assert status == 0
    assert "progressions: 10 pieces" in out
    assert Path("runs/progressions-1/report.html").exists()
