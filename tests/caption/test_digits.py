"""The composed digits: captions agree with the pictures, handwriting with the groups."""

from collections import Counter

import numpy as np
import pytest
from sklearn.datasets import load_digits

from unrolled.tasks.caption import composed_digits
from unrolled.tasks.caption.digits import WORDS, _dealt

LARGEST = {"small": 9, "large": 18}
# Ink darker than this is not noise: paper 230, deviation 6.
INK = 195


@pytest.fixture(scope="module")
def data():
    return composed_digits(300, seed=3)


def blocks(ink, axis):
    """Extents of what is parted by each empty line along an axis."""
    lines = np.flatnonzero(ink.any(1 - axis))
    for gap in np.flatnonzero(np.diff(lines) > 1):
        yield lines[gap] - lines[0] + 1, lines[-1] - lines[gap + 1] + 1


RELATIONS = (" above ", " below ", " left of ", " right of ")


def sides_of(caption):
    """The relation, and the largest sides that both digits may have."""
    relation = next(r for r in RELATIONS if r in caption)
    return relation, [LARGEST.get(name.split()[1], 13) for name in caption.split(relation)]


def test_what_is_said_is_on_the_picture(data):
    for image in data:
        [caption] = image.captions
        relation, sides = sides_of(caption)
        if relation in (" below ", " right of "):
            sides.reverse()
        ink = image.pixels[:, :, 0] < INK
        found = list(blocks(ink, axis=0 if relation in (" above ", " below ") else 1))
        assert any(a <= sides[0] and b <= sides[1] for a, b in found), caption


def test_the_larger_one_is_said_first(data):
    seen = Counter()
    for [caption] in data.captions:
        relation, (first, second) = sides_of(caption)
        assert first >= second
        seen[relation, first == second] += 1
    # The upper or left one of two of a size; all four relations otherwise.
    assert set(seen) == {*((r, False) for r in RELATIONS), (" above ", True), (" left of ", True)}


def test_classes_sizes_and_relations_are_drawn_evenly():
    words = Counter(w for several in composed_digits(3000).captions for w in several[0].split())
    # 6,000 digits, 3,000 relations: five deviations of a binomial count.
    for digit in WORDS:
        assert abs(words[digit] - 600) < 5 * np.sqrt(600)
    assert abs(words["small"] - 2000) < 5 * np.sqrt(1333)
    assert abs(words["large"] - 2000) < 5 * np.sqrt(1333)
    assert abs(words["above"] + words["below"] - 1500) < 5 * np.sqrt(750)


def test_articles(data):
    for several in data.captions:
        for caption in several:
            assert "a eight" not in caption
            assert not any(f"an {word}" in caption for word in ("small", "large", "one", "four"))


def test_handwriting_is_dealt_to_groups():
    drawers = _dealt(7, np.random.default_rng(0))
    dealt = Counter(image.tobytes() for drawer in drawers for own in drawer for image in own)
    assert dealt == Counter((image / 16).tobytes() for image in load_digits().images)
    sizes = [sum(map(len, drawer)) for drawer in drawers]
    assert max(sizes) - min(sizes) <= 10  # one of each class


def test_a_split_tests_on_other_handwriting(data):
    rest, held = data.split(0.2)
    assert (len(held), len(set(held.groups))) == (60, 2)
    assert not set(rest.groups) & set(held.groups)


def test_same_seed_same_images(data):
    again, other = composed_digits(300, seed=3), composed_digits(300, seed=4)
    np.testing.assert_array_equal(again.pixels, data.pixels)
    assert again.captions == data.captions
    assert other.captions != data.captions
