"""The dilated stack against a loop that looks back by its dilation, step by step."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.cells import GRU, LSTM
from unrolled.nn import DilatedStack, unroll_dilated


@settings(max_examples=20, deadline=None)
@given(time=st.integers(1, 13), dilation=st.integers(1, 5))
def test_a_dilated_unroll_looks_back_by_its_dilation(time, dilation) -> None:
    cell, x = GRU(2, 3, dtype=torch.float64), torch.randn(2, time, 2, dtype=torch.float64)
    pad = -time % dilation
    padded = torch.cat([torch.zeros(2, pad, 2, dtype=torch.float64), x], dim=1)
    h = []
    for t in range(pad + time):
        before = h[t - dilation] if t >= dilation else torch.zeros(2, 3, dtype=torch.float64)
        h.append(cell.step(padded[:, t], before)[0])
    expected = torch.stack(h[pad:], dim=1)
    # float64, the same sums in another order.
    torch.testing.assert_close(unroll_dilated(cell, x, dilation), expected, rtol=1e-12, atol=1e-12)


def test_later_layers_add_to_what_they_read() -> None:
    first, second = LSTM(2, 4), LSTM(4, 4)
    stack, x = DilatedStack([first, second], [1, 3]), torch.randn(2, 7, 2)
    below = unroll_dilated(first, x, 1)
    torch.testing.assert_close(stack(x), below + unroll_dilated(second, below, 3), rtol=0, atol=0)


def test_cells_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="2 cells and 1 dilations"):
        DilatedStack([GRU(2, 3), GRU(3, 3)], [1])
    with pytest.raises(ValueError, match="one size"):
        DilatedStack([GRU(2, 3), GRU(3, 4)], [1, 2])
