"""The training loop: AdamW, averaged weights, early stopping, the best weights kept, resumable.

The learning rate rises and falls by a schedule, gradients are clipped. What is validated and
kept is an exponential average of the weights. The weights before the first update are validated
too, as epoch 0, so training never returns a model worse than its start.

With a `Checkpoint` the whole state is written to a file now and then: weights, their average and
the best of them, optimiser, position in the schedule and in the data, carried states, random
generators, the log. A run that goes on from it ends with the same weights, bit for bit.

References:
    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019.
    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from .checkpoint import (
    CheckpointError,
    first_difference,
    random_states,
    read_checkpoint,
    set_random_states,
    write_checkpoint,
)
from .history import Epoch, History, Update, mean
from .machine import Machine
from .settings import TrainingSettings
from .updates import BatchLoss, Updater

# Raised whenever a checkpoint of an older version cannot be gone on from.
FORMAT = 1

Validate = Callable[[nn.Module], dict[str, float]]


class Stateful(Protocol):
    """What has a state that a resumed run must take up: a sampler, a carried state."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...


@dataclass(frozen=True)
class Checkpoint:
    """Where the state of training is kept, and how often it is written.

    Attributes:
        path: a file, as a Path or a text; none needs to be there.
        purpose: what is trained on what, in numbers and texts: a file of another purpose is
            refused.
        seconds: between two writings; one follows every validation as well.

    Raises:
        TypeError: the purpose is no dict.
    """

    path: Path
    purpose: Mapping[str, Any]
    seconds: float = 30.0

    def __post_init__(self) -> None:
        if not isinstance(self.purpose, Mapping):
            raise TypeError(
                'purpose must be a dict that tells this training from others, such as {"data": '
                f'"bach.txt", "hidden_size": 64}}, got {type(self.purpose).__name__}'
            )
        object.__setattr__(self, "path", Path(self.path))

    def check_place(self) -> None:
        """Raise ValueError where no file can be. Of several processes the main one alone asks."""
        if self.path.is_dir() or not self.path.parent.is_dir():
            raise ValueError(f"path must be a file in a folder that is there, got {self.path}")


class Watcher:
    """Told of what happens in training; does nothing by itself."""

    def began(self, history: History, update: int, best: Mapping[str, Tensor]) -> None:
        """Training begins, or goes on after `update` updates.

        Arguments:
            history: the log, which is filled as training goes on.
            best: the weights that would be kept if it ended here.
        """

    def updated(self, number: int, update: Update) -> None:
        """An update was made, or skipped."""

    def validated(self, epoch: Epoch, model: nn.Module) -> None:
        """An epoch is over; `model` has the averaged weights, in which training goes on."""


def train(
    model: nn.Module,
    loss: BatchLoss,
    batches: Iterable[Any],
    validate: Validate,
    settings: TrainingSettings,
    watcher: Watcher | None = None,
    *,
    decides: str = "loss",
    machine: Machine | None = None,
    carried: Mapping[str, Stateful] | None = None,
    checkpoint: Checkpoint | None = None,
) -> History:
    """Train `model` in place and leave the best averaged weights in it.

    Arguments:
        loss: of a batch: a `Total` (sum over valid steps, and their number), or the mean as one
            number. Called with the model, the batch, and the share of training that is done.
        batches: an endless supply; in one of several processes, of its parts of the batches. With
            `state_dict` and `load_state_dict` it is resumed where it stopped.
        validate: figures of a model in evaluation mode, by name; one is called "loss".
        decides: the figure of `validate` that the best weights have least of.
        machine: where; default the model's device, in the settings' precision.
        carried: further states that a resumed run must take up.
        checkpoint: where the state is kept. If the file is there, training goes on from it.

    Ctrl-C (KeyboardInterrupt) ends training as if the epochs were over: `history.ended` says
    "interrupted".

    Raises:
        TrainingFailed: several updates in a row had an infinite or undefined loss or gradient.
        CheckpointError: the file is damaged, or of another purpose; or the batches cannot be
            resumed.
        TypeError, ValueError: what `loss` or `validate` gives, or an argument, is not as it must
            be.
    """
    device = next(model.parameters()).device
    machine = machine or Machine(device, settings.optimisation.precision)
    _begin_alike(model, machine)
    updater = Updater(model, loss, batches, settings, machine)
    run = _Run(updater, validate, decides, watcher or Watcher(), dict(carried or {}), checkpoint)
    run.take_up()
    run.watcher.began(run.history, updater.done, run.best_weights)
    try:
        run.to_the_end()
    except KeyboardInterrupt:
        # Before the first validation there is nothing to keep.
        if not run.history.epochs:
            raise
        run.history.ended = "interrupted"
    model.load_state_dict(run.best_weights)
    model.eval()
    return run.history


