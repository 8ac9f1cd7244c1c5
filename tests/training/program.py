"""A training run of its own process, for tests that kill it or share it between two.

    python program.py FOLDER [DEATH]        torchrun --nproc-per-node 2 program.py FOLDER

It trains an LSTM on contiguous streams with carried state, dropout and a checkpoint after every
update, and leaves its weights and its log in FOLDER. DEATH says where it kills itself, as no
handler can hear: "update 7", "validation 2", "writing 5" (in the middle of the fifth checkpoint).
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn

from unrolled import files
from unrolled import nn as layers
from unrolled.training import (
    Checkpoint,
    Machine,
    Optimisation,
    Total,
    TrainingSettings,
    Watcher,
    train,
)
from unrolled.training import checkpoint as checkpoints
from unrolled.training.sampling import ContiguousStreams
from unrolled.training.truncated import TruncatedBPTT

ROWS = 4


class Model(nn.Module):
    def __init__(self, dropout: float):
        super().__init__()
        self.layer = layers.LSTM(2, 8, batch_first=True)
        self.dropout, self.readout = nn.Dropout(dropout), nn.Linear(8, 1)


class Dies(Watcher):
    """Kills its own process at a given moment."""

    def __init__(self, death: str):
        self.kind, _, number = death.partition(" ")
        self.number, self.written = int(number or 0), 0

    def _at(self, kind: str, number: int) -> None:
        if (kind, number) == (self.kind, self.number):
            os.kill(os.getpid(), signal.SIGKILL)

    def updated(self, number, update) -> None:
        self._at("update", number)

    def validated(self, epoch, model) -> None:
        self._at("validation", epoch.epoch)

    def writing(self) -> None:
        self.written += 1
        self._at("writing", self.written)


def main(folder: Path, death: str = "", dropout: float = 0.3, rows: float = ROWS) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    machine, watcher = Machine(), Dies(death)
    series = torch.randn(4000, 2)
    target = series.sum(1).roll(2, 0)[:, None]
    part = (machine.rank, machine.processes)
    batches = ContiguousStreams((series, target), int(rows), 10, rotate=True, seed=1, part=part)
    model = Model(dropout)
    stream = TruncatedBPTT(window=20, stride=10).stream(model.layer)

    def loss(model, chunk, progress):
        inputs, wanted = chunk.values
        outputs = model.dropout(stream(inputs, reset=chunk.reset))
        errors = (model.readout(outputs) - wanted).square()
        return Total(errors.sum(), torch.tensor(errors.numel()))

    def validate(model):
        outputs, _ = model.layer(series[None, :200])
        return {"loss": (model.readout(outputs) - target[None, :200]).square().mean().item()}

    def write(path, fill):
        def half_first(beside):
            beside.write_bytes(b"half a checkpoint")
            watcher.writing()
            fill(beside)

        files.write_atomically(path, half_first)

    checkpoints.write_atomically = write
    settings = TrainingSettings(3, 8, 0.02, optimisation=Optimisation(clip_norm=1.0))
    kept = Checkpoint(folder / "checkpoint.safetensors", {"what": "program"}, seconds=0)
    log = train(
        model, loss, batches, validate, settings, watcher,
        machine=machine, carried={"stream": stream}, checkpoint=kept,
    )  # fmt: skip
    if machine.is_main:
        files.write_tensors(folder / "weights", model.state_dict())
        rows_of_log = [[update.loss, update.gradient_norm] for update in log.updates]
        text = json.dumps({"updates": rows_of_log, "epochs": [e.validation for e in log.epochs]})
        (folder / "log").write_text(text)
    machine.leave()


if __name__ == "__main__":
    given = sys.argv[2:]
    main(Path(sys.argv[1]), *given[:1], *map(float, given[1:3]))
