"""What to train on sentences when nobody says.

Sizes as in Lample et al., "Neural architectures for named entity recognition", NAACL 2016: 100
for words and for each direction of the sentence, 25 for letters. The rest comes from experiments
on parts of ATIS and SNIPS that were held out to validate.
"""

from __future__ import annotations

from dataclasses import dataclass

# Sentences that are read in all, and the bounds of the epochs.
SENTENCES_READ, FEWEST, MOST = 50_000, 6, 40


@dataclass(frozen=True)
class Plan:
    """Sizes and rates.

    Attributes:
        hidden_size, num_layers: of what reads a sentence, in each direction.
        embedding_size: of words.
        letter_size: of letters, and of what reads them, in each direction.
        dropout: before the sentence is read, and before the output layer.
        word_dropout: a word seen n times is read as unknown with a share of w / (n + w).
        crf: whether a tag depends on the one before it.
        learning_rate, weight_decay: of AdamW.
        epochs: how often the sentences are read.
        batch_size: sentences of an update.
    """

    hidden_size: int = 100
    num_layers: int = 1
    embedding_size: int = 100
    letter_size: int = 25
    dropout: float = 0.5
    word_dropout: float = 0.25
    crf: bool = False
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    epochs: int = 10
    batch_size: int = 16


def plan_for(sentences: int, spans: bool) -> Plan:
    """The plan for so many sentences, with tags that mark spans or others."""
    epochs = min(max(round(SENTENCES_READ / sentences), FEWEST), MOST)
    return Plan(crf=spans, epochs=epochs)
