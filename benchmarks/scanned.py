"""LSTM and GRU as jax.lax.scan, compiled with jax.jit: the same numbers as unrolled's cells."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import torch
from jax import lax


def lstm(p: dict, state: tuple, drive: jax.Array) -> tuple:
    h, c = state
    i, f, g, o = jnp.split(drive + h @ p["weight_hh"].T + p["bias_hh"], 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def gru(p: dict, state: tuple, drive: jax.Array) -> tuple:
    (h,) = state
    own = jnp.split(h @ p["weight_hh"].T + p["bias_hh"], 3, axis=-1)
    given = jnp.split(drive, 3, axis=-1)
    r, z = jax.nn.sigmoid(given[0] + own[0]), jax.nn.sigmoid(given[1] + own[1])
    h = (1 - z) * jnp.tanh(given[2] + r * own[2]) + z * h
    return (h,), h


STEPS = {"LSTM": (lstm, 2), "GRU": (gru, 1)}


def training_step(name: str, cell: torch.nn.Module, x: torch.Tensor) -> Callable[[], jax.Array]:
    """Loss and gradients of all parameters, with one product for all inputs."""
    step, components = STEPS[name]
    parameters = {n: jnp.asarray(p.detach().numpy()) for n, p in cell.named_parameters()}
    inputs = jnp.asarray(x.transpose(0, 1).numpy())
    start = tuple(jnp.zeros((x.shape[0], cell.hidden_size)) for _ in range(components))

    def loss(p: dict, inputs: jax.Array) -> jax.Array:
        drive = inputs @ p["weight_ih"].T + p["bias_ih"]
        _, outputs = lax.scan(lambda state, d: step(p, state, d), start, drive)
        return jnp.mean(outputs**2)

    both = jax.jit(jax.value_and_grad(loss))
    value = both(parameters, inputs)[0]
    import unrolled as ur

    expected = ur.unroll(cell, x).outputs.square().mean().item()
    assert abs(float(value) - expected) < 1e-5 * (1 + expected), "not the same network"
    return lambda: jax.block_until_ready(both(parameters, inputs))
