"""The computational graph of a step: what it reads, what it computes, what it gives.

Shapes: B batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .functions import FUNCTIONS
from .nodes import (
    Affine,
    Computed,
    Concat,
    Fixed,
    Input,
    Literal,
    Node,
    Number,
    Parameter,
    Pointwise,
    Reduce,
    Slice,
)

_FUNCTIONS = frozenset(function.value for function in FUNCTIONS.values())

if TYPE_CHECKING:
    from pathlib import Path

    from .build import Builder
    from .cost import Cost
    from .derivative import Derivative
    from .jacobian import Jacobian


@dataclass(frozen=True, eq=False, repr=False)
class Graph:
    """The computational graph of one step, or of a function.

    Attributes:
        name: of the cell or the function.
        inputs: what the step is given, in order: x, then the state.
        outputs: what it gives, by name; of a cell, the components of the new state.
        read_tensors: gives the current parameters and buffers, by qualified name.
        gates: names of the gates in the order of the rows of the gated parameters, as
            ("i", "f", "g", "o") of an LSTM; empty where the cell names none.
        scalars: names of inputs and outputs that are single numbers, without a feature axis.
        network: "last" where a readout is read after the last step only, else "every".
    """

    name: str
    inputs: tuple[Input, ...]
    outputs: Mapping[str, Node]
    read_tensors: Callable[[], Mapping[str, Tensor]] = dict
    gates: tuple[str, ...] = ()
    scalars: frozenset[str] = frozenset()
    network: str = "every"

    @property
    def ops(self) -> Builder:
        """What made the graph's values, and makes more of them."""
        return next(iter(self.outputs.values())).ops

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every value that the outputs need, each after its arguments."""
        return reachable(self.outputs.values())

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters and buffers that the step reads."""
        return tuple(node for node in self.nodes if isinstance(node, Parameter))

    @property
    def once(self) -> tuple[Computed, ...]:
        """What is computed from parameters alone, once per unroll, in torch."""
        return tuple(node for node in self.nodes if isinstance(node, Computed))

    @property
    def steps(self) -> tuple[Node, ...]:
        """What is computed at every step."""
        leaves = (Fixed, Input, Number)
        return tuple(node for node in self.nodes if not isinstance(node, leaves))

    def evaluate(
        self, *values: Tensor, parameters: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, ...]:
        """Compute the outputs, in order.

        Arguments:
            values: one for each of `inputs`, [..., size]; any leading dimensions, alike. What
                `scalars` names has no last dimension.
            parameters: by qualified name, in place of the module's own.

        Raises:
            ValueError: another number of values than of inputs, or another size or type.
        """
        given = self.given(values)
        if unknown := (parameters or {}).keys() - self.read_tensors().keys():
            raise ValueError(f"{self.name} has no parameter {', '.join(sorted(unknown))}")
        known = self.values(given, parameters)
        leading = np.broadcast_shapes(*(value.shape[:-1] for value in given.values()))
        return tuple(
            known[node].expand(*leading, node.size)[..., 0]
            if name in self.scalars
            else known[node].expand(*leading, node.size)
            for name, node in self.outputs.items()
        )

    def given(self, values: Sequence[Tensor]) -> dict[Node, Tensor]:
        """The values of the inputs, checked, each [..., size].

        Raises:
            ValueError: another number of values than of inputs, or another size or type.
        """
        if len(values) != len(self.inputs):
            wanted = ", ".join(node.name for node in self.inputs)
            raise ValueError(f"{self.name} takes {wanted}; got {len(values)} values")
        given: dict[Node, Tensor] = {}
        for node, value in zip(self.inputs, values, strict=True):
            wide = value[..., None] if node.name in self.scalars else value
            if wide.dim() == 0 or wide.shape[-1] != node.size:
                raise ValueError(f"{node.name} must be [..., {node.size}], got {list(value.shape)}")
            if not value.is_floating_point() or value.dtype is not values[0].dtype:
                types = ", ".join(str(v.dtype) for v in values)
                raise ValueError(f"{self.name} takes real numbers of one type; got {types}")
            given[node] = wide
        return given

    def values(
        self,
        given: Mapping[Node, Tensor],
        parameters: Mapping[str, Tensor] | None = None,
        wanted: Iterable[Node] = (),
    ) -> dict[Node, Tensor]:
        """Every value of the graph as a tensor, from those of its inputs.

        Arguments:
            given: values that are known: the inputs first, then any others.
            parameters: by qualified name, in place of the module's own.
            wanted: further values, made by the same builder.
        """
        tensors = {**self.read_tensors(), **(parameters or {})}
        known = dict(given)
        like = next(iter(given.values()), torch.empty(0))
        for node in reachable([*self.nodes, *wanted]) if wanted else self.nodes:
            if node not in known:
                known[node] = _value(node, known, tensors, like)
        return known

    def fixed_values(
        self, tensors: Mapping[str, Tensor], nodes: Iterable[Node] | None = None
    ) -> dict[Node, Tensor]:
        """The values that depend on parameters alone, from those of the parameters.

        Arguments:
            tensors: the parameters and buffers, by qualified name.
            nodes: the values wanted, each after its arguments; default all of the graph.
        """
        known: dict[Node, Tensor] = {}
        real = (tensor for tensor in tensors.values() if tensor.is_floating_point())
        like = next(real, torch.empty(0))
        for node in self.nodes if nodes is None else nodes:
            if isinstance(node, Fixed):
                known[node] = _value(node, known, tensors, like)
        return known

    def derivative(self) -> Derivative:
        """The reverse-mode derivative, a graph again; see `Derivative`."""
        from .derivative import derivative

        return derivative(self)

    def unfold(self, steps: int) -> Graph:
        """The graph of `steps` steps, one after another, sharing every parameter.

        Its inputs are the state `h(0)` and `x(1)`, `x(2)`, ...; its outputs `h(1)`, `h(2)`, ...

        Raises:
            ValueError: `steps` is below 1, or the graph is not that of a step.
        """
        from .unfold import unfold

        return unfold(self, steps)

    def jacobian(self) -> Jacobian:
        """The Jacobian of the new state with respect to the old; see `Jacobian`.

        Raises:
            ValueError: the graph is not that of a step.
        """
        from .jacobian import jacobian

        return jacobian(self)

    def cost(self, batch: int = 1, steps: int = 1) -> Cost:
        """Parameters, multiply-adds and bytes of unrolling the step; see `Cost`."""
        from .cost import cost

        return cost(self, batch, steps)

    def draw(
        self,
        path: str | Path,
        steps: int | None = None,
        level: str = "textbook",
        network: str | None = None,
    ) -> Path:
        """Draw the graph into a file.

        Arguments:
            path: .svg, .png or .pdf; .mmd (Mermaid) or .dot (Graphviz) for text.
            steps: None for the folded graph, with its delays; otherwise so many steps in a row.
            level: "textbook" for x, h, o, L, y or the gates of a cell; "operators" for every
                operator.
            network: around the cell: "every", "last", "bidirectional" or "encoder-decoder";
                default the graph's own.

        Raises:
            ValueError: another ending, level or network, or steps of what carries no state.
        """
        from .drawing import draw

        return draw(self, path, steps, level, network or self.network)

    def __repr__(self) -> str:
        given = ", ".join(f"{node.name}[{node.size}]" for node in self.inputs)
        results = ", ".join(f"{name}[{node.size}]" for name, node in self.outputs.items())
        count = len(self.steps)
        return f"<{type(self).__name__} of {self.name}: {given} -> {results}, {count} operators>"

    def __str__(self) -> str:
        from .text import listing

        return listing(self)


