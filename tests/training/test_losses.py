"""Losses against torch.distributions, scikit-learn, closed forms and finite differences."""

import math

import pytest
import torch
from sklearn.metrics import mean_pinball_loss
from torch import distributions
from torch.nn import functional as F

from unrolled.training.losses import (
    BY_NAME,
    LOSSES,
    Quantile,
    Total,
    bernoulli,
    cross_entropy,
    gaussian,
    outputs_of,
    poisson,
    squared_error,
    step_by_step,
    summed,
)

B, T, O = 3, 5, 4  # noqa: E741, the textbook's letter
# Float64, and sums of a few terms of order one to ten: some rounding errors of 1e-16 each.
CLOSE = {"rtol": 1e-12, "atol": 1e-12}
LEVELS = (0.05, 0.5, 0.8)


def _counts():
    return torch.randint(0, 9, (B, T, O)).double()


# For each loss its targets.
TARGETS = {
    "cross-entropy": lambda: torch.randint(O, (B, T)),
    "bernoulli": lambda: torch.randint(0, 2, (B, T, O)).double(),
    "squared-error": lambda: torch.randn(B, T, O).double(),
    "gaussian": lambda: torch.randn(B, T, O).double(),
    "poisson": _counts,
    "quantile": lambda: torch.randn(B, T, O).double(),
}


def _o(loss):
    return torch.randn(B, T, outputs_of(loss, O)).double().requires_grad_()


def _log_p(name, o, y):
    """log p by torch.distributions, [B, T]."""
    if name == "cross-entropy":
        return distributions.Categorical(logits=o).log_prob(y)
    if name == "bernoulli":
        return distributions.Bernoulli(logits=o).log_prob(y).sum(-1)
    if name == "squared-error":
        # But for the constant.
        return (distributions.Normal(o, 1.0).log_prob(y) + 0.5 * math.log(2 * math.pi)).sum(-1)
    if name == "gaussian":
        mean, deviation = o[..., :O], torch.exp(o[..., O:] / 2)
        return distributions.Normal(mean, deviation).log_prob(y).sum(-1)
    return distributions.Poisson(o.exp()).log_prob(y).sum(-1)


LIKELIHOODS = [name for name in BY_NAME if name != "quantile"]


def test_a_loss_by_its_name() -> None:
    o, y = torch.randn(2, 3, 4), torch.randint(4, (2, 3))
    named, given = summed("cross-entropy", o, y), summed(cross_entropy, o, y)
    assert named.total == given.total
    with pytest.raises(ValueError, match="did you mean 'cross-entropy'"):
        summed("cross-entropie", o, y)
    with pytest.raises(ValueError, match=r"class numbers must be whole, as targets.long\(\)"):
        summed("cross-entropy", o, y.float())


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_equals_the_likelihood_of_torch_distributions(name) -> None:
    loss, y = BY_NAME[name], TARGETS[name]()
    o = _o(loss)
    found, wanted = loss(o, y), -_log_p(name, o, y)
    torch.testing.assert_close(found, wanted, **CLOSE)
    (gradient,) = torch.autograd.grad(found.sum(), o)
    (expected,) = torch.autograd.grad(wanted.sum(), o)
    torch.testing.assert_close(gradient, expected, **CLOSE)


def test_equals_the_losses_of_torch_nn() -> None:
    o, y = torch.randn(B, O).double(), torch.randint(O, (B,))
    wanted = F.cross_entropy(o, y, reduction="none")
    torch.testing.assert_close(cross_entropy(o, y), wanted, **CLOSE)
    p = torch.softmax(torch.randn(B, O).double(), -1)
    wanted = F.cross_entropy(o, p, reduction="none")
    torch.testing.assert_close(cross_entropy(o, p), wanted, **CLOSE)
    p = torch.rand(B, O).double()
    wanted = F.binary_cross_entropy(torch.sigmoid(o), p, reduction="none").sum(-1)
    torch.testing.assert_close(bernoulli(o, p), wanted, **CLOSE)
    pair, z = torch.randn(B, 2 * O).double(), torch.randn(B, O).double()
    variance = pair[:, O:].exp()
    wanted = F.gaussian_nll_loss(pair[:, :O], z, variance, full=True, reduction="none").sum(-1)
    torch.testing.assert_close(gaussian(pair, z), wanted, **CLOSE)


def _one_hot(y):
    return F.one_hot(y, O).double()


# The output minus the target.
CLOSED = {
    "cross-entropy": lambda o, y: torch.softmax(o, -1) - _one_hot(y),
    "bernoulli": lambda o, y: torch.sigmoid(o) - y,
    "squared-error": lambda o, y: o - y,
    "poisson": lambda o, y: torch.exp(o) - y,
}


