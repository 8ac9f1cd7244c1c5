"""The options of `unrolled ... language` that are not arguments of `LanguageModel`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from ...data import Text, read_text


@dataclass
class ReadingText:
    """How to read the text."""

    encoding: Annotated[
        str, typer.Option(help="Of the files: cp1251. Default found.", show_default=False)
    ] = ""

    def read(self, paths: list[str]) -> Text:
        """The text."""
        return read_text(paths[0] if len(paths) == 1 else paths, self.encoding or None)
