"""Text files of every encoding: read whole, or refused in one line."""

import gzip
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.data import DataError
from unrolled.data.text import Text, read_text

VERSE = "Où sont les neiges d’antan?\n“Δεν ξέρω”, 3 €\n"  # noqa: RUF001
WESTERN = "Où sont les neiges d’antan?\n“Ça”, 3 €\n"  # noqa: RUF001
# The five bytes that Windows leaves open; the WHATWG standard makes them control characters.
OPEN = [0x81, 0x8D, 0x8F, 0x90, 0x9D]


@pytest.fixture
def write(tmp_path):
    def _write(content, name="verse.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write


def expect_refusal(source, *words, encoding=None):
    with pytest.raises(DataError) as error:
        read_text(source, encoding)
    message = str(error.value)
    assert "\n" not in message
    assert [word for word in words if word not in message] == [], message


def told(text):
    return [(finding.kind, finding.count) for finding in text.findings]


def test_plain_file(write):
    text = read_text(write(VERSE))
    assert text == Text((VERSE,), "verse", ())
    assert read_text(str(write(VERSE))) == text
    assert read_text(text) is text


@pytest.mark.parametrize(
    ("codec", "mark"),
    [
        ("utf-8", b"\xef\xbb\xbf"),
        ("utf-16-le", b"\xff\xfe"),
        ("utf-16-be", b"\xfe\xff"),
        ("utf-32-le", b"\xff\xfe\x00\x00"),
        ("utf-32-be", b"\x00\x00\xfe\xff"),
    ],
)
def test_byte_order_marks(write, codec, mark):
    path = write(mark + VERSE.encode(codec))
    for encoding in (None, codec):
        text = read_text(path, encoding)
        assert text.documents == (VERSE,)
        assert told(text) == [("found", 0)]
        assert (encoding or codec[:6].rstrip("-")) in text.findings[0].text


def test_encoding_that_contradicts_the_mark_is_obeyed(write):
    text = read_text(write(b"\xef\xbb\xbfa"), "cp1252")
    # UTF-8's mark read as windows-1252 by hand.
    assert text == Text(("ï»¿a",), "verse", ())


@pytest.mark.parametrize(
    ("codec", "content"),
    [("cp1251", "Привет"), ("shift_jis", "こんにちは"), ("latin-1", "Ça"), ("utf-16-le", "Ça")],
)
def test_encoding_given(write, codec, content):
    assert read_text(write(content.encode(codec)), codec) == Text((content,), "verse", ())


def test_windows_1252_is_guessed_and_said(write):
    text = read_text(write(WESTERN.encode("cp1252")))
    assert text.documents == (WESTERN,)
    # ù ’ “ Ç ” €, one byte each.  # noqa: RUF003
    assert told(text) == [("warning", 6)]
    assert "the first 0xF9 in line 1 of verse.txt" in text.findings[0].text
    assert "name the encoding" in text.summary()


def test_open_bytes_keep_a_character(write):
    text = read_text(write(b"a" + bytes(OPEN)))
    assert text.documents == ("a" + "".join(map(chr, OPEN)),)
    assert told(text) == [("warning", 5)]


def test_a_damaged_byte_leaves_the_rest_of_utf8_whole(write):
    damaged = b"line\r\n" + VERSE.encode() + b"caf\xe9\n"
    text = read_text(write(damaged))
    assert text.documents == ("line\n" + VERSE + "café\n",)
    assert told(text) == [("warning", 1), ("repaired", 1)]
    assert "0xE9 in line 4" in text.findings[0].text


# Pieces whose bytes come to lie side by side in every way, whole and cut.
PIECES = [b"a", b"\r", b"\n", b"\xe9", b"\xe2\x82", b"\x81", *(c.encode() for c in "é€😀")]


def read_by_hand(data):
    """Characters one after the other, and how many bytes are no UTF-8."""
    characters, foreign = "", 0
    while data:
        for size in (1, 2, 3, 4):
            try:
                character = data[:size].decode()
                break
            except UnicodeDecodeError:
                continue
        else:
            size, foreign = 1, foreign + 1
            character = data[:1].decode("latin-1" if data[0] in OPEN else "cp1252")
        characters, data = characters + character, data[size:]
    return characters, foreign


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=2), min_size=1).map(b"".join))
@settings(deadline=None)
def test_no_byte_is_lost(tmp_path_factory, data):
    data = b"x" + data.replace(b"\0", b"")
    path = tmp_path_factory.getbasetemp() / "bytes.txt"
    path.write_bytes(data)
    text = read_text(path)
    characters, foreign = read_by_hand(data)
    assert text.documents == ("\n".join(re.split("\r\n|\r|\n", characters)),)
    assert sum(f.count for f in text.findings if f.kind == "warning") == foreign


