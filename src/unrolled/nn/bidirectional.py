"""Two cells that read a sequence from both ends.

    forward(t) reads x(1), ..., x(t);  reverse(t) reads x(T), ..., x(t)
    outputs(t) = [forward(t), reverse(t)],  or their sum or mean

T is each sequence's own length: the reverse cell starts at its last valid step.

Shapes: B batch, T time.

Reference:
    Schuster and Paliwal, "Bidirectional recurrent neural networks", IEEE Transactions on Signal
        Processing 45, 1997.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..cells import Cell
from ..engines import Engine
from ..naming import one_of
from .recurrent import Recurrent

MERGES = ("concat", "sum", "mean")


class Bidirectional(Recurrent):
    """A layer of two cells, one for each direction.

    Arguments:
        forward_cell: reads from the first step to the last.
        reverse_cell: reads from the last step to the first; it has sizes like the other's.
        merge: "concat" for outputs side by side, "sum" or "mean" of both.
        batch_first: as `Recurrent` takes it.
        engine: as `unrolled.unroll` takes it.

    Raises:
        ValueError: sizes that differ, or an unknown merge.
    """

    def __init__(
        self,
        forward_cell: Cell,
        reverse_cell: Cell,
        merge: str = "concat",
        *,
        batch_first: bool = True,
        engine: str | Engine = "auto",
    ):
        cells = [forward_cell, reverse_cell]
        super().__init__(cells, batch_first=batch_first, bidirectional=True, engine=engine)
        self.merge = one_of(merge, MERGES, "merge")

    @property
    def output_size(self) -> int:
        both = super().output_size
        return both if self.merge == "concat" else both // 2

    def run_sequences(self, *arguments: Any) -> tuple[Any, ...]:
        outputs, *rest = super().run_sequences(*arguments)
        if self.merge == "concat":
            return outputs, *rest
        if torch.is_tensor(outputs):
            return self._merged(outputs), *rest
        return outputs._replace(data=self._merged(outputs.data)), *rest

    def _merged(self, outputs: Tensor) -> Tensor:
        forward, reverse = outputs.chunk(2, dim=-1)
        return forward + reverse if self.merge == "sum" else (forward + reverse) / 2
