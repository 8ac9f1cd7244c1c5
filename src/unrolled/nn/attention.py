"""Attention: a mean of the steps of a memory, weighted by how well each fits a query.

    weights(t, s) = exp(score(q(t), m(s))) / sum over s' of exp(score(q(t), m(s')))
    context(t) = sum over s of weights(t, s) m(s)

    dot         score = q' m
    general     score = q' W m
    additive    score = v' tanh(W q + U m), which is v' tanh(W_a [q; m]), called "concat" by Luong

Two ways to use it in a decoder with states h:

    Bahdanau    q(t) = h(t-1); the input of step t is [E y(t-1); context(t)]; what is read out is
                [h(t); context(t); E y(t-1)] (the paper has a maxout layer above it)
    Luong       q(t) = h(t); what is read out is a(t) = tanh(W_c [context(t); h(t)]); with input
                feeding the input of step t is [E y(t-1); a(t-1)], a(0) = 0

What depends on the memory alone, W m or U m, is computed once for all queries.

Shapes: B batch, T queries (time steps of the decoder), S steps of the memory, M memory_size,
H query_size, E size of the embedding of y, A size of the attention.

References:
    Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align and
        translate", ICLR 2015, section 3.1 and appendix A.1.2.
    Luong, Pham and Manning, "Effective approaches to attention-based neural machine
        translation", EMNLP 2015, sections 3.1 (global attention) and 3.3 (input feeding).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..cells.cell import check_size
from ..engines.lengths import Lengths, checked_lengths, steps_within
from ..naming import one_of


@dataclass(frozen=True)
class Memory:
    """A memory as an attention reads it.

    Attributes:
        values: [B, S, M], zero beyond the lengths.
        keys: what scores compare queries with, [B, S, A].
        valid: true at the steps that count, [B, S]; None where all do.
    """

    values: Tensor
    keys: Tensor
    valid: Tensor | None


class Dot(nn.Module):
    """score = q' m, of a query and a memory of one size."""

    def __init__(self, query_size: int, memory_size: int):
        super().__init__()
        if query_size != memory_size:
            raise ValueError(
                f'score "dot" needs a query_size equal to memory_size, got {query_size} and '
                f'{memory_size}; score="general" maps one to the other'
            )

    def keys(self, memory: Tensor) -> Tensor:
        return memory

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        return queries @ keys.transpose(1, 2)


