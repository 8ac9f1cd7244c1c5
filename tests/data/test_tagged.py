"""Sentences out of files as people have them: what is read, left out, guessed and refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data import DataError
from unrolled.data.tagged import read_tagged

CONLL_2003 = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O
German JJ B-NP B-MISC

# # I-NP O
Peter NNP B-NP B-PER
"""
# Three sentences of the CoNLL-U documentation, shortened: a range, an empty node, an emoji.
CONLLU = """# newdoc
# sent_id = 1
# text = Vámonos al mar
1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tVamos\tir\tVERB\tV\tNumber=Plur|Person=1\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\tP\tNumber=Plur\t1\tobj\t_\t_
3-4\tal\t_\t_\t_\t_\t_\t_\t_\t_
3\ta\ta\tADP\tA\t_\t5\tcase\t_\t_
4\tel\tel\tDET\tD\tNumber=Sing\t5\tdet\t_\t_
5\tmar\tmar\tNOUN\tN\tNumber=Sing\t1\tobl\t_\tSpaceAfter=No

1\tSue\tSue\tPROPN\tN\t_\t2\tnsubj\t_\t_
2\tlikes\tlike\tVERB\tV\t_\t0\troot\t_\t_
3\t10 000\t10 000\tNUM\tM\t_\t2\tobj\t_\t_
3.1\tdrinks\tdrink\tVERB\tV\t_\t_\t_\t0:root\t_
4\t#\t#\tSYM\tS\t_\t2\tobj\t_\t_

"""
SNIPS = {
    "GetWeather": [
        {
            "data": [
                {"text": "Will it  be "},
                {"text": "sunny", "entity": "condition"},
                {"text": " in "},
                {"text": "New York City", "entity": "city"},
                {"text": "?"},
            ]
        },
        {"data": [{"text": " "}]},
    ],
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


def test_columns_of_the_shared_task(written) -> None:
    data = read_tagged(written(CONLL_2003))
    assert data.words == (("EU", "rejects", "German"), ("#", "Peter"))
    assert data.tags == (("B-ORG", "O", "B-MISC"), ("O", "B-PER"))
    assert _count(data, "-DOCSTART-") == 1
    assert "4 columns: words in column 0, tags in column 3" in _texts(data, "found")
    assert data.summary() == (
        "file  2 sentences, 5 words (5 different), the longest of 3, 4 tags; "
        "skipped 1 -DOCSTART- line"
    )
    assert read_tagged(written(CONLL_2003), tag=1).tags[0] == ("NNP", "VBZ", "JJ")
    assert read_tagged(written(CONLL_2003), word=1, tag=0).words[0] == ("NNP", "VBZ", "JJ")


def test_columns_told_by_a_header(written) -> None:
    path = written("pos\tword\tner\n\nD\tthe\tO\nN\tNew York\tB-L\n")
    data = read_tagged(path, word="word", tag="pos")
    assert (data.words, data.tags) == ((("the", "New York"),), (("D", "N"),))
    with pytest.raises(DataError, match=r"line 1: no column is named 'words'; did you mean 'word'"):
        read_tagged(path, word="words")
    mixed = read_tagged(path, word="word", tag=0)
    assert mixed.tags == data.tags


def test_a_header_is_recognised_and_said(written) -> None:
    data = read_tagged(written("Word Tag\nthe D\ncat N\n"))
    assert data.words == (("the", "cat"),)
    assert "line 1 (Word Tag): taken for a header" in _texts(data, "ignored")
    # The word "word" is none.
    assert read_tagged(written("word N\nand C\ndeed N\n")).words == (("word", "and", "deed"),)


def test_comments_are_left_out_and_hashes_are_kept(written) -> None:
    text = "# id one\nthe D\n# N\n\n# a comment of some words\n# two\n#1 N\n\n# N\ncat N\n"
    data = read_tagged(written(text))
    assert data.words == (("the", "#"), ("#1",), ("#", "cat"))
    assert _count(data, "comment line") == 3


def test_within_a_sentence_every_line_is_a_word(written) -> None:
    assert read_tagged(written("a X\n# Z\nb Y\n")).words == (("a", "#", "b"),)
    with pytest.raises(DataError, match="line 2: 4 columns instead of 2"):
        read_tagged(written("a X\n# of two words\nb Y\n"))
    assert _count(read_tagged(written("-DOCSTART- O\n# no word\na X\n")), "comment line") == 1


def test_tabs_among_spaces_only_separate(written) -> None:
    assert read_tagged(written("a X\nb\t\tY\n")).tags == (("X", "Y"),)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_ends_of_lines_and_blank_lines(written, end) -> None:
    lines = ["", "  ", "a X ", "b\tY", " \t", "", "", "c X"]
    data = read_tagged(written(end.join(lines)))
    assert data.words == (("a", "b"), ("c",))
    assert data.tags == (("X", "Y"), ("X",))


def test_odd_white_space_belongs_to_words(written) -> None:
    data = read_tagged(written("10\u00a0000 N\nx\u2028y N\n\u3000z V\n"))
    assert data.words == (("10\u00a0000", "x\u2028y", "\u3000z"),)


# Words of anything but the white space that separates, and the marks of comments and headers.
_WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters=" \t\r\n\0#\ufeff"), min_size=1, max_size=5
).filter(lambda word: word.strip() == word and word.lower() not in ("word", "words", "form"))
_SENTENCES = st.lists(
    st.lists(st.tuples(_WORDS, st.sampled_from("NVD")), min_size=1, max_size=4),
    min_size=1,
    max_size=4,
)


