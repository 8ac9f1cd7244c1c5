"""Speech on the command line: check, train, predict, evaluate, inspect, demo; bad input."""

import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

import unrolled as ur
from data.sounds import wav
from speech.tones import spelled, tones
from unrolled import cli
from unrolled.data.recordings import resampled
from unrolled.tasks.speech.demo import CLASSES, melodies
from unrolled.tasks.supervised import MODEL

SMALL = ["--hidden-size", "16", "--num-layers", "1", "--bands", "20", "--epochs", "4"]
SMALL += ["--batch-size", "8", "--learning-rate", "0.01", "--engine", "eager"]


def write_zip(path, data, further=()):
    with zipfile.ZipFile(path, "w") as archive:
        for each in data:
            archive.writestr(each.name, wav(each.samples))
        for name, content in further:
            archive.writestr(name, content)


def stereo_44k(samples):
    fast = resampled(samples, 8000, 44100)
    file = io.BytesIO()
    soundfile.write(file, np.stack([fast, 0.5 * fast], 1), 44100, format="wav")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = cli.run(list(arguments))
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_from_a_zip_to_a_run_and_back(folder, capsys) -> None:
    data = tones(60)
    odd = [
        ("a_ann_90.wav", stereo_44k(data[0].samples)),
        ("b_ann_91.wav", wav(np.zeros(0))),
        ("c_ann_92.wav", b"RIFF no sound"),
        ("notes.txt", b"x"),
    ]
    write_zip("tones.zip", data, odd)
    status, out, err = run(capsys, "train", "speech", "tones.zip", *SMALL, "--test", "*[05].wav")
    assert (status, err) == (0, "")
    words = [line.split()[0] for line in out.splitlines() if line[:1] != " "]
    order = ["data", "found", "split", "features", "target", "baseline", "model", "epoch"]
    order += ["ended", "test", "saved"]
    assert [word for word in words if word in order] == order
    for said in (
        "averaged the channels of 1 recording: a_ann_90.wav",
        "resampled 1 recording from 44,100 to 8,000 Hz: a_ann_90.wav",
        "left out 1 recording of zero length: b_ann_91.wav",
        "left out 1 recording that cannot be read: c_ann_92.wav",
        "left out 1 file other than recordings (.txt)",
        "test on 13",
    ):
        assert said in out
    place = Path("runs/tones-1")
    tested = json.loads((place / "metrics.json").read_text())["test"]
    assert set(tested) == {MODEL, "largest class", "logistic regression"}
    page = (place / "report.html").read_text()
    for title in ("Data", "Training", "Scores", "Worst cases", "Settings"):
        assert f">{title}</h2>" in page
    assert "Scores by speaker." in page
    assert "Recordings by label (row) and answer (column)" in page
    assert not re.search(r"(src|href)=.https?:", page)
    assert "# tones: a speech recogniser" in (place / "README.md").read_text()

    status, out, err = run(capsys, "predict", str(place), "tones.zip")
    assert (status, len(out.splitlines())) == (0, 61)
    found = ur.load(place).predict("tones.zip")
    for line, each in zip(out.splitlines(), found, strict=True):
        assert line.split() == [each.name, f"{each.probability:.4f}", each.text]
    assert "repaired" in err
    status, out, err = run(capsys, "predict", str(place), "tones.zip", "--output", "found.csv")
    assert (status, out) == (0, "found.csv: 61 recordings\n")
    header, first, *_ = Path("found.csv").read_text().splitlines()
    assert header == "recording,text,probability"
    assert first == f"{found[0].name},{found[0].text},{found[0].probability:.6f}"
    status, _, err = run(capsys, "predict", str(place), "tones.zip", "--output", "found.txt")
    assert (status, "--output must end in .csv" in err) == (2, True)
    status, out, err = run(capsys, "evaluate", str(place), "tones.zip")
    assert status == 0
    accuracy = ur.load(place).evaluate("tones.zip").own["accuracy"]
    assert f"accuracy {100 * accuracy:.2f} %" in out

    status, out, _ = run(capsys, "inspect", str(place))
    assert (status, "memory" in out) == (0, True)
    assert (place / "inspect.html").exists()


