"""From tokens of one sequence to tokens of another: a bidirectional encoder, a decoder, attention.

    m(1), ..., m(S) = both directions of an LSTM over the source
    h(t) = step(E y(t-1), h(t-1)),   weights(t, s) = softmax over s of m(s)' h(t)
    a(t) = tanh(W [sum over s of weights(t, s) m(s); h(t)]),   o(t) = c + V a(t)
    L = - sum over t of ((1 - eps) log p(y(t)) + eps / V sum over all tokens v of log p(v))

With Luong's attention, which looks after the step, all steps of the decoder are one unroll under
teacher forcing, and their attention one product: that is what makes it fast to train. L is cross
entropy with label smoothing eps.

Shapes: B batch, S tokens of the source, T of the target, V tokens of the target in all.

References:
    Luong, Pham and Manning, "Effective approaches to attention-based neural machine
        translation", EMNLP 2015.
    Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the inception architecture for
        computer vision", CVPR 2016 (label smoothing).
    Toshniwal and Livescu, "Jointly learning to align and convert graphemes to phonemes with
        neural attention models", SLT 2016.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...nn import Decoder, Encoder, EncoderDecoder, LuongAttention, Scheduled
from ...nn.ensemble import ensemble_of, members_of
from ...nn.writing import Writer, WritingEnsemble
from ...training import Total
from .coding import PADDING_ID, Coding
from .plan import Plan

ATTENTIONS = ("luong", "bahdanau", "none")


def build(
    coding: Coding,
    plan: Plan,
    cell: Any,
    *,
    attention: str = "luong",
    bidirectional: bool = True,
    engine: str = "auto",
) -> Writer:
    """The network, or several whose probabilities are averaged, their weights drawn.

    Arguments:
        cell: a name, or what makes a cell of an input and a hidden size.
        attention: one of `ATTENTIONS`.
        bidirectional: whether the encoder reads both ways, each with half of the hidden size.
    """

    def one() -> EncoderDecoder:
        return _one(coding, plan, cell, attention, bidirectional, engine)

    return ensemble_of(plan.members, one, WritingEnsemble)  # pyright: ignore[reportReturnType]


def _one(
    coding: Coding, plan: Plan, cell: Any, attention: str, bidirectional: bool, engine: str
) -> EncoderDecoder:
    shape: dict[str, Any] = {
        "embedding_size": plan.embedding_size,
        "cell": cell,
        "num_layers": plan.num_layers,
        "dropout": plan.dropout,
        "engine": engine,
    }
    encoder = Encoder.of_tokens(
        len(coding.source),
        max(1, plan.hidden_size // 2) if bidirectional else plan.hidden_size,
        bidirectional=bidirectional,
        **shape,
    )
    decoder = Decoder.of_tokens(
        len(coding.target),
        plan.hidden_size,
        encoder.memory_size,
        attention=_looks(attention),
        tied=plan.tied,
        **shape,
    )
    if coding.source.unknown is not None and encoder.embedding is not None:
        # Where every token is known in training, nothing is learned of the unknown one.
        with torch.no_grad():
            encoder.embedding.weight[coding.source.unknown] = 0
    return EncoderDecoder(encoder, decoder)


def loss_of(
    network: nn.Module,
    batch: dict[str, Tensor],
    smoothing: float = 0.0,
    forcing: str | Scheduled = "teacher",
) -> Total:
    """The loss of a batch, summed over the tokens of its targets, and how many these are.

    Of several networks it is the mean of theirs.
    """
    return Total.averaged([_loss(one, batch, smoothing, forcing) for one in members_of(network)])


def _loss(
    network: nn.Module, batch: dict[str, Tensor], smoothing: float, forcing: str | Scheduled
) -> Total:
    targets, lengths = batch["target"], batch["target_lengths"]
    found = network(
        batch["source"],
        targets,
        source_lengths=batch["lengths"],
        target_lengths=lengths,
        forcing=forcing,
    )
    loss = F.cross_entropy(
        found.logits.flatten(0, 1),
        targets.flatten(),
        ignore_index=PADDING_ID,
        reduction="sum",
        label_smoothing=smoothing,
    )
    return Total(loss, lengths.sum())


def _looks(attention: str) -> Any:
    """An attention as `Decoder.of_tokens` takes it."""
    if attention != "luong":
        return None if attention == "none" else attention
    # Where sizes allow it, the plain product learns faster than one with a matrix between.
    return lambda size, memory: LuongAttention(size, memory, "dot" if size == memory else "general")
