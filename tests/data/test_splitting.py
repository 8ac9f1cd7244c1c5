"""What is held out: how many, of which classes, by which seed."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.splitting import held_out


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=60),
    st.floats(0.01, 0.99),
    st.integers(0, 100),
)
def test_every_class_gives_its_share_and_keeps_one(classes, share, seed):
    held = held_out(len(classes), share, seed, classes)
    for label, size in Counter(classes).items():
        given_ = int(held[[c == label for c in classes]].sum())
        # Its part of `round(share * count)` is whole only by rounding up or down.
        exact = size * round(share * len(classes)) / len(classes)
        assert given_ < size
        assert int(min(exact, size - 1)) <= given_ <= exact + 1


@given(st.integers(1, 80), st.floats(0.01, 0.99), st.integers(0, 100))
def test_without_classes_the_share_is_that_of_all(count, share, seed):
    assert held_out(count, share, seed).sum() == round(share * count)


def test_the_seed_repeats_and_draws_any_item():
    drawn = [held_out(10, 0.3, seed) for seed in range(40)]
    np.testing.assert_array_equal(drawn[3], held_out(10, 0.3, 3))
    # That one of ten is never among three in 40 draws has probability 10 * 0.7^40 < 1e-5.
    assert np.all(np.sum(drawn, 0) > 0)


@pytest.mark.parametrize("share", [0, 1, -0.1, 2])
def test_a_share_that_is_none(share):
    with pytest.raises(ValueError, match="share must lie between 0 and 1"):
        held_out(5, share, 0)
