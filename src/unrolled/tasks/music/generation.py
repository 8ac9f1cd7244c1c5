"""Steps from a model of rolls, drawn one after another.

    x_k(t+1) = 1 with probability q_k = sigmoid((o_k(t) + b) / temperature), each key on its own

b is what leaves the mean number of keys as it is, sum of q_k = sum of sigmoid(o_k(t)): without it a
low temperature silences keys, of which few are more likely on than off. Temperature 0 takes the
likeliest keys, as many as that sum, rounded.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from .network import RollNetwork
from .streams import read_through

# Of the range in which b lies; and the least mean probability of a key that is told from 0.
HALVINGS, TINY = 40, 1e-12


def check_temperature(temperature: float) -> None:
    """Raise ValueError unless it is 0 or above."""
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature must be 0 or above, got {temperature!r}")


@torch.no_grad()
def generate(
    network: RollNetwork, prompt: np.ndarray, temperature: float, draw: torch.Generator
) -> Iterator[np.ndarray]:
    """Steps that go on from a prompt, without end, uint8 [K] each.

    Arguments:
        prompt: 0 and 1, [T, K]; one step at least.
        temperature: below 1 makes likely keys likelier and others rarer.
        draw: on the CPU, so that a seed gives the same music on every device.
    """
    scores, state = read_through(network, prompt)
    while True:
        frame = _drawn(scores.double().cpu(), temperature, draw)
        yield frame.numpy()
        scores, state = network(frame.to(scores.device)[None, None], state)
        scores = scores[0, 0]


def _drawn(scores: Tensor, temperature: float, draw: torch.Generator) -> Tensor:
    """The next step, uint8 [K], from its scores [K]."""
    wanted = torch.sigmoid(scores).sum()
    if temperature == 0:
        likeliest = scores.topk(round(float(wanted))).indices
        return torch.zeros_like(scores, dtype=torch.uint8).index_fill_(0, likeliest, 1)
    probabilities = torch.sigmoid((scores + _shift(scores, temperature, wanted)) / temperature)
    return torch.bernoulli(probabilities, generator=draw).to(torch.uint8)


def _shift(scores: Tensor, temperature: float, wanted: Tensor) -> Tensor:
    """b, found by halving the range in which it must lie."""
    if temperature == 1:
        return torch.zeros(())
    # At the ends all keys are less, or more, likely than their mean must be.
    share = (wanted / len(scores)).clamp(TINY, 1 - TINY)
    mean = torch.logit(share) * temperature
    low, high = mean - scores.max(), mean - scores.min()
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        too_many = torch.sigmoid((scores + middle) / temperature).sum() > wanted
        low, high = (low, middle) if too_many else (middle, high)
    return (low + high) / 2
