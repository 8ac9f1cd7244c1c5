"""The estimator of tasks that learn from samples: what is the same in all of them.

    fit       read -> part -> learn_coding -> plan_for -> build -> train, the best kept
    evaluate  read -> encode -> scores, the baselines beside

A task extends `SupervisedEstimator` with these hooks; a batch is a dict of tensors.

Shapes: N samples, B batch.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from ...data.series import Finding
from ...naming import counted
from ...nn import cells_of
from ...training import Machine, Total, TrainingSettings
from ...training.checkpoint import own_random_numbers
from ..arguments import argument
from ..batching import Bucketed, in_order
from ..console import Column
from ..estimator import Estimator
from ..learning import Job, Listener, carry_out, few_threads
from .batches import TrainingBatches
from .parts import VALIDATION, held_out
from .protocols import Batch, Fitted
from .scores import MODEL, Evaluation, Metric, Scores

# Samples that a run keeps to be looked into.
EXAMPLES = 8
# Layers up to this size compute faster in one thread.
SMALL = 64


@dataclass(eq=False, repr=False, kw_only=True)
class SupervisedEstimator(Estimator):
    """Learns from samples, each with what belongs to it.

    Arguments:
        validation: share of the samples that is held out to validate; or a path of further data,
            or a pattern of names.
        further: those of `Estimator`.

    Attributes (after `fit`):
        fitted_: the network and what it must know.
        history_: the log of training.
        findings_: what was noticed about the data.
        divided_: how many samples were learned from, and how many held out to validate.
    """

    # What a task says of itself.
    metrics: ClassVar[Sequence[Metric]]
    columns: ClassVar[Sequence[Column]] = ()
    coding_type: ClassVar[Any]
    plan_type: ClassVar[Any]
    baselines_type: ClassVar[Any]
    # What a sample is called, of what its steps are, and what the loss is.
    unit: ClassVar[str] = "sample"
    step_unit: ClassVar[str] = "steps"
    loss_name: ClassVar[str] = "-log p of the truth, in nats"
    # What `tune` may search.
    searched: ClassVar[Sequence[str]] = (
        "cell",
        "hidden_size",
        "num_layers",
        "dropout",
        "learning_rate",
        "weight_decay",
        "epochs",
        "batch_size",
    )
    # The figure of a validation that the best weights have least of.
    decides: ClassVar[str] = "loss"

    validation: Any = argument(
        VALIDATION, "To validate on: a share, further data, or a pattern of names.", kind=str
    )

    fitted_: Fitted = field(init=False)
    findings_: tuple[Finding, ...] = field(init=False)
    divided_: tuple[int, int] = field(init=False)
    settings_: TrainingSettings = field(init=False)

    # --- what a task fills in ---------------------------------------------------------------

    @abstractmethod
    def read(self, source: Any, y: Any = None) -> Any:
        """Data of the task; what is read already passes through.

        Arguments:
            source: whatever the task's reader reads, or what is in memory.
            y: what belongs to each sample, where `source` is in memory.
        """

    @abstractmethod
    def read_like(self, source: Any, reading: Mapping[str, Any]) -> Any:
        """Further data, read as `reading_of` told of the first ones."""

    def reading_of(self, data: Any) -> dict[str, Any]:
        """How data were read, for `read_like`; JSON holds it."""
        return dict(getattr(data, "reading", {}))

    @abstractmethod
    def learn_coding(self, learned: Any) -> Any:
        """What the network must know of the data, from the training part."""

    @abstractmethod
    def plan_for(self, coding: Any, learned: Any) -> Any:
        """Sizes and rates where nobody asks; those asked for are put into it by the caller."""

    @abstractmethod
    def build(self, coding: Any, plan: Any) -> nn.Module:
        """The network, its weights drawn."""

    @abstractmethod
    def encode(self, coding: Any, data: Any) -> Any:
        """Samples as tensors: an `Encoded`."""

    @abstractmethod
    def loss(self, network: Any, batch: Batch, progress: float) -> Total:
        """The loss of a batch, summed, and over how much."""

    @abstractmethod
    def fit_baselines(self, learned: Any) -> Any:
        """What the model is compared with: a `Baselines`."""

    @abstractmethod
    def measure(self, data: Any) -> tuple[dict[str, float], dict[str, Any]]:
        """The scores of the fitted model by metric; and what `Evaluation` takes besides:
        `count`, `worst`, `details`, `findings`."""

    def usable(self, data: Any) -> Any:
        """What can be learned from at all; the rest is left out, and said."""
        return data

    def augment(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """A training batch with noise, if any."""
        return batch

    def batches(self, encoded: Any, plan: Any, machine: Machine) -> Any:
        """An endless supply of training batches, resumable, with `len` for an epoch."""
        part = (machine.rank, machine.processes)
        drawn = Bucketed(encoded.lengths, plan.batch_size, seed=self.seed, part=part)
        return TrainingBatches(encoded, drawn, self.augment, self.seed, machine)

    def figures(self, network: nn.Module, encoded: Any) -> dict[str, float]:
        """Figures of a validation: "loss", and those of `columns`."""
        totals = [self.loss(network, batch, 1.0) for batch, _ in self.each_batch(network, encoded)]
        return {"loss": float(sum(totals[1:], totals[0]).mean)}

    def examples(self, encoded: Any) -> Batch:
        """Some held-out samples, which the run keeps to be looked into."""
        count = len(encoded.lengths)
        places = np.unique(np.linspace(0, count - 1, min(count, EXAMPLES)).round().astype(int))
        return encoded.batch(places.tolist())

    def step_labels(self, coding: Any, batch: Batch) -> list[list[str]] | None:
        """What the steps of the network's input are called, a row for each sample."""
        return None

    def layer_names(self, network: nn.Module) -> dict[str, str]:
        """What to call the cells, by qualified name, where the default says too little."""
        return {}

    def aside(self, network: nn.Module) -> Collection[str]:
        """Cells that run over something else than the steps of a sample, by qualified name."""
        return [name for name in cells_of(network) if "decoder" in name]

    def strides(self, network: nn.Module) -> dict[str, int]:
        """Steps of the data that one step of a layer is, by qualified name, where not one."""
        return {}

    def describe_split(self, learned: Any, test: Any) -> str:
        """`train on 4,013 samples, validate on 446 | test on 1,115`."""
        tested = "no test" if test is None else f"test on {len(test):,}"
        trained, validated = self.divided_
        return f"train on {counted(trained, self.unit)}, validate on {validated:,} | {tested}"

    def describe_start(self) -> str:
        """What the network is before training, for a report."""
        return "the one drawn"

    def noticed_in_validation(self, coding: Any, held: Any) -> tuple[Finding, ...]:
        """What is to be said of the samples that are held out to validate."""
        return ()

    # --- what is the same for all -----------------------------------------------------------

    def fit(self, data: Any, y: Any = None, listener: Listener | None = None) -> Self:
        """Learn from samples; some of them are held out to validate.

        Arguments:
            data: as `read` takes them.
            y: what belongs to each sample, where `data` are in memory.
            listener: told of the progress.

        Raises:
            ValueError: an argument of the constructor makes no sense.
            DataError: the data cannot be learned from.
            TrainingFailed: the loss stayed infinite or undefined.
        """
        listener = listener or Listener()
        self.check_arguments()
        data = self.usable(self.read(data, y))
        learned, held = self.divide(data)
        self.divided_ = len(learned), len(held)
        coding = self.learn_coding(learned)
        noticed = self.noticed_in_validation(coding, held)
        self.findings_ = (*data.findings, *getattr(coding, "findings", ()), *noticed)
        listener.started(self)
        plan = self.plan_of(coding, learned)
        reading = self.reading_of(data)
        with own_random_numbers(self.seed), few_threads(self.is_small(plan)):
            job = self._job(coding, plan, learned, held)
            baselines = self.fit_baselines(learned)
            network, examples = job.model, self.examples(self.encode(coding, held))
            self.fitted_ = Fitted(coding, plan, network, baselines, data.name, reading, examples)
            carry_out(self, job, listener)
        return self

    def divide(self, data: Any) -> tuple[Any, Any]:
        """What is learned from, and what is held out to validate."""
        read = lambda path: self.read_like(path, self.reading_of(data))  # noqa: E731
        learned, held = held_out(data, str(self.validation), "validation", read)
        if held is None:
            raise ValueError("validation must hold some samples out, got 0; try 0.05")
        return learned, held

    def held_out_to_test(self, data: Any, asked: str) -> tuple[Any, Any]:
        """What is given to `fit`, and the part to test on that `--test` asks for, or None."""
        read = lambda path: self.read_like(path, self.reading_of(data))  # noqa: E731
        return held_out(data, asked, "test", read)

    def planned(self, data: Any) -> Any:
        """The plan that `fit` would train by."""
        learned, _ = self.divide(self.usable(data))
        return self.plan_of(self.learn_coding(learned), learned)

    def plan_of(self, coding: Any, learned: Any) -> Any:
        """Sizes and rates: those of the arguments that are not None, the others by the data."""
        plan = self.plan_for(coding, learned)
        names = [f.name for f in fields(plan) if hasattr(self, f.name)]
        asked = {name: getattr(self, name) for name in names}
        return replace(plan, **{n: v for n, v in asked.items() if v is not None})

    def is_small(self, plan: Any) -> bool:
        """Whether the matrices are so small that one thread computes faster than two."""
        return plan.hidden_size <= SMALL

    def evaluate(self, data: Any, y: Any = None) -> Evaluation:
        """Scores on labelled data, the baselines beside.

        Arguments:
            data: as `fit` takes them, or a path, read as the data of training were.
            y: what belongs to each sample, where `data` are in memory.
        """
        self.check_fitted()
        data = self.read_again(data, y)
        own, beside = self.measure(data)
        beside.setdefault("count", counted(len(data), self.unit))
        scores = {MODEL: own, **self.baseline_scores(data)}
        return Evaluation(data.name, metrics=self.metrics, scores=scores, **beside)

    def baseline_scores(self, data: Any) -> Scores:
        """The baselines alone."""
        return self.fitted_.baselines.scores(data)

    def read_again(self, data: Any, y: Any = None) -> Any:
        """Further data: paths are read as the data of training were."""
        if y is None and isinstance(data, str | Path):
            return self.read_like(data, self.fitted_.reading)
        return self.read(data, y)

    def seems_learned(self, data: Any) -> bool:
        """Whether data to evaluate on are called as those that were learned from."""
        return data.name == self.fitted_.data

    def each_batch(
        self, network: nn.Module, encoded: Any, size: int | None = None
    ) -> Iterator[tuple[Batch, Tensor]]:
        """All samples in batches of about equal length, on the network's device; their places."""
        device = next(network.parameters()).device
        batches, _ = in_order(encoded.lengths, size or self._evaluated_at_once())
        for each in batches:
            batch = encoded.batch(each.indices.tolist())
            yield {name: tensor.to(device) for name, tensor in batch.items()}, each.indices

    @torch.no_grad()
    def for_each(
        self,
        network: nn.Module,
        encoded: Any,
        results: Callable[[Any, Batch], Sequence[Any]],
        size: int | None = None,
    ) -> list[Any]:
        """What `results` gives of every sample, in their order.

        Arguments:
            results: of a network in evaluation mode and a batch: a result for each of its samples.
            size: samples of a batch.
        """
        was = network.training
        network.eval()
        found: list[Any] = [None] * len(encoded.lengths)
        with few_threads(self.is_small(self.fitted_.plan)):
            for batch, places in self.each_batch(network, encoded, size):
                for place, result in zip(places.tolist(), results(network, batch), strict=True):
                    found[place] = result
        network.train(was)
        return found

    @property
    def updates_(self) -> int:
        """How many updates the whole training has."""
        return self.settings_.total

    def save(self, folder: str | Path) -> Path:
        """Write a run folder, without pickle; `unrolled.load` is the inverse."""
        from .saving import save

        return save(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path, cell: Any = None) -> Self:
        """Open a run folder.

        Arguments:
            cell: the class of the cell, where it is not one of unrolled's own.

        Raises:
            RunError: the folder is no run, is damaged, or was written by a later version.
        """
        from .saving import load

        return load(cls, Path(folder), cell)

    def _evaluated_at_once(self) -> int:
        plan = self.fitted_.plan if hasattr(self, "fitted_") else None
        return 2 * plan.batch_size if plan is not None else 64

    def _job(self, coding: Any, plan: Any, learned: Any, held: Any) -> Job:
        machine = Machine(self.torch_device(), self.optimisation.precision)
        validated = self.encode(coding, held)
        batches = self.batches(self.encode(coding, learned), plan, machine)
        network = self.build(coding, plan)
        self.start(network)
        self.settings_ = TrainingSettings(
            epochs=plan.epochs,
            updates=max(1, len(batches) // self.optimisation.accumulate),
            learning_rate=plan.learning_rate,
            weight_decay=plan.weight_decay,
            patience=self.patience or plan.epochs,
            optimisation=self.optimisation,
        )
        return Job(
            model=network.to(machine.device),
            loss=self.loss,
            batches=batches,
            validate=torch.no_grad()(lambda model: self.figures(model, validated)),
            settings=self.settings_,
            keep=self._keep,
            machine=machine,
            decides=self.decides,
        )

    def _keep(self, model: nn.Module) -> None:
        self.fitted_ = replace(self.fitted_, network=model)
