"""The log of training for TensorBoard, written by accelerate's tracker."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from .history import Epoch, Update


def check_tensorboard() -> None:
    """Raise ValueError unless TensorBoard's writer is installed."""
    if find_spec("tensorboard") is None:
        raise ValueError("tensorboard is not installed; pip install 'unrolled[tensorboard]'")


class Board:
    """Writes losses, norms and rates as `tensorboard --logdir RUNS` shows them.

    Arguments:
        folder: the run folder; the events go to `tensorboard` in it.
        done: the updates after which training goes on; what an earlier process wrote after them
            is hidden. None where it begins.

    Raises:
        ValueError: tensorboard is not installed.
    """

    def __init__(self, folder: Path, done: int | None = None):
        check_tensorboard()
        from accelerate.tracking import TensorBoardTracker

        hidden = {} if done is None else {"purge_step": done + 1}
        self.tracker = TensorBoardTracker("tensorboard", folder, **hidden)
        self.tracker.start()

    def updated(self, number: int, update: Update) -> None:
        """One update: its loss, the norm of its gradient, its learning rate."""
        values = {
            "update/loss": update.loss,
            "update/gradient norm": update.gradient_norm,
            "update/learning rate": update.learning_rate,
        }
        self.tracker.log(values, step=number)

    def validated(self, epoch: Epoch, number: int) -> None:
        """The figures of a validation after `number` updates."""
        values = {f"validation/{name}": value for name, value in epoch.validation.items()}
        self.tracker.log(values, step=number)

    def close(self) -> None:
        """Write what is left."""
        self.tracker.finish()