def test_line_ends(write):
    text = read_text(write(b"a\r\nb\rc\nd\r\r\n"))
    assert text.documents == ("a\nb\nc\nd\n\n",)
    assert told(text) == [("repaired", 4)]
    assert Text.of("a\r\nb").documents == ("a\nb",)


def test_gzip(write):
    text = read_text(write(gzip.compress(VERSE.encode(), mtime=0), "verse.txt.gz"))
    assert text == Text((VERSE,), "verse", ())
    expect_refusal(write(b"not gzip", "a.txt.gz"), "a.txt.gz cannot be read", "gzip")
    whole = gzip.compress(VERSE.encode(), mtime=0)
    expect_refusal(write(whole[:30], "a.txt.gz"), "a.txt.gz cannot be read")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["verse.txt: empty"]),
        (b" \r\n\t\n", ["verse.txt: empty"]),
        (b"\xef\xbb\xbf", ["verse.txt: empty"]),
        (b"ab\0cd", ["not a text file", "UTF-8"]),
        ("Ça".encode("utf-16-le"), ["not a text file", "utf-16-le"]),
        (b"PK\x03\x04rest", ["not a text file"]),
        (b"%PDF-1.7 rest", ["not a text file"]),
        (b"\xff\xfea\0b", ["not utf-16 throughout", "truncated", "at byte 4"]),
        (b"\xff\xfea\0\0\0", ["NUL at 1"]),
    ],
)
def test_refusals(write, content, words):
    expect_refusal(write(content), *words)


def test_refused_encodings(write):
    path = write("ab é".encode("latin-1"))
    expect_refusal(path, "not utf-8 throughout", "at byte 3", encoding="utf-8")
    expect_refusal(path, "encoding='utf-9' is not known", "cp1252", encoding="utf-9")
    # A codec from bytes to bytes.
    expect_refusal(path, "encoding='hex' is not known", encoding="hex")
    with pytest.raises(ValueError, match="encoding='utf-8' is for files"):
        read_text(Text.of("a"), "utf-8")


def test_missing_files(write, tmp_path):
    write(VERSE)
    expect_refusal(tmp_path / "verses.txt", "there is no file", "did you mean 'verse.txt'")
    expect_refusal(tmp_path / "nowhere" / "x.txt", "there is no file")
    for text in ("To be\nor not to be", "x" * 5000, "a\0b"):
        expect_refusal(text, "there is no file", "Text.of(text)")
    expect_refusal([], "names no file")
    cases: list[Any] = [5, b"bytes", [5], None]
    for wrong in cases:
        with pytest.raises(TypeError, match="source must be the path"):
            read_text(wrong)


