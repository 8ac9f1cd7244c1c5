"""The options of `unrolled ... tag` that are not arguments of `Tagger`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from ...data.tagged import TaggedSentences, read_tagged

Files = Annotated[list[str], typer.Argument(help="Files of tagged sentences, or a folder of them.")]
FORMATS = "columns, conllu, json, jsonl"


@dataclass
class ReadingSentences:
    """Where tagged sentences are, and how to read them."""

    files: Files
    word: Annotated[
        str,
        typer.Option(
            help="Column of the words: a number from 0, or a name. Default the first, or FORM.",
            show_default=False,
        ),
    ] = ""
    tag: Annotated[
        str,
        typer.Option(
            help="Column of the tags: a number, a name, or a feature. Default the last, or UPOS.",
            show_default=False,
        ),
    ] = ""
    format: Annotated[
        str, typer.Option(help=f"{FORMATS}. Default by name and content.", show_default=False)
    ] = ""
    encoding: Annotated[
        str, typer.Option(help="Of the files: latin2. Default UTF-8.", show_default=False)
    ] = ""

    def read(self) -> TaggedSentences:
        """The sentences."""
        return read_tagged(
            self.files[0] if len(self.files) == 1 else self.files,
            _column(self.word),
            _column(self.tag),
            format=self.format or None,
            encoding=self.encoding or None,
        )


def _column(given: str) -> str | int | None:
    """A column by number or name; None for the usual one."""
    return int(given) if given.removeprefix("-").isdecimal() else given or None
