"""Forcings: schedules against the paper's formulas, names, and what models make of them."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

import unrolled as ur
from unrolled.nn import EncoderDecoder, FeedBack, Network, Scheduled, forcing_at, parse_forcing
from unrolled.nn.forcing import Exponential, InverseSigmoid, Linear, own_choices

# One or two roundings of float64.
ROUNDING = 1e-14
# float64, some dozens of roundings of numbers of size 1, summed in another order.
EXACT = {"rtol": 1e-11, "atol": 1e-12}
B, T, I, H, O = 3, 6, 3, 4, 2  # noqa: E741, the textbook's letters
SHARES = [0.0, 0.1, 0.5, 0.99, 1.0]


def _double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("u", SHARES)
def test_schedules_equal_the_formulas(u) -> None:
    for end in (1.0, 0.4, 0.0):
        assert Linear(end)(u) == pytest.approx(end * u, abs=ROUNDING)
    for last in (0.01, 0.5, 1.0):
        assert 1 - Exponential(last)(u) == pytest.approx(last**u, abs=ROUNDING)
    for k in (17.5, 1.0, 100.0):
        # eps = k / (k + exp(i / k)) after i = 100 u percent of training.
        eps = 1 / (1 + math.exp(100 * u / k - math.log(k)))
        # exp(100) = 2.7e43 is known to 100 roundings, and eps to as many of its own.
        assert 1 - InverseSigmoid(k)(u) == pytest.approx(eps, abs=ROUNDING)


def test_schedules_at_points_worked_out() -> None:
    assert Linear()(0.25) == 0.25
    # 0.01 ** 0.5 = 0.1, to rounding.
    assert Exponential()(0.5) == pytest.approx(0.9, abs=ROUNDING)
    # 17.5 / (17.5 + e^0), and half where exp(100 u / k) = k.
    assert InverseSigmoid()(0) == pytest.approx(1 / 18.5, abs=ROUNDING)
    assert InverseSigmoid(10)(0.1 * math.log(10)) == pytest.approx(0.5, abs=ROUNDING)
    for schedule in (Linear(), Exponential(), InverseSigmoid()):
        shares = [schedule(n / 50) for n in range(51)]
        assert shares == sorted(shares)
        assert 0 <= shares[0] < 0.1
        assert 0.9 < shares[-1] <= 1


def test_a_schedule_has_a_name() -> None:
    assert Scheduled("linear") == Scheduled(Linear(1.0))
    assert Scheduled("exponential") == Scheduled(Exponential(0.01))
    assert Scheduled("inverse-sigmoid") == Scheduled(InverseSigmoid(17.5))


@pytest.mark.parametrize("u", SHARES)
def test_forcing_at_a_moment_of_training(u) -> None:
    assert forcing_at("free", u) == "free"
    assert forcing_at("teacher", u) == "teacher"
    assert forcing_at(Scheduled(0.3), u) == Scheduled(0.3)
    assert forcing_at(Scheduled("exponential", sample=True), u) == Scheduled(1 - 0.01**u, True)


@pytest.mark.parametrize(
    ("text", "forcing"),
    [
        ("free", "free"),
        ("teacher", "teacher"),
        ("scheduled", Scheduled(Linear())),
        ("scheduled:linear", Scheduled(Linear())),
        ("scheduled:exponential", Scheduled(Exponential())),
        ("scheduled:inverse-sigmoid", Scheduled(InverseSigmoid())),
        ("scheduled:0.3", Scheduled(0.3)),
        ("scheduled:1", Scheduled(1.0)),
    ],
)
def test_forcings_of_a_command_line(text, forcing) -> None:
    assert parse_forcing(text) == forcing


def test_the_share_of_own_outputs_is_p() -> None:
    count, p = 40_000, 0.3
    drawn = own_choices(Scheduled(p), torch.zeros(200, 200, 2))
    assert drawn is not None
    assert drawn.shape == (200, 200)
    # Five standard deviations of a binomial share.
    assert abs(drawn.double().mean().item() - p) < 5 * math.sqrt(p * (1 - p) / count)
    assert own_choices("teacher", drawn) is None
    assert own_choices(Scheduled(0), drawn) is None


def test_a_decoder_takes_the_same_forcings() -> None:
    model = EncoderDecoder.of_tokens(9, 8, 4)
    source, targets = torch.randint(3, 9, (3, 5)), torch.randint(3, 8, (3, 6))
    forcing = Scheduled("inverse-sigmoid")
    with pytest.raises(ValueError, match=r"pass forcing_at\(forcing, progress\)"):
        model(source, targets, forcing=forcing)
    found = []
    for given in (forcing_at(forcing, 0.4), Scheduled(InverseSigmoid()(0.4))):
        torch.manual_seed(3)
        found.append(model(source, targets, forcing=given).logits)
    assert torch.equal(*found)
    ends = (forcing_at(Scheduled("linear"), u) for u in (0, 1))
    for given, other in zip(ends, ("teacher", "free"), strict=True):
        # The steps are one unroll by teacher forcing, and one at a time otherwise: float32.
        torch.testing.assert_close(
            model(source, targets, forcing=given).logits,
            model(source, targets, forcing=other).logits,
        )


def test_a_network_is_trained_along_a_schedule() -> None:
    """y(t) = 0.8 y(t-1) + 0.5 x(t), which a Jordan network can do: free running learns it."""
    network = Network(ur.cells.Jordan(1, 8, 1)).double()
    x = torch.rand(4, 20, 1).double() - 0.5
    y = [torch.zeros(4, 1).double()]
    for t in range(20):
        y.append(0.8 * y[-1] + 0.5 * x[:, t])
    targets = torch.stack(y[1:], 1)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    for update in range(150):
        forcing = forcing_at(Scheduled("linear"), update / 149)
        optimiser.zero_grad()
        run = network.run(x, targets=targets, forcing=forcing)
        (run.o - targets).square().mean().backward()
        optimiser.step()
    error = (network(x) - targets).square().mean()
    # What is left of the variance; a network that is not fed right stays near all of it.
    assert error < 0.05 * targets.var()


KINDS = {
    "jordan": lambda: ur.cells.Jordan(I, H, O, output="softmax"),
    "feedback": lambda: FeedBack(ur.cells.LSTM(I + O, H), O),
}


def test_the_likelihood_factorises_given_the_truth() -> None:
    """log p(y(1), ..., y(T) given x) is the sum of the steps', and all sequences add up to 1."""
    network = Network(ur.cells.Jordan(I, H, O, output="softmax")).double()
    x, steps = _double(1, 4, I), 4
    sequences = torch.tensor(list(itertools.product(range(O), repeat=steps)))
    many = x.expand(len(sequences), -1, -1)
    run = network.run(many, targets=sequences, forcing="teacher")
    log_p = run.o.log_softmax(-1).gather(-1, sequences[..., None])[..., 0]  # [O**T, T]
    # A few roundings of numbers below 1.
    torch.testing.assert_close(log_p.sum(1).exp().sum(), torch.ones(()).double(), **EXACT)
    for row, classes in enumerate(sequences.tolist()):
        y, total = torch.zeros(O).double(), torch.zeros(()).double()
        for t, number in enumerate(classes):
            cell = network.cell
            h = torch.tanh(cell.weight_ih @ x[0, t] + cell.weight_yh @ y + cell.bias_h)
            p = (cell.weight_hy @ h + cell.bias_y).softmax(-1)
            total = total + p[number].log()
            y = torch.eye(O).double()[number]
        torch.testing.assert_close(log_p[row].sum(), total, **EXACT)


