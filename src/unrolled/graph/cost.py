"""What a step costs: parameters, arithmetic, memory.

The number of parameters does not grow with the number of steps; the arithmetic and what
back-propagation through time stores do (Goodfellow, Bengio and Courville, section 10.2.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from .derivative import Outer
from .graph import Graph
from .nodes import Affine, Node, Pointwise, Reduce


@dataclass(frozen=True)
class Cost:
    """The cost of unrolling a step over a batch.

    Attributes:
        batch, steps: what was asked for.
        parameters: numbers that are learned; those of all steps together.
        forward, backward: multiply-adds of the products with matrices, of all steps.
        pointwise: entries of pointwise functions and reductions in the forward pass.
        state_bytes: of the state that one step hands to the next.
        stored_bytes: of what back-propagation through time keeps of all steps.
    """

    batch: int
    steps: int
    parameters: int
    forward: int
    backward: int
    pointwise: int
    state_bytes: int
    stored_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.parameters:,} parameters; for batch {self.batch:,} and {self.steps:,} steps "
            f"{self.forward:,} multiply-adds forward and {self.backward:,} backward, "
            f"{self.pointwise:,} pointwise; state {self.state_bytes:,} bytes, "
            f"stored for the backward pass {self.stored_bytes:,} bytes"
        )


def cost(graph: Graph, batch: int, steps: int) -> Cost:
    """Count what a graph costs for `batch` sequences of `steps` steps.

    Raises:
        ValueError: `batch` or `steps` is below 1.
    """
    for what, number in (("batch", batch), ("steps", steps)):
        if not isinstance(number, int) or number < 1:
            raise ValueError(f"{what} must be a whole number from 1 up, got {number!r}")
    derivative, forward = graph.derivative(), set(graph.nodes)
    backward = [node for node in derivative.nodes if node not in forward]
    terms = [term for terms in derivative.deferred.values() for term in terms]
    outers = sum(t.left.size * t.right.size for t in terms if isinstance(t, Outer))
    states = [node for node in graph.inputs if node.name in graph.outputs]
    samples, width = batch * steps, _bytes_of_an_entry(graph)
    read = {argument for node in backward for argument in node.args}
    kept = [*derivative.saved, *(node for node in graph.inputs if node in read | _rights(terms))]
    return Cost(
        batch=batch,
        steps=steps,
        parameters=_parameters(graph),
        forward=samples * _products(graph.steps),
        backward=samples * (_products(backward) + outers),
        pointwise=samples * _entries(graph.steps),
        state_bytes=batch * width * sum(node.size for node in states),
        stored_bytes=samples * width * sum(node.size for node in kept),
    )


def _rights(terms: Iterable[object]) -> set[Node]:
    return {term.right for term in terms if isinstance(term, Outer)}


def _products(nodes: Iterable[Node]) -> int:
    return sum(node.size * node.vector.size for node in nodes if isinstance(node, Affine))


def _entries(nodes: Iterable[Node]) -> int:
    maps = sum(node.size for node in nodes if isinstance(node, Pointwise))
    return maps + sum(node.vector.size for node in nodes if isinstance(node, Reduce))


def _parameters(graph: Graph) -> int:
    """Entries of the parameters that the step reads; of a function, of all that is fixed."""
    tensors = [graph.read_tensors()[node.name] for node in graph.parameters]
    learned = [tensor for tensor in tensors if isinstance(tensor, nn.Parameter)]
    return sum(tensor.numel() for tensor in learned or tensors)


def _bytes_of_an_entry(graph: Graph) -> int:
    sizes = [
        tensor.element_size()
        for tensor in graph.read_tensors().values()
        if tensor.is_floating_point()
    ]
    return max(sizes, default=4)
