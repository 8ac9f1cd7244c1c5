"""The section on training says how it ended."""

import math

import pytest

from unrolled.report import Pictures, Text
from unrolled.report.training import training_blocks
from unrolled.training import Epoch, History, Update


def history(best: int, skipped: int = 0) -> History:
    losses = [1.0 + abs(best - k) for k in range(4)]
    epochs = [
        Epoch(
            k,
            math.nan if k == 0 else 2.0,
            {"loss": x, "MASE": x / 2},
            1e-3,
            0.5,
            1.5,
            skipped,
            k == best,
        )
        for k, x in enumerate(losses)
    ]
    updates = [Update(2.0, 0.1 * k, 1e-3, k < skipped) for k in range(20)]
    return History(epochs, "all epochs done", updates)


def said(log: History | None) -> str:
    first = training_blocks(log, "absolute error", "the start")[0]
    assert isinstance(first, Text)
    return first.text


def test_the_kept_epoch_and_its_metrics_are_named() -> None:
    text = said(history(best=2))
    assert "Ended after 6.0 s: all epochs done." in text
    assert "epoch 2" in text
    assert "There the MASE is 0.500." in text
    assert "skipped" not in text


def test_a_start_that_was_never_beaten_is_said() -> None:
    assert "so the model is the start" in said(history(best=0))


def test_skipped_updates_are_counted() -> None:
    assert "4 updates skipped" in said(history(best=1, skipped=1))


def test_the_gap_between_forced_and_free_running_is_said() -> None:
    log = history(best=2)
    for epoch in log.epochs:
        epoch.validation.update({"teacher-forced loss": 0.25, "free-running gap": 0.75})
    blocks = training_blocks(log, "absolute error", "the start")
    text = "the loss is 0.250 where it is fed with the truth, and 0.750 more where it reads its"
    assert f"{text} own last output, as in use." in blocks[0].text
    assert "validation, fed with the truth" in [key.label for key in blocks[1].pictures[0].keys]


def test_the_share_of_clipped_updates_is_said() -> None:
    pictures = training_blocks(history(best=2), "loss", "start", clip_norm=1.5)[1].pictures
    # Norms of 1.6, 1.7, 1.8, 1.9 of 0.0 to 1.9.
    assert "20\u00a0% of them were clipped to a norm of 1.50." in pictures[1].caption


def test_a_missing_log_is_said() -> None:
    assert "no log" in said(None)


@pytest.mark.parametrize("epochs", [1, 4])
def test_any_number_of_epochs_is_drawn(epochs: int) -> None:
    log = history(best=0)
    log.epochs = log.epochs[:epochs]
    pictures = training_blocks(log, "loss", "start")[1]
    assert isinstance(pictures, Pictures)
    assert all("</svg>" in picture.svg for picture in pictures.pictures)
