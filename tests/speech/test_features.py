"""Log-mel features against librosa's numbers and published formulas, and what they must obey."""

import json
import math

import numpy as np
import pytest
import torch

from unrolled.data.recordings import Recording
from unrolled.tasks.speech.features import LogMel, mel_filters

# librosa 0.11.0: fb = filters.mel(sr=8000, n_fft=256, n_mels=40, fmin=60, fmax=3900, htk=True,
# norm=None, dtype=float64); the sum of every band, and the sum weighted by the frequency's number.
LIBROSA_SUMS = """
1.19624 1.155344 1.184713 1.211272 1.420157 1.367981 1.411992 1.571482 1.566783 1.594461 1.830207
1.787407 1.876847 1.971077 2.057437 2.13643 2.300255 2.351466 2.422343 2.608021 2.686329 2.792246
2.935952 3.067694 3.188234 3.356204 3.501091 3.661021 3.80665 3.991155 4.160163 4.358184 4.551978
4.765607 4.956854 5.186609 5.447095 5.655224 5.922067 6.18096
"""
LIBROSA_WEIGHTED = """
3.64922 4.91049 6.3974 7.95273 11.23131 12.70538 15.11101 19.09388 21.59497 24.36886 31.16587
33.7563 38.83498 44.55627 50.64229 57.04388 66.5596 73.52724 81.51717 94.28436 104.31364 116.03521
130.39784 145.4676 161.14059 180.62299 200.41811 222.73958 245.79261 273.25098 301.76897 334.70145
369.85149 409.46429 449.98564 497.11546 551.08233 603.57858 666.295 732.8097
"""
# librosa.feature.melspectrogram of the chirp below with the same filters, hop_length=80,
# center=True, pad_mode="constant": bands 13 to 20 of frame 12.
LIBROSA_CHIRP = [0.0422, 2.1961, 120.4563, 952.7935, 447.4032, 12.9779, 0.1246, 0.0025]


def numbers(text):
    return np.array([float(word) for word in text.split()])


def tone(hertz, rate=8000, seconds=0.5, size=0.5):
    return size * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def recording(samples, rate=8000):
    return Recording("a.wav", np.asarray(samples, dtype=np.float32), rate)