def test_teacher_forcing_makes_the_steps_of_jordan_independent() -> None:
    network = Network(ur.cells.Jordan(I, H, O)).double()
    x, targets = _double(B, T, I).requires_grad_(), _double(B, T, O)
    forced = network.run(x, targets=targets, forcing="teacher")
    assert "every step runs in one batch" in forced.trajectory.why
    for run, depends in ((forced, False), (network.run(x), True)):
        (gradient,) = torch.autograd.grad(run.o[:, 3].sum(), x)
        assert bool(gradient[:, :3].any()) is depends
        assert gradient[:, 3].any()


@pytest.mark.parametrize("kind", KINDS)
def test_scheduled_sampling_lies_between(kind) -> None:
    network = Network(KINDS[kind]()).double()
    x, targets = _double(B, T, I), _double(B, T, O)
    runs = {
        f: network.run(x, targets=targets, forcing=f, engine="eager") for f in ("teacher", "free")
    }
    for p, other in ((0.0, "teacher"), (1.0, "free")):
        run = network.run(x, targets=targets, forcing=Scheduled(p), engine="eager")
        assert torch.equal(run.o, runs[other].o)
    assert not torch.equal(runs["free"].o, runs["teacher"].o)
    torch.testing.assert_close(network.run(x).y, network(x), rtol=0, atol=0)


