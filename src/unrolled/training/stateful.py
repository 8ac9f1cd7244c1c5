"""Any recurrent model as one function of inputs and state, so that it can be cut in time.

    outputs, state(T) = model(x(1), ..., x(T), state(0))

Run over the first steps and, from the state it ends in, over the rest, a model gives what it gives
in one run. What reads from the end too, a bidirectional layer, cannot be cut so. Of a network that
is forced (`nn.forcing`) the state that is handed on holds, as y, what the next step reads.

Shapes: B batch, T time, O features of the output. Here batch comes first, whatever the layout of
the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ..cells import Cell
from ..cells.jordan import OutputRecurrent
from ..engines.lengths import Lengths, checked_lengths, steps_within
from ..nn import Network, Recurrent
from ..nn.feedback import fed_on
from ..nn.forcing import Scheduled, known_forcing
from ..nn.recurrent import Stacked
from ..nn.resets import anew
from ..unroll import unroll
from .losses import Loss, Total, summed

Model = Cell | Network | Recurrent | nn.RNNBase | Callable[..., Any]


def run_statefully(
    model: Model,
    inputs: Tensor,
    state: Any,
    reset: Tensor | None = None,
    lengths: Lengths = None,
) -> tuple[Tensor, Any]:
    """Outputs of a model, [B, T, O], and its state after the last step.

    Arguments:
        model: a `Cell`, whose output is its first state component; a `Network`, whose output is
            its pre-activation o; a layer, `Recurrent` or torch's RNN, LSTM, GRU or one in their
            place; or any function of (inputs, state) that gives (outputs, state).
        inputs: [B, T, I].
        state: before the first step, in the model's own form; None: where the model starts.
        reset: true where a sequence starts anew before the step, [B, T].
        lengths: valid steps of each sequence, [B]. What `inputs` holds beyond them, even NaN, has
            no effect; functions and torch's own layers run on over zeros.

    Raises:
        ValueError: the model reads from the end too, or an argument of the wrong shape.
        TypeError: no model; one that gives no pair; or `reset` for one that takes none.
    """
    check_can_be_cut(model)
    return run_steps(model, Steps.of(inputs, reset, lengths), state)


def check_can_be_cut(model: Model) -> None:
    """Raise ValueError if a model reads from the end too."""
    if getattr(model, "bidirectional", False):
        raise ValueError(
            "model must read from the first step on, so that it can be cut in time; a "
            f"bidirectional {type(model).__name__} reads from the end too: use FullBPTT"
        )


def check_forcing(model: Model, forcing: str | Scheduled) -> None:
    """Raise TypeError or ValueError if a forcing is none, or none of this model."""
    if known_forcing(forcing) == "free":
        return
    network = isinstance(model, Network)
    if not network or not isinstance(model.cell, OutputRecurrent):
        came = f"a Network of {model.cell.title}" if network else type(model).__name__
        raise ValueError(
            f"forcing {forcing!r} is for a Network whose output feeds back, got {came}; use "
            'forcing="free", or a Network of a Jordan or nn.FeedBack cell'
        )
    if is_at_last(model):
        raise ValueError(
            f"forcing {forcing!r} needs targets at every step, the network has one output, "
            'at="last"; use forcing="free"'
        )


def run_steps(model: Model, steps: Steps, state: Any) -> tuple[Tensor, Any]:
    """As `run_statefully`, of steps that are checked; a model may read from the end too.

    The state is the one to hand on to a run over the steps that follow.
    """
    if isinstance(model, Cell):
        return _run_cell(model, steps, state)
    if isinstance(model, Network):
        return _run_network(model, steps, state)
    if isinstance(model, (Recurrent, nn.RNNBase)):
        return _run_layer(model, steps, state)
    return _run_function(model, steps, state)


@dataclass(frozen=True)
class Steps:
    """What a model reads, to be cut and joined in time.

    Attributes:
        inputs: [B, T, ...].
        reset: true where a sequence starts anew before the step, [B, T]; None: nowhere.
        lengths: valid steps, [B], from 0 to T; None: all are.
        targets: what may be fed in the place of the output, [B, T, ...]; None in free running.
        forcing: what is: "free", "teacher" or `Scheduled(p)`. It is that of the outputs of these
            steps, so the last one's comes to bear at the step behind them.
    """

    inputs: Tensor
    reset: Tensor | None = None
    lengths: Tensor | None = None
    targets: Tensor | None = None
    forcing: str | Scheduled = "free"

    @staticmethod
    def of(
        inputs: Tensor,
        reset: Tensor | None = None,
        lengths: Lengths = None,
        targets: Tensor | None = None,
        forcing: str | Scheduled = "free",
    ) -> Steps:
        """Those of arguments.

        Raises:
            TypeError, ValueError: they do not fit.
        """
        if not torch.is_tensor(inputs) or inputs.dim() < 2:
            came = list(inputs.shape) if torch.is_tensor(inputs) else type(inputs).__name__
            raise TypeError(f"inputs must be a tensor [batch, time, ...], got {came}")
        shape = list(inputs.shape[:2])
        if 0 in shape:
            raise ValueError(f"inputs must hold a sequence and a step at least, got {shape}")
        if reset is not None and (reset.dtype != torch.bool or list(reset.shape) != shape):
            raise ValueError(f"reset must be boolean {shape}, got {reset.dtype} {[*reset.shape]}")
        counts = None if lengths is None else checked_lengths("lengths", lengths, inputs)
        if forcing == "free":
            return Steps(inputs, reset, counts)
        if targets is None:
            raise ValueError(
                f'targets are needed with forcing {forcing!r}; forcing="free" needs none'
            )
        _check_targets(targets, shape)
        return Steps(inputs, reset, counts, targets, forcing)

    def __len__(self) -> int:
        return self.inputs.shape[1]

    def part(self, start: int, stop: int) -> Steps:
        """The steps from `start` to before `stop`."""
        reset, lengths, targets = self.reset, self.lengths, self.targets
        return Steps(
            self.inputs[:, start:stop],
            None if reset is None else reset[:, start:stop],
            None if lengths is None else (lengths - start).clamp(0, stop - start),
            None if targets is None else targets[:, start:stop],
            self.forcing,
        )

    def goes_with(self, more: Steps) -> bool:
        """Whether one run can read these steps and others: they are forced alike."""
        if self.targets is None or more.targets is None:
            return self.forcing == more.forcing
        # Class numbers have no third dimension, values have.
        return self.forcing == more.forcing and self.targets.dim() == more.targets.dim()

    def then(self, more: Steps) -> Steps:
        """These steps with others behind them. A sequence that has ended goes on no more."""
        counts = None
        if self.lengths is not None and more.lengths is not None:
            counts = self.lengths + more.lengths
        reset = None
        if self.reset is not None or more.reset is not None:
            reset = torch.cat([self._flags(), more._flags()], dim=1)
        targets = None
        if self.targets is not None and more.targets is not None:
            targets = torch.cat([self.targets, more.targets], dim=1)
        inputs = torch.cat([self.inputs, more.inputs], dim=1)
        return Steps(inputs, reset, counts, targets, self.forcing)

    def _flags(self) -> Tensor:
        if self.reset is not None:
            return self.reset
        return torch.zeros(self.inputs.shape[:2], dtype=torch.bool, device=self.inputs.device)


@dataclass(frozen=True)
class Batch:
    """Sequences and what their outputs should be, to be cut in time.

    Attributes:
        steps: what the model reads.
        targets: [B, T, ...]; with one output at the end [B, ...].
        valid: where a loss is taken, [B, T] or [B]; None: everywhere.
        at_last: whether there is one output, after each sequence's last step.
    """

    steps: Steps
    targets: Tensor
    valid: Tensor | None
    at_last: bool

    @staticmethod
    def of(
        model: Model,
        inputs: Tensor,
        targets: Tensor,
        lengths: Lengths,
        reset: Tensor | None,
        forcing: str | Scheduled,
    ) -> Batch:
        """That of arguments.

        Raises:
            TypeError, ValueError: they do not fit.
        """
        check_forcing(model, forcing)
        steps, at_last = Steps.of(inputs, reset, lengths, targets, forcing), is_at_last(model)
        _check_targets(targets, list(inputs.shape[: 1 if at_last else 2]))
        counts = steps.lengths
        if counts is None:
            return Batch(steps, targets, None, at_last)
        valid = counts > 0 if at_last else steps_within(counts, len(steps))
        return Batch(steps, targets, valid, at_last)

    def parts(self, size: int) -> Iterator[Batch]:
        """The batch in parts of `size` steps, the last one as long as what is left."""
        for start in range(0, len(self.steps), size):
            stop = min(start + size, len(self.steps))
            steps = self.steps.part(start, stop)
            if self.at_last:
                yield Batch(steps, self.targets, self._ended(start, stop), True)
                continue
            valid = None if self.valid is None else self.valid[:, start:stop]
            yield Batch(steps, self.targets[:, start:stop], valid, False)

    def total(self, loss: Loss, o: Tensor) -> Total:
        """The loss of a model's outputs."""
        return summed(loss, o, self.targets, self.valid)

    def _ended(self, start: int, stop: int) -> Tensor:
        """Which sequences have their last step between, [B]."""
        lengths = self.steps.lengths
        if lengths is None:
            ends = stop == len(self.steps)
            return torch.full((len(self.targets),), ends, device=self.targets.device)
        return (lengths > start) & (lengths <= stop)


