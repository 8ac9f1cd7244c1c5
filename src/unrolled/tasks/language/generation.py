"""Text from a language model, one token after another.

    q(x) is proportional to p(x)^(1 / temperature) over the tokens that are kept

Kept are the `top_k` likeliest, and of those the fewest that together have the probability `top_p`.

Reference:
    Holtzman, Buys, Du, Forbes and Choi, "The curious case of neural text degeneration", ICLR
        2020 (top-p).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .mixture import Mixture
from .network import LanguageEnsemble, LanguageNetwork
from .ngram import ORDERS

# Tokens that an n-gram model may look back at.
LONGEST = max(ORDERS)


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn.

    Attributes:
        temperature: below 1 makes likely tokens likelier; 0 takes the likeliest.
        top_k: how many of the likeliest tokens are kept; None for all.
        top_p: the probability that the kept tokens have together; 1 for all.

    Raises:
        ValueError: a number out of its range.
    """

    temperature: float = 0.8
    top_k: int | None = None
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature >= 0:
            raise ValueError(f"temperature must be 0 or above, got {self.temperature!r}")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k must be a whole number from 1 up, got {self.top_k!r}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, got {self.top_p!r}")

    def probabilities(self, scores: Tensor) -> Tensor:
        """q of every token, [V], from the scores [V]."""
        if self.temperature == 0:
            return torch.zeros_like(scores).index_fill_(0, scores.argmax(), 1.0)
        ordered, places = (scores / self.temperature).sort(descending=True)
        shares = ordered.softmax(0)
        # A token is kept while those before it have less than top_p together.
        kept = shares.cumsum(0) - shares < self.top_p
        if self.top_k is not None:
            kept[self.top_k :] = False
        kept[0] = True
        shares = shares.masked_fill(~kept, 0)
        return torch.zeros_like(shares).scatter_(0, places, shares / shares.sum())


@torch.no_grad()
def generate(
    network: LanguageNetwork | LanguageEnsemble,
    prompt: Sequence[int],
    sampling: Sampling,
    seed: int,
    never: Sequence[int] = (),
    mixture: Mixture | None = None,
) -> Iterator[int]:
    """Tokens that go on from a prompt, without end.

    Arguments:
        prompt: one token at least.
        never: tokens that are not drawn, such as the unknown one.
        mixture: an n-gram model that predicts with the network.
    """
    network.eval()
    device = next(network.parameters()).device
    # Drawn on the CPU, so that a seed gives the same text on every device.
    draw = torch.Generator().manual_seed(seed)
    before = list(prompt)
    read, state = torch.tensor([before], device=device), None
    while True:
        scores, state = network(read, state)
        last = scores[0, -1].double().cpu().log_softmax(0)
        if mixture is not None:
            last = mixture.log_probabilities(last, before)
        last[list(never)] = -torch.inf
        token = int(torch.multinomial(sampling.probabilities(last), 1, generator=draw))
        yield token
        before = [*before[-LONGEST:], token]
        read = torch.tensor([[token]], device=device)
