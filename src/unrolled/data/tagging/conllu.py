"""Sentences in CoNLL-U, the format of Universal Dependencies."""

import re
from pathlib import Path

from ...naming import counted, nearest
from ..errors import DataError
from .columns import Line, check_cells, check_widths, lines_of, sentences_in
from .sentences import Sentences, Wanted

CONLLU = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")


def read_conllu(text: str, path: Path, wanted: Wanted, found: Sentences) -> None:
    """Ten columns separated by tabs; multiword tokens and empty nodes are left out."""
    word, tag = _name(wanted.word, "FORM", path, "word"), _name(wanted.tag, "UPOS", path, "tag")
    if word not in CONLLU:
        raise DataError(f"{path}: word is {word!r}; choose from {', '.join(CONLLU)}")
    numbered = list(enumerate(lines_of(text), start=1))
    lines = [
        (number, line.split("\t") if line.strip() else [])
        for number, line in numbered
        if not line.startswith("#")
    ]
    counts = {"-": 0, ".": 0}
    for sentence in sentences_in(iter(lines)):
        check_widths(sentence, len(CONLLU), path)
        kept = [line for line in sentence if _is_word(line, counts, path)]
        check_cells(kept, {"word": CONLLU.index(word)}, path)
        if kept:
            tags = [_tag(cells, tag) for _, cells in kept] if wanted.tagged else []
            found.add([cells[CONLLU.index(word)] for _, cells in kept], tags)
    found.skipped(counts["-"], "multiword token")
    found.skipped(counts["."], "empty node")
    told = f", tags {tag}" if wanted.tagged else ""
    comments = counted(len(numbered) - len(lines), "comment")
    found.note("found", f"CoNLL-U with {comments}: words {word}{told}")
    if wanted.tagged and found.words:
        _check_tagged(lines, tag, path, found)


def _name(asked: str | int | None, default: str, path: Path, what: str) -> str:
    """The name of a column, or of a feature."""
    if isinstance(asked, int):
        if not -len(CONLLU) <= asked < len(CONLLU):
            raise DataError(f"{path} has 10 columns, but {what} is {asked}; columns count from 0")
        return CONLLU[asked]
    return asked or default


def _is_word(line: Line, counts: dict[str, int], path: Path) -> bool:
    """Whether a line is a word; what else it may be, "3-4" or "3.1", is counted."""
    number, cells = line
    match = re.fullmatch(r"\d+(?:([-.])\d+)?", cells[0])
    if match is None:
        raise DataError(
            f"{path}, line {number}: the ID is {cells[0]!r}; expected a number, a range such as "
            '3-4, or an empty node such as 3.1; format="columns" reads other tables'
        )
    if match[1]:
        counts[match[1]] += 1
    return not match[1]


def _tag(cells: list[str], tag: str) -> str:
    """A cell, or the value of a feature among FEATS, "_" where there is none."""
    if tag in CONLLU:
        return cells[CONLLU.index(tag)] or "_"
    return _features(cells).get(tag, "_")


def _features(cells: list[str]) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in cells[CONLLU.index("FEATS")].split("|"))
    return {name: value for name, _, value in pairs if value}


def _check_tagged(lines: list[Line], tag: str, path: Path, found: Sentences) -> None:
    """That a tag was found at all; words that have none are counted."""
    total = sum(map(len, found.tags))
    without = sum(t == "_" for tags in found.tags for t in tags)
    if without == total:
        names = sorted({name for _, cells in lines if cells for name in _features(cells)})
        hint = "" if tag in CONLLU else nearest(tag, [*CONLLU, *names])
        listed = ", ".join(names[:10]) or "there are none"
        raise DataError(
            f"{path}: no word has {tag!r}; {hint}tag must be a column ({', '.join(CONLLU)}) that "
            f"is filled in, or a feature ({listed})"
        )
    if without and tag in CONLLU:
        found.note("warning", f"{counted(without, 'word')} with the tag '_'", without)
    elif without:
        found.note("found", f"{counted(without, 'word')} without {tag}, tagged '_'", without)
