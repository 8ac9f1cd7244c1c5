"""The training loop on a problem with a known minimum, and on things that go wrong."""

import itertools
import math
import re

import pytest
import torch
from torch import nn

from unrolled.training import Optimisation, TrainingFailed, TrainingSettings, Watcher, train

QUICK = TrainingSettings(
    epochs=5, updates=20, learning_rate=0.1, patience=5, optimisation=Optimisation(averaging=0.9)
)


class Point(nn.Module):
    """One number; the loss is its squared distance to 3."""

    def __init__(self, start: float = 0.0):
        super().__init__()
        self.x = nn.Parameter(torch.tensor(start))


class On(Watcher):
    """Calls a function after every update."""

    def __init__(self, updated):
        self.updated = updated


def distance(model, batch, progress=0.0):
    return (model.x - 3) ** 2 * batch


def validate(model):
    return {"loss": (model.x.item() - 3) ** 2}


def test_it_finds_the_minimum_and_keeps_the_best() -> None:
    model = Point()
    history = train(model, distance, itertools.repeat(1.0), validate, QUICK)
    losses = [epoch.validation["loss"] for epoch in history.epochs]
    assert losses[0] == 9.0
    assert math.isnan(history.epochs[0].train)
    # The kept weights are those of the best row.
    assert (model.x.item() - 3) ** 2 == pytest.approx(min(losses))
    assert history.best.validation["loss"] == min(losses) < 0.1
    assert history.ended == "all epochs done"


def test_it_never_ends_worse_than_it_began() -> None:
    model = Point(3.0)
    away = lambda model, batch, progress: -((model.x - 3.5) ** 2)  # noqa: E731
    history = train(model, away, itertools.repeat(None), validate, QUICK)
    assert history.best.epoch == 0
    assert model.x.item() == 3.0


def test_patience() -> None:
    settings = TrainingSettings(epochs=50, updates=2, patience=3)
    worse = lambda model, batch, progress: -((model.x - 3.5) ** 2)  # noqa: E731
    history = train(Point(3.0), worse, itertools.repeat(None), validate, settings)
    assert len(history.epochs) == 1 + 3
    assert "3 epochs" in history.ended


def test_the_average_is_of_the_weights() -> None:
    """What is validated is the exponential average, checked against its definition."""
    seen, weights = [], []
    how = Optimisation(averaging=0.5)
    settings = TrainingSettings(epochs=1, updates=6, learning_rate=0.1, optimisation=how)
    model = Point()
    train(
        model,
        distance,
        itertools.repeat(1.0),
        lambda m: seen.append(m.x.item()) or {"loss": 0.0},
        settings,
        On(updated=lambda number, update: weights.append(model.x.item())),
    )
    average = weights[0]
    for count, weight in enumerate(weights[1:], start=1):
        decay = min(0.5, (count + 1) / (count + 10))
        average = decay * average + (1 - decay) * weight
    assert seen[-1] == pytest.approx(average, rel=1e-5)


def test_learning_rate_rises_and_falls_to_zero() -> None:
    settings = TrainingSettings(epochs=10, updates=10, optimisation=Optimisation(warm_up=0.1))
    rates = [settings.rate_at(update) for update in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (k + 1) for k in range(10)])
    assert rates[55] == pytest.approx(0.5 * (1 + math.cos(math.pi * 45 / 90)))
    assert rates[99] < 1e-3


def test_a_bad_batch_is_skipped_and_counted() -> None:
    batches = itertools.chain([1.0, float("nan"), 1.0], itertools.repeat(1.0))
    model = Point()
    history = train(model, distance, batches, validate, QUICK)
    assert [epoch.skipped for epoch in history.epochs] == [0, 1, 0, 0, 0, 0]
    assert math.isfinite(model.x.item())


def test_many_bad_batches_end_training() -> None:
    with pytest.raises(TrainingFailed, match=r"5 updates in a row, up to update 5; .*of them: inf"):
        train(Point(), distance, itertools.repeat(float("inf")), validate, QUICK)


def test_ctrl_c_keeps_the_best() -> None:
    def interrupted(number, update):
        if number == 50:
            raise KeyboardInterrupt

    model = Point()
    history = train(model, distance, itertools.repeat(1.0), validate, QUICK, On(interrupted))
    assert history.ended == "interrupted"
    assert len(history.epochs) == 3
    assert (model.x.item() - 3) ** 2 == pytest.approx(history.best.validation["loss"])


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (1.0, 'validate must give figures by name, as {"loss": 0.5}, got 1.0'),
        ({"mse": 1.0}, 'as {"loss": 0.5}, got mse'),
    ],
)
def test_what_validate_must_give_is_said(found, words) -> None:
    with pytest.raises(TypeError, match=re.escape(words)):
        train(Point(), distance, itertools.repeat(1.0), lambda model: found, QUICK)


def test_what_a_loss_must_give_is_said() -> None:
    for wrong, came in ((1.0, "float"), (torch.ones(3), r"\[3\]")):
        with pytest.raises(TypeError, match=f"loss must give a Total.*got {came}"):
            train(Point(), lambda *_, w=wrong: w, itertools.repeat(1.0), validate, QUICK)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("epochs", 0), ("updates", 0), ("patience", 0), ("learning_rate", math.nan),
     ("learning_rate", -1.0), ("weight_decay", math.inf)],
)  # fmt: skip
def test_settings_out_of_range_are_named(argument, value) -> None:
    with pytest.raises(ValueError, match=f"{argument} must be a"):
        TrainingSettings(**{argument: value})


def test_a_validation_that_is_never_a_number_is_said() -> None:
    never = lambda model: {"loss": math.nan}  # noqa: E731
    history = train(Point(), distance, itertools.repeat(1.0), never, QUICK)
    assert history.ended.endswith("; no validation was a number")


def test_gradients_are_clipped() -> None:
    how = Optimisation(clip_norm=0.5)
    settings = TrainingSettings(epochs=1, updates=1, learning_rate=0.1, optimisation=how)
    model = Point(1000.0)
    seen = []
    model.x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.item()))
    history = train(model, distance, itertools.repeat(1.0), validate, settings)
    assert seen == [2 * 997.0]
    # The norm in the log is the one before clipping.
    assert history.epochs[1].gradient_norm == pytest.approx(2 * 997.0)
