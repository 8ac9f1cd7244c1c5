"""What a captioner found: captions with how probable they are, where it looked, where it errs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ...data.images import CaptionedImage, CaptionedImages
from ...report import Table
from ..edits import Edits

# Captions that a table of the worst cases shows.
WORST = 8


@dataclass(frozen=True)
class Caption:
    """What was written of an image.

    Attributes:
        text: in words.
        probability: p of all of its words.
        ended: whether it came to its end, rather than being cut off.
    """

    text: str
    probability: float
    ended: bool = True


@dataclass(frozen=True, eq=False)
class Attended:
    """Where a captioner looked.

    Attributes:
        image: what it looked at.
        text: the caption.
        words: of it, T, the end token among them.
        weights: of each place of the grid when the word was written, [T, rows, columns]; those of
            a word add up to 1.
    """

    image: CaptionedImage
    text: str
    words: tuple[str, ...]
    weights: np.ndarray = field(repr=False)


@dataclass(frozen=True, eq=False)
class Details:
    """What stands behind the scores.

    Attributes:
        data: the images.
        said: of each.
        errors: of each, to its nearest caption.
    """

    data: CaptionedImages
    said: Sequence[Caption]
    errors: Sequence[Edits]

    @property
    def worst(self) -> list[int]:
        """Places of the wrong captions: the most errors first, of as many the surest."""
        wrong = [place for place, edits in enumerate(self.errors) if edits.errors]
        return sorted(wrong, key=lambda k: (-self.errors[k].errors, -self.said[k].probability))

    @property
    def right(self) -> list[int]:
        """Places of the captions without an error."""
        return [place for place, edits in enumerate(self.errors) if not edits.errors]


def worst_table(details: Details, most: int = WORST) -> Table | None:
    """The worst captions; None where all are right."""
    rows = [
        [
            details.data.names[place],
            details.data.captions[place][0],
            details.said[place].text,
            f"{details.said[place].probability:.3f}",
        ]
        for place in details.worst[:most]
    ]
    if not rows:
        return None
    count = len(details.worst)
    caption = f"{count:,} of {len(details.said):,} captions equal none of their image's."
    return Table(["image", "true", "found", "probability"], rows, caption, names=3)
