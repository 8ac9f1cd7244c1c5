"""From batches to updates: means over all steps, clipping, precision, what is not finite."""

import itertools
import math

import pytest
import torch
from torch import nn

import unrolled as ur
from unrolled.tasks.training import describe_optimisation
from unrolled.training import (
    ContiguousStreams,
    Machine,
    Optimisation,
    Total,
    TrainingFailed,
    TrainingSettings,
    TruncatedBPTT,
    range_test,
    train,
)
from unrolled.training.settings import SCHEDULES
from unrolled.training.updates import Updater


def linear(size: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(size, 1)


def squares(model, batch, progress):
    """The sum over the rows of a batch that are not NaN, and their number."""
    x, y = batch
    valid = ~y.isnan()
    error = (model(x)[:, 0] - y.masked_fill(~valid, 0)) * valid
    return Total(error.square().sum(), valid.sum())


def updater(model, batches, how=Optimisation(), loss=squares, **settings) -> Updater:  # noqa: B008
    settings = TrainingSettings(epochs=1, updates=10, optimisation=how, **settings)
    return Updater(model, loss, batches, settings, Machine("cpu", how.precision))


def rows(n: int, seed: int = 0):
    draw = torch.Generator().manual_seed(seed)
    x, y = torch.randn(n, 3, generator=draw), torch.randn(n, generator=draw)
    y[::3] = torch.nan
    return x, y


def test_two_accumulated_batches_make_the_update_of_one_of_both() -> None:
    """Although they have different numbers of valid steps: the mean is over all of them."""
    first, second = rows(8), rows(17, seed=1)
    both = tuple(torch.cat(pair) for pair in zip(first, second, strict=True))
    one, two = linear(), linear()
    how = Optimisation(clip_norm=None)
    whole = updater(one, itertools.repeat(both), how).update()
    how = Optimisation(clip_norm=None, accumulate=2)
    split = updater(two, itertools.cycle([first, second]), how).update()
    # Sums of 25 numbers in another order, float32.
    assert split.loss == pytest.approx(whole.loss, rel=1e-6)
    torch.testing.assert_close(two.weight.grad, one.weight.grad, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(two.weight, one.weight, rtol=1e-6, atol=1e-7)


def test_a_mean_counts_as_one_step() -> None:
    model = linear()
    mean = lambda model, batch, progress: model(batch[0]).square().mean()  # noqa: E731
    batch = rows(8)
    wanted = torch.autograd.grad(mean(model, batch, 0), model.weight)[0]
    updater(model, itertools.repeat(batch), Optimisation(clip_norm=None), mean).update()
    torch.testing.assert_close(model.weight.grad, wanted)


@pytest.mark.parametrize("norm", [None, 0.5])
@pytest.mark.parametrize("value", [None, 0.3])
def test_clipping_by_value_then_by_norm(norm, value) -> None:
    model, gradient = linear(), torch.tensor([[3.0, -0.2, 0.1]])
    pull = lambda model, batch, progress: (model.weight * gradient).sum()  # noqa: E731
    how = Optimisation(clip_norm=norm, clip_value=value)
    update = updater(model, itertools.repeat(None), how, pull).update()
    wanted = gradient if value is None else gradient.clamp(-value, value)
    if norm is not None and wanted.norm() > norm:
        wanted = wanted * norm / wanted.norm()
    # clip_grad divides by the norm plus 1e-6.
    torch.testing.assert_close(model.weight.grad, wanted, rtol=1e-5, atol=0)
    # What is recorded is the norm before clipping.
    assert update.gradient_norm == pytest.approx(gradient.norm().item())


def test_a_step_that_is_not_finite_changes_nothing() -> None:
    model = linear()
    run = updater(model, itertools.cycle([(torch.full((2, 3), torch.inf), torch.ones(2)), rows(8)]))
    before = model.weight.clone()
    assert run.update().skipped
    assert torch.equal(model.weight, before)
    assert not run.optimiser.state
    assert torch.equal(run.average.weight, before)
    assert not run.update().skipped
    assert not torch.equal(model.weight, before)


def test_the_batch_that_began_a_row_of_failures_is_named() -> None:
    class Named(tuple):
        def __str__(self) -> str:
            return self[2]

    bad = [Named((*rows(4), name)) for name in ("first\nof them", "second", "third")]
    fails = lambda model, batch, progress: model.weight.sum() * math.nan  # noqa: E731
    run = updater(linear(), itertools.cycle(bad), loss=fails)
    for _ in range(4):
        assert run.update().skipped
    with pytest.raises(TrainingFailed, match=r"first batch of them: first of them; look"):
        run.update()


def test_of_accumulated_batches_the_guilty_one_is_named() -> None:
    fails = lambda model, batch, progress: model.weight.sum() * batch  # noqa: E731
    run = updater(
        linear(), itertools.cycle([1.0, 2.0, math.nan]), Optimisation(accumulate=3), fails
    )
    for _ in range(4):
        assert run.update().skipped
    with pytest.raises(TrainingFailed, match=r"first batch of them: nan; look"):
        run.update()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_batch_without_a_valid_step_counts_for_nothing(order) -> None:
    empty = torch.zeros(4, 3), torch.full((4,), torch.nan)
    batches, model, alone = [empty, rows(8)], linear(), linear()
    how = Optimisation(accumulate=2, clip_norm=None)
    both = updater(model, itertools.cycle([batches[k] for k in order]), how).update()
    one = updater(alone, itertools.repeat(rows(8)), Optimisation(clip_norm=None)).update()
    assert (both.loss, both.count) == (pytest.approx(one.loss), one.count)
    torch.testing.assert_close(model.weight.grad, alone.weight.grad)


def test_an_update_without_a_valid_step_is_none() -> None:
    model = linear()
    empty = torch.zeros(4, 3), torch.full((4,), torch.nan)
    run = updater(model, itertools.repeat(empty), weight_decay=0.5)
    before = model.weight.clone()
    for _ in range(8):
        # Not a failure, however many follow one another.
        update = run.update()
        assert update.skipped
        assert update.count == 0
    assert torch.equal(model.weight, before)


def test_a_loss_of_something_else_is_said() -> None:
    other = linear()
    of_other = lambda model, batch, progress: other.weight.sum()  # noqa: E731
    with pytest.raises(TrainingFailed, match="no parameter of the model gets a gradient"):
        updater(linear(), itertools.repeat(None), loss=of_other).update()
    of_nothing = lambda model, batch, progress: torch.ones(())  # noqa: E731
    with pytest.raises(TrainingFailed, match="the loss has no gradient"):
        updater(linear(), itertools.repeat(None), loss=of_nothing).update()


def test_batches_that_end_are_said() -> None:
    run = updater(linear(), [rows(8)] * 2)
    run.update(), run.update()
    with pytest.raises(TrainingFailed, match="the batches ended after update 2"):
        run.update()


def test_the_epoch_weighs_its_updates_by_their_steps() -> None:
    """One step of loss 0 and a hundred of loss 1: the mean of a step is 100 / 101."""
    cycle = itertools.cycle([(0.0, 1), (1.0, 100)])
    loss = lambda model, batch, progress: Total(  # noqa: E731
        0 * model.weight.sum() + batch[0] * batch[1], torch.tensor(batch[1])
    )
    settings = TrainingSettings(epochs=1, updates=2)
    log = train(linear(), loss, cycle, lambda model: {"loss": 1.0}, settings)
    assert log.epochs[1].train == pytest.approx(100 / 101)


def test_the_scale_of_float16_may_fall_before_anything_fails() -> None:
    """With a scale of 2^16 and gradients of 1000 the first products overflow float16."""

    class Half(torch.autograd.Function):
        """A product whose gradient passes through float16, as on a GPU."""

        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient.half().float()

    model, how = linear(), Optimisation(clip_norm=None)
    loss = lambda model, batch, progress: Half.apply(model.weight * 1000.0).sum()  # noqa: E731
    run = updater(model, itertools.repeat(None), how, loss)
    run.machine.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**24)
    updates = [run.update() for _ in range(12)]
    skipped = [update.skipped for update in updates]
    assert sum(skipped) > 5
    assert not skipped[-1]
    # Once the scale fits, the gradient is the unscaled one.
    assert updates[-1].gradient_norm == pytest.approx(1000 * math.sqrt(3), rel=1e-3)


def transposed() -> nn.Module:
    model = linear()
    model.weight = nn.Parameter((torch.arange(9.0) / 9).reshape(3, 3)[:, :1].T)
    assert not model.weight.is_contiguous()
    return model


def test_weights_in_any_order_of_memory_are_updated_alike() -> None:
    """torch's update in one pass reads gaps between numbers as numbers."""
    models = [transposed(), linear()]
    models[1].weight = nn.Parameter(models[0].weight.detach().contiguous())
    for model in models:
        run = updater(model, itertools.repeat(rows(8)))
        for _ in range(3):
            run.update()
    torch.testing.assert_close(models[0].weight, models[1].weight, rtol=0, atol=1e-6)


def test_two_machines_keep_their_precisions() -> None:
    first, second = Machine("cpu", "bfloat16"), Machine("cpu")
    x = torch.ones(2, 2)
    with first.autocast():
        assert (x @ x).dtype == torch.bfloat16
    with second.autocast():
        assert (x @ x).dtype == torch.float32


def test_bfloat16_takes_products_in_it_and_keeps_weights_in_float32() -> None:
    model, seen = linear(), []
    model.register_forward_hook(lambda module, x, y: seen.append(y.dtype))
    run = updater(model, itertools.repeat(rows(8)), Optimisation(precision="bfloat16"))
    run.update()
    assert seen == [torch.bfloat16]
    assert model.weight.dtype == model.weight.grad.dtype == torch.float32
    # A run after it may have another precision.
    updater(model, itertools.repeat(rows(8))).update()
    assert seen[-1] == torch.float32


def test_a_precision_that_is_not_there() -> None:
    with pytest.raises(ValueError, match=r'precision "float16" needs a GPU; a CPU has "bfloat16"'):
        Machine("cpu", "float16")
    with pytest.raises(ValueError, match=r"precision is 'float31'; did you mean 'float32'\?"):
        Optimisation(precision="float31")


def test_a_run_of_a_gpu_is_described_without_one() -> None:
    how = Optimisation(precision="float16")
    assert describe_optimisation(how, torch.device("cpu")).endswith(", float16")


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("schedule", "cosin", "did you mean 'cosine'"),
        ("clip_norm", 0, "clip_norm must be above 0, or None"),
        ("clip_value", -1.0, "clip_value must be above 0, or None"),
        ("accumulate", 0, "accumulate must be a whole number from 1 up"),
        ("warm_up", 2, "warm_up must lie between 0 and 1"),
        ("averaging", -0.1, "averaging must lie between 0 and 1"),
    ],
)
def test_bad_settings_are_named(argument, value, words) -> None:
    with pytest.raises(ValueError, match=words):
        Optimisation(**{argument: value})


