"""Find likely sequences of tokens under any model that steps: greedily, or with a beam.

    log p(y) = sum over t of log p(y(t) given y(1), ..., y(t-1))
    score(y) = log p(y) / ((5 + length of y) / 6)^alpha

A sequence is complete once it has the end token, which counts in its length, or `max_steps`
tokens. Greedy search takes the likeliest token at every step. Beam search keeps the `beam_size`
likeliest unfinished sequences, sets those aside that end, each of which leaves one place less
for the others, and takes the best by score. It stops once no unfinished sequence can have a
better score than those it has: log p only falls, so the score of all that begins with y is at most
log p(y) / ((5 + max_steps) / 6)^alpha. A beam of 1 is greedy search; one as large as the number
of sequences finds the best of all.

Shapes: B sequences, K beam_size, N rows of a step (B, or B K, the K of a sequence side by side),
R results for a sequence, L longest result, V vocabulary.

References:
    Sutskever, Vinyals and Le, "Sequence to sequence learning with neural networks", NIPS 2014,
        section 3.2 (what ends leaves the beam).
    Wu et al., "Google's neural machine translation system", arXiv 1609.08144, 2016, equation 14.
    Huang, Zhao and Ma, "When to finish? Optimal beam search for neural text generation",
        EMNLP 2017 (when to stop).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ..cells.cell import check_size
from .shapes import shapes_of

# From the last token of every row, [N], and the state, log p of the next, [N, V], and the state.
Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


@dataclass(frozen=True, repr=False)
class Hypotheses:
    """Sequences that a search found, for every sequence of the batch the best first.

    Attributes:
        tokens: [B, R, L], the end token among them; filled up beyond the lengths.
        lengths: [B, R]; 0 where there are fewer than R sequences to find.
        log_probability: log p(y), [B, R]; -inf where there is none.
        scores: log p(y) over the length penalty, [B, R]; -inf where there is none.
        ended: whether the end token was reached, [B, R].
        rows: which row of the step's batch each token was found in, [B, R, L].
        weights: of the attention when each token was found, [B, R, L, S], zero beyond the
            lengths; None without attention.
    """

    tokens: Tensor
    lengths: Tensor
    log_probability: Tensor
    scores: Tensor
    ended: Tensor
    rows: Tensor
    weights: Tensor | None = None

    def __repr__(self) -> str:
        return shapes_of(self)

    def recall(self, each: list[Tensor]) -> Tensor:
        """What was computed on the way to each token, [B, R, L, ...], zero beyond the lengths.

        Arguments:
            each: of every call of the step, [N, ...].
        """
        steps = torch.stack(each)  # [steps, N, ...]
        longest = self.tokens.shape[2]
        time = torch.arange(longest, device=self.rows.device)
        found = steps[time, self.rows]
        beyond = time >= self.lengths[:, :, None]
        return found.masked_fill(beyond.reshape(*beyond.shape, *(1,) * (steps.dim() - 2)), 0)


@torch.no_grad()
def greedy(
    step: Step,
    start: Tensor,
    state: Any = None,
    *,
    end: int | None,
    max_steps: int = 100,
    padding: int = 0,
) -> Hypotheses:
    """Take the likeliest token at every step. One result a sequence, scored by log p.

    Arguments:
        step: tokens [N] and a state to log-probabilities [N, V] and the next state.
        start: the token that each sequence begins with, [B]; it is not part of the result.
        state: tensors whose rows belong to the sequences, [B, ...], in any nesting.
        end: the token that ends a sequence; None: all have `max_steps` tokens.
        max_steps: how many tokens a sequence has at most.
        padding: what fills up results beyond their lengths.

    Raises:
        ValueError: an argument of the wrong shape or size.
    """
    _check(start, max_steps)
    batch = len(start)
    tokens = start.new_full((batch, max_steps), padding, dtype=torch.int64)
    lengths, last = torch.zeros_like(tokens[:, 0]), start.to(torch.int64)
    running = torch.ones_like(start, dtype=torch.bool)
    total: Tensor = torch.zeros((), device=start.device)
    for t in range(max_steps):
        log_p, state = step(last, state)
        best, last = _checked(log_p, batch).max(-1)
        total = total + best.masked_fill(~running, 0)
        tokens[:, t] = last.masked_fill(~running, padding)
        lengths = lengths + running
        running = running & (last != end) if end is not None else running
        if not bool(running.any()):
            break
    rows = torch.arange(batch, device=start.device)[:, None].expand_as(tokens)
    found = (tokens, lengths, total, total, ~running, rows)
    return _trimmed(Hypotheses(*(each[:, None] for each in found)), padding)


@torch.no_grad()
def beam(
    step: Step,
    start: Tensor,
    state: Any = None,
    *,
    end: int | None,
    beam_size: int = 5,
    length_penalty: float = 0.6,
    max_steps: int = 100,
    n_best: int = 1,
    padding: int = 0,
) -> Hypotheses:
    """Keep the likeliest beginnings of a sequence, and take the best that they end in.

    Arguments:
        step: tokens [N] and a state to log-probabilities [N, V] and the next state; N is B K.
        start, state, end, max_steps, padding: as `greedy` takes them; every tensor of the state
            is repeated K times, and its rows are put in the order of the beginnings kept.
        beam_size: K.
        length_penalty: alpha, 0 for none: the larger, the more a long sequence is favoured.
        n_best: R, how many results a sequence has, at most K.

    Raises:
        ValueError: an argument of the wrong shape or size.
    """
    _check(start, max_steps)
    check_size("beam_size", beam_size)
    check_size("n_best", n_best)
    if n_best > beam_size:
        raise ValueError(f"n_best must be at most beam_size {beam_size}, got {n_best}")
    if not 0 <= length_penalty < math.inf:
        raise ValueError(f"length_penalty must be a number from 0 up, got {length_penalty!r}")
    front, last = _Beam(start, beam_size, max_steps, padding), start.to(torch.int64)
    state, last = _rows(state, front.first), last[front.first]
    found: Hypotheses | None = None
    for t in range(max_steps):
        log_p, state = step(last, state)
        last, order, ended = front.advance(_checked(log_p, len(last)), t, end)
        state = _rows(state, order)
        found = _best(found, front.candidates(ended, t + 1, length_penalty, True), n_best)
        front.close(ended)
        # Nothing that is open can come to more than this.
        bound = front.log_p.max(1).values / penalty(max_steps, length_penalty)
        front.drop(found.scores[:, -1] >= bound)
        if not bool(front.is_open.any()):
            break
    cut = front.candidates(front.is_open, max_steps, length_penalty, False)
    return _trimmed(_best(found, cut, n_best), padding)


def penalty(length: int, alpha: float) -> float:
    """What log p of a sequence is divided by: ((5 + length) / 6)^alpha."""
    return ((5 + length) / 6) ** alpha


class _Beam:
    """The beginnings that are kept of every sequence.

    Attributes:
        first: the rows of the sequences, each K times, [B K].
        log_p: of each beginning, [B, K]; -inf where the place is not taken.
        places: how many beginnings each sequence may keep, [B].
    """

    def __init__(self, start: Tensor, size: int, max_steps: int, padding: int):
        batch, device = len(start), start.device
        self.first = torch.arange(batch, device=device).repeat_interleave(size)
        self.tokens = start.new_full((batch, size, max_steps), padding, dtype=torch.int64)
        self.rows = torch.zeros_like(self.tokens)
        self.places = torch.full((batch,), size, device=device)
        # All K begin alike: one is enough.
        self.log_p = torch.full((batch, size), -math.inf, device=device)
        self.log_p[:, 0] = 0

    @property
    def is_open(self) -> Tensor:
        return self.log_p > -math.inf

    def advance(self, log_p: Tensor, t: int, end: int | None) -> tuple[Tensor, Tensor, Tensor]:
        """Go on with the likeliest tokens: these [B K], the rows they came from, which ended."""
        batch, size = self.log_p.shape
        total = self.log_p[:, :, None] + log_p.unflatten(0, (batch, size))  # [B, K, V]
        self.log_p, where = total.flatten(1).topk(size)
        parent, token = where // log_p.shape[1], where % log_p.shape[1]
        rank = torch.arange(size, device=log_p.device)
        self.log_p = self.log_p.masked_fill(rank >= self.places[:, None], -math.inf)
        came_from = parent[:, :, None].expand_as(self.tokens)
        self.tokens, self.rows = self.tokens.gather(1, came_from), self.rows.gather(1, came_from)
        row = parent + size * torch.arange(batch, device=log_p.device)[:, None]
        self.tokens[:, :, t], self.rows[:, :, t] = token, row
        ended = self.is_open & (token == end) if end is not None else torch.zeros_like(self.is_open)
        return token.flatten(), row.flatten(), ended

    def candidates(self, which: Tensor, length: int, alpha: float, ended: bool) -> Hypotheses:
        """The beginnings that `which` marks, [B, K], as results."""
        log_p = self.log_p.masked_fill(~which, -math.inf)
        lengths = torch.full_like(self.tokens[:, :, 0], length)
        flags, scores = torch.full_like(which, ended), log_p / penalty(length, alpha)
        return Hypotheses(self.tokens, lengths, log_p, scores, flags, self.rows)

    def close(self, ended: Tensor) -> None:
        """Take those that ended out, and their places away."""
        self.log_p = self.log_p.masked_fill(ended, -math.inf)
        self.places = self.places - ended.sum(1)

    def drop(self, done: Tensor) -> None:
        """End the search for the sequences that are done, [B]."""
        self.log_p = self.log_p.masked_fill(done[:, None], -math.inf)


def _best(found: Hypotheses | None, more: Hypotheses, count: int) -> Hypotheses:
    """The best by score of both; of equal ones the earlier."""
    names = [field.name for field in fields(Hypotheses) if field.name != "weights"]
    both = [more] if found is None else [found, more]
    every = {name: torch.cat([getattr(each, name) for each in both], dim=1) for name in names}
    order = every["scores"].argsort(dim=1, descending=True, stable=True)[:, :count]
    return Hypotheses(**{name: _gathered(each, order) for name, each in every.items()})


def _gathered(each: Tensor, order: Tensor) -> Tensor:
    if each.dim() == 2:
        return each.gather(1, order)
    return each.gather(1, order[:, :, None].expand(-1, -1, each.shape[2]))


def _trimmed(found: Hypotheses, padding: int) -> Hypotheses:
    """Results without what no sequence reaches, and nothing where there is none."""
    none = found.scores == -math.inf
    lengths = found.lengths.masked_fill(none, 0)
    longest = max(int(lengths.max()), 1)
    beyond = torch.arange(longest, device=lengths.device) >= lengths[:, :, None]
    return replace(
        found,
        tokens=found.tokens[:, :, :longest].masked_fill(beyond, padding),
        rows=found.rows[:, :, :longest].masked_fill(beyond, 0),
        lengths=lengths,
        ended=found.ended & ~none,
    )


def _rows(state: Any, order: Tensor) -> Any:
    """A state with its rows in another order, or more of them."""

    def reordered(leaf: Any) -> Any:
        return leaf.index_select(0, order) if torch.is_tensor(leaf) else leaf

    return pytree.tree_map(reordered, state)


def _check(start: Tensor, max_steps: int) -> None:
    if (
        not torch.is_tensor(start)
        or start.dim() != 1
        or start.is_floating_point()
        or not len(start)
    ):
        came = f"{start.dtype} {list(start.shape)}" if torch.is_tensor(start) else repr(start)
        raise ValueError(f"start must be the first token of every sequence, [batch], got {came}")
    check_size("max_steps", max_steps)


def _checked(log_p: Tensor, rows: int) -> Tensor:
    if log_p.dim() != 2 or len(log_p) != rows:
        raise ValueError(
            f"step must give log-probabilities [{rows}, vocabulary], got {list(log_p.shape)}"
        )
    return log_p


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Within this context the module is in evaluation mode; then in the mode that it was in."""
    modes = [(each, each.training) for each in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for each, mode in modes:
            each.training = mode