def reachable(outputs: Iterable[Node]) -> tuple[Node, ...]:
    """Every value that the outputs need, each after its arguments."""
    found: dict[Node, None] = {}
    pending = list(outputs)
    while pending:
        node = pending.pop()
        if node not in found:
            found[node] = None
            pending.extend(node.args)
    return tuple(sorted(found, key=lambda node: node.serial))


def _value(
    node: Node, known: Mapping[Node, Tensor], tensors: Mapping[str, Tensor], like: Tensor
) -> Tensor:
    match node:
        case Parameter():
            return tensors[node.name]
        case Literal():
            return _like(node.value, like)
        case Computed():
            return _computed(node, known, like)
        case Number():
            return like.new_tensor(node.value).expand(node.size)
        case Pointwise():
            value = node.function.value(*(known[operand] for operand in node.operands))
            # Truth values are 0 and 1.
            value = value.to(like.dtype) if value.dtype is torch.bool else value
            return value if value.shape[-1:] == (node.size,) else value.expand(node.size)
        case Affine():
            bias = None if node.bias is None else known[node.bias]
            return F.linear(known[node.vector], known[node.matrix], bias)
        case Slice():
            return known[node.vector][..., node.start : node.start + node.size]
        case Concat():
            return _concatenated([known[part] for part in node.parts])
        case Reduce():
            vector = known[node.vector]
            reduced = vector.sum(-1, keepdim=True) if node.kind == "sum" else None
            return vector.amax(-1, keepdim=True) if reduced is None else reduced
    raise TypeError(f"no value for {type(node).__name__}")


def _computed(node: Computed, known: Mapping[Node, Tensor], like: Tensor) -> Any:
    operands = _filled(node.operands, known)
    if node.operator in _FUNCTIONS:
        # Some functions of torch take a number as their second operand only.
        operands = [o if isinstance(o, Tensor) else like.new_tensor(o) for o in operands]
    value = node.operator(*operands, **node.options)
    if isinstance(value, Tensor) and value.dtype is torch.bool:
        return value.to(like.dtype)
    # What torch makes from no parameter has the type that the trace had.
    return value if node.args else _like(value, like)


def _like(value: Any, like: Tensor) -> Any:
    if not isinstance(value, Tensor):
        return value
    real = value.is_floating_point() and like.is_floating_point()
    return value.to(like.device, like.dtype if real else value.dtype)


def _filled(operands: Any, known: Mapping[Node, Tensor]) -> Any:
    """An operator's arguments with tensors in place of fixed values."""
    if isinstance(operands, Node):
        return known[operands]
    if isinstance(operands, (tuple, list)):
        return [_filled(operand, known) for operand in operands]
    return operands


def _concatenated(parts: list[Tensor]) -> Tensor:
    leading = np.broadcast_shapes(*(part.shape[:-1] for part in parts))
    return torch.cat([part.expand(*leading, part.shape[-1]) for part in parts], dim=-1)
