"""Labels of recordings: from patterns of file names, folders and tables."""

import pytest

from data.sounds import TONE, labels, refusal, texts
from unrolled.data import DataError
from unrolled.data.audio import read_audio


class TestLabels:
    FILES = tuple(f"{digit}_{who}_{take}.wav" for digit in "01" for who in "ab" for take in "01")

    def test_pattern(self, make):
        files = {f"clips/{name}": TONE for name in self.FILES}
        data = read_audio(make(files), "{label}_{speaker}_{take}")
        assert data.labels == ["0", "1"]
        assert data.role == "label"
        for recording in data:
            label, who, take = recording.name.removeprefix("clips/")[:-4].split("_")
            assert recording.label == label
            assert recording.groups == {"speaker": who, "take": take}
        half = data.where(lambda r: r.groups["take"] == "0")
        assert (len(half), half.role, half.findings) == (4, "label", data.findings)
        with pytest.raises(DataError, match="no recording of the kind"):
            data.where(lambda r: False)

    def test_auto_finds_the_pattern_and_says_so(self, make):
        data = read_audio(make(dict.fromkeys(self.FILES, TONE)))
        assert texts(data, "found") == ["labels from file names {label}_{speaker}_{take}: 0, 1"]

    @pytest.mark.parametrize(
        "names",
        [
            ("a_b_c.wav", "a_b_d.wav", "e_b_c.wav"),  # takes are no numbers
            ("a_b_1.wav", "a_c_1.wav"),  # one class
            ("a_b_1.wav", "c_d_2.wav"),  # no class twice
            ("a_b_1.wav", "a_b_2.wav", "c_b_1.wav", "other.wav"),
        ],
    )
    def test_auto_does_not_guess(self, make, names):
        data = read_audio(make(dict.fromkeys(names, TONE)))
        assert (data.role, set(labels(data).values())) == ("", {None})
        assert texts(data, "found") == ["no labels"]

    def test_folders(self, make):
        names = ["yes/a_b_1.wav", "yes/a_b_2.wav", "no/a_b_1.wav"]
        for how in ("auto", "folder"):
            data = read_audio(make(dict.fromkeys(names, TONE)), how)
            assert labels(data) == {name: name.split("/")[0] for name in names}
            assert data[0].groups == {}
        data = read_audio(make({**dict.fromkeys(names, TONE), "top.wav": TONE}), "folder")
        assert texts(data, "ignored") == ["left out 1 recording without a label: top.wav"]

    def test_patterns_with_folders(self, make):
        data = read_audio(make({"x/bob/yes-1.wav": TONE}), "{speaker}/{label}-{take}")
        assert data[0].label == "yes"
        assert data[0].groups == {"speaker": "bob", "take": "1"}
        data = read_audio(make({"y/bob/turn on.wav": TONE}, "other"), "*/{transcript}")
        assert (data[0].label, data.role) == ("turn on", "transcript")

    def test_a_field_does_not_hold_its_separator(self, make):
        names = ("turn_on_bob_1.wav", "off_bob_1.wav", "off-now_bob_2.wav")
        data = read_audio(make(dict.fromkeys(names, TONE)), "{label}_{speaker}_{take}")
        assert labels(data) == {"off-now_bob_2.wav": "off-now", "off_bob_1.wav": "off"}
        expected = ["left out 1 recording without a label: turn_on_bob_1.wav"]
        assert texts(data, "ignored") == expected

    @pytest.mark.parametrize(
        ("pattern", "words"),
        [
            ("{speaker}_{take}", "needs one field {label} or {transcript}"),
            ("{label}_{transcript}", "needs one field"),
            ("{label}_{a}_{a}", "no field twice"),
            ("{label}{take}", "without a separator"),
            ("{label}_{}", "a brace that is no field"),
            ("{label}_{two words}", "a brace that is no field"),
            ("{label}-{take}", "no file name follows '{label}-{take}'; the first is '0_a_0.wav'"),
            ("folders", "there is no file folders; did you mean 'folder'?"),
            ("folder", "no recording lies in a sub-folder"),
        ],
    )
    def test_patterns_that_cannot_be(self, make, pattern, words):
        assert words in refusal(make(dict.fromkeys(self.FILES, TONE)), pattern)


