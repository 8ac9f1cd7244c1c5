"""Conditional random field: the likelihood of a whole sequence of tags, and the best one.

    score(y) = start[y(1)] + sum over t of scores(t, y(t))
               + sum over t > 1 of transitions[y(t-1), y(t)] + end[y(T)]
    log p(y given scores) = score(y) - log Z,    Z = sum over all y of exp(score(y))

A tagger without one chooses every tag on its own; here a tag depends on the one before it. The
sums over all K^T sequences take T steps each, O(K^2) a step, in logarithms:

    forward     alpha(t, k) = log of the sum over y(1) ... y(t) = k
    backward    beta(t, k)  = log of the sum over what follows y(t) = k
    Viterbi     the maximum in place of the sum, and which tag it came from

    log Z = log sum over k of exp(alpha(T, k) + end[k])
    p(y(t) = k given scores) = exp(alpha(t, k) + beta(t, k) - log Z) = d log Z / d scores(t, k)

Shapes: B batch, T time, K tags.

References:
    Lafferty, McCallum and Pereira, "Conditional random fields: probabilistic models for
        segmenting and labeling sequence data", ICML 2001.
    Rabiner, "A tutorial on hidden Markov models", Proceedings of the IEEE 77(2), 1989 (forward,
        backward, Viterbi).
    Huang, Xu and Yu, "Bidirectional LSTM-CRF models for sequence tagging", arXiv 1508.01991, 2015.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..cells.cell import check_size
from ..engines.lengths import Lengths, checked_lengths, steps_within

# Finite, because the gradient of a sum of nothing but -inf is NaN; so low that its exponential
# beside any allowed score is zero, and that a million of them still do not overflow float32.
_FORBIDDEN = -1e30


class BestTags(NamedTuple):
    """The best sequences: `tags` [B, T], -1 beyond the lengths, and `scores`, score(y), [B]."""

    tags: Tensor
    scores: Tensor


class CRF(nn.Module):
    """A linear chain over tags. Its parameters start at zero, where every tag is on its own.

    Arguments:
        tags: K, how many there are.
        allowed: which tag may follow which, [K, K] of truths, from row to column; default all.
        allowed_first, allowed_last: which may be first and last, [K]; default all.

    Attributes:
        transitions: score of going from row to column, [K, K].
        start, end: score of being first and last, [K].

    In all methods `scores` is [B, T, K], of any real numbers, and `lengths` says how many steps of
    each sequence count, [B], default all. What lies beyond them, even NaN, has no effect.
    A sequence of length 0 has log-likelihood and best score 0.

    Raises:
        ValueError: a number of tags below 1, or truths of another shape.
    """

    allowed: Tensor | None
    allowed_first: Tensor | None
    allowed_last: Tensor | None

    def __init__(
        self,
        tags: int,
        allowed: Tensor | None = None,
        allowed_first: Tensor | None = None,
        allowed_last: Tensor | None = None,
    ):
        super().__init__()
        check_size("tags", tags)
        self.tags = tags
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        self.start, self.end = nn.Parameter(torch.zeros(tags)), nn.Parameter(torch.zeros(tags))
        pair, one = (tags, tags), (tags,)
        self.register_buffer("allowed", _truths("allowed", allowed, pair))
        self.register_buffer("allowed_first", _truths("allowed_first", allowed_first, one))
        self.register_buffer("allowed_last", _truths("allowed_last", allowed_last, one))

    def forward(self, scores: Tensor, tags: Tensor, lengths: Lengths = None) -> Tensor:
        """As `log_likelihood`."""
        return self.log_likelihood(scores, tags, lengths)

    def log_likelihood(self, scores: Tensor, tags: Tensor, lengths: Lengths = None) -> Tensor:
        """log p(tags given scores) of each sequence, [B].

        Arguments:
            tags: whole numbers from 0 to K - 1, [B, T].

        Raises:
            ValueError: scores, tags or lengths of the wrong shape or size, tags that the
                constraints forbid, or a length for which they leave no sequence.
        """
        scores, valid, counts = self._checked(scores, lengths)
        tags = self._checked_tags(tags, valid)
        start, transitions, end = self._constrained()
        last = tags.gather(1, (counts - 1).clamp(min=0)[:, None])[:, 0]
        steps = scores.gather(2, tags[:, :, None])[:, :, 0]
        moves = transitions[tags[:, :-1], tags[:, 1:]].masked_fill(~valid[:, 1:], 0)
        # Where a length is 0, the first step is not valid and `steps` is zero already.
        edges = torch.where(valid[:, 0], start[tags[:, 0]] + end[last], 0)
        total = edges + steps.sum(1) + moves.sum(1)
        self._check_followed(total, tags, counts)
        return total - self._log_z(self._forward(scores, valid)[-1], counts)

    def log_partition(self, scores: Tensor, lengths: Lengths = None) -> Tensor:
        """log Z of each sequence, [B].

        Raises:
            ValueError: as `log_likelihood`.
        """
        scores, valid, counts = self._checked(scores, lengths)
        return self._log_z(self._forward(scores, valid)[-1], counts)

    def marginals(self, scores: Tensor, lengths: Lengths = None) -> Tensor:
        """p(y(t) = k given scores), [B, T, K]: they add up to 1, and are zero beyond the lengths.

        Raises:
            ValueError: as `log_likelihood`.
        """
        scores, valid, counts = self._checked(scores, lengths)
        alpha = self._forward(scores, valid)
        log_z = self._log_z(alpha[-1], counts)
        both = torch.stack(alpha, 1) + torch.stack(self._backward(scores, valid), 1)  # [B, T, K]
        return torch.exp(both - log_z[:, None, None]).masked_fill(~valid[:, :, None], 0)

    @torch.no_grad()
    def viterbi(self, scores: Tensor, lengths: Lengths = None) -> BestTags:
        """The best sequence of tags, and its score; of equals, the lower tag.

        Raises:
            ValueError: as `log_likelihood`.
        """
        scores, valid, counts = self._checked(scores, lengths)
        start, transitions, end = self._constrained()
        best = start + scores[:, 0]
        # Beyond a length nothing moves: every tag comes from itself.
        stay = torch.arange(self.tags, device=scores.device).expand_as(best)
        origins = []
        for t in range(1, scores.shape[1]):
            highest, origin = (best[:, None] + transitions.T).max(-1)  # [B, K]
            within = valid[:, t, None]
            best = torch.where(within, highest + scores[:, t], best)
            origins.append(torch.where(within, origin, stay))
        total, tag = (best + end).max(-1)
        total = total.masked_fill(counts == 0, 0)
        self._check_possible(total, counts)
        path = [tag]
        for origin in reversed(origins):
            path.append(origin.gather(1, path[-1][:, None])[:, 0])
        tags = torch.stack(path[::-1], 1)
        return BestTags(tags.masked_fill(~valid, -1), total)

    def _forward(self, scores: Tensor, valid: Tensor) -> list[Tensor]:
        """alpha of every step, [B, K] each; beyond a length, that of its last step."""
        start, transitions, _ = self._constrained()
        # Sums over neighbours in memory are the faster ones.
        into = transitions.T.contiguous()
        alpha = [start + scores[:, 0]]
        for t in range(1, scores.shape[1]):
            summed = torch.logsumexp(alpha[-1][:, None] + into, -1)
            alpha.append(torch.where(valid[:, t, None], summed + scores[:, t], alpha[-1]))
        return alpha

    def _backward(self, scores: Tensor, valid: Tensor) -> list[Tensor]:
        """beta of every step, [B, K] each; beyond a length, that of its last step."""
        _, transitions, end = self._constrained()
        beta = [end.expand_as(scores[:, 0])]
        for t in range(scores.shape[1] - 1, 0, -1):
            summed = torch.logsumexp((beta[-1] + scores[:, t])[:, None] + transitions, -1)
            beta.append(torch.where(valid[:, t, None], summed, beta[-1]))
        return beta[::-1]

    def _log_z(self, alpha: Tensor, counts: Tensor) -> Tensor:
        log_z = torch.logsumexp(alpha + self._constrained()[2], -1)
        log_z = log_z.masked_fill(counts == 0, 0)
        self._check_possible(log_z, counts)
        return log_z

    def _constrained(self) -> tuple[Tensor, Tensor, Tensor]:
        """start, transitions and end, with what is forbidden out of reach."""
        pairs = (
            (self.start, self.allowed_first),
            (self.transitions, self.allowed),
            (self.end, self.allowed_last),
        )
        start, transitions, end = (
            value if allowed is None else value.masked_fill(~allowed, _FORBIDDEN)
            for value, allowed in pairs
        )
        return start, transitions, end

    def _checked(self, scores: Tensor, lengths: Lengths) -> tuple[Tensor, Tensor, Tensor]:
        """Scores that are zero beyond the lengths, which steps are within, and the lengths."""
        is_tensor = torch.is_tensor(scores) and scores.is_floating_point()
        shape = list(scores.shape) if is_tensor else type(scores).__name__
        if not is_tensor or scores.dim() != 3 or scores.shape[2] != self.tags or 0 in scores.shape:
            raise ValueError(f"scores must be real numbers [batch, time, {self.tags}], got {shape}")
        batch, steps = scores.shape[:2]
        full = torch.full((batch,), steps, device=scores.device)
        counts = full if lengths is None else checked_lengths("lengths", lengths, scores)
        valid = steps_within(counts, steps)
        # Half precision can neither hold what is forbidden nor add up many steps.
        scores = scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores
        return scores.masked_fill(~valid[:, :, None], 0), valid, counts

    def _checked_tags(self, tags: Tensor, valid: Tensor) -> Tensor:
        is_whole = torch.is_tensor(tags) and not tags.is_floating_point()
        if not is_whole or tags.shape != valid.shape:
            came = f"{tags.dtype} {list(tags.shape)}" if torch.is_tensor(tags) else type(tags)
            raise ValueError(f"tags must be whole numbers {list(valid.shape)}, got {came}")
        tags = tags.to(torch.int64).masked_fill(~valid, 0)
        if not torch.compiler.is_compiling() and bool(((tags < 0) | (tags >= self.tags)).any()):
            raise ValueError(
                f"tags must be numbers from 0 to {self.tags - 1}, got {int(tags.min())} to "
                f"{int(tags.max())}"
            )
        return tags

    def _check_followed(self, total: Tensor, tags: Tensor, counts: Tensor) -> None:
        """That the tags given are not among those forbidden."""
        which = self._forbidden(total)
        if which is not None:
            found = tags[which, : counts[which]].tolist()
            raise ValueError(
                f"tags of sequence {which} are {_shown(found)}, which the constraints forbid; "
                "correct them, or allow what they do"
            )

    def _check_possible(self, total: Tensor, counts: Tensor) -> None:
        """That each length has a sequence which is not forbidden."""
        which = self._forbidden(total)
        if which is not None:
            raise ValueError(
                f"the constraints allow no sequence of {int(counts[which])} tags, the length of "
                f"sequence {which}; allow more"
            )

    def _forbidden(self, total: Tensor) -> int | None:
        """The first sequence whose score holds something forbidden."""
        if torch.compiler.is_compiling() or not self._constraints():
            return None
        wrong = (total < 0.5 * _FORBIDDEN).nonzero()
        return int(wrong[0]) if len(wrong) else None

    def _constraints(self) -> list[str]:
        names = ("allowed", "allowed_first", "allowed_last")
        return [name for name in names if getattr(self, name) is not None]

    def extra_repr(self) -> str:
        return ", ".join([f"tags={self.tags}", *self._constraints()])


def _truths(what: str, given: Tensor | None, shape: tuple[int, ...]) -> Tensor | None:
    if given is None:
        return None
    truths = torch.as_tensor(given)
    if truths.dtype != torch.bool or truths.shape != shape:
        came = f"{truths.dtype} {list(truths.shape)}"
        raise ValueError(f"{what} must be truths (torch.bool) {list(shape)}, got {came}")
    return truths.clone()


def _shown(tags: list[int]) -> str:
    return ", ".join(str(tag) for tag in tags[:10]) + (", ..." if len(tags) > 10 else "")
