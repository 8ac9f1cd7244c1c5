"""Order the values of a graph in stages, each one pass over the samples of a batch.

A matrix product needs the whole of its vector, a pointwise function only the same entry of its
operands. A *stage* therefore holds the products whose vectors are in memory, and after them every
pointwise value of the same size that follows: in the generated code, the tail of a register
tile. What a later stage, the next step or the backward pass reads is stored.

Products that are only ever added up share an *accumulator*: W x(t) and U h(t-1) of one gate are
summed in the same registers, and the input projection needs no memory of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ...graph.nodes import Affine, Concat, Fixed, Node, Number, Pointwise, Reduce, Slice


@dataclass(frozen=True)
class Accumulator:
    """A sum of products and biases, made in registers.

    Attributes:
        node: the value that the sum is.
        products: the affine maps.
        others: further terms of the sum.
    """

    node: Node
    products: tuple[Affine, ...]
    others: tuple[Node, ...]


@dataclass
class Stage:
    """One pass over the samples.

    Attributes:
        level: stages of a level need nothing of one another.
        size: of every vector that it computes.
        accumulators: the sums of products, before everything else.
        values: pointwise functions, parts and reductions, each after its operands.
        stored: the values that go to memory.
    """

    level: int
    size: int
    accumulators: list[Accumulator] = field(default_factory=list)
    values: list[Node] = field(default_factory=list)
    stored: list[Node] = field(default_factory=list)


@dataclass(frozen=True)
class Program:
    """The stages of a step.

    Attributes:
        stages: in the order of running.
        leaves: what is in memory before the step.
        targets: what must be in memory after it.
        concatenations: values that are put together in memory from stored parts.
    """

    stages: tuple[Stage, ...]
    leaves: frozenset[Node]
    targets: tuple[Node, ...]
    concatenations: tuple[Concat, ...]

    @property
    def products(self) -> tuple[Affine, ...]:
        """Every affine map, in the order of computing."""
        return tuple(p for s in self.stages for a in s.accumulators for p in a.products)


def program(targets: Sequence[Node], leaves: Collection[Node]) -> Program:
    """Schedule the computation of `targets` from `leaves`."""
    return _Scheduler(targets, frozenset(leaves)).program()


class _Scheduler:
    def __init__(self, targets: Sequence[Node], leaves: frozenset[Node]):
        self.targets, self.leaves = tuple(targets), leaves
        self.needed = _needed(self.targets, self.leaves)
        self.uses: dict[Node, int] = dict.fromkeys(self.needed, 0)
        for node in self.needed:
            for argument in self._arguments(node):
                self.uses[argument] = self.uses.get(argument, 0) + 1
        self.kept = set(self.targets)
        self.absorbed: set[Node] = set()
        self.accumulators = self._accumulators()
        self.levels: dict[Node, int] = {}

    def program(self) -> Program:
        stages: dict[tuple[int, int], Stage] = {}
        concatenations: list[Concat] = []
        for node in self.needed:
            if node in self.absorbed or self._is_given(node):
                continue
            if isinstance(node, Concat):
                concatenations.append(node)
                continue
            key = (self.level(node), node.size)
            stage = stages.setdefault(key, Stage(*key))
            if node in self.accumulators:
                stage.accumulators.append(self.accumulators[node])
            stage.values.append(node)
        stored = self._stored()
        for stage in stages.values():
            stage.stored = [node for node in stage.values if node in stored]
        ordered = tuple(stages[key] for key in sorted(stages))
        return Program(ordered, self.leaves, self.targets, tuple(concatenations))

    def level(self, node: Node) -> int:
        """The first stage in which a value can be computed."""
        if self._is_given(node):
            return 0
        if node not in self.levels:
            self.levels[node] = self._level(node)
        return self.levels[node]

    def _level(self, node: Node) -> int:
        if node in self.accumulators:
            sum_ = self.accumulators[node]
            vectors = [self._ready(product.vector) for product in sum_.products]
            return max([*vectors, *(self._beside(other, node) for other in sum_.others)])
        match node:
            case Pointwise():
                return max(self._beside(operand, node) for operand in node.operands)
            case Slice() | Reduce():
                return self._ready(node.vector)
            case Concat():
                return max(self.level(part) for part in node.parts)
        raise TypeError(f"no stage for {node!r}")

    def _beside(self, operand: Node, node: Node) -> int:
        """The first stage in which an operand is at hand, entry by entry."""
        alike = operand.size == node.size and not isinstance(operand, Concat)
        return self.level(operand) if alike else self._ready(operand)

    def _ready(self, node: Node) -> int:
        """The first stage in which the whole of a vector is in memory."""
        return 0 if self._is_given(node) else self.level(node) + 1

    def _is_given(self, node: Node) -> bool:
        return node in self.leaves or isinstance(node, (Fixed, Number))

    def _arguments(self, node: Node) -> tuple[Node, ...]:
        return () if self._is_given(node) else node.args

    def _accumulators(self) -> dict[Node, Accumulator]:
        """The largest sums that hold a product; their inner sums are absorbed."""
        found: dict[Node, Accumulator] = {}
        for node in reversed(self.needed):
            if node in self.absorbed or self._is_given(node):
                continue
            if isinstance(node, Affine):
                found[node] = Accumulator(node, (node,), ())
            elif _is_sum(node):
                products, others, inner = self._terms(node)
                if products:
                    found[node] = Accumulator(node, tuple(products), tuple(others))
                    self.absorbed.update(inner)
        return found

    def _terms(self, node: Node) -> tuple[list[Affine], list[Node], list[Node]]:
        """What a sum adds up: products, further terms, and the sums and products inside it."""
        products: list[Affine] = []
        others: list[Node] = []
        inner: list[Node] = []
        for operand in node.args:
            alone = self.uses[operand] == 1 and operand not in self.kept
            if not alone or operand.size != node.size or self._is_given(operand):
                others.append(operand)
            elif isinstance(operand, Affine):
                products.append(operand)
                inner.append(operand)
            elif _is_sum(operand):
                deeper = self._terms(operand)
                products += deeper[0]
                others += deeper[1]
                inner += [operand, *deeper[2]] if deeper[0] else []
                if not deeper[0]:
                    others = [o for o in others if o not in deeper[1]] + [operand]
            else:
                others.append(operand)
        return products, others, inner

    def _stored(self) -> set[Node]:
        """What goes to memory: targets, whole vectors, and what a later stage reads."""
        stored = {node for node in self.targets if not self._is_given(node)}
        for node in self.needed:
            if self._is_given(node) or node in self.absorbed:
                continue
            stored |= set(self._read_from_memory(node))
        return {node for node in stored if not self._is_given(node)}

    def _read_from_memory(self, node: Node) -> list[Node]:
        if node in self.accumulators:
            sum_ = self.accumulators[node]
            vectors = [product.vector for product in sum_.products]
            return [*vectors, *self._from_earlier(node, sum_.others)]
        match node:
            case Pointwise():
                return self._from_earlier(node, node.operands)
            case Slice() | Reduce():
                return [node.vector]
            case Concat():
                return list(node.parts)
        return []

    def _from_earlier(self, node: Node, operands: Sequence[Node]) -> list[Node]:
        here = (self.level(node), node.size)
        return [o for o in operands if (self.level(o), o.size) != here or isinstance(o, Concat)]


def _needed(targets: Sequence[Node], leaves: Collection[Node]) -> tuple[Node, ...]:
    """What the targets need, down to the leaves, each after its arguments."""
    found: dict[Node, None] = {}
    pending = list(targets)
    while pending:
        node = pending.pop()
        if node not in found:
            found[node] = None
            given = node in leaves or isinstance(node, (Fixed, Number))
            pending.extend(() if given else node.args)
    return tuple(sorted(found, key=lambda node: node.serial))


class Explicit:
    """Rewrites values so that every part of a concatenation, and every result, is computed.

    A part that is in memory already, or a number, becomes a copy: one stage writes it where it
    belongs.
    """

    def __init__(self, leaves: Collection[Node]):
        self.leaves = frozenset(leaves)
        self.made: dict[Node, Node] = {}

    def result(self, node: Node) -> Node:
        """A value that some stage computes."""
        for inner in _needed([node], self.leaves):
            # In order, so that no chain of values is too long for the stack.
            self.of(inner)
        made = self.of(node)
        return self._copy(made) if self._is_given(made) else made

    def of(self, node: Node) -> Node:
        if node not in self.made:
            self.made[node] = self._made(node)
        return self.made[node]

    def _made(self, node: Node) -> Node:
        if self._is_given(node):
            return node
        if isinstance(node, Concat):
            return node.ops.concat([self.result(part) for part in node.parts])
        return node.ops.rebuilt(node, self.of)

    def _is_given(self, node: Node) -> bool:
        return node in self.leaves or isinstance(node, (Fixed, Number))

    def _copy(self, node: Node) -> Node:
        return node.ops.copy(node)


def _is_sum(node: Node) -> bool:
    return isinstance(node, Pointwise) and node.function.name == "add"
