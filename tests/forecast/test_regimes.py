"""How a forecaster is trained: forcing, clipping, precision, killed and shared runs, boards."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import unrolled as ur
from forecast.tables import hourly, series
from unrolled import cli
from unrolled.files import held
from unrolled.nn import Scheduled
from unrolled.nn.forcing import InverseSigmoid
from unrolled.tasks.console import TrainingLog
from unrolled.tasks.forecast import Forecaster
from unrolled.tasks.forecast.model import FeedbackHead
from unrolled.tasks.runs import read_tensors
from unrolled.training import Optimisation, TrainingFailed

QUICK = {"horizon": 6, "updates": 8, "epochs": 2, "hidden_size": 4}
COMMAND = ["train", "forecast", "table.csv", "--target", "y", "--series", "name"]
SMALL = ["--horizon", "6", "--hidden-size", "4", "--dropout", "0"]


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hourly(steps=24 * 12).write_csv("table.csv")


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = cli.run(list(arguments))
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def unrolled(*arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "unrolled", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# --- the decoder that feeds back


def feedback_head(n: int = 5, horizon: int = 4, candidates: int = 3):
    torch.manual_seed(0)
    head = FeedbackHead(ur.cells.LSTM(2 + candidates + 1 + 1, 6), 3 + candidates, candidates, 3)
    torch.nn.init.normal_(head.linear.weight)
    read = torch.randn(n, 2), torch.randn(n, horizon, candidates), torch.randn(n, horizon, 1)
    mix, share = torch.randn(horizon, candidates), torch.tensor(1.0)
    return head, (*read, mix, share)


def by_hand(head, context, candidates, ahead, mix, share, fed=None):
    """Step by step, with the error of the linear candidate fed back; the raw outputs."""
    h = c = torch.zeros(len(context), 6)
    error, raw = torch.zeros(len(context), 1), []
    cell = torch.nn.LSTMCell(head.cell.cell.input_size, 6)
    cell.load_state_dict(head.cell.cell.state_dict())
    for k in range(candidates.shape[1]):
        if fed is not None and k > 0:
            truth, mask = fed
            true_error = (truth[:, k - 1] - candidates[:, k - 1, -1])[:, None]
            error = torch.where(mask[:, k - 1, None], true_error, error)
        read = torch.cat([context, candidates[:, k], ahead[:, k], error], dim=-1)
        h, c = cell(read, (h, c))
        raw.append(head.linear(h))
        weights = torch.softmax(mix[k] + raw[-1][:, 3:], dim=-1)
        forecast = (weights * candidates[:, k]).sum(-1) + share * raw[-1][:, 0]
        error = (forecast - candidates[:, k, -1])[:, None]
    return torch.stack(raw, dim=1)


@pytest.mark.parametrize("forcing", ["free", "teacher", "mixed"])
def test_the_feedback_head_equals_a_loop(forcing) -> None:
    head, read = feedback_head()
    fed = None
    if forcing != "free":
        mask = (
            torch.ones(5, 4, dtype=torch.bool) if forcing == "teacher" else torch.rand(5, 4) < 0.5
        )
        # What is not known is not a number.
        fed = torch.randn(5, 4).masked_fill(~mask, torch.nan), mask
    # Four steps in float32.
    torch.testing.assert_close(head(*read, fed), by_hand(head, *read, fed), rtol=1e-5, atol=1e-5)


def test_free_running_and_forced_losses_are_both_in_the_log() -> None:
    model = Forecaster(**QUICK, decoder="feedback", forcing="teacher", learning_rate=0.05)
    model.fit(series(steps=24 * 12))
    for epoch in model.history_.epochs:
        assert {"teacher-forced loss", "free-running gap"} <= set(epoch.validation)
    first, *_, last = (epoch.validation for epoch in model.history_.epochs)
    # Before training the network adds nothing, so that it does not matter what it reads.
    assert first["free-running gap"] == 0
    assert last["free-running gap"] != 0


@pytest.mark.parametrize("forcing", ["scheduled", "scheduled:0.5", Scheduled(InverseSigmoid(9.0))])
def test_a_forcing_is_saved_with_the_model(forcing, tmp_path) -> None:
    data = series(steps=24 * 12)
    model = Forecaster(**QUICK, decoder="feedback", forcing=forcing).fit(data)
    again = ur.load(model.save(tmp_path / "run"))
    assert again.chosen_forcing() == model.chosen_forcing()
    assert np.array_equal(again.predict().quantiles, model.predict().quantiles)


def test_optimisation_is_saved_with_the_model(tmp_path) -> None:
    how = Optimisation(schedule="linear", clip_value=0.1, clip_norm=None, accumulate=2)
    model = Forecaster(**QUICK, optimisation=how).fit(series(steps=24 * 12))
    assert ur.load(model.save(tmp_path / "run")).optimisation == how


def test_bfloat16_trains() -> None:
    how = Optimisation(precision="bfloat16")
    # The vendor's kernels take the precision; the native engine computes in float32 under it.
    model = Forecaster(**QUICK, optimisation=how, engine="eager").fit(series(steps=24 * 12))
    other = Forecaster(**QUICK, engine="eager").fit(series(steps=24 * 12))
    losses = [[u.loss for u in m.history_.updates] for m in (model, other)]
    assert losses[0] != losses[1]
    # bfloat16 has three significant digits.
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_a_batch_that_ruins_training_is_named_in_the_words_of_the_table() -> None:
    how = Optimisation(clip_norm=None)
    model = Forecaster(**{**QUICK, "updates": 40}, learning_rate=1e30, optimisation=how)
    with pytest.raises(
        TrainingFailed, match=r"first batch of them: [ab] up to 2024-01-\d\d .*more"
    ):
        model.fit(series(steps=24 * 12))


# --- the command line


def test_the_log_has_a_column_for_the_forced_loss(table, capsys) -> None:
    status, out, err = run(
        capsys, *COMMAND, *SMALL, "--updates", "8", "--epochs", "2",
        "--decoder", "feedback", "--forcing", "scheduled:exponential",
        "--clip-value", "0.05", "--clip-norm", "0", "--schedule", "linear", "--accumulate", "2",
    )  # fmt: skip
    assert (status, err) == (0, "")
    header = next(line for line in out.splitlines() if line.startswith("epoch"))
    assert header.split()[1:4] == ["train", "val", "forced"]
    report = Path("runs/table-1/report.html").read_text()
    assert "where it is fed with the truth" in report
    assert "forcing in training: scheduled:exponential:0.01" in report
    assert "linear schedule, gradients clipped to a size of 0.05, 2 batches each" in report
    metrics = json.loads(Path("runs/table-1/metrics.json").read_text())
    assert len(metrics["updates"]["gradient_norm"]) == 8
    assert "teacher-forced loss" in metrics["epochs"][0]["validation"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--forcing", "teacher"], 'forcing is for decoder "feedback"'),
        (["--decoder", "feedback", "--forcing", "techer"], "did you mean 'teacher'"),
        (["--precision", "float16"], 'precision "float16" needs a GPU'),
        (["--schedule", "cosin"], "did you mean 'cosine'"),
        (["--clip-norm", "-1"], "should be greater than or equal to 0"),
        (["--accumulate", "0"], "accumulate must be a whole number"),
    ],
)
def test_bad_options_get_one_line_and_leave_nothing(options, words, table, capsys) -> None:
    status, out, err = run(capsys, *COMMAND, *SMALL, *options)
    assert (status, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1
    assert os.listdir() == ["table.csv"]


def test_a_learning_rate_is_suggested_and_nothing_written(table, capsys) -> None:
    status, out, err = run(capsys, *COMMAND, *SMALL, "--suggest-lr")
    assert (status, err) == (0, "")
    suggested = float(out.splitlines()[-1].split()[-1])
    assert 1e-4 < suggested < 1
    assert os.listdir() == ["table.csv"]


def test_tensorboard_gets_every_update(table, capsys) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    quick = ["--updates", "8", "--epochs", "2"]
    status, _, err = run(capsys, *COMMAND, *SMALL, *quick, "--tensorboard")
    assert (status, err) == (0, "")
    events = EventAccumulator("runs/table-1/tensorboard").Reload()
    losses = [event.value for event in events.Scalars("update/loss")]
    metrics = json.loads(Path("runs/table-1/metrics.json").read_text())
    assert losses == pytest.approx(metrics["updates"]["loss"])
    assert [event.step for event in events.Scalars("validation/loss")] == [0, 4, 8]


def test_resume_without_anything_to_resume(table, capsys) -> None:
    quick = ["--updates", "8", "--epochs", "2"]
    assert run(capsys, *COMMAND, *SMALL, *quick)[0] == 0
    _, out, _ = run(capsys, *COMMAND, *SMALL, *quick, "--resume")
    assert "runs/table-1 is complete, with the same arguments and data" in out
    assert os.listdir("runs") == ["table-1"]
    assert "checkpoint.safetensors" not in os.listdir("runs/table-1")
    _, out, _ = run(capsys, *COMMAND, *SMALL, *quick, "--seed", "1", "--resume")
    assert "resume    no unfinished run of this command under runs" in out
    assert sorted(os.listdir("runs")) == ["table-1", "table-2"]


def test_an_unfinished_run_is_noted_and_preferred(table, capsys) -> None:
    quick = ["--updates", "8", "--epochs", "2"]
    assert run(capsys, *COMMAND, *SMALL, *quick)[0] == 0
    metrics = Path("runs/table-1/metrics.json")
    metrics.write_text(json.dumps(json.loads(metrics.read_text()) | {"ended": "running"}))
    _, out, _ = run(capsys, *COMMAND, *SMALL, *quick)
    assert "note      runs/table-1, which is unfinished: --resume goes on with it" in out
    # A later run of the same purpose is complete, and does not hide it.
    _, out, _ = run(capsys, *COMMAND, *SMALL, *quick, "--resume")
    assert "resume    runs/table-1, which is unfinished" in out
    assert sorted(os.listdir("runs")) == ["table-1", "table-2"]


@pytest.mark.parametrize(
    "option",
    [
        ["--season", "12"],
        ["--past", "none"],
        ["--freq", "1h", "--min-length", "100"],
        ["--test", "30"],
    ],
)
def test_another_reading_of_the_table_is_another_run(option, table, capsys) -> None:
    hourly(steps=24 * 12).with_columns((pl.col("y") * 2).alias("load")).write_csv("table.csv")
    quick = ["--updates", "4", "--epochs", "1", "--resume"]
    assert run(capsys, *COMMAND, *SMALL, *quick)[0] == 0
    _, out, _ = run(capsys, *COMMAND, *SMALL, *quick, *option)
    assert "resume    no unfinished run of this command" in out
    assert sorted(os.listdir("runs")) == ["table-1", "table-2"]


def test_another_time_of_the_same_values_is_another_run(table, capsys) -> None:
    quick = ["--updates", "4", "--epochs", "1", "--resume", "--season", "24"]
    assert run(capsys, *COMMAND, *SMALL, *quick)[0] == 0
    later = hourly(steps=24 * 12).with_columns(pl.col("time") + pl.duration(days=7))
    later.write_csv("table.csv")
    assert "no unfinished run" in run(capsys, *COMMAND, *SMALL, *quick)[1]


def test_a_run_that_failed_begins_anew(table, capsys) -> None:
    ruinous = ["--learning-rate", "1e30", "--clip-norm", "0", "--updates", "40"]
    status, _, err = run(capsys, *COMMAND, *SMALL, *ruinous)
    assert status == 2
    assert "infinite or undefined for 5 updates" in err
    assert "checkpoint.safetensors" not in os.listdir("runs/table-1")
    _, out, _ = run(capsys, *COMMAND, *SMALL, *ruinous, "--resume")
    assert "runs/table-1 has failed: the loss or its gradient was infinite" in out
    assert "training begins anew" in out


def test_two_processes_do_not_train_in_one_folder(table, capsys) -> None:
    quick = ["--updates", "8", "--epochs", "2"]
    assert run(capsys, *COMMAND, *SMALL, *quick)[0] == 0
    metrics = Path("runs/table-1/metrics.json")
    metrics.write_text(json.dumps(json.loads(metrics.read_text()) | {"ended": "running"}))
    with held(Path("runs/table-1"), "in use by this test"):
        status, _, err = run(capsys, *COMMAND, *SMALL, *quick, "--resume")
    assert (status, len(err.splitlines())) == (2, 1)
    assert "runs/table-1 is in use by another process that trains" in err


class Killed(BaseException):
    """Nothing hears it."""


def test_a_run_that_goes_on_keeps_its_best_weights(table, capsys, monkeypatch) -> None:
    """It is left twice; what is in the folder is the best so far, never the start again."""
    quick = ["--updates", "40", "--epochs", "4", "--checkpoint", "0", "--learning-rate", "0.02"]
    quick += ["--patience", "9", "--seed", "3"]
    updated = TrainingLog.updated

    def killed_at(last):
        def dies(self, number, update):
            updated(self, number, update)
            if number == last:
                raise Killed

        monkeypatch.setattr(TrainingLog, "updated", dies)

    weights = []
    for last in (25, 26):
        killed_at(last)
        with pytest.raises(Killed):
            cli.run([*COMMAND, *SMALL, *quick, "--resume"])
        weights.append(read_tensors(Path("runs/table-1/model.safetensors")))
    head = "model.head.linear.weight"
    assert weights[0][head].any()
    assert torch.equal(weights[0][head], weights[1][head])


LONG = ["--updates", "240", "--epochs", "6", "--patience", "6", "--checkpoint", "0.2"]


@pytest.mark.slow
def test_a_killed_command_goes_on_bit_for_bit(table) -> None:
    """Killed twice, at moments that nobody chose; dropout and a schedule for what is fed back."""
    command = [*COMMAND, *SMALL, *LONG, "--decoder", "feedback", "--forcing", "scheduled"]
    command += ["--dropout", "0.2", "--cell", "gru"]
    whole = unrolled(*command, "--output", "whole")
    err = whole.communicate()[1]
    assert whole.returncode == 0, err
    for wait in (0.3, 1.0):
        killed = unrolled(*command, "--output", "killed", "--resume")
        checkpoint = Path("killed/table-1/checkpoint.safetensors")
        began = time.time()
        while not (checkpoint.exists() and checkpoint.stat().st_mtime > began):
            assert killed.poll() is None, killed.communicate()
            time.sleep(0.02)
        time.sleep(wait)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        assert killed.returncode == -signal.SIGKILL
        assert json.loads(Path("killed/table-1/metrics.json").read_text())["ended"] == "running"
    last = unrolled(*command, "--output", "killed", "--resume")
    out, err = last.communicate()
    assert last.returncode == 0, err
    assert "resume    killed/table-1, which is unfinished" in out
    assert "resumed   after update" in out
    assert os.listdir("killed") == ["table-1"]
    assert sorted(os.listdir("killed/table-1")) == sorted(os.listdir("whole/table-1"))
    weights = [read_tensors(Path(n, "table-1/model.safetensors")) for n in ("whole", "killed")]
    for name, tensor in weights[0].items():
        assert torch.equal(weights[1][name], tensor), name
    logs = [json.loads(Path(n, "table-1/metrics.json").read_text()) for n in ("whole", "killed")]
    assert logs[0]["updates"] == logs[1]["updates"]
    assert logs[0]["test"] == logs[1]["test"]


@pytest.mark.slow
def test_of_several_processes_one_speaks(table) -> None:
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
    launch += ["--rdzv-endpoint", "localhost:0", "-m", "unrolled"]
    done = subprocess.run(
        [sys.executable, *launch, *COMMAND, *SMALL, "--cell", "lsmt"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode != 0
    assert done.stderr.count("unrolled: cell is 'lsmt'; did you mean 'lstm'?") == 1


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_doubled_batch(table) -> None:
    quick = [*SMALL, "--updates", "24", "--epochs", "3", "--quiet"]
    one = unrolled(*COMMAND, *quick, "--batch-size", "32", "--output", "one")
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
    launch += ["--rdzv-endpoint", "localhost:0", "-m", "unrolled"]
    two = subprocess.run(
        [sys.executable, *launch, *COMMAND, *quick, "--batch-size", "16", "--output", "two"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    err = one.communicate()[1]
    assert one.returncode == 0, err
    assert two.returncode == 0, two.stderr
    # The main process alone prints and writes.
    assert two.stdout.split() == ["two/table-1"]
    logs = [json.loads(Path(n, "table-1/metrics.json").read_text()) for n in ("one", "two")]
    # The same sums in another order, float32, through 24 updates.
    assert logs[1]["updates"]["loss"] == pytest.approx(logs[0]["updates"]["loss"], rel=1e-4)
    losses = [[e["validation"]["loss"] for e in log["epochs"]] for log in logs]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert losses[0][-1] != losses[0][0]
    assert ur.load("two/table-1").predict().quantiles.shape == (2, 6, 3)