def test_folder(write, tmp_path):
    write("second", "books/b.txt")
    write("first\r\n", "books/A.TXT")
    write(gzip.compress(b"third"), "books/c.txt.gz")
    write(" \n", "books/d.txt")
    write("x", "books/notes.md")
    (tmp_path / "books" / "more.txt").mkdir()
    text = read_text(tmp_path / "books")
    assert text.documents == ("first\n", "second", "third")
    assert text.name == "books"
    assert told(text) == [("ignored", 2), ("ignored", 1), ("repaired", 1)]
    assert "more.txt, notes.md" in text.findings[0].text
    (tmp_path / "none").mkdir()
    expect_refusal(tmp_path / "none", "no .txt file", "it is empty")
    write("x", "none/notes.md")
    expect_refusal(tmp_path / "none", "no .txt file", "notes.md")


def test_several_files(write):
    paths = [write(WESTERN.encode("cp1252"), f"{name}.txt") for name in "ba"]
    text = read_text(paths)
    assert text.documents == (WESTERN, WESTERN)
    assert text.name == "b and 1 more"
    assert told(text) == [("warning", 12)]
    assert "of b.txt" in text.findings[0].text
    expect_refusal([paths[0], paths[1].with_name("c.txt")], "there is no file", "c.txt")


def test_strings():
    text = Text.of(["a\n", "", "b"], name="notes")
    assert text.documents == ("a\n", "b")
    assert told(text) == [("ignored", 1)]
    with pytest.raises(DataError, match=r"notes 2 holds the character NUL at 1"):
        Text.of(["a", "b\0"], name="notes")
    with pytest.raises(DataError, match=r"U\+D83D at 1, half a surrogate pair"):
        Text.of("a\ud83d")
    for empty in ("", " \n", [], [""]):
        with pytest.raises(DataError, match="empty"):
            Text.of(empty)
    paths: Any = [Path("a.txt")]
    with pytest.raises(TypeError, match="must be strings"):
        Text.of(paths)
    bare: Any = "abc"
    with pytest.raises(TypeError, match=r"Text\.of"):
        Text(bare)


@given(st.text(min_size=3).filter(str.strip), st.floats(0.35, 0.95))
@settings(deadline=None)
def test_one_document_is_cut_by_position(content, share):
    text = Text((content,))
    lead, trail = text.split(share)
    assert lead.documents[0] + trail.documents[0] == content
    assert lead.characters <= share * len(content) < lead.characters + 1
    assert trail.characters


@pytest.mark.parametrize(
    ("share", "whole", "reached"),
    [(0.5, 1, "40.0%"), (0.6, 2, "60.0%"), (0.99, 3, "80.0%"), (0.01, 1, "40.0%")],
)
def test_documents_stay_whole(share, whole, reached):
    documents = ("aaaa", "bb", "cc", "dd")
    lead, trail = Text(documents).split(share)
    assert (lead.documents, trail.documents) == (documents[:whole], documents[whole:])
    assert lead.findings == trail.findings
    assert f"after {whole} of 4 documents, at {reached}" in lead.findings[0].text


def test_refused_splits():
    for share in (0, 1, -0.1, 90):
        with pytest.raises(ValueError, match="between 0 and 1"):
            Text.of("abc").split(share)
    with pytest.raises(DataError, match="too few"):
        Text.of("a").split(0.9)


def test_summary():
    assert Text.of("ab\nc", "x").summary() == (
        "x  4 characters, 2 lines, 4 distinct characters; nothing to repair"
    )
    text = Text.of(["ab\r\n", "b"], "x")
    assert repr(text) == (
        "Text(x  2 documents, 4 characters, 2 lines, 3 distinct characters; "
        "line ends \\r\\n or \\r made \\n: 1)"
    )


def test_tiny_shakespeare():
    path = Path(os.environ.get("UNROLLED_DATA", "-")) / "tinyshakespeare" / "input.txt"
    if not path.exists():
        pytest.skip("UNROLLED_DATA names no folder with tinyshakespeare/input.txt")
    text = read_text(path)
    assert "1,115,394 characters, 40,000 lines, 65 distinct" in text.summary()
    # The parts of nanoGPT's prepare.py, as it prints them.
    assert [part.characters for part in text.split(0.9)] == [1_003_854, 111_540]
