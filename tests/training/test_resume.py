"""Training that is killed and goes on ends as if nothing had happened, bit for bit."""

import itertools
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from unrolled import files
from unrolled.tasks.runs import read_tensors
from unrolled.training import Checkpoint, CheckpointError, TrainingSettings, train

PROGRAM = Path(__file__).with_name("program.py")
# In the order in which they come: before anything is kept, in the middle of an epoch, while the
# checkpoint of the third validation is half written, after the last update.
DEATHS = ["update 1", "validation 1", "writing 6", "update 19", "update 24", "validation 3"]


def run(folder: Path, *arguments: str) -> int:
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder), *arguments], capture_output=True, text=True
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_weights_and_log(tmp_path) -> None:
    assert run(tmp_path / "whole") == 0
    for death in DEATHS:
        assert run(tmp_path / "killed", death) == -signal.SIGKILL
        assert not (tmp_path / "killed" / "weights").exists()
    assert run(tmp_path / "killed") == 0
    whole, killed = (read_tensors(tmp_path / name / "weights") for name in ("whole", "killed"))
    for name, tensor in whole.items():
        assert torch.equal(killed[name], tensor), name
    logs = [json.loads((tmp_path / name / "log").read_text()) for name in ("whole", "killed")]
    assert logs[0] == logs[1]
    assert len(logs[0]["updates"]) == 24


class Counting:
    """Batches 1, 2, 3, ..., which can be resumed."""

    def __init__(self):
        self.number = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.number += 1
        return self.number

    def state_dict(self):
        return {"number": self.number}

    def load_state_dict(self, state):
        self.number = state["number"]


def test_batches_that_would_begin_anew_are_refused(tmp_path) -> None:
    kept = Checkpoint(tmp_path / "c", {})
    with pytest.raises(CheckpointError, match="those of repeat would begin anew"):
        train(
            torch.nn.Linear(2, 1), lambda *_: None, itertools.repeat(1), lambda _: {},
            TrainingSettings(), checkpoint=kept,
        )  # fmt: skip


def test_where_a_checkpoint_cannot_be(tmp_path) -> None:
    with pytest.raises(TypeError, match="purpose must be a dict that tells this training from"):
        Checkpoint(tmp_path / "c", "me")
    for path in (tmp_path, tmp_path / "nowhere" / "c", str(tmp_path)):
        with pytest.raises(ValueError, match="path must be a file in a folder that is there"):
            train(
                torch.nn.Linear(2, 1), lambda *_: None, Counting(), lambda _: {},
                TrainingSettings(), checkpoint=Checkpoint(path, {}),
            )  # fmt: skip
    assert Checkpoint(str(tmp_path / "c"), {}).path == tmp_path / "c"


def test_a_model_of_another_size_is_refused(tmp_path) -> None:
    kept = Checkpoint(tmp_path / "c", {})
    loss = lambda model, batch, progress: model.weight.square().sum()  # noqa: E731

    def go(size):
        figures = lambda model: {"loss": 0.0}  # noqa: E731
        model = torch.nn.Linear(size, 1)
        return train(model, loss, Counting(), figures, TrainingSettings(1, 2), checkpoint=kept)

    go(2)
    with pytest.raises(CheckpointError, match=r"another run \(parameters 3, not 4\)"):
        go(3)


def test_a_checkpoint_of_something_else_is_refused(tmp_path) -> None:
    def go(purpose, model, updates=2):
        kept = Checkpoint(tmp_path / "c", purpose)
        loss = lambda model, batch, progress: model.weight.square().sum()  # noqa: E731
        figures = lambda model: {"loss": 0.0}  # noqa: E731
        settings = TrainingSettings(1, updates)
        return train(model, loss, Counting(), figures, settings, checkpoint=kept)

    go({"data": "a", "cell": "lstm"}, torch.nn.Linear(2, 1))
    with pytest.raises(CheckpointError, match=r"another run \(cell lstm, not gru\); use"):
        go({"data": "a", "cell": "gru"}, torch.nn.Linear(2, 1))
    with pytest.raises(CheckpointError, match=r"another run \(updates 2, not 3\); use"):
        go({"data": "a", "cell": "lstm"}, torch.nn.Linear(2, 1), updates=3)
    # What is complete needs no batches.
    model = torch.nn.Linear(2, 1)
    log = go({"data": "a", "cell": "lstm"}, model)
    assert log.ended == "all epochs done"
    assert len(log.updates) == 2


def test_files_are_whole_or_not_there(tmp_path) -> None:
    def dies(beside):
        beside.write_bytes(b"half")
        raise KeyboardInterrupt

    path = tmp_path / "c"
    files.write_text(path, "before")
    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(path, dies)
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["c"]
