"""The classifier: from a text, or a sequence of numbers, to its class.

    model = ur.tasks.classify.Classifier().fit("spam.tsv")
    model = ur.tasks.classify.Classifier().fit(texts, labels)
    model.predict(["call now to win"]); model.predict_proba(["call now to win"])
    model.evaluate("others.tsv").scores
    model.save("runs/spam"); ur.load("runs/spam")

Shapes: N samples, C classes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...data import Samples
from ...data.series import Finding
from ...data.vocabulary import KINDS
from ...naming import one_of
from ...nn import Recurrent
from ...training import Optimisation, Total
from ..arguments import argument
from ..console import Column
from ..estimator import BY_DATA
from ..supervised import Metric, SupervisedEstimator
from .augment import Augment
from .baselines import ClassBaselines
from .coding import Coding, EncodedSamples, learn
from .metrics import (
    ACCURACY,
    CALIBRATION,
    LOG_LOSS,
    calibration_error,
    log_loss,
    metrics_for,
    rarer,
    scores_of,
)
from .network import ClassifierNetwork, NumberInput, TokenInput
from .plan import Plan, plan_for
from .pooling import POOLINGS
from .reading import as_samples, has_content, in_memory, without_classes
from .results import Details
from .texts import TextCoding, usual_tokens

Batch = dict[str, Tensor]
CLASS_WEIGHTS = ("none", "balanced")
# What labels in memory may be besides texts, by numpy's letter.
LABELS = {"i": int, "u": int, "f": float}
# Samples are short and batches small: up to this size threads wait more than they compute.
SMALL = 128
OPTIMISATION = Optimisation(warm_up=0.1)


@dataclass(eq=False, repr=False, kw_only=True)
class Classifier(SupervisedEstimator):
    """Learns from texts, or sequences of numbers, of which class each is.

    Arguments:
        tokens: what texts are read by: "characters", "words" or "subwords". None: characters where
            texts have few words or very long ones, words otherwise.
        embedding_size: of a token's vector.
        buckets: vectors of the character n-grams in words; 0 for none.
        lower: whether capital letters of tokens are read as small ones; n-grams keep them. None:
            of words.
        least: how often a token must be seen to be known.
        longest: tokens of a text or steps of a sequence that are read, the first ones.
        differences: whether the changes of numbers from step to step are features too.
        plane: two features, "x,y", that are the coordinates of points in a plane, which then have
            one scale, directions as further features, and `tilt`; "none" for none. None: where
            there are two features of one range.
        bidirectional: whether sequences are read from both ends.
        pooling: one vector from all steps: "last", "mean", "max", "mean+max", "attention".
        embedding_dropout: share of what the recurrence reads that it does not see, in training.
        token_dropout: share of the tokens that are read as unknown, in training.
        noise, scale, warp, tilt: how far numbers are changed in training, as `augment.Augment`
            has it; 0 for not at all.
        label_smoothing: share of the target that all classes have, in training.
        class_weights: "none", or "balanced": the samples of each class count alike together.
        positive: the class whose F1 is told. None: the rarer of two.
        further: those of `SupervisedEstimator`.

    Attributes (after `fit`): those of `SupervisedEstimator`, and `classes_`.
    """

    task: ClassVar[str] = "classify"
    coding_type, plan_type, baselines_type = Coding, Plan, ClassBaselines
    columns = (Column("accuracy", ACCURACY),)
    loss_name = "-log p(class), in nats, smoothed; dropout and noise act on the training loss only"

    tokens: str | None = argument(None, f"Of texts. {BY_DATA[:-1]}", among=KINDS)
    embedding_size: int | None = argument(None, f"Of a token. {BY_DATA}", whole=1)
    buckets: int = argument(16384, "Vectors of character n-grams in words; 0: none.", whole=0)
    lower: bool | None = argument(None, "Capital letters as small ones. Default of words.")
    least: int = argument(1, "How often a known token is seen.", whole=1)
    longest: int = argument(1000, "Tokens or steps that are read of a sample.", whole=1)
    differences: bool = argument(True, "Changes of numbers as features.")
    plane: str | None = argument(None, 'Features that are a point: "x,y"; none. Default found.')
    bidirectional: bool = argument(True, "Read from both ends.")
    pooling: str | None = argument(None, f"Of the steps. {BY_DATA[:-1]}", among=POOLINGS)
    embedding_dropout: float | None = argument(None, f"Of the input. {BY_DATA}", below=1.0)
    token_dropout: float | None = argument(None, f"Read as unknown. {BY_DATA}", below=1.0)
    noise: float | None = argument(None, f"Added to numbers. {BY_DATA}", below=math.inf)
    scale: float | None = argument(None, f"Numbers multiplied. {BY_DATA}", below=math.inf)
    warp: float | None = argument(None, f"Uneven time. {BY_DATA}", below=math.inf)
    tilt: float | None = argument(None, f"Points turned and sheared. {BY_DATA}", below=math.inf)
    label_smoothing: float = argument(0.05, "Share of the target of all classes.", below=1.0)
    class_weights: str = argument("none", "Of samples in training", among=CLASS_WEIGHTS)
    positive: str | None = argument(None, "Class whose F1 is told. Default the rarer of two.")
    optimisation: Optimisation = OPTIMISATION

    @property
    def metrics(self) -> Sequence[Metric]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return metrics_for(self._positive(self.fitted_.coding.by_class))

    @property
    def classes_(self) -> np.ndarray:
        """The classes, in the order of `predict_proba`, of the kind that `fit` got."""
        self.check_fitted()
        names = np.array(self.fitted_.coding.classes)
        kind = self.fitted_.reading.get("labels", "")
        if kind == "b":
            return names == str(True)
        return names.astype(LABELS.get(kind, str))

    def is_small(self, plan: Plan) -> bool:
        return plan.hidden_size <= SMALL

    def read(self, source: Any, y: Any = None) -> Samples:
        """Samples, as `reading.as_samples` takes them."""
        data = as_samples(source, y)
        if y is not None:
            data = replace(data, reading={**data.reading, "labels": np.asarray(y).dtype.kind})
        return data

    def read_like(self, source: Any, reading: Mapping[str, Any]) -> Samples:
        return as_samples(source, **{k: v for k, v in reading.items() if k != "labels"})

    def read_again(self, data: Any, y: Any = None) -> Samples:
        if y is None:
            return self.read_like(data, self.fitted_.reading)
        return as_samples(data, y, self.fitted_.coding.classes)

    def reading_of(self, data: Samples) -> dict[str, Any]:
        return {**data.reading, "classes": list(data.classes)}

    def learn_coding(self, learned: Samples) -> Coding:
        if self.positive is not None:
            one_of(self.positive, learned.classes, "positive")
        return learn(learned, self)

    def plan_for(self, coding: Coding, learned: Samples) -> Plan:
        return plan_for(coding, len(learned), self.batch_size)

    def build(self, coding: Coding, plan: Plan) -> ClassifierNetwork:
        reads = coding.reads
        if isinstance(reads, TextCoding):
            first: TokenInput | NumberInput = TokenInput(
                len(reads.vocabulary),
                plan.embedding_size,
                reads.buckets,
                reads.vocabulary.unknown,
                plan.token_dropout,
            )
        else:
            first = NumberInput(reads)
        recurrent = Recurrent(
            self.make_cell,
            first.output_size,
            plan.hidden_size,
            plan.num_layers,
            bidirectional=self.bidirectional,
            dropout=plan.dropout if plan.num_layers > 1 else 0.0,
            engine=self.engine,
        )
        return ClassifierNetwork(
            first,
            recurrent,
            len(coding.classes),
            plan.pooling,
            plan.dropout,
            plan.embedding_dropout,
        )

    def encode(self, coding: Coding, data: Samples) -> EncodedSamples:
        coding.check(data)
        return EncodedSamples(coding, data, self.class_weights)

    def augment(self, batch: Batch, generator: np.random.Generator) -> Batch:
        fitted, plan = self.fitted_, self.fitted_.plan
        if "values" not in batch:
            return batch
        changed = Augment(plan.noise, plan.scale, plan.warp, plan.tilt)
        drawn = torch.Generator().manual_seed(int(generator.integers(2**63)))
        plane = fitted.coding.reads.plane
        return {**batch, "values": changed(batch["values"], batch["lengths"], plane, drawn)}

    def loss(self, network: Any, batch: Batch, progress: float) -> Total:
        return self._loss(network(batch), batch)

    def _loss(self, scores: Tensor, batch: Batch) -> Total:
        each = F.cross_entropy(
            scores.float(),
            batch["targets"],
            reduction="none",
            label_smoothing=self.label_smoothing,
        )
        return Total((each * batch["weights"]).sum(), batch["weights"].sum())

    def figures(self, network: nn.Module, encoded: EncodedSamples) -> dict[str, float]:
        total, right = Total(torch.zeros(()), torch.zeros(())), 0
        for batch, _ in self.each_batch(network, encoded):
            scores = network(batch)
            loss = self._loss(scores, batch)
            total = total + Total(loss.total.cpu(), loss.count.cpu())
            right += int((scores.argmax(1) == batch["targets"]).sum())
        return {"loss": float(total.mean), ACCURACY: right / len(encoded.lengths)}

    def fit_baselines(self, learned: Samples) -> ClassBaselines:
        values: list[Any] = [sample.values for sample in learned]
        by = (self.tokens or usual_tokens(values)) if learned.is_text else ""
        return ClassBaselines.fit(learned, self._positive(learned.counts), by)

    def measure(self, data: Samples) -> tuple[dict[str, float], dict[str, Any]]:
        coding = self.fitted_.coding
        encoded = self.encode(coding, data)
        found = self._probabilities(encoded)
        details = Details(data, found)
        scores = {
            **scores_of(details.confusion, coding.classes, self._positive(coding.by_class)),
            LOG_LOSS: log_loss(found, encoded.targets),
            CALIBRATION: calibration_error(found.max(1), details.given == encoded.targets),
        }
        worst = details.worst_table()
        return scores, {"worst": worst, "details": details, "findings": encoded.findings}

    def predict(self, data: Any) -> np.ndarray:
        """The likeliest class of each sample, [N].

        Arguments:
            data: a list of texts, or of arrays [T, F] or [T]; a path or a dataframe, read as the
                data of training were; or `Samples`.
        """
        return self.classes_[self.predict_proba(data).argmax(1)]

    def predict_proba(self, data: Any) -> np.ndarray:
        """p(class) of each sample, [N, C], in the order of `classes_`; arguments as of `predict`.

        Texts without content and sequences without steps have the shares of the classes among the
        samples that were learned from; a warning says how many those are.
        """
        self.check_fitted()
        if isinstance(data, str | PathLike | Samples) or hasattr(data, "columns"):
            return self.classified(self.read_unlabelled(data))[0]
        values = in_memory(data)
        full = [k for k, value in enumerate(values) if has_content(value)]
        found = np.tile(self.fitted_.coding.shares, (len(values), 1))
        if len(full) < len(values):
            count = f"{len(values) - len(full):,} of {len(values):,} samples"
            warnings.warn(f"{count} are empty; they get the shares of the classes", stacklevel=2)
        if full:
            found[full] = self.classified(self.read_unlabelled([values[k] for k in full]))[0]
        return found

    def score(self, data: Any, y: Any = None) -> float:
        """Accuracy on labelled data; arguments as of `evaluate`."""
        self.check_fitted()
        data = self.read_again(data, y)
        found = self._probabilities(self.encode(self.fitted_.coding, data))
        return float((found.argmax(1) == data.targets).mean())

    def read_unlabelled(self, data: Any) -> Samples:
        """Samples to predict; classes that the data have are not read."""
        self.check_fitted()
        return without_classes(data, self.fitted_.reading)

    def classified(self, data: Samples) -> tuple[np.ndarray, tuple[Finding, ...]]:
        """p(class) of samples, [N, C], and what was noticed about them."""
        coding = self.fitted_.coding
        coding.check(data)
        encoded = coding.encode([sample.values for sample in data])
        return self._probabilities(encoded), encoded.findings

    def step_labels(self, coding: Coding, batch: Batch) -> list[list[str]] | None:
        if not isinstance(coding.reads, TextCoding):
            return None
        ids = batch["words"][batch["tokens"]] if "words" in batch else batch["tokens"]
        return [[coding.reads.vocabulary.tokens[k] for k in row] for row in ids.tolist()]

    def layer_names(self, network: nn.Module) -> dict[str, str]:
        ways = (", forward", ", backward") if self.bidirectional else ("",)
        layers = range(1, self.fitted_.plan.num_layers + 1)
        titles = [f"layer {layer}{way}" for layer in layers for way in ways]
        return {f"recurrent.cells.{k}": title for k, title in enumerate(titles)}

    def _probabilities(self, encoded: Any) -> np.ndarray:
        network = self.fitted_.network
        rows = self.for_each(network, encoded, lambda n, b: n(b).float().softmax(1).cpu().numpy())
        return np.stack(rows)

    def _positive(self, counts: Mapping[str, int]) -> str | None:
        return self.positive or rarer(counts)
