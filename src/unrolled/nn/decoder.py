"""A decoder: a recurrent network that writes tokens, step by step, and may look at a memory.

    [h(t), ...] = step([E y(t-1); fed(t)], [h(t-1), ...])
    o(t) = c + V output(t)
    p(y(t) given y(1), ..., y(t-1) and the memory) = softmax(o(t))

y(0) is the start token. Without attention fed(t) is empty and output(t) is h(t); `nn.attention`
says what they are with it.

What y(t-1) is, is the forcing: the true token (teacher forcing), the likeliest by o(t-1) (free
running), or each at random (scheduled sampling). Under teacher forcing the steps are one unroll,
unless the attention feeds back into the recurrence.

Shapes: B batch, T steps, V tokens, S steps of the memory, M memory_size, E embedding size,
N rows of one step (B, or B times the hypotheses of a search).

References:
    Sutskever, Vinyals and Le, "Sequence to sequence learning with neural networks", NIPS 2014.
    Williams and Zipser, "A learning algorithm for continually running fully recurrent neural
        networks", Neural Computation 1, 1989 (teacher forcing).
    Bengio, Vinyals, Jaitly and Shazeer, "Scheduled sampling for sequence prediction with
        recurrent neural networks", NIPS 2015.
    Press and Wolf, "Using the output embedding to improve language models", EACL 2017 (tying).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..engines import Engine
from ..engines.lengths import Lengths, steps_within
from .attention import Attention, Memory, attention_of
from .decoded import Decoded
from .forcing import Plan, Scheduled, checked_forcing, choice, own_choices
from .readout import TiedReadout, place_of
from .recurrent import Make, Recurrent, share
from .search import Hypotheses, evaluating
from .stack import State
from .stepwise import StepByStep
from .tokens import check_token, checked_tokens, embedding_of
from .writing import Writing

# The states of the layers, and what is fed to the next step, [N, fed_size].
Carry = tuple[tuple[State, ...], Tensor]


class Decoder(nn.Module):
    """Writes tokens, given a state to start from and, with attention, a memory.

        ur.nn.Decoder.of_tokens(1000, 256, memory_size=512)

    Arguments:
        recurrent: the layers, in one direction; they read what the embedding gives and, behind
            it, the `fed_size` features of the attention.
        embedding: of the tokens; its padding_idx is their padding, if it has one.
        attention: None for a decoder that knows only its initial state.
        dropout: share of the embedded tokens and of what is read out that is dropped in training.
        tied: whether the embedding reads out as well.
        start: the token before the first.
        end: the token that ends a sequence; None where nothing does.

    Raises:
        TypeError: a part of another type.
        ValueError: sizes or tokens that do not fit.
    """

    def __init__(
        self,
        recurrent: Recurrent,
        embedding: nn.Embedding,
        attention: Attention | None = None,
        *,
        dropout: float = 0.0,
        tied: bool = False,
        start: int = 1,
        end: int | None = 2,
    ):
        super().__init__()
        _check_parts(recurrent, embedding, attention)
        self.start = check_token("start", start, embedding)
        self.end = None if end is None else check_token("end", end, embedding)
        if end is not None and end == embedding.padding_idx:
            raise ValueError(
                f"end and padding are both {end}: where a sequence ends could not be told; make "
                "them two tokens, or pass padding=None and lengths"
            )
        self.recurrent, self.embedding, self.attention = recurrent, embedding, attention
        self.dropout = nn.Dropout(share("dropout", dropout))
        size = recurrent.output_size
        if attention is not None:
            size = attention.output_size(embedding.embedding_dim)
        self.readout: nn.Module = (
            TiedReadout(size, embedding)
            if tied
            else nn.Linear(size, embedding.num_embeddings, **place_of(embedding))
        )

    @staticmethod
    def of_tokens(
        num_tokens: int,
        hidden_size: int,
        memory_size: int | None = None,
        *,
        embedding_size: int | None = None,
        cell: str | Make = "lstm",
        num_layers: int = 1,
        attention: str | Callable[[int, int], Attention] | None = "luong",
        dropout: float = 0.0,
        tied: bool = False,
        start: int = 1,
        end: int | None = 2,
        padding: int | None = 0,
        engine: str | Engine = "auto",
    ) -> Decoder:
        """A decoder and its parts, from their sizes.

        Arguments:
            num_tokens: V.
            hidden_size: of every layer, and of the queries of the attention.
            memory_size: M; not needed without attention.
            embedding_size: E; default `hidden_size`.
            cell: as `Recurrent` takes it, by name or to be made.
            num_layers: how many layers.
            attention: "luong", "bahdanau", None, or what is called with (query_size,
                memory_size), such as `lambda q, m: LuongAttention(q, m, input_feeding=True)`.
            dropout: as `Decoder` takes it, and between layers.
            tied, start, end: as `Decoder` takes them.
            padding: the token that fills up sequences; None where there is none.
            engine: as `unrolled.unroll` takes it.

        Raises:
            TypeError, ValueError: as `Decoder`, and for an unknown cell or attention.
        """
        embedding = embedding_of(num_tokens, embedding_size or hidden_size, padding)
        if tied:
            # Rows of length 1 give logits of the size of what is read out.
            embedding.weight.detach().mul_(embedding.embedding_dim**-0.5)
        looks = attention_of(attention, hidden_size, memory_size)
        read = embedding.embedding_dim + (0 if looks is None else looks.fed_size)
        between = dropout if num_layers > 1 else 0.0
        recurrent = Recurrent(cell, read, hidden_size, num_layers, dropout=between, engine=engine)
        return Decoder(
            recurrent, embedding, looks, dropout=dropout, tied=tied, start=start, end=end
        )

    @property
    def num_tokens(self) -> int:
        return self.embedding.num_embeddings

    @property
    def padding(self) -> int:
        """What fills up sequences of tokens: the embedding's padding_idx, or 0."""
        return self.embedding.padding_idx or 0

    def forward(
        self,
        targets: Tensor | None = None,
        memory: Tensor | None = None,
        state: Any = None,
        *,
        memory_lengths: Lengths = None,
        lengths: Lengths = None,
        forcing: str | Scheduled = "teacher",
        steps: int | None = None,
    ) -> Decoded:
        """o(t) for t = 1, ..., T.

        Arguments:
            targets: y(1), ..., y(T), [B, T], without the start token, which is put before them
                here; the end token is one of them. Without `lengths`, padding counts as a
                token where others follow it. None to run freely until the end token, or for
                `steps`.
            memory: what the attention looks at, [B, S, M]; not read without one.
            state: before the first step, in the form of `Recurrent`: h, or (h, c), each
                [layers, B, size]. Default what the cells start from.
            memory_lengths: steps of the memory that count, [B].
            lengths: valid targets of each sequence, [B]; default up to the padding at its end,
                if the embedding has a padding_idx. Beyond them targets may be anything.
            forcing: "teacher", "free", or `Scheduled(p)`. With targets every sequence has their
                length, also where the model chooses the end token before.
            steps: how many steps to run at most, where there are no targets.

        Raises:
            TypeError, ValueError: an argument of the wrong type, shape or size, or one missing.
        """
        forcing = checked_forcing(forcing, targets, steps)
        remembered = self._remember(memory, memory_lengths)
        if targets is None:
            batch = self._batch_of(memory, state)
            fed = self.embedding.weight.new_full((batch, steps or 1), self.start, dtype=torch.long)
            plan = Plan(fed, own=torch.ones_like(fed, dtype=torch.bool), until_end=True)
            return self._stepwise(plan, remembered, state)
        targets, counts = checked_tokens("targets", targets, lengths, self.embedding)
        if memory is not None and len(memory) != len(targets):
            raise ValueError(f"memory has {len(memory)} sequences, targets have {len(targets)}")
        fed = F.pad(targets[:, :-1], (1, 0), value=self.start)
        own = own_choices(forcing, fed)
        sample = isinstance(forcing, Scheduled) and forcing.sample
        plan = Plan(fed, own, counts, sample)
        if own is None and not (self.attention is not None and self.attention.feeds_back):
            return self._at_once(plan, remembered, state)
        return self._stepwise(plan, remembered, state)

    @torch.no_grad()
    def greedy(
        self,
        memory: Tensor | None = None,
        state: Any = None,
        *,
        memory_lengths: Lengths = None,
        max_steps: int = 100,
    ) -> Hypotheses:
        """The likeliest token at every step, until the end token or for `max_steps`.

        Without gradients or noise, whichever mode the decoder is in. The arguments are those of
        `forward`; `nn.search.greedy` describes the result.
        """
        with evaluating(self):
            return self.writing(memory, state, memory_lengths).greedy(max_steps)

    @torch.no_grad()
    def beam(
        self,
        memory: Tensor | None = None,
        state: Any = None,
        *,
        memory_lengths: Lengths = None,
        beam_size: int = 5,
        length_penalty: float = 0.6,
        max_steps: int = 100,
        n_best: int = 1,
    ) -> Hypotheses:
        """The most probable sequences that a beam finds.

        Without gradients or noise, whichever mode the decoder is in. The arguments are those of
        `forward` and of `nn.search.beam`, which describes the result.
        """
        with evaluating(self):
            return self.writing(memory, state, memory_lengths).beam(
                beam_size=beam_size, length_penalty=length_penalty, max_steps=max_steps,
                n_best=n_best,
            )  # fmt: skip

    def writing(
        self, memory: Tensor | None = None, state: Any = None, lengths: Lengths = None
    ) -> Writing:
        """Be about to write, in the mode that the decoder is in; `lengths` are the memory's."""
        remembered, batch = self._remember(memory, lengths), self._batch_of(memory, state)
        weight = self.embedding.weight
        layers = StepByStep(self.recurrent, weight.new_zeros(batch, 1, 0))
        seen: list[Tensor] = []

        def step(tokens: Tensor, carry: Carry) -> tuple[Tensor, Carry]:
            carry, output, weights = self._step(tokens, carry, remembered, layers, 0)
            if weights is not None:
                seen.append(weights)
            return torch.log_softmax(self._logits(output), dim=-1), carry

        start = torch.full((batch,), self.start, device=weight.device)
        carry = self._begin(layers, state, batch)
        return Writing(step, start, carry, self.end, self.padding, seen)

    def _remember(self, memory: Tensor | None, lengths: Lengths) -> Memory | None:
        if self.attention is None:
            return None
        if memory is None:
            raise ValueError("memory is None; the attention needs one, [batch, steps, size]")
        return self.attention.remember(memory, lengths)

    def _batch_of(self, memory: Tensor | None, state: Any) -> int:
        """How many sequences there are, where no targets tell it."""
        if memory is not None:
            return len(memory)
        while isinstance(state, (tuple, list)) and state:
            state = state[0]
        if not torch.is_tensor(state) or state.dim() != 3:
            raise ValueError("state is needed without a memory, to tell how many sequences")
        return state.shape[1]

    def _embed(self, tokens: Tensor) -> Tensor:
        return self.dropout(self.embedding(tokens))

    def _logits(self, output: Tensor) -> Tensor:
        return self.readout(self.dropout(output))

    def _at_once(self, plan: Plan, memory: Memory | None, state: Any) -> Decoded:
        """Every step in one unroll, then the attention of all of them."""
        embedded = self._embed(plan.fed)
        output, final = self.recurrent(embedded, state, lengths=plan.lengths)
        weights = None
        if self.attention is not None and memory is not None:
            context, weights = self.attention.read(output, memory)
            output = self.attention.output(output, context, embedded)
        return self._decoded(self._logits(output), weights, final, plan.lengths)

    def _stepwise(self, plan: Plan, memory: Memory | None, state: Any) -> Decoded:
        """Step by step, as what is fed depends on what comes out."""
        fed, own = plan.fed, plan.own
        layers = StepByStep(self.recurrent, self.embedding.weight.new_zeros(*fed.shape, 0))
        carry, chosen = self._begin(layers, state, len(fed)), fed[:, 0]
        layers.show(carry[0])
        lengths, running = torch.zeros_like(chosen), torch.ones_like(chosen, dtype=torch.bool)
        found, weights = [], []
        for t in range(fed.shape[1]):
            if plan.lengths is not None:
                running = t < plan.lengths
            tokens = fed[:, t] if own is None else chosen.where(own[:, t], fed[:, t])
            new, output, seen = self._step(tokens, carry, memory, layers, t)
            carry = _held(carry, new, running)
            found.append(output if own is None else self._logits(output))
            weights.append(seen)
            lengths = lengths + running
            if own is not None:
                chosen = choice(found[-1].detach(), plan.sample)
            if plan.until_end and self.end is not None:
                running = running & (chosen != self.end)
                if not bool(running.any()):
                    break
        layers.over(carry[0], lengths)
        over_time = None if self.attention is None else torch.stack(weights, dim=1)
        logits = torch.stack(found, dim=1)
        logits = self._logits(logits) if own is None else logits
        return self._decoded(logits, over_time, layers.back(carry[0]), lengths)

    def _begin(self, layers: StepByStep, state: Any, batch: int) -> Carry:
        fed = 0 if self.attention is None else self.attention.fed_size
        weight = self.embedding.weight
        return layers.start(state, batch, weight), weight.new_zeros(batch, fed)

    def _step(
        self, tokens: Tensor, carry: Carry, memory: Memory | None, layers: StepByStep, t: int
    ) -> tuple[Carry, Tensor, Tensor | None]:
        """One step: what it carries on, what it reads out, [N, ...], and the weights, [N, S]."""
        (states, fed), attention, weights = carry, self.attention, None
        embedded = self._embed(tokens)
        if attention is not None and attention.comes_first:
            fed, weights = _look(attention, states[-1][0], memory)
        output, states = layers.step(torch.cat([embedded, fed], dim=-1), states, t)
        if attention is not None:
            context = fed
            if not attention.comes_first:
                context, weights = _look(attention, output, memory)
            output = attention.output(output, context, embedded)
            fed = output if attention.input_feeding else fed
        return (states, fed), output, weights

    def _decoded(
        self, logits: Tensor, weights: Tensor | None, final: Any, lengths: Tensor | None
    ) -> Decoded:
        batch, time, _ = logits.shape
        if lengths is None:
            lengths = torch.full((batch,), time, device=logits.device)
        beyond = ~steps_within(lengths, time)[:, :, None]
        logits = logits.masked_fill(beyond, 0)
        weights = None if weights is None else weights.masked_fill(beyond, 0)
        return Decoded(logits, weights, final, lengths, self.padding)

    def extra_repr(self) -> str:
        return f"start={self.start}, end={self.end}"


