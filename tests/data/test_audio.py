"""Folders, zips and files of recordings: samples, rates, and everything that is said."""

import io
import struct
import zipfile

import numpy as np
import pytest
import soundfile

from data.sounds import TONE, labels, refusal, texts, tone, wav
from unrolled.data import DataError, recordings_of
from unrolled.data.audio import read_audio, resampled


def encoded(samples, rate, **kind):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **kind)
    return file.getvalue()


class TestSamples:
    def test_samples_are_those_written(self, make):
        steps = np.array([0, 1, -1, 12345, 32767, -32768])
        data = read_audio(make({"a.wav": wav(steps / 32767, 11025)}), labels=None)
        written = np.array(struct.unpack("<6h", wav(steps / 32767)[44:]))
        assert data[0].samples.dtype == np.float32
        # Exact: 16 bits fit float32.
        np.testing.assert_array_equal(data[0].samples, written / 32768)
        assert (data.rate, data[0].seconds, len(data)) == (11025, 6 / 11025, 1)

    @pytest.mark.parametrize("ending", ["wav", "WAV", "flac", "aiff", "ogg", "mp3"])
    def test_formats(self, make, ending):
        samples = tone(seconds=0.5, rate=16000)
        data = read_audio(make({f"a.{ending}": encoded(samples, 16000, format=ending)}), None)
        assert abs(len(data[0].samples) - 8000) <= (0 if ending != "mp3" else 2400)
        if ending in ("ogg", "mp3"):  # lossy: the tone is there
            spectrum = np.abs(np.fft.rfft(data[0].samples))
            assert spectrum.argmax() * 16000 / len(data[0].samples) == pytest.approx(440, abs=5)
        else:
            # Half a step of 16 bits, and full scale at 32767 or 32768.
            np.testing.assert_allclose(data[0].samples, samples, atol=4e-5)

    @pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
    def test_sizes_of_a_sample(self, make, subtype):
        file = encoded(tone(), 8000, format="wav", subtype=subtype)
        # 8 bits: a step of 1 / 128; ULAW is finer below and coarser above.
        atol = 0.02 if subtype in ("PCM_U8", "ULAW") else 1e-6
        data = read_audio(make({"a.wav": file}), None)
        np.testing.assert_allclose(data[0].samples, tone(), atol=atol)

    def test_stereo_is_averaged_and_said(self, make):
        left, right = tone(300), tone(700)
        both = wav(np.stack([left, right], 1), channels=2)
        data = read_audio(make({"a.wav": TONE, "b.wav": both}), None)
        # One step of 16 bits.
        np.testing.assert_allclose(data[1].samples, (left + right) / 2, atol=4e-5)
        assert texts(data, "repaired") == ["averaged the channels of 1 recording: b.wav"]

    def test_other_rates_become_the_commonest(self, make):
        files = {"a.wav": TONE, "b.wav": TONE, "c.wav": wav(tone(rate=44100), 44100)}
        data = read_audio(make(files), None)
        assert [r.rate for r in data] == [8000] * 3
        assert [len(r.samples) for r in data] == [800] * 3
        # Away from the ends, where the filter sees silence: a pass band of a Kaiser window.
        np.testing.assert_allclose(data[2].samples[50:-50], tone()[50:-50], atol=5e-3)
        assert texts(data, "repaired") == ["resampled 1 recording from 44,100 to 8,000 Hz: c.wav"]

    def test_a_rate_that_is_asked_for(self, make):
        data = read_audio(make({"a.wav": TONE}), None, rate=16000)
        assert (data.rate, len(data[0].samples)) == (16000, 1600)
        np.testing.assert_allclose(data[0].samples[100:-100], tone(rate=16000)[100:-100], atol=5e-3)

    def test_equally_common_rates_take_the_lowest(self, make):
        files = {"a.wav": wav(tone(rate=16000), 16000), "b.wav": TONE}
        assert read_audio(make(files), None).rate == 8000

    def test_resampling_does_not_fold(self):
        high = resampled(tone(7000, 16000, 1.0).astype(np.float32), 16000, 8000)
        # Folded it would be a tone of 1,000 Hz of size 0.5; the filter stops 60 dB.
        assert np.abs(high[100:-100]).max() < 2e-3
        assert high.dtype == np.float32

    def test_bad_rate(self, make):
        for rate in (0, -8000, 8e3):
            with pytest.raises(ValueError, match="samples a second"):
                read_audio(make({"a.wav": TONE}), rate=rate)  # pyright: ignore[reportArgumentType]


