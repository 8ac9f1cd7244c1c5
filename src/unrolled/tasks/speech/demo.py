"""Recordings that need no download: short melodies of synthetic tones.

Class `rising` is a tone that glides up, `falling` one that glides down, `steady` stays, `trill`
alternates between two. Pitch, length, loudness and noise are drawn for every recording, so that
neither of them tells the class. They are no speech; they show that everything works.
"""

from __future__ import annotations

import numpy as np

from ...data import Recording, Recordings

RATE = 8000
SECONDS = (0.25, 0.6)
LOWEST, HIGHEST = 300.0, 1200.0
# How far a glide goes, and how far apart the two tones of a trill lie: factors of pitch.
GLIDE, TRILL, TRILLS_A_SECOND = 2.0, 1.3, 14.0
CLASSES = ("falling", "rising", "steady", "trill")


def melodies(count: int = 240, seed: int = 0) -> Recordings:
    """`count` recordings, as many of each class, of two instruments."""
    generator = np.random.default_rng(seed)
    made = []
    for number in range(count):
        label, instrument = CLASSES[number % len(CLASSES)], ("flute", "reed")[number // 4 % 2]
        samples = _melody(label, instrument, generator)
        name, groups = f"{label}_{instrument}_{number}.wav", {"instrument": instrument}
        made.append(Recording(name, samples, RATE, label, groups))
    return Recordings(tuple(made), "label", "melodies")


def _melody(label: str, instrument: str, generator: np.random.Generator) -> np.ndarray:
    seconds = generator.uniform(*SECONDS)
    time = np.arange(round(seconds * RATE)) / RATE
    start = LOWEST * (HIGHEST / LOWEST) ** generator.random()
    share = time / seconds
    pitch = (
        start
        * {
            "steady": np.ones_like(time),
            "rising": GLIDE**share,
            "falling": GLIDE**-share,
            "trill": np.where(np.sin(2 * np.pi * TRILLS_A_SECOND * time) > 0, TRILL, 1.0),
        }[label]
    )
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    overtones = (1.0,) if instrument == "flute" else (1.0, 0.6, 0.4)
    tone = sum(size * np.sin(k * phase) for k, size in enumerate(overtones, start=1))
    envelope = np.minimum(1, np.minimum(time, seconds - time) / 0.02)
    noise = generator.normal(0, 0.02, len(time))
    loud = generator.uniform(0.1, 0.4)
    return (loud * (envelope * tone + noise)).astype(np.float32)
