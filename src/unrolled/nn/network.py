"""The recurrent networks of the textbooks: a cell, a readout, an output.

    h(t) = step(x(t), h(t-1))
    o(t) = c + V h(t)
    y(t) = softmax(o(t)), or sigmoid, or o(t) itself

| network | |
|---|---|
| `Network(Elman(3, 16), 2)` | hidden-to-hidden recurrence, an output at every step |
| `Network(Jordan(3, 16, 2, output="softmax"))` | recurrence from the output only |
| `Network(Elman(3, 16), 2, at="last")` | reads a whole sequence, one output at the end |
| `Network(FeedBack(LSTM(5, 16), 2))` | both recurrences |

A cell whose output recurs holds its readout itself. It runs free, reading its own y(t-1), or is
forced: it reads the target of the step before, or at random one of the two (`nn.forcing`). By the
targets y* the likelihood of a sequence factorises,

    log p(y*(1), ..., y*(T) given x) = sum over t of log p(y*(t) given y*(1), ..., y*(t-1), x),

so teacher forcing is maximum likelihood; the steps of a Jordan network are then independent.

Shapes: B batch, T time, I input_size, O output_size.

Reference:
    Goodfellow, Bengio and Courville, "Deep Learning", section 10.2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..cells import Cell
from ..cells.cell import check_size, like_of
from ..cells.jordan import OUTPUTS, OutputRecurrent
from ..engines import Forcing, Problem
from ..naming import one_of
from ..unroll import Trajectory, problem_of, unroll
from .feedback import forcing_of, pre_activations
from .forcing import Scheduled
from .shapes import shapes_of

POSITIONS = ("every", "last")


@dataclass(frozen=True, repr=False)
class NetworkRun:
    """What a network computed.

    Attributes:
        o: the output's pre-activation at every step, [B, T, O], or after each sequence's last
            valid one, [B, O]; zero where no step is valid.
        y: the output, as o.
        final: the state after each sequence's last valid step, each [B, size].
        trajectory: of the cell.
    """

    o: Tensor
    y: Tensor
    final: tuple[Tensor, ...]
    trajectory: Trajectory

    def __repr__(self) -> str:
        return shapes_of(self)


class Network(nn.Module):
    """A cell with a readout, its own or one around it.

    Arguments:
        cell: the recurrence.
        output_size: size of o and y. Of a cell whose output recurs (Jordan, FeedBack) it is the
            cell's, and may be left out.
        output: of y: "softmax" (the default), "sigmoid", "identity", "tanh" or "relu". Of a cell
            whose output recurs it is the cell's.
        at: "every" for an output at every step, "last" for one after the last.

    Attributes:
        cell: the recurrence.
        readout: V and c; None where the cell holds them.

    Raises:
        ValueError: an unknown output or position, a size below 1 or missing, or a size or an
            output other than those of a cell whose output recurs.
        TypeError: `cell` is not a cell.
    """

    def __init__(
        self,
        cell: Cell,
        output_size: int | None = None,
        output: str | None = None,
        at: str = "every",
    ):
        super().__init__()
        if not isinstance(cell, Cell):
            kind = cell.__name__ if isinstance(cell, type) else type(cell).__name__
            raise TypeError(
                f"cell must be a Cell that is made, got {kind}; unrolled.Cell.wrap makes one of "
                "any module with forward(x, state)"
            )
        self.output_size, self.output = _output_of(cell, output_size, output)
        self.cell, self.at = cell, one_of(at, POSITIONS, "at")
        self._emit = OUTPUTS[one_of(self.output, OUTPUTS, "output")]
        self.readout: nn.Linear | None = None
        if not isinstance(cell, OutputRecurrent):
            like, first = like_of(cell), next(iter(cell.state_sizes.values()))
            place: dict[str, Any] = {"device": like.device, "dtype": like.dtype}
            self.readout = nn.Linear(first, self.output_size, **place)

    @property
    def input_size(self) -> int:
        return self.cell.input_size

    @property
    def state_sizes(self) -> dict[str, int]:
        return self.cell.state_sizes

    @property
    def emits(self) -> tuple[str, ...]:
        """Names of what a step gives beside the state: o, and y unless it is in the state.

        They are `network_o` and `network_y` where a state has that name.
        """
        given = ("o", "y") if self.readout is not None else ("o",)
        return tuple(f"network_{n}" if n in self.state_sizes else n for n in given)

    @property
    def gates(self) -> tuple[str, ...]:
        return self.cell.gates

    def step(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """One step of the cell, with its readout: the new state, and what `emits` names."""
        new = self.cell.step(x, *state)
        if self.readout is not None:
            o = self.readout(new[0])
            return (*new, o, self._emit(o))
        assert isinstance(self.cell, OutputRecurrent), "any other cell has a readout around it"
        before, after = (dict(zip(self.state_sizes, s, strict=True)) for s in (state, new))
        return (*new, self.cell.pre_activation(x, before, after))

    def forward(
        self,
        inputs: Tensor,
        state: Tensor | Sequence[Tensor] | Mapping[str, Tensor] | None = None,
        lengths: Tensor | Sequence[int] | None = None,
        engine: Any = "auto",
    ) -> Tensor:
        """y of a network that runs free, for every step, [B, T, O], or the last, [B, O].

        Arguments: those of `run`.
        """
        return self.run(inputs, state, lengths, engine=engine).y

    def run(
        self,
        inputs: Tensor,
        state: Tensor | Sequence[Tensor] | Mapping[str, Tensor] | None = None,
        lengths: Tensor | Sequence[int] | None = None,
        *,
        reset: Tensor | None = None,
        targets: Tensor | None = None,
        forcing: str | Scheduled = "free",
        engine: Any = "auto",
    ) -> NetworkRun:
        """Run the network over sequences.

        Arguments:
            inputs, state, lengths, engine: as `unrolled.unroll` takes them.
            reset: true at the steps before which the state is the cell's initial one anew, [B, T].
            targets: the true y(t), for forcing: values [B, T, O], or class numbers [B, T] for
                softmax, which are fed as one-hot vectors. What they hold beyond the lengths has
                no effect. Not read in free running.
            forcing: of a network whose output feeds back, what it reads as y(t-1): "free" for its
                own, "teacher" for the target, `Scheduled(p)` for its own with probability p at
                each step of each sequence. At the first step, and where a sequence starts anew,
                it reads the initial state. The gradient passes through its own y.

        Raises:
            TypeError, ValueError: an argument of the wrong shape, size or type.
            EngineRefused: the engine asked for cannot run this.
        """
        problem = problem_of(self.cell, inputs, state, lengths)
        problem = replace(problem, forced=forcing_of(problem, reset, targets, forcing))
        forced = {name: _as_given(forcing) for name, forcing in problem.forced.items()}
        trajectory = unroll(
            self.cell, problem.inputs, problem.state, problem.lengths, forced, engine
        )
        o = self._pre_activations(problem, trajectory)
        valid = problem.valid
        if valid is None:
            return NetworkRun(o, self._emit(o), trajectory.final, trajectory)
        none = ~(valid.any(1) if self.at == "last" else valid)[..., None]
        o, y = o.masked_fill(none, 0), self._emit(o).masked_fill(none, 0)
        return NetworkRun(o, y, trajectory.final, trajectory)

    def _pre_activations(self, problem: Problem, run: Trajectory) -> Tensor:
        """o of every step, [B, T, O], or of the last, [B, O]."""
        last = self.at == "last"
        if self.readout is not None:
            return self.readout(run.final[0] if last else run.outputs)
        o = pre_activations(problem, run.states)
        return problem.last(o, torch.zeros_like(o[:, 0])) if last else o

    def extra_repr(self) -> str:
        return f"output={self.output!r}, at={self.at!r}"


def _output_of(cell: Cell, output_size: int | None, output: str | None) -> tuple[int, str]:
    """The size and the function of the output: those that are given, or those of the cell."""
    if not isinstance(cell, OutputRecurrent):
        if output_size is None:
            raise ValueError(f"output_size is missing; {cell.title} has no output of its own")
        check_size("output_size", output_size)
        return output_size, "softmax" if output is None else output
    own = {"output_size": cell.output_size, "output": cell.output}
    for name, given in {"output_size": output_size, "output": output}.items():
        if given not in (None, own[name]):
            raise ValueError(
                f"{name} is {given!r}, that of {cell.title} is {own[name]!r}: its output feeds "
                f"back, so it has its own readout; leave {name} out"
            )
    return cell.output_size, cell.output


def _as_given(forcing: Forcing) -> Tensor | tuple[Tensor, Tensor]:
    """A forcing as `unroll` takes it."""
    return forcing.values if forcing.mask is None else (forcing.values, forcing.mask)
