"""What a model of a system is compared with; all are kept in the run.

    linear ARX      y from its own past and the input's, by least squares
    linear FIR      y from the input's past alone
    mean            of the outputs that were learned from
    last value      one step ahead: the output of the step before

The order of ARX and its regularisation are chosen on the end of the training part, once for
simulation and once for one step ahead, so that it is as good as it can be in both; so is the length
of FIR.

Shapes: T samples of a record, I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.systems import Record, SystemData
from .coding import Scale
from .linear import Equations, LinearModel, Pair
from .measures import Arrays, Predicted, Stretch, rmse, scores_of
from .plan import usual_length

Order = tuple[int, int, float]  # lags of y, lags of u, ridge
Run = Callable[[LinearModel, np.ndarray, np.ndarray], np.ndarray]
ARX, FIR, MEAN, LAST = "linear ARX", "linear FIR", "mean", "last value"
ORDERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 50)
LENGTHS = (10, 25, 50, 100, 200, 400)
RIDGES = (1e-10, 1e-7, 1e-4)
# Share of the training part that chooses the orders, and numbers of weights at most.
CHOOSING, MOST_WEIGHTS = 0.2, 800
# Samples for each weight, at least.
SAMPLES_A_WEIGHT = 5


@dataclass(frozen=True, eq=False)
class LinearBaselines:
    """Fitted baselines.

    Attributes:
        inputs, outputs: scales; models read and give standardised values.
        models: by their use: "simulation" and "one step" (ARX), "fir".
    """

    inputs: Scale
    outputs: Scale
    models: Mapping[str, LinearModel]

    @classmethod
    def fit(cls, learned: SystemData) -> LinearBaselines:
        """To the part that is learned from."""
        scales = (
            Scale.of(np.concatenate([getattr(record, name) for record in learned]))
            for name in ("inputs", "outputs")
        )
        u_scale, y_scale = scales
        pairs = [(u_scale.apply(r.inputs), y_scale.apply(r.outputs)) for r in learned]
        return cls(u_scale, y_scale, _chosen(pairs))

    def predictions(self, data: SystemData) -> Iterator[tuple[str, Predicted]]:
        """What each baseline says, by its name."""
        yield (
            ARX,
            Predicted(
                self._of(data, lambda u, y: self.models["simulation"].simulate(u)),
                self._of(data, lambda u, y: self.models["one step"].one_step(u, y)),
            ),
        )
        yield FIR, Predicted(self._of(data, lambda u, y: self.models["fir"].simulate(u)))
        yield MEAN, Predicted(self._of(data, lambda u, y: np.zeros_like(y)))
        yield LAST, Predicted(None, self._of(data, lambda u, y: _shifted(y)))

    def scores(
        self, data: SystemData, washout: int = 0, stretches: Sequence[Stretch] = ()
    ) -> dict[str, dict[str, float]]:
        """By baseline, by metric."""
        told = self.predictions(data)
        return {name: scores_of(data, found, washout, stretches) for name, found in told}

    def _of(self, data: SystemData, model: Callable[[np.ndarray, np.ndarray], Any]) -> Arrays:
        return [self.outputs.undo(model(*self._standardised(record))) for record in data]

    def _standardised(self, record: Record) -> Pair:
        return self.inputs.apply(record.inputs), self.outputs.apply(record.outputs)

    def describe(self) -> str:
        """The orders that were chosen."""
        arx, ahead, fir = (self.models[name] for name in ("simulation", "one step", "fir"))
        return (
            f"linear ARX of order {arx.n} simulates, of order {ahead.n} predicts one step; "
            f"linear FIR of {fir.m + 1} lags"
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, but for the weights."""
        orders = {name: [model.n, model.m] for name, model in self.models.items()}
        return {"inputs": asdict(self.inputs), "outputs": asdict(self.outputs), "orders": orders}

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The weights."""
        return {name: torch.from_numpy(model.weights) for name, model in self.models.items()}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], tensors: dict[str, Tensor], /) -> LinearBaselines:
        """From `to_dict` and `tensors`."""
        models = {
            name: LinearModel(n, m, tensors[name].numpy())
            for name, (n, m) in saved["orders"].items()
        }
        return cls(Scale.from_dict(saved["inputs"]), Scale.from_dict(saved["outputs"]), models)


def _shifted(y: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((1, y.shape[1])), y[:-1]])


def _chosen(pairs: Sequence[Pair]) -> dict[str, LinearModel]:
    """The models, their orders chosen on the end of the records and fitted to all of it."""
    rest, end = _parted(pairs)
    count, inputs, outputs = (
        sum(len(u) for u, _ in rest),
        pairs[0][0].shape[1],
        pairs[0][1].shape[1],
    )
    few = lambda weights: weights <= min(MOST_WEIGHTS, count / SAMPLES_A_WEIGHT)  # noqa: E731
    longest = usual_length(np.array([len(u) for u, _ in rest])) - 1
    orders = [n for n in ORDERS if few(n * (outputs + inputs)) and n < longest] or [0]
    lags = [m - 1 for m in LENGTHS if few(m * inputs) and m <= longest] or [0]
    arx, fir = Equations.of(rest, orders[-1], orders[-1]), Equations.of(rest, 0, lags[-1])
    candidates = [(n, n, ridge) for n in orders for ridge in RIDGES]
    simulate = lambda model, u, y: model.simulate(u)  # noqa: E731
    asked = {
        "simulation": _best(arx, candidates, end, simulate),
        "one step": _best(arx, candidates, end, lambda model, u, y: model.one_step(u, y)),
        "fir": _best(fir, [(0, m, ridge) for m in lags for ridge in RIDGES], end, simulate),
    }
    whole = {name: Equations.of(pairs, n, m) for name, (n, m, _) in asked.items()}
    return {name: equations.solve(*asked[name]) for name, equations in whole.items()}


def _best(equations: Equations, orders: Iterable[Order], end: Sequence[Pair], run: Run) -> Order:
    """The order and the ridge with the least error."""

    def error(order: Order) -> float:
        model = equations.solve(*order)
        found = [run(model, u, y) for u, y in end]
        value = rmse(np.concatenate([y for _, y in end]), np.concatenate(found))
        return value if np.isfinite(value) else np.inf

    return min(orders, key=error)


def _parted(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Records up to the last share of all samples, and from there on."""
    keep = round((1 - CHOOSING) * sum(len(u) for u, _ in pairs))
    rest: list[Pair] = []
    end: list[Pair] = []
    for u, y in pairs:
        cut = min(max(keep, 0), len(u))
        keep -= len(u)
        rest += [(u[:cut], y[:cut])] if cut else []
        end += [(u[cut:], y[cut:])] if cut < len(u) else []
    return rest, end