class TestWhatIsLeftOut:
    def test_empty_and_unreadable_files(self, make):
        files = {
            "a.wav": TONE,
            "empty.wav": wav([]),
            "nothing.wav": b"",
            "text.wav": b"these are words" * 20,
            "cut.flac": encoded(tone(), 8000, format="flac")[:20],
            "nan.wav": encoded(np.array([0, np.nan]), 8000, format="wav", subtype="FLOAT"),
        }
        data = read_audio(make(files), None)
        assert list(labels(data)) == ["a.wav"]
        empty, unreadable = texts(data, "ignored")
        assert empty == "left out 1 recording of zero length: empty.wav"
        assert unreadable.startswith("left out 4 recordings that cannot be read: cut.flac (")
        assert "nan.wav (samples that are not finite)" in unreadable
        assert "nothing.wav (" in unreadable
        assert "text.wav (Format not recognised)" in unreadable

    def test_nothing_readable(self, make):
        message = refusal(make({"a.wav": b"words"}), None)
        assert "no recording could be read; left out 1 recording that cannot be read" in message

    def test_silence_is_warned_of(self, make):
        # A constant is silent too; one step of 16 bits is no sound.
        files = {
            "a.wav": TONE,
            "b.wav": wav(np.zeros(99)),
            "c.wav": wav(np.full(99, 0.5)),
            "d.wav": wav(np.arange(99) % 2 / 32767),
            "e.wav": wav(tone(size=0.001)),
        }
        data = read_audio(make(files), None)
        assert texts(data, "warning") == ["3 recordings silent throughout: b.wav, c.wav, d.wav"]
        assert len(data) == 5

    def test_a_file_that_ends_early_is_warned_of(self, make):
        # A program that writes to a pipe gives the largest size there is.
        piped = TONE[:4] + b"\xff" * 4 + TONE[8:40] + b"\xff" * 4 + TONE[44:]
        data = read_audio(make({"a.wav": TONE[:844], "b.wav": piped, "c.wav": TONE}), None)
        assert [len(r.samples) for r in data] == [400, 800, 800]
        expected = ["1 recording cut short: the file ends before its header says: a.wav"]
        assert texts(data, "warning") == expected

    def test_what_is_no_recording(self, make):
        files = {
            "a.wav": TONE,
            "__MACOSX/._a.wav": b"x",
            ".DS_Store": b"x",
            "notes.txt": b"x",
            "LICENSE": b"x",
        }
        data = read_audio(make(files), None)
        assert texts(data, "ignored") == [
            "left out 2 files, hidden: .DS_Store, __MACOSX/._a.wav",
            "left out 2 files other than recordings (.txt, no ending)",
        ]

    def test_no_sound_files(self, make, tmp_path):
        message = refusal(make({"a.txt": b"x", "b.csv": b"x"}))
        assert "no sound files (.wav, .flac" in message
        assert "end in .csv, .txt" in message
        empty = tmp_path / "nothing"
        empty.mkdir()
        assert "it is empty" in refusal(empty)


