"""Rewrite a graph to its plainest form, knowing who uses each value.

- A value of which only parts are used is computed part by part: `sigmoid(W x)[0:4]` becomes
  `sigmoid(W[0:4] x)`, so that every gate is an affine map of its own, whether the step cut its
  gates before or after adding them up.
- A parameter added to an affine map that nothing else uses becomes its bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from .build import Builder
from .graph import reachable
from .nodes import Affine, Fixed, Node, Pointwise, Slice

# A value cut into more parts than this is left whole: it is a permutation, not gates.
MOST_PARTS = 32


def tidy(outputs: Mapping[str, Node], ops: Builder) -> dict[str, Node]:
    """The outputs in their plainest form."""
    rewritten = dict(outputs)
    while True:
        nodes = reachable(rewritten.values())
        rewrite = _Rewrite(ops, _users(nodes, rewritten))
        for node in nodes:
            # In order, so that no chain of values is too long for the stack.
            rewrite.of(node)
        new = {name: rewrite.of(node) for name, node in rewritten.items()}
        if new == rewritten:
            return new
        rewritten = new


def _users(nodes: tuple[Node, ...], outputs: Mapping[str, Node]) -> dict[Node, list[Node | None]]:
    """Who uses each value; None stands for the world outside."""
    users: dict[Node, list[Node | None]] = {node: [] for node in nodes}
    for node in nodes:
        for argument in node.args:
            users[argument].append(node)
    for node in outputs.values():
        users[node].append(None)
    return users


class _Rewrite:
    def __init__(self, ops: Builder, users: Mapping[Node, list[Node | None]]):
        self.ops, self.users = ops, users
        self.made: dict[Node, Node] = {}

    def of(self, node: Node) -> Node:
        if node not in self.made:
            self.made[node] = self._rewritten(node)
        return self.made[node]

    def _rewritten(self, node: Node) -> Node:
        if isinstance(node, Slice) and self._only_parts_used(node.vector):
            return self._part(node.vector, node.start, node.size)
        if isinstance(node, Pointwise) and (with_bias := self._with_bias(node)) is not None:
            return with_bias
        return self.ops.rebuilt(node, self.of)

    def _only_parts_used(self, node: Node) -> bool:
        """Whether every use is of a part, and no two different parts overlap."""
        users = self.users[node]
        if not isinstance(node, (Pointwise, Affine)):
            return False
        if not all(isinstance(user, Slice) for user in users):
            return False
        parts = sorted({(u.start, u.start + u.size) for u in users if isinstance(u, Slice)})
        apart = all(a[1] <= b[0] for a, b in pairwise(parts))
        return apart and len(parts) <= MOST_PARTS

    def _part(self, node: Node, start: int, size: int) -> Node:
        """Entries of a value, computed from the entries that they need."""
        if isinstance(node, Affine):
            bias = node.bias and self.ops.part(node.bias, 0, start, start + size)
            rows = self.ops.part(node.matrix, 0, start, start + size)
            return self.ops.affine(rows, self.of(node.vector), bias)
        assert isinstance(node, Pointwise)
        operands = [self.of(operand) for operand in node.operands]
        parts = [o if o.size == 1 else self.ops.slice(o, start, size) for o in operands]
        return self.ops.spread(self.ops.apply(node.function.name, *parts), size)

    def _with_bias(self, node: Pointwise) -> Node | None:
        """W v + ... + b with b as the bias of W, where nothing else uses the sum without it."""
        if node.function.name != "add":
            return None
        for total, bias in (node.operands, node.operands[::-1]):
            absorbed = self._absorbing(total, bias) if isinstance(bias, Fixed) else None
            if absorbed is not None:
                return absorbed
        return None

    def _absorbing(self, node: Node, bias: Fixed) -> Node | None:
        """node + bias with the bias inside an affine map, or None."""
        if len(self.users[node]) != 1 or bias.size != node.size:
            return None
        if isinstance(node, Affine) and node.bias is None:
            return self.ops.affine(node.matrix, self.of(node.vector), bias)
        if isinstance(node, Pointwise) and node.function.name == "add":
            # W v + a holds the bias that belongs to W already.
            if any(isinstance(operand, Fixed) for operand in node.operands):
                return None
            for one, other in (node.operands, node.operands[::-1]):
                if (absorbed := self._absorbing(one, bias)) is not None:
                    return absorbed + self.of(other)
        return None
