"""Record what a step does as a list of aten operators, with the batch left symbolic.

The step is recorded twice, with two batch sizes. A dimension that differs between the
two traces is a batch; everything else is a number that the step fixes. Mutations are made
functional, so that `h *= 0.5` or `gates[:, :4].sigmoid_()` trace like their pure forms.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from .recorder import ReadsValue, Recording, record

# Neither is 1, which broadcasts.
BATCHES = (2, 3)
# Operators whose numbers are sizes, which may be the batch's.
TAKES_SHAPE = frozenset(
    {"view", "reshape", "_unsafe_view", "expand", "repeat", "slice"}
    | {"split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes"}
    | {"zeros", "ones", "full", "empty", "new_zeros", "new_ones", "new_full", "new_empty"}
    | {"native_group_norm"}
)
_INTERNAL = (str(Path(torch.__file__).parent), str(Path(__file__).parent))


class UnsupportedOperator(NotImplementedError):
    """A step uses an operator that the graph does not know; the eager engine runs it.

    Attributes:
        operator: its name, or what the step does instead of one.
        line: where the step uses it: file, line, function and text; empty if not known.
        reason: what is wrong with it.
    """

    def __init__(self, operator: str, line: str, reason: str = "is not one that the graph knows"):
        super().__init__(f"{operator} {reason}{f' ({line})' if line else ''}")
        self.operator, self.line, self.reason = operator, line, reason


@dataclass(frozen=True)
class Dim:
    """A dimension: `fixed + per_sample * batch`."""

    fixed: int
    per_sample: int

    @property
    def is_batch(self) -> bool:
        return (self.fixed, self.per_sample) == (0, 1)


@dataclass(frozen=True)
class Call:
    """One operator of a trace.

    Attributes:
        node: as it was recorded.
        shapes: of its result, or of each of its results; None where it is not a tensor.
    """

    node: fx.Node
    shapes: Any

    @property
    def name(self) -> str:
        """The operator without namespace, overload and the mark of a mutation: "add"."""
        target = self.node.target
        if not isinstance(target, torch._ops.OpOverload):
            return getattr(target, "__name__", str(target))
        return _plain_name(target).split("::")[1]

    @property
    def operand_dtype(self) -> torch.dtype:
        """The type of the first operand."""
        first: Any = self.node.args[0]
        return first.meta["val"].dtype

    @property
    def dtype(self) -> torch.dtype | None:
        value = self.node.meta.get("val")
        return value.dtype if isinstance(value, Tensor) else None


@dataclass(frozen=True)
class Trace:
    """A traced function.

    Attributes:
        calls: placeholders (tensors first, then values), constants and operators, in order.
        constants: tensors that the function holds, by attribute name.
        results: the nodes that the function returns, in order.
        line_of: where the function calls an operator, given the node.
    """

    calls: tuple[Call, ...]
    constants: Mapping[str, Any]
    results: tuple[Any, ...]
    line_of: Callable[[fx.Node], str]


def trace(
    function: Callable[..., Any], tensors: Mapping[str, Tensor], values: Callable[[int], list]
) -> Trace:
    """Trace `function(tensors, *values(batch))`.

    Arguments:
        function: takes a dict of tensors, then the values; returns tensors, nested at will.
        tensors: parameters and buffers; copied, so that tracing changes none of them.
        values: example values for a batch size.

    Raises:
        UnsupportedOperator: the function branches on values, or differently by batch size.
    """
    copies = {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}
    recorded = [_recorded(function, copies, values(batch)) for batch in BATCHES]
    first, second = (list(recording.nodes) for recording in recorded)
    if [n.target for n in first[:-1]] != [n.target for n in second[:-1]]:
        raise UnsupportedOperator("the step", "", "does something else for another batch size")
    calls = tuple(
        Call(a, _shapes(a.meta.get("val"), b.meta.get("val")))
        for a, b in zip(first[:-1], second[:-1], strict=True)
    )
    for a, b in zip(first, second, strict=True):
        if a.op == "get_attr":
            one, other = (r.constants[str(n.target)] for r, n in zip(recorded, (a, b), strict=True))
            if not _alike(one, other):
                raise UnsupportedOperator("a constant", "", "depends on the size of the batch")
    results = tuple(pytree.tree_leaves(first[-1].args[0]))

    def line_of(node: fx.Node) -> str:
        earlier = [n for n in first[: first.index(node)] if n.target is node.target]
        return _line(function, copies, values(BATCHES[0]), node.target, len(earlier))

    _refuse_batch_as_number(first, second, line_of)
    return Trace(calls, recorded[0].constants, results, line_of)


def check_tuple(who: str, names: Sequence[str], result: Any) -> None:
    """Check what a step returned.

    Raises:
        TypeError: it is not a tuple.
        ValueError: it has another number of components.
    """
    if not isinstance(result, tuple):
        raise TypeError(
            f"{who} must return a tuple ({', '.join(names)},), got {type(result).__name__}; "
            "a single state is written `return (h,)`"
        )
    if len(result) != len(names):
        raise ValueError(f"{who} returned {len(result)} values, expected {', '.join(names)}")


def refuse_custom_gradients(results: Any) -> None:
    """Raise where a `torch.autograd.Function` made any of the results.

    The trace holds only what its forward computes, so the derivative would not be the one that
    its author wrote.
    """
    leaves = [leaf for leaf in pytree.tree_leaves(results) if isinstance(leaf, Tensor)]
    pending = [leaf.grad_fn for leaf in leaves if leaf.grad_fn is not None]
    seen = set()
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            name = type(node).__name__.removesuffix("Backward")
            raise UnsupportedOperator(name, "", "is an autograd.Function with its own gradient")
        pending.extend(earlier for earlier, _ in node.next_functions if earlier is not None)


def _recorded(function: Callable[..., Any], tensors: dict[str, Tensor], values: list) -> Recording:
    # Without gradients autograd saves nothing, so a `detach` in the trace is the function's own.
    with _quietly(), torch.no_grad():
        try:
            return record(function, tensors, *values)
        except RuntimeError as error:
            line = user_line(traceback.extract_tb(error.__traceback__))
            reason = "reads the value of a tensor"
            if not isinstance(error, ReadsValue):
                first = str(error).partition("\n")[0]
                reason = f"cannot be traced: {first}"
            raise UnsupportedOperator("the step", line, reason) from error


@contextmanager
def _quietly() -> Any:
    """Leave the random state as it is."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        yield