def test_class_numbers_are_fed_as_one_hot() -> None:
    network = Network(ur.cells.Jordan(I, H, 5, output="softmax")).double()
    x, classes, lengths = _double(B, T, I), torch.randint(5, (B, T)), [T, 2, 4]
    values = nn.functional.one_hot(classes, 5).double()
    classes[1, 2:], classes[2, 4:] = -100, 99
    found = [
        network.run(x, lengths=lengths, targets=given, forcing="teacher").o
        for given in (classes, values)
    ]
    assert torch.equal(*found)


X, Y = torch.zeros(2, 5, I), torch.zeros(2, 5, O)


def _run(network=None, **given):
    network = network or Network(ur.cells.Jordan(I, H, O))
    return network.run(X, **{"targets": Y, "forcing": "teacher", **given})


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: Linear(1.5), ValueError, "end must be a number from 0 to 1, got 1.5"),
        (lambda: Exponential(0), ValueError, "last must be above 0, got 0"),
        (lambda: Exponential(-1), ValueError, "last must be a number from 0 to 1, got -1"),
        (lambda: InverseSigmoid(0.5), ValueError, "k must be a number from 1 up, got 0.5"),
        (lambda: InverseSigmoid(math.nan), ValueError, "k must be a number from 1 up, got nan"),
        (lambda: Scheduled(1.5), ValueError, "p must be a number from 0 to 1, got 1.5"),
        (lambda: Scheduled(None), ValueError, "p must be a number from 0 to 1, got None"),
        (lambda: Scheduled("lineer"), ValueError, "p is 'lineer'; did you mean 'linear'"),
        (lambda: forcing_at("free", 1.2), ValueError, "progress must be .* got 1.2"),
        (lambda: forcing_at("fre", 0.2), ValueError, "forcing is 'fre'; did you mean 'free'"),
        (lambda: forcing_at(0.2, 0.2), TypeError, "forcing must be .* got float"),
        (lambda: parse_forcing("techer"), ValueError, "forcing is 'techer'; did you mean 'teach"),
        (lambda: parse_forcing("free:0.3"), ValueError, "forcing is 'free:0.3'"),
        (lambda: parse_forcing("scheduled:"), ValueError, "what follows scheduled: is a number"),
        (lambda: parse_forcing("scheduled:expo"), ValueError, "did you mean 'exponential'"),
        (lambda: parse_forcing("scheduled:1.5"), ValueError, "p must be .* got 1.5"),
        (lambda: parse_forcing("scheduled:nan"), ValueError, "p must be .* got nan"),
        (lambda: _run(targets=None), ValueError, "targets are needed with forcing 'teacher'"),
        (lambda: _run(targets=Y[:, 1:]), ValueError, r"tensor \[2, 5, 2\], got \[2, 4, 2\]"),
        (lambda: _run(targets=[1]), ValueError, r"tensor \[2, 5, 2\], got list"),
        (lambda: _run(targets=Y.double()), ValueError, r"pass targets.to\(torch.float32\)"),
        (lambda: _run(targets=Y[..., 0].long()), ValueError, "targets must be values .*'identity'"),
        (lambda: _run(forcing="teachr"), ValueError, "forcing is 'teachr'; did you mean"),
        (lambda: _run(forcing=0.5), TypeError, "forcing must be .* got float"),
        (lambda: _run(forcing=Scheduled(0.5, sample=True)), ValueError, "sample=True, which is"),
        (lambda: _run(forcing=Scheduled("linear")), ValueError, r"pass forcing_at\(forcing, pro"),
        (
            lambda: _run(Network(ur.cells.Elman(I, H), O)),
            ValueError,
            "whose output feeds back, Elman's does not",
        ),
        (
            lambda: _run(Network(KINDS["jordan"]()), targets=torch.full((2, 5), 2)),
            ValueError,
            "class numbers from 0 to 1, got 2 to 2",
        ),
    ],
)
def test_errors_say_what_to_do(call, kind, words) -> None:
    with pytest.raises(kind, match=words) as raised:
        call()
    assert "\n" not in str(raised.value)
