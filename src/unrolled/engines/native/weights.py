"""Weights in the order in which a kernel reads them.

Which entry of which tensor goes where is worked out once for a program; every run then makes one
call that copies them all. No copy is used twice: a parameter can change without a trace, as
`parameter.data.mul_(0.9)` changes it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ...graph.nodes import Fixed
from .plan import Plan
from .program import Program, Stage
from .source import phases, tile_of
from .window import Window


class Weights:
    """The weights, biases and vectors of one program.

    Arguments:
        plan: of the kernel.
        program: its forward or backward program.
        name: "forward" or "backward", as the kernel's arrays are called.
        bases: the tensors that hold the entries, in the kernel's order.
        library: the compiled kernel.
    """

    def __init__(
        self, plan: Plan, program: Program, name: str, bases: Sequence[Fixed], library: ctypes.CDLL
    ):
        self.plan, self.bases, self.library = plan, list(bases), library
        self.size = 0
        self.places: dict[str, int] = {}
        self.matrices: list[list[int]] = []
        self.vectors: list[list[int]] = []
        stages = [(k, stage) for k, stage in enumerate(program.stages) if stage.accumulators]
        for k, stage in stages:
            self._add_products(f"{name}_w{k}", stage)
        self.start_of_vectors = self.size
        for k, stage in stages:
            self._add_biases(f"{name}_b{k}", stage)
        for node in plan.fixed:
            self._add_vector(self._reserve(f"f{node.serial}", node.size), node)
        self._matrices = np.array(self.matrices, dtype=np.int64).reshape(-1, 12)
        self._vectors = np.array(self.vectors, dtype=np.int64).reshape(-1, 5)

    def packed(self, tensors: Sequence[Tensor]) -> tuple[Tensor, Mapping[str, int]]:
        """The weights of these tensors, and where each array starts, in memory addresses."""
        buffer = self._copied(tensors)
        start, size = buffer.data_ptr(), buffer.element_size()
        return buffer, {name: start + place * size for name, place in self.places.items()}

    def _copied(self, tensors: Sequence[Tensor]) -> Tensor:
        lanes = self.plan.target.lanes
        buffer = torch.empty(self.size + lanes, dtype=tensors[0].dtype if tensors else None)
        buffer[self.start_of_vectors :].zero_()
        size = buffer.element_size()
        starts = np.array([t.data_ptr() for t in tensors], dtype=np.int64)
        for table, function in (
            (self._matrices, self.library.pack_all),
            (self._vectors, self.library.add_all),
        ):
            if len(table):
                # The first three columns become the addresses of where from and where to.
                rows = table[:, 1:].copy()
                rows[:, 0] = starts[table[:, 0]] + table[:, 1] * size
                rows[:, 1] = buffer.data_ptr() + table[:, 2] * size
                function(ctypes.c_void_p(rows.ctypes.data), ctypes.c_int64(len(rows)))
        return buffer

    def _reserve(self, name: str, *shape: int) -> int:
        *leading, last = shape
        start = self.places[name] = self.size
        count = self.plan.target.padded(last)
        for length in leading:
            count *= length
        self.size += count
        return start

    def _add_products(self, name: str, stage: Stage) -> None:
        columns = phases(stage)
        panel = sum(vector.size * len(found) for vector, found in columns)
        start, skip = self._reserve(name, panel, stage.size), 0
        units = tile_of(stage, self.plan.target).units
        for vector, found in columns:
            for at, (_, product) in enumerate(found):
                base, window = self._window(product.matrix)
                row = [base, window.offset, start, *window.strides, stage.size, vector.size]
                self.matrices.append([*row, panel, skip, units, len(found), at])
            skip += vector.size * len(found)

    def _add_biases(self, name: str, stage: Stage) -> None:
        start = self._reserve(name, len(stage.accumulators), stage.size)
        row = self.plan.target.padded(stage.size)
        for index, sum_ in enumerate(stage.accumulators):
            for product in sum_.products:
                if product.bias is not None:
                    self._add_vector(start + index * row, product.bias)

    def _add_vector(self, start: int, node: Fixed) -> None:
        base, window = self._window(node)
        stride = window.strides[-1] if window.strides else 1
        self.vectors.append([base, window.offset, start, stride, node.size])

    def _window(self, node: Fixed) -> tuple[int, Window]:
        """The number of the base, and the part of it that a value is."""
        window = self.plan.windows[node]
        return self.bases.index(window.base), window
