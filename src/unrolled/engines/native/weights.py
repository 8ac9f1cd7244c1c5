"""Weights in the order in which a kernel reads them.

A kernel copies them at the start of every run. No copy is used twice: a parameter can change
without a trace, as `parameter.data.mul_(0.9)` changes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...graph.nodes import Fixed
from .places import Target
from .program import Program, Stage
from .source import phases, tile_of
from .window import Window


class Weights:
    """Where the weights of one program lie in `a.packed`, and what puts them there.

    Attributes:
        places: offset of the weights (k, "w") and biases (k, "b") of stage k, and of each vector.
        size: of all.
        matrices: lines that pack matrices, a part by each thread.
        vectors: lines that add up vectors, where zeros are.
        start_of_vectors: from where on zeros are needed.
    """

    def __init__(
        self,
        program: Program,
        target: Target,
        vectors: Sequence[Fixed],
        windows: Mapping[Fixed, Window],
        bases: Sequence[Fixed],
    ):
        self.target, self.windows, self.bases = target, windows, list(bases)
        self.places: dict[object, int] = {}
        self.size = 0
        self.matrices: list[str] = []
        self.vectors: list[str] = []
        stages = [(k, stage) for k, stage in enumerate(program.stages) if stage.accumulators]
        for k, stage in stages:
            self._add_products(k, stage)
        self.start_of_vectors = self.size
        for k, stage in stages:
            self._add_biases(k, stage)
        for node in vectors:
            self._add_vector(self._reserve(node, node.size), node)

    def _reserve(self, key: object, *shape: int) -> int:
        *leading, last = shape
        start = self.places[key] = self.size
        count = self.target.padded(last)
        for length in leading:
            count *= length
        self.size += count
        return start

    def _add_products(self, k: int, stage: Stage) -> None:
        columns = phases(stage)
        depth = self.target.depth
        panel = sum(depth(vector.size) * len(found) for vector, found in columns)
        start, skip = self._reserve((k, "w"), panel, stage.size), 0
        units = tile_of(stage, self.target).units
        for vector, found in columns:
            for at, (_, product) in enumerate(found):
                base, (down, across) = self._address(product.matrix)
                shape = f"{down}, {across}, {stage.size}, {vector.size}"
                place = f"{panel}, {skip}, {units}, {len(found)}, {at}"
                self.matrices.append(f"pack(a, {base}, a.packed + {start}, {shape}, {place});")
            skip += depth(vector.size) * len(found)

    def _add_biases(self, k: int, stage: Stage) -> None:
        start = self._reserve((k, "b"), len(stage.accumulators), stage.size)
        row = self.target.padded(stage.size)
        for index, sum_ in enumerate(stage.accumulators):
            for product in sum_.products:
                if product.bias is not None:
                    self._add_vector(start + index * row, product.bias)

    def _add_vector(self, start: int, node: Fixed) -> None:
        base, strides = self._address(node)
        stride = strides[-1] if strides else 1
        self.vectors.append(f"add({base}, a.packed + {start}, {stride}, {node.size});")

    def _address(self, node: Fixed) -> tuple[str, tuple[int, ...]]:
        """Where a value starts, and its strides."""
        window = self.windows[node]
        return f"a.base{self.bases.index(window.base)} + {window.offset}", window.strides
