"""An example that needs no download: handwritten digits on a canvas, and captions that say where.

    "a three above a small seven"       "a large nine right of a four"

Two of scikit-learn's digits (8 x 8, by many writers) are drawn at random in one of three sizes
and put above or beside each other. The larger one is said first; of two of a size the upper one,
or the left one. Each image has one of 1,800 captions.

The handwritten digits are dealt to groups, and an image takes both of its own from one group, so
that a split by groups tests on handwriting that training has not seen.

    data = composed_digits()
    data.write("digits")            # images and captions.csv, as `unrolled train caption` reads

Reference:
    Alpaydin and Kaynak, "Optical recognition of handwritten digits", UCI repository, 1998.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...data.images import CaptionedImages

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# What a digit is called, and the sides in pixels that it then may have.
SIZES = (("small ", (8, 9)), ("", (12, 13)), ("large ", (17, 18)))
# Said of the first digit and of the second, along the axis that parts them: down, across.
RELATIONS = (("above", "below"), ("left of", "right of"))
CANVAS, GROUPS = 40, 10
PAPER, NOISE = 230.0, 6.0
TRIES = 64


class Drawn(NamedTuple):
    """A digit: what it is called, its place in SIZES, and its ink, [side, side] from 0 to 1."""

    called: str
    size: int
    ink: np.ndarray


Corner = tuple[int, int]


def composed_digits(count: int = 5000, groups: int = GROUPS, seed: int = 0) -> CaptionedImages:
    """Images of two digits each, with their captions.

    Arguments:
        count: how many images.
        groups: how many parts the handwritten digits are dealt to, at most 100.
        seed: the same seed draws the same images.
    """
    generator = np.random.default_rng(seed)
    drawers = _dealt(groups, generator)
    pixels = np.empty((count, CANVAS, CANVAS, 1), dtype=np.uint8)
    captions = []
    for place in range(count):
        drawer, axis = drawers[place % groups], int(generator.integers(2))
        first, second = _drawn(drawer, generator), _drawn(drawer, generator)
        corners = _corners(len(first.ink), len(second.ink), axis, generator)
        pixels[place, :, :, 0] = _painted([first, second], corners, generator)
        captions.append((_said(first, second, *RELATIONS[axis]),))
    names = tuple(f"{place:05d}.png" for place in range(count))
    parts = tuple(f"{place % groups}" for place in range(count))
    return CaptionedImages(pixels, names, tuple(captions), "digits", parts)


def _dealt(groups: int, generator: np.random.Generator) -> list[list[np.ndarray]]:
    """Handwritten digits of every group, by class, [n, 8, 8] from 0 to 1."""
    from sklearn.datasets import load_digits

    read: Any = load_digits()
    drawers: list[list[np.ndarray]] = [[] for _ in range(groups)]
    for digit in range(len(WORDS)):
        own = generator.permutation(read.images[read.target == digit] / 16)
        for group, drawer in enumerate(drawers):
            drawer.append(own[group::groups])
    return drawers


def _drawn(drawer: list[np.ndarray], generator: np.random.Generator) -> Drawn:
    """A digit of any class and size."""
    from PIL import Image

    digit, size = int(generator.integers(len(WORDS))), int(generator.integers(len(SIZES)))
    name, (least, most) = SIZES[size]
    side = int(generator.integers(least, most + 1))
    own = Image.fromarray(drawer[digit][generator.integers(len(drawer[digit]))].astype(np.float32))
    ink = np.asarray(own.resize((side, side), Image.Resampling.BILINEAR))
    article = "an" if not name and WORDS[digit] == "eight" else "a"
    return Drawn(f"{article} {name}{WORDS[digit]}", size, ink * generator.uniform(0.7, 1.0))


def _said(first: Drawn, second: Drawn, ahead: str, behind: str) -> str:
    """The caption of two digits, the first of which lies ahead of the second."""
    if second.size > first.size:
        return f"{second.called} {behind} {first.called}"
    return f"{first.called} {ahead} {second.called}"


def _corners(
    first: int, second: int, axis: int, generator: np.random.Generator
) -> tuple[Corner, Corner]:
    """Corners (down, across) of two squares, the first clearly before the second on an axis."""
    sides = np.array([first, second])[:, None]
    while True:
        # Many at once: most do not fit.
        tried = generator.integers(0, CANVAS - sides + 1, size=(TRIES, 2, 2))
        gap = tried[:, 1, axis] - tried[:, 0, axis] - first
        apart = np.diff(tried + sides / 2, axis=1)[:, 0]
        fits = (gap >= 1) & (np.abs(apart[:, 1 - axis]) <= apart[:, axis] / 2)
        if fits.any():
            (down, across), (below, beside) = tried[fits.argmax()].tolist()
            return (down, across), (below, beside)


def _painted(
    digits: list[Drawn], corners: tuple[Corner, Corner], generator: np.random.Generator
) -> np.ndarray:
    """Dark ink on light paper with a little noise, [H, W] unsigned bytes."""
    paper = np.full((CANVAS, CANVAS), PAPER)
    for digit, (down, across) in zip(digits, corners, strict=True):
        side = len(digit.ink)
        paper[down : down + side, across : across + side] *= 1 - 0.95 * digit.ink
    noisy = paper + generator.normal(0, NOISE, paper.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