@given(_SENTENCES, st.sampled_from(["\t", " ", "  "]), st.sampled_from(["columns", "jsonl"]))
def test_what_is_written_is_read_back(tmp_path_factory, sentences, separator, format) -> None:
    words = tuple(tuple(word for word, _ in s) for s in sentences)
    tags = tuple(tuple(tag for _, tag in s) for s in sentences)
    if format == "columns":
        text = "\n\n".join("\n".join(separator.join(pair) for pair in s) for s in sentences)
    else:
        lines = [{"tokens": w, "tags": t} for w, t in zip(words, tags, strict=True)]
        text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    path = tmp_path_factory.mktemp("read") / "file.txt"
    path.write_bytes(text.encode())
    data = read_tagged(path, format=format)
    assert (data.words, data.tags) == (words, tags)


def test_conllu_leaves_out_ranges_and_empty_nodes(written) -> None:
    for name in ("es.conllu", "es.txt"):
        data = read_tagged(written(CONLLU, name))
        assert data.words == (("Vamos", "nos", "a", "el", "mar"), ("Sue", "likes", "10 000", "#"))
        assert data.tags[0] == ("VERB", "PRON", "ADP", "DET", "NOUN")
        assert (_count(data, "multiword"), _count(data, "empty node")) == (2, 1)
        assert "CoNLL-U with 3 comments: words FORM, tags UPOS" in _texts(data)


def test_conllu_columns_and_features(written) -> None:
    path = written(CONLLU, "es.conllu")
    assert read_tagged(path, tag="XPOS").tags[0] == ("V", "P", "A", "D", "N")
    assert read_tagged(path, tag=4).tags[0] == ("V", "P", "A", "D", "N")
    assert read_tagged(path, word="LEMMA").words[0] == ("ir", "nosotros", "a", "el", "mar")
    number = read_tagged(path, tag="Number")
    assert number.tags == (("Plur", "Plur", "_", "Sing", "Sing"), ("_",) * 4)
    assert _count(number, "without Number, tagged '_'") == 5
    with pytest.raises(DataError, match=r"no word has 'Numbr'; did you mean 'Number'"):
        read_tagged(path, tag="Numbr")
    with pytest.raises(DataError, match=r"no word has 'DEPS'; tag must be a column"):
        read_tagged(path, tag="DEPS")
    with pytest.raises(DataError, match=r"word is 'Number'; choose from ID, FORM"):
        read_tagged(path, word="Number")
    with pytest.raises(DataError, match=r"has 10 columns, but tag is 10"):
        read_tagged(path, tag=10)


def test_conllu_words_without_the_tag_are_counted(written) -> None:
    line = "{}\tx\tx\t{}\t_\t_\t_\t_\t_\t_\n"
    data = read_tagged(written(line.format(1, "NOUN") + line.format(2, "_"), "a.conllu"))
    assert data.tags == (("NOUN", "_"),)
    assert _count(data, "with the tag '_'") == 1


