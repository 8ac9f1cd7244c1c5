"""The derivative of a graph, a graph again, in reverse mode.

The gradient of a parameter sums one term for each sample and each step. Those sums are
*deferred*: the derivative only names the vectors, so that whoever unrolls it over time can make
one matrix product of all steps,

    gradient of W = sum over steps and samples of left right',

instead of one for each step.

Reference:
    Griewank and Walther, "Evaluating Derivatives", 2nd edition, 2008, chapter 3.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from .build import Builder
from .graph import Graph, reachable
from .nodes import Affine, Concat, Fixed, Literal, Node, Number, Pointwise, Reduce, Slice


@dataclass(frozen=True)
class Outer:
    """A term of a matrix's gradient: the sum over samples and steps of left right'."""

    left: Node
    right: Node

    def value(self, known: Mapping[Node, Tensor]) -> Tensor:
        left, right = known[self.left], known[self.right]
        leading = np.broadcast_shapes(left.shape[:-1], right.shape[:-1])
        left, right = (side.expand(*leading, side.shape[-1]) for side in (left, right))
        # flatten, not reshape: a side may have no entries.
        left, right = (side.flatten(0, -2) if leading else side[None] for side in (left, right))
        return left.T @ right

    @property
    def args(self) -> tuple[Node, ...]:
        return self.left, self.right


@dataclass(frozen=True)
class Total:
    """A term of a vector's gradient: the sum of a value over samples and steps."""

    vector: Node

    def value(self, known: Mapping[Node, Tensor]) -> Tensor:
        return known[self.vector].reshape(-1, self.vector.size).sum(0)

    @property
    def args(self) -> tuple[Node, ...]:
        return (self.vector,)


Deferred = Outer | Total


