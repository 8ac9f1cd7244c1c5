"""Sentences as people write them: a line each, without tags."""

from pathlib import Path

from ...naming import counted
from ..coders import words
from ..errors import DataError
from .columns import lines_of
from .sentences import Sentences, Wanted


def read_text_lines(text: str, path: Path, wanted: Wanted, found: Sentences) -> None:
    """A sentence a line; empty lines part nothing more."""
    if wanted.tagged:
        raise DataError(f"{path} is text without tags; tagged=False reads words to be tagged")
    for line in lines_of(text):
        if sentence := words_of(line):
            found.add(sentence, [])
    found.note("found", f"{counted(len(found.words), 'line')}, a sentence each, cut into words")


def words_of(text: str) -> list[str]:
    """The words of a text, punctuation apart: `coders.words` without the ends of lines."""
    return [word for word in words(text) if word != "\n"]
