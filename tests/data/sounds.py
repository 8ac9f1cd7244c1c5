"""Recordings that tests write: tones as wav bytes, in a folder or a zip."""

import io
import wave

import numpy as np
import pytest

from unrolled.data import DataError
from unrolled.data.audio import Recordings, read_audio


def tone(hertz=440, rate=8000, seconds=0.1, size=0.5):
    return size * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def wav(samples, rate=8000, channels=1):
    """16-bit wav by the standard library: what is read did not write it."""
    steps = np.round(np.asarray(samples) * 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, 2, rate, 0, "NONE", ""))
        writer.writeframes(steps.tobytes())
    return file.getvalue()


TONE = wav(tone())


def texts(data: Recordings, kind):
    return [finding.text for finding in data.findings if finding.kind == kind]


def labels(data: Recordings):
    return {recording.name: recording.label for recording in data}


def refusal(*arguments, **named):
    with pytest.raises(DataError) as error:
        read_audio(*arguments, **named)
    assert "\n" not in str(error.value)
    return str(error.value)
