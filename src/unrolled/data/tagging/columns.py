"""Sentences in columns: one word a line, a blank line between sentences."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ...naming import counted, nearest
from ..errors import DataError
from .sentences import Sentences, Wanted

# First cells by which a header is known that no argument told of.
_WORD_NAMES = ("word", "words", "token", "tokens", "form")

# A line of words: its number in the file, and its cells.
Line = tuple[int, list[str]]


def read_columns(text: str, path: Path, wanted: Wanted, found: Sentences) -> None:
    """One word a line, with any number of columns, the same in every line."""
    numbered = list(enumerate(lines_of(text), start=1))
    split = _splitter([line for _, line in numbered])
    lines = [(number, split(line)) for number, line in numbered]
    header = _told_header(lines, path, wanted)
    width = len(header[1]) if header else _width(lines)
    word = _place(wanted.word, 0, header, width, path, "word")
    tag = _place(wanted.tag, -1, header, width, path, "tag") if wanted.tagged else None
    if tag == word:
        raise DataError(
            f"{path} has words and tags both in column {word} of {width}; give two columns, "
            "word= and tag="
        )
    header = header or _guessed_header(lines, width, word, tag, found)
    lines = [line for line in lines if header is None or line[0] != header[0]]
    places = {"word": word} if tag is None else {"word": word, "tag": tag}
    for sentence in sentences_in(_without_marks(lines, width, tag, found)):
        check_widths(sentence, width, path)
        check_cells(sentence, places, path)
        tags = [] if tag is None else [cells[tag] for _, cells in sentence]
        found.add([cells[word] for _, cells in sentence], tags)
    told = f"words in column {word}" + ("" if tag is None else f", tags in column {tag}")
    found.note("found", f"{counted(width, 'column')}: {told}")


def lines_of(text: str) -> list[str]:
    # Not splitlines: it also cuts at code points that occur within words.
    return re.split("\r\n|\n|\r", text)


def _splitter(lines: list[str]) -> Callable[[str], list[str]]:
    """Tabs separate if every line has one, apart from comments; else spaces and tabs do.

    Other white space, such as one that does not break, is part of a word.
    """
    content = [line for line in lines if line.strip() and not line.startswith(("#", "-DOCSTART-"))]
    tabs = bool(content) and all("\t" in line for line in content)

    def split(line: str) -> list[str]:
        if not line.strip():
            return []
        if tabs and "\t" in line:
            return [cell.strip(" ") for cell in line.split("\t")]
        return re.split("[ \t]+", line.strip(" \t"))

    return split


def _told_header(lines: list[Line], path: Path, wanted: Wanted) -> Line | None:
    names = [name for name in (wanted.word, wanted.tag) if isinstance(name, str)]
    if not names:
        return None
    header = next(line for line in lines if line[1])
    for name in names:
        if name not in header[1]:
            shown = ", ".join(header[1][:10])
            raise DataError(
                f"{path}, line {header[0]}: no column is named {name!r}; "
                f"{nearest(name, header[1])}the first line has {shown}"
            )
    return header


def _width(lines: list[Line]) -> int:
    plain = [cells for _, cells in lines if cells and not _is_mark(cells)]
    first = next(iter(plain), None) or next(cells for _, cells in lines if cells)
    return len(first)


def _is_mark(cells: list[str]) -> bool:
    return cells[0].startswith("#") or cells[0] == "-DOCSTART-"


def _place(
    asked: str | int | None, default: int, header: Line | None, width: int, path: Path, what: str
) -> int:
    """The number of a column, from 0."""
    if isinstance(asked, str) and header is not None:
        return header[1].index(asked)
    place = default if asked is None else int(asked)
    if not -width <= place < width:
        raise DataError(
            f"{path} has {counted(width, 'column')}, but {what} is {place}; columns count from 0"
        )
    return place % width


def _guessed_header(
    lines: list[Line], width: int, word: int, tag: int | None, found: Sentences
) -> Line | None:
    """The first line, if it names the words' column and its tag is no other line's."""
    first, *rest = [line for line in lines if line[1]]
    number, cells = first
    if len(cells) != width or cells[word].lower() not in _WORD_NAMES:
        return None
    if tag is not None and any(len(c) == width and c[tag] == cells[tag] for _, c in rest):
        return None
    found.note("ignored", f"line {number} ({' '.join(cells)}): taken for a header", 1)
    return first


def _without_marks(
    lines: list[Line], width: int, tag: int | None, found: Sentences
) -> Iterator[Line]:
    """Lines without -DOCSTART-, and without comments above a sentence.

    A line that begins with # is a comment unless it has as many columns as the others, and a tag
    that one of them has: # is a word, too.
    """
    plain = [c for _, c in lines if len(c) == width and not _is_mark(c)]
    tags = {cells[tag] for cells in plain} if tag is not None else set()
    starts = comments = 0
    above = True
    for number, cells in lines:
        if cells and cells[0] == "-DOCSTART-":
            starts, above = starts + 1, True
            yield number, []
        elif above and cells and cells[0].startswith("#") and not _is_word(cells, width, tag, tags):
            comments += 1
        else:
            above = not cells
            yield number, cells
    found.skipped(starts, "-DOCSTART- line")
    found.skipped(comments, "comment line")


def _is_word(cells: list[str], width: int, tag: int | None, tags: set[str]) -> bool:
    return len(cells) == width and (tag is None or cells[tag] in tags)


def sentences_in(lines: Iterator[Line]) -> Iterator[list[Line]]:
    """The lines between blank ones."""
    sentence: list[Line] = []
    for number, cells in lines:
        if cells:
            sentence.append((number, cells))
        elif sentence:
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def check_widths(sentence: list[Line], width: int, path: Path) -> None:
    """Raise DataError at the first line with another number of columns."""
    for number, cells in sentence:
        if len(cells) != width:
            shown = " ".join(cells)[:60]
            raise DataError(
                f"{path}, line {number}: {counted(len(cells), 'column')} instead of {width} "
                f"({shown}); every line needs the same columns, a blank line ends a sentence"
            )


def check_cells(sentence: list[Line], places: dict[str, int], path: Path) -> None:
    """Raise DataError at the first line with nothing where a word or tag must be."""
    for number, cells in sentence:
        for what, place in places.items():
            if not cells[place]:
                raise DataError(f"{path}, line {number}: the {what} is empty; fill in the cell")
