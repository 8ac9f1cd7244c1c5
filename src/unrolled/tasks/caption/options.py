"""The options of `unrolled ... caption` that are not arguments of `Captioner`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

import typer

from ...data.image_captions import AUTO
from ...data.images import CaptionedImages, read_images

Images = Annotated[
    str, typer.Argument(help="A folder of images with a table of captions, or that table.")
]


@dataclass
class ReadingImages:
    """Where images and captions are, and how to read them."""

    images: Images
    captions: Annotated[
        str, typer.Option(help="The table of captions, in the folder or elsewhere. Default found.")
    ] = AUTO
    size: Annotated[
        str,
        typer.Option(
            help="Brings images to a side (64), or to height x width (64x96). Default by data.",
            show_default=False,
        ),
    ] = ""
    colour: Annotated[
        bool | None,
        typer.Option("--colour/--grey", help="Channels. Default by data.", show_default=False),
    ] = None

    def read(self) -> CaptionedImages:
        """The images."""
        size = size_of(self.size)
        return read_images(self.images, self.captions, size=size, colour=self.colour)


def size_of(text: str) -> tuple[int, int] | None:
    """Height and width of "64" or "64x96"; None of "".

    Raises:
        ValueError: it is neither.
    """
    if not text:
        return None
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if match is None:
        raise ValueError(f"--size must be a side such as 64, or height x width, 64x96; got {text}")
    height = int(match[1])
    return height, int(match[2] or height)
