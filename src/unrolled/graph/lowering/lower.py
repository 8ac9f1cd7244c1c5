"""Walk a trace and apply the rule of each operator."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from ..build import Builder
from ..nodes import Fixed, Node, numel
from ..trace import Call, Trace, UnsupportedOperator
from . import pointwise, products, reductions, shapes
from .sample import RULES, Context, Sample, broadcast

aten = torch.ops.aten
# Importing these modules fills the table of rules.
_FAMILIES = (pointwise, products, reductions, shapes)
_FILLED = {"zeros": 0.0, "ones": 1.0, "zeros_like": 0.0, "ones_like": 1.0}
_FILLED |= {"new_zeros": 0.0, "new_ones": 1.0, "zero": 0.0}
# The value is the last positional argument.
_FULL = ("full", "full_like", "new_full", "fill")
SPLITS = ("split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes")
_UNCHANGED = ("clone", "alias", "lift_fresh_copy")


def lower(
    trace: Trace, ops: Builder, tensors: Sequence[str], inputs: Sequence[Node]
) -> list[Sample | Fixed]:
    """The values of a graph that a trace computes.

    Arguments:
        trace: placeholders first those of `tensors`, then those of `inputs`.
        ops: makes the values.
        tensors: qualified names of the parameters and buffers.
        inputs: one per-sample vector for every further placeholder.

    Returns:
        One for each result of the trace.

    Raises:
        UnsupportedOperator: the graph does not know an operator.
    """
    return _Lowering(trace, ops, tensors, inputs).results()


class _Lowering:
    def __init__(self, trace: Trace, ops: Builder, tensors: Sequence[str], inputs: Sequence[Node]):
        self.trace, self.ops = trace, ops
        self.known: dict[fx.Node, Any] = {}
        self.leaves = iter([*tensors, *inputs])

    def results(self) -> list[Sample | Fixed]:
        needed = self._needed()
        for call in self.trace.calls:
            if call.node.target is aten.copy_.default:
                first: Any = call.node.args[0]
                written: Any = self.known[first]
                what = getattr(written, "name", "") or getattr(written.node, "name", "")
                raise self._refusal(call, f"writes to {what}")
            if call.node in needed or call.node.op == "placeholder":
                self.known[call.node] = self._value(call)
        return [self._filled(result) for result in self.trace.results]

    def _needed(self) -> set[fx.Node]:
        """The nodes that the results depend on."""
        pending = [node for node in self.trace.results if isinstance(node, fx.Node)]
        found: set[fx.Node] = set()
        while pending:
            node = pending.pop()
            if node not in found:
                found.add(node)
                pending.extend(node.all_input_nodes)
        return found

    def _value(self, call: Call) -> Any:
        match call.node.op:
            case "placeholder":
                return self._leaf(call)
            case "get_attr":
                return self._constant(self.trace.constants[str(call.node.target)])
        arguments = self._filled(call.node.args)
        options = self._filled(call.node.kwargs)
        if call.node.target is operator.getitem and isinstance(arguments[0], (list, tuple)):
            which = arguments[1]
            return arguments[0][which] if which < len(arguments[0]) else None
        if _draws(call):
            raise self._refusal(call, "draws random numbers; in eval() dropout does not")
        if any(isinstance(leaf, Sample) for leaf in pytree.tree_leaves([arguments, options])):
            return self._sample(call, arguments, options)
        return self._fixed(call, arguments, options)

    def _leaf(self, call: Call) -> Sample | Fixed:
        leaf = next(self.leaves)
        if isinstance(leaf, str):
            return self.ops.parameter(leaf, [dim.fixed for dim in call.shapes])
        return Sample(leaf, tuple(dim.fixed for dim in call.shapes if not dim.is_batch))

    def _constant(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if value.requires_grad:
            raise UnsupportedOperator(
                f"a tensor of shape {list(value.shape)}",
                "",
                "requires a gradient but is no parameter of the module; make it an nn.Parameter",
            )
        return self.ops.literal(value)

    def _sample(self, call: Call, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
        context = Context(self.ops, call, lambda reason: self._refusal(call, reason))
        if call.name in _FILLED:
            return self._full(context, _FILLED[call.name])
        if call.name in _FULL:
            return self._full(context, arguments[-1])
        if call.name not in RULES:
            raise self._refusal(call)
        apply = RULES[call.name]
        try:
            inspect.signature(apply).bind(context, *arguments, **options)
        except TypeError as error:
            raise self._refusal(call, f"is called in a way not known here: {error}") from error
        return apply(context, *arguments, **options)

    def _full(self, context: Context, value: Any) -> Sample | Fixed:
        """Every entry the same, over the batch or not."""
        dims = context.call.shapes
        if any(dim.per_sample for dim in dims):
            return context.result(broadcast(context, value, *context.result_shape()))
        full = torch.full([dim.fixed for dim in dims], float(value), dtype=context.call.dtype)
        return self.ops.literal(full)

    def _fixed(self, call: Call, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """What depends on no input: a filled batch, or torch's own result."""
        if call.name == "scalar_tensor":
            return arguments[0]
        if call.name == "sym_size":
            raise self._refusal(call, "reads the size of the batch")
        if call.shapes is None:
            raise self._refusal(call)
        if isinstance(call.shapes, list):
            return self._several(call, arguments, options)
        if any(dim.per_sample for dim in call.shapes):
            return self._over_batch(call, arguments, options)
        return self._computed(call, arguments, options)

    def _several(self, call: Call, arguments: Any, options: Mapping[str, Any]) -> list[Fixed]:
        """The results of an operator that has several."""
        if call.name in SPLITS:
            return self._split(call, arguments[0], *arguments[2:], **options)
        parts = self.ops.computed(call.node.target, arguments, (), **options)
        shapes: list[Any] = call.shapes
        return [
            self.ops.computed(operator.getitem, (parts, k), [dim.fixed for dim in dims or ()])
            for k, dims in enumerate(shapes)
        ]

    def _split(self, call: Call, tensor: Fixed, dim: int = 0) -> list[Fixed]:
        dim %= len(tensor.shape)
        sizes = [dims[dim].fixed for dims in call.shapes]
        ends = list(accumulate(sizes))
        pairs = zip(sizes, ends, strict=True)
        return [self.ops.part(tensor, dim, end - size, end) for size, end in pairs]

    def _over_batch(
        self, call: Call, arguments: Sequence[Any], options: Mapping[str, Any]
    ) -> Sample:
        filled = call.name in _FILLED or call.name in _FULL
        if filled or call.name in ("expand", "repeat"):
            return self._sample(call, arguments, options)
        raise self._refusal(call, "makes a tensor with one entry for each sample")

    def _computed(self, call: Call, arguments: Sequence[Any], options: Mapping[str, Any]) -> Fixed:
        shape = tuple(dim.fixed for dim in call.shapes)
        first = arguments[0] if arguments else None
        if isinstance(first, Fixed):
            if call.name in _UNCHANGED:
                return first
            if call.name in ("view", "_unsafe_view"):
                return self.ops.reshaped(first, shape)
            if call.name in ("t", "transpose") and len(shape) == 2 and shape == first.shape[::-1]:
                return self.ops.transposed(first)
            if call.name == "slice" and list(arguments[4:]) in ([], [1]):
                dim = arguments[1] % len(shape)
                start = slice(*arguments[2:4]).indices(first.shape[dim])[0]
                return self.ops.part(first, dim, start, start + shape[dim])
        return self.ops.computed(call.node.target, arguments, shape, **options)

    def _filled(self, operands: Any) -> Any:
        """An operator's arguments with values in place of the trace's nodes."""
        return pytree.tree_map(
            lambda leaf: self.known[leaf] if isinstance(leaf, fx.Node) else leaf,
            operands,
            is_leaf=lambda leaf: isinstance(leaf, fx.Node),
        )

    def _refusal(self, call: Call, reason: str | None = None) -> UnsupportedOperator:
        line = self.trace.line_of(call.node)
        name = str(call.node.target)
        return UnsupportedOperator(name, line, *([] if reason is None else [reason]))


def _draws(call: Call) -> bool:
    target = call.node.target
    return (
        isinstance(target, torch._ops.OpOverload)
        and torch.Tag.nondeterministic_seeded in target.tags
    )


def vector_of(result: Sample | Fixed, ops: Builder) -> Node:
    """A result as a vector per sample."""
    return (
        result.node if isinstance(result, Sample) else ops.reshaped(result, (numel(result.shape),))
    )
