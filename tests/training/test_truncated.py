"""Truncated BPTT against its definition: L(t) of a part, by autograd, from a state that is held."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import unrolled as ur
from unrolled.nn import FeedBack, Network, Scheduled
from unrolled.training.losses import cross_entropy, squared_error
from unrolled.training.truncated import TruncatedBPTT

B, T, I, H, O = 3, 9, 4, 5, 6  # noqa: E741, the textbook's letters
# Two float64 sums of up to a few hundred terms of size 1, in another order.
CLOSE = {"rtol": 1e-11, "atol": 1e-12}


class Learned(ur.cells.Elman):
    """An Elman cell that starts from a parameter."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.start = nn.Parameter(torch.full((hidden_size,), 0.3))

    def initial_state(self, batch_size, *, dtype=None, device=None):
        return (self.start.expand(batch_size, -1),)


NETWORKS = {
    "Elman": lambda: Network(ur.cells.Elman(I, H), O),
    "LSTM": lambda: Network(ur.cells.LSTM(I, H), O),
    "Jordan": lambda: Network(ur.cells.Jordan(I, H, O, output="softmax")),
    "learned start": lambda: Network(Learned(I, H), O),
}


@pytest.fixture(autouse=True)
def _quickly_compiled(monkeypatch) -> None:
    # The tests are about numbers, not speed: kernels are not optimised.
    monkeypatch.setenv("CXXFLAGS", "-O0")


def _batch(steps=T):
    return torch.randn(B, steps, I).double(), torch.randint(O, (B, steps))


def _parts(steps, stride):
    return [(t, min(t + stride, steps)) for t in range(0, steps, stride)]


def _by_definition(
    network, x, targets, window, stride, reset=None, valid=None, truth=None, own=None
):
    """The loss of every part and its gradients, one step of the network at a time.

    With `truth` [B, T, O] step t reads that of step t - 1 as y, its own where `own` [B, T] is true.
    """
    names = list(network.state_sizes)
    fresh = lambda: network.cell.initial_state(B, dtype=x.dtype)  # noqa: E731

    def step(t, state):
        if truth is not None and t:
            fed = truth[:, t - 1]
            y = fed if own is None else torch.where(own[:, t, None], state[0], fed)
            state = (y, *state[1:])
        if reset is not None:
            pairs = zip(fresh(), state, strict=True)
            state = tuple(torch.where(reset[:, t, None], a, b) for a, b in pairs)
        found = dict(zip([*names, *network.emits], network.step(x[:, t], *state), strict=True))
        return tuple(found[name] for name in names), found["o"]

    held = [fresh()]
    with torch.no_grad():
        for t in range(x.shape[1]):
            held.append(step(t, held[-1])[0])
    found = []
    for first, end in _parts(x.shape[1], stride):
        start = max(0, first - (window - stride))
        state, total = held[start], 0
        for t in range(start, end):
            state, o = step(t, state)
            if t >= first:
                if targets.is_floating_point():
                    each = 0.5 * (o - targets[:, t]).square().sum(-1)
                else:
                    each = F.cross_entropy(o, targets[:, t], reduction="none")
                total = total + (each if valid is None else each * valid[:, t]).sum()
        parameters = list(network.parameters())
        gradients = torch.autograd.grad(total, parameters, allow_unused=True)
        found.append((total.detach(), _zeros_for_none(gradients, parameters)))
    return found


def _zeros_for_none(gradients, parameters):
    return [
        torch.zeros_like(p) if g is None else g for g, p in zip(gradients, parameters, strict=True)
    ]


def _gradients(model, total):
    parameters = list(model.parameters())
    gradients = torch.autograd.grad(total.total, parameters, allow_unused=True)
    return total.total.detach(), _zeros_for_none(gradients, parameters)


