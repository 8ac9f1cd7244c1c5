"""Images and captions on their way to the network: pixels, words, ids, padded tensors."""

from __future__ import annotations

from ...data.images import CaptionedImages
from ..console import Console
from .coding import Coding
from .plan import Plan

# Images that are shown, and words of each.
SHOWN, SHOWN_WORDS = 3, 12


def show(console: Console, coding: Coding, learned: CaptionedImages, plan: Plan) -> None:
    """A few images and captions at every stage."""
    data = learned.select(range(min(SHOWN, len(learned))))
    vocabulary, encoded = coding.vocabulary, coding.encode(data)
    for image in data:
        shape = list(image.pixels.shape)
        console.line("image", f"{image.name}, bytes [height, width, channels] = {shape}")
        for caption in image.captions:
            more = " ..." if len(vocabulary.encode(caption)) > SHOWN_WORDS else ""
            tokens = vocabulary.tokenize(caption)[:SHOWN_WORDS]
            ids = vocabulary.encode(caption)[:SHOWN_WORDS]
            console.line("tokens", " ".join(map(repr, tokens)) + more)
            console.line("ids", " ".join(map(str, ids)) + more)
    batch = encoded.batch(range(len(data)))
    console.line("images", f"[images, channels, height, width] = {list(batch['images'].shape)}")
    if "words" in batch:
        shape = list(batch["words"].shape)
        console.line("padded", f"[captions, words] = {shape}, each with its end")
        for ids, length in zip(batch["words"].tolist(), batch["lengths"].tolist(), strict=True):
            mask = "x" * length + "." * (len(ids) - length)
            console.line("", f"{' '.join(f'{token:>3}' for token in ids)}   {mask}")
