"""The picture of confusions: every count where it belongs, and as dark as its share."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from unrolled.report.confusion import confusion_chart

COUNTS = np.array([[9, 1, 0], [0, 4, 0], [2, 2, 0]])


@pytest.fixture
def axes():
    figure = Figure()
    confusion_chart(COUNTS, ["a", "b", "long name"])(figure)
    return figure.axes[0]


def test_counts_stand_in_their_cells(axes):
    shown = {tuple(map(int, text.get_position()[::-1])): text.get_text() for text in axes.texts}
    assert shown == {(0, 0): "9", (0, 1): "1", (1, 1): "4", (2, 0): "2", (2, 1): "2"}


def test_cells_are_as_dark_as_their_share_of_the_row(axes):
    found = {}
    for patch in axes.patches:
        row, column = (round(corner + 0.5) for corner in patch.get_xy()[::-1])
        found[row, column] = patch.get_alpha()
    assert found == pytest.approx({(0, 0): 0.9, (0, 1): 0.1, (1, 1): 1, (2, 0): 0.5, (2, 1): 0.5})


def test_the_first_class_is_at_the_top_and_long_names_are_turned(axes):
    assert axes.get_ylim() == (2.5, -0.5)
    assert [label.get_rotation() for label in axes.get_xticklabels()] == [90] * 3