def _assert_same(found, expected, **tolerance):
    assert len(found) == len(expected)
    for (loss, gradients), (true_loss, true_gradients) in zip(found, expected, strict=True):
        torch.testing.assert_close(loss, true_loss, **tolerance)
        for one, other in zip(gradients, true_gradients, strict=True):
            torch.testing.assert_close(one, other, **tolerance)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_window_of_all_steps_is_full_bptt(name) -> None:
    network, (x, targets) = NETWORKS[name]().double(), _batch()
    loss = F.cross_entropy(network.run(x).o.flatten(0, 1), targets.flatten(), reduction="sum")
    full = torch.autograd.grad(loss, list(network.parameters()))
    regime = TruncatedBPTT(T)
    found = [_gradients(network, t) for t in regime.losses(network, cross_entropy, x, targets)]
    _assert_same(found, [(loss.detach(), full)], **CLOSE)


def test_a_layer_with_a_window_of_all_steps_is_torchs() -> None:
    layer = ur.nn.LSTM(I, H, num_layers=2, batch_first=True).double()
    plain = nn.LSTM(I, H, num_layers=2, batch_first=True).double()
    plain.load_state_dict(layer.state_dict())
    x, targets = torch.randn(B, T, I).double(), torch.randn(B, T, H).double()
    (total,) = TruncatedBPTT(T).losses(layer, squared_error, x, targets)
    loss = 0.5 * (plain(x)[0] - targets).square().sum()
    expected = torch.autograd.grad(loss, list(plain.parameters()))
    _assert_same([_gradients(layer, total)], [(loss.detach(), expected)], **CLOSE)


@pytest.mark.parametrize("reach", [1, 2, 4, T])
@pytest.mark.parametrize("name", ["Elman", "LSTM", "Jordan"])
def test_a_stride_of_one_is_bptt_of_so_many_steps(name, reach) -> None:
    network, (x, targets) = NETWORKS[name]().double(), _batch()
    for total in TruncatedBPTT(reach, 1).losses(network, cross_entropy, x, targets):
        total.total.backward()
    found = ur.bptt(network, x, targets, steps=reach)
    for key, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.grad, found.parameters[key], **CLOSE)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(list(NETWORKS)),
    steps=st.integers(1, 12),
    sizes=st.integers(1, 8).flatmap(lambda w: st.tuples(st.just(w), st.integers(1, w))),
    share=st.sampled_from([0.0, 0.2, 1.0]),
    padded=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_window_and_stride_is_the_definition(name, steps, sizes, share, padded, seed) -> None:
    torch.manual_seed(seed)
    network, (x, targets) = NETWORKS[name]().double(), _batch(steps)
    reset = torch.rand(B, steps) < share if share else None
    lengths = torch.randint(0, steps + 1, (B,)) if padded else None
    valid = None if lengths is None else torch.arange(steps) < lengths[:, None]
    expected = _by_definition(network, x, targets, *sizes, reset, valid)
    if valid is not None:
        # What stands beyond the lengths must not count.
        x, targets = x.masked_fill(~valid[..., None], torch.nan), targets.masked_fill(~valid, -100)
    regime = TruncatedBPTT(*sizes)
    totals = regime.losses(network, cross_entropy, x, targets, lengths, reset)
    found, counts = [], []
    for total in totals:
        found.append(_gradients(network, total))
        counts.append(int(total.count))
    _assert_same(found, expected, **CLOSE)
    inside = torch.ones(B, steps) if valid is None else valid
    assert counts == [int(inside[:, a:b].sum()) for a, b in _parts(steps, sizes[1])]


FED = {
    "Jordan": lambda output: ur.cells.Jordan(I, H, O, output=output),
    "FeedBack": lambda output: FeedBack(ur.cells.LSTM(I + O, H), O, output),
}


