"""What to train on a text when nobody says: sizes, noise, and how often to read it.

The numbers come from experiments on tiny Shakespeare (one wide layer beats two narrower ones in
the same time; a large learning rate that falls to zero with the budget).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from ...nn import Recurrent
from ...nn.ensemble import ensemble_of
from .network import LanguageEnsemble, LanguageNetwork

# Tokens that are read in all, where nobody says how often a text is read; and the bounds of that.
CHARACTERS_READ, TOKENS_READ, FEWEST_PASSES, MOST_PASSES = 4_000_000, 4_500_000, 1, 40
# A text that is read so often is learned by heart, unless there is more noise.
OFTEN = 8


@dataclass(frozen=True)
class Plan:
    """Sizes and rates.

    Attributes:
        hidden_size, embedding_size, num_layers: of the network.
        dropout, embedding_dropout: before the output layer and behind the embedding.
        weight_drop: share of the recurrent weights that are zero at an update.
        tied: whether both share their weights.
        learning_rate, weight_decay: of AdamW.
        passes: how often the training text is read.
        members: networks whose probabilities are averaged.
    """

    hidden_size: int
    embedding_size: int
    num_layers: int
    dropout: float
    embedding_dropout: float
    weight_drop: float
    tied: bool
    learning_rate: float
    weight_decay: float
    passes: float
    members: int = 1


def plan_for(kind: str, tokens: int, passes: float | None = None, can_drop: bool = True) -> Plan:
    """Sizes and rates.

    Arguments:
        kind: of the tokens.
        tokens: in the training text.
        passes: over it, where they are asked for.
        can_drop: whether the cell has recurrent weights that can be dropped.
    """
    if passes is None:
        read = CHARACTERS_READ if kind == "characters" else TOKENS_READ
        passes = min(max(read / max(tokens, 1), FEWEST_PASSES), MOST_PASSES)
    if kind == "characters" and passes >= OFTEN:
        return Plan(512, 64, 1, 0.5, 0.1, 0.3 * can_drop, False, 4e-3, 0.05, passes)
    if kind == "characters":
        return Plan(512, 64, 1, 0.1, 0.0, 0.0, False, 5e-3, 0.01, passes)
    return Plan(512, 256, 1, 0.4, 0.2, 0.0, True, 4e-3, 0.05, passes)


@dataclass(frozen=True)
class Architecture:
    """Everything that a network is built from, apart from its weights; JSON holds it."""

    cell: str
    vocabulary_size: int
    embedding_size: int
    hidden_size: int
    num_layers: int
    dropout: float
    embedding_dropout: float
    weight_drop: float
    tied: bool
    members: int = 1

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: the arguments."""
        return asdict(self)

    def build(self, make_cell: Any, engine: str) -> LanguageNetwork | LanguageEnsemble:
        """The network, or several that predict as one, their weights drawn."""
        one = partial(self._one, make_cell, engine)
        return ensemble_of(self.members, one, LanguageEnsemble)  # pyright: ignore

    def _one(self, make_cell: Any, engine: str) -> LanguageNetwork:
        recurrent = Recurrent(
            make_cell,
            self.embedding_size,
            self.hidden_size,
            self.num_layers,
            weight_drop=self.weight_drop,
            engine=engine,
        )
        if self.num_layers > 1:
            recurrent.dropout = self.dropout
        return LanguageNetwork(
            self.vocabulary_size, recurrent, self.dropout, self.embedding_dropout, self.tied
        )
