"""The graph of a cell, or of any function of tensors.

Shapes: B batch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .build import Builder
from .graph import Graph
from .lowering import lower
from .lowering.lower import vector_of
from .lowering.sample import Sample
from .nodes import Fixed, Input, Node
from .tidy import tidy
from .trace import Step, check_tuple, refuse_custom_gradients, trace
from .verify import verify


def graph(model: Any, *examples: Tensor, parameters: Collection[str] = ()) -> Graph:
    """The computational graph of one step of a cell, or of a function.

        ur.graph(ur.cells.LSTM(8, 32))
        ur.graph(lambda x, y: x * y, torch.tensor(2.0), torch.tensor(3.0))
        ur.graph(lambda X, W, b: torch.relu(X @ W + b), X, W, b, parameters=("W", "b"))

    Arguments:
        model: a cell, a network with a step, or a function of tensors or module with examples.
        examples: of a function or module, one for each argument: [B, size], a single vector
            [size], or a number. Only their shapes matter. A result of more dimensions is
            flattened.
        parameters: names of the function's arguments that are the same for every sample.
            Arguments whose example is an `nn.Parameter` always are.

    The graph follows the parameters and buffers as they change. Everything else that the step
    reads (numbers, plain tensors) is as it was when the graph was made.

    Raises:
        UnsupportedOperator: an operator is not one that the graph knows; it names the line.
        TypeError, ValueError: the arguments do not fit.
    """
    if not examples and isinstance(model, nn.Module) and hasattr(model, "state_sizes"):
        return _graph_of_step(model)
    if isinstance(model, nn.Module) and not examples:
        name = type(model).__name__
        raise TypeError(
            f"graph takes a cell, got {name}; unrolled.Cell.wrap makes one of any module with "
            "forward(x, state); of any other, pass examples of what it takes"
        )
    if isinstance(model, type) and issubclass(model, nn.Module):
        name = model.__name__
        raise TypeError(f"{name} is a class; pass one that is made, {name}(...)")
    if isinstance(model, nn.Module):
        return _graph_of_module(model, examples)
    parameters = (parameters,) if isinstance(parameters, str) else parameters
    if not all(isinstance(name, str) for name in parameters):
        raise TypeError('parameters are names of arguments, as ("W", "b")')
    if not callable(model):
        raise TypeError(f"graph takes a cell or a function, got {type(model).__name__}")
    return _graph_of_function(model, examples, frozenset(parameters))


def _graph_of_step(model: Any) -> Graph:
    step = Step(model)
    tensors = step.tensors()
    sizes = {_input_name(model): model.input_size, **model.state_sizes}
    dtype = next((t.dtype for t in tensors.values() if t.is_floating_point()), None)

    def values(batch: int) -> list[Tensor]:
        return [torch.zeros(batch, size, dtype=dtype) for size in sizes.values()]

    names = [*model.state_sizes, *getattr(model, "emits", ())]
    result = _check_gradients(step.call, tensors, values(2))
    check_tuple(f"{type(model).__name__}.step", names, result)
    ops = Builder()
    inputs = [ops.input(name, size) for name, size in sizes.items()]
    results = lower(trace(step.call, tensors, values), ops, list(tensors), inputs)
    wanted = [(n, model.state_sizes.get(n)) for n in names]
    outputs = _step_outputs(type(model).__name__, wanted, results, ops)
    made = Graph(
        name=_name_of(model),
        inputs=tuple(inputs),
        outputs=tidy(outputs, ops),
        read_tensors=step.tensors,
        gates=tuple(getattr(model, "gates", ())),
        network=getattr(model, "at", "every"),
    )
    verify(made, step.call, tensors, values)
    return made


def _name_of(model: Any) -> str:
    """The class of the cell, inside a network or a wrapper."""
    cell = getattr(model, "cell", model)
    return type(getattr(cell, "module", cell)).__name__


def _step_outputs(
    who: str, wanted: Sequence[tuple[str, int | None]], results: Sequence[Any], ops: Builder
) -> dict[str, Node]:
    """What a step returned, by name.

    Raises:
        ValueError: it returned another shape.
    """
    outputs: dict[str, Node] = {}
    for (name, size), result in zip(wanted, results, strict=True):
        node = vector_of(result, ops)
        flat = not isinstance(result, Sample) or (result.axis, len(result.shape)) == (0, 1)
        if not flat or size not in (None, node.size):
            shape: list[Any] = list(getattr(result, "shape", ()))
            shape.insert(getattr(result, "axis", 0), "batch")
            text = ", ".join(map(str, shape))
            wanted_shape = f"[batch, {'size' if size is None else size}]"
            raise ValueError(
                f"{who}.step returned {name} of shape [{text}], expected {wanted_shape}"
            )
        outputs[name] = node
    return outputs


def _input_name(model: Any) -> str:
    return "input" if "x" in model.state_sizes else "x"


def _check_gradients(
    function: Callable[..., Any], tensors: Mapping[str, Tensor], values: Sequence[Tensor]
) -> Any:
    """Run once with gradients, to see whether any is the author's own; the result."""
    leaves = {
        name: _leaf(tensor) if tensor.requires_grad else tensor.detach().to("cpu", copy=True)
        for name, tensor in tensors.items()
    }
    devices = range(torch.cuda.device_count())
    with torch.enable_grad(), torch.random.fork_rng(devices=devices):
        result = function(leaves, *map(_leaf, values))
    refuse_custom_gradients(result)
    return result