def test_filters_are_those_of_librosa():
    filters = mel_filters(8000, 256, 40, 60, 3900).double().numpy()
    # Half the last digit stored, plus float32: 129 values of at most 1.
    np.testing.assert_allclose(filters.sum(0), numbers(LIBROSA_SUMS), atol=2e-6)
    weighted = np.arange(129) @ filters
    np.testing.assert_allclose(weighted, numbers(LIBROSA_WEIGHTED), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(
    ("rate", "frame", "bands", "low", "high"),
    [(8000, 256, 40, 60.0, 3900.0), (16000, 513, 23, 0.0, 8000.0), (44100, 1411, 1, 100.0, 101e2)],
)
def test_filters_follow_the_formula_of_torchaudio(rate, frame, bands, low, high):
    """torchaudio.functional.melscale_fbanks, mel_scale="htk", norm=None, written out."""
    all_freqs = torch.arange(frame // 2 + 1, dtype=torch.float64) * rate / frame
    m_min, m_max = (2595.0 * math.log10(1.0 + f / 700.0) for f in (low, high))
    m_pts = torch.linspace(m_min, m_max, bands + 2, dtype=torch.float64)
    f_pts = 700.0 * (10.0 ** (m_pts / 2595.0) - 1.0)
    f_diff = f_pts[1:] - f_pts[:-1]
    slopes = f_pts.unsqueeze(0) - all_freqs.unsqueeze(1)
    down_slopes = (-1.0 * slopes[:, :-2]) / f_diff[:-1]
    up_slopes = slopes[:, 2:] / f_diff[1:]
    expected = torch.max(torch.zeros(1, dtype=torch.float64), torch.min(down_slopes, up_slopes))
    # Both are computed in float64 and ours is rounded to float32.
    torch.testing.assert_close(
        mel_filters(rate, frame, bands, low, high).double(), expected, rtol=1e-6, atol=1e-7
    )


def test_power_is_that_of_librosa():
    t = np.arange(2000) / 8000
    chirp = 0.5 * np.sin(2 * np.pi * (200 * t + 3000 * t * t))
    mel = LogMel(8000, high=3900)
    power = mel.power(chirp) @ mel.filters
    assert power.shape == (26, 40)
    # Four decimals are stored; the transform is float32, about 1e-6 of the largest value.
    np.testing.assert_allclose(power[12, 13:21], LIBROSA_CHIRP, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("rate", [8000, 16000, 22050])
@pytest.mark.parametrize("hertz", [300, 1000, 3100])
def test_a_tone_lands_in_its_band(rate, hertz):
    mel = LogMel(rate)
    edges = np.linspace(2595 * np.log10(1 + 60 / 700), 2595 * np.log10(1 + mel.high / 700), 42)
    centres = 700 * (10 ** (edges[1:-1] / 2595) - 1)
    loud = mel.loudness(tone(hertz, rate))
    bands = loud[5:-5].argmax(1)
    # The nearest centre is meant; a tone half-way may fall to the next.
    assert (bands - int(np.abs(centres - hertz).argmin())).abs().max() <= 1
    # What is an octave away lies at the floor: a Hann window leaks less than that.
    assert (loud[5:-5][:, centres > 2 * hertz + 200] == -12).all()


@pytest.mark.parametrize("hops", [1, 3])
def test_a_shift_by_a_hop_shifts_a_frame(hops):
    generator = np.random.default_rng(0)
    samples = generator.standard_normal(4000)
    mel = LogMel(8000)
    shifted = mel.power(samples[80 * hops :])
    whole = mel.power(samples)[hops:]
    # Frames that reach over an end see silence there: half of 256 samples, two hops.
    # float32 transforms of the same numbers may differ in the last bits.
    torch.testing.assert_close(shifted[2:-2], whole[2:-2], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("count", [1, 79, 80, 81, 255, 4001])
def test_lengths(count):
    loud = LogMel(8000).loudness(np.ones(count))
    assert loud.shape == (1 + count // 80, 40)
    assert loud.isfinite().all()


def test_loudness_drops_out_and_colour_stays():
    mel = LogMel(8000)
    samples = tone(400) + 0.1 * tone(2000)
    # float32: a logarithm of a power moves by 1e-6 where the power does by one part in a million.
    torch.testing.assert_close(
        mel.loudness(0.01 * samples), mel.loudness(samples), rtol=0, atol=1e-3
    )
    loud = mel.loudness(samples)[10:-10]
    low, high = loud[:, :20].max(1).values, loud[:, 20:].max(1).values
    # A tenth of the amplitude is 2 log 10 = 4.6 less, but for how far each tone lies from the
    # centre of its band: 1 at most, for a triangle and a window.
    assert ((low - high) - 2 * math.log(10)).abs().max() < 1.0
    assert (loud.min(), loud.max()) == (-12, 0)


def test_silence_is_the_floor():
    assert (LogMel(8000).loudness(np.zeros(1000)) == -12).all()


def test_fit_standardises_the_training_frames():
    generator = np.random.default_rng(0)
    noise = [generator.standard_normal(n) * np.linspace(0.01, 1, n) for n in (900, 4000, 2500)]
    data = [recording(samples) for samples in noise]
    mel = LogMel(8000).fit(data)
    frames = torch.cat([mel(r.samples) for r in data]).double()
    # Of float32 features, over 90 frames.
    torch.testing.assert_close(frames.mean(0), torch.zeros(40).double(), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        frames.std(0, correction=0), torch.ones(40).double(), rtol=0, atol=1e-5
    )


def test_a_band_without_change_is_not_divided_by_nothing():
    mel = LogMel(8000).fit([recording(np.zeros(500))])
    assert (mel(np.zeros(500)) == 0).all()


def test_saved_and_loaded():
    mel = LogMel(11025, 0.025, 0.005, 20, 100, 5000).fit([recording(tone(500, 11025), 11025)])
    back = LogMel.from_dict(json.loads(json.dumps(mel.to_dict())))
    samples = tone(700, 11025)
    assert torch.equal(back(samples), mel(samples))
    assert back.to_dict() == mel.to_dict()
    with pytest.raises(ValueError, match="call fit"):
        LogMel.from_dict(LogMel(8000).to_dict())(samples)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"rate": 8000, "frame": 0.0001}, "frame must be 2 samples or more, got 0.0001 s at 8000"),
        ({"rate": 8000, "hop": 0.0}, "hop must be 1 samples or more"),
        ({"rate": 8000, "high": 5000}, "between 0 and 4000 Hz.*got 60 and 5000"),
        ({"rate": 8000, "low": -1}, "low and high"),
        ({"rate": 8000, "low": 2000, "high": 1000}, "in order"),
        ({"rate": 8000, "bands": 0}, "bands must be 1 or more"),
        ({"rate": 8000, "bands": 128}, "bands=128 is too many.*longer frame"),
    ],
)
def test_wrong_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        LogMel(**arguments)


def test_wrong_samples_and_rates():
    mel = LogMel(8000)
    with pytest.raises(ValueError, match=r"one channel.*got \(2, 100\)"):
        mel.loudness(np.zeros((2, 100)))
    with pytest.raises(ValueError, match=r"got \(0,\)"):
        mel.loudness(np.zeros(0))
    with pytest.raises(ValueError, match=r"a.wav has 16000 Hz, the features 8000.*rate=8000"):
        mel.fit([recording(np.ones(100), 16000)])
    with pytest.raises(ValueError, match="got none"):
        mel.fit([])
