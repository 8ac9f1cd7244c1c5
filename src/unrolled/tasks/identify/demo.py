"""A system that is simulated here: an oscillator whose spring stiffens, shaken at random.

    s' = v,    v' = x - d v - k s - a s^3

It is Duffing's equation; the Silverbox is an electronic circuit of it. The input is a random-phase
multisine, a sum of sines of equal size up to a cut-off; the position is measured with noise.

Shapes: T samples, B batch.

Reference:
    Pintelon and Schoukens, "System identification: a frequency domain approach", 2nd edition,
        2012, chapter 5 (multisines).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ...data.systems import SystemData, system_of
from ...dynamics import discretise
from ...unroll import unroll

SAMPLES, SAMPLING = 12_000, 0.1
# Of the input: its standard deviation, and the highest frequency in Hz.
FORCE, CUT_OFF = 1.5, 1.0
NOISE = 0.002


class Duffing(nn.Module):
    """A mass on a spring that stiffens, with friction, driven by x.

    Arguments:
        friction, stiffness, cubic: d, k and a.
    """

    state_sizes = {"s": 1, "v": 1}  # noqa: RUF012, read only
    input_size = 1

    def __init__(self, friction: float = 0.8, stiffness: float = 4.0, cubic: float = 4.0):
        super().__init__()
        self.friction, self.stiffness, self.cubic = friction, stiffness, cubic

    def forward(self, state: tuple[Tensor, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        s, v = state
        return v, x - self.friction * v - self.stiffness * s - self.cubic * s**3


def multisine(samples: int, sampling: float, highest: float, seed: int = 0) -> np.ndarray:
    """A sum of sines of equal size and random phase, of standard deviation 1, [T]."""
    generator = np.random.default_rng(seed)
    spectrum = np.zeros(samples // 2 + 1, dtype=complex)
    count = int(highest * samples * sampling)
    spectrum[1 : count + 1] = np.exp(2j * np.pi * generator.random(count))
    signal = np.fft.irfft(spectrum, samples)
    return signal / signal.std()


@torch.no_grad()
def oscillator(samples: int = SAMPLES, seed: int = 0) -> SystemData:
    """Force and measured position."""
    force = FORCE * multisine(samples, SAMPLING, CUT_OFF, seed)
    cell = discretise(Duffing(), SAMPLING, "rk4").double()
    run = unroll(cell, torch.from_numpy(force)[None, :, None])
    noise = NOISE * np.random.default_rng(seed + 1).standard_normal(samples)
    position = run.states["s"][0, :, 0].numpy() + noise
    names = ("force", "position")
    return system_of(force, position, names=names, sampling=SAMPLING, name="duffing")
