"""What every estimator of the newer tasks is: a dataclass of arguments with a network in it.

Arguments are stored as they were given, as scikit-learn wants it; None leaves a choice to the
task's plan, by kind and amount of data.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from torch import nn

from ..cells import BY_NAME, by_name
from ..cells.affine import AffineCell
from ..engines import BY_NAME as ENGINES
from ..nn import Recurrent, initialise, parse_initialisation
from ..nn.initialisation import INITIALISATIONS, initialisations_of
from ..training import History, Optimisation
from ..training.machine import checked_precision
from . import arguments
from .arguments import argument
from .learning import name_of, torch_device
from .training import describe_optimisation

BY_DATA = "Default by data."
OPTIMISATION = Optimisation(warm_up=0.05)


@dataclass(eq=False, repr=False, kw_only=True)
class Estimator(BaseEstimator):
    """Trains and uses models of one task.

    Arguments:
        cell: a cell by name, or a `Cell` class.
        hidden_size, num_layers: of the recurrent layers.
        dropout: share of what the last layer reads that it does not see, in training.
        learning_rate, weight_decay: of AdamW; the rate at its peak.
        epochs: passes over the data, each with a validation at its end.
        patience: epochs without a better validation after which training stops; None: never.
        batch_size: samples of an update.
        initialisation: how the cells start, as `nn.initialise` takes it; None: orthogonal, with
            open forget gates, as far as the cell has them.
        seed: the same seed, data and machine give the same numbers.
        device: "auto", "cpu", "cuda", ...
        engine: what unrolls the network.
        optimisation: how a gradient becomes an update.

    Attributes (after `fit`):
        history_: the log of training.
    """

    task: ClassVar[str]

    cell: Any = argument("lstm", f"One of {', '.join(BY_NAME)}.", kind=str, positional=True)
    hidden_size: int | None = argument(None, f"Of each layer. {BY_DATA}", whole=1)
    num_layers: int | None = argument(None, f"On top of one another. {BY_DATA}", whole=1)
    dropout: float | None = argument(None, f"Before the last layer. {BY_DATA}", below=1.0)
    learning_rate: float | None = argument(None, f"At its peak. {BY_DATA}", below=torch.inf)
    weight_decay: float | None = argument(None, f"Of AdamW. {BY_DATA}", below=torch.inf)
    epochs: int | None = argument(None, f"Passes over the data. {BY_DATA}", whole=1)
    patience: int | None = argument(None, "Epochs without progress, then stop.", whole=1)
    batch_size: int | None = argument(None, f"Samples of an update. {BY_DATA}", whole=1)
    initialisation: str | None = argument(
        None, f"How the cells start: {', '.join(INITIALISATIONS)}:T. Default by cell."
    )
    seed: int = argument(0, "Same seed, same numbers.", whole=0)
    device: str = argument("auto", "auto, cpu, cuda.")
    engine: str = argument("auto", "Unrolls the network", among=("auto", *ENGINES))
    optimisation: Optimisation = OPTIMISATION

    history_: History = field(init=False)

    def check_arguments(self) -> None:
        """Raise ValueError, naming the argument, if one makes no sense."""
        arguments.check(self)
        if isinstance(self.cell, str):
            by_name(self.cell)
        if self.initialisation is not None:
            parse_initialisation(self.initialisation)
        checked_precision(self.optimisation.precision, self.torch_device())

    def torch_device(self) -> torch.device:
        """Where to compute: a GPU if `device` is "auto" and there is one."""
        return torch_device(self.device)

    def describe_updates(self) -> str:
        """How a gradient becomes an update, in words."""
        return describe_optimisation(self.optimisation, self.torch_device())

    def make_cell(self, input_size: int, hidden_size: int) -> Any:
        """A cell of the kind that was asked for."""
        make: Any = by_name(self.cell) if isinstance(self.cell, str) else self.cell
        return make(input_size, hidden_size)

    @property
    def cell_name(self) -> str:
        """The name under which the cell is known, or that of a class of the user's own."""
        return name_of(self.cell)

    def start(self, network: nn.Module) -> None:
        """Give the recurrent layers of a fresh network the start that was asked for."""
        for layer in network.modules():
            if isinstance(layer, Recurrent):
                if self.initialisation is None:
                    start_remembering(layer)
                else:
                    initialise(layer, self.initialisation)

    def describe_initialisation(self) -> str:
        """How the cells start, for a report."""
        return self.initialisation or "orthogonal, open forget gates, as far as the cell has them"

    def plain_arguments(self) -> dict[str, Any]:
        """The arguments as JSON holds them."""
        given = self.get_params(deep=False)
        return {**given, "cell": self.cell_name, "optimisation": asdict(self.optimisation)}

    def check_fitted(self, attribute: str = "fitted_") -> None:
        """Raise scikit-learn's NotFittedError before `fit`."""
        if not hasattr(self, attribute):
            name = type(self).__name__
            raise NotFittedError(f"this {name} is not fitted yet; call fit(data) first")

    def save(self, folder: str | Path) -> Path:
        """Write a run folder, without pickle; `unrolled.load` is the inverse."""
        raise NotImplementedError

    @classmethod
    def load(cls, folder: str | Path, cell: Any = None) -> Self:
        """Open a run folder.

        Arguments:
            cell: the class of the cell, where it is not one of unrolled's own.

        Raises:
            RunError: the folder is no run, is damaged, or was written by a later version.
        """
        raise NotImplementedError


def start_remembering(recurrent: Recurrent) -> Recurrent:
    """Orthogonal recurrences and open forget gates, as far as the cells have them; no biases."""
    with torch.no_grad():
        for cell in recurrent.cells:
            if isinstance(cell, AffineCell):
                for name, parameter in cell.named_parameters():
                    if name.startswith("bias"):
                        parameter.zero_()
    able = initialisations_of(recurrent)
    wanted = [name for name in ("orthogonal", "forget-bias") if name in able]
    return initialise(recurrent, "+".join(wanted)) if wanted else recurrent
