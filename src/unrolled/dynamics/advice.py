"""What is wrong with a model, told by its figures, and what one could do.

| illness | told by |
|---|---|
| vanishing gradient | less than a thousandth is left before as far back as the task needs |
| exploding gradient | it grows a hundredfold at some lag |
| unstable | the largest Lyapunov exponent lies above 0, by more than its error |
| forgetful gates | gates that keep the memory are nearly closed most of the time |
| saturated units | squashing functions are flat most of the time, or units at all times |
| dead units | rectifiers that give 0 at every step |
| idle units | states that never change |
| no gain | no epoch was better on validation than the start |
| still improving | the last epoch was the best |
| overfitting | validation got worse while training went on getting better |
| clipped | the gradient was cut at most of the updates |
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..cells import Cell
from ..nn.initialisation import initialisations_of
from .gates import Saturation

if TYPE_CHECKING:
    from ..report.training import Log
    from .examination import Examination, LayerExamination

# The gravest first.
ILLNESSES = (
    "exploding gradient",
    "unstable",
    "vanishing gradient",
    "forgetful gates",
    "dead units",
    "saturated units",
    "no gain",
    "overfitting",
    "still improving",
    "clipped",
    "idle units",
)
# A gradient that grows by more explodes; exponents up to this are those of a neutral memory.
EXPLODES, NEUTRAL = 100.0, 0.01
# Of units, or of units and steps: more than so many are an illness.
MOST_FLAT, MOST_STUCK, MOST_DEAD, MOST_IDLE = 0.5, 0.25, 0.1, 0.1
# Validation this much above its best is worse, not noise.
WORSE = 1.05
MOST_CLIPPED = 0.5


@dataclass(frozen=True)
class Diagnosis:
    """One thing that is wrong.

    Attributes:
        illness: one of `ILLNESSES`.
        text: what was seen, in a sentence.
        advice: what one could do, in a sentence.
        layer: which layer has it; "" for the whole model.
    """

    illness: str
    text: str
    advice: str
    layer: str = ""

    @property
    def rank(self) -> int:
        """Its place among the illnesses, the gravest 0."""
        return ILLNESSES.index(self.illness)


def diagnoses_of_model(found: Examination) -> Iterator[Diagnosis]:
    """What is wrong with the memory of the model as a whole."""
    context = found.context
    if context.wanted is None or found.remembers >= context.wanted:
        return
    reads = "" if context.read == 1 else f" (beside the {context.read} values that a step reads)"
    reason = context.reason or "what should be remembered"
    text = (
        f"Gradients fall to a thousandth after {found.horizon} {context.unit}{reads}; {reason} is "
        f"{context.wanted}."
    )
    able = startable(layer.cell for layer in found.layers)
    yield Diagnosis("vanishing gradient", text, remembering(able, context.wanted))


def startable(cells: Iterable[Cell]) -> list[str]:
    """The initialisations, by name, that all of these cells can have."""
    names = [initialisations_of(cell) for cell in cells]
    return [name for name in names[0] if all(name in others for others in names)]


def remembering(able: Sequence[str], steps: int) -> str:
    """How to make cells remember for so many steps, that can be started so."""
    if "chrono" in able:
        starts = f"forget-bias:1' or 'chrono:{steps}" if steps >= 3 else "forget-bias:1"
        return f"Start with open gates: initialisation '{starts}'."
    if "orthogonal" in able:
        return (
            "Use a gated cell (LSTM, GRU), or start the recurrence orthogonal: initialisation "
            "'orthogonal'."
        )
    return "Use a gated cell whose gates can be opened at the start (LSTM, GRU)."


def calming(cell: Cell) -> str:
    """How to make a cell's recurrence weaker."""
    if "spectral-radius" in initialisations_of(cell):
        return "scale the recurrence down (initialisation 'spectral-radius:0.9')"
    return "decay the weights"


def opening(cell: Cell) -> str:
    """How to open the gates that keep a memory."""
    able = "forget-bias" in initialisations_of(cell)
    return "Start with open memories, initialisation 'forget-bias:1', or try" if able else "Try"


def diagnoses_of_layer(layer: LayerExamination) -> Iterator[Diagnosis]:
    """What is wrong with one layer."""
    grown = list(_growth(layer))
    # Where gradients grow beyond bounds, neighbouring states part as well.
    yield from grown or _stability(layer)
    saturation, dead = layer.trace.saturation(), False
    for name, gate in saturation.items():
        if (sign := layer.cell.keeps.get(name)) is not None:
            yield from _forgetful(layer, name, gate, sign)
        elif gate.function == "relu":
            found = list(_dead(layer, name, gate))
            dead |= bool(found)
            yield from found
        else:
            yield from _saturated(layer, name, gate)
    if not dead:
        yield from _idle(layer)


def _growth(layer: LayerExamination) -> Iterator[Diagnosis]:
    flow = layer.flow.loss or layer.flow.state
    if flow.growth > EXPLODES:
        lag = int(flow.middle.argmax()) * layer.stride
        yield Diagnosis(
            "exploding gradient",
            f"In {layer.label} the gradient grows {_times(float(flow.middle.max()))} over {lag} "
            "steps.",
            f"Clip it by norm (clip_norm), {calming(layer.cell)}, or squash the state by tanh.",
            layer.name,
        )


