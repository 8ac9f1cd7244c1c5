"""Control charts of a process, made by formula: a collection of sequences without a download.

    y(t) = 30 + 2 r(t) + what its class adds,   r from U(-3, 3),   t = 0, ..., 59

| class | what is added |
|---|---|
| normal | nothing |
| cyclic | a sin(2 pi t / p), a and p from U(10, 15) |
| rising, falling | g t, -g t, g from U(0.2, 0.5) |
| shifted up, shifted down | x, -x from step s on, x from U(7.5, 20), s from U(20, 40) |

References:
    Alcock and Manolopoulos, "Time-series similarity queries employing a feature-based approach",
        Hellenic conference on informatics, 1999.
"""

from __future__ import annotations

import numpy as np

from ...data import Samples, samples_of

STEPS = 60
CLASSES = ("normal", "cyclic", "rising", "falling", "shifted up", "shifted down")


def control_charts(each: int = 100, seed: int = 0) -> Samples:
    """`each` charts of every class, [60] numbers a chart."""
    generator = np.random.default_rng(seed)
    labels = [name for name in CLASSES for _ in range(each)]
    charts = [30 + 6 * generator.uniform(-1, 1, STEPS) + _added(n, generator) for n in labels]
    return samples_of(charts, labels, name="control charts")


def _added(name: str, generator: np.random.Generator) -> np.ndarray:
    t = np.arange(STEPS)
    if name == "normal":
        return np.zeros(STEPS)
    if name == "cyclic":
        size, period = generator.uniform(10, 15, 2)
        return size * np.sin(2 * np.pi * t / period)
    sign = 1 if name in ("rising", "shifted up") else -1
    if name in ("rising", "falling"):
        return sign * generator.uniform(0.2, 0.5) * t
    size, start = generator.uniform(7.5, 20), generator.uniform(STEPS / 3, 2 * STEPS / 3)
    return sign * size * (t >= start)