def _to_be_fed(output, steps):
    """A loss, targets for it, and the values of y that these stand for."""
    if output == "softmax":
        targets = torch.randint(O, (B, steps))
        return cross_entropy, targets, F.one_hot(targets, O).double()
    targets = torch.randn(B, steps, O).double()
    return squared_error, targets, targets


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(list(FED)),
    output=st.sampled_from(["softmax", "identity"]),
    steps=st.integers(1, 12),
    sizes=st.integers(1, 12).flatmap(lambda w: st.tuples(st.just(w), st.integers(1, w))),
    share=st.sampled_from([0.0, 0.3]),
    padded=st.booleans(),
    seed=st.integers(0, 99),
)
def test_teacher_forcing_in_parts_is_the_definition(
    name, output, steps, sizes, share, padded, seed
) -> None:
    torch.manual_seed(seed)
    network, x = Network(FED[name](output)).double(), torch.randn(B, steps, I).double()
    loss, targets, truth = _to_be_fed(output, steps)
    reset = torch.rand(B, steps) < share if share else None
    lengths = torch.randint(0, steps + 1, (B,)) if padded else None
    valid = None if lengths is None else torch.arange(steps) < lengths[:, None]
    expected = _by_definition(network, x, targets, *sizes, reset, valid, truth)
    if valid is not None:
        # What stands beyond the lengths must not count.
        x = x.masked_fill(~valid[..., None], torch.nan)
        targets = targets.clone()
        targets[~valid] = torch.nan if output == "identity" else -100
    totals = TruncatedBPTT(*sizes).losses(
        network, loss, x, targets, lengths, reset, forcing="teacher"
    )
    _assert_same([_gradients(network, total) for total in totals], expected, **CLOSE)


@pytest.mark.parametrize("name", FED)
def test_the_parts_of_teacher_forcing_are_one_run(name) -> None:
    """A window of all steps has the gradient of one run; a Jordan network has it in any parts."""
    network, (x, _) = Network(FED[name]("identity")).double(), _batch()
    loss, targets, _ = _to_be_fed("identity", T)
    o = network.run(x, targets=targets, forcing="teacher", engine="eager").o
    whole = 0.5 * (o - targets).square().sum()
    expected = [g.clone() for g in torch.autograd.grad(whole, list(network.parameters()))]
    for regime in (TruncatedBPTT(T), *([TruncatedBPTT(3, 2)] if name == "Jordan" else [])):
        totals = list(regime.losses(network, loss, x, targets, forcing="teacher"))
        found = _gradients(network, sum(totals[1:], totals[0]))
        _assert_same([found], [(whole.detach(), expected)], **CLOSE)


@pytest.mark.parametrize(("p", "same"), [(0, "teacher"), (1, "free")])
@pytest.mark.parametrize("name", FED)
def test_the_ends_of_scheduled_sampling(name, p, same) -> None:
    network, (x, _) = Network(FED[name]("softmax")).double(), _batch()
    loss, targets, _ = _to_be_fed("softmax", T)
    found, expected = (
        [
            _gradients(network, total)
            for total in TruncatedBPTT(5, 2).losses(network, loss, x, targets, forcing=forcing)
        ]
        for forcing in (Scheduled(p), same)
    )
    _assert_same(found, expected, **CLOSE)


@pytest.mark.parametrize("stride", [1, 2, 4, T])
@pytest.mark.parametrize("name", FED)
def test_scheduled_sampling_in_parts_is_the_definition(name, stride) -> None:
    """The choices as they are drawn: those within a part, then that of the step behind it."""
    network, (x, _) = Network(FED[name]("identity")).double(), _batch()
    loss, targets, truth = _to_be_fed("identity", T)
    torch.manual_seed(3)
    own = torch.zeros(B, T + 1).bool()
    for first, end in _parts(T, stride):
        own[:, first + 1 : end] = (torch.rand(B, end - first) < 0.4)[:, 1:]
        own[:, end] = torch.rand(B, 1)[:, 0] < 0.4
    expected = _by_definition(network, x, targets, stride, stride, truth=truth, own=own)
    torch.manual_seed(3)
    totals = TruncatedBPTT(stride).losses(network, loss, x, targets, forcing=Scheduled(0.4))
    _assert_same([_gradients(network, total) for total in totals], expected, **CLOSE)