class _Run:
    """A training run: where it stands, and how it goes on."""

    def __init__(
        self,
        updater: Updater,
        validate: Validate,
        decides: str,
        watcher: Watcher,
        carried: dict[str, Stateful],
        checkpoint: Checkpoint | None,
    ):
        self.updater, self.validate, self.decides = updater, validate, decides
        self.settings, self.machine = updater.settings, updater.machine
        self.watcher, self.checkpoint = watcher, checkpoint
        self.carried = carried
        if hasattr(updater.batches, "state_dict"):
            self.carried["batches"] = updater.batches  # pyright: ignore[reportArgumentType]
        elif checkpoint is not None:
            raise CheckpointError(
                "batches must have state_dict and load_state_dict, so that a resumed run goes on "
                f"where it stopped; those of {type(updater.batches).__name__} would begin anew"
            )
        if checkpoint is not None and self.machine.is_main:
            checkpoint.check_place()
        self.history = History()
        self.least, self.best_weights = math.inf, _copy(updater.average)
        # Seconds of the running epoch before this process began with it.
        self.spent, self.began = 0.0, time.perf_counter()
        self.written = time.perf_counter()

    def to_the_end(self) -> None:
        """All updates and validations that are left."""
        if not self.history.epochs:
            self._validated()
        while self.history.ended == "running":
            self.updater.model.train()
            while self.updater.done < len(self.history.epochs) * self.settings.updates:
                update = self.updater.update()
                self.history.updates.append(update)
                self.watcher.updated(self.updater.done, update)
                self._keep_now_and_then()
            self._validated()

    def _validated(self) -> None:
        """Validate the averaged weights, log the epoch, and see whether it is the last."""
        updater, number = self.updater, len(self.history.epochs)
        average = updater.average.eval()
        with torch.no_grad():
            validation = self._checked(self.machine.from_main(self.validate(average)))
        # A figure that only decides is not one to show.
        decides = self.decides
        figure = validation["loss"] if decides == "loss" else validation.pop(decides)
        # A first figure that is not a number is beaten by any that is.
        least, known = self.least, bool(self.history.epochs)
        improved = not known or figure < least or (least != least and figure == figure)
        if improved:
            self.least, self.best_weights = figure, _copy(average)
        self.history.epochs.append(self._row(number, validation, improved))
        self.watcher.validated(self.history.epochs[-1], average)
        self.spent, self.began = 0.0, time.perf_counter()
        if number - self.history.best.epoch >= self.settings.patience:
            self.history.ended = f"no better validation for {self.settings.patience} epochs"
        elif number == self.settings.epochs:
            self.history.ended = "all epochs done"
        if self.history.ended != "running" and math.isnan(self.least):
            self.history.ended += "; no validation was a number"
        self._keep()

    def _checked(self, figures: Any) -> dict[str, float]:
        """What `validate` gave, a copy."""
        for name in ("loss", self.decides):
            if not isinstance(figures, dict) or name not in figures:
                came = ", ".join(map(str, figures)) if isinstance(figures, dict) else figures
                raise TypeError(
                    f'validate must give figures by name, as {{"{name}": 0.5}}, got {came}'
                )
        return {name: float(value) for name, value in figures.items()}

    def _row(self, number: int, validation: dict[str, float], best: bool) -> Epoch:
        updates = self.settings.updates
        steps = self.history.updates[-updates:] if number else []
        good = [step for step in steps if not step.skipped]
        first = steps[0].learning_rate if steps else self.updater.learning_rate
        return Epoch(
            epoch=number,
            train=mean([step.loss for step in good], [step.count for step in good]),
            gradient_norm=mean([step.gradient_norm for step in good]),
            skipped=len(steps) - len(good),
            validation=validation,
            learning_rate=first,
            seconds=self.spent + time.perf_counter() - self.began,
            best=best,
        )

    def take_up(self) -> None:
        """Take up the state of the checkpoint, if there is one."""
        if self.checkpoint is None:
            return
        # The main process alone need see the file.
        read = self._read(self.checkpoint) if self.machine.is_main else {}
        read = self.machine.from_main(read)
        if "refused" in read:
            raise CheckpointError(read["refused"])
        if "state" in read:
            self._set(read["state"])

    def _read(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """The state in the file, or why it cannot be taken up; nothing if there is no file."""
        path = checkpoint.path
        if not path.exists():
            return {}
        try:
            state = read_checkpoint(path)
        except CheckpointError as error:
            return {"refused": str(error)}
        if state["format"] != FORMAT:
            return {
                "refused": f"{path} was written by another version of unrolled; go on with that, "
                "or delete it and train from the start"
            }
        wanted = self._told(checkpoint)
        if state["told"] != wanted:
            other = first_difference(state["told"], wanted)
            return {
                "refused": f"{path} is of another run ({other}); use the same arguments and data, "
                "or another folder"
            }
        return {"state": state}

    def _told(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """What must be the same when a run goes on."""
        settings = asdict(self.settings)
        how = settings.pop("optimisation")
        parts = ", ".join(sorted(self.carried))
        weights = sum(p.numel() for p in self.updater.model.parameters())
        shared = {
            "processes": self.machine.processes,
            "carried states": parts,
            "parameters": weights,
        }
        return {**checkpoint.purpose, **settings, **how, **shared}

    def _set(self, state: dict[str, Any]) -> None:
        self.updater.load_state_dict(state["updater"])
        self.history = History.from_state(state["history"])
        self.history.ended = state["ended"]
        self.least, self.best_weights = state["least"], state["best_weights"]
        self.spent, self.began = state["seconds"], time.perf_counter()
        own = state["own"][self.machine.rank]
        for name, part in self.carried.items():
            try:
                part.load_state_dict(own["carried"][name])
            except ValueError as error:
                raise CheckpointError(f"the checkpoint does not fit {name}: {error}") from error
        set_random_states(own["random"])

    def _keep_now_and_then(self) -> None:
        if self.checkpoint is None:
            return
        due = time.perf_counter() - self.written >= self.checkpoint.seconds
        # All processes must write at the same update, by one clock.
        if self.machine.processes > 1:
            flag = torch.tensor(float(due and self.machine.is_main), device=self.machine.device)
            self.machine.add_up([flag])
            due = bool(flag)
        if due:
            self._keep()

    def _keep(self) -> None:
        """Write the checkpoint."""
        if self.checkpoint is None:
            return
        own = {
            "carried": {name: part.state_dict() for name, part in self.carried.items()},
            "random": random_states(),
        }
        state = {
            "format": FORMAT,
            "told": self._told(self.checkpoint),
            "updater": self.updater.state_dict(),
            "history": self.history.state_dict(),
            "ended": self.history.ended,
            "least": self.least,
            "best_weights": self.best_weights,
            "seconds": self.spent + time.perf_counter() - self.began,
            "own": self.machine.gathered(own),
        }
        if self.machine.is_main:
            write_checkpoint(self.checkpoint.path, state)
        self.written = time.perf_counter()


def _begin_alike(model: nn.Module, machine: Machine) -> None:
    """Give every process the main one's weights, and random numbers of its own."""
    if machine.processes > 1:
        model.load_state_dict(machine.from_main(model.state_dict()))
        torch.manual_seed(torch.initial_seed() + machine.rank)


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