def _look(attention: Attention, queries: Tensor, memory: Memory | None) -> tuple[Tensor, Tensor]:
    """Contexts and weights of queries [N, H], those of one sequence side by side."""
    assert memory is not None, "Decoder._remember refuses none"
    together = queries.unflatten(0, (len(memory.values), -1))  # [B, N / B, H]
    context, weights = attention.read(together, memory)
    return context.flatten(0, 1), weights.flatten(0, 1)


def _held(old: Carry, new: Carry, running: Tensor) -> Carry:
    """What is carried on: of a sequence that is over, what it was."""
    states = tuple(
        tuple(after.where(running[:, None], before) for before, after in zip(*pair, strict=True))
        for pair in zip(old[0], new[0], strict=True)
    )
    return states, new[1]


def _check_parts(
    recurrent: Recurrent, embedding: nn.Embedding, attention: Attention | None
) -> None:
    parts = {"recurrent": (recurrent, Recurrent), "embedding": (embedding, nn.Embedding)}
    if attention is not None:
        parts["attention"] = (attention, Attention)
    for name, (part, kind) in parts.items():
        if not isinstance(part, kind):
            raise TypeError(f"{name} must be a {kind.__name__}, got {type(part).__name__}")
    if recurrent.bidirectional or not recurrent.batch_first:
        raise ValueError("recurrent must read in one direction, with batch_first=True")
    if any(cell.reads_time for cell in recurrent.cells):
        raise ValueError('recurrent must not read times: a decoder has none for elapsed="input"')
    fed = 0 if attention is None else attention.fed_size
    if recurrent.input_size != embedding.embedding_dim + fed:
        raise ValueError(
            f"recurrent must read {embedding.embedding_dim + fed} features, {fed} of them of the "
            f"attention, its input_size is {recurrent.input_size}"
        )
    if attention is not None and attention.query_size != recurrent.output_size:
        raise ValueError(
            f"attention must have query_size {recurrent.output_size}, the output of the cells, "
            f"got {attention.query_size}"
        )
