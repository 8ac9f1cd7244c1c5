"""Layers of cells on top of one another, each in one or two directions.

The reverse direction reads each sequence from its last valid step to its first. Its results are
turned back, so that step t of both directions has seen x(t).

Of cells that read the time since the previous step, as the last feature, every layer reads that of
the sequences; in the reverse direction the time to the next step, which comes before it there. The
last step has none and takes its own.

Shapes: B batch, T time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ..cells import Cell
from ..engines import Engine
from ..engines.lengths import steps_within
from ..unroll import Trajectory, unroll
from .noise import Noisy
from .resets import anew
from .sequences import Sequences, flipped

State = tuple[Tensor, ...]


@dataclass(frozen=True)
class Between:
    """What happens between layers.

    Attributes:
        dropout: share of what a layer gives that the next one does not see, drawn per step.
        skip: whether every layer but the first adds what it reads to what it gives.
    """

    dropout: float = 0.0
    skip: bool = False


@dataclass(frozen=True)
class StackRun:
    """What a stack computed.

    Attributes:
        outputs: of the last layer, both directions side by side, [B, T, D H].
        runs: the trajectory of every layer and direction, in torch's order: layer by layer, the
            forward direction first. That of a reverse direction is in the order of the inputs.
    """

    outputs: Tensor
    runs: list[Trajectory]

    @property
    def final(self) -> list[State]:
        return [run.final for run in self.runs]


def run_stack(
    layers: Sequence[Sequence[Cell]],
    sequences: Sequences,
    starts: Sequence[State | None],
    between: Between,
    resets: Tensor | None = None,
    engine: str | Engine = "auto",
) -> StackRun:
    """Run every layer over the outputs of the one below.

    Arguments:
        layers: the cells, by layer and direction.
        sequences: what the first layer reads.
        starts: the state that each cell starts from, in the order of `StackRun.runs`.
        between: what happens between layers.
        resets: true at the steps before which a sequence starts anew, [B, T].
        engine: as `unroll` takes it.
    """
    lengths, read, runs = sequences.lengths, sequences.data, []
    if resets is not None and lengths is not None:
        # In the padding there is nothing to start anew.
        resets = resets & steps_within(lengths, read.shape[1])
    starting, times = iter(starts), read[..., -1:]
    for depth, cells in enumerate(layers):
        found = []
        for way, cell in enumerate(cells):
            inputs = torch.cat([read, times], dim=-1) if depth and cell.reads_time else read
            found.append(_run(cell, bool(way), inputs, next(starting), lengths, resets, engine))
        outputs = found[0].outputs if len(found) == 1 else torch.cat([r.outputs for r in found], 2)
        given = read + outputs if between.skip and depth else outputs
        last = depth + 1 == len(layers)
        read = given if last or not between.dropout else _dropped(given, between.dropout)
        runs += found
    return StackRun(read, runs)


def _run(
    cell: Cell,
    backwards: bool,
    inputs: Tensor,
    start: State | None,
    lengths: Tensor | None,
    resets: Tensor | None,
    engine: str | Engine,
) -> Trajectory:
    """One layer in one direction; its trajectory in the order of the inputs."""
    if backwards:
        inputs = _with_times_to_next(inputs, lengths) if cell.reads_time else inputs
        inputs = flipped(inputs, lengths)
        resets = None if resets is None else _resets_backwards(resets, lengths)
    if isinstance(cell, Noisy):
        inputs = cell.draw(inputs)
    forced = None if resets is None else anew(cell, inputs, resets)
    run = unroll(cell, inputs, start, lengths=lengths, forced=forced, engine=engine)
    return _turned(run, lengths) if backwards else run


def _dropped(steps: Tensor, share: float) -> Tensor:
    """Dropout of [B, T, size], the same for every engine that may have computed it.

    torch's own draws in the order of memory, which differs between engines.
    """
    ones = torch.ones(steps.shape, dtype=steps.dtype, device=steps.device)
    return steps * F.dropout(ones, share)


def _with_times_to_next(inputs: Tensor, lengths: Tensor | None) -> Tensor:
    """Inputs whose last feature is the time to the next step, not since the previous one."""
    features, times = inputs[..., :-1], inputs[..., -1]
    following = torch.cat([times[:, 1:], times[:, -1:]], dim=1)
    if lengths is not None:
        step = torch.arange(inputs.shape[1], device=inputs.device)
        following = torch.where(step == lengths[:, None] - 1, times, following)
    return torch.cat([features, following[..., None]], dim=-1)


def _resets_backwards(resets: Tensor, lengths: Tensor | None) -> Tensor:
    """Read backwards, a sequence starts anew at the step before the one that is flagged."""
    before = torch.cat([resets[:, 1:], torch.zeros_like(resets[:, :1])], dim=1)
    return flipped(before, lengths)


def _turned(run: Trajectory, lengths: Tensor | None) -> Trajectory:
    """A trajectory over flipped inputs, in the order that they had before."""
    states = {name: flipped(steps, lengths) for name, steps in run.states.items()}
    gates = run._gates
    later = None if gates is None else lambda: {n: flipped(g, lengths) for n, g in gates().items()}
    return replace(run, states=states, _gates=later)
