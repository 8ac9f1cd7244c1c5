"""All that can be told of a trained model on a batch: memory, spectra, units, stability.

    found = ur.dynamics.examine(model, batch, loss)
    print(found.verdict())

One pass through the model is recorded; everything is computed from it.

Shapes: B batch, T time, S all entries of a layer's state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ..cells import Cell
from .advice import Diagnosis, diagnoses_of_layer, diagnoses_of_model
from .gates import GateTrace, trace_of
from .gradient_flow import GradientFlow, LayerFlow, flow_of
from .lyapunov import Lyapunov, lyapunov
from .recording import Loss, Recording, record
from .spectrum import CellSpectra, spectrum

# Sequences and steps whose Jacobians' spectra are looked at, and sequences for the exponents.
MOST_SEQUENCES, MOST_STEPS, MOST_ORBITS = 2, 40, 8
# Larger states have no spectrum along a trajectory: it costs O(S^3) at every step.
LARGEST_STATE = 512


@dataclass(frozen=True)
class Context:
    """What the figures of a model are measured against, in steps of the data.

    Attributes:
        given: steps that the model reads of a sequence.
        wanted: how far back it should remember; None where nobody knows.
        reason: what is `wanted` steps long: "the season".
        read: values that it reads at one step: it sees so many without a memory.
        unit: what a step is, for a sentence: "hours".
    """

    given: int
    wanted: int | None = None
    reason: str = ""
    read: int = 1
    unit: str = "steps"


@dataclass(frozen=True, eq=False)
class LayerExamination:
    """One layer.

    Attributes:
        name: qualified, in the model.
        label: what to call it.
        stride: steps of the data that one of its steps is.
        cell: its cell.
        flow: gradients by lag.
        trace: gates and states at every step.
        spectra: of W and of the Jacobians.
        lyapunov: the exponents, driven by what the layer read; None where `unknown` says why.
        unknown: why a figure is missing, in a sentence.
    """

    name: str
    label: str
    stride: int
    cell: Cell
    flow: LayerFlow
    trace: GateTrace
    spectra: CellSpectra
    lyapunov: Lyapunov | None
    unknown: str = ""

    @property
    def horizon(self) -> int | None:
        """The memory horizon in steps of the data; None where it lies beyond the sequences."""
        return None if self.flow.horizon is None else self.flow.horizon * self.stride


@dataclass(frozen=True, eq=False)
class Examination:
    """What was found out about a model.

    Attributes:
        layers: in the order of running.
        context: what the figures are measured against.
        diagnoses: what is wrong, the gravest first; empty where nothing is.
    """

    layers: tuple[LayerExamination, ...]
    context: Context
    diagnoses: tuple[Diagnosis, ...] = field(default=())

    @property
    def flow(self) -> GradientFlow:
        return GradientFlow({layer.name: layer.flow for layer in self.layers})

    @property
    def horizon(self) -> int | None:
        """The longest memory horizon of all layers, in steps of the data."""
        found = [layer.horizon for layer in self.layers]
        known = [horizon for horizon in found if horizon is not None]
        return max(known) if len(known) == len(found) else None

    def memory(self) -> str:
        """How far back the model remembers, in a sentence."""
        context, horizon = self.context, self.horizon
        if horizon is None:
            return (
                f"More than a thousandth of the gradient is left over all {context.given} "
                f"{context.unit} of context."
            )
        longest = next(layer for layer in self.layers if layer.horizon == horizon)
        who = f", in {longest.label}" if len(self.layers) > 1 else ""
        told = (
            f"A thousandth of the gradient is left after {horizon} {context.unit}{who}, of "
            f"{context.given} given as context."
        )
        if context.read > 1:
            told += (
                f" Each step reads {context.read} values, so the model sees "
                f"{horizon + context.read - 1} {context.unit} back."
            )
        return told

    def verdict(self) -> str:
        """Everything in plain text, a line each."""
        lines = [self.memory()]
        lines += [f"{d.illness}: {d.text} {d.advice}" for d in self.diagnoses]
        return "\n".join(lines if self.diagnoses else [*lines, "No illness was found."])


def examine(
    model: nn.Module,
    batch: Any,
    loss: Loss | None = None,
    *,
    labels: Mapping[str, Sequence[Sequence[Any]]] | None = None,
    context: Context | None = None,
    strides: Mapping[str, int] | None = None,
    names: Mapping[str, str] | None = None,
) -> Examination:
    """Examine every layer of a model on a batch.

    Arguments:
        model, batch, loss: as `gradient_flow` takes them.
        labels: what the steps of each sequence are called, by the layer's qualified name.
        context: what to measure against; default the steps of the batch.
        strides: steps of the data that one step of a layer is, by its qualified name; default 1.
        names: what to call the layers, by qualified name.

    Raises:
        ValueError: no cell was unrolled, or the loss has no gradient.
    """
    recordings = record(model, batch, loss)
    strides, names = strides or {}, names or {}
    flow = flow_of(recordings)
    layers = tuple(
        _layer(
            each,
            flow[each.name],
            (labels or {}).get(each.name),
            strides.get(each.name, 1),
            names.get(each.name),
        )
        for each in recordings
    )
    steps = max(each.x.shape[1] * strides.get(each.name, 1) for each in recordings)
    found = Examination(layers, context or Context(steps))
    told = [*diagnoses_of_model(found), *(d for one in layers for d in diagnoses_of_layer(one))]
    return Examination(layers, found.context, tuple(sorted(told, key=lambda d: d.rank)))


def _layer(
    recording: Recording,
    flow: LayerFlow,
    labels: Sequence[Sequence[Any]] | None,
    stride: int,
    label: str | None,
) -> LayerExamination:
    exponents, unknown = _exponents(recording)
    return LayerExamination(
        recording.name,
        label or f"{recording.name} ({recording.cell.title})",
        stride,
        recording.cell,
        flow,
        trace_of(recording, labels),
        _spectra(recording),
        exponents,
        unknown,
    )


def _exponents(recording: Recording) -> tuple[Lyapunov | None, str]:
    problem = recording.problem
    if problem.forced:
        return None, "Its states were overwritten while it ran, so it has no exponents."
    some = slice(0, MOST_ORBITS)
    lengths = None if problem.lengths is None else problem.lengths[some]
    steps = recording.valid[some].sum(1).min()
    if steps < 2:
        return None, "A sequence of less than two steps has no exponents."
    state = tuple(part[some].detach() for part in problem.state)
    warm_up = int(steps) // 4
    try:
        found = lyapunov(recording.cell, recording.x[some], state, lengths, warm_up=warm_up)
    except ValueError as error:
        return None, f"The exponents are not known: {error}."
    return found, ""


def _spectra(recording: Recording) -> CellSpectra:
    """Of the recurrent matrices, and of the Jacobian along some of the sequences."""
    if sum(recording.cell.state_sizes.values()) > LARGEST_STATE:
        return spectrum(recording.cell)["cell"]
    some, steps = slice(0, MOST_SEQUENCES), slice(0, MOST_STEPS)
    state = tuple(part[some].detach() for part in recording.problem.state)
    return spectrum(recording.cell, recording.x[some, steps], state)["cell"]
