"""All that can be told of a trained model on a batch: memory, spectra, units, stability.

    found = ur.dynamics.examine(model, batch, loss)
    print(found.verdict())

One pass through the model is recorded; everything is computed from it.

Shapes: B batch, T time, S all entries of a layer's state.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ..cells import Cell
from ..cells.cell import check_size
from .advice import Diagnosis, diagnoses_of_layer, diagnoses_of_model
from .gates import GateTrace, trace_of
from .gradient_flow import GradientFlow, LayerFlow, flow_of
from .lyapunov import Lyapunov, lyapunov
from .recording import Loss, Recording, evaluating, record
from .spectrum import CellSpectra, spectra_of

# Sequences and steps whose Jacobians' spectra are looked at.
MOST_SEQUENCES, MOST_STEPS = 2, 40
# Sequences for the exponents, how many of those, and the entries of all their Jacobians.
MOST_ORBITS, MOST_EXPONENTS, MOST_ENTRIES = 8, 32, 1 << 24
# Larger states have neither: they cost O(S^3) at every step.
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

    def __post_init__(self) -> None:
        check_size("given", self.given)
        check_size("read", self.read)
        if self.wanted is not None:
            check_size("wanted", self.wanted)


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
        of_context: whether it runs over the context that the model is given; a decoder does not.
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
    of_context: bool = True

    def __repr__(self) -> str:
        return f"LayerExamination({self.label}: {self.flow}, {self.trace})"

    @property
    def horizon(self) -> int | None:
        """The memory horizon in steps of the data; None where it lies beyond the sequences."""
        return None if self.flow.horizon is None else self.flow.horizon * self.stride

    @property
    def remembers(self) -> int:
        """The last lag, in steps of the data, at which more than a thousandth is left.

        Of those that were looked at: it may remember longer.
        """
        lags = len(self.flow.state) if self.flow.horizon is None else self.flow.horizon
        return (lags - 1) * self.stride


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
    def longest(self) -> LayerExamination:
        """The layer that remembers longest, of those that run over the context."""
        layers = [layer for layer in self.layers if layer.of_context] or self.layers
        return max(layers, key=lambda layer: layer.remembers)

    @property
    def horizon(self) -> int | None:
        """The longest memory horizon, in steps of the data; None where it was not reached."""
        return self.longest.horizon

    @property
    def remembers(self) -> int:
        """The last lag at which more than a thousandth of the gradient is left in some layer."""
        return self.longest.remembers

    def memory(self) -> str:
        """How far back the model remembers, in a sentence."""
        context, horizon = self.context, self.horizon
        who = f", in {self.longest.label}" if len(self.layers) > 1 else ""
        what = "gradient" if self.longest.flow.loss else "last state's gradient"
        if horizon is None:
            all_of_it = self.remembers >= context.given - 1
            span = f"all {context.given}" if all_of_it else f"{self.remembers} of {context.given}"
            told = (
                f"More than a thousandth of the {what} is left over {span} {context.unit} of "
                f"context{who}."
            )
        else:
            told = (
                f"A thousandth of the {what} is left after {horizon} {context.unit}{who}, of "
                f"{context.given} given as context."
            )
        if context.read > 1:
            told += f" Each step reads the last {context.read} {context.unit} besides."
        return told

    def verdict(self) -> str:
        """Everything in plain text, a line each."""
        lines = [self.memory()]
        if self.context.wanted is None and self.horizon is not None:
            lines.append(
                "Whether that is enough the task decides: pass context=Context(wanted=...)."
            )
        lines += [f"{d.illness}: {d.text} {d.advice}" for d in self.diagnoses]
        return "\n".join(lines if self.diagnoses else [*lines, "No illness was found."])

    def __repr__(self) -> str:
        return self.verdict()


def examine(
    model: nn.Module,
    batch: Any,
    loss: Loss | None = None,
    *,
    labels: Mapping[str, Sequence[Sequence[Any]]] | None = None,
    context: Context | None = None,
    strides: Mapping[str, int] | None = None,
    names: Mapping[str, str] | None = None,
    decoders: Collection[str] = (),
) -> Examination:
    """Examine every layer of a model on a batch.

    Arguments:
        model, batch, loss: as `gradient_flow` takes them.
        labels: what the steps of each sequence are called, by the layer's qualified name.
        context: what to measure against; default the steps of the batch.
        strides: steps of the data that one step of a layer is, by its qualified name; default 1.
        names: what to call the layers, by qualified name.
        decoders: qualified names of layers that run over something else than the context.

    Raises:
        ValueError: no cell was unrolled, or the loss has no gradient.
    """
    strides, names, labels = strides or {}, names or {}, labels or {}
    with evaluating(model):
        recordings = record(model, batch, loss)
        flow = flow_of(recordings)
        layers = tuple(
            LayerExamination(
                each.name,
                names.get(each.name, f"{each.name} ({each.cell.title})"),
                strides.get(each.name, 1),
                each.cell,
                flow[each.name],
                trace_of(each, labels.get(each.name)),
                _spectra(each),
                *_exponents(each),
                each.name not in decoders,
            )
            for each in recordings
        )
    steps = max(each.x.shape[1] * strides.get(each.name, 1) for each in recordings)
    found = Examination(layers, context or Context(steps))
    told = [*diagnoses_of_model(found), *(d for one in layers for d in diagnoses_of_layer(one))]
    return Examination(layers, found.context, tuple(sorted(told, key=lambda d: d.rank)))


def _exponents(recording: Recording) -> tuple[Lyapunov | None, str]:
    """The exponents of sequences of two steps or more, and why there are none."""
    problem, cell = recording.problem, recording.cell
    size = sum(cell.state_sizes.values())
    if problem.forced:
        return None, "Its states were overwritten while it ran, so it has no exponents."
    if size > LARGEST_STATE:
        return None, f"A state of {size} numbers is too large to follow its exponents."
    some = (recording.ends >= 1).nonzero()[:MOST_ORBITS, 0]
    if not len(some):
        return None, "Sequences of less than two steps have no exponents."
    steps = max(2, min(recording.x.shape[1], MOST_ENTRIES // (len(some) * size**2)))
    lengths = (recording.ends[some] + 1).clamp(max=steps)
    state = tuple(part[some].detach() for part in problem.state)
    inputs, warm_up = recording.x[some, :steps], int(lengths.min()) // 4
    count = min(size, MOST_EXPONENTS)
    try:
        return lyapunov(cell, inputs, state, lengths, warm_up=warm_up, count=count), ""
    except ValueError as error:
        return None, f"The exponents are not known: {error}."


def _spectra(recording: Recording) -> CellSpectra:
    """Of the recurrent matrices, and of the Jacobian along some of the sequences."""
    if sum(recording.cell.state_sizes.values()) > LARGEST_STATE:
        return spectra_of(recording.cell)
    some = (slice(MOST_SEQUENCES), slice(MOST_STEPS))
    return spectra_of(
        recording.cell, recording.x[some], recording.before[some], recording.valid[some]
    )
