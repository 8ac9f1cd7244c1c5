"""What a captioner adds to the report of a run: images with true and found captions, and where
it looked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...data.images import CaptionedImages
from ...report import Pictures, Text
from ...report.page import Block
from ..supervised import Evaluation, Parts
from .model import Captioner
from .pictures import Shown, attention_picture, gallery, told
from .results import Details

# Images of the data, of right and of wrong captions; images whose attention is drawn.
SHOWN, LOOKED_AT = 8, 3


class CaptionParts(Parts):
    """Sections of the report, and words of the model card."""

    title = "Captions of {data}"
    limits = (
        "It knows the words and the kinds of images that it learned from, and says something of "
        "any image, whether it knows what is on it or not. A probability is that of the whole "
        "caption by the model's own account."
    )
    usage = 'print(model.caption("image.png"))\nmodel.evaluate("test images").scores'
    predict = "IMAGE_OR_FOLDER"

    def data(self, model: Captioner, data: CaptionedImages) -> Sequence[Block]:
        places = _spread(range(len(data)), SHOWN)
        shown = [Shown(data.pixels[k], [(data.captions[k][0], "ink")]) for k in places]
        alt = f"{len(shown)} images with a caption each."
        return [Pictures([gallery(shown, alt, "Some of the images, each with one caption.")])]

    def scores(self, model: Captioner, found: Evaluation) -> Sequence[Block]:
        details: Details = found.details
        places = _spread(range(len(details.said)), SHOWN)
        shown = told(details, places)
        alt = f"{len(shown)} test images with the captions that were found."
        caption = "Test images, evenly spread: what was found, with its probability, and what is "
        return [Pictures([gallery(shown, alt, f"{caption}true where they differ.")])]

    def worst(self, model: Captioner, found: Evaluation) -> Sequence[Block]:
        details: Details = found.details
        places = details.worst[:SHOWN]
        if not places:
            return [Text("There are none: every caption equals one of its image's.")]
        alt = f"The {len(places)} images with the worst captions."
        count = f"{len(details.worst):,} of {len(details.said):,} captions equal none of their "
        caption = f"{count}image's; the worst, the surest first: found, then true."
        return [Pictures([gallery(told(details, places), alt, caption)])]

    def sections(
        self, model: Captioner, data: CaptionedImages, found: Evaluation | None
    ) -> Sequence[tuple[str, Sequence[Block]]]:
        if found is None or model.attention == "none":
            return []
        details: Details = found.details
        places = [*_spread(details.right, LOOKED_AT - 1), *details.worst[:1]]
        pictures = [
            attention_picture(model.attend(details.data.select([place]))) for place in places
        ]
        text = "For each word the places that it was read from: the stronger the colour, the more."
        return [("Where it looks", [Text(text), Pictures(pictures)])]


def _spread(places: Sequence[int], most: int) -> list[int]:
    """At most so many of some places, evenly."""
    if not places:
        return []
    chosen = np.unique(np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int))
    return [places[k] for k in chosen]
