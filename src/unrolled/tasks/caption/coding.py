"""Images and captions as tensors.

A batch is a dict of tensors:

    images   [B, C, H, W], each channel with mean 0 and deviation 1 over the training images
    of       [P], the image of every caption
    words    [P, T], ids, each caption with its end token, padded
    lengths  [P]

An image with several captions is seen once in a batch and described by each of them. Images
without captions give `images` alone.

Shapes: N images, B batch, H height, W width, C channels, P captions of a batch, T words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.errors import DataError
from ...data.images import CaptionedImages
from ...data.reading.notes import Notes
from ...data.series import Finding
from ...data.vocabulary import BEGIN, END, PADDING, Vocabulary, pad

SPECIALS = (PADDING, BEGIN, END)
END_ID = SPECIALS.index(END)
# Words of a caption that are learned from at most.
MOST_WORDS = 60

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Coding:
    """What the network must know of the data.

    Attributes:
        vocabulary: of words.
        size: height and width of the images.
        mean, spread: of the channels, in bytes.
        longest: words of the longest caption, its end among them.
        findings: what was noticed.
    """

    vocabulary: Vocabulary
    size: tuple[int, int]
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    longest: int
    findings: tuple[Finding, ...] = field(default=(), compare=False)

    @classmethod
    def learn(cls, data: CaptionedImages, least: int = 1, lower: bool = True) -> Coding:
        """From images with captions.

        Raises:
            DataError: there are no captions, or no word is seen often enough.
        """
        texts = [caption for several in data.captions for caption in several]
        if not texts:
            raise DataError(f"{data.name} has no captions to learn from")
        vocabulary = Vocabulary.learn(texts, "words", least, specials=SPECIALS, lower=lower)
        lengths = np.array([len(vocabulary.encode(text)) for text in texts])
        notes = Notes(vocabulary.findings)
        long = int((lengths > MOST_WORDS).sum())
        notes.left_out(f"captions cut to {MOST_WORDS} words: {{}}", long)
        means = data.pixels.mean((0, 1, 2), dtype=np.float64)
        spreads = np.maximum(data.pixels.std((0, 1, 2), dtype=np.float64), 1.0)
        return cls(
            vocabulary,
            data.size,
            tuple(means.tolist()),
            tuple(spreads.tolist()),
            min(int(lengths.max()), MOST_WORDS) + 1,
            tuple(notes),
        )

    @property
    def channels(self) -> int:
        return len(self.mean)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; the findings are not kept."""
        return {
            "vocabulary": self.vocabulary.to_dict(),
            "size": list(self.size),
            "mean": list(self.mean),
            "spread": list(self.spread),
            "longest": self.longest,
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], /) -> Coding:
        """From `to_dict`."""
        height, width = saved["size"]
        return cls(
            Vocabulary.from_dict(saved["vocabulary"]),
            (height, width),
            tuple(saved["mean"]),
            tuple(saved["spread"]),
            saved["longest"],
        )

    def summary(self) -> Iterator[tuple[str, str]]:
        """Lines for the console."""
        height, width = self.size
        kind = "colour" if self.channels == 3 else "grey"
        yield "images", f"{width} x {height}, {kind}"
        yield "words", f"{self.vocabulary.summary()}; captions of {self.longest - 1} at most"

    def encode(self, data: CaptionedImages) -> Encoded:
        """Images, and captions where there are some, as tensors.

        Raises:
            DataError: images of another size or kind.
        """
        wanted = (*self.size, self.channels)
        if data.pixels.shape[1:] != wanted:
            came = data.pixels.shape[1:]
            raise DataError(
                f"images must be {list(wanted)} (height, width, channels) as those that were "
                f"learned from, got {list(came)}; read_images(size=..., colour=...) brings them "
                "there"
            )
        return Encoded(self, data)

    def written(self, ids: Sequence[int]) -> str:
        """The caption of ids, without its end token."""
        return self.vocabulary.decode([token for token in ids if token != END_ID])


class Encoded:
    """Images as tensors, and captions as ids.

    Attributes:
        coding: by which.
        data: as they were read.
        ids: of every caption of every image, with its end token.
        lengths: words of the longest caption of each image, 1 at least, [N].
    """

    def __init__(self, coding: Coding, data: CaptionedImages):
        self.coding, self.data = coding, data
        self.ids = [[self._ids(caption) for caption in several] for several in data.captions]
        longest = [max(map(len, several), default=1) for several in self.ids]
        self.lengths = np.array(longest, dtype=np.int64)
        self._mean = torch.tensor(coding.mean)[:, None, None]
        self._spread = torch.tensor(coding.spread)[:, None, None]

    def _ids(self, caption: str) -> np.ndarray:
        return np.append(self.coding.vocabulary.encode(caption)[:MOST_WORDS], END_ID)

    def batch(self, places: Sequence[int]) -> Batch:
        """Some images with all of their captions."""
        chosen = [int(place) for place in places]
        pixels = torch.from_numpy(self.data.pixels[chosen]).permute(0, 3, 1, 2).float()
        batch = {"images": (pixels - self._mean) / self._spread}
        rows = [ids for place in chosen for ids in self.ids[place]]
        if not rows:
            return batch
        counts = torch.tensor([len(self.ids[place]) for place in chosen])
        return batch | {
            "of": torch.arange(len(chosen)).repeat_interleave(counts),
            "words": torch.from_numpy(pad(rows).ids),
            "lengths": torch.tensor([len(row) for row in rows]),
        }
