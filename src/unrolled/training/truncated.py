"""Truncated back-propagation through time, with the state carried on.

A sequence is read in parts of k1 steps. After each of them its losses go back through the last k2
steps, k2 >= k1; the state before those is a number without a past:

    grad of the sum of L(s), t - k1 < s <= t,  with h(t - k2) held fixed.

Memory is that of k2 steps, whatever T. Of the k2 steps k2 - k1 are run again, each time with the
parameters of the time, so a step costs k2 / k1 runs. With k1 = 1 the gradient is that of
`unrolled.bptt(..., steps=k2)`, its definition; with k1 = k2 the parts share no gradient; with
k1 = k2 = T it is full BPTT.

Noise that a model draws is drawn anew in the steps that are run again; what it draws once for a
sequence (`recurrent_dropout`, `weight_drop`) it draws once for each run. The choices of scheduled
sampling (`nn.forcing`) are noise of the first kind.

Shapes: B batch, T time, I input_size, O features of the output.

References:
    Williams and Peng, "An efficient gradient-based algorithm for on-line training of recurrent
        network trajectories", Neural Computation 2, 1990: BPTT(h; h').
    Sutskever, "Training recurrent neural networks", thesis, University of Toronto, 2013, section
        2.8.6: k1 and k2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ..cells.cell import check_size
from ..engines.lengths import Lengths
from ..nn.forcing import Scheduled, parse_forcing, write_forcing
from .losses import Loss, Total
from .stateful import (
    Batch,
    Model,
    Steps,
    check_can_be_cut,
    check_forcing,
    detached,
    is_at_last,
    run_steps,
)


@dataclass(frozen=True)
class TruncatedBPTT:
    """Gradients that reach back a limited number of steps.

        for total in TruncatedBPTT(100).losses(model, cross_entropy, inputs, targets):
            total.mean.backward()
            optimiser.step()

    Attributes:
        window: k2, how many steps back a gradient reaches at most.
        stride: k1, steps between two gradients; default `window`.

    Raises:
        ValueError: a number below 1, or a stride above the window.
    """

    window: int
    stride: int | None = None

    def __post_init__(self) -> None:
        check_size("window", self.window)
        check_size("stride", self.k1)
        if self.k1 > self.window:
            raise ValueError(
                f"stride must be at most the window, {self.window}, got {self.stride}; the "
                "gradient of a step that no window holds would be lost"
            )

    @property
    def k1(self) -> int:
        """Steps between two gradients."""
        return self.window if self.stride is None else self.stride

    @property
    def k2(self) -> int:
        """How many steps back a gradient reaches at most."""
        return self.window

    def stream(self, model: Model) -> Stream:
        """The model on sequences without end, part by part."""
        return Stream(self, model)

    def losses(
        self,
        model: Model,
        loss: Loss,
        inputs: Tensor,
        targets: Tensor,
        lengths: Lengths = None,
        reset: Tensor | None = None,
        *,
        forcing: str | Scheduled = "free",
    ) -> Iterator[Total]:
        """The loss of every `stride` steps of a batch, the last of what is left.

        Back-propagate each before the next is asked for; an update may follow at once.

        Arguments:
            model: as `run_statefully` takes it.
            loss: L(t) of outputs and targets (`training.losses`).
            inputs: [B, T, I].
            targets: [B, T, ...].
            lengths: valid steps of each sequence, [B].
            reset: true where a sequence starts anew before the step, [B, T].
            forcing: of a `Network` whose output feeds back, what it reads as y(t-1), as
                `Network.run` takes it: "free", "teacher" or `Scheduled(p)`.

        Raises:
            TypeError, ValueError: an argument does not fit, or the model cannot be cut in time.
        """
        batch = Batch.of(model, inputs, targets, lengths, reset, forcing)
        stream = self.stream(model)
        for part in batch.parts(self.k1):
            # The outputs have no name here: it would keep their graph while the next one grows.
            yield part.total(loss, stream._next(part.steps))


class Stream:
    """A model that reads sequences part by part, and what it carries from one to the next.

    The gradient of what a call returns reaches back `window` steps from the end of its inputs, or
    to the first step. Inputs of earlier calls are read again without their own graph: what
    computes inputs with parameters, as an embedding, belongs inside of the model.

    A stream belongs to one model object. The loss that `training.train` is given must read by a
    stream of the very model that is trained; `training.range_test` trains a copy, so its loss must
    make a stream of the model that it is called with.

    Attributes:
        regime: how far a gradient reaches.
        model: as `run_statefully` takes it.
    """

    def __init__(self, regime: TruncatedBPTT, model: Model):
        check_can_be_cut(model)
        if is_at_last(model):
            raise ValueError(
                'model has one output, at="last"; truncated BPTT needs one at every step: use '
                "FullBPTT or CheckpointedBPTT"
            )
        self.regime, self.model = regime, model
        self.reset()

    def reset(self) -> None:
        """Begin anew: the next inputs are the first."""
        self._start: Any = None
        self._state: Any = None
        # The steps since `_start`, to be read again: one run for each.
        self._kept: list[Steps] = []
        self._sequences: int | None = None
        # Whether what is carried may be on another device than the model.
        self._loaded = False

    @property
    def state(self) -> Any:
        """After the last step, in the model's own form, without a graph; None before the first.

        Of a network that is forced its y is what the next step reads.
        """
        return self._state

    def __call__(
        self,
        inputs: Tensor,
        reset: Tensor | None = None,
        targets: Tensor | None = None,
        forcing: str | Scheduled = "free",
    ) -> Tensor:
        """The outputs of the next steps, [B, k, O].

        Arguments:
            inputs: [B, k, I], with k at most `stride`.
            reset: true where a sequence starts anew before the step, [B, k].
            targets: the true y of these steps, for forcing: values [B, k, O], or class numbers
                [B, k] for softmax. Not read in free running.
            forcing: of a `Network` whose output feeds back, what is read in the place of the
                outputs of these steps: "free", "teacher" or `Scheduled(p)`. The last one's is
                read by the first step of the next call, whatever the forcing of that.

        Raises:
            TypeError, ValueError: an argument does not fit.
        """
        check_forcing(self.model, forcing)
        return self._next(Steps.of(inputs, reset, None, targets, forcing))

    def state_dict(self) -> dict[str, Any]:
        """What a stream needs to go on: tensors, numbers, texts, lists, dicts, None.

        Tuples are in it as lists. The random numbers of scheduled sampling are not in it: they are
        those of torch's generator.
        """
        kept = [
            {
                "inputs": steps.inputs,
                "reset": steps.reset,
                "targets": steps.targets,
                "forcing": write_forcing(steps.forcing),
            }
            for steps in self._kept
        ]
        state, start = _as_lists(self._state), _as_lists(self._start)
        return {"state": state, "start": start, "kept": kept, "sequences": self._sequences}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the stream of `state_dict` was. Lists in a state become tuples.

        The tensors may be on any device; the next call moves them to that of its inputs.

        Raises:
            ValueError: it is that of something else.
        """
        wanted = ("state", "start", "kept", "sequences")
        if set(state) != set(wanted):
            raise ValueError(
                f"state must be that of a stream, with {', '.join(wanted)}; got {', '.join(state)}"
            )
        self._state, self._start = _as_tuples(state["state"]), _as_tuples(state["start"])
        self._kept = [
            Steps(
                steps["inputs"],
                steps["reset"],
                targets=steps["targets"],
                forcing=parse_forcing(steps["forcing"]),
            )
            for steps in state["kept"]
        ]
        self._sequences, self._loaded = state["sequences"], True

    def _next(self, new: Steps) -> Tensor:
        """The outputs of the next steps; they go into what is kept."""
        self._check(new)
        if self._loaded:
            self._move(new.inputs.device)
        window = _with(self._kept, new)
        # The next window starts behind the steps that it will not read again.
        cut = max(0, sum(map(len, window)) - (self.regime.k2 - self.regime.k1))
        past, rest = _cut(window, cut)
        outputs, state = self._run(past, self._start)
        start = detached(state)
        more, state = self._run(rest, state)
        outputs += more
        self._start, self._state, self._kept = start, detached(state), [_apart(s) for s in rest]
        self._sequences = len(new.inputs)
        joined = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)
        return joined[:, -len(new) :]

    def _run(self, window: list[Steps], state: Any) -> tuple[list[Tensor], Any]:
        """The outputs of steps, run by run, and the state after them."""
        outputs = []
        for steps in window:
            found, state = run_steps(self.model, steps, state)
            outputs.append(found)
        return outputs, state

    def _move(self, device: torch.device) -> None:
        """Bring what was loaded to a device."""

        def moved(value: Any) -> Any:
            return value.to(device) if torch.is_tensor(value) else value

        self._start = pytree.tree_map(moved, self._start)
        self._kept = [
            replace(s, **{name: moved(value) for name, value in vars(s).items()})
            for s in self._kept
        ]
        self._loaded = False

    def _check(self, new: Steps) -> None:
        if not 1 <= len(new) <= self.regime.k1:
            raise ValueError(
                f"inputs must hold 1 to {self.regime.k1} steps, the stride, got {len(new)}; pass "
                "them part by part"
            )
        if self._sequences not in (None, len(new.inputs)):
            raise ValueError(
                f"inputs must hold {self._sequences} sequences, as before, got "
                f"{len(new.inputs)}; call reset() to begin anew"
            )


