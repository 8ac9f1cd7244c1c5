"""What training is like whatever the task: options of the command line, run folders, resuming.

A run folder is found again by its purpose: the task, its arguments, and a digest of the data,
which `metrics.json` and the checkpoint hold. `--resume` with the same command goes on with the
newest unfinished run of that purpose.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from ..files import held, remove_halves, write_json
from ..training import Checkpoint, Machine, Optimisation, TrainingFailed
from ..training.checkpoint import first_difference
from ..training.machine import AUTO, PRECISIONS, precision_on
from ..training.settings import SCHEDULES
from .runs import METRICS, RunError, new_run_folder, read_json

CHECKPOINT = "checkpoint.safetensors"
RUNNING, INTERRUPTED, FAILED = "running", "interrupted", "failed"
DEFAULTS = Optimisation()


@dataclass
class Optimising:
    """How a gradient becomes an update; the names are those of `Optimisation`."""

    schedule: Annotated[
        str, typer.Option(help=f"Of the learning rate: {', '.join(SCHEDULES)}.")
    ] = DEFAULTS.schedule
    warm_up: Annotated[
        float | None,
        typer.Option(
            help="Share of updates in which it rises. Default by task.", show_default=False
        ),
    ] = None
    clip_norm: Annotated[
        float, typer.Option(min=0, help="Largest norm of the gradient; 0 for any.")
    ] = 1.0
    clip_value: Annotated[
        float, typer.Option(min=0, help="Largest size of each of its numbers; 0 for any.")
    ] = 0.0
    accumulate: Annotated[int, typer.Option(help="Batches an update.")] = 1
    precision: Annotated[
        str | None,
        typer.Option(
            help=f"Of products: {', '.join([AUTO, *PRECISIONS])}. Default by task.",
            show_default=False,
        ),
    ] = None

    def optimisation(self, usual: Optimisation = DEFAULTS) -> Optimisation:
        """As the library takes it.

        Arguments:
            usual: what the task uses where nobody says.

        Raises:
            ValueError: an option is out of its range.
        """
        return replace(
            usual,
            schedule=self.schedule,
            warm_up=usual.warm_up if self.warm_up is None else self.warm_up,
            clip_norm=self.clip_norm or None,
            clip_value=self.clip_value or None,
            accumulate=self.accumulate,
            precision=self.precision or usual.precision,
        )


def describe_optimisation(how: Optimisation, device: torch.device) -> str:
    """`cosine schedule, gradients clipped to a norm of 1, float32`."""
    clipped = {"a size": how.clip_value, "a norm": how.clip_norm}
    parts = [f"{how.schedule} schedule"]
    parts += [f"gradients clipped to {what} of {v:g}" for what, v in clipped.items() if v]
    parts += [f"{how.accumulate} batches each"] if how.accumulate > 1 else []
    return ", ".join([*parts, precision_on(how.precision, device)])


@dataclass
class Running:
    """Where a run is kept, and how it is watched."""

    output: Annotated[Path, typer.Option(help="Folder for run folders.")] = Path("runs")
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the unfinished run of this command.")
    ] = False
    checkpoint: Annotated[float, typer.Option(min=0, help="Seconds between checkpoints.")] = 30.0
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also log for TensorBoard, in the run folder.")
    ] = False
    threads: Annotated[
        int | None, typer.Option(min=1, help="To compute with. Default all.", show_default=False)
    ] = None
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the run folder.")] = False


@dataclass(frozen=True)
class Place:
    """The folder of a run, and what it says of itself while it lasts.

    Attributes:
        folder: the run folder.
        purpose: what is trained on what.
        seconds: between checkpoints.
        command: what was typed.
    """

    folder: Path
    purpose: dict[str, Any]
    seconds: float
    command: str

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.folder / CHECKPOINT, self.purpose, self.seconds)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes off the folder, and say that a run is under way there.

        Raises:
            ValueError: another process trains there.
        """
        refusal = f"{self.folder} is in use by another process that trains; wait for its end"
        with held(self.folder, refusal):
            remove_halves(self.folder)
            self._say(RUNNING)
            try:
                yield
            except TrainingFailed as error:
                self._say(f"{FAILED}: {error}")
                (self.folder / CHECKPOINT).unlink(missing_ok=True)
                raise

    def _say(self, ended: str) -> None:
        content = {"command": self.command, "ended": ended, "purpose": self.purpose}
        write_json(self.folder / METRICS, content)

    def finish(self, metrics: dict[str, Any]) -> None:
        """Write the metrics, last of all files; what was interrupted can still be resumed."""
        write_json(self.folder / METRICS, {**metrics, "purpose": self.purpose})
        if metrics["ended"] != INTERRUPTED:
            (self.folder / CHECKPOINT).unlink(missing_ok=True)


@dataclass(frozen=True)
class Found:
    """What is there to be resumed.

    Attributes:
        folder: an unfinished run of the purpose, or None.
        text: one line on what was found.
        complete: whether `folder` is a run that is complete, so that nothing is left to do.
    """

    folder: Path | None
    text: str
    complete: bool = False


def purpose_of(
    task: str, arguments: dict[str, Any], arrays: Iterable[np.ndarray], beside: Any
) -> dict[str, Any]:
    """What tells a run from others: its task, its arguments, and a digest of its data.

    Arguments:
        beside: what belongs to the data beside their numbers, as JSON holds it.
    """
    digest = hashlib.sha256(json.dumps(beside, default=str).encode())
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    # As JSON gives it back: no tuples.
    return json.loads(
        json.dumps({"task": task, **arguments, "data": digest.hexdigest()[:16]}, default=str)
    )


def find_unfinished(output: Path, name: str, purpose: dict[str, Any]) -> Found:
    """The newest run of a purpose among the folders `output/name-N`, an unfinished one first."""
    other, complete = "", None
    for folder in _newest_first(output, name):
        try:
            metrics = read_json(folder / METRICS)
        except RunError:
            continue
        there, unfinished = metrics.get("purpose"), is_unfinished(folder, metrics)
        if there == purpose and unfinished:
            return Found(folder, f"{folder}, which is unfinished")
        if there == purpose and str(metrics.get("ended")).startswith(FAILED):
            return Found(None, f"{folder} has {metrics['ended']}; training begins anew")
        if there == purpose:
            complete = complete or folder
        if unfinished and not other:
            other = f"; {folder} is unfinished, but with {first_difference(there or {}, purpose)}"
    if complete:
        return Found(complete, f"{complete} is complete, with the same arguments and data", True)
    return Found(None, f"no unfinished run of this command under {output}{other}")


def is_unfinished(folder: Path, metrics: dict[str, Any]) -> bool:
    """Whether a run folder can be resumed."""
    running = metrics.get("ended") == RUNNING
    return running or (folder / CHECKPOINT).exists()


def make_place(
    found: Path | None,
    name: str,
    running: Running,
    purpose: dict[str, Any],
    command: str,
    machine: Machine,
) -> Place:
    """The folder of a run: the one found, or a new one; the same in all processes."""
    folder = ""
    if machine.is_main:
        folder = str(found or new_run_folder(running.output, name))
    return Place(Path(machine.from_main(folder)), purpose, running.checkpoint, command)


def _newest_first(output: Path, name: str) -> list[Path]:
    folders = {}
    for folder in output.glob(f"{name}-*") if output.is_dir() else ():
        number = folder.name.removeprefix(f"{name}-")
        if number.isdigit():
            folders[int(number)] = folder
    return [folders[number] for number in sorted(folders, reverse=True)]
