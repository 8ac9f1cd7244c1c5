"""A task on the shared estimator, as small as one can be: which of two letters comes first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.data import Samples, read_samples, samples_of
from unrolled.nn import Recurrent
from unrolled.report import Table
from unrolled.report.numbers import percent
from unrolled.tasks.arguments import argument
from unrolled.tasks.batching import pad_sequences
from unrolled.tasks.console import Column
from unrolled.tasks.supervised import MODEL, Metric, SupervisedEstimator
from unrolled.training import Total


@dataclass(frozen=True)
class ToyCoding:
    letters: str
    classes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> ToyCoding:
        return cls(saved["letters"], tuple(saved["classes"]))

    def summary(self) -> Iterator[tuple[str, str]]:
        yield "letters", self.letters


@dataclass(frozen=True)
class ToyPlan:
    hidden_size: int = 8
    num_layers: int = 1
    dropout: float = 0.0
    learning_rate: float = 0.03
    weight_decay: float = 0.0
    epochs: int = 4
    batch_size: int = 16
    width: int = 3


@dataclass(frozen=True)
class Majority:
    label: str
    tensors: ClassVar[dict[str, Tensor]] = {}

    def scores(self, data: Samples) -> dict[str, dict[str, float]]:
        right = [sample.label == self.label for sample in data]
        return {"largest class": {"accuracy": float(np.mean(right))}}

    def to_dict(self) -> dict[str, Any]:
        return {"label": self.label}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], tensors: dict[str, Tensor]) -> Majority:
        return cls(**saved)


@dataclass(frozen=True)
class ToyEncoded:
    ids: list[Tensor]
    targets: Tensor

    @property
    def lengths(self) -> np.ndarray:
        return np.array([len(ids) for ids in self.ids])

    def batch(self, places: Any) -> dict[str, Tensor]:
        padded, lengths, _ = pad_sequences([self.ids[place] for place in places])
        return {"ids": padded, "lengths": lengths, "targets": self.targets[list(places)]}


class ToyNetwork(nn.Module):
    def __init__(self, letters: int, width: int, recurrent: Recurrent, classes: int):
        super().__init__()
        self.embedding, self.recurrent = nn.Embedding(letters, width), recurrent
        self.readout = nn.Linear(recurrent.output_size, classes)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        outputs, _ = self.recurrent(self.embedding(ids), lengths=lengths)
        return self.readout(outputs[torch.arange(len(ids)), lengths - 1])


@dataclass(eq=False, repr=False, kw_only=True)
class Toy(SupervisedEstimator):
    task: ClassVar[str] = "toy"
    metrics = (Metric("accuracy", show=percent),)
    columns = (Column("accuracy", "accuracy"),)
    coding_type, plan_type, baselines_type = ToyCoding, ToyPlan, Majority

    width: int | None = argument(None, "Of an embedding.", whole=1)

    def read(self, source: Any, y: Any = None) -> Samples:
        if isinstance(source, Samples):
            return source
        return read_samples(source) if y is None else samples_of(source, y)

    def read_like(self, source: Any, reading: Mapping[str, Any]) -> Samples:
        return read_samples(source, **reading)

    def learn_coding(self, learned: Samples) -> ToyCoding:
        letters = "".join(sorted({c for s in learned for c in s.values}))
        return ToyCoding(letters, learned.classes)

    def plan_for(self, coding: ToyCoding, learned: Samples) -> ToyPlan:
        return ToyPlan()

    def build(self, coding: ToyCoding, plan: ToyPlan) -> ToyNetwork:
        recurrent = Recurrent(
            self.make_cell, plan.width, plan.hidden_size, plan.num_layers, engine=self.engine
        )
        return ToyNetwork(len(coding.letters), plan.width, recurrent, len(coding.classes))

    def encode(self, coding: ToyCoding, data: Samples) -> ToyEncoded:
        ids = [torch.tensor([coding.letters.index(c) for c in s.values]) for s in data]
        return ToyEncoded(ids, torch.from_numpy(data.targets))

    def loss(self, network: Any, batch: dict[str, Tensor], progress: float) -> Total:
        scores = network(batch["ids"], batch["lengths"])
        total = F.cross_entropy(scores, batch["targets"], reduction="sum")
        return Total(total, torch.tensor(float(len(scores))))

    def figures(self, network: nn.Module, encoded: ToyEncoded) -> dict[str, float]:
        right = np.equal(self.predicted(network, encoded), encoded.targets.numpy())
        return {**super().figures(network, encoded), "accuracy": float(right.mean())}

    def predicted(self, network: nn.Module, encoded: ToyEncoded) -> list[int]:
        return self.for_each(
            network, encoded, lambda n, b: n(b["ids"], b["lengths"]).argmax(1).tolist()
        )

    def fit_baselines(self, learned: Samples) -> Majority:
        return Majority(max(learned.counts, key=lambda label: learned.counts[label]))

    def measure(self, data: Samples) -> tuple[dict[str, float], dict[str, Any]]:
        fitted = self.fitted_
        found = self.predicted(fitted.network, self.encode(fitted.coding, data))
        right = np.equal(found, data.targets)
        rows = [[str(s.values), s.label] for s, hit in zip(data, right, strict=True) if not hit]
        worst = Table(["text", "class"], rows[:5], "Wrong.", names=2) if rows else None
        return {"accuracy": float(right.mean())}, {"worst": worst}

    def step_labels(self, coding: ToyCoding, batch: dict[str, Tensor]) -> list[list[str]]:
        return [[coding.letters[i] for i in row] for row in batch["ids"].tolist()]


def texts(count: int = 200, seed: int = 0) -> tuple[list[str], list[str]]:
    """Random words of a and b, of different lengths, and their first letter."""
    generator = np.random.default_rng(seed)
    words = ["".join(generator.choice(["a", "b"], generator.integers(1, 9))) for _ in range(count)]
    return words, [word[0] for word in words]


__all__ = ["MODEL", "Toy", "texts"]