def test_learning_rates_follow_their_schedules() -> None:
    def rates(schedule):
        how = Optimisation(schedule=schedule, warm_up=0.1)
        settings = TrainingSettings(epochs=10, updates=10, optimisation=how)
        return [settings.rate_at(update) for update in range(100)]

    for schedule in SCHEDULES:
        assert rates(schedule)[:10] == pytest.approx([0.1 * (k + 1) for k in range(10)])
        # The peak is reached as the warm-up ends, whatever follows.
        assert rates(schedule)[10] == pytest.approx(1)
    assert rates("constant")[10:] == [1.0] * 90
    assert rates("linear")[55] == pytest.approx(0.5)
    assert rates("cosine")[55] == pytest.approx(0.5)
    assert rates("inverse-sqrt")[40] == pytest.approx(math.sqrt(10 / 40))


def test_progress_is_told_to_the_loss() -> None:
    told = []

    def loss(model, batch, progress):
        told.append(progress)
        return model.weight.sum()

    run = updater(linear(), itertools.repeat(None), loss=loss)
    for _ in range(10):
        run.update()
    assert told == pytest.approx([k / 10 for k in range(10)])


def test_the_range_test_finds_where_the_loss_falls_fastest() -> None:
    """AdamW moves a weight by about the rate, whatever the gradient: 25 away, a sum of rates."""

    class Far(nn.Module):
        def __init__(self):
            super().__init__()
            self.x = nn.Parameter(torch.tensor(0.0))

    model = Far()
    distance = lambda model, batch, progress: (model.x - 2.0).abs()  # noqa: E731
    found = range_test(model, distance, itertools.repeat(None), updates=100)
    assert model.x.item() == 0.0
    assert found.losses[0] == pytest.approx(2.0)
    # The rates grow by 15 % an update, so that their sum reaches 2 at a rate of about 0.26.
    assert 0.1 < found.suggestion < 0.3
    assert found.rates[found.losses.index(min(found.losses))] == pytest.approx(0.26, rel=0.2)