@dataclass(frozen=True, eq=False, repr=False)
class Derivative(Graph):
    """The reverse-mode derivative of a graph.

    Its inputs are those of the graph, then `grad_h'` for every output h; its outputs are
    `grad_x` for every input x.

    Attributes:
        of: the graph.
        deferred: the terms of the gradient of each fixed value that the steps read.
        adjoints: the gradient of every value of the graph that the outputs depend on.
    """

    of: Graph = field(kw_only=True)
    deferred: Mapping[Fixed, tuple[Deferred, ...]] = field(kw_only=True)
    adjoints: Mapping[Node, Node] = field(kw_only=True)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        return reachable(self.roots)

    @property
    def roots(self) -> list[Node]:
        """What the derivative gives: the outputs, and the vectors of the deferred terms."""
        terms = [node for terms in self.deferred.values() for term in terms for node in term.args]
        return [*self.outputs.values(), *terms]

    @property
    def saved(self) -> tuple[Node, ...]:
        """What the graph computes and the derivative reads: what a forward pass keeps."""
        forward = set(self.of.steps)
        backward = [node for node in self.nodes if node not in forward]
        read = {argument for node in backward for argument in node.args} | set(self.roots)
        return tuple(node for node in self.of.steps if node in read)

    def gradients(
        self, *values: Tensor, parameters: Mapping[str, Tensor] | None = None
    ) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """Gradients of the graph's inputs, in order, and of what it reads, by qualified name.

        Arguments:
            values: as `evaluate` takes them: the inputs, then the outputs' gradients; any
                leading dimensions, over which the gradients of parameters are summed.
            parameters: by qualified name, in place of the module's own.

        Returns:
            The second part holds every parameter and buffer that the steps read, frozen or not.
        """
        given = self.given(values)
        known = self.values(given, parameters)
        leading = np.broadcast_shapes(*(value.shape[:-1] for value in given.values()))
        known = {
            node: value if isinstance(node, Fixed) else value.expand(*leading, node.size)
            for node, value in known.items()
        }
        inputs = tuple(
            known[node][..., 0] if name in self.scalars else known[node]
            for name, node in self.outputs.items()
        )
        totals = {
            fixed: sum((term.value(known) for term in terms[1:]), terms[0].value(known))
            for fixed, terms in self.deferred.items()
        }
        return inputs, self.to_parameters(totals, parameters)

    def to_parameters(
        self, gradients: Mapping[Fixed, Tensor], parameters: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Carry gradients of fixed values to the parameters that torch computes them from."""
        tensors = {**self.read_tensors(), **(parameters or {})}
        names = [node.name for node in self.of.parameters if tensors[node.name].is_floating_point()]
        leaves = {name: tensors[name].detach().requires_grad_() for name in names}
        with torch.enable_grad():
            known = self.of.fixed_values({**tensors, **leaves})
            reached = [fixed for fixed in gradients if known[fixed].requires_grad]
            if not reached:
                return {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
            carried = torch.autograd.grad(
                [known[fixed] for fixed in reached],
                list(leaves.values()),
                [gradients[fixed].reshape(fixed.shape) for fixed in reached],
                allow_unused=True,
            )
        zeros = (torch.zeros_like(leaf) for leaf in leaves.values())
        pairs = zip(names, carried, zeros, strict=True)
        return {name: zero if found is None else found for name, found, zero in pairs}


def derivative(graph: Graph) -> Derivative:
    """The derivative of every output of a graph with respect to every input and parameter."""
    ops = graph.ops
    incoming = {name: ops.input(f"grad_{name}'", node.size) for name, node in graph.outputs.items()}
    sweep = _Sweep(ops)
    for name, node in graph.outputs.items():
        sweep.add(node, incoming[name])
    for node in reversed(graph.nodes):
        sweep.back(node)
    return Derivative(
        name=f"derivative of {graph.name}",
        inputs=(*graph.inputs, *incoming.values()),
        outputs={f"grad_{node.name}": sweep.gradient(node) for node in graph.inputs},
        read_tensors=graph.read_tensors,
        gates=graph.gates,
        scalars=frozenset(
            {node.name for node in graph.inputs if node.name in graph.scalars}
            | {f"grad_{node.name}" for node in graph.inputs if node.name in graph.scalars}
            | {f"grad_{name}'" for name in graph.outputs if name in graph.scalars}
        ),
        of=graph,
        deferred={fixed: tuple(terms) for fixed, terms in sweep.deferred.items()},
        adjoints=sweep.adjoints,
    )


class _Sweep:
    """One pass from the outputs to the inputs."""

    def __init__(self, ops: Builder):
        self.ops = ops
        self.terms: dict[Node, list[Node]] = defaultdict(list)
        self.parts: dict[Node, list[tuple[int, Node]]] = defaultdict(list)
        self.deferred: dict[Fixed, list[Deferred]] = defaultdict(list)
        self.adjoints: dict[Node, Node] = {}

    def add(self, node: Node, term: Node) -> None:
        """Add a term to the gradient of a value."""
        if isinstance(node, (Number, Literal)):
            return
        if isinstance(node, Fixed):
            self.deferred[node].append(Total(term))
        else:
            self.terms[node].append(term)

    def gradient(self, node: Node) -> Node:
        """The sum of all terms."""
        terms = [*self.terms[node], *self._of_parts(node)]
        total = self.ops.number(0, node.size)
        for term in terms:
            total = total + term
        return total

    def back(self, node: Node) -> None:
        """Pass the gradient of a value on to what it is computed from."""
        reached = node in self.terms or node in self.parts
        if not reached or isinstance(node, (Fixed, Number)):
            return
        self.adjoints[node] = g = self.gradient(node)
        match node:
            case Pointwise():
                self._pointwise(node, g)
            case Affine():
                self._affine(node, g)
            case Slice():
                self.parts[node.vector].append((node.start, g))
            case Concat():
                start = 0
                for part in node.parts:
                    self.add(part, self.ops.slice(g, start, part.size))
                    start += part.size
            case Reduce():
                self.add(node.vector, self._reduced(node, g))

    def _pointwise(self, node: Pointwise, g: Node) -> None:
        terms = node.function.rule(self.ops, g, node, *node.operands)
        for operand, term in zip(node.operands, terms, strict=True):
            if term is not None:
                single = operand.size == 1 and node.size > 1
                whole = self.ops.spread(term, node.size)
                self.add(operand, self.ops.reduce("sum", whole) if single else whole)

    def _affine(self, node: Affine, g: Node) -> None:
        if not isinstance(node.matrix, Literal):
            self.deferred[node.matrix].append(Outer(g, node.vector))
        if node.bias is not None:
            self.add(node.bias, g)
        self.add(node.vector, self.ops.affine(self.ops.transposed(node.matrix), g))

    def _reduced(self, node: Reduce, g: Node) -> Node:
        if node.kind == "sum":
            return self.ops.spread(g, node.vector.size)
        # Entries that share the maximum share its gradient, as in torch.amax.
        largest = self.ops.equal(node.vector, node)
        return self.ops.select(largest, g / self.ops.reduce("sum", largest), 0)

    def _of_parts(self, node: Node) -> Sequence[Node]:
        """The gradients of a value's parts, put together to one of the value."""
        parts = self.parts[node]
        if not parts:
            return ()
        edges = {0, node.size}
        edges |= {edge for start, g in parts for edge in (start, start + g.size)}
        cuts = sorted(edges)
        pieces = []
        for low, high in pairwise(cuts):
            total = self.ops.number(0, high - low)
            for start, g in parts:
                if start <= low and high <= start + g.size:
                    total = total + self.ops.slice(g, low - start, high - low)
            pieces.append(total)
        return (self.ops.concat(pieces),)
