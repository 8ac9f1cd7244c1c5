"""The picture of a recording: time to the right, pitch upwards, what is there."""

import numpy as np
import torch
from matplotlib.figure import Figure

from unrolled.tasks.speech.report import log_mel_chart


def test_features_are_drawn_over_seconds():
    features = torch.randn(30, 8)
    figure = Figure()
    log_mel_chart(features, 0.01)(figure)
    (axes,) = figure.axes
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), features.T.numpy())
    assert image.get_extent() == [0, 0.3, 0, 8]
    assert image.origin == "lower"