class TestTables:
    def test_inside_and_outside(self, make, tmp_path):
        table = "\ufefffile;label;who\r\nclips/a.wav;yes;bob\r\nb;no;\r\n"
        files = {"clips/a.wav": TONE, "clips/b.wav": TONE, "clips/c.wav": TONE}
        outside = tmp_path / "labels.csv"
        outside.write_text(table, newline="")
        for data in (
            read_audio(make({**files, "meta.csv": table}, "one")),
            read_audio(make({**files, "meta.csv": table}, "two"), "meta.csv"),
            read_audio(make(files, "three"), outside),
        ):
            assert labels(data) == {"clips/a.wav": "yes", "clips/b.wav": "no"}
            assert data[0].groups == {"who": "bob"}
            expected = "left out 1 recording without a label: clips/c.wav"
            assert expected in texts(data, "ignored")

    def test_transcripts(self, make):
        table = 'path\tsentence\na.wav\t"Well, ""hello"""\nb.wav\tfive six\n'
        data = read_audio(make({"a.wav": TONE, "b.wav": TONE, "t.tsv": table}))
        assert data.role == "transcript"
        assert labels(data) == {"a.wav": 'Well, "hello"', "b.wav": "five six"}

    def test_rows_without_recording_or_label(self, make):
        table = "file,label\na.wav,x\nb.wav,\nz.wav,y\n"
        data = read_audio(make({"a.wav": TONE, "b.wav": TONE, "t.csv": table}))
        assert labels(data) == {"a.wav": "x"}
        assert texts(data, "warning") == ["rows of t.csv with no recording: 1 (z.wav)"]
        assert texts(data, "ignored")[-2:] == [
            "rows of t.csv with no label: 1 (b.wav)",
            "left out 1 recording without a label: b.wav",
        ]

    def test_a_name_in_two_folders_is_not_enough(self, make):
        files = {"u/a.wav": TONE, "v/a.wav": TONE, "v/b.wav": TONE}
        table = "file,label\na.wav,x\nu/a.wav,y\nb.wav,z\n"
        data = read_audio(make({**files, "t.csv": table}))
        assert labels(data) == {"u/a.wav": "y", "v/b.wav": "z"}
        assert texts(data, "warning") == ["rows of t.csv with no recording: 1 (a.wav)"]

    @pytest.mark.parametrize(
        ("table", "words"),
        [
            ("file,label\na.wav,x\na,y\n", "a has two labels, 'x' and 'y'; keep one row"),
            ("file,label\na.wav,x,y\n", "line 2: more values than columns"),
            (b"file,label\na.wav,\xe9\n", "line 2: the text is not UTF-8"),
            ("name,label\na.wav,x\n", "needs columns file and label (or transcript); it has name"),
            ("file,label\n", "it has no rows"),
            ("", "it has no rows"),
            ("file,label\nz.wav,x\n", "t.csv names none of the recordings"),
        ],
    )
    def test_tables_that_cannot_be(self, make, table, words):
        assert words in refusal(make({"a.wav": TONE, "t.csv": table}), "t.csv")

    def test_several_tables(self, make):
        table = "file,label\na.wav,x\n"
        message = refusal(make({"a.wav": TONE, "t.csv": table, "u.csv": table}))
        assert "several tables hold labels: t.csv, u.csv; give labels='t.csv'" in message
        # A table of something else is none.
        data = read_audio(make({"a.wav": TONE, "t.csv": table, "u.csv": "x\n1\n"}))
        assert labels(data) == {"a.wav": "x"}
