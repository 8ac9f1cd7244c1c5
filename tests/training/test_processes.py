"""Two processes that share each batch make the updates of one process with the whole batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from unrolled.tasks.runs import read_tensors

PROGRAM = Path(__file__).with_name("program.py")


def share(folder: Path, processes: int, *arguments: str) -> subprocess.CompletedProcess:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, str(PROGRAM)]
    if processes > 1:
        # A free port, so that two of these tests may run at once.
        launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
        command = [sys.executable, *launch, "--rdzv-backend", "c10d", "--rdzv-endpoint"]
        command += ["localhost:0", str(PROGRAM)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, str(folder), *arguments], capture_output=True, text=True, env=environment
    )


@pytest.mark.slow
def test_two_processes_have_the_curve_of_one_with_the_doubled_batch(tmp_path) -> None:
    """Without dropout, which draws other numbers in each process."""
    for name, processes, rows in (("one", 1, "8"), ("two", 2, "4")):
        done = share(tmp_path / name, processes, "", "0", rows)
        assert done.returncode == 0, done.stderr
    one, two = (json.loads((tmp_path / n / "log").read_text()) for n in ("one", "two"))
    # The same sums in another order, float32, through 24 updates.
    torch.testing.assert_close(
        torch.tensor(two["updates"]), torch.tensor(one["updates"]), rtol=1e-4, atol=1e-6
    )
    losses = [[epoch["loss"] for epoch in log["epochs"]] for log in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    weights = [read_tensors(tmp_path / name / "weights") for name in ("one", "two")]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=1e-3, atol=1e-5)
    # They have learned something, so that equality says something.
    assert losses[0][-1] < 0.9 * losses[0][0]


@pytest.mark.slow
def test_two_killed_processes_go_on_bit_for_bit(tmp_path) -> None:
    """Each has random numbers and a carried state of its own, all in the one checkpoint."""
    done = share(tmp_path / "whole", 2)
    assert done.returncode == 0, done.stderr
    assert share(tmp_path / "killed", 2, "update 11").returncode != 0
    assert not (tmp_path / "killed" / "weights").exists()
    # One process cannot take up what two have left.
    done = share(tmp_path / "killed", 1)
    assert "is of another run (processes 2, not 1); use the same" in done.stderr
    done = share(tmp_path / "killed", 2)
    assert done.returncode == 0, done.stderr
    whole, killed = (read_tensors(tmp_path / name / "weights") for name in ("whole", "killed"))
    for name, tensor in whole.items():
        assert torch.equal(killed[name], tensor), name
