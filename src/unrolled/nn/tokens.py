"""Tokens as models take them: whole numbers, with lengths or a padding token.

Shapes: B batch, T steps.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cells.cell import check_size
from ..engines.lengths import Lengths, checked_lengths, steps_within


def embedding_of(num_tokens: int, size: int, padding: int | None) -> nn.Embedding:
    """An embedding of tokens.

    Raises:
        ValueError: a size below 1, or a padding that is none of the tokens.
    """
    check_size("num_tokens", num_tokens)
    check_size("embedding_size", size)
    if padding is not None and not 0 <= padding < num_tokens:
        raise ValueError(f"padding must be a token from 0 to {num_tokens - 1}, got {padding!r}")
    return nn.Embedding(num_tokens, size, padding_idx=padding)


def checked_tokens(
    what: str, tokens: Tensor, lengths: Lengths, embedding: nn.Embedding
) -> tuple[Tensor, Tensor | None]:
    """Tokens [B, T] with nothing but padding beyond the lengths, and the lengths.

    Arguments:
        lengths: [B]; None: up to the padding at the end, if there is a padding_idx.

    Raises:
        ValueError: tokens or lengths of the wrong shape, type or size; it names them as `what`.
    """
    is_tensor = torch.is_tensor(tokens)
    if not is_tensor or tokens.dim() != 2 or tokens.is_floating_point() or 0 in tokens.shape:
        came = f"{tokens.dtype} {list(tokens.shape)}" if is_tensor else type(tokens).__name__
        raise ValueError(f"{what} must be whole numbers [batch, time], got {came}")
    tokens, padding = tokens.to(torch.int64), embedding.padding_idx
    counts = None
    if lengths is not None:
        counts = checked_lengths(f"lengths of {what}", lengths, tokens)
    elif padding is not None:
        time = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
        counts = time.expand_as(tokens).masked_fill(tokens == padding, 0).amax(1)
    if counts is not None:
        tokens = tokens.masked_fill(~steps_within(counts, tokens.shape[1]), padding or 0)
    highest = embedding.num_embeddings - 1
    if not torch.compiler.is_compiling() and bool(((tokens < 0) | (tokens > highest)).any()):
        raise ValueError(
            f"{what} must be tokens from 0 to {highest}, got {int(tokens.min())} to "
            f"{int(tokens.max())}"
        )
    return tokens, counts


def check_token(what: str, token: int, embedding: nn.Embedding) -> int:
    """`token`, where it is one of the embedding's.

    Raises:
        ValueError: it is not; it is named as `what`.
    """
    whole = isinstance(token, int) and not isinstance(token, bool)
    if not whole or not 0 <= token < embedding.num_embeddings:
        raise ValueError(
            f"{what} must be a token from 0 to {embedding.num_embeddings - 1}, got {token!r}"
        )
    return token
