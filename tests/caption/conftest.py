"""Images that a small captioner learns within seconds: a dark square in one of four places.

What these tests are about is numbers, not speed: their kernels are not optimised.
"""

import numpy as np
import pytest

from unrolled.data.images import CaptionedImages
from unrolled.tasks.caption import Captioner

PLACES = {("top", "left"): (1, 1), ("top", "right"): (1, 9), ("bottom", "left"): (9, 1),
          ("bottom", "right"): (9, 9)}  # fmt: skip
SMALL = {"channels": 8, "hidden_size": 24, "embedding_size": 8, "shift": 0.0, "engine": "eager"}


@pytest.fixture(autouse=True)
def _quickly_compiled(monkeypatch) -> None:
    monkeypatch.setenv("CXXFLAGS", "-O0")


def squares(count: int = 160, seed: int = 0, name: str = "squares") -> CaptionedImages:
    """Images of 16 x 16 with a square of 6 x 6, and two captions each."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(200, 240, (count, 16, 16, 1), dtype=np.uint8)
    captions = []
    for image in pixels:
        where = list(PLACES)[generator.integers(len(PLACES))]
        down, across = PLACES[where] + generator.integers(-1, 2, 2)
        image[down : down + 6, across : across + 6] //= 8
        captions.append((f"a square at the {' '.join(where)}", f"{' '.join(where)}: a square"))
    names = tuple(f"{k:03d}.png" for k in range(count))
    return CaptionedImages(pixels, names, tuple(captions), name)


@pytest.fixture(scope="session")
def fitted() -> Captioner:
    return Captioner(epochs=14, batch_size=8, learning_rate=0.01, **SMALL).fit(squares())