def _with(window: list[Steps], new: Steps) -> list[Steps]:
    """Steps behind those of a window, in the same run as the last of them where that can be."""
    if window and window[-1].goes_with(new):
        return [*window[:-1], window[-1].then(new)]
    return [*window, new]


def _cut(window: list[Steps], at: int) -> tuple[list[Steps], list[Steps]]:
    """The first `at` steps of a window, and the rest."""
    past, rest = [], []
    for steps in window:
        first = min(at, len(steps))
        if first:
            past.append(steps.part(0, first))
        if first < len(steps):
            rest.append(steps.part(first, len(steps)))
        at -= first
    return past, rest


def _apart(steps: Steps) -> Steps:
    """Steps in memory of their own, without a graph."""
    reset, targets = steps.reset, steps.targets
    return replace(
        steps,
        inputs=steps.inputs.detach().clone(),
        reset=None if reset is None else reset.clone(),
        targets=None if targets is None else targets.detach().clone(),
    )


def _as_lists(state: Any) -> Any:
    if isinstance(state, Mapping):
        return {key: _as_lists(value) for key, value in state.items()}
    return [_as_lists(part) for part in state] if isinstance(state, (tuple, list)) else state


def _as_tuples(state: Any) -> Any:
    if isinstance(state, Mapping):
        return {key: _as_tuples(value) for key, value in state.items()}
    return tuple(_as_tuples(part) for part in state) if isinstance(state, (tuple, list)) else state