def test_slots_of_intents(written) -> None:
    for name in ("snips.json", "snips"):
        data = read_tagged(written(json.dumps(SNIPS), name))
        assert data.words[0] == ("Will", "it", "be", "sunny", "in", "New", "York", "City", "?")
        assert data.tags[0][3:] == ("B-condition", "O", "B-city", "I-city", "I-city", "O")
        assert (data.words[1], data.tags[1]) == (("five", "stars"), ("B-rating", "I-rating"))
        assert data.labels == ("GetWeather", "RateBook")
        assert _count(data, "cut where a slot") == 1
        assert _count(data, "dropped 1 utterance") == 1
        assert "2 intents with 3 slots, tagged B- and I-" in _texts(data)
        assert "2 labels" in data.summary()


def test_slots_that_follow_each_other(written) -> None:
    pieces = [{"text": "one pm", "entity": "time"}, {"text": "near", "entity": "relation"}]
    data = read_tagged(written(json.dumps({"A": [{"data": pieces}]}), "a.json"))
    assert data.tags == (("B-time", "I-time", "B-relation"),)


def test_json_lines(written) -> None:
    lines = [{"tokens": ["a", "b"], "tags": ["X", "Y"]}, {"tokens": ["c"], "tags": ["X"]}]
    text = "\n".join(map(json.dumps, lines)) + "\n\n"
    for path in (
        written(text, "a.jsonl"),
        written(text, "a.txt"),
        written(text, "a.json"),
        written(json.dumps(lines), "b.json"),
    ):
        data = read_tagged(path)
        assert (data.words, data.tags) == ((("a", "b"), ("c",)), (("X", "Y"), ("X",)))
        assert data.labels is None


def test_json_lines_with_other_keys_numbers_and_labels(written) -> None:
    entries = [{"words": ["a"], "ner": [3], "label": "L"}, {"words": [], "ner": [], "label": "M"}]
    path = written("\n".join(map(json.dumps, entries)), "a.jsonl")
    data = read_tagged(path, "words", "ner")
    assert (data.tags, data.labels) == ((("3",),), ("L",))
    assert _count(data, "dropped 1 sentence") == 1
    with pytest.raises(DataError, match=r"line 1: no list 'tokens', the keys are 'words', 'ner'"):
        read_tagged(path)
    with pytest.raises(DataError, match=r"line 2: 2 words but 1 tag; every word needs one"):
        read_tagged(written('{"tokens":["a"],"tags":["X"]}\n{"tokens":["a","b"],"tags":["X"]}'))
    some = '{"tokens":["a"],"tags":["X"],"label":"L"}\n{"tokens":["b"],"tags":["X"]}\n'
    data = read_tagged(written(some))
    assert data.labels is None
    assert _count(data, "labels left out") == 1


def test_several_files_are_one_after_the_other(written) -> None:
    paths = [written("a X\n\nb Y\n", "one.txt"), written("# c\nc X\n", "two.txt")]
    data = read_tagged(paths)
    assert (data.words, data.name) == ((("a",), ("b",), ("c",)), "one and 1 more")
    assert "two.txt: skipped 1 comment line" in _texts(data)
    assert read_tagged(paths, name="both").name == "both"
    with pytest.raises(DataError, match="names no file"):
        read_tagged([])


def test_words_to_be_tagged(written) -> None:
    data = read_tagged(written("the\ncat\n\nsleeps\n"), tagged=False)
    assert (data.words, data.tags) == ((("the", "cat"), ("sleeps",)), ((), ()))
    assert "tag" not in data.summary()
    conllu = read_tagged(written(CONLLU.replace("\tVERB", "\t_"), "a.conllu"), tagged=False)
    assert conllu.words[1][1] == "likes"
    lines = read_tagged(written('{"tokens": ["a"]}'), tagged=False)
    assert lines.tags == ((),)
    with pytest.raises(DataError, match="words and tags both in column 0 of 1"):
        read_tagged(written("the\ncat\n"))
    with pytest.raises(ValueError, match="tagged=False reads no tags, but tag is 1"):
        read_tagged(written("the\n"), tag=1, tagged=False)


