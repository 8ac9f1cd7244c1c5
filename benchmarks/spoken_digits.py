"""Sequences of spoken digits: a real test of transcripts, composed of single recordings.

    python benchmarks/spoken_digits.py recordings.zip composed
    unrolled train speech composed/train --test composed/test

Digits of the Free Spoken Digit Dataset (names digit_speaker_take.wav) are put one after another:
3 to 5 of one speaker, up to 0.15 s apart. Takes 0 to 4 go to test, all others to train, so that
no recording is in both.

References:
    Jackson et al., "Free Spoken Digit Dataset", 2018,
        github.com/Jakobovski/free-spoken-digit-dataset.
"""

from __future__ import annotations

import csv
import sys
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unrolled.data import Recording, Recordings, read_audio

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEST_TAKES = 5
TRAIN, TEST = 2000, 300
FEWEST, MOST, GAP = 3, 5, 0.15


def compose(digits: Sequence[Recording], count: int, seed: int) -> list[Recording]:
    """`count` sequences, each of one speaker."""
    generator = np.random.default_rng(seed)
    speakers: dict[str, list[Recording]] = {}
    for digit in digits:
        speakers.setdefault(digit.groups["speaker"], []).append(digit)
    names, made = sorted(speakers), []
    for number in range(count):
        speaker = names[generator.integers(len(names))]
        some = generator.integers(len(speakers[speaker]), size=generator.integers(FEWEST, MOST + 1))
        said = [speakers[speaker][place] for place in some]
        samples = [said[0].samples]
        for digit in said[1:]:
            silence = np.zeros(round(generator.uniform(0, GAP) * digit.rate), np.float32)
            samples += [silence, digit.samples]
        text = " ".join(DIGITS[int(digit.label or 0)] for digit in said)
        name = f"{speaker}_{number:04}.wav"
        made.append(Recording(name, np.concatenate(samples), digits[0].rate, text))
    return made


def write(folder: Path, recordings: Sequence[Recording]) -> None:
    """Recordings as 16-bit files, and the table of their transcripts."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "transcripts.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", "transcript", "speaker"])
        for each in recordings:
            table.writerow([each.name, each.label, each.name.split("_")[0]])
            with wave.open(str(folder / each.name), "wb") as sound:
                sound.setparams((1, 2, each.rate, 0, "NONE", ""))
                sound.writeframes(np.round(each.samples * 32767).astype("<i2").tobytes())


def main(source: str, output: str) -> None:
    digits: Recordings = read_audio(source)
    test = [each for each in digits if int(each.groups["take"]) < TEST_TAKES]
    train = [each for each in digits if int(each.groups["take"]) >= TEST_TAKES]
    write(Path(output) / "train", compose(train, TRAIN, seed=0))
    write(Path(output) / "test", compose(test, TEST, seed=1))
    print(f"{output}: {TRAIN:,} sequences to train, {TEST:,} to test")


if __name__ == "__main__":
    main(*sys.argv[1:])
