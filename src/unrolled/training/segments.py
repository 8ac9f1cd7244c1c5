"""Back-propagation through all of time, kept whole or computed again segment by segment.

Full BPTT keeps what every step computed until the backward pass: memory grows with T. With
checkpoints it keeps the state at the borders of segments, and in the backward pass runs each
segment again from its border: T / k states and k steps, least at k = sqrt(T), for one more forward
pass. The gradients are those of full BPTT. Of steps that run one by one (the eager engine) the
nodes of autograd's graph stay too, without their tensors: some kilobytes a step.

A segment is one run of the model and its loss. Random numbers are the same when it runs again, but
what a model draws once for a sequence (`recurrent_dropout`, `weight_drop`) it draws once for each
segment: such noise changes at the borders, where in full BPTT it stays. What is drawn at every
step (`dropout`, `zoneout`, the choices of scheduled sampling) has the same distribution in both.

Shapes: B batch, T time, I input_size.

References:
    Chen, Xu, Zhang and Guestrin, "Training deep nets with sublinear memory cost",
        arXiv:1604.06174, 2016.
    Gruslys, Munos, Danihelka, Lanctot and Graves, "Memory-efficient backpropagation through time",
        NeurIPS 2016.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils.checkpoint import checkpoint

from ..cells.cell import check_size
from ..engines.lengths import Lengths
from ..nn.forcing import Scheduled
from .losses import Loss, Total
from .stateful import Batch, Model, check_can_be_cut, run_steps


@dataclass(frozen=True)
class FullBPTT:
    """Gradients that reach back to the first step; memory grows with T."""

    def losses(
        self,
        model: Model,
        loss: Loss,
        inputs: Tensor,
        targets: Tensor,
        lengths: Lengths = None,
        reset: Tensor | None = None,
        state: Any = None,
        *,
        forcing: str | Scheduled = "free",
    ) -> Iterator[Total]:
        """The loss of a batch, once: the sum over all valid steps.

        Arguments:
            model: as `run_statefully` takes it.
            loss: L(t) of outputs and targets (`training.losses`).
            inputs: [B, T, I].
            targets: [B, T, ...]; [B, ...] for a network with one output at the end.
            lengths: valid steps of each sequence, [B].
            reset: true where a sequence starts anew before the step, [B, T].
            state: before the first step, in the model's own form; its gradient is taken too.
            forcing: of a `Network` whose output feeds back, what it reads as y(t-1), as
                `Network.run` takes it: "free", "teacher" or `Scheduled(p)`.

        Raises:
            TypeError, ValueError: an argument does not fit.
        """
        batch = Batch.of(model, inputs, targets, lengths, reset, forcing)
        yield batch.total(loss, run_steps(model, batch.steps, state)[0])


@dataclass(frozen=True)
class CheckpointedBPTT:
    """Gradients that reach back to the first step; memory grows with the root of T.

    Attributes:
        segment: steps that are run again together; default the root of T, rounded up.

    Raises:
        ValueError: a number below 1.
    """

    segment: int | None = None

    def __post_init__(self) -> None:
        if self.segment is not None:
            check_size("segment", self.segment)

    def losses(
        self,
        model: Model,
        loss: Loss,
        inputs: Tensor,
        targets: Tensor,
        lengths: Lengths = None,
        reset: Tensor | None = None,
        state: Any = None,
        *,
        forcing: str | Scheduled = "free",
    ) -> Iterator[Total]:
        """The loss of a batch, once: the sum over all valid steps.

        Arguments and errors are those of `FullBPTT.losses`; the model must be one that can be cut
        in time (`run_statefully`).
        """
        check_can_be_cut(model)
        batch = Batch.of(model, inputs, targets, lengths, reset, forcing)
        size = self.segment or math.isqrt(len(batch.steps) - 1) + 1
        first, *others = batch.parts(size)
        total, state = _checkpointed(model, loss, first, state)
        for part in others:
            found, state = _checkpointed(model, loss, part, state)
            total = total + found
        yield total


def _checkpointed(model: Model, loss: Loss, part: Batch, state: Any) -> tuple[Total, Any]:
    """The loss of a segment and the state after it, of which nothing is kept but these."""
    carried, form = pytree.tree_flatten(state)

    def run(inputs: Tensor, *carried: Any) -> tuple[Total, Any]:
        steps = replace(part.steps, inputs=inputs)
        o, after = run_steps(model, steps, pytree.tree_unflatten(carried, form))
        return part.total(loss, o), after

    # Arguments one by one: of these torch keeps the tensors, and the state of the random numbers
    # of their devices.
    return checkpoint(  # pyright: ignore[reportReturnType]
        run, part.steps.inputs, *carried, use_reentrant=False, preserve_rng_state=True
    )
