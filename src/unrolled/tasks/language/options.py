"""The options of language models on the command line, in groups, and what they become."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from ...cells import BY_NAME
from ...data import Text, read_text
from ...nn.initialisation import INITIALISATIONS
from ...training import Optimisation
from .model import KINDS, SAMPLINGS, LanguageModel

BY_DATA = "Default by tokens and text."


def _option(text: str) -> Any:
    """An option whose default is best said in words."""
    return typer.Option(help=text, show_default=False)


@dataclass
class ReadingText:
    """How to read the text, and into which tokens."""

    encoding: Annotated[str, _option("Of the files: cp1251. Default found.")] = ""
    tokens: Annotated[str, typer.Option(help=f"One of {', '.join(KINDS)}.")] = "characters"
    least: Annotated[int, typer.Option(help="Times a token is seen to be kept.")] = 1
    most: Annotated[int | None, _option("Tokens at most. Default all, 4,096 subwords.")] = None
    lower: Annotated[bool, typer.Option("--lower", help="Read capitals as small letters.")] = False

    def read(self, paths: list[str]) -> Text:
        """The text."""
        return read_text(paths[0] if len(paths) == 1 else paths, self.encoding or None)


@dataclass
class ModellingText:
    """What to train; the names are those of the arguments of `LanguageModel`."""

    cell: Annotated[str, typer.Option(help=f"One of {', '.join(BY_NAME)}.")] = "lstm"
    hidden_size: Annotated[int | None, _option(f"Of each layer. {BY_DATA}")] = None
    embedding_size: Annotated[int | None, _option(f"Of a token. {BY_DATA}")] = None
    num_layers: Annotated[int | None, _option(f"On top of one another. {BY_DATA}")] = None
    dropout: Annotated[float | None, _option(f"Before the output. {BY_DATA}")] = None
    embedding_dropout: Annotated[float | None, _option(f"Of embeddings. {BY_DATA}")] = None
    tied: Annotated[
        bool | None,
        typer.Option(
            "--tied/--untied", help="Output weights are the embeddings.", show_default=False
        ),
    ] = None
    learning_rate: Annotated[float | None, _option(f"At its peak. {BY_DATA}")] = None
    weight_decay: Annotated[float | None, _option(f"Of AdamW. {BY_DATA}")] = None
    passes: Annotated[float | None, _option(f"Over the text. {BY_DATA}")] = None
    initialisation: Annotated[
        str, _option(f"How the cell starts: {', '.join(INITIALISATIONS)}:T. Default by cell.")
    ] = ""
    epochs: Annotated[int, typer.Option(help="Validations during training.")] = 6
    patience: Annotated[int, typer.Option(help="Epochs without progress, then stop.")] = 6
    batch_size: Annotated[int, typer.Option(help="Rows that are read side by side.")] = 32
    steps: Annotated[int, typer.Option(help="Tokens of a row in an update.")] = 64
    sampling: Annotated[
        str, typer.Option(help=f"{' or '.join(SAMPLINGS)}: rows read on, or pieces at random.")
    ] = "streams"
    restart: Annotated[float, typer.Option(help="Share of updates at which a row begins anew.")] = (
        0.03
    )
    validation: Annotated[
        float, typer.Option(help="Share of the text to validate on, spread over it.")
    ] = 0.02
    seed: Annotated[int, typer.Option(help="Same seed, same numbers.")] = 0
    device: Annotated[str, typer.Option(help="auto, cpu, cuda.")] = "auto"
    engine: Annotated[str, typer.Option(help="auto, native, vendor, eager.")] = "auto"

    def model(self, reading: ReadingText, optimisation: Optimisation) -> LanguageModel:
        """A language model with these arguments, checked."""
        of_tokens = {name: getattr(reading, name) for name in ("tokens", "least", "most", "lower")}
        arguments = {**asdict(self), **of_tokens, "initialisation": self.initialisation or None}
        found = LanguageModel(**arguments, optimisation=optimisation)
        found.check_arguments()
        return found