def test_the_range_test_puts_everything_back() -> None:
    torch.manual_seed(0)
    layer, series = ur.nn.LSTM(1, 4, batch_first=True), torch.randn(400, 1)
    batches = ContiguousStreams(series, 4, 10)
    stream = TruncatedBPTT(10).stream(layer)

    def loss(model, chunk, progress):
        outputs = stream(chunk.values[0], reset=chunk.reset)
        return Total((outputs[..., :1] - 1).square().sum(), torch.tensor(outputs[..., 0].numel()))

    loss(layer, next(batches), 0.0)
    before = [p.clone() for p in layer.parameters()], stream.state_dict(), batches.state_dict()
    drawn = torch.get_rng_state()
    found = range_test(layer, loss, batches, carried={"stream": stream})
    assert 1e-4 < found.suggestion < 1
    assert all(map(torch.equal, before[0], layer.parameters()))
    assert all(parameter.grad is None for parameter in layer.parameters())
    for then, now in zip(before[1]["state"], stream.state_dict()["state"], strict=True):
        assert torch.equal(then, now)
    assert batches.state_dict() == before[2]
    assert torch.equal(torch.get_rng_state(), drawn)


def test_the_range_test_says_where_nothing_is_learned() -> None:
    still = lambda model, batch, progress: 0 * model.weight.sum() + 1  # noqa: E731
    with pytest.raises(ValueError, match="does not fall at any learning rate"):
        range_test(linear(), still, itertools.repeat(None))
    with pytest.raises(ValueError, match="at least 20"):
        range_test(linear(), still, itertools.repeat(None), updates=5)
