"""A stack of any cells: layers, directions, noise, lengths, resets, states at every step.

Shapes: B batch, T time, D directions, H size of the cell's output.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ..cells import Cell, by_name
from ..cells.cell import check_size
from ..engines import BY_NAME, Engine
from ..naming import one_of
from ..unroll import Trajectory
from .noise import Noise, Stepper
from .sequences import Sequences
from .shapes import shapes_of
from .stack import Between, run_stack
from .states import StateForm

Make = Callable[[int, int], Cell]
Zoneout = float | Sequence[float] | Mapping[str, float]


@dataclass(frozen=True, repr=False)
class LayerStates:
    """What one layer did in one direction, in the form of the layer's input; packed as padded.

    Attributes:
        states: every state component after every step, by name.
        gates: every gate at every step, by name; empty for a cell that names none.
        engine: what ran it.
        why: why, in one line.
    """

    states: Mapping[str, Tensor]
    gates: Mapping[str, Tensor]
    engine: str
    why: str

    def __repr__(self) -> str:
        return shapes_of(self)

    @staticmethod
    def of(run: Trajectory, sequences: Sequences) -> LayerStates:
        states = {name: sequences.padded(steps) for name, steps in run.states.items()}
        # torch.compile keeps no gates.
        found = {} if torch.compiler.is_compiling() else run.gates
        gates = {name: sequences.padded(steps) for name, steps in found.items()}
        return LayerStates(states, gates, run.engine, run.why)


class Stacked:
    """What runs the cells of a module that has `steppers`, `between`, `engine`, `training`.

    Attributes:
        why: which engine ran every layer and direction in the last call, and why.
    """

    training: bool
    batch_first: bool
    engine: str | Engine
    steppers: list[list[Stepper]]
    between: Between
    why: tuple[str, ...] = ()

    def run_sequences(
        self,
        sequences: Sequences,
        state: Any,
        reset: Tensor | None,
        return_states: bool,
    ) -> tuple[Any, ...]:
        """Outputs and final state, with `return_states` also the states of every layer."""
        layers = [[stepper.now(self.training) for stepper in row] for row in self.steppers]
        form = StateForm.of(layers)
        starts = form.read(state, len(sequences.data), sequences.batched)
        resets = None if reset is None else sequences.flags(reset, "reset")
        between = self.between if self.training else Between(skip=self.between.skip)
        run = run_stack(layers, sequences, starts, between, resets, self.engine)
        if not torch.compiler.is_compiling():
            self.why = tuple(f"{each.engine}: {each.why}" for each in run.runs)
        result = sequences.back(run.outputs), form.back(run.final, sequences.batched)
        if not return_states:
            return result
        return *result, tuple(LayerStates.of(each, sequences) for each in run.runs)


class Recurrent(Stacked, nn.Module):
    """A stack of layers of any cell.

        ur.nn.Recurrent(ur.cells.MGU, 8, 32, num_layers=2, bidirectional=True)
        ur.nn.Recurrent("mgu", 8, [32, 16])            # by name; a size for each layer
        ur.nn.Recurrent(cell)                          # a cell that is made
        ur.nn.Recurrent([first, second])               # one for each layer
        ur.nn.Recurrent(functools.partial(ur.cells.CfC, mode="pure"), 8, 32)

    Arguments:
        cell: a class or function that is called with (input_size, hidden_size), the name of a
            published cell, or cells that are made: one for each layer, of a bidirectional stack
            two, forward and reverse.
        input_size: features of the input; with made cells theirs.
        hidden_size: that of every layer, or a list with one for each.
        num_layers: how many layers; told by a list where there is one.
        batch_first: whether sequences come as [B, T, features], or [T, B, features].
        dropout: share of each layer's output that the next one does not see, in training.
        bidirectional: whether a second cell reads each sequence from its end.
        recurrent_dropout: share of h that the recurrent products do not see, one mask for a
            sequence, in training.
        zoneout: share of the state that keeps its value at a step: one number, one for each
            component, or by name.
        weight_drop: share of the entries of `weight_hh` that are zero, in training.
        skip: whether every layer but the first adds its input to its output.
        engine: as `unrolled.unroll` takes it.

    Attributes:
        cells: of every layer and direction, in torch's order.
        why: which engine ran each of them in the last call, and why.

    Raises:
        ValueError: sizes that do not fit, or noise that the cell cannot have.
        TypeError: something else than a cell.
    """

    def __init__(
        self,
        cell: str | Make | type[Cell] | Cell | Sequence[Cell],
        input_size: int | None = None,
        hidden_size: int | Sequence[int] | None = None,
        num_layers: int = 1,
        *,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        recurrent_dropout: float = 0.0,
        zoneout: Zoneout = 0.0,
        weight_drop: float = 0.0,
        skip: bool = False,
        engine: str | Engine = "auto",
    ):
        super().__init__()
        directions = 2 if bidirectional else 1
        if isinstance(cell, (Cell, list, tuple)):
            cells = _made(cell, input_size, hidden_size, num_layers, directions)
        else:
            make: Any = by_name(cell) if isinstance(cell, str) else cell
            cells = _make(make, input_size, hidden_size, num_layers, directions)
        rows = [cells[k : k + directions] for k in range(0, len(cells), directions)]
        check_chain(rows, skip)
        self.cells = nn.ModuleList(cells)
        self.input_size, self.num_layers = cells[0].input_size, len(rows)
        self.batch_first, self.bidirectional = batch_first, bidirectional
        self.engine = checked_engine(engine)
        self.dropout, self.skip = share("dropout", dropout), skip
        if dropout and len(rows) == 1:
            warnings.warn(
                "dropout lies between layers, and there is one layer: it does nothing", stacklevel=2
            )
        self._asked = (recurrent_dropout, zoneout, weight_drop)
        self._steppers = [Stepper(c, Noise.checked(c, *self._asked)) for c in cells]

    @property
    def between(self) -> Between:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What happens between layers; `dropout` may be set anew at any time."""
        return Between(self.dropout, self.skip)

    @property
    def steppers(self) -> list[list[Stepper]]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What steps each of `cells`, by layer and direction; those may be replaced."""
        for k, cell in enumerate(self.cells):
            if self._steppers[k].cell is not cell:
                made = _as_cell(cell)
                self._steppers[k] = Stepper(made, Noise.checked(made, *self._asked))
        directions = 2 if self.bidirectional else 1
        return [self._steppers[k : k + directions] for k in range(0, len(self.cells), directions)]

    def _replicate_for_data_parallel(self) -> Any:
        replica = super()._replicate_for_data_parallel()  # pyright: ignore[reportAttributeAccessIssue]
        replica._steppers = list(self._steppers)
        return replica

    @property
    def output_size(self) -> int:
        """Features of the output: those of the last layer, in all directions."""
        return sum(output_size(stepper.cell) for stepper in self.steppers[-1])

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Any = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        mask: Tensor | None = None,
        reset: Tensor | None = None,
        return_states: bool = False,
    ) -> tuple[Any, ...]:
        """Run the stack.

        Arguments:
            input: [B, T, features] ([T, B, features] without `batch_first`), one sequence
                [T, features], or a PackedSequence.
            hx: the state before the first step: h, or a tuple of components, each
                [layers * D, B, size]. Where layers differ in sizes, a tuple of such for each.
            lengths: valid steps of each sequence, [B].
            mask: true at valid steps, [B, T] in the input's layout; holes are stepped over.
            reset: true where a sequence starts anew before the step, [B, T] as the mask.
            return_states: also return every state and gate at every step.

        Returns:
            The outputs of the last layer, as the input with D H features (zero where not valid);
            the state after each sequence's last valid step, as hx; with `return_states` a
            `LayerStates` for each layer and direction.

        Raises:
            ValueError: an argument of the wrong shape, size or type.
        """
        sequences = Sequences.read(_checked(input), self.batch_first, lengths, mask)
        return self.run_sequences(sequences, hx, reset, return_states)

    def extra_repr(self) -> str:
        settings = ("batch_first", "dropout", "bidirectional", "skip", "engine")
        told = {name: getattr(self, name) for name in settings}
        noise = ("recurrent_dropout", "zoneout", "weight_drop")
        told |= {name: value for name, value in zip(noise, self._asked, strict=True) if value}
        return ", ".join(f"{name}={value!r}" for name, value in told.items())


def _checked(input: Tensor | PackedSequence) -> Tensor | PackedSequence:
    if isinstance(input, PackedSequence):
        return input
    if not torch.is_tensor(input) or input.dim() not in (2, 3):
        came = list(input.shape) if torch.is_tensor(input) else type(input).__name__
        raise ValueError(
            f"input must be [batch, time, features], one sequence [time, features] or packed, "
            f"got {came}"
        )
    return input


def _make(
    make: Make,
    input_size: int | None,
    hidden_size: int | Sequence[int] | None,
    num_layers: int,
    directions: int,
) -> list[Cell]:
    """New cells, by layer and direction."""
    if isinstance(make, nn.Module) or not callable(make):
        raise TypeError(
            f"cell must be a Cell, a class or a name, got {type(make).__name__}; "
            "unrolled.Cell.wrap makes one of any module with forward(x, state)"
        )
    if input_size is None or hidden_size is None:
        raise ValueError("a cell that is yet to be made needs input_size and hidden_size")
    cells: list[Cell] = []
    for size in layer_sizes(hidden_size, num_layers):
        below = cells[-directions:]
        read = sum(map(output_size, below)) + below[0].reads_time if below else input_size
        cells += [_as_cell(make(read, size)) for _ in range(directions)]
    return cells


def _as_cell(made: Any) -> Cell:
    if isinstance(made, Cell):
        return made
    raise TypeError(
        f"cell made a {type(made).__name__}, not a Cell; unrolled.Cell.wrap makes one of any "
        "module with forward(x, state)"
    )


def _made(
    cell: Cell | Sequence[Cell],
    input_size: int | None,
    hidden_size: int | Sequence[int] | None,
    num_layers: int,
    directions: int,
) -> list[Cell]:
    cells = [_as_cell(c) for c in ([cell] if isinstance(cell, Cell) else cell)]
    if hidden_size is not None or input_size not in (None, cells[0].input_size if cells else None):
        raise ValueError("cells that are made have sizes of their own; leave input and hidden size")
    if not cells or len(cells) % directions or num_layers not in (1, len(cells) // directions):
        wanted = "two for each layer, forward and reverse" if directions == 2 else "one a layer"
        raise ValueError(f"cells must be {wanted}; got {len(cells)} for {num_layers} layers")
    if len(set(map(id, cells))) != len(cells):
        raise ValueError("one cell is there twice; layers that share one are not supported")
    return cells


def layer_sizes(hidden_size: int | Sequence[int], num_layers: int) -> list[int]:
    """The hidden size of every layer.

    Raises:
        ValueError: a list of another length than `num_layers`, or a size below 1.
    """
    check_size("num_layers", num_layers)
    if isinstance(hidden_size, int):
        return [hidden_size] * num_layers
    sizes = list(hidden_size)
    if not sizes or num_layers not in (1, len(sizes)):
        raise ValueError(f"hidden_size has {len(sizes)} sizes, num_layers is {num_layers}")
    for size in sizes:
        check_size("hidden_size", size)
    return sizes


def output_size(cell: Cell) -> int:
    """The size of a cell's output, its first component."""
    return next(iter(cell.state_sizes.values()))