def test_encodings(written) -> None:
    text = "Café N\nnaïve A\n"
    assert read_tagged(written(text)).words == (("Café", "naïve"),)
    assert read_tagged(written(text.encode("utf-8-sig"))).words == (("Café", "naïve"),)
    assert _texts(read_tagged(written(text.encode("utf-8-sig"))), "repaired") == []
    old = read_tagged(written((text + "œ N\n").encode("cp1252")))
    assert old.words == (("Café", "naïve", "œ"),)
    assert _count(old, "3 bytes not in UTF-8, read as cp1252") == 3
    # One line of another encoding, as in a file put together of two.
    both = read_tagged(written(text.encode() + "raíces N\n".encode("cp1252")))
    assert both.words == (("Café", "naïve", "raíces"),)
    assert _count(both, "1 byte not in UTF-8") == 1
    with pytest.raises(DataError, match="is not text in UTF-8"):
        read_tagged(written(b"PK\3\4\0\0"))
    wide = read_tagged(written(text.encode("utf-16")))
    assert wide.words == (("Café", "naïve"),)
    assert len(_texts(wide, "found")) > 0
    with pytest.raises(DataError, match="is not text in utf-16"):
        read_tagged(written(text.encode("utf-16")[:-1]))


def test_one_sentence_of_thousands_of_words(written) -> None:
    data = read_tagged(written("".join(f"w{n} {'NV'[n % 2]}\n" for n in range(20_000))))
    assert [len(words) for words in data.words] == [20_000]
    assert _count(data, "all 20,000 words are one sentence") == 20_000


def test_a_single_tag_is_a_warning(written) -> None:
    assert _count(read_tagged(written("a N\nb N\n")), "every word has the tag 'N'") == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a X\nb X\nc\n", "line 3: 1 column instead of 2 .c.; every line needs the same"),
        ("a X\n\nb X Y\n", "line 3: 3 columns instead of 2"),
        ("a\tX\nb\t\n", "line 2: the tag is empty"),
        ("a\tX\n\tX\n", "line 2: the word is empty"),
        ("", "is empty"),
        ("\ufeff \n\u00a0\n", "is empty"),
        ("-DOCSTART- O\n\n", "holds no sentence"),
        ("# text\n", "holds no sentence|words and tags"),
        ('{"A": [{"data": "x"}]}', r'intent A, utterance 1: expected {"data"'),
        ('{"A": [{"data": [{"txt": "x"}]}]}', 'utterance 1: expected {"text"'),
        ('{"A": [{"data": []}]}', "holds no sentence"),
        ('{"A": [{"data":\n[}', "line 2: not JSON"),
        ('{"tokens": ["a", 1], "tags": ["X", "X"]}', "line 1: a word must be .* got 1"),
        ('{"tokens": ["a"], "tags": [""]}', "a tag must be a text that is not empty"),
        ('{"tokens": ["a"]\n', "line 1: not JSON"),
        ("1\ta\ta\tN\t_\t_\t_\t_\t_\t_\nx\tb\tb\tN\t_\t_\t_\t_\t_\t_\n", "line 2: the ID is 'x'"),
        ("1\ta\ta\tN\t_\t_\t_\t_\t_\t_\n2\tb\tN\n", "line 2: 3 columns instead of 10"),
    ],
)
def test_files_that_cannot_be_read(written, text, message) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_tagged(written(text))
    assert "file.txt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_arguments_that_fit_no_file(written, tmp_path) -> None:
    path = written("a X\n", "right.txt")
    with pytest.raises(DataError, match=r"cannot be read: did you mean 'right.txt'\?"):
        read_tagged(tmp_path / "rigt.txt")
    with pytest.raises(DataError, match="has 2 columns, but tag is 2; columns count from 0"):
        read_tagged(path, tag=2)
    with pytest.raises(ValueError, match="format is 'conll'; did you mean 'conllu'"):
        read_tagged(path, format="conll")
    with pytest.raises(DataError, match="holds slots; word= and tag="):
        read_tagged(written(json.dumps(SNIPS), "a.json"), tag="slots")
