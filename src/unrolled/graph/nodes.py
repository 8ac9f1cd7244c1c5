"""The values of a computational graph.

Two kinds. A *fixed* value is the same for every sample and every step: a parameter, a literal,
or what torch computes from those alone. A *sample* value is a vector per sample, [size], with
the batch left out: an input, or a pointwise function, an affine map, a slice, a concatenation
or a reduction of other values.

A value is made once: equal values are the same object (`build.Builder` sees to that), so that
identity is equality.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor

from .functions import Function

if TYPE_CHECKING:
    from .build import Builder


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Node:
    """One value; `args` are the values that it is computed from.

    Attributes:
        size: entries of the vector; of a fixed value, of the tensor flattened.
        ops: what made the value, and makes the values that operators (+, *, ...) give.
        serial: position in the order of making, after that of every argument.
        key: a digest of how the value is computed, equal for equal computations in two graphs.
        reads: names of the inputs that it depends on, in their order.
    """

    size: int
    ops: Builder
    serial: int
    key: str
    reads: tuple[str, ...]

    @property
    def args(self) -> tuple[Node, ...]:
        return ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.serial} [{self.size}]>"

    def __add__(self, other: Node | float) -> Node:
        return self.ops.add(self, other)

    def __radd__(self, other: float) -> Node:
        return self.ops.add(other, self)

    def __sub__(self, other: Node | float) -> Node:
        return self.ops.sub(self, other)

    def __rsub__(self, other: float) -> Node:
        return self.ops.sub(other, self)

    def __mul__(self, other: Node | float) -> Node:
        return self.ops.mul(self, other)

    def __rmul__(self, other: float) -> Node:
        return self.ops.mul(other, self)

    def __truediv__(self, other: Node | float) -> Node:
        return self.ops.div(self, other)

    def __rtruediv__(self, other: float) -> Node:
        return self.ops.div(other, self)

    def __neg__(self) -> Node:
        return self.ops.neg(self)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Fixed(Node):
    """A tensor that is the same for every sample and every step."""

    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Parameter(Fixed):
    """A parameter or buffer of the module, by its qualified name."""

    name: str


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Literal(Fixed):
    """A constant tensor that the step holds."""

    value: Tensor


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Computed(Fixed):
    """What torch computes from parameters alone, once per unroll.

    Attributes:
        operator: the aten operator.
        operands: its positional arguments; fixed values, numbers, lists of those.
        options: its keyword arguments.
    """

    operator: Any
    operands: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def args(self) -> tuple[Node, ...]:
        return tuple(fixed_in(self.operands))


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Number(Node):
    """A vector of `size` equal numbers."""

    value: float


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Input(Node):
    """What a step is given: x, a component of the state, an incoming gradient."""

    name: str


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Pointwise(Node):
    """A function applied entry by entry. Operands of size 1 are used for every entry."""

    function: Function
    operands: tuple[Node, ...]

    @property
    def args(self) -> tuple[Node, ...]:
        return self.operands


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Affine(Node):
    """matrix x vector + bias.

    Attributes:
        matrix: [size, vector.size].
        bias: [size], or None.
    """

    matrix: Fixed
    vector: Node
    bias: Fixed | None = None

    @property
    def args(self) -> tuple[Node, ...]:
        return (self.matrix, self.vector, *((self.bias,) if self.bias else ()))


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Slice(Node):
    """Entries `start` to `start + size` of a vector."""

    vector: Node
    start: int

    @property
    def args(self) -> tuple[Node, ...]:
        return (self.vector,)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Concat(Node):
    """Vectors one after another."""

    parts: tuple[Node, ...]

    @property
    def args(self) -> tuple[Node, ...]:
        return self.parts


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Reduce(Node):
    """The sum or the maximum of a vector's entries, a vector of size 1.

    Attributes:
        kind: "sum" or "max".
    """

    kind: str
    vector: Node

    @property
    def args(self) -> tuple[Node, ...]:
        return (self.vector,)


def fixed_in(operands: Any) -> list[Fixed]:
    """The fixed values in an operator's arguments, however nested."""
    if isinstance(operands, Fixed):
        return [operands]
    if isinstance(operands, (tuple, list)):
        return [node for operand in operands for node in fixed_in(operand)]
    return []


def numel(shape: tuple[int, ...]) -> int:
    """Entries of a tensor of that shape."""
    return math.prod(shape)
