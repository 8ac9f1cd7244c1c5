"""What a model hands on from part to part, and what is refused."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import unrolled as ur
from unrolled.nn import FeedBack, Network, Scheduled
from unrolled.nn.feedback import fed_on
from unrolled.training import CheckpointedBPTT, FullBPTT
from unrolled.training.losses import cross_entropy, squared_error
from unrolled.training.stateful import run_statefully
from unrolled.training.truncated import TruncatedBPTT

B, I, H, O = 3, 4, 5, 6  # noqa: E741, the textbook's letters


@pytest.fixture(autouse=True)
def _quickly_compiled(monkeypatch) -> None:
    # The tests are about numbers, not speed: kernels are not optimised.
    monkeypatch.setenv("CXXFLAGS", "-O0")


FED = {
    "Jordan": lambda: Network(ur.cells.Jordan(I, H, O, output="softmax")),
    "FeedBack": lambda: Network(FeedBack(ur.cells.LSTM(I + O, H), O, "softmax")),
}


def test_what_is_handed_on_is_drawn() -> None:
    cell = ur.cells.Jordan(I, H, O, output="softmax")
    count, p = 20_000, 0.3
    final = (torch.rand(count, O, requires_grad=True),)
    targets = torch.randint(O, (count,))
    truth = F.one_hot(targets, O).float()
    assert fed_on(cell, final, targets, "free") is final
    (y,) = fed_on(cell, final, targets, Scheduled(p))
    own = (y == final[0]).all(1)
    # Five standard deviations of a share of so many draws.
    assert abs(own.double().mean() - p) < 5 * (p * (1 - p) / count) ** 0.5
    assert torch.equal(y[~own], truth[~own])
    # The gradient passes where y is the network's own, and nowhere else.
    (gradient,) = torch.autograd.grad(y.sum(), final)
    assert torch.equal(gradient, own[:, None].float().expand(-1, O))
    for forcing, expected in (("teacher", truth), (Scheduled(0), truth), (Scheduled(1), final[0])):
        for fed in (targets, truth):
            assert torch.equal(fed_on(cell, final, fed, forcing)[0], expected)
    with pytest.raises(ValueError, match="class numbers from 0 to 5, got 0 to 15"):
        fed_on(cell, final, targets * 3, "teacher")


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "window must be a whole number from 1 up, got 0"),
        ((3, 0), "stride must be a whole number from 1 up, got 0"),
        ((3, 4), "stride must be at most the window, 3, got 4"),
        ((2.5,), "window must be a whole number"),
    ],
)
def test_numbers_that_make_no_regime(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        TruncatedBPTT(*arguments)


def test_what_a_stream_refuses() -> None:
    regime, cell, x = TruncatedBPTT(3), ur.cells.GRU(I, H), torch.randn(B, 3, I)
    with pytest.raises(ValueError, match="FullBPTT or CheckpointedBPTT"):
        regime.stream(Network(cell, O, at="last"))
    for layer in (
        ur.nn.LSTM(I, H, bidirectional=True),
        nn.GRU(I, H, bidirectional=True),
        ur.nn.Bidirectional(ur.cells.GRU(I, H), ur.cells.GRU(I, H)),
    ):
        with pytest.raises(ValueError, match="reads from the end too"):
            regime.stream(layer)
        with pytest.raises(ValueError, match="reads from the end too"):
            run_statefully(layer, x, None)
    stream = regime.stream(cell)
    with pytest.raises(ValueError, match="1 to 3 steps, the stride, got 4"):
        stream(torch.randn(B, 4, I))
    stream(x)
    with pytest.raises(ValueError, match=r"3 sequences, as before, got 2; call reset\(\)"):
        stream(x[:2])
    stream.reset()
    assert stream(x[:2]).shape == (2, 3, H)
    with pytest.raises(ValueError, match=r"reset must be boolean \[2, 3\], got torch.float32"):
        stream(x[:2], torch.zeros(2, 3))
    with pytest.raises(ValueError, match="state must be that of a stream"):
        stream.load_state_dict({"h": x})


def test_what_no_model_takes() -> None:
    x, reset = torch.randn(B, 3, I), torch.zeros(B, 3).bool()
    for model in (nn.GRU(I, H), lambda x, state: (x, state)):
        with pytest.raises(TypeError, match=r"reset must be None for a (GRU|function)"):
            run_statefully(model, x, None, reset)
    with pytest.raises(TypeError, match="model must be a cell"):
        run_statefully("gru", x, None)
    with pytest.raises(TypeError, match=r"model must give outputs.* function gave Tensor"):
        run_statefully(lambda x, state: x, x, None)
    with pytest.raises(TypeError, match="inputs must be a tensor"):
        run_statefully(ur.cells.GRU(I, H), [1.0], None)
    with pytest.raises(ValueError, match="a sequence and a step at least"):
        run_statefully(ur.cells.GRU(I, H), x[:, :0], None)
    losses = TruncatedBPTT(3).losses(ur.cells.GRU(I, H), squared_error, x, torch.randn(B, 4, H))
    with pytest.raises(ValueError, match=r"targets must be \[3, 3, ...\], got \[3, 4, 5\]"):
        next(losses)


FREE = Network(ur.cells.LSTM(I, H), O)
SCHEDULE = Scheduled("linear")


@pytest.mark.parametrize(
    ("model", "forcing", "kind", "message"),
    [
        (FREE, "teacher", ValueError, "is for a Network whose .*, got a Network of LSTM; use"),
        (ur.cells.Jordan(I, H), "teacher", ValueError, "whose output feeds back, got Jordan; use"),
        (nn.GRU(I, H), Scheduled(0.1), ValueError, r"forcing Scheduled.* got GRU; use forcing="),
        (FREE, "techer", ValueError, "forcing is 'techer'; did you mean"),
        (FREE, 0.5, TypeError, r'forcing must be "teacher", "free" or Scheduled\(p\), got float'),
        (FED["Jordan"](), SCHEDULE, ValueError, "needs the progress of training"),
        (FED["Jordan"](), Scheduled(0.5, sample=True), ValueError, "forcing has sample=True"),
    ],
)
def test_forcings_that_fit_no_model(model, forcing, kind, message) -> None:
    x, targets = torch.randn(B, 3, I), torch.randint(O, (B, 3))
    for regime in (FullBPTT(), CheckpointedBPTT(2), TruncatedBPTT(2)):
        losses = regime.losses(model, cross_entropy, x, targets, forcing=forcing)
        with pytest.raises(kind, match=message) as raised:
            next(losses)
        assert "\n" not in str(raised.value)
    with pytest.raises(kind, match=message):
        TruncatedBPTT(3).stream(model)(x, None, targets, forcing)


def test_targets_that_cannot_be_fed() -> None:
    network, x, targets = FED["Jordan"](), torch.randn(B, 3, I), torch.randint(O, (B, 3))
    stream = TruncatedBPTT(5, 3).stream(network)
    with pytest.raises(ValueError, match="targets are needed with forcing 'teacher'; forcing=\"fr"):
        stream(x, forcing="teacher")
    with pytest.raises(ValueError, match=r"targets must be \[3, 3, ...\], got \[3, 2\]"):
        stream(x, None, targets[:, 1:], "teacher")
    stream(x, None, targets, "teacher")
    with pytest.raises(ValueError, match="class numbers from 0 to 5, got"):
        stream(x, None, targets + 4, "teacher")
    with pytest.raises(ValueError, match=r"targets to be fed must be a tensor .* got \[3, 1, 2\]"):
        stream(x, None, torch.rand(B, 3, 2), "teacher")
    # A call that is refused leaves all as it was.
    expected = network.run(x.repeat(1, 2, 1), targets=targets.repeat(1, 2), forcing="teacher").o
    # float32, some tens of roundings.
    torch.testing.assert_close(
        stream(x, None, targets, "teacher"), expected[:, 3:], rtol=1e-5, atol=1e-6
    )
    last = Network(ur.cells.Jordan(I, H, O), at="last")
    losses = FullBPTT().losses(last, squared_error, x, torch.rand(B, O), forcing="teacher")
    with pytest.raises(ValueError, match=r'needs targets at every step.*at="last"; use forcing='):
        next(losses)
