"""Images and what they show in words: a folder of images with a table of captions.

Every image becomes unsigned bytes of one size, of one channel (grey) or three (colour);
`image_files.py` says how, `image_captions.py` what tables may look like. What cannot be read is
left out; each repair is said in `CaptionedImages.findings`, with names and counts.

Shapes: N images, H height, W width, C channels.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..naming import counted
from .errors import DataError
from .image_captions import AUTO, Captions, find_captions, is_table
from .image_files import SMALLEST, SUFFIXES, decoded, image_names, note, stacked
from .reading.notes import Notes
from .series import Finding
from .splitting import both_sides, check_share


@dataclass(frozen=True)
class CaptionedImage:
    """One image: its path in the folder, [H, W, C] unsigned bytes, and what may be said of it."""

    name: str
    pixels: np.ndarray = field(repr=False)
    captions: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class CaptionedImages:
    """Images of one size, in the order of their names.

    Attributes:
        pixels: [N, H, W, C] unsigned bytes, N at least 1, C 1 or 3.
        names: of the files, paths in the folder.
        captions: of each image, any of which is right; empty where they are not known.
        name: of the folder.
        groups: images of one group stay together when split; of each image one, or none at all.
        findings: everything that was inferred, repaired or left out.
    """

    pixels: np.ndarray
    names: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    name: str = "images"
    groups: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[CaptionedImage]:
        return (self[place] for place in range(len(self)))

    def __getitem__(self, place: int) -> CaptionedImage:
        return CaptionedImage(self.names[place], self.pixels[place], self.captions[place])

    def __repr__(self) -> str:
        return f"CaptionedImages({self.summary()})"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[1], self.pixels.shape[2]

    @property
    def colour(self) -> bool:
        return self.pixels.shape[3] == 3

    def select(self, places: Sequence[int] | np.ndarray) -> "CaptionedImages":
        """Some of the images, by their places."""
        wanted = [int(place) for place in places]
        return replace(
            self,
            pixels=self.pixels[wanted],
            names=tuple(self.names[k] for k in wanted),
            captions=tuple(self.captions[k] for k in wanted),
            groups=tuple(self.groups[k] for k in wanted) if self.groups else (),
        )

    def split(self, share: float, seed: int = 0) -> tuple["CaptionedImages", "CaptionedImages"]:
        """All but a share of the images, and that share, each in their order.

        Images of one group come to one side; without groups, images of the same pixels.

        Raises:
            ValueError: the share is not between 0 and 1.
            DataError: one of the parts would be empty.
        """
        check_share(share)
        _, groups = np.unique(self.groups or self._contents, return_inverse=True)
        sizes = np.bincount(groups)
        order = np.random.default_rng(seed).permutation(len(sizes))
        total = np.cumsum(sizes[order])
        # As many groups as come nearest to the share.
        count = int(np.abs(total - share * len(self)).argmin()) + 1
        held = np.isin(groups, order[:count])
        unit = counted(len(sizes), "group" if self.groups else "different image")
        return both_sides(self, held, share, f"{counted(len(self), 'image')} ({unit})")

    @property
    def _contents(self) -> list[int]:
        """A number for each image, equal for those of the same pixels."""
        numbers: dict[bytes, int] = {}
        return [numbers.setdefault(image.tobytes(), len(numbers)) for image in self.pixels]

    def summary(self) -> str:
        """One line: how many, of which size, with how many captions."""
        (height, width), kind = self.size, "colour" if self.colour else "grey"
        told = f"{self.name}: {len(self):,} images of {width} x {height}, {kind}"
        every = [caption for several in self.captions for caption in several]
        if not every:
            return f"{told}; no captions"
        lengths = [len(caption.split()) for caption in every]
        return (
            f"{told}; {len(every):,} captions of {min(lengths)} to {max(lengths)} words, "
            f"{len(set(every)):,} of them different"
        )

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Write the images, as PNG, and `captions.csv` into a folder that `read_images` reads."""
        import csv

        from PIL import Image

        root = Path(folder)
        rows = []
        files = [str(PurePosixPath(name).with_suffix(".png")) for name in self.names]
        if len(set(files)) < len(files):
            files = [f"{name}.png" for name in self.names]
        for place, (image, file) in enumerate(zip(self, files, strict=True)):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.pixels if self.colour else image.pixels[..., 0]).save(root / file)
            group = self.groups[place : place + 1]
            rows += [(file, caption, *group) for caption in image.captions]
        header = ("file", "caption", *(("group",) if self.groups else ()))
        with (root / "captions.csv").open("w", encoding="utf-8", newline="") as table:
            csv.writer(table, lineterminator="\n").writerows([header, *rows])
        return root