def is_at_last(model: Model) -> bool:
    """Whether a model gives one output, after the last step."""
    return isinstance(model, Network) and model.at == "last"


def _check_targets(targets: Tensor, wanted: list[int]) -> None:
    """Raise ValueError unless targets begin with the dimensions that are wanted."""
    if not torch.is_tensor(targets) or list(targets.shape[: len(wanted)]) != wanted:
        came = list(targets.shape) if torch.is_tensor(targets) else type(targets).__name__
        raise ValueError(f"targets must be [{', '.join(map(str, wanted))}, ...], got {came}")


def detached(state: Any) -> Any:
    """A state in any form, without its graph."""
    return pytree.tree_map(lambda t: t.detach() if torch.is_tensor(t) else t, state)


def _run_cell(cell: Cell, steps: Steps, state: Any) -> tuple[Tensor, Any]:
    forced = None if steps.reset is None else anew(cell, steps.inputs, steps.reset)
    run = unroll(cell, steps.inputs, state, lengths=steps.lengths, forced=forced)
    return run.outputs, run.final


def _run_network(network: Network, steps: Steps, state: Any) -> tuple[Tensor, Any]:
    run = network.run(
        steps.inputs,
        state,
        steps.lengths,
        reset=steps.reset,
        targets=steps.targets,
        forcing=steps.forcing,
    )
    if steps.targets is None:
        return run.o, run.final
    reached = None if steps.lengths is None else steps.lengths == len(steps)
    return run.o, fed_on(network.cell, run.final, steps.targets[:, -1], steps.forcing, reached)


