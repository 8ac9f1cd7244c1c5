"""What a search steps with: one model that writes, or several whose probabilities are averaged.

    p(y(t)) = 1/K sum over k of p_k(y(t) given y(1), ..., y(t-1))

Shapes: B sequences, N rows of a step, V vocabulary, S steps of the memory.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..engines.lengths import Lengths
from .ensemble import Ensemble
from .search import Hypotheses, Step, beam, evaluating, greedy


@dataclass(frozen=True, eq=False)
class Writing:
    """A model that is about to write.

    Attributes:
        step: from tokens [N] and a state to log p of the next tokens [N, V] and a state.
        start: the token before the first, of every sequence, [B].
        state: the state before the first step.
        end: the token that ends a sequence; None where nothing does.
        padding: what fills up results.
        seen: the weights of the attention of every step so far, [N, S]; empty without attention.
    """

    step: Step
    start: Tensor
    state: Any
    end: int | None
    padding: int
    seen: list[Tensor] = field(default_factory=list)

    def greedy(self, max_steps: int) -> Hypotheses:
        """As `nn.search.greedy`, with the weights of the attention."""
        found = greedy(
            self.step, self.start, self.state, end=self.end, max_steps=max_steps,
            padding=self.padding,
        )  # fmt: skip
        return self._with_weights(found)

    def beam(self, **asked: Any) -> Hypotheses:
        """As `nn.search.beam`, which the arguments are of, with the weights of the attention."""
        found = beam(self.step, self.start, self.state, end=self.end, padding=self.padding, **asked)
        return self._with_weights(found)

    def _with_weights(self, found: Hypotheses) -> Hypotheses:
        return replace(found, weights=found.recall(self.seen)) if self.seen else found

    @staticmethod
    def together(parts: Sequence[Writing]) -> Writing:
        """Several models as one: the mean of their probabilities, and of their attention."""
        seen: list[Tensor] = []

        def step(tokens: Tensor, states: Any) -> tuple[Tensor, Any]:
            pairs = zip(parts, states, strict=True)
            log_p, after = zip(*(part.step(tokens, state) for part, state in pairs), strict=True)
            if all(part.seen for part in parts):
                seen.append(torch.stack([part.seen[-1] for part in parts]).mean(0))
            return torch.logsumexp(torch.stack(log_p), 0) - math.log(len(parts)), after

        first = parts[0]
        states = tuple(part.state for part in parts)
        return Writing(step, first.start, states, first.end, first.padding, seen)


class Writer(nn.Module):
    """What writes sequences for given ones; a subclass says how it is about to."""

    @abstractmethod
    def writing(self, source: Tensor, source_lengths: Lengths = None) -> Writing:
        """Read `source`, and be about to write; in the mode that the model is in."""

    @torch.no_grad()
    def greedy(
        self, source: Tensor, source_lengths: Lengths = None, *, max_steps: int = 100
    ) -> Hypotheses:
        """The likeliest token at every step; see `Decoder.greedy`."""
        with evaluating(self):
            return self.writing(source, source_lengths).greedy(max_steps)

    @torch.no_grad()
    def beam(
        self,
        source: Tensor,
        source_lengths: Lengths = None,
        *,
        beam_size: int = 5,
        length_penalty: float = 0.6,
        max_steps: int = 100,
        n_best: int = 1,
    ) -> Hypotheses:
        """The most probable sequences that a beam finds; see `Decoder.beam`."""
        with evaluating(self):
            return self.writing(source, source_lengths).beam(
                beam_size=beam_size, length_penalty=length_penalty, max_steps=max_steps,
                n_best=n_best,
            )  # fmt: skip


class WritingEnsemble(Ensemble, Writer):
    """Several models of the same tokens that write as one."""

    def writing(self, source: Tensor, source_lengths: Lengths = None) -> Writing:
        members: Any = self.members
        return Writing.together([each.writing(source, source_lengths) for each in members])
