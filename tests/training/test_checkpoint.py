"""Nested states in one file: equal bit for bit, whole or not at all, and nothing is pickled."""

import math
import pickle
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from unrolled.training.checkpoint import (
    CheckpointError,
    from_bytes,
    random_states,
    read_checkpoint,
    set_random_states,
    to_bytes,
    write_checkpoint,
)

PLAIN = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)
NESTED = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=20,
)


@given(NESTED)
def test_what_is_nested_comes_back(state) -> None:
    back = from_bytes(to_bytes(state))
    assert back == state
    # Python holds 1 == 1.0 == True.
    assert repr(back) == repr(state)


def test_numbers_that_json_lacks() -> None:
    back = from_bytes(to_bytes([math.inf, -math.inf, math.nan, 0.1 + 0.2]))
    assert back[:2] == [math.inf, -math.inf]
    assert math.isnan(back[2])
    assert back[3] == 0.1 + 0.2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.long])
def test_tensors_come_back_bit_for_bit(dtype) -> None:
    whole = (torch.randn(5, 7) * 100).to(dtype)
    state = {"a": whole.T[::2], "none": torch.zeros(0, 3), 3: whole.sum(), "same": whole}
    back = from_bytes(to_bytes(state))
    for name, tensor in state.items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor)


def test_an_optimiser_goes_on_as_if_nothing_had_happened(tmp_path) -> None:
    def made():
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        return model, torch.optim.AdamW(model.parameters(), lr=0.1)

    def step(model, optimiser):
        optimiser.zero_grad()
        model(torch.ones(4, 3)).square().sum().backward()
        optimiser.step()

    model, optimiser = made()
    step(model, optimiser)
    write_checkpoint(tmp_path / "c", [model.state_dict(), optimiser.state_dict()])
    other, another = made()
    weights, moments = read_checkpoint(tmp_path / "c")
    other.load_state_dict(weights)
    another.load_state_dict(moments)
    step(model, optimiser)
    step(other, another)
    assert torch.equal(model.weight, other.weight)


def test_random_generators_go_on() -> None:
    states = from_bytes(to_bytes(random_states()))
    drawn = [torch.rand(3), np.random.rand(3), random.random()]  # noqa: NPY002
    set_random_states(states)
    again = [torch.rand(3), np.random.rand(3), random.random()]  # noqa: NPY002
    for first, second in zip(drawn, again, strict=True):
        assert np.array_equal(first, second)


def test_no_code_is_ever_stored(monkeypatch) -> None:
    def refuse(*_, **__):
        raise AssertionError("something was pickled")

    for name in ("dump", "dumps", "load", "loads", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    state = from_bytes(to_bytes({"a": torch.ones(3), **random_states()}))
    assert torch.equal(state["a"], torch.ones(3))
    with pytest.raises(TypeError, match="cannot hold a function"):
        to_bytes({"f": lambda: None})


def test_a_damaged_file_is_said(tmp_path) -> None:
    path = tmp_path / "c"
    write_checkpoint(path, {"a": torch.ones(3)})
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(CheckpointError, match=r"c is damaged .*; delete it and train from"):
        read_checkpoint(path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="is damaged"):
        read_checkpoint(path)
