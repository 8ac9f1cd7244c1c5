"""What the estimators of all tasks share: a fit that listeners follow, and that keeps its best.

    fit(data, listener)      split, build, train, keep the best on validation
    save(folder), load       a run folder, without pickle

A task's estimator extends `Learner` with what it reads, builds and measures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..cells import BY_NAME
from ..training import Checkpoint, Epoch, History, Machine, TrainingSettings, Update, Watcher, train

# What scikit-learn takes as a seed.
LARGEST = 2**32 - 1


class Learner(Protocol):
    """What a listener sees of an estimator while it is fitted.

    Attributes:
        history_: the log of training.
        updates_: how many updates the whole training has.
        batch_size: sequences of a batch, for each process; None where the plan has it.
    """

    history_: History

    @property
    def batch_size(self) -> int | None: ...

    @property
    def updates_(self) -> int: ...
    def save(self, folder: str | Path) -> Path: ...


class Listener:
    """Told of what happens while an estimator is fitted; does nothing by itself.

    Each method gets the estimator, which can be used and saved from `prepared` on.
    """

    def started(self, learner: Any) -> None:
        """The data are read and split; what is solved in closed form comes next."""

    def prepared(self, learner: Any) -> None:
        """The model is built and stands at its start; training begins."""

    def resumed(self, learner: Any, update: int) -> None:
        """Training goes on after an update, from a checkpoint, with the best model so far."""

    def updated(self, number: int, update: Update) -> None:
        """One update of the weights was made, or skipped."""

    def validated(self, learner: Any, epoch: Epoch) -> None:
        """An epoch is over; if it was the best so far, the estimator has its weights."""

    def checkpoint(self, learner: Any) -> Checkpoint | None:
        """Where the state of training is kept; asked once, when the model is prepared."""
        return None


@dataclass(frozen=True)
class Job:
    """A training that is ready to begin.

    Attributes:
        model: at its start.
        loss, batches, validate, settings, decides, carried: as `training.train` takes them.
        keep: gives the estimator a model, the best so far.
        machine: where it runs.
    """

    model: nn.Module
    loss: Callable[[Any, Any, float], Any]
    batches: Iterator[Any]
    validate: Callable[[nn.Module], dict[str, float]]
    settings: TrainingSettings
    keep: Callable[[nn.Module], None]
    machine: Machine
    decides: str = "loss"
    carried: Mapping[str, Any] = field(default_factory=dict)


def carry_out(owner: Any, job: Job, listener: Listener) -> None:
    """Train; `owner.history_` is the log, and the owner has the best model at any time."""
    owner.history_ = History()
    job.keep(job.model)
    listener.prepared(owner)
    train(
        job.model,
        job.loss,
        job.batches,
        job.validate,
        job.settings,
        _UpToDate(owner, job, listener),
        decides=job.decides,
        machine=job.machine,
        carried=job.carried,
        checkpoint=listener.checkpoint(owner),
    )
    job.keep(job.model)


class _UpToDate(Watcher):
    """Keeps an estimator up to date while it trains, and tells its listener."""

    def __init__(self, owner: Any, job: Job, listener: Listener):
        self.owner, self.job, self.listener = owner, job, listener

    def began(self, history: History, update: int, best: Mapping[str, Tensor]) -> None:
        self.owner.history_ = history
        if history.epochs:
            model = deepcopy(self.job.model)
            model.load_state_dict(best)
            self.job.keep(model)
            self.listener.resumed(self.owner, update)

    def updated(self, number: int, update: Update) -> None:
        self.listener.updated(number, update)

    def validated(self, epoch: Epoch, model: nn.Module) -> None:
        if epoch.best:
            # A copy: training goes on in the averaged model itself.
            self.job.keep(deepcopy(model))
        self.listener.validated(self.owner, epoch)


@contextmanager
def few_threads(small: bool) -> Iterator[None]:
    """Compute in one thread where the matrices are `small`.

    Two threads gain nothing there, and wait for each other at every step on a busy machine.
    """
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if small else before)
        yield
    finally:
        torch.set_num_threads(before)


def check_whole(name: str, value: Any, least: int, optional: bool = False) -> None:
    """Raise ValueError unless `value` is a whole number from `least` up, or None if optional."""
    if value is None and optional:
        return
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        number = int(value)
        if least <= number <= LARGEST:
            return
    raise ValueError(f"{name} must be a whole number from {least} up, got {value!r}")


def check_between(name: str, value: Any, most: float = math.inf, optional: bool = False) -> None:
    """Raise ValueError unless `value` lies from 0 to below `most`, or is None if optional."""
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < most:
        raise ValueError(f"{name} must lie between 0 and {most:g}, got {value!r}")


def torch_device(name: str) -> torch.device:
    """Where to compute: a GPU if `name` is "auto" and there is one.

    Raises:
        ValueError: the device cannot be used here.
    """
    automatic = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(automatic if name == "auto" else name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device {name!r} cannot be used here: {reason}") from None
    return device


def name_of(cell: Any) -> str:
    """The name under which a cell is known, or that of a class of the user's own.

    A class that bears the name of one of unrolled's cells is marked, so as not to be mistaken.
    """
    if isinstance(cell, str):
        return cell.lower()
    known = [name for name, kind in BY_NAME.items() if kind is cell]
    own = getattr(cell, "__name__", type(cell).__name__)
    return known[0] if known else f"{own} (own)" if own in BY_NAME else own
