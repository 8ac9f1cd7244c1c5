"""Record the aten operators that a function calls, as an `fx.Graph`.

What `torch.fx.experimental.proxy_tensor.make_fx` does, for functions of plain tensors: importing
that takes a second, as it imports the compiler, and a run of a network should not wait for it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode


class ReadsValue(RuntimeError):
    """The function turned a tensor into a number: one of its arguments', or a random one."""


@dataclass(frozen=True)
class Recording:
    """What a function did.

    Attributes:
        nodes: placeholders, constants and operators in order, with their values as
            `meta["val"]`; the output last.
        constants: tensors that the function holds, by the names that nodes give them.
    """

    nodes: tuple[fx.Node, ...]
    constants: dict[str, Tensor]


def record(function: Callable[..., Any], *arguments: Any) -> Recording:
    """Run `function(*arguments)` and record it; mutations are made functional.

    Raises:
        ReadsValue: it branches on, or computes with, the value of a tensor.
    """
    recorder = _Recorder(pytree.tree_leaves(arguments))
    pure = torch.func.functionalize(function, remove="mutations")
    with recorder:
        result = pure(*arguments)
    recorder.graph.output(pytree.tree_map_only(Tensor, recorder.node_of, result))
    recorder.graph.eliminate_dead_code()
    return Recording(tuple(recorder.graph.nodes), recorder.constants)


class _Recorder(TorchDispatchMode):
    def __init__(self, tensors: Sequence[Any]):
        super().__init__()
        self.graph, self.constants = fx.Graph(), {}
        # The tensors are held, so that their ids stay theirs.
        self._nodes: dict[int, tuple[Tensor, fx.Node]] = {}
        self._depends: set[fx.Node] = set()
        for k, tensor in enumerate(tensors):
            node = self.graph.placeholder(f"arg_{k}")
            self._know(tensor, node)
            self._depends.add(node)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # torch would import the compiler to keep it out of here.
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        written = pytree.tree_map_only(Tensor, self.node_of, (args, kwargs))
        # A random number is another one at each step.
        depends = torch.Tag.nondeterministic_seeded in func.tags
        depends |= any(n in self._depends for n in pytree.tree_leaves(written))
        if not any(isinstance(leaf, Tensor) for leaf in pytree.tree_leaves(result)):
            if depends:
                raise ReadsValue(str(func))
            return result
        node = self.graph.call_function(func, *written)
        node.meta["val"] = result
        if depends:
            self._depends.add(node)
        if isinstance(result, Tensor):
            self._know(result, node)
        else:
            for k, part in enumerate(result):
                self._know_part(part, node, k)
        return result

    def node_of(self, tensor: Tensor) -> fx.Node:
        """The node whose value a tensor is; a constant if it comes from elsewhere."""
        if id(tensor) not in self._nodes:
            name = f"_tensor_constant{len(self.constants)}"
            self.constants[name] = tensor
            # A constant may first be met where the function returns it.
            self._know(tensor, self.graph.create_node("get_attr", name))
        return self._nodes[id(tensor)][1]

    def _know(self, tensor: Tensor, node: fx.Node) -> None:
        node.meta["val"] = tensor
        self._nodes[id(tensor)] = (tensor, node)

    def _know_part(self, part: Any, node: fx.Node, k: int) -> None:
        if isinstance(part, Tensor):
            item = self.graph.call_function(operator.getitem, (node, k))
            if node in self._depends:
                self._depends.add(item)
            self._know(part, item)
