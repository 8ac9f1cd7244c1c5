"""Any module that steps, as a cell.

The module's state may be a tensor or any nesting of tuples, lists and dicts of tensors. It is
flattened to components in order. A step's output that is not part of the state is carried as
a first component that nothing reads, so that the output comes first in every cell.

Shapes: B batch.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ..naming import one_of
from .cell import Cell, like_of
from .gru import GRU
from .lstm import LSTM

# The batch size of the trial steps. A state of one or two tensors is never mistaken for a
# batch of that many samples.
TRIAL_BATCH = 3
FORMS = ("state", "output_and_state")
# Cells whose gates torch's have.
ALIKE: dict[type[nn.Module], type[Cell]] = {nn.LSTMCell: LSTM, nn.GRUCell: GRU}


class WrappedCell(Cell):
    """A module as a cell; made by `Cell.wrap`, which documents the arguments.

    Attributes:
        module: the wrapped module.
        returns: "state" or "output_and_state".
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        input_size: int | None = None,
        state: Any = None,
        returns: str = "auto",
        names: tuple[str, ...] | None = None,
    ):
        one_of(returns, ("auto", *FORMS), "returns")
        input_size = _input_size(module, input_size)
        trial = _Trial(module, input_size, state)
        returns, example = trial.form(returns)
        leaves, structure = pytree.tree_flatten(example.state)
        _check_vectors(module, [*leaves, *example.separate_output])
        labels = _labels(len(leaves), bool(example.separate_output), names)
        sizes = [leaf.shape[1] for leaf in [*example.separate_output, *leaves]]
        super().__init__(input_size, dict(zip(labels, sizes, strict=True)))
        self.module, self.returns = module, returns
        self.unread = frozenset(labels[:1] if example.separate_output else ())
        alike = ALIKE.get(type(module), Cell)
        self.gates, self.keeps = alike.gates, alike.keeps
        self._structure, self._example = structure, example.state

    def nest(self, state: tuple[Tensor, ...]) -> Any:
        """The components of a state in the module's own form, as its `forward` takes them."""
        return pytree.tree_unflatten(list(state[len(self.unread) :]), self._structure)

    def flatten(self, state: Any) -> tuple[Tensor, ...]:
        """The components of a state in the module's own form; an unread output starts at zero."""
        leaves = _leaves_like(self._example, state)
        unread = [leaves[0].new_zeros(len(leaves[0]), self.state_sizes[n]) for n in self.unread]
        return (*unread, *leaves)

    def step(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        result = self.module(x, self.nest(state))
        if self.returns == "state":
            return tuple(pytree.tree_leaves(result))
        output, new = result
        leaves = pytree.tree_leaves(new)
        return (output, *leaves) if self.unread else tuple(leaves)


class _Example:
    """One result of the module, read in one of the two forms."""

    def __init__(self, result: Any, form: str):
        if form == "state":
            self.state, output = result, None
        else:
            output, self.state = result
        leaves = pytree.tree_leaves(self.state)
        # An output that *is* the first component, the same tensor, needs no component of its own.
        separate = output is not None and output is not leaves[0]
        self.separate_output = [output] if separate else []


class _Trial:
    """Steps the module on zeros to see what it returns and what it takes back."""

    def __init__(self, module: nn.Module, input_size: int, state: Any):
        self.module = module
        like = like_of(module)
        self.x = torch.zeros(TRIAL_BATCH, input_size, dtype=like.dtype, device=like.device)
        self.result = self._start(state)

    def form(self, returns: str) -> tuple[str, _Example]:
        """The form of the module's result, found by feeding it back, and the result read so."""
        fitting = [form for form in FORMS if self._returns_to_itself(form)]
        if returns != "auto":
            fitting = [form for form in fitting if form == returns]
        if len(fitting) == 1:
            return fitting[0], _Example(self.result, fitting[0])
        name = type(self.module).__name__
        if fitting:
            raise ValueError(
                f"{name} takes back both its whole result and the second part of it; "
                'pass returns="state" or returns="output_and_state"'
            )
        raise ValueError(
            f"{name} does not take back what it returns; a cell is forward(x, state) -> state "
            "or -> (output, state), with the shapes of the state unchanged"
        )

    def _start(self, state: Any) -> Any:
        if state is not None:
            zeros = pytree.tree_map(lambda t: t.new_zeros(TRIAL_BATCH, *t.shape[1:]), state)
            return _call(self.module, self.x, zeros)
        try:
            return _call(self.module, self.x)
        except Exception as error:
            raise ValueError(
                f"{type(self.module).__name__} does not start without a state ({error}); pass an "
                "example, state=torch.zeros(1, size) or a tuple of such"
            ) from error

    def _returns_to_itself(self, form: str) -> bool:
        if form == "output_and_state" and not _is_pair(self.result):
            return False
        fed_back = self.result if form == "state" else self.result[1]
        # Whatever the module raises on a state that is not its own means only: not this form.
        try:
            again = _call(self.module, self.x, fed_back)
        except Exception:
            return False
        return _shapes(again) == _shapes(self.result)


def _call(module: nn.Module, x: Tensor, *state: Any) -> Any:
    """Run the module once without gradients, leaving its mode and the random state alone."""
    devices = [x.device] if x.is_cuda else []
    with torch.no_grad(), torch.random.fork_rng(devices=devices):
        return module(x, *state)


def _is_pair(result: Any) -> bool:
    return isinstance(result, (tuple, list)) and len(result) == 2 and torch.is_tensor(result[0])


def _shapes(result: Any) -> Any:
    leaves, structure = pytree.tree_flatten(result)
    return [getattr(leaf, "shape", None) for leaf in leaves], structure


def _leaves_like(example: Any, state: Any) -> list[Tensor]:
    """The tensors of `state`, in the order in which `example` holds them.

    Raises:
        ValueError: the state is nested in another way.
    """
    if torch.is_tensor(example) and torch.is_tensor(state):
        return [state]
    if isinstance(example, dict) and isinstance(state, dict) and set(example) == set(state):
        pairs = [(example[key], state[key]) for key in example]
    elif isinstance(example, (tuple, list)) and isinstance(state, (tuple, list)):
        if len(example) != len(state):
            raise ValueError(f"the state has {len(state)} parts, the module's {len(example)}")
        pairs = list(zip(example, state, strict=True))
    else:
        raise ValueError("the state is not nested as the module's own is")
    return [leaf for pair in pairs for leaf in _leaves_like(*pair)]


def _input_size(module: nn.Module, input_size: int | None) -> int:
    size = getattr(module, "input_size", None) if input_size is None else input_size
    if isinstance(size, int):
        return size
    raise ValueError(f"{type(module).__name__} has no input_size of its own; pass input_size=")


def _check_vectors(module: nn.Module, leaves: list[Any]) -> None:
    for leaf in leaves:
        if not torch.is_tensor(leaf) or leaf.dim() != 2 or len(leaf) != TRIAL_BATCH:
            found = tuple(leaf.shape) if torch.is_tensor(leaf) else type(leaf).__name__
            raise ValueError(
                f"every state of {type(module).__name__} must be [batch, size]; one is {found}"
            )


def _labels(count: int, has_output: bool, names: tuple[str, ...] | None) -> list[str]:
    usual = {1: ["h"], 2: ["h", "c"]}
    labels = list(names) if names else usual.get(count, [f"state_{k}" for k in range(count)])
    if len(labels) != count:
        raise ValueError(f"names has {len(labels)} entries, the state has {count} components")
    return ["output", *labels] if has_output else labels
