"""A recurrent language model: the next token from all tokens so far.

    e(t) = E x(t),   h(t) = step(e(t), h(t-1)),   p(x(t+1) | x(1), ..., x(t)) = softmax(c + V h(t))

The latent state h(t-1) stands for the whole history, where an n-gram sees n - 1 tokens of it.

Shapes: B batch, T time, V size of the vocabulary, E embedding_size, H hidden_size.

References:
    Mikolov, Karafiat, Burget, Cernocky and Khudanpur, "Recurrent neural network based language
        model", Interspeech 2010.
    Press and Wolf, "Using the output embedding to improve language models", EACL 2017 (tied).
    Zaremba, Sutskever and Vinyals, "Recurrent neural network regularization", arXiv 1409.2329,
        2014 (dropout beside the recurrence).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...nn import Recurrent
from ...nn.ensemble import Ensemble


class LanguageNetwork(nn.Module):
    """Tokens in, scores of the next token out.

    Arguments:
        vocabulary_size: V.
        recurrent: the layers, from E features to H.
        dropout: share of what the output layer reads that it does not see, in training.
        embedding_dropout: the same of the embeddings.
        tied: whether the output layer has the embeddings for its weights. Where E is not H, a
            linear map lies between.
    """

    def __init__(
        self,
        vocabulary_size: int,
        recurrent: Recurrent,
        dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        tied: bool = False,
    ):
        super().__init__()
        size, hidden = recurrent.input_size, recurrent.output_size
        self.embedding = nn.Embedding(vocabulary_size, size)
        self.embedding_dropout = nn.Dropout(embedding_dropout)
        self.recurrent, self.dropout = recurrent, nn.Dropout(dropout)
        between = tied and size != hidden
        self.between = nn.Linear(hidden, size, bias=False) if between else nn.Identity()
        self.readout = nn.Linear(size if tied else hidden, vocabulary_size)
        if tied:
            nn.init.normal_(self.embedding.weight, std=size**-0.5)
            self.readout.weight = self.embedding.weight
        nn.init.zeros_(self.readout.bias)

    def forward(
        self, tokens: Tensor, state: Any = None, reset: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """Scores of the next token, [B, T, V], and the state after the last step.

        Arguments:
            tokens: [B, T].
            state: before the first step, as this method gives it; None: zeros.
            reset: true at the steps before which a sequence starts anew, [B, T].
        """
        read = self.embedding_dropout(self.embedding(tokens))
        outputs, state = self.recurrent(read, state, reset=reset)
        return self.readout(self.between(self.dropout(outputs))), state

    def losses(
        self, tokens: Tensor, targets: Tensor, state: Any = None, reset: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """-log p of every target, in nats, [B, T], and the state after the last step."""
        scores, state = self(tokens, state, reset)
        return F.cross_entropy(scores.transpose(1, 2), targets, reduction="none"), state


class LanguageEnsemble(Ensemble):
    """Several language models that learn apart and predict as one.

    p(x(t+1) | ...) = 1/K sum over k of p_k(x(t+1) | ...)
    """

    def forward(
        self, tokens: Tensor, state: Any = None, reset: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """log p of the next token, [B, T, V], and the states; as of `LanguageNetwork`."""
        states = [None] * len(self.members) if state is None else state
        pairs = zip(self.members, states, strict=True)
        scores, after = zip(*(one(tokens, own, reset) for one, own in pairs), strict=True)
        log_p = torch.stack([torch.log_softmax(each, dim=-1) for each in scores])
        return torch.logsumexp(log_p, dim=0) - math.log(len(scores)), after

    def losses(
        self, tokens: Tensor, targets: Tensor, state: Any = None, reset: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """-log p of every target; in training the mean of what each model would lose alone."""
        if not self.training:
            log_p, after = self(tokens, state, reset)
            return -log_p.gather(2, targets[..., None])[..., 0], after
        states = [None] * len(self.members) if state is None else state
        members: Any = self.members
        pairs = zip(members, states, strict=True)
        found = [one.losses(tokens, targets, own, reset) for one, own in pairs]
        return torch.stack([loss for loss, _ in found]).mean(0), tuple(own for _, own in found)