def test_transcripts_from_a_table(folder, capsys) -> None:
    data = spelled(40)
    rows = "\n".join(["file,transcript", *(f"{each.name},{each.label}" for each in data)])
    write_zip("spelled.zip", data, [("said.csv", rows)])
    status, out, _ = run(
        capsys, "train", "speech", "spelled.zip", *SMALL, "--tokens", "characters", "--beam", "4"
    )
    assert status == 0
    assert "transcripts are learned as sequences" in out
    assert "sequences of characters, 3 different" in out
    place = Path("runs/spelled-1")
    model = ur.load(place)
    assert model.beam == 4
    Path("one.wav").write_bytes(wav(data[0].samples))
    for beam in ("0", "8"):
        status, out, _ = run(capsys, "predict", str(place), "one.wav", "--beam", beam)
        model.beam = int(beam)
        (found,) = model.predict("one.wav")
        assert (status, out) == (
            0,
            f"one.wav  {found.probability:6.4f}  {found.text}".rstrip() + "\n",
        )
    status, out, _ = run(capsys, "evaluate", str(place), "spelled.zip", "--beam", "0")
    model.beam = 0
    assert f"CER {100 * model.evaluate('spelled.zip').own['CER']:.2f} %" in out


def test_check_shows_the_way_from_samples_to_tensor(folder, capsys) -> None:
    data = tones(12)
    write_zip("tones.zip", data)
    status, out, _ = run(capsys, "check", "speech", "tones.zip", "--show", "--bands", "20")
    assert status == 0
    first = data[0]
    frames = 1 + len(first.samples) // 80
    assert f"recording {first.name}, 'a'" in out
    assert f"samples   [{len(first.samples):,}], {first.seconds:.2f} s" in out
    assert f"features  [{frames}, 20]: a frame of 32 ms every 10 ms, 20 bands" in out
    longest = max(1 + len(each.samples) // 80 for each in data.select([0, 1, 2]))
    assert f"padded    [3, {longest}, 20], valid frames [{frames}, " in out
    assert f"steps     [recordings, steps, features] = [3, {-(-longest // 2)}, 40]" in out
    assert "ready     to learn from" in out
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("labels", "options", "said"),
    [
        ("aaaaaa", [], "are of one class, 'a'; there is nothing to tell apart"),
        ("ab", ["--test", "x*"], "--test x* fits no"),
        ("ab", ["--test", "1.5"], "--test must be a share below 1"),
        ("ab", ["--labels", "{label}-*"], "no file name follows '{label}-*'"),
        ("ab", ["--target", "word"], "target is 'word'; choose from class, sequence"),
        ("ab", ["--rate", "300"], "is too many"),
    ],
)
def test_bad_input_is_one_line(folder, capsys, labels, options, said) -> None:
    data = tones(18)
    again = tuple(
        type(each)(f"{labels[k % len(labels)]}_p_{k}.wav", each.samples, 8000)
        for k, each in enumerate(data)
    )
    write_zip("x.zip", again)
    given = [] if "--labels" in options else ["--labels", "{label}_{speaker}_{take}"]
    status, _, err = run(capsys, "train", "speech", "x.zip", *SMALL, *given, *options)
    assert status == 2
    assert said in err
    assert err.count("\n") == 1
    assert not Path("runs").exists()


def test_a_source_without_labels_or_sound(folder, capsys) -> None:
    Path("clips").mkdir()
    Path("clips/one.wav").write_bytes(wav(tones(1)[0].samples))
    status, _, err = run(capsys, "train", "speech", "clips")
    assert (status, "clips has no labels to learn" in err) == (2, True)
    status, _, err = run(capsys, "train", "speech", "nowhere.zip")
    assert (status, "there is no folder or file nowhere.zip" in err) == (2, True)


def test_the_demo_makes_its_own_recordings() -> None:
    data = melodies(40)
    assert data.labels == sorted(CLASSES)
    again = melodies(40)
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(data, again, strict=True))
    for each in data:
        assert np.abs(each.samples).max() <= 1
        # The pitch of the strongest line at the start and at the end tells the class.
        first, last = (_pitch(part) for part in np.array_split(each.samples, 4)[::3])
        if each.label == "rising":
            assert last > 1.2 * first
        if each.label == "falling":
            assert first > 1.2 * last
        if each.label == "steady":
            assert last == pytest.approx(first, rel=0.1)


def _pitch(samples):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8192))
    return spectrum.argmax() * 8000 / 8192
