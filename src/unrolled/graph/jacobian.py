"""The Jacobian of a step: how the new state depends on the old.

    J(t) = d state(t) / d state(t-1)

Its structure is read off the graph. A recurrence whose units do not mix has a diagonal Jacobian;
one whose components couple only within a unit, or within a head, has a block for each; a
recurrent matrix makes it dense. A product of diagonal matrices costs O(S), of dense ones O(S^3).

Shapes: S all entries of the state, m entries of a block, n number of blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from .derivative import Derivative
from .graph import Graph
from .nodes import Affine, Concat, Fixed, Input, Literal, Node, Number, Pointwise, Reduce, Slice


@dataclass(frozen=True, eq=False)
class Jacobian:
    """The derivative of the new state with respect to the old.

    Attributes:
        derivative: of the step.
        names: of the state's components, in order.
        pattern: [S, S], true where an entry can differ from zero.
    """

    derivative: Derivative
    names: tuple[str, ...]
    pattern: Tensor

    @property
    def structure(self) -> str:
        """ "diagonal", "block" or "dense"."""
        largest = max(map(len, self.blocks))
        if largest == 1:
            return "diagonal"
        return "block" if largest < len(self.pattern) else "dense"

    @cached_property
    def blocks(self) -> tuple[tuple[int, ...], ...]:
        """Entries of the state that depend on one another, in groups that do not."""
        labels = torch.arange(len(self.pattern))
        linked = self.pattern | self.pattern.T | torch.eye(len(labels), dtype=torch.bool)
        while True:
            # Every entry takes the smallest label that it is linked to, then the label of that.
            reached = torch.where(linked, labels, len(labels)).amin(1)
            reached = reached[reached]
            if torch.equal(reached, labels):
                break
            labels = reached
        groups: dict[int, list[int]] = {}
        for entry, label in enumerate(labels.tolist()):
            groups.setdefault(label, []).append(entry)
        return tuple(map(tuple, groups.values()))

    def part(self, output: str, state: str) -> str:
        """How one component depends on another: "zero", "diagonal" or "dense"."""
        pattern = self.pattern[self._span(output), self._span(state)]
        if not pattern.any():
            return "zero"
        if pattern.shape[0] != pattern.shape[1]:
            return "dense"
        beside = pattern & ~torch.eye(len(pattern), dtype=torch.bool)
        return "dense" if beside.any() else "diagonal"

    def evaluate(self, *values: Tensor) -> Tensor:
        """The entries that can differ from zero.

        Arguments:
            values: x and the old state, each [..., size].

        Returns:
            [..., S] of a diagonal Jacobian; [..., n, m, m] of one in blocks, in the order of
            `blocks`, smaller blocks filled with zeros; [..., S, S] of a dense one.
        """
        if self.structure == "dense":
            return self.dense(*values)
        rows = self._products(
            [
                [block[k] for block in self.blocks if k < len(block)]
                for k in range(max(map(len, self.blocks)))
            ],
            *values,
        )
        if self.structure == "diagonal":
            return rows[0]
        return torch.stack([self._row_of_blocks(k, row) for k, row in enumerate(rows)], dim=-2)

    def dense(self, *values: Tensor) -> Tensor:
        """The whole matrix, [..., S, S]: row i is the gradient of entry i of the new state."""
        rows = self._products([[entry] for entry in range(len(self.pattern))], *values)
        return rows.movedim(0, -2)

    def _products(self, ones: Sequence[Sequence[int]], *values: Tensor) -> Tensor:
        """v' J for every vector v of zeros and ones, [vectors, ..., S]."""
        self.derivative.of.given(values)
        leading = np.broadcast_shapes(*(value.shape[:-1] for value in values))
        vectors = values[0].new_zeros(len(ones), len(self.pattern))
        for row, entries in enumerate(ones):
            vectors[row, list(entries)] = 1
        vectors = vectors.reshape(len(ones), *(1,) * len(leading), -1)
        graph = self.derivative.of
        state = dict(
            zip(
                self.names,
                vectors.split([graph.outputs[n].size for n in self.names], -1),
                strict=True,
            )
        )
        incoming = [
            state.get(name, values[0].new_zeros(node.size)) for name, node in graph.outputs.items()
        ]
        gradients = self.derivative.evaluate(*values, *incoming)
        wanted = [g for node, g in zip(graph.inputs, gradients, strict=True) if node.name in state]
        return torch.cat(wanted, dim=-1)

    def _row_of_blocks(self, k: int, row: Tensor) -> Tensor:
        """Row k of every block, [..., n, m], from the gradient of their entries number k."""
        largest = max(map(len, self.blocks))
        found = row.new_zeros(*row.shape[:-1], len(self.blocks), largest)
        for number, block in enumerate(self.blocks):
            if k < len(block):
                found[..., number, : len(block)] = row[..., list(block)]
        return found

    def _span(self, name: str) -> slice:
        start = 0
        for other in self.names:
            size = self.derivative.of.outputs[other].size
            if other == name:
                return slice(start, start + size)
            start += size
        raise ValueError(f"no state is called {name!r}; choose from {', '.join(self.names)}")


def jacobian(graph: Graph) -> Jacobian:
    """The Jacobian of a step, its structure recognised.

    Raises:
        ValueError: the graph is not that of a step: no output has the name of an input.
    """
    names = tuple(node.name for node in graph.inputs if node.name in graph.outputs)
    if not names:
        raise ValueError(f"{graph.name} is not a step: it has no state to feed back")
    inputs = {node.name: node for node in graph.inputs}
    pattern = _Pattern(graph, [inputs[name] for name in names])
    rows = [pattern.entries(graph.outputs[name]) for name in names]
    return Jacobian(graph.derivative(), names, torch.cat(rows))


class _Pattern:
    """For every value, which of its entries depend on which entries of the state, [size, S]."""

    def __init__(self, graph: Graph, states: Sequence[Input]):
        self.width = sum(node.size for node in states)
        self.of: dict[Node, Tensor] = {}
        start = 0
        for node in states:
            own = torch.zeros(node.size, self.width, dtype=torch.bool)
            own[:, start : start + node.size] = torch.eye(node.size, dtype=torch.bool)
            self.of[node], start = own, start + node.size
        for node in graph.nodes:
            # What is fixed depends on no state, and may be a large matrix.
            if node not in self.of and not isinstance(node, (Fixed, Number)):
                self.of[node] = self._pattern(node)

    def entries(self, node: Node) -> Tensor:
        nothing = torch.zeros(node.size, self.width, dtype=torch.bool)
        return self.of.get(node, nothing)

    def _pattern(self, node: Node) -> Tensor:
        nothing = torch.zeros(node.size, self.width, dtype=torch.bool)
        match node:
            case Pointwise():
                return self._pointwise(node, nothing)
            case Affine(matrix=Literal(value=matrix)):
                reached = (matrix.cpu() != 0).float() @ self.entries(node.vector).float()
                return reached > 0
            case Affine():
                return nothing | self.entries(node.vector).any(0)
            case Slice():
                return self.entries(node.vector)[node.start : node.start + node.size]
            case Concat():
                return torch.cat([self.entries(part) for part in node.parts])
            case Reduce():
                return self.entries(node.vector).any(0, keepdim=True)
        return nothing

    def _pointwise(self, node: Pointwise, nothing: Tensor) -> Tensor:
        gradients = node.function.rule(node.ops, node, node, *node.operands)
        pattern = nothing
        for operand, gradient in zip(node.operands, gradients, strict=True):
            if gradient is not None and operand in self.of:
                pattern = pattern | self.of[operand]
        return pattern