@pytest.mark.parametrize("engine", ["native", "eager"])
def test_engines_agree(engine) -> None:
    """Both against the definition, by torch.nn.LSTM from a state that is detached."""
    layer = ur.nn.LSTM(I, H, batch_first=True, engine=engine).double()
    plain = nn.LSTM(I, H, batch_first=True).double()
    plain.load_state_dict(layer.state_dict())
    x, targets = torch.randn(B, T, I).double(), torch.randn(B, T, H).double()
    window, stride = 4, 3
    regime = TruncatedBPTT(window, stride)
    found = [_gradients(layer, t) for t in regime.losses(layer, squared_error, x, targets)]
    assert all(engine in line for line in layer.why)
    expected = []
    for first, end in _parts(T, stride):
        start = max(0, first - (window - stride))
        with torch.no_grad():
            state = plain(x[:, :start])[1] if start else None
        outputs = plain(x[:, start:end], state)[0][:, first - start :]
        loss = 0.5 * (outputs - targets[:, first:end]).square().sum()
        expected.append((loss.detach(), torch.autograd.grad(loss, list(plain.parameters()))))
    _assert_same(found, expected, **CLOSE)


def test_updates_between_parts_are_the_usual_recipe() -> None:
    """SGD after every part, by hand: run, step, detach."""
    layer, plain = ur.nn.LSTM(I, H, batch_first=True).double(), nn.LSTM(I, H, batch_first=True)
    plain = plain.double()
    plain.load_state_dict(layer.state_dict())
    x, targets = torch.randn(B, 20, I).double(), torch.randn(B, 20, H).double()
    ours, theirs = (torch.optim.SGD(m.parameters(), lr=0.05) for m in (layer, plain))
    for total in TruncatedBPTT(5).losses(layer, squared_error, x, targets):
        ours.zero_grad()
        total.mean.backward()
        ours.step()
    state = None
    for first, end in _parts(20, 5):
        outputs, state = plain(x[:, first:end], state)
        theirs.zero_grad()
        (0.5 * (outputs - targets[:, first:end]).square().sum() / (B * 5)).backward()
        theirs.step()
        state = tuple(s.detach() for s in state)
    for one, other in zip(layer.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


def test_a_window_is_run_again_with_the_parameters_of_the_time() -> None:
    """h(t) = a h(t-1) + x(t), squared: two steps by hand, a changed between them."""
    a = torch.tensor(0.5).double().requires_grad_()

    def model(x, state):
        h, outputs = x[:, 0] * 0 if state is None else state, []
        for t in range(x.shape[1]):
            h = a * h + x[:, t]
            outputs.append(h)
        return torch.stack(outputs, 1), h

    stream = TruncatedBPTT(2, 1).stream(model)
    x = torch.tensor([[[1.0], [2.0], [4.0]]]).double()
    stream(x[:, :1])
    stream(x[:, 1:2])
    with torch.no_grad():
        a.fill_(3.0)
    # From h(1) = 1, of the first parameters: h(2) = 3 * 1 + 2, h(3) = 3 * 5 + 4.
    h = stream(x[:, 2:])
    assert h.item() == 19
    # dh(3)/da = h(2) + a h(1), as h(1) is held.
    assert torch.autograd.grad(h.sum(), a)[0].item() == 5 + 3 * 1


def test_lengths_where_a_model_knows_none() -> None:
    """A function and torch's layers run on over zeros, which have no effect on the loss."""
    plain, ours = nn.GRU(I, H, batch_first=True), ur.nn.GRU(I, H, batch_first=True)
    ours.load_state_dict(plain.state_dict())
    x, targets, lengths = torch.randn(B, T, I), torch.randn(B, T, H), [T, 4, 1]
    found = []
    for model in (plain, ours, lambda x, state: plain(x, state)):
        x[1, 4:] = torch.nan
        totals = TruncatedBPTT(4, 2).losses(model, squared_error, x, targets, lengths)
        layer = ours if model is ours else plain
        found.append([_gradients(layer, total) for total in totals])
    # float32 sums of some tens of terms.
    _assert_same(found[1], found[0], rtol=1e-4, atol=1e-5)
    _assert_same(found[2], found[0], rtol=0, atol=0)
