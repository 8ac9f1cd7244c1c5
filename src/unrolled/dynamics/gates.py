"""What the gates and states of a model do over time, and which units have stopped working.

A gate near 1 is open, near 0 closed. A unit is

    saturated   where its squashing function is flat: within a twentieth of its range from the end
    dead        where a rectifier gives 0 at every step of every sequence: it has no gradient
    idle        where its state never changes

Shapes: B batch, T time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..engines import Engine
from ..engines.native.graphs import kept_of
from ..graph import UnsupportedOperator
from ..graph.names import activation_names
from ..nn.sequences import flipped
from .recording import Recording, evaluating, record

if TYPE_CHECKING:
    import polars

# What the steps are called, a row for each sequence.
Labels = Sequence[Sequence[Any]]
# What squashing functions reach at most, and at least.
RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, None)}
# The share of its range at either end in which a unit counts as saturated, and of the steps that
# it must spend there.
FLAT, ALWAYS = 0.05, 0.95
# A state that varies by less is idle.
IDLE = 1e-4


@dataclass(frozen=True, eq=False)
class Saturation:
    """How much of its range an activation uses, over all valid steps of all sequences.

    Attributes:
        function: "sigmoid", "tanh" or "relu".
        low, high: share of the steps that each unit spends near its least and its largest value,
            [size]; of relu `low` is where it is 0, and `high` is zero.
    """

    function: str
    low: Tensor
    high: Tensor

    @property
    def share(self) -> float:
        """Share of all units and steps at which the function is flat."""
        return float((self.low + self.high).mean())

    @property
    def stuck(self) -> Tensor:
        """Which units are at one end of their range nearly always, [size]; of relu the dead."""
        if self.function == "relu":
            return self.low == 1
        return (self.low >= ALWAYS) | (self.high >= ALWAYS)


@dataclass(frozen=True, eq=False)
class GateTrace:
    """Every gate, activation and state of one layer at every step.

    Attributes:
        name: of the layer's cell in its model.
        title: what the cell is.
        gates: what squashes, by name, [B, T, size]: gates and candidates.
        states: the state's components after every step, by name, [B, T, size].
        functions: what each of `gates` is squashed by.
        valid: true at the steps inside each sequence's length, [B, T].
        labels: what the steps are called in the data, for every sequence.
    """

    name: str
    title: str
    gates: Mapping[str, Tensor]
    states: Mapping[str, Tensor]
    functions: Mapping[str, str]
    valid: Tensor
    labels: Sequence[Sequence[Any]]

    def saturation(self) -> dict[str, Saturation]:
        """How much of its range each of `gates` uses."""
        return {name: self._saturation(name) for name in self.gates}

    def idle(self) -> dict[str, Tensor]:
        """Which entries of each state component never change, [size]."""
        found = {}
        for name, steps in self.states.items():
            seen = steps[self.valid]
            spread = seen.amax(0) - seen.amin(0)
            found[name] = spread <= IDLE * (1 + seen.abs().amax(0))
        return found

    def table(self, sequence: int = 0) -> polars.DataFrame:
        """A row for every step of one sequence: its label, then a column for every unit.

        Columns are called as "f[3]": unit 3 of gate or state f.
        """
        import polars as pl

        valid = self.valid[sequence]
        columns: dict[str, Any] = {"step": self.labelled(sequence)}
        for name, values_of in {**self.gates, **self.states}.items():
            for unit, values in enumerate(values_of[sequence][valid].T):
                columns[f"{name}[{unit}]"] = values.double().cpu().numpy()
        return pl.DataFrame(columns)

    def labelled(self, sequence: int = 0) -> list[Any]:
        """What the valid steps of one sequence are called."""
        steps = self.valid[sequence].nonzero()[:, 0].tolist()
        return [self.labels[sequence][t] for t in steps]

    def mean(self, sequence: int = 0) -> dict[str, Tensor]:
        """The mean over the units of every gate at the valid steps of one sequence, [T]."""
        valid = self.valid[sequence]
        return {name: steps[sequence][valid].mean(1) for name, steps in self.gates.items()}

    def draw(
        self,
        path: str | Path,
        sequence: int = 0,
        above: tuple[str, Sequence[float]] | None = None,
    ) -> Path:
        """Draw every gate of every unit over the steps of one sequence into an SVG or PNG file.

        Arguments:
            above: a name and a number for each step, such as what was read, to draw on top.

        Raises:
            DataError: another ending.
        """
        from ..report.figures import save_figure
        from .figures import paint_gates

        height = 60 + 45 * len(self.gates or self.states) + 90 * (above is not None)
        return save_figure(paint_gates(self, sequence, above), path, height, width=560, white=True)

    def __repr__(self) -> str:
        batch, time = self.valid.shape
        return (
            f"GateTrace({self.name}, {self.title}: gates {', '.join(self.gates) or 'none'}; states "
            f"{', '.join(self.states)}; {batch} sequences of {time} steps)"
        )

    def _saturation(self, name: str) -> Saturation:
        function, seen = self.functions[name], self.gates[name][self.valid]
        least, most = RANGES[function]
        if most is None:
            low = (seen <= least).double().mean(0)
            return Saturation(function, low, torch.zeros_like(low))
        edge = FLAT * (most - least)
        low, high = seen < least + edge, seen > most - edge
        return Saturation(function, low.double().mean(0), high.double().mean(0))


def gates(
    model: nn.Module,
    batch: Any,
    labels: Labels | Mapping[str, Labels] | None = None,
    *,
    engine: str | Engine = "auto",
) -> list[GateTrace]:
    """Every gate and state at every step, of every layer of a model on a batch.

    Gates are found in the graph of the step, so a cell of one's own has them as well: those
    that it names in `Cell.gates` have their names, others that of their function.

    Arguments:
        model: a cell, or any module that runs cells by `unrolled.unroll`; run in evaluation mode.
        batch: the inputs [B, T, I] of a cell; of a module its argument, a tuple of them, or a
            dict by name.
        labels: what the steps of each sequence are called, such as times or tokens, for all
            layers or by a layer's qualified name; default their numbers from 0.
        engine: of a cell alone; a module has its own.

    Raises:
        ValueError: no cell was unrolled, or there are fewer labels than steps.
    """
    with evaluating(model):
        return [
            trace_of(each, labels.get(each.name) if isinstance(labels, Mapping) else labels)
            for each in record(model, batch, engine=engine)
        ]


def saturation(
    model: nn.Module, batch: Any, *, engine: str | Engine = "auto"
) -> dict[str, dict[str, Saturation]]:
    """How much of their range the gates and units of every layer use, by layer and gate.

    Arguments: those of `gates`.
    """
    return {each.name: each.saturation() for each in gates(model, batch, engine=engine)}


def trace_of(recording: Recording, labels: Labels | None = None) -> GateTrace:
    """The gates of what was recorded; a cell without a graph has states alone."""
    values, functions = _activations(recording)
    batch, time = recording.x.shape[:2]
    labels = [range(time)] * batch if labels is None else labels
    if any(not isinstance(row, Sequence) or isinstance(row, str) for row in labels):
        raise ValueError("labels must be a row of names for each sequence, as [['a', 'b', 'c']]")
    if len(labels) < batch or any(len(row) < time for row in labels[:batch]):
        short = min(map(len, labels), default=0)
        raise ValueError(
            f"labels must name {time} steps of {batch} sequences, got {len(labels)} rows, the "
            f"shortest of {short}; where layers differ pass them by name, as {{{recording.name!r}: "
            "...}}"
        )
    states = {name: steps.detach() for name, steps in recording.run.states.items()}
    if recording.backwards:
        # In the order of the data, as their names are.
        lengths = recording.problem.lengths
        values, states = (
            {name: flipped(steps, lengths) for name, steps in each.items()}
            for each in (values, states)
        )
    return GateTrace(
        recording.name,
        recording.cell.title,
        values,
        states,
        functions,
        recording.valid,
        labels,
    )


@torch.no_grad()
def _activations(recording: Recording) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Each activation at every step, [B, T, size], and its function, by name."""
    problem = recording.problem
    try:
        graph = kept_of(problem.cell).graph
    except UnsupportedOperator:
        return {}, {}
    assert graph is not None, "kept_of raises where there is none"
    before = [component.detach() for component in problem.before(recording.run.states)]
    known = graph.values(graph.given([recording.x, *before]))
    shape, named = recording.x.shape[:2], activation_names(graph)
    named = {node: name for node, name in named.items() if node.function.name in RANGES}
    return (
        {name: known[node].expand(*shape, node.size) for node, name in named.items()},
        {name: node.function.name for node, name in named.items()},
    )