def _times(logarithm: float) -> str:
    exponent = logarithm / math.log(10)
    return f"{math.exp(logarithm):,.0f}-fold" if exponent < 6 else f"by 10^{exponent:.0f}"


def _stability(layer: LayerExamination) -> Iterator[Diagnosis]:
    if layer.lyapunov is None:
        return
    largest = float(layer.lyapunov.exponents[0])
    error = float(layer.lyapunov.standard_error[0])
    if largest - 2 * (0.0 if math.isnan(error) else error) > NEUTRAL:
        yield Diagnosis(
            "unstable",
            f"In {layer.label} neighbouring states part by {math.expm1(largest):.1%} a step, "
            f"e-fold in {1 / largest:.3g} steps: what it gives later depends on noise.",
            f"To make it stable {calming(layer.cell)}, or use a gated cell.",
            layer.name,
        )


def _forgetful(
    layer: LayerExamination, name: str, gate: Saturation, sign: int
) -> Iterator[Diagnosis]:
    """A gate that keeps where it is open (sign 1), or lets go there (-1)."""
    # An input gate beside a forget gate may be open as often as it likes.
    if sign < 0 and 1 in layer.cell.keeps.values():
        return
    share = float((gate.low if sign > 0 else gate.high).mean())
    if share > MOST_FLAT:
        yield Diagnosis(
            "forgetful gates",
            f"In {layer.label} gate {name} is {'closed' if sign > 0 else 'open'} for {share:.0%} "
            "of all units and steps: nothing is kept.",
            f"{opening(layer.cell)} a lower learning rate.",
            layer.name,
        )


def _dead(layer: LayerExamination, name: str, gate: Saturation) -> Iterator[Diagnosis]:
    stuck, count = int(gate.stuck.sum()), len(gate.stuck)
    if stuck > MOST_DEAD * count:
        yield Diagnosis(
            "dead units",
            f"In {layer.label} {stuck} of {count} units of {name} are 0 at every step: they have "
            "no gradient and never come back.",
            "Lower the learning rate, start the biases above 0, or use tanh.",
            layer.name,
        )


def _saturated(layer: LayerExamination, name: str, gate: Saturation) -> Iterator[Diagnosis]:
    stuck, count = int(gate.stuck.sum()), len(gate.stuck)
    if gate.share > MOST_FLAT or stuck > MOST_STUCK * count:
        yield Diagnosis(
            "saturated units",
            f"In {layer.label} {name} is saturated for {gate.share:.0%} of all units and steps, "
            f"{stuck} of {count} units at nearly all steps: little gradient passes.",
            "Scale the inputs to a deviation of about 1, start with smaller weights, or lower the "
            "learning rate.",
            layer.name,
        )


def _idle(layer: LayerExamination) -> Iterator[Diagnosis]:
    idle = [int(each) for units in layer.trace.idle().values() for each in units]
    if sum(idle) > max(1, MOST_IDLE * len(idle)):
        yield Diagnosis(
            "idle units",
            f"In {layer.label} {sum(idle)} of {len(idle)} numbers of the state never change.",
            "A smaller hidden size would do, or the inputs do not reach them.",
            layer.name,
        )


def diagnoses_of_training(log: Log, clip_norm: float | None = None) -> Iterator[Diagnosis]:
    """What is wrong with how a model was trained.

    Arguments:
        log: of the training; its "loss" in validation is compared.
        clip_norm: to which the gradient was cut.
    """
    best, last = log.best, log.epochs[-1]
    if best.epoch == 0 < last.epoch:
        yield Diagnosis(
            "no gain",
            "No epoch was better on validation than the model before training.",
            "Try another learning rate (--suggest-lr), a larger cell, or look whether the inputs "
            "hold what decides the target.",
        )
    elif best.epoch == last.epoch > 0:
        yield Diagnosis(
            "still improving",
            f"Epoch {last.epoch}, the last, was the best on validation.",
            "Train longer: more updates, more passes.",
        )
    elif last.train < best.train and last.validation["loss"] > WORSE * best.validation["loss"] > 0:
        rise = last.validation["loss"] / best.validation["loss"] - 1
        yield Diagnosis(
            "overfitting",
            f"After epoch {best.epoch} the validation loss rose by {rise:.0%} while the training "
            "loss went on falling; the weights of the best epoch were kept.",
            "More data, more dropout, more weight decay or a smaller hidden size may take it "
            "further.",
        )
    norms = [update.gradient_norm for update in log.updates]
    if clip_norm is not None and norms:
        clipped = sum(norm > clip_norm for norm in norms) / len(norms)
        if clipped > MOST_CLIPPED:
            yield Diagnosis(
                "clipped",
                f"The gradient was cut to a norm of {clip_norm:g} at {clipped:.0%} of the updates.",
                "A higher bound (--clip-norm), or a lower learning rate, trains by the gradient's "
                "own size.",
            )
