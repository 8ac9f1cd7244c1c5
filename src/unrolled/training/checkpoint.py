"""The state of a training run in one file, without pickle.

A state is nested: dicts, lists, tuples, tensors, arrays, numbers, texts, None. Its tensors are
stored as safetensors does, under numbers; all else, and where each tensor stands, is JSON, stored
as one more tensor of bytes. What comes back is equal bit for bit.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..files import write_atomically

FORM = "form"


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message says which, why, and what to do."""


def write_checkpoint(path: Path, state: Any) -> None:
    """Write a nested state atomically: after a crash the file is the old one or the new one."""
    content = to_bytes(state)
    write_atomically(path, lambda beside: beside.write_bytes(content))


def read_checkpoint(path: Path) -> Any:
    """The nested state that `write_checkpoint` wrote, its tensors on the CPU.

    Raises:
        CheckpointError: the file is damaged.
    """
    try:
        return from_bytes(path.read_bytes())
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{path} is damaged ({reason}); delete it and train from the start"
        ) from error


def first_difference(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The first thing in which two purposes that are not equal differ: `cell lstm, not gru`."""
    names = [name for name in {**wanted, **there} if there.get(name) != wanted.get(name)]
    # Of data there is but a digest.
    first = names[0]
    if first == "data":
        return "other data"
    return f"{first} {there.get(first)}, not {wanted.get(first)}"


def to_bytes(state: Any) -> bytes:
    """A nested state as bytes.

    Raises:
        TypeError: it holds something that is none of the kinds above.
    """
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {}
    form = json.dumps(_form(state, tensors))
    tensors[FORM] = torch.frombuffer(bytearray(form.encode()), dtype=torch.uint8)
    return save(tensors)


def from_bytes(content: bytes) -> Any:
    """The inverse of `to_bytes`."""
    from safetensors.torch import load

    tensors = load(content)
    return _state(json.loads(tensors[FORM].numpy().tobytes()), tensors)


def _form(value: Any, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON; its tensors are put into `tensors`."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        # Copies, because the format has no two names for one piece of memory.
        tensors[name] = value.detach().cpu().clone().contiguous()
        return {"tensor": name}
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": str(value.dtype)}
    if isinstance(value, dict):
        return {"dict": [[_form(k, tensors), _form(v, tensors)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_form(inner, tensors) for inner in value]}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")


def _state(form: Any, tensors: dict[str, Tensor]) -> Any:
    """The inverse of `_form`."""
    if not isinstance(form, dict):
        return form
    if "tensor" in form:
        return tensors[form["tensor"]]
    if "array" in form:
        return np.array(form["array"], dtype=form["dtype"])
    if "dict" in form:
        return {_state(k, tensors): _state(v, tensors) for k, v in form["dict"]}
    if "list" in form:
        return [_state(inner, tensors) for inner in form["list"]]
    return tuple(_state(inner, tensors) for inner in form["tuple"])


def random_states() -> dict[str, Any]:
    """The states of all random generators: torch's on every device, numpy's, Python's."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return {
        "torch": torch.get_rng_state(),
        "cuda": cuda,
        "numpy": np.random.get_state(legacy=False),  # noqa: NPY002, others may draw from it
        "python": random.getstate(),
    }


@contextmanager
def own_random_numbers(seed: int) -> Iterator[None]:
    """Draw from `seed` on; afterwards all generators go on as if nothing had been drawn."""
    states = random_states()
    try:
        torch.manual_seed(seed)
        yield
    finally:
        set_random_states(states)


def set_random_states(states: dict[str, Any]) -> None:
    """Let all random generators go on from `random_states()`."""
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
    np.random.set_state(states["numpy"])  # noqa: NPY002
    random.setstate(states["python"])
