"""Music made by rule, for the demo: four voices on chord progressions in C major.

A bar has one chord of eight steps; a chord follows another as in functional harmony, and the last
two are V and I. The bass takes the root, or the third, and moves at half a bar; the inner voices
keep to the chord tones nearest to where they were; the melody walks by steps of the scale and
lands on a chord tone at every beat.
"""

from __future__ import annotations

import numpy as np

from ...data.midi import KEYS, LOWEST, note_name
from ...data.rolls import Roll, Rolls

SCALE = (0, 2, 4, 5, 7, 9, 11)
STEPS_PER_BEAT, STEPS_PER_BAR = 2, 8
# Degrees of the scale that a chord may go on to, from I = 0; a degree twice is twice as likely.
NEXT = {0: (3, 3, 4, 5, 1), 1: (4, 4, 6), 3: (4, 4, 0, 1), 4: (0, 0, 5), 5: (3, 1, 1), 6: (0,)}
# The range of each voice: bass, tenor, alto; then the melody.
RANGES = ((40, 55), (50, 62), (55, 69))
MELODY = (64, 81)
SHORTEST, LONGEST = 6, 12


def progressions(count: int = 160, seed: int = 0) -> Rolls:
    """So many pieces of 6 to 12 bars; the same seed gives the same ones."""
    generator = np.random.default_rng(seed)
    pieces = tuple(
        Roll(f"progression {k}", _piece(generator), tempo=100.0) for k in range(1, count + 1)
    )
    keys = tuple(note_name(number) for number in range(LOWEST, LOWEST + KEYS))
    reading = {"steps_per_beat": STEPS_PER_BEAT, "lowest": LOWEST, "keys": KEYS}
    return Rolls(pieces, keys, LOWEST, STEPS_PER_BEAT, "progressions", (), reading)


def _piece(generator: np.random.Generator) -> np.ndarray:
    """One piece, uint8 [T, 88]."""
    chords = _chords(generator)
    frames = np.zeros((len(chords) * STEPS_PER_BAR, KEYS), dtype=np.uint8)
    voices, melody = [48, 55, 60], 72
    for bar, root in enumerate(chords):
        tones = {SCALE[(root + third) % 7] for third in (0, 2, 4)}
        first = bar * STEPS_PER_BAR
        for voice, (low, high) in enumerate(RANGES):
            wanted = {SCALE[root]} if voice == 0 else tones
            voices[voice] = _nearest(voices[voice], wanted, low, high)
            frames[first : first + STEPS_PER_BAR, voices[voice] - LOWEST] = 1
        if generator.random() < 0.5:
            third = _nearest(voices[0], {SCALE[(root + 2) % 7]}, *RANGES[0])
            half = first + STEPS_PER_BAR // 2
            frames[half : half + STEPS_PER_BAR // 2, voices[0] - LOWEST] = 0
            frames[half : half + STEPS_PER_BAR // 2, third - LOWEST] = 1
        for step in range(STEPS_PER_BAR):
            on_beat = step % STEPS_PER_BEAT == 0
            melody = _walked(melody, tones if on_beat else set(SCALE), generator)
            frames[first + step, melody - LOWEST] = 1
    return frames


def _chords(generator: np.random.Generator) -> list[int]:
    """Degrees from I to V and I."""
    chords = [0]
    for _ in range(int(generator.integers(SHORTEST, LONGEST + 1)) - 3):
        chords.append(int(generator.choice(NEXT[chords[-1]])))
    return [*chords, 4, 0]


def _nearest(note: int, tones: set[int], low: int, high: int) -> int:
    """The note of these pitch classes that is nearest to another, the lower of two."""
    fitting = [n for n in range(low, high + 1) if n % 12 in tones]
    return min(fitting, key=lambda n: (abs(n - note), n))


def _walked(note: int, tones: set[int], generator: np.random.Generator) -> int:
    """A note of these pitch classes within four semitones up or down, or the nearest one."""
    low, high = max(MELODY[0], note - 4), min(MELODY[1], note + 4)
    fitting = [n for n in range(low, high + 1) if n % 12 in tones and n != note]
    return int(generator.choice(fitting)) if fitting else _nearest(note, tones, *MELODY)