@pytest.mark.parametrize("name", CLOSED)
def test_the_gradient_is_the_output_minus_the_target(name) -> None:
    y, o = TARGETS[name](), _o(BY_NAME[name])
    (gradient,) = torch.autograd.grad(BY_NAME[name](o, y).sum(), o)
    torch.testing.assert_close(gradient, CLOSED[name](o.detach(), y), **CLOSE)


def test_the_gradient_of_a_gaussian_is_its_closed_form() -> None:
    y, o = TARGETS["gaussian"](), _o(gaussian)
    (gradient,) = torch.autograd.grad(gaussian(o, y).sum(), o)
    mean, log_variance = o.detach().chunk(2, -1)
    error, precision = mean - y, torch.exp(-log_variance)
    wanted = torch.cat([error * precision, 0.5 - 0.5 * error**2 * precision], -1)
    torch.testing.assert_close(gradient, wanted, **CLOSE)


@pytest.mark.parametrize("name", BY_NAME)
def test_gradcheck(name) -> None:
    loss, y = BY_NAME[name], TARGETS[name]()
    valid = torch.rand(B, T) < 0.7
    # gradcheck's own tolerances, for differences over 1e-6 in float64. No o lies so near to its
    # target that the kink of the pinball loss would come between.
    assert torch.autograd.gradcheck(lambda o: summed(loss, o, y, valid).total, _o(loss))


def test_pinball_equals_scikit_learn() -> None:
    loss, y = Quantile(LEVELS), torch.randn(50, O).double()
    o = torch.randn(50, O * len(LEVELS)).double()
    # scikit-learn's is a mean over samples and targets, of one level.
    wanted = sum(
        mean_pinball_loss(y, o[:, k :: len(LEVELS)], alpha=level) * y.numel()
        for k, level in enumerate(LEVELS)
    )
    assert loss(o, y).sum().item() == pytest.approx(wanted, rel=1e-12)
    by_hand = torch.tensor([0.1 * 2, 0.5 * 2, 0.1 * 3]).sum()
    o = torch.tensor([3.0, 3.0, 8.0])
    torch.testing.assert_close(Quantile((0.1, 0.5, 0.9))(o, torch.tensor([5.0])), by_hand)


def test_pinball_is_least_at_the_quantile() -> None:
    y = torch.arange(1.0, 100.0)[:, None]  # the k-th of 99 is the quantile k / 100
    candidates = torch.arange(1.0, 100.0)
    for level in (0.1, 0.5, 0.9):
        sums = torch.stack([Quantile((level,))(o.expand(99, 1), y).sum() for o in candidates])
        assert candidates[sums.argmin()] == round(100 * level)


def test_class_numbers_of_any_whole_type() -> None:
    o, y = torch.randn(B, T, O), torch.randint(O, (B, T))
    for dtype in (torch.int32, torch.uint8):
        assert torch.equal(cross_entropy(o, y.to(dtype)), cross_entropy(o, y))


@pytest.mark.parametrize("name", BY_NAME)
def test_what_stands_at_invalid_steps_has_no_effect(name) -> None:
    loss, y = BY_NAME[name], TARGETS[name]()
    valid = torch.arange(T) < torch.tensor([T, 2, 0])[:, None]
    dirty_y = y.clone()
    dirty_y[~valid] = torch.nan if y.is_floating_point() else -100
    o = _o(loss)
    dirty_o = o.detach().clone()
    dirty_o[~valid] = torch.nan
    dirty_o.requires_grad_()
    found = summed(loss, dirty_o, dirty_y, valid)
    # By a loop over the valid steps.
    wanted = sum(loss(o[b, t], y[b, t]) for b in range(B) for t in range(T) if valid[b, t])
    torch.testing.assert_close(found.total, wanted, **CLOSE)
    assert found.count.item() == T + 2
    torch.testing.assert_close(found.mean, wanted / (T + 2), **CLOSE)
    found.total.backward()
    wanted.backward()
    torch.testing.assert_close(dirty_o.grad, o.grad, **CLOSE)
    assert not dirty_o.grad[~valid].any()
    each = step_by_step(loss, dirty_o, dirty_y, valid)
    assert not each[~valid].any()
    torch.testing.assert_close(each[valid], loss(o[valid], y[valid]), **CLOSE)


def test_a_loss_that_zero_would_break_sees_valid_steps_only() -> None:
    o = torch.tensor([[2.0, 0.0]], requires_grad=True)[..., None]
    valid = torch.tensor([[True, False]])
    total = summed(lambda o, y: (y / o).sum(-1), o, torch.ones(1, 2, 1), valid).total
    (gradient,) = torch.autograd.grad(total, o)
    assert gradient.flatten().tolist() == [-0.25, 0.0]


def test_one_output_a_sequence() -> None:
    o, y = torch.randn(B, O), torch.randint(O, (B,))
    valid = torch.tensor([True, False, True])
    found = summed(cross_entropy, o, y, valid)
    wanted = F.cross_entropy(o[valid], y[valid], reduction="sum")
    torch.testing.assert_close(found.total, wanted)  # float32, the defaults for it
    assert found.count.item() == 2


