"""Arrays of other libraries, brought into the layout of torch.nn.

    kernel            [I, G H]   ->   weight_ih [G H, I]
    recurrent_kernel  [H, G H]   ->   weight_hh [G H, H]
    bias              [G H]      ->   bias_ih [G H], and bias_hh of zeros

The blocks of H columns come in the order of the other library's gates, and become blocks of rows
in torch's.

Shapes: G gates, H hidden_size, I input_size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ...cells import GRU as GRUStep
from ...cells import LSTM as LSTMStep
from ...cells import Elman as ElmanStep
from ..layers import GRU, LSTM, RNN

Made = TypeVar("Made", bound=nn.Module)


@dataclass(frozen=True)
class Kind:
    """A recurrence that other libraries have too: its layer, its cell, the order of its gates."""

    layer: Any
    cell: Any
    gates: str


KINDS = {
    "lstm": Kind(LSTM, LSTMStep, "ifgo"),
    "gru": Kind(GRU, GRUStep, "rzn"),
    "rnn": Kind(RNN, ElmanStep, "h"),
}


def tensors(arrays: Mapping[str, Any]) -> dict[str, Tensor]:
    """Copies of the arrays, by name.

    Raises:
        ValueError: one that does not hold real numbers, or numbers of several types.
    """
    copies = {name: _copy(name, array) for name, array in arrays.items()}
    kinds = {(copy.dtype, copy.device): name for name, copy in copies.items()}
    if len(kinds) > 1:
        found = ", ".join(f"{name} {dtype} on {device}" for (dtype, device), name in kinds.items())
        raise ValueError(f"arrays must have one type and one device; got {found}")
    return copies


def _copy(name: str, array: Any) -> Tensor:
    try:
        copy = array.detach().clone() if torch.is_tensor(array) else torch.tensor(np.array(array))
    except (TypeError, ValueError):
        copy = None
    if copy is None or not copy.is_floating_point():
        came = getattr(array, "dtype", type(array).__name__)
        raise ValueError(f"{name} must be an array of real numbers, float16 to float64; got {came}")
    return copy


def sizes(arrays: Mapping[str, Tensor], gates: int) -> tuple[int, int]:
    """input_size and hidden_size, of kernels that fit them.

    Raises:
        ValueError: they do not; the message says which.
    """
    kernel, recurrent = arrays["kernel"], arrays["recurrent_kernel"]
    hidden_size = recurrent.shape[0] if recurrent.dim() == 2 else "hidden_size"
    columns = gates * hidden_size if isinstance(hidden_size, int) else f"{gates} hidden_size"
    check_shape("recurrent_kernel", recurrent, hidden_size, columns)
    check_shape("kernel", kernel, "input_size", columns)
    return kernel.shape[0], recurrent.shape[0]


def check_shape(name: str, array: Tensor, *wanted: int | str) -> None:
    """Check a shape, in which a word stands for any size.

    Raises:
        ValueError: it is another.
    """
    pairs = zip(wanted, array.shape, strict=False)
    if array.dim() != len(wanted) or any(isinstance(w, int) and w != n for w, n in pairs):
        shape = ", ".join(map(str, wanted))
        raise ValueError(f"{name} must be [{shape}], got {list(array.shape)}")


def in_rows(array: Tensor, theirs: str, ours: str) -> Tensor:
    """An array of columns [..., G H] as rows [G H, ...], the gates in `ours` order."""
    blocks = dict(zip(theirs, array.chunk(len(theirs), dim=-1), strict=True))
    return torch.cat([blocks[gate] for gate in ours], dim=-1).movedim(-1, 0).contiguous()


def filled(module: Made, parameters: Mapping[str, Tensor]) -> Made:
    """The module, made on the meta device, with these as its parameters.

    Raises:
        ValueError: parameters of other names.
    """
    names = [name for name, _ in module.named_parameters()]
    if set(names) != set(parameters):
        raise ValueError(
            f"parameters must be {', '.join(names)}, got {', '.join(parameters)}; undo what "
            "replaces them (weight_norm, prune) first"
        )
    module.load_state_dict(dict(parameters), assign=True)
    if isinstance(module, nn.RNNBase):
        module.flatten_parameters()
    return module


def only_with_arrays(given: Mapping[str, Any]) -> None:
    """Check that nothing is said of a layer that it says itself.

    Raises:
        ValueError: something is.
    """
    named = [name for name, value in given.items() if value is not None]
    if named:
        raise ValueError(f"a layer itself tells {', '.join(named)}; leave out {named[0]}=")