class General(nn.Module):
    """score = q' W m. `weight` is W, [H, M]."""

    def __init__(self, query_size: int, memory_size: int):
        super().__init__()
        self.from_memory = nn.Linear(memory_size, query_size, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        return self.from_memory(memory)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        return queries @ keys.transpose(1, 2)


class Additive(nn.Module):
    """score = v' tanh(W q + U m). It holds B T S A numbers at once.

    `from_query` is W [A, H], `from_memory` U [A, M], `v` the row v' [1, A].
    """

    def __init__(self, query_size: int, memory_size: int, attention_size: int | None = None):
        super().__init__()
        size = query_size if attention_size is None else attention_size
        check_size("attention_size", size)
        self.from_query = nn.Linear(query_size, size, bias=False)
        self.from_memory = nn.Linear(memory_size, size, bias=False)
        self.v = nn.Linear(size, 1, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        return self.from_memory(memory)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        both = self.from_query(queries)[:, :, None] + keys[:, None]  # [B, T, S, A]
        return self.v(torch.tanh(both))[..., 0]


Score = Dot | General | Additive
SCORES: dict[str, Callable[[int, int], Score]] = {
    "dot": Dot,
    "general": General,
    "concat": Additive,
}


class Attention(nn.Module):
    """What a decoder asks of an attention; alone, a layer from queries and a memory to contexts.

    Extend it, and define `output_size` and `output`.

    Arguments:
        query_size: H, features of a query.
        memory_size: M, features of a step of the memory.
        score: how well a query fits a step: a module with `keys(memory)`, [B, S, M] to
            [B, S, A], and `forward(queries, keys)`, to [B, T, S].

    Attributes:
        comes_first: whether the query is h(t-1) and the context is part of the input of step t;
            otherwise the query is h(t).
        input_feeding: whether what is read out at t-1 is part of the input of step t.
        fed_size: features that one of the two adds to the input of the recurrence.
    """

    comes_first: bool = False
    input_feeding: bool = False
    fed_size: int = 0

    def __init__(self, query_size: int, memory_size: int, score: Score):
        super().__init__()
        self.query_size, self.memory_size, self.score = query_size, memory_size, score

    @property
    def feeds_back(self) -> bool:
        """Whether a step of the decoder depends on an earlier context."""
        return self.comes_first or self.input_feeding

    def output_size(self, embedding_size: int) -> int:
        """Features that the decoder reads out."""
        raise NotImplementedError(f"{type(self).__name__} does not define output_size")

    def output(self, h: Tensor, context: Tensor, embedded: Tensor) -> Tensor:
        """What the decoder reads out at a step, or at all of them.

        Arguments:
            h: after the step, [..., H].
            context: [..., M].
            embedded: the token that the step was fed with, [..., E].
        """
        raise NotImplementedError(f"{type(self).__name__} does not define output")

    def remember(self, memory: Tensor, lengths: Lengths = None) -> Memory:
        """Take a memory, and compute what depends on it alone.

        Arguments:
            memory: [B, S, M].
            lengths: how many of its steps count, [B]; default all. What it holds beyond them,
                even NaN, has no effect.

        Raises:
            ValueError: a memory or lengths of the wrong shape or size.
        """
        wanted = f"[batch, steps, {self.memory_size}]"
        if not torch.is_tensor(memory) or memory.dim() != 3 or memory.shape[2] != self.memory_size:
            came = list(memory.shape) if torch.is_tensor(memory) else type(memory).__name__
            raise ValueError(f"memory must be {wanted}, got {came}")
        if lengths is None:
            return Memory(memory, self.score.keys(memory), None)
        counts = checked_lengths("memory_lengths", lengths, memory)
        valid = steps_within(counts, memory.shape[1])
        values = memory.masked_fill(~valid[:, :, None], 0)
        return Memory(values, self.score.keys(values), valid)

    def read(self, queries: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """The contexts, [B, T, M], and the weights, [B, T, S], of queries [B, T, H].

        The weights of a query add up to 1 and are zero beyond the memory's length; where its
        length is 0, they and the context are zero.
        """
        scores = self.score(queries, memory.keys)
        if memory.valid is None:
            weights = torch.softmax(scores, dim=-1)
        else:
            beyond = ~memory.valid[:, None]
            # Not -inf: a memory of length 0 would divide zero by zero.
            low = scores.masked_fill(beyond, torch.finfo(scores.dtype).min)
            weights = torch.softmax(low, dim=-1).masked_fill(beyond, 0)
        return weights @ memory.values, weights

    def forward(
        self, queries: Tensor, memory: Tensor, lengths: Lengths = None
    ) -> tuple[Tensor, Tensor]:
        """The contexts, [B, T, M], and the weights, [B, T, S]; arguments as `remember`, `read`.

        Raises:
            ValueError: queries, a memory or lengths of the wrong shape or size.
        """
        remembered = self.remember(memory, lengths)
        wanted = [len(memory), "steps", self.query_size]
        shape = list(queries.shape)
        if len(shape) != 3 or shape[::2] != wanted[::2]:
            raise ValueError(f"queries must be {wanted}, got {shape}".replace("'", ""))
        return self.read(queries, remembered)

    def extra_repr(self) -> str:
        return f"query_size={self.query_size}, memory_size={self.memory_size}"


class LuongAttention(Attention):
    """Attention after the step: a(t) = tanh(W_c [context(t); h(t)]).

    Arguments:
        query_size: H.
        memory_size: M.
        score: "dot", "general" or "concat".
        input_feeding: whether a(t-1) is part of the input of step t.
        output_size: features of a; default H.

    Attributes:
        combine: W_c, [output_size, M + H].

    Raises:
        ValueError: an unknown score, a size below 1, or score "dot" of sizes that differ.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        score: str = "general",
        *,
        input_feeding: bool = False,
        output_size: int | None = None,
    ):
        size = query_size if output_size is None else output_size
        _check_sizes(query_size=query_size, memory_size=memory_size, output_size=size)
        made = SCORES[one_of(score, SCORES, "score")](query_size, memory_size)
        super().__init__(query_size, memory_size, made)
        self.combine = nn.Linear(memory_size + query_size, size, bias=False)
        self.input_feeding, self.fed_size = input_feeding, size if input_feeding else 0

    def output_size(self, embedding_size: int) -> int:
        return self.combine.out_features

    def output(self, h: Tensor, context: Tensor, embedded: Tensor) -> Tensor:
        return torch.tanh(self.combine(torch.cat([context, h], dim=-1)))


class BahdanauAttention(Attention):
    """Attention before the step, with the additive score: the context enters the recurrence.

    Arguments:
        query_size: H.
        memory_size: M.
        attention_size: A; default H.

    Raises:
        ValueError: a size below 1.
    """

    comes_first = True

    def __init__(self, query_size: int, memory_size: int, attention_size: int | None = None):
        _check_sizes(query_size=query_size, memory_size=memory_size)
        super().__init__(query_size, memory_size, Additive(query_size, memory_size, attention_size))
        self.fed_size = memory_size

    def output_size(self, embedding_size: int) -> int:
        return self.query_size + self.memory_size + embedding_size

    def output(self, h: Tensor, context: Tensor, embedded: Tensor) -> Tensor:
        return torch.cat([h, context, embedded], dim=-1)


ATTENTIONS: dict[str, Callable[[int, int], Attention]] = {
    "luong": LuongAttention,
    "bahdanau": BahdanauAttention,
}


def attention_of(
    attention: str | Callable[[int, int], Attention] | None,
    query_size: int,
    memory_size: int | None,
) -> Attention | None:
    """The attention that a decoder is asked for: by name, made by a function, or none.

    Raises:
        TypeError, ValueError: neither, an unknown name, or no size of a memory.
    """
    if attention is None:
        return None
    if memory_size is None:
        raise ValueError("memory_size is None; attention needs the features of the memory")
    if isinstance(attention, str):
        return ATTENTIONS[one_of(attention, ATTENTIONS, "attention")](query_size, memory_size)
    if isinstance(attention, nn.Module) or not callable(attention):
        raise TypeError(
            f"attention must be a name, None, or a function of (query_size, memory_size), got "
            f"{type(attention).__name__}; Decoder(recurrent, embedding, attention) takes one "
            "that is made"
        )
    return attention(query_size, memory_size)


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        check_size(name, size)
