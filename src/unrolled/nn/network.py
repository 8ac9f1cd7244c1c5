"""The recurrent networks of the textbooks: a cell, a readout, an output.

    h(t) = step(x(t), h(t-1))
    o(t) = c + V h(t)
    y(t) = softmax(o(t)), or sigmoid, or o(t) itself

With an `Elman` cell this is the network with hidden-to-hidden recurrence; with `at="last"` it
reads a whole sequence and gives one output. A `Jordan` cell holds its readout itself, because
its output is what recurs.

Shapes: B batch, T time, I input_size, O output_size.

Reference:
    Goodfellow, Bengio and Courville, "Deep Learning", section 10.2.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ..cells import Cell
from ..cells.cell import check_size, like_of
from ..cells.jordan import OUTPUTS
from ..naming import one_of
from ..unroll import unroll

POSITIONS = ("every", "last")


class Network(nn.Module):
    """A cell with a readout.

    Arguments:
        cell: the recurrence.
        output_size: size of o and y.
        output: of y: "softmax", "sigmoid", "identity", "tanh" or "relu".
        at: "every" for an output at every step, "last" for one after the last.

    Attributes:
        cell: the recurrence.
        readout: V and c.

    Raises:
        ValueError: an unknown output or position, or a size below 1.
        TypeError: `cell` is not a cell.
    """

    def __init__(self, cell: Cell, output_size: int, output: str = "softmax", at: str = "every"):
        super().__init__()
        if not isinstance(cell, Cell):
            kind = cell.__name__ if isinstance(cell, type) else type(cell).__name__
            raise TypeError(
                f"cell must be a Cell that is made, got {kind}; unrolled.Cell.wrap makes one of "
                "any module with forward(x, state)"
            )
        check_size("output_size", output_size)
        self.cell, self.output = cell, output
        self.at = one_of(at, POSITIONS, "at")
        self._emit = OUTPUTS[one_of(output, OUTPUTS, "output")]
        like = like_of(cell)
        first = next(iter(cell.state_sizes.values()))
        self.readout = nn.Linear(first, output_size, device=like.device, dtype=like.dtype)

    @property
    def input_size(self) -> int:
        return self.cell.input_size

    @property
    def state_sizes(self) -> dict[str, int]:
        return self.cell.state_sizes

    @property
    def emits(self) -> tuple[str, str]:
        """Names of what a step gives beside the state: o and y, unless a state has that name."""
        o, y = (f"network_{n}" if n in self.state_sizes else n for n in ("o", "y"))
        return o, y

    @property
    def gates(self) -> tuple[str, ...]:
        return self.cell.gates

    def step(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """One step of the cell, with its readout: the new state, o and y, each [B, size]."""
        new = self.cell.step(x, *state)
        o = self.readout(new[0])
        return (*new, o, self._emit(o))

    def forward(
        self,
        inputs: Tensor,
        state: Tensor | Sequence[Tensor] | Mapping[str, Tensor] | None = None,
        lengths: Tensor | Sequence[int] | None = None,
        engine: Any = "auto",
    ) -> Tensor:
        """y for every step, [B, T, O], or after the last valid one, [B, O].

        Arguments: those of `unrolled.unroll`.
        """
        run = unroll(self.cell, inputs, state, lengths=lengths, engine=engine)
        read = run.final[0] if self.at == "last" else run.outputs
        return self._emit(self.readout(read))

    def extra_repr(self) -> str:
        return f"output={self.output!r}, at={self.at!r}"
