"""Results of layers as people read them: shapes in the place of numbers."""

from collections.abc import Mapping
from typing import Any

import torch


def shapes_of(result: Any) -> str:
    """The fields of a result, each tensor as its shape."""
    fields = ", ".join(f"{name}={_shape(value)}" for name, value in vars(result).items())
    return f"{type(result).__name__}({fields})"


def _shape(value: Any) -> str:
    if torch.is_tensor(value):
        return str(list(value.shape))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_shape(part)}" for name, part in value.items()) + "}"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_shape, value)) + ")"
    return repr(value)