class TestSources:
    def test_one_file(self, tmp_path):
        path = tmp_path / "a.wav"
        path.write_bytes(TONE)
        data = read_audio(path)
        assert (len(data), data.name, data.role) == (1, "a", "")

    def test_what_is_not_there_or_no_sound(self, tmp_path):
        (tmp_path / "clips.zip").write_bytes(b"PK no zip")
        (tmp_path / "table.csv").write_text("a\n1\n")
        assert "did you mean 'clips.zip'" in refusal(tmp_path / "clip.zip")
        assert "neither a folder nor a zip" in refusal(tmp_path / "clips.zip")
        assert "neither a folder nor a zip" in refusal(tmp_path / "table.csv")

    def test_names_that_point_out_of_a_zip_write_nothing(self, tmp_path):
        inside = tmp_path / "inside"
        inside.mkdir()
        with zipfile.ZipFile(inside / "clips.zip", "w") as archive:
            for name in ("../out.wav", "/root.wav", "x/../../up.wav", "a.wav"):
                archive.writestr(name, TONE)
        before = sorted(tmp_path.rglob("*"))
        data = read_audio(inside / "clips.zip", None)
        assert sorted(tmp_path.rglob("*")) == before
        assert any(r.name == "a.wav" for r in data)
        # What begins with a dot is hidden.
        assert all(".." not in r.name for r in data)

    def test_a_table_cannot_point_out_of_the_folder(self, tmp_path):
        (tmp_path / "secret.wav").write_bytes(TONE)
        clips = tmp_path / "clips"
        clips.mkdir()
        (clips / "a.wav").write_bytes(TONE)
        (clips / "t.csv").write_text("file,label\na.wav,x\n../secret.wav,y\n")
        data = read_audio(clips)
        assert labels(data) == {"a.wav": "x"}
        expected = ["rows of t.csv with no recording: 1 (../secret.wav)"]
        assert texts(data, "warning") == expected

    def test_damaged_and_locked_members(self, tmp_path):
        path = tmp_path / "clips.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.wav", TONE)
            archive.writestr("b.wav", TONE)
        data = bytearray(path.read_bytes())
        data[60] ^= 255  # inside the compressed samples of a.wav
        path.write_bytes(bytes(data))
        assert list(labels(read_audio(path, None))) == ["b.wav"]
        with zipfile.ZipFile(path) as archive:
            second = archive.getinfo("b.wav").header_offset
        central = data.rfind(b"PK\x01\x02")
        data[second + 6] |= 1  # the flag of encryption, in both headers
        data[central + 8] |= 1
        path.write_bytes(bytes(data))
        assert "encrypted" in refusal(path, None)


def test_summary(make):
    files = {"0_a_1.wav": TONE, "0_a_2.wav": wav(tone(seconds=0.25)), "1_a_1.wav": TONE}
    data = read_audio(make(files))
    assert data.summary() == (
        "clips  3 recordings, 0.10 .. 0.25 s, 8,000 Hz, 2 labels; nothing to repair"
    )
    data = read_audio(make({**files, "b.txt": b"x"}), None, name="digits")
    assert data.summary() == (
        "digits  3 recordings, 0.10 .. 0.25 s, 8,000 Hz; "
        "left out 1 file other than recordings (.txt)"
    )


