"""Taggers on the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ...data.tagged import TaggedSentences, sentences_of
from ...files import write_text
from ..console import Console
from ..options import Run
from ..runs import check_output
from ..supervised import TEST, SampleCommands, evaluate_and_tell, tell_findings, train_and_report
from ..training import Running
from .code import lines_of_code
from .model import Tagger
from .options import FORMATS, Files, ReadingSentences
from .report import TaggerParts
from .show import show

COMMANDS = SampleCommands(
    "tag", ReadingSentences, Tagger, TaggerParts, show,
    "Learn to tag the words of sentences.", "tagged sentences",
)  # fmt: skip
register, inspect = COMMANDS.register, COMMANDS.inspect


def predict(
    run: Run,
    source: Annotated[
        str,
        typer.Argument(metavar="[INPUT]", help="A text, a sentence a line; or a column of words."),
    ] = "",
    text: Annotated[str, typer.Option(help="Tag this sentence.", show_default=False)] = "",
    output: Annotated[
        str, typer.Option(help="A file for the columns, instead of the terminal.")
    ] = "",
    format: Annotated[
        str, typer.Option(help=f"Of the file: text, {FORMATS}. Default found.", show_default=False)
    ] = "",
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Also print p of each tag.")
    ] = False,
) -> None:
    """Tag words: one a line with its tag, a blank line between sentences."""
    if bool(source) == bool(text):
        raise ValueError('give a file of sentences to tag, or one with --text "..."')
    if output:
        check_output(output, source)
    model = Tagger.load(run)
    data = sentences_of([text]) if text else model.read_words(source, format or None)
    tell_findings((*data.findings, *model.encode(model.fitted_.coding, data).findings))
    tell_findings(model.unseen(data))
    found = "\n".join(_columns(model, data, probabilities))
    if output:
        write_text(Path(output), found)
        Console().line("saved", output)
    else:
        sys.stdout.write(found)


def evaluate(run: Run, files: Files) -> None:
    """Score the tagger on tagged sentences, beside the most frequent tags."""
    evaluate_and_tell(Tagger.load(run), files[0] if len(files) == 1 else files)


def demo(output: Path, quiet: bool) -> None:
    """Learn what the words of a line of Python are, from Python's own library."""
    running = Running(output=output, quiet=quiet)
    train_and_report(Tagger(epochs=3), lines_of_code(), TEST, running, TaggerParts())


def _columns(model: Tagger, data: TaggedSentences, probabilities: bool) -> Iterator[str]:
    """Sentences, each a word a line: the word, its tag and, if wanted, p of it."""
    for words, tagged in zip(data.words, model.predict_probable(data), strict=True):
        rows = [
            (word, tag, *([f"{p:.3f}"] if probabilities else []))
            for word, (tag, p) in zip(words, tagged, strict=True)
        ]
        yield "".join("\t".join(row) + "\n" for row in rows)
