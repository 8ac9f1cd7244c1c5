"""Collections of sequences with classes: every form of source, counted and read by hand."""

import gzip
import unicodedata
from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.data.errors import DataError
from unrolled.data.samples import Sample, Samples, read_samples, samples_of, without_accents

SPAM = """ham\tGo until jurong point, crazy.. "Available only
spam\t"Free entry" in 2 a wkly comp; text FA to 87121
ham\tU dun say so early hor... U c already then say...
ham\tNah I don't think he goes to usf, he lives around here
spam\tFreeMsg Hey there darling it's been 3 week's now
"""


def _file(folder, name, content):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _labels(samples):
    return [sample.label for sample in samples]


def _said(samples, words):
    """The counts of the findings that hold these words."""
    return [finding.count for finding in samples.findings if words in finding.text]


def _frame(**columns):
    return pl.DataFrame(columns)


def _texts(count):
    return [f"text number {k} is one that is long enough" for k in range(count)]


@pytest.mark.parametrize("head", ["", "Label\tSMS\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_label_tab_text(tmp_path, head, end, bom) -> None:
    content = bom + (head + SPAM).replace("\n", end).encode()
    samples = read_samples(_file(tmp_path, "SMSSpamCollection", content))
    assert _labels(samples) == ["ham", "spam", "ham", "ham", "spam"]
    assert [s.values for s in samples] == [line.split("\t")[1] for line in SPAM.splitlines()]
    assert samples.classes == ("ham", "spam")
    assert samples.targets.tolist() == [0, 1, 0, 0, 1]
    assert samples.counts == {"ham": 3, "spam": 2}
    assert samples.lengths.tolist() == [len(s.values) for s in samples]
    assert samples[1].name == "row 2"
    # One text begins with a quotation mark, which the tabs make a character.
    assert any(f.text.startswith("1 cells begin with a quotation mark") for f in samples.findings)
    assert any("the first line names them" in f.text for f in samples.findings) == bool(head)


def test_quotes_hold_cells_of_a_csv_together(tmp_path) -> None:
    content = 'text,label\n"Hello, ""you"" there, my dear friend",a\n"two\nlines of one text",b\n'
    content += "plain text without a mark at all,a\n"
    samples = read_samples(_file(tmp_path, "t.csv", content))
    assert samples[0].values == 'Hello, "you" there, my dear friend'
    assert samples[1].values == "two\nlines of one text"
    packed = read_samples(_file(tmp_path, "t.csv.gz", gzip.compress(content.encode())))
    assert [s.values for s in packed] == [s.values for s in samples]


def test_tabs_part_columns_before_commas_do(tmp_path) -> None:
    content = "a\tone, two, three, four\nb\tfive\na\tsix, seven\n"
    samples = read_samples(_file(tmp_path, "t.txt", content), text="column_2", label="column_1")
    assert [s.values for s in samples] == ["one, two, three, four", "five", "six, seven"]


def test_quotes_can_be_asked_for(tmp_path) -> None:
    path = _file(tmp_path, "t.tsv", 'a\t"one\ttwo"\nb\t"three"\na\t"four"\n')
    samples = read_samples(path, quotes=True, header=False, text="column_2", label="column_1")
    assert [s.values for s in samples] == ["one\ttwo", "three", "four"]


def test_empty_lines_and_very_long_ones(tmp_path) -> None:
    long = "word " * 100_000
    content = f"\n\na\tone text\n\n  \nb\t{long}\na\t   \n\tno label\n\n\n"
    samples = read_samples(_file(tmp_path, "t.tsv", content), text="column_2", label="column_1")
    assert [(s.label, s.name) for s in samples] == [("a", "row 1"), ("b", "row 4")]
    assert samples.lengths.tolist() == [8, len(long)]
    assert _said(samples, "empty samples") == [3]
    assert _said(samples, "without a class") == [1]


@pytest.mark.parametrize(
    ("encoding", "words"),
    [("utf-8", None), ("utf-8-sig", None), ("utf-16", "UTF-16"), ("cp1252", "Windows-1252")],
)
def test_encodings(tmp_path, encoding, words) -> None:
    content = "label,text\na,Übergröße - naïve café déjà vu €5\nb,plain letters and no more\n"
    samples = read_samples(_file(tmp_path, "t.csv", content.encode(encoding)), text="text")
    assert samples[0].values == "Übergröße - naïve café déjà vu €5"
    assert any("Windows-1252" in f.text or "UTF-16" in f.text for f in samples.findings) == (
        words is not None
    )
    assert words is None or any(words in f.text for f in samples.findings)


def test_control_characters_end_no_line(tmp_path) -> None:
    # str.splitlines parts lines at each of these.
    text = "one\x0btwo\x0cthree\x1cfour\x85five\u2028six"
    (tmp_path / "x.txt").write_text(f"{text}\nseven\n", encoding="utf-8")
    (tmp_path / "y.txt").write_text("eight\n", encoding="utf-8")
    assert [s.values for s in read_samples(tmp_path)] == [text, "seven", "eight"]


def test_columns_are_found(tmp_path) -> None:
    data = _frame(id=range(6), body=_texts(6), kind=list("aabbab"), when=["2020-01-01"] * 6)
    samples = read_samples(data)
    assert [s.values for s in samples] == _texts(6)
    assert _labels(samples) == list("aabbab")
    assert samples.reading["text"] == "body"
    assert samples.reading["label"] == "kind"
    assert _said(samples, "neither the text nor the label") == [2]
    path = tmp_path / "t.parquet"
    data.write_parquet(path)
    assert _labels(read_samples(path)) == list("aabbab")
    assert _labels(read_samples(data.to_pandas())) == list("aabbab")


def test_a_lone_column_without_classes(tmp_path) -> None:
    path = _file(tmp_path, "new.csv", 'SMS\n"one, two"\nthree\n')
    samples = read_samples(path, text="SMS", header=True, labelled=False)
    assert [s.values for s in samples] == ["one, two", "three"]


def test_texts_in_memory() -> None:
    samples = samples_of(["one", "", "two", "one"], [1, 0, 0, 1])
    assert [(s.values, s.label, s.name) for s in samples] == [
        ("one", "1", "0"),
        ("two", "0", "2"),
        ("one", "1", "3"),
    ]
    assert _said(samples, "empty samples") == [1]
    assert _said(samples, "equal an earlier one") == [1]
    assert samples_of(["one"]).classes == ()
    with pytest.raises(DataError, match="2 values and 1 labels"):
        samples_of(["one", "two"], [1])
    with pytest.raises(DataError, match="must all be texts, or arrays"):
        samples_of(["one", [1.0]])
    with pytest.raises(DataError, match=r"value 0 must be a text or numbers .* got dict"):
        samples_of([{}])


def test_many_odd_files_are_said_once(tmp_path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(3):
            _file(tmp_path / label, f"{number}.txt", f"{label}{number} é".encode("cp1252"))
    samples = read_samples(tmp_path)
    assert [s.values for s in samples][:2] == ["a0 é", "a1 é"]
    assert _said(samples, "findings about the text of files") == [6]


def test_numbers_can_be_labels() -> None:
    assert read_samples(_frame(text=_texts(4), stars=[1, 5, 1, 5])).classes == ("1", "5")


@pytest.mark.parametrize(
    ("columns", "arguments", "message"),
    [
        (
            {"one": _texts(4), "two": _texts(4)[::-1], "label": list("abab")},
            {},
            r"several columns could be the text \(one, two\); choose one, text=",
        ),
        (
            {"text": _texts(4), "p": list("abab"), "q": list("aabb")},
            {},
            r"several columns could be the label \(p, q\)",
        ),
        ({"text": _texts(5), "p": list("abcde")}, {}, r"no column of .* has few different values"),
        ({"text": _texts(4), "label": ["a"] * 4}, {}, r"all 4 samples are of one class, 'a'"),
        ({"text": _texts(2), "label": ["a", "b"]}, {"text": "txt"}, r"text: .* mean 'text'"),
        ({"text": ["", " "], "label": ["a", "b"]}, {"text": "text"}, r"no sample with content"),
        ({"text": _texts(2), "label": ["a", "z"]}, {"classes": ("a", "b")}, r"classes z; drop"),
        ({"a": [1.5, 2.5], "b": [3.5, 4.5]}, {}, r"no column looks like a label"),
        (
            {"a": [1.5, 2.0], "b": [3.0, 4.5], "c": [1.0, 2.5], "label": ["x", "y"]},
            {"columns_per_step": 2},
            r"columns_per_step is 2, but there are 3 columns of numbers \(a, b, c\)",
        ),
        (
            {"id": [1, 1], "t": [3, 3], "x": [0.5, 1.0], "label": ["a", "a"]},
            {"sample": "id"},
            r"sample 1 has two rows of one t, the second in row 2",
        ),
        (
            {"id": [1, 1], "t": [3, 4], "x": [0.5, 1.0], "label": ["a", "b"]},
            {"sample": "id"},
            r"sample 1 has several values of 'label' \(a, b\)",
        ),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(columns, arguments, message) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_samples(_frame(**columns), **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"one\ntwo\n", "has one column"),
        (b"a,b\nx,1\ny,2,3\n", r"line 3: 3 cells for 2 columns"),
        (b"\x00\x01\x02", "not a text file"),
        (b'a,"b\nx,1\ny,2\n', r"not closed; quotes=False"),
        (b"a,a\nx,y\n", "two columns named 'a'"),
    ],
)
def test_files_that_are_no_tables(tmp_path, content, message) -> None:
    header = True if b"a,a" in content else None
    with pytest.raises(DataError, match=message):
        read_samples(_file(tmp_path, "t.csv", content), header=header)


def test_a_missing_file_is_told_from_one_beside_it(tmp_path) -> None:
    _file(tmp_path, "spam.tsv", SPAM)
    with pytest.raises(DataError, match=r"did you mean 'spam.tsv'"):
        read_samples(tmp_path / "spam.tvs")


def _surnames(folder):
    _file(folder, "French.txt", "Abel\nBéringer\n\nAbel\n")
    _file(folder, "Irish.txt", "Ó Briain\nAbel\n")
    _file(folder, ".hidden", "no\n")
    _file(folder, "README.md", "# Names\n")
    return folder


def test_a_file_a_class(tmp_path) -> None:
    samples = read_samples(_surnames(tmp_path))
    assert [(s.values, s.label, s.name) for s in samples] == [
        ("Abel", "French", "French.txt, line 1"),
        ("Béringer", "French", "French.txt, line 2"),
        ("Abel", "French", "French.txt, line 4"),
        ("Ó Briain", "Irish", "Irish.txt, line 1"),
        ("Abel", "Irish", "Irish.txt, line 2"),
    ]
    assert _said(samples, "empty samples") == [1]
    assert _said(samples, "equal an earlier one") == [1]
    assert _said(samples, "several classes") == [1]
    assert _said(samples, "do not end in .txt (README.md)") == [1]


def test_unique_and_without_accents(tmp_path) -> None:
    samples = read_samples(_surnames(tmp_path), unique=True, accents=False)
    found = [(s.values, s.label) for s in samples]
    assert found == [
        ("Abel", "French"),
        ("Beringer", "French"),
        ("O Briain", "Irish"),
        ("Abel", "Irish"),
    ]
    assert _said(samples, "equal an earlier one, dropped") == [1]
    assert _said(samples, "accents") == [2]


@given(st.text())
def test_no_mark_is_left_and_no_letter_lost(text) -> None:
    plain = without_accents(text)
    assert not any(unicodedata.category(c) == "Mn" for c in unicodedata.normalize("NFD", plain))
    assert without_accents(plain) == plain
    assert plain == text or not unicodedata.normalize("NFD", text).isascii()


def test_a_folder_a_class(tmp_path) -> None:
    for label, texts in {"neg": ["bad\nfilm"], "pos": ["good", "fine"]}.items():
        (tmp_path / label).mkdir()
        for number, text in enumerate(texts):
            _file(tmp_path / label, f"{number}.txt", text)
    _file(tmp_path, "notes.txt", "not a class")
    samples = read_samples(tmp_path)
    assert [(s.values, s.label, s.name) for s in samples] == [
        ("bad\nfilm", "neg", "neg/0.txt"),
        ("good", "pos", "pos/0.txt"),
        ("fine", "pos", "pos/1.txt"),
    ]
    assert _said(samples, "beside the folders") == [1]


def test_lines_without_classes(tmp_path) -> None:
    samples = read_samples(_file(tmp_path, "new.txt", "one, two\n\nthree\n"), labelled=False)
    assert [(s.values, s.label, s.name) for s in samples] == [
        ("one, two", "", "line 1"),
        ("three", "", "line 3"),
    ]
    assert read_samples(_surnames(tmp_path), labelled=False)[0].label == ""


def test_an_empty_folder(tmp_path) -> None:
    with pytest.raises(DataError, match="holds no files"):
        read_samples(tmp_path)


def _made(labels):
    samples = tuple(Sample(f"text {k}", label, f"row {k}") for k, label in enumerate(labels))
    return Samples(samples, tuple(sorted(set(labels))), "made")


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from("abcd"), min_size=4, max_size=60),
    st.floats(0.1, 0.6),
    st.integers(0, 9),
    st.booleans(),
)
def test_every_sample_is_on_one_side(labels, share, seed, stratified) -> None:
    samples = _made(labels)
    try:
        first, second = samples.split(share, seed, stratified)
    except DataError:
        # So few samples of each class that none can be given away, or a share of less than one.
        assert max(Counter(labels).values()) == 1 or len(labels) * share < 4
        return
    names = sorted([s.name for s in (*first, *second)])
    assert names == sorted(s.name for s in samples)
    assert first.classes == second.classes == samples.classes
    if not stratified:
        assert len(second) == round(share * len(labels))
        return
    for label, count in samples.counts.items():
        # The total is rounded, and so is each class: less than 1 for it, at most 1/2 for that.
        assert abs(second.counts[label] - share * count) < 1.5
        assert first.counts[label] >= 1
    assert samples.split(share, seed)[1].lengths.tolist() == second.lengths.tolist()


def test_a_stratified_split_by_hand() -> None:
    samples = _made("a" * 10 + "b" * 20 + "c" * 70)
    first, second = samples.split(0.2, seed=1)
    assert second.counts == {"a": 2, "b": 4, "c": 14}
    assert [s.name for s in second] == [s.name for s in samples.split(0.2, seed=1)[1]]
    assert [s.name for s in second] != [s.name for s in samples.split(0.2, seed=2)[1]]
    assert len(first) == 80
    with pytest.raises(ValueError, match="share must lie between 0 and 1"):
        samples.split(1.2)
    with pytest.raises(DataError, match="leaves one part empty"):
        samples.split(0.001)


def test_the_summary_and_the_warning_of_small_classes(tmp_path) -> None:
    content = "".join(f"many\ta text that is number {k:02}\n" for k in range(30))
    samples = read_samples(_file(tmp_path, "t.tsv", content + "few\tshort\nfew\tshorter\n"))
    assert samples.summary() == (
        "t.tsv: 32 samples of 5 to 24 (median 24) characters; 2 classes: many 30, few 2"
    )
    assert _said(samples, "less than a tenth of the samples of 'many' (30)") == [1]
