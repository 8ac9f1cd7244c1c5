"""Which items of a collection are held out: a share, drawn by a seed, if wanted of every class."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from .errors import DataError


def check_share(share: float) -> None:
    """Raise ValueError unless a share lies between 0 and 1."""
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, got {share}")


def both_sides(data: Any, held: np.ndarray, share: float, items: str) -> tuple[Any, Any]:
    """The items of a collection that stay, and those that are held out.

    Arguments:
        data: has a `name` and `select(places)`.
        held: true for the items that are held out, [N].
        share: that was asked for.
        items: what there is, for the message: "12 sentences".

    Raises:
        DataError: one of the sides is empty.
    """
    if held.all() or not held.any():
        raise DataError(
            f"{share} of the {items} of {data.name} leaves one part empty; choose another share"
        )
    return data.select(np.flatnonzero(~held)), data.select(np.flatnonzero(held))


def held_out(
    count: int, share: float, seed: int, classes: Sequence[Hashable] | None = None
) -> np.ndarray:
    """True for the items that are held out, [count].

    Arguments:
        share: of the items, between 0 and 1.
        seed: of what is drawn.
        classes: of each item; every one gives that share, up to one item. A class of one item
            gives none.

    Raises:
        ValueError: the share is not between 0 and 1.
    """
    check_share(share)
    order = np.random.default_rng(seed).permutation(count)
    wanted = round(share * count)
    held = np.zeros(count, dtype=bool)
    if classes is None:
        held[order[:wanted]] = True
        return held
    taken = _taken(Counter(classes), wanted)
    for place in order:
        label = classes[place]
        held[place] = taken[label] > 0
        taken[label] -= 1
    return held


def _taken(sizes: Counter[Hashable], wanted: int) -> dict[Hashable, int]:
    """How many each class gives, `wanted` in all unless classes of one item keep theirs."""
    total = sizes.total()
    exact = {label: size * wanted / total for label, size in sizes.items()}
    taken = {label: int(part) for label, part in exact.items()}
    # A part of an item cannot be taken: the classes with the largest parts give a whole one.
    by_part = sorted(exact, key=lambda label: taken[label] - exact[label])
    for label in by_part[: wanted - sum(taken.values())]:
        taken[label] += 1
    return {label: min(number, sizes[label] - 1) for label, number in taken.items()}