def _leaf(tensor: Tensor) -> Tensor:
    copy = tensor.detach().to("cpu", copy=True)
    # Not a leaf, so that a step that writes to it in place is seen by the trace, not here.
    return copy.requires_grad_().clone()


def _graph_of_module(module: nn.Module, examples: Sequence[Tensor]) -> Graph:
    """The graph of a module's forward, its parameters by their qualified names."""
    if hasattr(module, "state_sizes"):
        raise TypeError(f"{type(module).__name__} is a cell; its sizes are known, pass no examples")
    named = _named_examples(module.forward, examples)
    step = Step(module, "forward")
    return _traced(type(module).__name__, named, step.tensors(), step.call, step.tensors)


def _graph_of_function(
    function: Callable[..., Any], examples: Sequence[Tensor], marked: frozenset[str]
) -> Graph:
    named = _named_examples(function, examples)
    if unknown := marked - named.keys():
        raise ValueError(
            f"parameters names {', '.join(unknown)}; {_who(function)} takes {', '.join(named)}"
        )
    fixed = {n: e for n, e in named.items() if n in marked or isinstance(e, nn.Parameter)}
    given = {n: e for n, e in named.items() if n not in fixed}

    def call(tensors: Mapping[str, Tensor], *vectors: Tensor) -> Any:
        arguments = {**tensors, **dict(zip(given, vectors, strict=True))}
        return function(*(arguments[name] for name in named))

    return _traced(_who(function), given, fixed, call, lambda: fixed)


def _traced(
    name: str,
    given: Mapping[str, Tensor],
    fixed: Mapping[str, Tensor],
    call: Callable[..., Any],
    read_tensors: Callable[[], Mapping[str, Tensor]],
) -> Graph:
    """The graph of `call(tensors, *vectors)`, whose vectors are like the given examples."""
    batched = _is_batched(given)
    sizes = {n: e.shape[1:] if batched else e.shape for n, e in given.items()}

    def values(batch: int) -> list[Tensor]:
        return [torch.zeros(batch, *size, dtype=given[n].dtype) for n, size in sizes.items()]

    def function(tensors: Mapping[str, Tensor], *vectors: Tensor) -> Any:
        if batched:
            return call(tensors, *vectors)
        return torch.vmap(lambda *single: call(tensors, *single))(*vectors)

    _check_gradients(function, fixed, values(2))
    ops = Builder()
    inputs = [ops.input(name, max(size.numel(), 1)) for name, size in sizes.items()]
    results = lower(trace(function, fixed, values), ops, list(fixed), inputs)
    if not all(isinstance(result, (Sample, Fixed)) for result in results):
        raise TypeError(f"{name} must return tensors")
    if any(isinstance(result, Sample) and result.axis for result in results):
        raise ValueError(f"{name} must return the batch as its first dimension")
    made = _function_graph(name, inputs, results, ops, sizes, read_tensors)
    verify(made, function, fixed, values)
    return made


def _function_graph(
    name: str,
    inputs: Sequence[Input],
    results: Sequence[Any],
    ops: Builder,
    sizes: Mapping[str, torch.Size],
    read_tensors: Callable[[], Mapping[str, Tensor]],
) -> Graph:
    names = [name] if len(results) == 1 else [f"{name}_{k + 1}" for k in range(len(results))]
    outputs = {n: vector_of(r, ops) for n, r in zip(names, results, strict=True)}
    scalars = [n for n, size in sizes.items() if not size]
    scalars += [n for n, r in zip(names, results, strict=True) if not r.shape]
    return Graph(
        name=name,
        inputs=tuple(inputs),
        outputs=tidy(outputs, ops),
        read_tensors=read_tensors,
        scalars=frozenset(scalars),
    )


def _named_examples(function: Callable[..., Any], examples: Sequence[Tensor]) -> dict[str, Tensor]:
    try:
        given = inspect.signature(function).bind(*examples).arguments
    except TypeError as error:
        raise TypeError(f"the examples do not fit {_who(function)}: {error}") from error
    except ValueError:
        # A function of torch itself, whose arguments have no names to be read.
        given = dict(zip("abcdefgh", examples, strict=False))
    named = {}
    for name, example in given.items():
        if not isinstance(example, Tensor) or not example.is_floating_point():
            kind = example.dtype if isinstance(example, Tensor) else type(example).__name__
            raise TypeError(
                f"the example of {name} must be a tensor of floating-point numbers, got {kind}"
            )
        named[name] = example
    return named


def _is_batched(given: Mapping[str, Tensor]) -> bool:
    """Whether the examples carry a batch: [B, size] all, or single vectors and numbers all."""
    if not given:
        raise ValueError("every argument is a parameter; at least one must be an input")
    if all(example.dim() <= 1 for example in given.values()):
        return False
    shapes = ", ".join(f"{name} {list(example.shape)}" for name, example in given.items())
    if {example.dim() for example in given.values()} != {2}:
        raise ValueError(
            f"inputs must all be [batch, size], or all single vectors or numbers; got {shapes}; "
            'name what is the same for every sample in parameters=("W", ...)'
        )
    if len({len(example) for example in given.values()}) > 1:
        raise ValueError(
            f"inputs have different batch sizes: {shapes}; "
            'name what is the same for every sample in parameters=("W", ...)'
        )
    return True


def _who(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return name if name.isidentifier() else "output"
