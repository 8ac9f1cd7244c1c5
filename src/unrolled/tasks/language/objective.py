"""What a language model is trained on: streams of text, with the state carried from part to part.

Every row of a batch reads on where it stopped; the gradient reaches back as far as the part. Now
and then a row starts anew, so that the model also learns to begin: without it a state of zeros is
never seen after the first part.

Shapes: B batch, T time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...training import Chunk, ContiguousStreams, RandomSubsequences, Total
from ...training.stateful import detached
from .network import LanguageEnsemble, LanguageNetwork

Model = LanguageNetwork | LanguageEnsemble
# Rows that read a text side by side where its loss is estimated.
ROWS_OF_VALIDATION = 32
STEPS_OF_VALIDATION = 256
# Tokens of a text that are read in one go, the state carried on.
PART = 2048


class StreamLoss:
    """The loss of parts of streams, each going on from the last one's state.

    Arguments:
        restart: probability with which a row starts anew at a part.
    """

    def __init__(self, restart: float = 0.03):
        self.restart = restart
        self.state: Any = None

    def __call__(self, model: Model, chunk: Chunk, progress: float) -> Total:
        tokens, targets = chunk.values
        reset = chunk.reset.clone()
        reset[:, 0] |= torch.rand(len(reset), device=reset.device) < self.restart
        losses, state = model.losses(tokens, targets, self.state, reset)
        self.state = detached(state)
        return Total(losses.sum(), torch.as_tensor(targets.numel(), device=losses.device))

    def state_dict(self) -> dict[str, Any]:
        """The state that the next part goes on from."""
        return {} if self.state is None else dict(_named(self.state))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.state = _nested(state) if state else None


def _named(state: Any, name: str = "state") -> Iterator[tuple[str, Tensor]]:
    """The tensors of a state by their places: "state" alone, "state.0", "state.1.0"."""
    if torch.is_tensor(state):
        yield name, state
        return
    for place, part in enumerate(state):
        yield from _named(part, f"{name}.{place}")


def _nested(named: Mapping[str, Tensor]) -> Any:
    """The inverse of `_named`."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in named.items():
        _, dot, rest = name.partition(".")
        if not dot:
            return tensor
        place, _, inner = rest.partition(".")
        parts.setdefault(place, {})[f"state.{inner}" if inner else "state"] = tensor
    return tuple(_nested(parts[place]) for place in sorted(parts, key=int))


Documents = Sequence[Tensor]


def streams(
    documents: Documents, batch_size: int, steps: int, seed: int, part: tuple[int, int] = (0, 1)
) -> ContiguousStreams:
    """Parts of the documents in order, side by side; every pass over them begins elsewhere.

    The state starts anew where a document begins.
    """
    aligned = _aligned(documents)
    return ContiguousStreams(aligned, batch_size, steps, rotate=True, seed=seed, part=part)


def subsequences(
    documents: Documents, batch_size: int, steps: int, seed: int, part: tuple[int, int] = (0, 1)
) -> RandomSubsequences:
    """Pieces of the documents drawn at random, each from a state of zeros."""
    return RandomSubsequences(_aligned(documents), batch_size, steps, seed=seed, part=part)


def _aligned(documents: Documents) -> tuple[list[Tensor], list[Tensor]]:
    """Tokens and those that follow them."""
    long = [ids for ids in documents if len(ids) > 1]
    return [ids[:-1] for ids in long], [ids[1:] for ids in long]


@torch.no_grad()
def estimated_loss(model: Model, ids: Tensor, rows: int = ROWS_OF_VALIDATION) -> float:
    """Nats a token of a text cut into rows, each of which begins from zeros."""
    rows = max(1, min(rows, len(ids) // STEPS_OF_VALIDATION))
    length = (len(ids) - 1) // rows
    tokens = ids[: rows * length].view(rows, length)
    targets = ids[1 : rows * length + 1].view(rows, length)
    return float(_total(model, tokens, targets)) / targets.numel()


@torch.no_grad()
def text_losses(model: Model, ids: np.ndarray) -> np.ndarray:
    """-log p of every token of a text but the first, in nats, read from its start, [N - 1]."""
    device = next(model.parameters()).device
    tokens = torch.from_numpy(ids.astype(np.int64)).to(device)[None]
    state, found = None, []
    for start in range(0, tokens.shape[1] - 1, PART):
        stop = min(start + PART, tokens.shape[1] - 1)
        losses, state = model.losses(tokens[:, start:stop], tokens[:, start + 1 : stop + 1], state)
        found.append(losses[0].double().cpu().numpy())
    return np.concatenate(found) if found else np.empty(0)


def _total(model: Model, tokens: Tensor, targets: Tensor) -> Tensor:
    state, total = None, tokens.new_zeros((), dtype=torch.float64)
    for start in range(0, tokens.shape[1], STEPS_OF_VALIDATION):
        some = slice(start, start + STEPS_OF_VALIDATION)
        losses, state = model.losses(tokens[:, some], targets[:, some], state)
        total = total + losses.double().sum()
    return total
