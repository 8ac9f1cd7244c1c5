"""What a kernel of one graph computes, and what it keeps in memory.

Every array of samples has rows padded to whole vectors; those of all steps are time-major,
[T, B, row], so that one step reads and writes one stretch of memory.

Shapes: B batch, T time.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from ...graph import Graph
from ...graph.derivative import Derivative, Outer
from ...graph.nodes import Affine, Fixed, Input, Node, Pointwise
from .places import Place, Target
from .program import Explicit, Program, program
from .window import Window, window_of


@dataclass
class Plan:
    """A graph's forward and backward programs, with a place for every value.

    Attributes:
        graph: of the step.
        target: what to compile for.
        forced: numbers of the state components that given values replace before a step.
        wants_x: whether the backward pass gives the gradient of x.
        lean: whether the forward pass keeps the states only, and the backward pass computes
            again what it needs beside them.
    """

    graph: Graph
    target: Target
    forced: frozenset[int] = frozenset()
    wants_x: bool = True
    lean: bool = False

    @cached_property
    def step(self) -> Graph:
        """The graph with every result computed by some stage."""
        explicit = Explicit(self.graph.inputs)
        outputs = {name: explicit.result(node) for name, node in self.graph.outputs.items()}
        return replace(self.graph, outputs=outputs)

    @cached_property
    def derivative(self) -> Derivative:
        return self.step.derivative()

    @cached_property
    def x(self) -> Input:
        return self.graph.inputs[0]

    @cached_property
    def states(self) -> list[Input]:
        return list(self.graph.inputs[1:])

    @cached_property
    def new(self) -> list[Node]:
        """The new state, in the order of `states`."""
        return [self.step.outputs[node.name] for node in self.states]

    @cached_property
    def saved(self) -> list[Node]:
        """What the forward pass keeps of every step, beside x and the states."""
        if self.lean:
            return []
        at_hand = {*self.graph.inputs, *self.new}
        return [
            node
            for node in self.derivative.saved
            if node not in at_hand and not _is_cheap(node, at_hand)
        ]

    @cached_property
    def explicit(self) -> Explicit:
        """Rewrites the values of the derivative."""
        return Explicit([*self.kept, *self.derivative.inputs])

    @cached_property
    def gradients(self) -> list[Node]:
        """The gradients of the old state, and then of x if it is wanted."""
        of_x, *of_state = self.derivative.outputs.values()
        wanted = [*of_state, of_x] if self.wants_x else of_state
        return [self.explicit.result(node) for node in wanted]

    @cached_property
    def terms(self) -> dict[Fixed, tuple[object, ...]]:
        return dict(self.derivative.deferred)

    @cached_property
    def adjoints(self) -> dict[Node, int]:
        """The vectors of all steps that make the gradients of parameters, with their offsets."""
        offsets: dict[Node, int] = {}
        for terms in self.terms.values():
            for term in terms:
                for node in map(self.explicit.result, self._vectors(term)):
                    if node not in offsets:
                        offsets[node] = sum(self.target.padded(n.size) for n in offsets)
        return offsets

    @cached_property
    def adjoint_row(self) -> int:
        row = sum(self.target.padded(node.size) for node in self.adjoints)
        # Rows that lie powers of two apart would share a few lines of the cache.
        return row if row % 128 else row + self.target.lanes

    def _vectors(self, term: object) -> Iterable[Node]:
        if isinstance(term, Outer):
            yield term.left
            if term.right not in self.kept:
                yield term.right
        else:
            yield term.vector  # pyright: ignore[reportAttributeAccessIssue]

    @cached_property
    def kept(self) -> dict[Node, Place]:
        """Where the backward pass finds what the forward pass left."""
        places: dict[Node, Place] = {self.x: Place("x", "a.xt", "a.xb")}
        for k, (old, new) in enumerate(zip(self.states, self.new, strict=True)):
            places[old] = self.state(k, "before" if k in self.forced else "state")
            places.setdefault(new, self.state(k, "state", ahead=1))
        offset = 0
        for node in self.saved:
            places[node] = Place("kept", "a.kept_time", f"{self.kept_row}", offset)
            offset += self.target.padded(node.size)
        return places

    @cached_property
    def kept_row(self) -> int:
        return sum(self.target.padded(node.size) for node in self.saved)

    def state(self, k: int, name: str, ahead: int = 0) -> Place:
        """Component k in an array [T, B, row] of this name."""
        return self._row(f"{name}{k}", self.target.padded(self.states[k].size), ahead=ahead)

    def adjoint(self, offset: int) -> Place:
        """Adjoints are kept for some steps only, those of one thread's samples side by side."""
        return Place("adjoint", f"a.width * {self.adjoint_row}", f"{self.adjoint_row}", offset)

    def carried(self, k: int, ahead: int = 0) -> Place:
        """The gradient of component k on its way back, at this step or the one before."""
        return replace(self.state(k, "gradient", ahead), by_turns=True)

    def _row(self, array: str, row: int, offset: int = 0, ahead: int = 0) -> Place:
        return Place(array, f"a.B * {row}", f"{row}", offset, ahead)

    def scratch(self, part: Program, given: Collection[Node]) -> dict[Node, Place]:
        """Places for what lives for one step."""
        places: dict[Node, Place] = {}
        nodes = _scratch(part, given)
        row = sum(self.target.padded(node.size) for node in nodes)
        offset = 0
        for node in nodes:
            places[node] = Place("scratch", "0", f"{row}", offset)
            offset += self.target.padded(node.size)
        return places

    def factors(self, part: Program) -> dict[Node, Place]:
        """Places for the vectors of products as their factors, where those are other numbers."""
        if not self.target.half:
            return {}
        vectors = list(dict.fromkeys(product.vector for product in part.products))
        rows = [self.target.padded(self.target.depth(vector.size)) for vector in vectors]
        offsets = itertools.accumulate(rows, initial=0)
        return {
            vector: Place("factors", "0", f"{sum(rows)}", offset)
            for vector, offset in zip(vectors, offsets, strict=False)
        }

    # Programs

    @cached_property
    def forward(self) -> Program:
        return program([*self.new, *self.saved], self.graph.inputs)

    @cached_property
    def backward(self) -> Program:
        leaves = [*self.kept, *self.derivative.inputs[len(self.graph.inputs) :]]
        return program([*self.gradients, *self.adjoints], leaves)

    @cached_property
    def fixed(self) -> list[Fixed]:
        """The vectors and numbers that pointwise functions read."""
        found: dict[Fixed, None] = {}
        for part in (self.forward, self.backward):
            for stage in part.stages:
                sums = {sum_.node: sum_.others for sum_ in stage.accumulators}
                for node in stage.values:
                    read = sums.get(node, () if isinstance(node, Affine) else node.args)
                    found |= {operand: None for operand in read if isinstance(operand, Fixed)}
        return list(found)

    @cached_property
    def windows(self) -> dict[Fixed, Window]:
        """Every fixed value that the programs read, as a part of its base."""
        read = [*self.fixed, *self.terms]
        for part in (self.forward, self.backward):
            for product in part.products:
                read += [product.matrix, *([product.bias] if product.bias else [])]
        return {node: window_of(node) for node in read}

    @cached_property
    def bases(self) -> list[Fixed]:
        """The tensors that the kernel reads and gives gradients of."""
        return list(dict.fromkeys(window.base for window in self.windows.values()))

    @cached_property
    def copies_x(self) -> bool:
        """Whether x is read by whole vectors, so that its rows must be padded."""
        nodes = [n for p in (self.forward, self.backward) for s in p.stages for n in s.values]
        return any(not isinstance(n, Affine) and self.x in n.args for n in nodes)


def _scratch(part: Program, given: Collection[Node]) -> list[Node]:
    """What a program stores and no place is given for."""
    stored = [node for stage in part.stages for node in stage.stored if node not in given]
    read = read_again(part)
    # A result that goes to a place of its own and is not read again needs no other.
    kept = [node for node in stored if node not in part.targets or node in read]
    joined = [c for c in part.concatenations if c not in given]
    return [*kept, *(c for c in joined if c not in part.targets or c in read)]


def read_again(part: Program) -> set[Node]:
    """What the stages read from memory."""
    read: set[Node] = set()
    for stage in part.stages:
        for sum_ in stage.accumulators:
            read |= {*sum_.others, *(product.vector for product in sum_.products)}
        for value in stage.values:
            read |= set(value.args)
    return read


def _is_cheap(node: Node, at_hand: set[Node]) -> bool:
    """Whether a value is one function of what is kept anyway, cheaper made again than stored."""
    return isinstance(node, Pointwise) and all(operand in at_hand for operand in node.operands)
