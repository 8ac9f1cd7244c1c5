"""Sequences that benchmarks/spoken_digits.py composes: what they say, and of which takes."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from data.sounds import wav
from unrolled.data import read_audio

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "spoken_digits.py"
NAMES = {"zero": 0, "one": 1, "two": 2}


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("spoken_digits", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def level(digit, speaker, take):
    """A constant that tells a digit, its speaker and its take apart, in 16-bit steps."""
    return (1000 * (digit + 1) + 100 * "ab".index(speaker) + take + 1) / 32767


def test_digits_follow_each_other_and_takes_stay_apart(script, tmp_path, monkeypatch):
    source = tmp_path / "digits"
    source.mkdir()
    for digit in range(3):
        for speaker in "ab":
            for take in range(7):
                samples = np.full(400, level(digit, speaker, take))
                (source / f"{digit}_{speaker}_{take}.wav").write_bytes(wav(samples))
    monkeypatch.setattr(script, "TRAIN", 30)
    monkeypatch.setattr(script, "TEST", 20)
    script.main(str(source), str(tmp_path / "composed"))
    for part, count, takes in (("train", 30, {5, 6}), ("test", 20, {0, 1, 2, 3, 4})):
        data = read_audio(tmp_path / "composed" / part)
        assert (len(data), data.role) == (count, "transcript")
        heard = set()
        for each in data:
            steps = np.round(each.samples * 32768).astype(int)
            edges = np.flatnonzero(np.diff(steps, prepend=0))
            found = [steps[k] for k in edges if steps[k]]
            said = [NAMES[word] for word in (each.label or "").split()]
            # Two equal ones that touch have no edge between them.
            assert len(found) <= len(said) <= 5
            assert {value // 1000 - 1 for value in found} == set(said)
            assert {value // 100 % 10 for value in found} == {"ab".index(each.groups["speaker"])}
            heard |= {value % 100 - 1 for value in found}
        assert heard <= takes
