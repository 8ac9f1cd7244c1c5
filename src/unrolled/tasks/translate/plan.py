"""Sizes and rates where nobody says, by the kind of tokens and the amount of data.

The numbers come from experiments on CMUdict (spelling to phonemes) and on the shortest sentences
of Tatoeba (English to French).
"""

from __future__ import annotations

from dataclasses import dataclass

from .coding import Coding

# Pairs that all networks together read where nobody says how often, short sequences and sentences;
# and the bounds of how often.
SHORT_READ, SENTENCES_READ, FEWEST_EPOCHS, MOST_EPOCHS = 3_000_000, 450_000, 8, 40
# Networks that learn short sequences side by side, where there are many pairs: twice the time of
# one is better spent on a second network than on as many epochs again.
MANY_PAIRS, TOGETHER = 50_000, 2
# From so many pairs on, a batch has so many.
BATCHES = ((50_000, 128), (10_000, 64), (1_000, 32), (0, 16))


@dataclass(frozen=True)
class Plan:
    """Sizes and rates.

    Attributes:
        hidden_size: of the decoder's layers, and of both directions of the encoder together.
        embedding_size, num_layers: of both.
        dropout: share of what is embedded, and of what is read out, that is dropped in training.
        tied: whether the target's embedding reads out as well.
        smoothing: share of the target's probability that is spread over all tokens.
        learning_rate, weight_decay: of AdamW.
        epochs: passes over the pairs.
        batch_size: pairs of an update.
        members: networks whose probabilities are averaged.
    """

    hidden_size: int
    embedding_size: int
    num_layers: int
    dropout: float
    tied: bool
    smoothing: float
    learning_rate: float
    weight_decay: float
    epochs: int
    batch_size: int
    members: int = 1


def plan_for(coding: Coding, pairs: int) -> Plan:
    """Sizes and rates for so many pairs."""
    batch = next(size for least, size in BATCHES if pairs >= least)
    if coding.target.kind in ("symbols", "characters"):
        members = TOGETHER if pairs >= MANY_PAIRS else 1
        epochs = _epochs(SHORT_READ // members, pairs)
        return Plan(256, 64, 1, 0.15, False, 0.1, 5e-3, 0.01, epochs, batch, members)
    epochs = _epochs(SENTENCES_READ, pairs)
    return Plan(256, 128, 1, 0.3, True, 0.1, 3e-3, 0.01, epochs, batch)


def _epochs(read: int, pairs: int) -> int:
    return min(max(round(read / pairs), FEWEST_EPOCHS), MOST_EPOCHS)
