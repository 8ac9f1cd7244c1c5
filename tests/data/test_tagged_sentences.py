"""Tagged sentences as a collection: folders, encodings, plain text, parts, and in memory."""

import json

import pytest

from unrolled.data import DataError
from unrolled.data.tagged import read_tagged, sentences_of

SNIPS = {
    "GetWeather": [{"data": [{"text": "in "}, {"text": "New York", "entity": "city"}]}],
    "RateBook": [{"data": [{"text": "five stars", "entity": "rating"}]}],
}


@pytest.fixture
def written(tmp_path):
    def write(content, name="file.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def _texts(data, kind=None):
    return [f.text for f in data.findings if kind in (None, f.kind)]


def _count(data, text):
    (count,) = [f.count for f in data.findings if text in f.text]
    return count


def test_a_folder_is_read_by_the_names_of_its_files(written, tmp_path) -> None:
    folder = tmp_path / "slots"
    folder.mkdir()
    written("a X\n\nb Y\n", "slots/train.txt")
    written(json.dumps(SNIPS), "slots/more.json")
    written("# no sentences", "slots/README.md")
    data = read_tagged(folder)
    assert (len(data), data.name) == (4, "slots")
    assert data.words[2:] == (("a",), ("b",))
    assert data.names[1:3] == ("more.json, sentence 2", "train.txt, sentence 1")
    assert data[3].name == "train.txt, sentence 2"
    assert _count(data, "skipped 1 file of slots") == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds no file that ends in \.conllu, "):
        read_tagged(tmp_path / "empty")


def test_further_files_are_read_in_the_same_way(written) -> None:
    first = read_tagged(written("X a\n", "a.txt"), word=1, tag=0, encoding="latin-1")
    again = json.loads(json.dumps(first.reading))
    other = read_tagged(written("Y é\n".encode("latin-1"), "b.txt"), **again)
    assert (other.words, other.tags) == ((("é",),), (("Y",),))
    assert _texts(other, "repaired") == []


def test_the_encoding_that_is_given(written) -> None:
    path = written("łódź N\n".encode("latin2"))
    assert read_tagged(path, encoding="latin2").words == (("łódź",),)
    # By itself it would be read as cp1252.
    assert _count(read_tagged(path), "3 bytes not in UTF-8") == 3
    wide = written("łódź N\n".encode("utf-16"), "wide.txt")
    assert read_tagged(wide, encoding="utf-16").words == (("łódź",),)
    with pytest.raises(DataError, match="no encoding is called 'latin-99'"):
        read_tagged(path, encoding="latin-99")
    with pytest.raises(DataError, match="is not text in utf-8"):
        read_tagged(path, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Show me flights, please!\n\nNow.\n", (("Show", "me", "flights", ",", "please", "!"),)),
        ("show\nme\n\nflights\n", (("show", "me"), ("flights",))),
        ("one word\ntwo words\n", (("one", "word"), ("two", "words"))),
        ("a X\nb Y\nc X\nd Y\ne Y\n", (("a", "b", "c", "d", "e"),)),
        ("New York\tX\nsleeps\tY\n", (("New York", "sleeps"),)),
        ("1\tThe\tthe\tD\t_\t_\t_\t_\t_\t_\n", (("The",),)),
    ],
)
def test_words_to_be_tagged_are_lines_or_columns(written, text, words) -> None:
    data = read_tagged(written(text), tagged=False)
    assert data.words[: len(words)] == words
    assert not data.tagged
    assert data.tags == ((),) * len(data)


def test_plain_text_is_said_and_asked_for(written) -> None:
    path = written("a\nb\n")
    data = read_tagged(path, format="text", tagged=False)
    assert data.words == (("a",), ("b",))
    assert "2 lines, a sentence each, cut into words" in _texts(data, "found")
    with pytest.raises(DataError, match="is text without tags; tagged=False reads"):
        read_tagged(path, format="text")


def test_sentences_are_split_and_selected_with_all_that_belongs_to_them() -> None:
    words = [[f"w{k}"] for k in range(20)]
    data = sentences_of(words, [["X"], ["Y"]] * 10)
    rest, part = data.split(0.25, seed=1)
    assert (len(rest), len(part)) == (15, 5)
    assert sorted([*rest.words, *part.words]) == sorted(data.words)
    # In the order of the source, and the same each time.
    assert list(part.words) == [w for w in data.words if w in set(part.words)]
    assert data.split(0.25, seed=1)[1].words == part.words
    assert data.split(0.25, seed=2)[1].words != part.words
    for sentence in part:
        number = int(sentence.words[0][1:])
        assert sentence.tags == ("XY"[number % 2],)
    with pytest.raises(DataError, match="of the 20 sentences of sentences leaves one part empty"):
        data.split(0.01)
    with pytest.raises(ValueError, match="share must lie between 0 and 1"):
        data.split(1.0)


def test_labels_and_names_are_selected_too(written) -> None:
    data = read_tagged(written(json.dumps(SNIPS), "a.json")).select([1])
    assert (data.labels, data.names) == (("RateBook",), ("a.json, sentence 2",))


def test_sentences_in_memory() -> None:
    data = sentences_of([["a", 1], ["b"]], [["X", "Y"], ["Z"]])
    assert (data.words, data.tags) == ((("a", "1"), ("b",)), (("X", "Y"), ("Z",)))
    assert sentences_of(["It's here."]).words == (("It's", "here", "."),)
    assert data[1].name == "sentence 2"
    for words, tags, message in (
        ("a text", None, "must be a list of sentences, got 'a text'"),
        ([], None, "must be a list of sentences"),
        ([["a"], []], None, "sentence 2 of sentences has no words"),
        ([["a", ""]], None, "sentence 1 of sentences has no words, or an empty one"),
        ([["a"], ["b"]], [["X"]], "got 1 for 2 sentences"),
        (["a b"], [["X", "Y"]], "tags must be a list for each list of words"),
        ([["a", "b"]], [["X"]], "sentence 1 of sentences has 2 words but 1 tag"),
    ):
        with pytest.raises(DataError, match=message):
            sentences_of(words, tags)


def test_what_is_alike_in_several_files_is_told_once(written) -> None:
    paths = [written(json.dumps(SNIPS), f"{k}.json") for k in range(3)]
    paths.append(written("a X\n", "columns.txt"))
    data = read_tagged(paths)
    assert _texts(data) == [
        "0.json: 2 intents with 2 slots, tagged B- and I-; 2 more files alike",
        "columns.txt: 2 columns: words in column 0, tags in column 1",
        "labels left out: 1 sentence without one",
    ]
    cut = {"A": [{"data": [{"text": "x", "entity": "e"}, {"text": "!" * k}]} for k in (1, 1)]}
    again = read_tagged([written(json.dumps(cut), "a.json"), written(json.dumps(SNIPS), "b.json")])
    assert _count(again, "a.json: 2 words cut") == 2
    both = read_tagged([written(json.dumps(cut), name) for name in ("a.json", "b.json")])
    assert (
        _count(both, "a.json: 2 words cut where a slot begins or ends; 1 more file alike, 4") == 4
    )
