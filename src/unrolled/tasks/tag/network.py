"""A recurrent tagger: words and their letters in, a score of each tag for each word out.

    letters   s(u) = [final state forwards, final state backwards] over the letters of word u
    word      x(t) = [E w(t), s(w(t)), casing of w(t)]
    sentence  h(t) = [forwards, backwards] over x(1), ..., x(T)
    scores    o(t) = c + V h(t)
    tags      p(y(t)) = softmax(o(t)), each on its own; or p(y(1), ..., y(T)) of a `nn.CRF`

In training some words are read as unknown, the rarer the likelier: of a word seen n times
`word_dropout / (n + word_dropout)`. So an unknown word has a vector, and the letters must do.

Shapes: B sentences, T words, L letters, U different words of a batch, K tags.

References:
    Graves and Schmidhuber, "Framewise phoneme classification with bidirectional LSTM and other
        neural network architectures", Neural Networks 18, 2005.
    Huang, Xu and Yu, "Bidirectional LSTM-CRF models for sequence tagging", arXiv 1508.01991, 2015.
    Ling et al., "Finding function in form: compositional character models for open vocabulary
        word representation", EMNLP 2015; Lample et al., "Neural architectures for named entity
        recognition", NAACL 2016 (letters).
    Kiperwasser and Goldberg, "Simple and accurate dependency parsing using bidirectional LSTM
        feature representations", TACL 4, 2016 (the dropout of words).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...nn import CRF, Recurrent
from .coding import CASING, FIRST_LETTER, NO_LETTER, NO_TAG, UNKNOWN, UNKNOWN_LETTER

Batch = Mapping[str, Tensor]


class Decoded(NamedTuple):
    """The tags of sentences: ids [B, T], -1 beyond the lengths, and p of each, [B, T]."""

    tags: Tensor
    probabilities: Tensor


def read_size(word_size: int, speller: Recurrent) -> int:
    """Features of a word: its embedding, its spelling and its casing."""
    return word_size + speller.output_size + len(CASING)


class TaggingNetwork(nn.Module):
    """Batches of `coding.Encoded` in, scores of tags out.

    Arguments:
        letters: how many are known.
        speller: reads the letters of words, both ways.
        recurrent: reads sentences; a word has `read_size` features.
        tags: K.
        drops: probability with which each word is read as unknown in training, [words].
        crf: over tags; None: each is chosen on its own.
        dropout: share of what the recurrence and the output layer read that they do not see, in
            training.
    """

    drops: Tensor

    def __init__(
        self,
        letters: int,
        speller: Recurrent,
        recurrent: Recurrent,
        tags: int,
        *,
        drops: Tensor,
        crf: CRF | None = None,
        dropout: float = 0.0,
    ):
        super().__init__()
        size = recurrent.input_size - read_size(0, speller)
        self.words = nn.Embedding(len(drops) + 1, size)
        self.letters = nn.Embedding(
            letters + FIRST_LETTER, speller.input_size, padding_idx=NO_LETTER
        )
        # It is never met in training, so it stays a vector of zeros.
        nn.init.zeros_(self.letters.weight[UNKNOWN_LETTER])
        self.speller, self.recurrent = speller, recurrent
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(recurrent.output_size, tags)
        self.crf = crf
        self.register_buffer("drops", F.pad(drops, (1, 0)))

    def forward(self, batch: Batch) -> Tensor:
        """Scores of every tag for every word, [B, T, K]."""
        words = self.words(self._dropped(batch["words"]))
        casing = batch["casing"].to(words.dtype)
        read = self.dropout(torch.cat([words, self.spelt(batch["letters"]), casing], -1))
        outputs, _ = self.recurrent(read, lengths=batch["lengths"])
        return self.readout(self.dropout(outputs))

    def spelt(self, letters: Tensor) -> Tensor:
        """What words [B, T, L] are by their letters, [B, T, spelling]: zeros beyond the lengths.

        Each different word is read once.
        """
        there = letters[:, :, 0] != NO_LETTER
        words, which = letters[there].unique(dim=0, return_inverse=True)  # [U, L]
        lengths = (words != NO_LETTER).sum(1)
        _, final = self.speller(self.letters(words), lengths=lengths)
        ends = final[0] if isinstance(final, tuple) else final  # [2, U, size]
        spelt = torch.cat([*ends], -1)
        found = spelt.new_zeros(*there.shape, spelt.shape[-1])
        return found.masked_scatter(there[:, :, None], spelt[which])

    def losses(self, batch: Batch) -> Tensor:
        """-log p of the tags of each sentence, in nats, [B]; 0 of one whose tags are all -1."""
        return self.losses_of(self(batch), batch["tags"])

    def losses_of(self, scores: Tensor, tags: Tensor) -> Tensor:
        """The same of scores that are there."""
        if self.crf is not None:
            counts = (tags != NO_TAG).sum(1)
            return -self.crf.log_likelihood(scores, tags.clamp(min=0), counts)
        losses = F.cross_entropy(
            scores.transpose(1, 2), tags, ignore_index=NO_TAG, reduction="none"
        )
        return losses.sum(1)

    @torch.no_grad()
    def decode(self, batch: Batch) -> Decoded:
        """The best tags."""
        return self.decoded_of(self(batch), batch["lengths"])

    @torch.no_grad()
    def decoded_of(self, scores: Tensor, lengths: Tensor) -> Decoded:
        """The same of scores that are there."""
        if self.crf is not None:
            tags = self.crf.viterbi(scores, lengths).tags
            p = self.crf.marginals(scores, lengths)
        else:
            tags, p = scores.argmax(-1), scores.softmax(-1)
            beyond = torch.arange(tags.shape[1], device=tags.device) >= lengths[:, None]
            tags = tags.masked_fill(beyond, NO_TAG)
        return Decoded(tags, p.gather(-1, tags.clamp(min=0)[:, :, None])[:, :, 0])

    def _dropped(self, words: Tensor) -> Tensor:
        """Word ids, in training some of them unknown."""
        if not self.training:
            return words
        dropped = torch.rand(words.shape, device=words.device) < self.drops[words]
        return words.masked_fill(dropped, UNKNOWN)
