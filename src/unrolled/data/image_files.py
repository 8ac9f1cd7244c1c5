"""Image files as pixels of one size, read by Pillow.

    turned      as the camera's note (EXIF) says
    flattened   the first frame of several; palettes, CMYK and 16 bits to 8 bits a channel;
                what is transparent lies on white
    scaled      until it fits the size; the rest takes the mean colour of the image's border

Shapes: N images, H height, W width, C channels.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from .errors import DataError
from .image_captions import is_table
from .reading.notes import Notes, listed
from .series import Finding

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".webp",
    ".pgm",
    ".ppm",
    ".pbm",
)
# Of images of several sizes the longer side becomes this; images of one size keep it up to it.
LONGEST = 96
SMALLEST = 8
# JPEG rounds the channels of a grey pixel apart by less than this.
_COLOURED = 8
# EXIF's tag of the orientation, and the values of it that swap height and width.
_ORIENTATION, _SIDEWAYS = 0x0112, (5, 6, 7, 8)
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, TypeError, struct.error, zlib.error)

Repaired = dict[str, list[str]]


class _Unreadable(Exception):
    """Why one file cannot be read, in a few words."""


def image_names(files: list[Path], root: Path, source: Path, notes: Notes) -> list[str]:
    """The images among files, by their paths in the folder; other files are counted.

    Raises:
        DataError: there is none.
    """
    names = [file.relative_to(root).as_posix() for file in files]
    hidden = [name for name in names if _is_hidden(name)]
    # macOS adds such files to every zip and to foreign disks; they are no images.
    shown = [name for name in names if not _is_hidden(name)]
    images = [name for name in shown if _suffix(name) in SUFFIXES]
    others = [n for n in shown if _suffix(n) not in SUFFIXES and not is_table(n)]
    endings = listed(sorted({_suffix(name) or "no ending" for name in others}))
    if not images:
        there = f"its other files end in {endings}" if others else "it holds nothing else"
        raise DataError(f"{source} has no images ({', '.join(SUFFIXES)}); {there}")
    note(notes, "ignored", hidden, "left out {}, hidden", "file")
    note(
        notes, "ignored", others, f"left out {{}} other than images and tables ({endings})", "file"
    )
    return images


def decoded(
    names: list[str], root: Path, size: tuple[int, int] | None, notes: Notes
) -> dict[str, "Image.Image"]:
    """The images that can be read, each in RGB, at one size.

    Arguments:
        size: height and width; None for those of the images, if small and alike.

    Raises:
        DataError: none can be read.
    """
    unreadable: list[str] = []
    shapes: dict[str, tuple[int, int]] = {}
    for name in names:
        try:
            with _opened(root / name) as image:
                shapes[name] = _upright_size(image)
        except _Unreadable as problem:
            unreadable.append(f"{name} ({problem})")
    size = size or _common_size(list(shapes.values()))
    repaired: Repaired = {}
    images: dict[str, Image.Image] = {}
    for name in shapes:
        try:
            with _opened(root / name) as image:
                flat = _flattened(_upright(image, size, name, repaired), name, repaired)
                images[name] = _scaled(flat, size, name, repaired)
        except _Unreadable as problem:
            unreadable.append(f"{name} ({problem})")
    note(notes, "ignored", unreadable, "left out {} that cannot be read")
    if not images:
        raise DataError(f"{root}: no image could be read; {notes[-1].text}")
    for text, which in repaired.items():
        note(notes, "repaired", which, text)
    return images


def stacked(images: Sequence["Image.Image"], colour: bool | None, notes: Notes) -> np.ndarray:
    """Images in RGB as [N, H, W, C].

    Arguments:
        colour: whether C is 3; None if any image has colours.
    """
    coloured = [bool(np.ptp(np.asarray(i, np.int16), axis=2).max() > _COLOURED) for i in images]
    count = sum(coloured)
    if colour is None:
        colour = bool(count)
        notes.found(f"colours in {count:,} of {len(images):,} images" if count else "grey images")
    elif count and not colour:
        notes.repaired("images made grey: {}", count)
    if colour:
        return np.stack([np.asarray(image) for image in images])
    return np.stack([np.asarray(image.convert("L"))[:, :, None] for image in images])


def note(notes: Notes, kind: str, names: Sequence[str], text: str, what: str = "image") -> None:
    """A finding about named files, where there are any; `{}` is where their count goes."""
    if names:
        count = f"{len(names):,} {what}" + "s" * (len(names) > 1)
        notes.append(Finding(kind, f"{text.replace('{}', count)}: {listed(names)}", len(names)))


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


@contextmanager
def _opened(path: Path) -> Iterator["Image.Image"]:
    """Pillow's image of a file, which may be loaded within; its troubles as `_Unreadable`."""
    from PIL import Image, UnidentifiedImageError

    bombs = (Image.DecompressionBombWarning, Image.DecompressionBombError)
    try:
        if not path.stat().st_size:
            raise _Unreadable("zero bytes")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                yield image
    except bombs:
        raise _Unreadable(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        raise _Unreadable("damaged, or no image") from None
    except _DAMAGED as problem:
        raise _Unreadable(f"damaged: {problem}".splitlines()[0]) from None


def _upright_size(image: "Image.Image") -> tuple[int, int]:
    """Height and width of an image as one looks at it."""
    sideways = image.getexif().get(_ORIENTATION) in _SIDEWAYS
    width, height = image.size
    return (width, height) if sideways else (height, width)


def _common_size(shapes: list[tuple[int, int]]) -> tuple[int, int]:
    """Height and width that images of these are brought to."""
    if not shapes:
        return LONGEST, LONGEST
    if len(set(shapes)) == 1 and min(shapes[0]) >= SMALLEST and max(shapes[0]) <= LONGEST:
        return shapes[0]
    ratio = float(np.median([height / width for height, width in shapes]))
    height, width = (LONGEST, LONGEST / ratio) if ratio > 1 else (LONGEST * ratio, LONGEST)
    return max(round(height), SMALLEST), max(round(width), SMALLEST)


def _upright(
    image: "Image.Image", size: tuple[int, int], name: str, repaired: Repaired
) -> "Image.Image":
    """The first frame, turned as its camera says."""
    from PIL import ImageOps

    # Cameras write a small copy behind the photograph; that is no animation.
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        repaired.setdefault("took the first frame of {}", []).append(name)
        image.seek(0)
    # A large JPEG is decoded at a half, a quarter or an eighth of its size, if that is enough.
    image.draft(None, (max(size), max(size)))
    turned = ImageOps.exif_transpose(image)
    if image.getexif().get(_ORIENTATION, 1) != 1:
        repaired.setdefault("turned {} as the camera says", []).append(name)
    return turned


def _flattened(image: "Image.Image", name: str, repaired: Repaired) -> "Image.Image":
    """Three channels of 8 bits."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        repaired.setdefault("brought {} to 8 bits a channel", []).append(name)
        return _narrowed(image).convert("RGB")
    if image.has_transparency_data:
        lying = image.convert("RGBA")
        white = Image.new("RGBA", lying.size, "white")
        if np.asarray(lying)[..., 3].min() < 255:
            repaired.setdefault("laid what is transparent in {} on white", []).append(name)
        return Image.alpha_composite(white, lying).convert("RGB")
    if image.mode not in ("1", "L", "P", "RGB"):
        text = f"{{}} in {image.mode}, brought to RGB"
        repaired.setdefault(text, []).append(name)
    return image.convert("RGB")


def _narrowed(image: "Image.Image") -> "Image.Image":
    """Grey values of 16 bits by their high byte; others from the smallest to the largest."""
    from PIL import Image

    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    low, high = values.min(), values.max()
    if not image.mode.startswith("F") and low >= 0 and high < 2**16:
        low, high = 0.0, 2**16 - 1
    shares = (values - low) / max(high - low, np.finfo(float).tiny)
    return Image.fromarray(np.rint(255 * shares).astype(np.uint8))


def _scaled(
    image: "Image.Image", size: tuple[int, int], name: str, repaired: Repaired
) -> "Image.Image":
    """At a height and width, its proportions kept."""
    from PIL import Image

    height, width = size
    if image.size == (width, height):
        return image
    text = f"scaled {{}} to {width} x {height}"
    repaired.setdefault(text, []).append(name)
    factor = min(width / image.width, height / image.height)
    inner = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    fitted = image.resize(inner, Image.Resampling.BILINEAR)
    if fitted.size == (width, height):
        return fitted
    repaired.setdefault("of other proportions and filled up at two sides: {}", []).append(name)
    filled = Image.new("RGB", (width, height), _border_colour(fitted))
    filled.paste(fitted, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return filled


def _border_colour(image: "Image.Image") -> tuple[int, int, int]:
    pixels = np.asarray(image)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    red, green, blue = np.rint(border.mean(0)).astype(int).tolist()
    return red, green, blue
