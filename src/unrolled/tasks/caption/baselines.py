"""What a captioner must beat.

    commonest caption    the same for every image
    nearest image        the caption of the training image whose pixels are nearest

Pixels are compared after both images are shrunk to 16 places a side at most, by the mean of each
part. Of very many training images some are drawn to compare with.

Shapes: N training images that are kept, F numbers of a shrunk image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...data.images import CaptionedImages
from .metrics import scores_of

COMMONEST, NEAREST = "commonest caption", "nearest image"
# Places along each side of a shrunk image; training images that are kept.
SIDE, MOST_KEPT = 16, 10_000
_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class Baselines:
    """What needs no network.

    Attributes:
        commonest: the commonest caption.
        captions: one of each image that is kept, N.
        shrunk: those images, [N, F] bytes.
        lower: whether capital letters count as small ones.
    """

    commonest: str
    captions: tuple[str, ...]
    shrunk: Tensor
    lower: bool = True

    @classmethod
    def fit(cls, learned: CaptionedImages, lower: bool = True, seed: int = 0) -> Baselines:
        """From the training images; `seed` is of what is drawn of them."""
        counts = Counter(caption for several in learned.captions for caption in several)
        if len(learned) > MOST_KEPT:
            order = np.random.default_rng(seed).permutation(len(learned))
            learned = learned.select(np.sort(order[:MOST_KEPT]))
        captions = tuple(several[0] for several in learned.captions)
        return cls(counts.most_common(1)[0][0], captions, shrunk(learned), lower)

    def nearest(self, data: CaptionedImages) -> list[str]:
        """The caption of the nearest training image, for each image."""
        kept = self.shrunk.float()
        squares = kept.square().sum(1)
        found = []
        for some in shrunk(data).float().split(_AT_ONCE):
            # |a - b|^2 but for |a|^2, which is the same for all b.
            places = (squares - 2 * some @ kept.T).argmin(1)
            found += [self.captions[place] for place in places.tolist()]
        return found

    def scores(self, data: CaptionedImages, /) -> dict[str, dict[str, float]]:
        """By baseline, by metric."""
        said = {COMMONEST: [self.commonest] * len(data), NEAREST: self.nearest(data)}
        return {n: scores_of(texts, data.captions, self.lower) for n, texts in said.items()}

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, but for the tensors."""
        return {
            "commonest": self.commonest,
            "captions": list(self.captions),
            "lower": self.lower,
        }

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The shrunk images."""
        return {"shrunk": self.shrunk}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], tensors: dict[str, Tensor], /) -> Baselines:
        """From `to_dict` and `tensors`."""
        captions = tuple(saved["captions"])
        return cls(saved["commonest"], captions, tensors["shrunk"], saved["lower"])


def shrunk(data: CaptionedImages) -> Tensor:
    """Images of at most 16 places a side, [N, F] bytes."""
    pixels = torch.from_numpy(data.pixels).permute(0, 3, 1, 2)
    height, width = (min(side, SIDE) for side in data.size)
    parts = [
        F.adaptive_avg_pool2d(some.float(), (height, width)).round().to(torch.uint8)
        for some in pixels.split(_AT_ONCE)
    ]
    return torch.cat(parts).flatten(1)