def _shapes(first: Any, second: Any) -> Any:
    if isinstance(first, Tensor):
        return tuple(_dim(a, b) for a, b in zip(first.shape, second.shape, strict=True))
    if isinstance(first, (tuple, list)):
        return [_shapes(a, b) for a, b in zip(first, second, strict=True)]
    return None


def _dim(a: int, b: int) -> Dim:
    per_sample, rest = divmod(b - a, BATCHES[1] - BATCHES[0])
    assert rest == 0
    return Dim(a - per_sample * BATCHES[0], per_sample)


def _alike(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a.nan_to_num(), b.nan_to_num())


def _refuse_batch_as_number(
    first: list[fx.Node], second: list[fx.Node], line_of: Callable[[fx.Node], str]
) -> None:
    """Raise where the size of the batch is an operand rather than part of a shape."""
    for a, b in zip(first[:-1], second[:-1], strict=True):
        if _plain_name(a.target).removeprefix("aten::") in TAKES_SHAPE:
            continue
        if _numbers(a) != _numbers(b):
            raise UnsupportedOperator(str(a.target), line_of(a), "reads the size of the batch")


def _numbers(node: fx.Node) -> list[float]:
    leaves = pytree.tree_leaves((node.args, node.kwargs))
    return [leaf for leaf in leaves if isinstance(leaf, (int, float))]


def _line(
    function: Callable[..., Any], tensors: dict[str, Tensor], values: list, target: Any, skip: int
) -> str:
    """Where the function calls an operator for the time number `skip`, found by a second run."""
    finder = _Finder(target, skip)
    with _quietly(), torch.no_grad(), finder:
        function(tensors, *values)
    return finder.line


def _plain_name(operator: Any) -> str:
    """An operator's name without overload and the mark of a mutation."""
    return operator._schema.name.rstrip("_") if hasattr(operator, "_schema") else str(operator)


class _Finder(TorchDispatchMode):
    def __init__(self, target: Any, skip: int):
        super().__init__()
        self.target, self.skip, self.line = target, skip, ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if _plain_name(func) == _plain_name(self.target):
            if self.skip == 0:
                self.line = user_line(traceback.extract_stack())
            self.skip -= 1
        return func(*args, **(kwargs or {}))


def user_line(stack: Sequence[traceback.FrameSummary]) -> str:
    """The innermost line of a stack that is neither torch's nor the tracer's."""
    for frame in reversed(stack):
        if not frame.filename.startswith(_INTERNAL):
            return f"{frame.filename}:{frame.lineno}, in {frame.name}: {frame.line}"
    return ""


class Step(nn.Module):
    """A method of a model as a module's forward, for `torch.func.functional_call`."""

    def __init__(self, model: nn.Module, method: str = "step"):
        super().__init__()
        self.model, self.method = model, method

    def forward(self, *values: Tensor) -> Any:
        return getattr(self.model, self.method)(*values)

    def tensors(self) -> dict[str, Tensor]:
        """The model's parameters and buffers, by their names in the model."""
        model = self.model
        return {**dict(model.named_parameters()), **dict(model.named_buffers())}

    def call(self, tensors: Mapping[str, Tensor], *values: Tensor) -> Any:
        """One step with other parameters and buffers.

        Raises:
            UnsupportedOperator: the step keeps something on the module, as `self.last = h`.
        """
        named = {f"model.{name}": tensor for name, tensor in tensors.items()}
        before = {module: dict(vars(module)) for module in self.model.modules()}
        try:
            result = torch.func.functional_call(self, named, values)
        finally:
            changed = _restored(before)
        if changed:
            reason = f"keeps {', '.join(changed)} on its module"
            raise UnsupportedOperator("the step", "", reason)
        return result


def _restored(before: Mapping[nn.Module, dict[str, Any]]) -> list[str]:
    """Take back what a step set on its modules; the names of it."""
    changed = []
    for module, attributes in before.items():
        now = vars(module)
        changed += [n for n in now if n not in attributes or now[n] is not attributes[n]]
        now.clear()
        now.update(attributes)
    return changed
