"""Reading out tokens by the matrix that embeds them.

Shapes: V tokens.

Reference:
    Press and Wolf, "Using the output embedding to improve language models", EACL 2017.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TiedReadout(nn.Module):
    """o = c + E P output: the matrix of the embedding reads out. P is left out where sizes fit.

    Arguments:
        size: features of the output.
        embedding: whose `weight` is E, [V, embedding_dim].
    """

    def __init__(self, size: int, embedding: nn.Embedding):
        super().__init__()
        place = place_of(embedding)
        width = embedding.embedding_dim
        fits = size == width
        self.project = nn.Identity() if fits else nn.Linear(size, width, bias=False, **place)
        self.bias = nn.Parameter(torch.zeros(embedding.num_embeddings, **place))
        # In a tuple, so that it is no submodule: its weight has one name in a state_dict.
        self._embedding = (embedding,)

    def forward(self, output: Tensor) -> Tensor:
        return F.linear(self.project(output), self._embedding[0].weight, self.bias)


def place_of(embedding: nn.Embedding) -> dict[str, Any]:
    """The type and the device of an embedding, as constructors take them."""
    return {"dtype": embedding.weight.dtype, "device": embedding.weight.device}
