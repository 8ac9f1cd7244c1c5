"""The speech recogniser: from recordings to classes, or to transcripts.

    model = ur.tasks.speech.SpeechRecogniser().fit("recordings.zip")
    model.predict("one.wav")
    model.evaluate("others/").scores
    model.save("runs/digits"); ur.load("runs/digits")

Shapes: N recordings, T frames, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...data import DataError, Finding, Recordings, read_audio
from ...nn import Recurrent, cells_of
from ...training import Optimisation, Total
from ..arguments import argument
from ..console import Column
from ..estimator import BY_DATA
from ..supervised import Metric, SupervisedEstimator
from . import objective
from .answers import answer, probability
from .augment import Augment
from .baselines import Baselines
from .coding import (
    SEQUENCE,
    TARGETS,
    TOKENS,
    Coding,
    learn_labels,
    rare,
    target_of,
    tokens_of,
)
from .encoded import Batch, Encoded, augmented, encode, misfits, that_fit
from .features import LogMel
from .metrics import OF_CLASSES, OF_SEQUENCES, score_classes, score_transcripts
from .network import Classifier, Reader, Transcriber
from .plan import Plan, plan_for
from .results import Details, Heard, Prediction

# Frames of a step: those of classes; and of sequences the first that leaves steps enough.
STACK_OF_CLASSES, STACKS_OF_SEQUENCES, ENOUGH = 2, (3, 2), 0.99
# A time mask is a share of a recording; in a sequence it must not hide a whole word.
TIME_MASK_OF_SEQUENCES = 0.05
OPTIMISATION = Optimisation(warm_up=0.1)


@dataclass(eq=False, repr=False, kw_only=True)
class SpeechRecogniser(SupervisedEstimator):
    """Learns from recordings what they are, or what is said in them.

    Arguments:
        target: "class", one label for a recording; or "sequence", a transcript, learned by
            connectionist temporal classification. None: by the labels.
        tokens: what transcripts are cut into, "characters" or "words". None: words where they
            are few and come often.
        bands: of the log-mel features.
        stack: frames that the network reads as one step.
        augmentation: strength of the random changes of features in training; 0 for none.
        label_smoothing: share of a class's target that all classes have, in training.
        beam: width of the search for a transcript; 0 takes the best path.
        further: those of `SupervisedEstimator`.

    Attributes (after `fit`): those of `SupervisedEstimator`, and `classes_`.
    """

    task: ClassVar[str] = "speech"
    searched: ClassVar[Sequence[str]] = (*SupervisedEstimator.searched, "stack", "augmentation")
    coding_type, plan_type, baselines_type = Coding, Plan, Baselines
    unit, step_unit = "recording", "frames"

    target: str | None = argument(None, "What is learned. Default by the labels", among=TARGETS)
    tokens: str | None = argument(None, "Of transcripts. Default by their words", among=TOKENS)
    bands: int = argument(40, "Features of a frame.", whole=1)
    stack: int | None = argument(None, f"Frames of a step. {BY_DATA}", whole=1)
    augmentation: float = argument(
        1.0, "Strength of random changes of features; 0 for none.", below=math.inf
    )
    label_smoothing: float = argument(0.05, "Of a class's target, for all classes.", below=1.0)
    beam: int = argument(0, "Width of the search for a transcript; 0: the best path.", whole=0)
    optimisation: Optimisation = OPTIMISATION

    @property
    def metrics(self) -> Sequence[Metric]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return OF_SEQUENCES if self.fitted_.coding.is_sequence else OF_CLASSES

    @property
    def columns(self) -> Sequence[Column]:  # pyright: ignore[reportIncompatibleVariableOverride]
        if self.fitted_.coding.is_sequence:
            return (Column("error rate", "error rate", 12),)
        return (Column("accuracy", "accuracy"),)

    @property
    def loss_name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        if self.fitted_.coding.is_sequence:
            return "-log p(transcript) over its labels, in nats"
        smoothed = ", smoothed" if self.label_smoothing else ""
        return f"-log p(class){smoothed}, in nats"

    @property
    def classes_(self) -> list[str]:
        """The classes, in the order of `predict_proba`."""
        self.check_fitted()
        if self.fitted_.coding.is_sequence:
            raise ValueError("this model gives transcripts, which have no classes; use predict")
        return list(self.fitted_.coding.labels)

    def read(self, source: Any, y: Any = None) -> Recordings:
        """Recordings pass through; paths are read by `read_audio`."""
        if isinstance(source, Recordings) and y is None:
            return source
        if y is not None or not isinstance(source, str | Path):
            raise TypeError(
                "data must be a path, or Recordings as read_audio and recordings_of give them, "
                f"without y; got {type(source).__name__}"
            )
        return read_audio(source)

    def read_like(self, source: Any, reading: Mapping[str, Any]) -> Recordings:
        return read_audio(source, **reading)

    def held_out_to_test(self, data: Recordings, asked: str) -> tuple[Any, Any]:
        # Without labels nothing can be learned, however the recordings are parted.
        target_of(data, self.target)
        return super().held_out_to_test(data, asked)

    def learn_coding(self, learned: Recordings) -> Coding:
        target, found = target_of(learned, self.target)
        is_sequence = target == SEQUENCE
        tokens, told = tokens_of(learned, self.tokens) if is_sequence else ("", rare(learned))
        labels = learn_labels(learned, target, tokens)
        features = LogMel(learned.rate, bands=self.bands).fit(learned)
        findings = tuple(each for each in (found, told) if each)
        coding = Coding(target, labels, tokens, STACK_OF_CLASSES, features, findings)
        return with_stack(coding, learned, self.stack)

    def plan_for(self, coding: Coding, learned: Recordings) -> Plan:
        return plan_for(len(learned), coding.is_sequence, self.batch_size)

    def build(self, coding: Coding, plan: Plan) -> Classifier | Transcriber:
        recurrent = Recurrent(
            self.make_cell,
            coding.stack * coding.features.bands,
            plan.hidden_size,
            plan.num_layers,
            bidirectional=True,
            dropout=plan.dropout if plan.num_layers > 1 else 0.0,
            engine=self.engine,
        )
        reader = Reader(recurrent, coding.stack)
        kind = Transcriber if coding.is_sequence else Classifier
        return kind(reader, coding.outputs, plan.dropout)

    def encode(self, coding: Coding, data: Recordings) -> Encoded:
        """Those that can be learned from: with a step for every label.

        Raises:
            DataError: there is none.
        """
        encoded = encode(coding, data.at(coding.features.rate))
        if not encoded.has_known:
            what = f"recording of {data.name} is of a class that was learned"
            if coding.is_sequence:
                what = f"transcript of {data.name} holds one of the {coding.tokens} learned"
            raise DataError(f"no {what}; hold out others")
        fits = that_fit(encoded.lengths, encoded.targets, coding.stack)
        if not any(fits):
            raise DataError(
                f"no recording of {data.name} has as many steps as labels, of {10 * coding.stack} "
                "ms each; are the transcripts those of the recordings?"
            )
        return encoded if all(fits) else encoded.where(fits)

    def noticed_in_validation(self, coding: Coding, held: Recordings) -> tuple[Finding, ...]:
        cut = misfits(fitting(coding, held, coding.stack), coding.stack)
        found = filter(None, [coding.unknown(held), cut if coding.is_sequence else None])
        return tuple(replace(each, text=f"to validate: {each.text}") for each in found)

    def augment(self, batch: Batch, generator: np.random.Generator) -> Batch:
        if not self.augmentation:
            return batch
        changes = Augment()
        if "target_lengths" in batch:
            changes = replace(changes, time_mask=TIME_MASK_OF_SEQUENCES)
        drawn = torch.Generator().manual_seed(int(generator.integers(2**63)))
        stack = self.fitted_.coding.stack
        return augmented(batch, changes.times(self.augmentation), stack, drawn)

    def loss(self, network: Any, batch: Batch, progress: float) -> Total:
        if isinstance(network, Transcriber):
            return objective.sequence_loss(network, batch)
        return objective.class_loss(network, batch, self.label_smoothing)

    def figures(self, network: nn.Module, encoded: Encoded) -> dict[str, float]:
        log_probs = self.for_each(network, encoded, objective.log_probs_of)
        if encoded.is_sequence:
            return objective.figures_of_sequences(log_probs, encoded.spelt)
        return objective.figures_of_classes(log_probs, encoded.targets, self.label_smoothing)

    def fit_baselines(self, learned: Recordings) -> Baselines:
        target, _ = target_of(learned, self.target)
        return Baselines.fit(learned, LogMel(learned.rate, bands=self.bands), target == SEQUENCE)

    def measure(self, data: Recordings) -> tuple[dict[str, float], dict[str, Any]]:
        coding = self.fitted_.coding
        if not data.role:
            raise DataError(f"{data.name} has no labels to compare with; predict needs none")
        data = data.at(coding.features.rate)
        encoded, log_probs = self._outputs(data)
        heard = [
            Heard(
                recording,
                answer(coding, recording.name, each, self.beam),
                probability(coding, recording.label or "", each),
                features,
            )
            for recording, each, features in zip(data, log_probs, encoded.features, strict=True)
        ]
        details = Details(heard, coding.is_sequence)
        score = score_transcripts if coding.is_sequence else score_classes
        scores = score([each.found.text for each in heard], [each.label for each in heard])
        finding = coding.unknown(data)
        beside = {"worst": details.worst_table(), "details": details}
        return scores, {**beside, "findings": (finding,) if finding else ()}

    def strides(self, network: nn.Module) -> dict[str, int]:
        stack: int = self.fitted_.coding.stack
        return dict.fromkeys(cells_of(network), stack)

    def layer_names(self, network: nn.Module) -> dict[str, str]:
        # Forward and reverse follow each other, layer by layer.
        ways = ("forwards", "backwards")
        names = enumerate(cells_of(network))
        return {name: f"layer {k // 2 + 1}, {ways[k % 2]}" for k, name in names}

    def predict(self, source: Any) -> list[Prediction]:
        """What each recording is heard to say.

        Arguments:
            source: a path, of one file, a folder or a zip; or `Recordings`. Labels are not read.
        """
        data = self._unlabelled(source)
        _, log_probs = self._outputs(data)
        coding, rows = self.fitted_.coding, zip(data, log_probs, strict=True)
        return [answer(coding, recording.name, each, self.beam) for recording, each in rows]

    def predict_proba(self, source: Any) -> np.ndarray:
        """p(class) of each recording, [N, C], in the order of `classes_`; of classes only."""
        self.classes_  # noqa: B018
        _, log_probs = self._outputs(self._unlabelled(source))
        return torch.stack(log_probs).exp().numpy()

    def read_unlabelled(self, path: str | Path) -> Recordings:
        """Recordings to predict, at the model's rate."""
        self.check_fitted()
        return read_audio(path, labels=None, rate=self.fitted_.coding.features.rate)

    def _unlabelled(self, source: Any) -> Recordings:
        self.check_fitted()
        if isinstance(source, Recordings):
            return source.at(self.fitted_.coding.features.rate)
        return self.read_unlabelled(source)

    def _outputs(self, data: Recordings) -> tuple[Encoded, list[Tensor]]:
        fitted = self.fitted_
        encoded = encode(fitted.coding, data)
        return encoded, self.for_each(fitted.network, encoded, objective.log_probs_of)


def with_stack(coding: Coding, data: Recordings, wanted: int | None) -> Coding:
    """The coding with frames of a step: those `wanted`, or of sequences as many as leave steps."""
    if not coding.is_sequence:
        return replace(coding, stack=wanted or STACK_OF_CLASSES)
    for stack in (wanted,) if wanted else (*STACKS_OF_SEQUENCES, 1):
        fits = fitting(coding, data, stack)
        if wanted or stack == 1 or np.mean(fits) >= ENOUGH:
            break
    finding = misfits(fits, stack)
    return replace(coding, stack=stack, findings=(*coding.findings, *filter(None, [finding])))


def fitting(coding: Coding, data: Recordings, stack: int) -> list[bool]:
    """Which recordings have a step of `stack` frames for every label."""
    rate = coding.features.rate
    samples = np.array([round(len(each.samples) * rate / data.rate) for each in data])
    targets = [coding.encode(each.label or "") for each in data]
    return that_fit(1 + samples // coding.features.hop_samples, targets, stack)