def read_images(
    source: str | os.PathLike[str],
    captions: str | os.PathLike[str] | None = AUTO,
    *,
    size: int | tuple[int, int] | None = None,
    colour: bool | None = None,
    name: str | None = None,
) -> CaptionedImages:
    """Read images and their captions.

    Arguments:
        source: a folder of images (with its sub-folders), a table of captions whose images lie
            in its folder, or one image (without captions then).
        captions: the table: its path, or its name in the folder. "auto": the one in the folder.
            None: there are none. `image_captions` says what tables may look like.
        size: height and width that the images are brought to, or one number for both. By default
            theirs, if it is the same for all and no side is longer than 96; else the longer side
            becomes 96 and the other follows the median proportions.
        colour: whether three channels or one are kept. By default three if an image has colours.
        name: of the images, in summaries. By default that of the source.

    Raises:
        ValueError: a size that makes no sense.
        DataError: the source cannot be read as it is; the message says what to do.
    """
    wanted = _checked_size(size)
    notes, path = Notes(), Path(source)
    root, captions = _place(path, captions)
    alone = path.suffix.lower() in SUFFIXES
    files = [path] if alone else sorted(file for file in root.rglob("*") if file.is_file())
    images = image_names(files, root, path, notes)
    found = Captions() if captions is None else find_captions(root, images, captions, notes)
    if captions is not None:
        without = [file for file in images if file not in found.by_name]
        note(notes, "ignored", without, "left out {} without a caption")
        images = [file for file in images if file in found.by_name]
    read = decoded(images, root, wanted, notes)
    said = tuple(found.by_name.get(file, ()) for file in read)
    groups = tuple(found.groups[file] for file in read) if found.groups else ()
    pixels = stacked(list(read.values()), colour, notes)
    data = CaptionedImages(pixels, tuple(read), said, name or path.stem, groups)
    again = len(data) - len(set(data._contents))
    notes.warned("images with the pixels of an earlier one: {}", again)
    return replace(data, findings=tuple(notes))


def images_of(
    pixels: Any, captions: Sequence[str | Sequence[str]] | None = None, name: str = "images"
) -> CaptionedImages:
    """Images that are in memory.

    Arguments:
        pixels: unsigned bytes, [N, H, W] or [N, H, W, C] with C 1 or 3.
        captions: of each image: a text, or several.
        name: of the images, in summaries.

    Raises:
        DataError: they are something else, or not as many.
    """
    array = np.asarray(pixels)
    array = array[..., None] if array.ndim == 3 else array
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] not in (1, 3) or not len(array):
        raise DataError(
            "pixels must be unsigned bytes [images, height, width] or [images, height, width, 1 "
            f"or 3], got {array.dtype} {list(np.shape(pixels))}"
        )
    if min(array.shape[1:3]) < SMALLEST:
        raise DataError(f"images must have sides of {SMALLEST} or more, got {array.shape[1:3]}")
    given = [()] * len(array) if captions is None else captions
    if len(given) != len(array):
        raise DataError(f"there are {len(array)} images and {len(given)} captions; give as many")
    said = tuple((each,) if isinstance(each, str) else tuple(each) for each in given)
    return CaptionedImages(array, tuple(f"{k}" for k in range(len(array))), said, name)


def _checked_size(size: Any) -> tuple[int, int] | None:
    if size is None:
        return None
    both = (size, size) if isinstance(size, int) else tuple(size)
    if len(both) != 2 or not all(isinstance(n, int) and n >= SMALLEST for n in both):
        raise ValueError(
            f"size must be height and width, each a whole number from {SMALLEST} up, got {size!r}"
        )
    return both


def _place(path: Path, captions: Any) -> tuple[Path, Any]:
    """The folder of the images, and the table."""
    from .collecting.files import existing

    existing(path, "source")
    if path.is_dir():
        return path, captions
    if path.suffix.lower() in SUFFIXES:
        return path.parent, None
    if captions is None:
        raise DataError(f"{path} is neither an image nor a folder of images")
    if path.suffix.lower() == ".zip":
        raise DataError(f"{path} is a zip; unpack it and give the folder")
    if not is_table(path):
        raise DataError(f"{path} is neither a folder nor an image nor a table of captions")
    return path.parent, path if captions is AUTO else captions