def test_no_valid_step() -> None:
    o = torch.randn(B, T, O, requires_grad=True)
    none = torch.zeros(B, T, dtype=torch.bool)
    found = summed(cross_entropy, o, torch.full((B, T), -100), none)
    found.total.backward()
    assert (found.total.item(), found.count.item()) == (0, 0)
    assert not o.grad.any()
    assert found.mean.isnan()


def test_totals_add_up() -> None:
    o, y = torch.randn(B, T, O).double(), torch.randn(B, T, O).double()
    first = summed(squared_error, o[:, :2], y[:, :2])
    second = summed(squared_error, o[:, 2:], y[:, 2:])
    both, whole = first + second, summed(squared_error, o, y)
    assert isinstance(both, Total)
    assert (first.count.item(), both.count.item()) == (2 * B, B * T)
    torch.testing.assert_close(both.total, whole.total, **CLOSE)
    wanted = 0.5 * F.mse_loss(o, y) * O
    torch.testing.assert_close(both.mean, wanted, **CLOSE)


def test_how_many_outputs() -> None:
    found = {name: outputs_of(loss, O) for name, loss in BY_NAME.items()}
    assert found.pop("gaussian") == 2 * O
    assert found.pop("quantile") == 3 * O
    assert set(found.values()) == {O}
    assert outputs_of(Quantile(LEVELS[:2]), 5) == 10
    assert outputs_of(lambda o, y: (o - y).abs().sum(-1), 5) == 5
    with pytest.raises(ValueError, match="target_size"):
        outputs_of(gaussian, 0)


def test_tables_of_losses_agree() -> None:
    assert set(LOSSES) == {"softmax", "sigmoid", "identity"}
    assert set(LOSSES.values()) <= set(BY_NAME.values())
    assert Quantile([0.1, 0.5, 0.9]) == BY_NAME["quantile"]


@pytest.mark.parametrize("levels", [(), (0.5, 0.1), (0.5, 0.5), (0.0, 0.5), (0.5, 1), "abc", 0.5])
def test_bad_levels_are_explained(levels) -> None:
    with pytest.raises(ValueError, match=r"levels must be numbers between 0 and 1.*got"):
        Quantile(levels)


_NUMBERS = torch.zeros(B, T, O)


@pytest.mark.parametrize(
    ("loss", "targets", "words"),
    [
        (cross_entropy, torch.full((B, T), O), "class numbers from 0 to 3, got 4 to 4"),
        (cross_entropy, torch.full((B, T), -100), "class numbers from 0 to 3, got -100"),
        (cross_entropy, torch.zeros(B, T, O).long(), r"must be \[3, 5\], got \[3, 5, 4\]"),
        (squared_error, torch.zeros(B, O), r"must be \[3, 5, 4\], got \[3, 4\]"),
        (squared_error, _NUMBERS.long(), r"real numbers, got torch.int64; pass targets.to\("),
        (bernoulli, _NUMBERS + 2, "from 0 to 1, got 2.0 to 2.0"),
        (poisson, _NUMBERS - 1, "from 0 up, got -1.0 to -1.0"),
        (poisson, _NUMBERS + torch.nan, "from 0 up, got nan"),
        (gaussian, _NUMBERS, r"must be \[3, 5, 2\], got \[3, 5, 4\]"),
        (Quantile((0.1, 0.5, 0.9)), _NUMBERS, "o must hold 3 numbers for each of a target"),
        (lambda o, y: o.sum(), _NUMBERS, r"loss must give .*\[3, 5\]; it gave \[\]"),
    ],
)
def test_bad_targets_are_explained(loss, targets, words) -> None:
    with pytest.raises(ValueError, match=words):
        summed(loss, torch.randn(B, T, O), targets)


def test_bad_forms_are_explained() -> None:
    o, y = torch.randn(B, T, 1), torch.randn(B, T)
    with pytest.raises(ValueError, match=r"must be \[3, 5, 1\].*targets\[\.\.\., None\]"):
        summed(squared_error, o, y)
    with pytest.raises(TypeError, match="targets must be a tensor, got list"):
        summed(squared_error, o, y.tolist())
    y = y[..., None]
    with pytest.raises(TypeError, match=r"valid must be a boolean tensor \[3, 5\], got torch.int"):
        summed(squared_error, o, y, torch.ones(B, T, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"valid must be \[3, 5\], got \[3\]"):
        summed(squared_error, o, y, torch.ones(B, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"targets must begin with \[3, 5\], got \[3, 1\]"):
        summed(lambda o, y: o.sum(-1), o, torch.randn(B, 1), torch.ones(B, T, dtype=torch.bool))
