"""What to train on samples when nobody says: sizes, noise, how long.

The numbers come from experiments on parts held out of the training data of surnames, messages,
requests, pen strokes and vowels. Small data come in small batches and many passes, so that the
number of updates is about the same for all but the largest.

Shapes: N samples.

References:
    Conneau, Kiela, Schwenk, Barrault and Bordes, "Supervised learning of universal sentence
        representations from natural language inference data", EMNLP 2017 (words, from both ends,
        and the maximum).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from .coding import Coding
from .numbers import NumberCoding
from .texts import TextCoding

# The batch size from so many samples up.
BATCHES = {0: 8, 200: 16, 1500: 32, 6000: 64}
# Updates of a training, and the fewest and most passes that make them.
UPDATES = {"characters": 3000, "words": 1200, "numbers": 4000}
LEAST_PASSES, MOST_PASSES = 4, 100
# Of fewer numeric sequences the network is kept from learning single ones by heart.
FEW = 1000


@dataclass(frozen=True)
class Plan:
    """Sizes and rates.

    Attributes:
        hidden_size, num_layers, embedding_size: of the network.
        dropout, embedding_dropout: before the output layer, and before the recurrence.
        token_dropout: share of the tokens that are read as unknown, in training.
        learning_rate, weight_decay: of AdamW.
        epochs, batch_size: how long, and by how many samples at once.
        pooling: one of `pooling.POOLINGS`.
        noise, scale, warp, tilt: of numbers, as `augment.Augment` has them.
    """

    hidden_size: int
    num_layers: int
    embedding_size: int
    dropout: float
    embedding_dropout: float
    token_dropout: float
    learning_rate: float
    weight_decay: float
    epochs: int
    batch_size: int
    pooling: str = "mean+max"
    noise: float = 0.0
    scale: float = 0.0
    warp: float = 0.0
    tilt: float = 0.0


def plan_for(coding: Coding, count: int, batch_size: int | None = None) -> Plan:
    """Sizes and rates for N = `count` samples.

    Arguments:
        batch_size: where it is asked for.
    """
    reads = coding.reads
    kind = reads.vocabulary.kind if isinstance(reads, TextCoding) else "numbers"
    batch = batch_size or max(size for least, size in BATCHES.items() if count >= least)
    passes = min(
        MOST_PASSES, max(LEAST_PASSES, ceil(UPDATES.get(kind, UPDATES["words"]) * batch / count))
    )
    last = (3e-3, 1e-2, passes, batch)
    if isinstance(reads, NumberCoding):
        if reads.plane:
            return Plan(64, 2, 0, 0.2, 0.0, 0.0, *last, noise=0.05, tilt=0.15)
        dropout, noise = (0.4, 0.3) if count < FEW else (0.2, 0.1)
        return Plan(64, 2, 0, dropout, 0.0, 0.0, *last, noise=noise, scale=0.1, warp=0.05)
    if kind == "characters":
        return Plan(160, 1, 64, 0.5, 0.2, 0.0, *last)
    return Plan(128, 1, 128, 0.5, 0.3, 0.2, *last, pooling="max")
