"""A text read, cut into what is learned from and what is validated on, and made ids."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.errors import DataError
from ...data.text import Text, read_text
from ...data.vocabulary import Vocabulary

# Pieces of a document that are held out to validate, and characters of one at least.
PIECES, SHORTEST_PIECE = 8, 500


def as_text(data: Any) -> Text:
    """A `Text` as it is, anything else through `read_text`."""
    if isinstance(data, Text):
        return data
    if not isinstance(data, (str, os.PathLike, list, tuple)):
        raise TypeError(f"data must be a Text or paths of text files, got {type(data).__name__}")
    return read_text(data)


def spread(text: Text, share: float) -> tuple[Text, Text]:
    """What is left of a text, and pieces with `share` of it, spread evenly.

    The end of a text is often about something new. Held out whole it would leave what comes next
    without a precedent.

    Raises:
        DataError: the text is too short for both.
    """
    left: list[str] = []
    pieces: list[str] = []
    for document in text.documents:
        count = max(1, min(PIECES, int(share * len(document) / SHORTEST_PIECE)))
        length, every = int(share * len(document) / count), len(document) / count
        end = 0
        for k in range(count):
            start = int((k + 0.5) * every - length / 2)
            left.append(document[end:start])
            pieces.append(document[start : start + length])
            end = start + length
        left.append(document[end:])
    parts = [tuple(filter(None, documents)) for documents in (left, pieces)]
    if not all(any(len(document) > 1 for document in part) for part in parts):
        raise DataError(
            f"{text.name} is too short: the part to learn from and the one to validate on must "
            "each hold two tokens at least; give more text"
        )
    learned, held_out = (replace(text, documents=part) for part in parts)
    return learned, held_out


def encoded(vocabulary: Vocabulary, text: Text, device: torch.device) -> list[Tensor]:
    """The ids of every document.

    Raises:
        DataError: there are too few to learn from.
    """
    found = [vocabulary.encode(document).astype(np.int64) for document in text.documents]
    if sum(len(ids) > 1 for ids in found) == 0:
        raise DataError(
            f"{text.name} is too short: the part to learn from and the one to validate on must "
            "each hold two tokens at least; give more text"
        )
    return [torch.from_numpy(ids).to(device) for ids in found]