class TestParts:
    def test_a_share_of_every_label(self, make):
        files = {f"{label}_a_{take}.wav": TONE for label in "xyz" for take in range(10)}
        data = read_audio(make(files))
        rest, part = data.split(0.2, seed=1)
        assert [r.label for r in part] == [*"xxyyzz"]
        assert sorted([*labels(rest), *labels(part)]) == sorted(labels(data))
        assert labels(data.split(0.2, seed=1)[1]) == labels(part)
        assert any(labels(data.split(0.2, seed)[1]) != labels(part) for seed in range(5))

    def test_a_label_of_one_recording_stays_in_the_first_part(self, make):
        files = {f"{label}_a_{k}.wav": TONE for label in "xy" for k in range(5)}
        data = read_audio(make({**files, "z_a_1.wav": TONE}))
        assert all("z" in data.split(0.4, seed)[0].labels for seed in range(20))

    def test_transcripts_that_come_once_are_drawn_as_they_are(self, make):
        rows = [f"{k}.wav,sentence {k}" for k in range(10)]
        table = "\n".join(["file,transcript", *rows])
        data = read_audio(make({f"{k}.wav": TONE for k in range(10)} | {"t.csv": table}))
        assert len(data.split(0.3)[1]) == 3

    def test_empty_parts_and_places(self, make):
        data = read_audio(make({"a.wav": TONE, "b.wav": TONE}), None)
        with pytest.raises(DataError, match=r"0\.1 of the 2 recordings of clips leaves one part"):
            data.split(0.1)
        assert list(labels(data.select([1]))) == ["b.wav"]

    def test_another_rate(self, make):
        data = read_audio(make({"a.wav": wav(tone(rate=16000), 16000)}), None)
        assert data.at(16000) is data
        slower = data.at(8000)
        assert (slower.rate, len(slower[0].samples)) == (8000, 800)
        assert slower.reading["rate"] == 8000
        assert texts(slower, "repaired") == ["resampled 1 recording from 16,000 to 8,000 Hz"]


class TestReadingAgain:
    @pytest.mark.parametrize(
        ("files", "asked", "again"),
        [
            (
                {"0_a_1.wav": TONE, "0_a_2.wav": TONE, "1_a_1.wav": TONE},
                "auto",
                "{label}_{speaker}_{take}",
            ),
            ({"x/1.wav": TONE, "x/2.wav": TONE, "y/1.wav": TONE}, "auto", "folder"),
            ({"x/1.wav": TONE}, "folder", "folder"),
            ({"x-1.wav": TONE}, "{label}-*", "{label}-*"),
            ({"a.wav": TONE, "t.csv": "file,label\na,x"}, "t.csv", "auto"),
            ({"a.wav": TONE}, None, None),
            ({"a.wav": TONE}, "auto", "auto"),
        ],
    )
    def test_what_was_found_is_said_again(self, make, files, asked, again):
        data = read_audio(make(files), asked)
        assert data.reading == {"labels": again, "rate": 8000}
        assert labels(read_audio(make(files), **data.reading)) == labels(data)


def test_the_table_of_labels_is_not_left_out(make):
    files = {"a.wav": TONE, "b.wav": TONE, "t.csv": "file,label\na,x\nb,y"}
    assert texts(read_audio(make(files)), "ignored") == []
    left = texts(read_audio(make({**files, "more.csv": "x"})), "ignored")
    assert left == ["left out 1 file other than recordings (.csv)"]


class TestInMemory:
    def test_samples_labels_and_names(self):
        data = recordings_of([tone(), np.array([0, 32767], np.int16)], 8000, ["x", 1])
        assert labels(data) == {"0": "x", "1": "1"}
        assert data.role == "label"
        np.testing.assert_array_equal(data[1].samples, np.float32([0, 1]))
        assert data[0].samples.dtype == np.float32
        assert recordings_of([tone()], 8000, ["a b"], transcripts=True).role == "transcript"
        assert recordings_of([tone()], 8000).role == ""

    @pytest.mark.parametrize(
        ("samples", "given", "words"),
        [
            ([], None, "there are 0 samples"),
            ([tone()], ["a", "b"], "there are 1 samples and 2 labels"),
            ([tone(), np.zeros((5, 2))], None, r"samples\[1\] must be \[N\] numbers .* \[5, 2\]"),
            ([np.zeros(0)], None, "must be"),
            ([np.array(["a"])], None, "must be"),
            ([np.array([0.0, np.nan])], None, r"samples\[0\] holds numbers that are not finite"),
        ],
    )
    def test_what_is_no_recording(self, samples, given, words):
        with pytest.raises(DataError, match=words):
            recordings_of(samples, 8000, given)