def check_chain(rows: Sequence[Sequence[Cell]], skip: bool) -> None:
    """Check that every layer reads what the one below gives.

    Raises:
        ValueError: it does not, or with `skip` cannot add it.
    """
    given = None
    for depth, row in enumerate(rows):
        # The time since the previous step comes from the sequences, not from below.
        read = {cell.input_size - (cell.reads_time and depth > 0) for cell in row}
        if len(read) > 1 or (given is not None and read != {given}):
            wanted = "as both directions do" if given is None else f"the {given} from below"
            raise ValueError(f"layer {depth} must read {wanted}, its cells read {sorted(read)}")
        if len({tuple(cell.state_sizes.items()) for cell in row}) > 1:
            raise ValueError(f"the two directions of layer {depth} have states of different sizes")
        outputs = sum(map(output_size, row))
        if skip and depth and outputs != given:
            raise ValueError(
                f"skip adds what layer {depth} reads, {given} features, to the {outputs} that it "
                "gives; make them alike"
            )
        given = outputs


def checked_engine(engine: str | Engine) -> str | Engine:
    """An engine, or the name of one.

    Raises:
        ValueError: no engine has that name.
    """
    return one_of(engine, ("auto", *BY_NAME), "engine") if isinstance(engine, str) else engine


def share(what: str, value: float) -> float:
    """A share of what is dropped.

    Raises:
        ValueError: it is not from 0 to 1.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"{what} must be a number from 0 to 1, got {value!r}")
    return float(value)
