"""Recordings that tests make: tones that are classes, and tones one after another that spell."""

import numpy as np

from unrolled.data import Recording, Recordings

PITCHES = {"a": 400.0, "b": 800.0, "c": 1600.0}
RATE = 8000


def tone(letter, generator, seconds):
    time = np.arange(round(RATE * seconds)) / RATE
    # An octave is far wider than the drift of the pitch.
    pitch = PITCHES[letter] * generator.uniform(0.93, 1.07)
    return 0.5 * np.hanning(len(time)) * np.sin(2 * np.pi * pitch * time)


def noisy(samples, generator):
    return (samples + generator.normal(0, 0.005, len(samples))).astype(np.float32)


def tones(count=60, seed=0):
    """One tone each, its letter the class, by two players."""
    generator = np.random.default_rng(seed)
    made = []
    for k in range(count):
        letter, player = "abc"[k % 3], ("ann", "bob")[k // 3 % 2]
        samples = noisy(tone(letter, generator, generator.uniform(0.1, 0.2)), generator)
        made.append(
            Recording(f"{letter}_{player}_{k}.wav", samples, RATE, letter, {"player": player})
        )
    return Recordings(
        tuple(made), "label", "tones", (), {"labels": "{label}_{player}_*", "rate": RATE}
    )


def spelled(count=80, seed=0):
    """One to four tones one after another, their letters the transcript."""
    generator = np.random.default_rng(seed)
    made = []
    for k in range(count):
        letters = "".join(generator.choice(list("abc"), generator.integers(1, 5)))
        parts = [tone(letter, generator, generator.uniform(0.08, 0.14)) for letter in letters]
        samples = noisy(np.concatenate(parts), generator)
        made.append(Recording(f"{k}.wav", samples, RATE, letters))
    return Recordings(tuple(made), "transcript", "spelled", (), {"labels": "auto", "rate": RATE})
