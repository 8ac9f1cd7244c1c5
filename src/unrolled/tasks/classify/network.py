"""A recurrent classifier: a sequence in, a score for each class out.

    e(t) = E x(t) of a token, or the numbers of a step
    h(t) = step(e(t), h(t-1)), read from both ends
    o = c + V pool(h(1), ..., h(T)),    p = softmax(o)

Shapes: B batch, T time, C classes, E embedding_size, D distinct words, G n-grams of those,
F features.

References:
    Graves and Schmidhuber, "Framewise phoneme classification with bidirectional LSTM and other
        neural network architectures", Neural Networks 18, 2005.
    Iyyer, Manjunatha, Boyd-Graber and Daume, "Deep unordered composition rivals syntactic methods
        for text classification", ACL 2015 (words left out in training).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...engines.lengths import steps_within
from ...nn import Recurrent
from .numbers import NumberCoding
from .pooling import Pooling

Batch = Mapping[str, Tensor]


class TokenInput(nn.Module):
    """Tokens to vectors, [B, T] to [B, T, E].

    The vector of a word is its own plus the mean of its n-grams'.

    Arguments:
        vocabulary_size: different tokens; the first is padding.
        size: E.
        buckets: vectors of n-grams; 0 for none.
        unknown: the id of the unknown token; None where there is none.
        left_out: share of the tokens that are read as unknown, in training.
    """

    def __init__(
        self,
        vocabulary_size: int,
        size: int,
        buckets: int = 0,
        unknown: int | None = None,
        left_out: float = 0.0,
    ):
        super().__init__()
        self.unknown, self.left_out, self.output_size = unknown, left_out, size
        self.embedding = nn.Embedding(vocabulary_size, size)
        self.grams = nn.EmbeddingBag(buckets, size, mode="mean") if buckets else None

    def forward(self, batch: Batch) -> Tensor:
        tokens = batch["tokens"]
        if self.grams is None:
            return self.embedding(self._noisy(tokens))
        vectors = self.embedding(self._noisy(batch["words"]))
        vectors = vectors + self.grams(batch["grams"], batch["starts"])
        return F.embedding(tokens, vectors)

    def _noisy(self, ids: Tensor) -> Tensor:
        if not (self.training and self.left_out and self.unknown is not None):
            return ids
        hidden = torch.rand(ids.shape, device=ids.device) < self.left_out
        return ids.masked_fill(hidden, self.unknown)


class NumberInput(nn.Module):
    """Scaled numbers to what the network reads of them, [B, T, F] to [B, T, `coding.size`].

    Arguments:
        coding: what is made of them.
    """

    change: Tensor

    def __init__(self, coding: NumberCoding):
        super().__init__()
        self.plane, self.output_size = coding.plane, coding.size
        self.register_buffer("change", torch.tensor(coding.change), persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        values, lengths = batch["values"], batch["lengths"]
        if not len(self.change):
            return values
        steps = values.diff(dim=1, prepend=values[:, :1]) / self.change
        steps = steps * steps_within(lengths, values.shape[1])[:, :, None]
        parts = [values, steps]
        if self.plane is not None:
            parts.append(F.normalize(steps[:, :, list(self.plane)], dim=2))
        return torch.cat(parts, 2)


class ClassifierNetwork(nn.Module):
    """Sequences in, scores of the classes out.

    Arguments:
        reads: tokens or numbers to vectors [B, T, E], of a batch.
        recurrent: the layers, from E features to H.
        classes: C.
        pooling: one of `pooling.POOLINGS`.
        dropout: share of what the output layer reads that it does not see, in training.
        input_dropout: the same of what the recurrence reads.
    """

    def __init__(
        self,
        reads: TokenInput | NumberInput,
        recurrent: Recurrent,
        classes: int,
        pooling: str = "mean+max",
        dropout: float = 0.0,
        input_dropout: float = 0.0,
    ):
        super().__init__()
        self.reads, self.input_dropout = reads, nn.Dropout(input_dropout)
        self.recurrent = recurrent
        self.pooling = Pooling(pooling, recurrent.output_size, recurrent.bidirectional)
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(self.pooling.output_size, classes)

    def forward(self, batch: Batch) -> Tensor:
        """Scores, [B, C].

        Arguments:
            batch: `lengths` [B], and what `reads` takes.
        """
        read = self.input_dropout(self.reads(batch))
        outputs = self.recurrent(read, lengths=batch["lengths"])[0]
        return self.readout(self.dropout(self.pooling(outputs, batch["lengths"])))