def _run_layer(layer: Recurrent | nn.RNNBase, steps: Steps, state: Any) -> tuple[Tensor, Any]:
    if not isinstance(layer, Stacked):
        _refuse_reset(layer, steps)
        outputs, after = layer(_turned(_without_padding(steps), layer), state)
        return _turned(outputs, layer), after
    reset = None if steps.reset is None else _turned(steps.reset, layer)
    inputs = _turned(steps.inputs, layer)
    outputs, after = layer(inputs, state, lengths=steps.lengths, reset=reset)  # pyright: ignore[reportCallIssue]
    return _turned(outputs, layer), after


def _run_function(model: Any, steps: Steps, state: Any) -> tuple[Tensor, Any]:
    name = type(model).__name__
    if not callable(model):
        raise TypeError(f"model must be a cell, a network, a layer or a function, got {name}")
    _refuse_reset(model, steps)
    found = model(_without_padding(steps), state)
    if not isinstance(found, tuple) or len(found) != 2 or not torch.is_tensor(found[0]):
        raise TypeError(
            f"model must give outputs and state, as model(inputs, state) -> (outputs, state); "
            f"{name} gave {type(found).__name__}"
        )
    return found


def _refuse_reset(model: Any, steps: Steps) -> None:
    if steps.reset is not None:
        raise TypeError(
            f"reset must be None for a {type(model).__name__}, which takes none; cells, networks "
            "and layers of unrolled.nn do"
        )


def _without_padding(steps: Steps) -> Tensor:
    inputs, lengths = steps.inputs, steps.lengths
    if lengths is None:
        return inputs
    beyond = ~steps_within(lengths, len(steps))
    return inputs.masked_fill(beyond.reshape(*beyond.shape, *(1,) * (inputs.dim() - 2)), 0)


def _turned(steps: Tensor, layer: Recurrent | nn.RNNBase) -> Tensor:
    """Batch first where the layer has time first, and the other way round."""
    return steps if layer.batch_first else steps.transpose(0, 1)
