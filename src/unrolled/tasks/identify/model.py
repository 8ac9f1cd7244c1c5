"""The estimator: from inputs and outputs of a system to a model that simulates it.

    model = ur.tasks.identify.SystemIdentifier(inputs=["u"], outputs=["y"]).fit("system.csv")
    model.simulate(u)                    # [T, O] from inputs [T, I]
    model.evaluate("other.csv").scores
    model.save("runs/system"); ur.load("runs/system")

Shapes: B batch, T samples, I inputs, O outputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from torch import nn

from ...cells import BY_NAME
from ...data.errors import DataError
from ...data.systems import SystemData, read_system, system_of
from ...nn import FeedBack, Recurrent, initialise
from ...training import Machine, Total
from ..arguments import argument
from ..console import Column
from ..estimator import BY_DATA, start_remembering
from ..learning import Listener
from ..supervised import Metric, SupervisedEstimator
from .baselines import LinearBaselines
from .coding import SystemCoding
from .encoded import Batch, EncodedSystem, Windows
from .measures import (
    METRICS,
    Predicted,
    Stretch,
    check_stretches,
    scores_of,
    stretch_key,
    stretches_of,
)
from .network import PredictionNetwork, SimulationNetwork, fit_memory, squared_errors
from .parts import held_out
from .plan import STEPS, Plan, plan_for
from .predicting import as_given, at_once, beyond_training, checked, predicted, residuals_of
from .results import Details

FEEDBACKS = ("simulation", "prediction")
# Windows that a run keeps to be looked into.
EXAMPLES = 8
DEFAULT_CELL = "pnlss"


@dataclass(eq=False, repr=False, kw_only=True)
class SystemIdentifier(SupervisedEstimator):
    """Learns what comes out of a dynamical system from what goes in.

    Arguments:
        inputs, outputs: columns of a table, where `fit` is given a path or a dataframe; None:
            found by their names.
        cell: a cell by name, or a `Cell` class.
        feedback: "simulation", the network reads the inputs alone; "prediction", it reads the
            output of the step before too, the measured one in training.
        epochs: validations during training.
        updates: of the weights, in all.
        batch_size: windows of an update.
        steps: samples of a window.
        washout: samples at the start of every window, and of every record that is scored, that do
            not count: there the state is not yet known.
        validation: share of the samples, the last ones, that is held out to validate; or rows
            such as "90000:110000"; or a path of further data.
        stretches: rows of the test part that are scored on their own too: "0:25000,25000:40000".
        further: those of `Estimator`.

    Attributes (after `fit`):
        fitted_: the network and what it must know.
        history_: the log of training.
        findings_: what was noticed about the data.
    """

    task: ClassVar[str] = "identify"
    columns: ClassVar[Sequence[Column]] = (Column("sim error %", "error", 13),)
    coding_type, plan_type, baselines_type = SystemCoding, Plan, LinearBaselines
    step_unit: ClassVar[str] = "samples"
    loss_name: ClassVar[str] = "squared error, in variances of the output"
    # The simulation decides, whatever is trained; a figure that decides is not shown.
    decides: ClassVar[str] = "simulation"

    inputs: Any = None
    outputs: Any = None
    cell: Any = argument(DEFAULT_CELL, f"One of {', '.join(BY_NAME)}.", kind=str)
    feedback: str = argument("simulation", "What is trained", among=FEEDBACKS)
    epochs: int | None = argument(None, f"Validations during training. {BY_DATA}", whole=1)
    updates: int | None = argument(None, f"Of the weights, in all. {BY_DATA}", whole=1)
    batch_size: int | None = argument(None, f"Windows of an update. {BY_DATA}", whole=1)
    steps: int | None = argument(None, f"Samples of a window. {BY_DATA}", whole=2)
    washout: int | None = argument(
        None, f"First samples of windows and records that do not count. {BY_DATA}", whole=0
    )
    validation: Any = argument(
        "0.2", "To validate on: a share, the last one, rows 90:110, or a file.", kind=str
    )
    stretches: str = argument("", "Rows of the test scored on their own: 0:25000,25000:40000.")

    @property
    def metrics(self) -> Sequence[Metric]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What is scored; one more for each of the stretches."""
        added = [Metric(stretch_key(s), higher=False) for s in self.asked_stretches()]
        return (*METRICS, *added)

    def asked_stretches(self) -> list[Stretch]:
        """The stretches, as rows."""
        return stretches_of(self.stretches)

    def check_arguments(self) -> None:
        """Raise ValueError, naming the argument, if one makes no sense."""
        super().check_arguments()
        self.asked_stretches()
        if self.feedback == "prediction":
            for name, most in (("num_layers", 1), ("dropout", 0)):
                if (getattr(self, name) or 0) > most:
                    raise ValueError(
                        f"{name} must be {most} with feedback prediction, where one cell reads "
                        f"its own output, got {getattr(self, name)}"
                    )
        if self.steps and self.washout is not None and self.washout >= self.steps:
            raise ValueError(
                f"washout must be less than the {self.steps} steps of a window, got {self.washout}"
            )

    # --- data -------------------------------------------------------------------------------

    def read(self, source: Any, y: Any = None) -> SystemData:
        """Data of the task: `SystemData`, what `read_system` reads, or arrays and outputs."""
        if isinstance(source, SystemData):
            return source
        if y is not None:
            return system_of(source, y, names=(self.inputs, self.outputs))
        return read_system(source, self.inputs, self.outputs)

    def read_like(
        self, source: Any, reading: Mapping[str, Any], measured: bool = True
    ) -> SystemData:
        """Further data, read as the first ones."""
        given: dict[str, Any] = {k: value for k, value in reading.items() if value is not None}
        if not given and hasattr(self, "fitted_"):
            coding = self.fitted_.coding
            given = {"inputs": list(coding.inputs), "outputs": list(coding.outputs)}
        return read_system(source, **given, measured=measured)

    def learn_coding(self, learned: SystemData) -> SystemCoding:
        return SystemCoding.learn(learned)

    def encode(self, coding: SystemCoding, data: SystemData) -> EncodedSystem:
        return EncodedSystem.of(coding, data)

    def divide(self, data: SystemData) -> tuple[SystemData, SystemData]:
        read = lambda path: self.read_like(path, self.reading_of(data))  # noqa: E731
        learned, held = held_out(data, str(self.validation), "validation", read)
        if held is None:
            raise ValueError("validation must hold some samples out, got 0; try 0.2")
        return learned, held

    def held_out_to_test(
        self, data: SystemData, asked: str
    ) -> tuple[SystemData, SystemData | None]:
        read = lambda path: self.read_like(path, self.reading_of(data))  # noqa: E731
        learned, test = held_out(data, asked, "test", read)
        check_stretches(self.asked_stretches(), test)
        return learned, test

    def describe_split(self, learned: SystemData, test: SystemData | None) -> str:
        """`train on 72,858 samples, validate on 18,214, rows ... | test on 40,000, rows ...`."""
        trained, held = self.divide(learned)
        tested = "no test" if test is None else f"test on {len(test):,}, {test.rows()}"
        validated = f"validate on {len(held):,}, {held.rows()}"
        return f"train on {len(trained):,} samples, {validated} | {tested}"

    # --- network ----------------------------------------------------------------------------

    def plan_for(self, coding: SystemCoding, learned: SystemData) -> Plan:
        return plan_for(self.cell_name, learned)

    def build(self, coding: SystemCoding, plan: Plan) -> nn.Module:
        inputs, outputs = len(coding.inputs), len(coding.outputs)
        if self.feedback == "prediction":
            cell = self.make_cell(inputs + outputs, plan.hidden_size)
            return PredictionNetwork(cell, outputs, self.engine)
        recurrent = Recurrent(
            self.make_cell, inputs, plan.hidden_size, plan.num_layers, engine=self.engine
        )
        return SimulationNetwork(recurrent, outputs, plan.dropout)

    def start(self, network: nn.Module) -> None:
        """A polynomial cell starts as it draws itself, stable; others as the base has them."""
        if self.initialisation is None and self.cell_name == DEFAULT_CELL:
            return
        for layer in list(network.modules()):
            if isinstance(layer, (Recurrent, FeedBack)):
                stack = layer if isinstance(layer, Recurrent) else Recurrent(layer.cell)
                if self.initialisation is None:
                    start_remembering(stack)
                else:
                    initialise(stack, self.initialisation)

    def batches(self, encoded: EncodedSystem, plan: Plan, machine: Machine) -> Windows:
        return Windows(encoded, plan, self.seed, machine)

    def loss(self, network: Any, batch: Batch, progress: float) -> Total:
        said = network.trained_on(batch["inputs"], batch["outputs"], batch.get("lengths"))
        return squared_errors(said, batch, self._washout)

    def figures(self, network: nn.Module, encoded: EncodedSystem) -> dict[str, float]:
        loss: list[Total] = []
        simulation: list[Total] = []
        for batch, _ in self.each_batch(network, encoded, at_once(encoded)):
            total = self.loss(network, batch, 1.0)
            loss.append(total)
            if self.feedback == "prediction":
                said = cast(Any, network).simulate(batch["inputs"], batch["lengths"])
                total = squared_errors(said, batch, self._washout)
            simulation.append(total)
        error = 100 * math.sqrt(_mean(simulation))
        return {"loss": _mean(loss), "error": error, "simulation": error}

    @property
    def _washout(self) -> int:
        return self.fitted_.plan.washout if self.washout is None else self.washout

    # --- use --------------------------------------------------------------------------------

    def fit(self, data: Any, y: Any = None, listener: Listener | None = None) -> Self:
        """Learn from records; their end is held out to validate.

        Arguments:
            data: a `SystemData`, what `read_system` reads, or inputs [T, I] in memory.
            y: outputs [T, O], where `data` are in memory; of both a list for several experiments.
            listener: told of the progress.

        Raises:
            ValueError: an argument of the constructor makes no sense.
            DataError: the data cannot be learned from.
            TrainingFailed: the loss stayed infinite or undefined.
        """
        self.check_arguments()
        data = self.read(data, y)
        learned, held = self.divide(data)
        washout = self.planned(data).washout
        if held.lengths.max() <= washout:
            raise DataError(
                f"no record of the part to validate on is longer than the washout of {washout} "
                f"samples, the longest has {held.lengths.max()}; choose a smaller washout"
            )
        super().fit(data, None, listener)
        network = self.fitted_.network
        if isinstance(network, SimulationNetwork):
            residuals = [residuals_of(self, part) for part in (learned, held)]
            network.memory.copy_(fit_memory(residuals[0], residuals[1], washout))
        return self

    def simulate(self, inputs: Any) -> Any:
        """The output from the input alone, free running from the zero state.

        Arguments:
            inputs: [T, I] or [T], or a list of such.

        Returns:
            [T, O], or a list of such.

        Raises:
            DataError: other inputs than the model has.
        """
        self.check_fitted()
        return as_given(inputs, self.predictions(self.without_outputs(inputs)).simulated)

    def predict(self, inputs: Any, outputs: Any) -> Any:
        """The output one step ahead, from all outputs measured before it; as `simulate`."""
        self.check_fitted()
        return as_given(inputs, self.predictions(system_of(inputs, outputs)).one_step)

    def without_outputs(self, source: Any) -> SystemData:
        """Inputs alone: of a path as the data of training were read, or arrays."""
        if isinstance(source, (str, Path)):
            return self.read_like(source, self.fitted_.reading, measured=False)
        return source if isinstance(source, SystemData) else system_of(source)

    def predictions(self, data: SystemData) -> Predicted:
        """What the model says of every record, in original units; one step where it can."""
        return predicted(self, checked(self, data))

    def fit_baselines(self, learned: SystemData) -> LinearBaselines:
        return LinearBaselines.fit(learned)

    def baseline_scores(self, data: SystemData) -> dict[str, dict[str, float]]:
        return self.fitted_.baselines.scores(data, self._washout, self.asked_stretches())

    def measure(self, data: SystemData) -> tuple[dict[str, float], dict[str, Any]]:
        washout, coding = self._washout, self.fitted_.coding
        if data.lengths.max() <= washout:
            raise DataError(
                f"no record of {data.name} is longer than the washout of {washout} samples; "
                "choose a smaller washout"
            )
        check_stretches(self.asked_stretches(), checked(self, data))
        found = self.predictions(data)
        scores = scores_of(data, found, washout, self.asked_stretches())
        steps = self.fitted_.plan.steps
        details = Details.of(data, found, washout, coding.output_scale, steps)
        counted = sum(max(0, n - washout) for n in data.lengths.tolist())
        left = f" after {washout} of washout" * bool(washout)
        each = " in each record" * (len(data.records) > 1 and bool(washout))
        return scores, {
            "count": f"{counted:,} samples{left}{each}",
            "worst": details.table(),
            "details": details,
            "findings": beyond_training(self, data),
        }

    def describe_initialisation(self) -> str:
        drawn = self.initialisation is None and self.cell_name == DEFAULT_CELL
        return "a stable linear system, drawn" if drawn else super().describe_initialisation()

    def plain_arguments(self) -> dict[str, Any]:
        given = super().plain_arguments()
        names = {"inputs": self.inputs, "outputs": self.outputs}
        return {
            **given,
            **{k: v if v is None or isinstance(v, str) else list(v) for k, v in names.items()},
        }

    def examples(self, encoded: EncodedSystem) -> Batch:
        # Whole records would be too long to look into.
        return encoded.windows(STEPS, EXAMPLES)


def _mean(totals: Sequence[Total]) -> float:
    whole = totals[0]
    for total in totals[1:]:
        whole = whole + total
    return float(whole.mean)
