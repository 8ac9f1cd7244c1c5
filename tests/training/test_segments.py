"""Full BPTT with and without checkpoints: the same gradients, in memory that is counted."""

import math
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

import unrolled as ur
from unrolled.nn import FeedBack, Network, Scheduled
from unrolled.training.losses import cross_entropy, squared_error
from unrolled.training.segments import CheckpointedBPTT, FullBPTT
from unrolled.training.truncated import TruncatedBPTT

B, T, I, H, O = 3, 11, 4, 5, 6  # noqa: E741, the textbook's letters
# Two float64 sums of up to a few hundred terms of size 1, in another order.
CLOSE = {"rtol": 1e-11, "atol": 1e-12}


@pytest.fixture(autouse=True)
def _quickly_compiled(monkeypatch) -> None:
    # The tests are about numbers, not speed: kernels are not optimised.
    monkeypatch.setenv("CXXFLAGS", "-O0")


MODELS = {
    "cell": lambda: ur.cells.GRU(I, O),
    "Elman": lambda: Network(ur.cells.Elman(I, H), O),
    "Jordan": lambda: Network(ur.cells.Jordan(I, H, O, output="softmax")),
    "native LSTM": lambda: ur.nn.LSTM(I, O, 2, engine="native"),
    "eager LSTM": lambda: ur.nn.LSTM(I, O, batch_first=True, engine="eager"),
    "Recurrent": lambda: ur.nn.Recurrent("mgu", I, [H, O]),
    "torch": lambda: nn.LSTM(I, O, 2, batch_first=True),
}


def _losses_and_gradients(regime, model, x, targets, **arguments):
    given = [*model.parameters(), *tree_leaves(arguments.get("state") or [])]
    totals = list(regime.losses(model, cross_entropy, x, targets, **arguments))
    assert len(totals) == 1
    return totals[0], torch.autograd.grad(totals[0].total, given, allow_unused=True)


def _assert_same(found, expected, **tolerance):
    for one, other in zip(tree_leaves(found), tree_leaves(expected), strict=True):
        torch.testing.assert_close(one, other, **tolerance)


def test_full_bptt_is_autograd_through_torchs_layers() -> None:
    network, plain = Network(ur.cells.Elman(I, H), O).double(), nn.RNN(I, H, batch_first=True)
    plain = plain.double()
    plain.load_state_dict({f"{n}_l0": p for n, p in network.cell.state_dict().items()})
    x, targets = torch.randn(B, T, I).double(), torch.randint(O, (B, T))
    o = F.linear(plain(x)[0], network.readout.weight, network.readout.bias)
    loss = F.cross_entropy(o.flatten(0, 1), targets.flatten(), reduction="sum")
    parameters = [*plain.parameters(), *network.readout.parameters()]
    expected = torch.autograd.grad(loss, parameters)
    for regime in (FullBPTT(), CheckpointedBPTT(), CheckpointedBPTT(3), CheckpointedBPTT(99)):
        total, gradients = _losses_and_gradients(regime, network, x, targets)
        names = [n.rpartition(".")[2] for n, _ in network.named_parameters()]
        by_name = dict(zip(names, gradients, strict=True))
        wanted = [*(n.removesuffix("_l0") for n, _ in plain.named_parameters()), "weight", "bias"]
        _assert_same([by_name[n] for n in wanted], expected, **CLOSE)
        torch.testing.assert_close(total.total, loss, **CLOSE)
        assert total.count == B * T


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(list(MODELS)),
    steps=st.integers(1, 13),
    segment=st.one_of(st.none(), st.integers(1, 14)),
    padded=st.booleans(),
    cut=st.booleans(),
)
def test_checkpoints_change_no_gradient(name, steps, segment, padded, cut) -> None:
    torch.manual_seed(steps)
    model, x = MODELS[name]().double(), torch.randn(B, steps, I).double()
    targets = torch.randint(O, (B, steps))
    lengths = torch.randint(0, steps + 1, (B,)) if padded else None
    reset = torch.rand(B, steps) < 0.2 if cut and name != "torch" else None
    arguments = {"lengths": lengths, "reset": reset}
    if lengths is not None:
        x = x.masked_fill((torch.arange(steps) >= lengths[:, None])[..., None], torch.nan)
    found = _losses_and_gradients(CheckpointedBPTT(segment), model, x, targets, **arguments)
    expected = _losses_and_gradients(FullBPTT(), model, x, targets, **arguments)
    _assert_same(found, expected, **CLOSE)


FED = {
    "Jordan": lambda: Network(ur.cells.Jordan(I, H, O, output="softmax")),
    "FeedBack": lambda: Network(FeedBack(ur.cells.LSTM(I + O, H), O, "softmax")),
}


def _by_hand(network, x, targets, own, reset, valid):
    """The loss where step t reads y(t-1) of its own, if `own` [B, T], or the truth."""
    fresh = network.cell.initial_state(B, dtype=x.dtype)
    truth, state, total = F.one_hot(targets, O).to(x), fresh, torch.zeros(())
    for t in range(x.shape[1]):
        if t:
            y = torch.where(own[:, t, None], state[0], truth[:, t - 1])
            state = (y, *state[1:])
        pairs = zip(fresh, state, strict=True)
        state = tuple(torch.where(reset[:, t, None], a, b) for a, b in pairs)
        *state, o = network.step(x[:, t], *state)
        each = F.cross_entropy(o, targets[:, t], reduction="none")
        total = total + (each * valid[:, t]).sum()
    return total


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(list(FED)),
    steps=st.integers(1, 11),
    segment=st.one_of(st.none(), st.integers(1, 12)),
    p=st.sampled_from([0, 0.4, 1]),
    seed=st.integers(0, 99),
)
def test_forcing_is_the_loop_by_hand(name, steps, segment, p, seed) -> None:
    """The choices as they are drawn: those within a segment, then that of the step behind it."""
    torch.manual_seed(seed)
    network, x = FED[name]().double(), torch.randn(B, steps, I).double()
    targets, reset = torch.randint(O, (B, steps)), torch.rand(B, steps) < 0.2
    lengths = torch.randint(0, steps + 1, (B,))
    valid = torch.arange(steps) < lengths[:, None]
    padded, aims = x.masked_fill(~valid[..., None], torch.nan), targets.masked_fill(~valid, -100)
    parameters = list(network.parameters())
    for regime in (FullBPTT(), CheckpointedBPTT(segment)):
        size = segment or math.isqrt(steps - 1) + 1
        size = steps if isinstance(regime, FullBPTT) else size
        own = torch.zeros(B, steps + size).bool()
        torch.manual_seed(seed)
        for first in range(0, steps, size) if p else ():
            end = min(first + size, steps)
            own[:, first + 1 : end] = (torch.rand(B, end - first) < p)[:, 1:]
            own[:, end] = torch.rand(B, 1)[:, 0] < p
        loss = _by_hand(network, x, targets, own, reset, valid)
        expected = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        torch.manual_seed(seed)
        (total,) = regime.losses(
            network, cross_entropy, padded, aims, lengths, reset, forcing=Scheduled(p)
        )
        torch.rand(7)
        found = torch.autograd.grad(
            total.total, parameters, allow_unused=True, materialize_grads=True
        )
        torch.testing.assert_close(total.total, loss, check_dtype=False, **CLOSE)
        _assert_same(found, expected, **CLOSE)


@pytest.mark.parametrize("name", FED)
def test_teacher_forcing_is_one_run(name) -> None:
    network, x = FED[name]().double(), torch.randn(B, T, I).double()
    targets, state = torch.randint(O, (B, T)), network.cell.initial_state(B)
    state = tuple(torch.randn_like(s).double().requires_grad_() for s in state)
    o = network.run(x, state, targets=targets, forcing="teacher", engine="eager").o
    loss = F.cross_entropy(o.flatten(0, 1), targets.flatten(), reduction="sum")
    expected = torch.autograd.grad(loss, [*network.parameters(), *state])
    for regime in (FullBPTT(), CheckpointedBPTT(), CheckpointedBPTT(3)):
        for forcing in ("teacher", Scheduled(0)):
            arguments = {"state": state, "forcing": forcing}
            total, found = _losses_and_gradients(regime, network, x, targets, **arguments)
            torch.testing.assert_close(total.total, loss, **CLOSE)
            _assert_same(found, expected, **CLOSE)


def test_a_state_that_is_given_has_a_gradient() -> None:
    layer, x = ur.nn.LSTM(I, O, batch_first=True).double(), torch.randn(B, T, I).double()
    state = tuple(torch.randn(1, B, O).double().requires_grad_() for _ in range(2))
    targets = torch.randint(O, (B, T))
    outputs = layer(x, state)[0]
    loss = F.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="sum")
    expected = torch.autograd.grad(loss, [*layer.parameters(), *state])
    for regime in (FullBPTT(), CheckpointedBPTT(4)):
        found = _losses_and_gradients(regime, layer, x, targets, state=state)[1]
        _assert_same(found, expected, **CLOSE)


@pytest.mark.parametrize("cell", [ur.cells.GRU(I, H), ur.cells.Jordan(I, H, O, output="softmax")])
@pytest.mark.parametrize("lengths", [None, [T, 4, 1], [3, 0, 8], [4, 8, 0]])
def test_one_output_at_the_end(cell, lengths) -> None:
    """Each sequence by itself, up to its end, wherever the segments end."""
    own = isinstance(cell, ur.cells.Jordan)
    network = Network(cell, None if own else O, at="last").double()
    x, targets = torch.randn(B, T, I).double(), torch.randint(O, (B,))
    rows = [(b, n) for b, n in enumerate(lengths or [T] * B) if n]
    loss = sum(F.cross_entropy(network.run(x[b : b + 1, :n]).o[0], targets[b]) for b, n in rows)
    expected = torch.autograd.grad(loss, list(network.parameters()))
    for regime in (FullBPTT(), CheckpointedBPTT(4)):
        total, found = _losses_and_gradients(regime, network, x, targets, lengths=lengths)
        torch.testing.assert_close(total.total, loss, **CLOSE)
        assert total.count == len(rows)
        _assert_same(found, expected, **CLOSE)


NOISY = {
    "dropout": lambda engine: ur.nn.LSTM(I, O, 2, batch_first=True, dropout=0.5, engine=engine),
    "zoneout": lambda engine: ur.nn.LSTM(I, O, batch_first=True, zoneout=0.3, engine=engine),
    "recurrent dropout": lambda engine: ur.nn.LSTM(
        I, O, batch_first=True, recurrent_dropout=0.5, engine=engine
    ),
    "weight drop": lambda engine: ur.nn.GRU(I, O, batch_first=True, weight_drop=0.5, engine=engine),
}


@pytest.mark.parametrize("engine", ["native", "eager"])
@pytest.mark.parametrize("name", NOISY)
def test_noise_is_the_same_when_a_segment_runs_again(name, engine) -> None:
    """Against the same segments with everything kept, by hand, from the same seed."""
    layer, segment = NOISY[name](engine).double(), 4
    x, targets = torch.randn(B, T, I).double(), torch.randint(O, (B, T))
    torch.manual_seed(1)
    state, loss = None, 0
    for t in range(0, T, segment):
        outputs, state = layer(x[:, t : t + segment], state)
        aims = targets[:, t : t + segment].flatten()
        loss = loss + F.cross_entropy(outputs.flatten(0, 1), aims, reduction="sum")
    expected = torch.autograd.grad(loss, list(layer.parameters()))
    torch.manual_seed(1)
    (total,) = CheckpointedBPTT(segment).losses(layer, cross_entropy, x, targets)
    # Whoever draws between the passes must not change what the second one draws.
    torch.rand(7)
    found = torch.autograd.grad(total.total, list(layer.parameters()))
    torch.testing.assert_close(total.total, loss, **CLOSE)
    _assert_same(found, expected, **CLOSE)


@pytest.mark.parametrize("name", NOISY)
def test_with_noise_the_gradient_is_that_of_the_loss(name) -> None:
    """Central differences along one direction, each loss with the same noise."""
    layer = NOISY[name]("native").double()
    x, targets = torch.randn(B, T, I).double(), torch.randint(O, (B, T))
    along = [torch.randn_like(p) for p in layer.parameters()]

    def loss(shift):
        torch.manual_seed(2)
        with torch.no_grad():
            for p, d in zip(layer.parameters(), along, strict=True):
                p.add_(d, alpha=shift)
        (total,) = CheckpointedBPTT(4).losses(layer, cross_entropy, x, targets)
        return total.total

    found = torch.autograd.grad(loss(0), list(layer.parameters()))
    slope = sum((g * d).sum() for g, d in zip(found, along, strict=True))
    small = 1e-5
    up, down = loss(small), loss(-2 * small)
    # A central difference is off by small² and by the rounding of 1e-16 / small.
    torch.testing.assert_close(slope, (up - down) / (2 * small), rtol=1e-6, atol=1e-6)


def test_noise_of_a_sequence_is_that_of_a_segment() -> None:
    """What the module says: one mask a segment, where full BPTT has one for all steps."""
    cell = ur.cells.Elman(1, 64, bias=False).double()
    with torch.no_grad():
        cell.weight_ih.fill_(0.5)
        cell.weight_hh.copy_(torch.eye(64))
    # Each unit sees itself alone: where h is dropped it is tanh(x / 2) after any step.
    layer, x = ur.nn.Recurrent(cell, recurrent_dropout=0.5).double(), torch.ones(1, 9, 1).double()
    dropped = []

    def watch(outputs, targets):
        dropped.append(torch.isclose(outputs, torch.tensor(0.5).double().tanh())[0])
        return outputs.sum(-1)

    torch.manual_seed(0)
    next(FullBPTT().losses(layer, watch, x, x))
    # At the first step nothing is read.
    assert bool((dropped[0][1:] == dropped[0][1]).all())
    assert 10 < int(dropped[0][1].sum()) < 54
    dropped.clear()
    next(CheckpointedBPTT(3).losses(layer, watch, x, x))
    assert [len(d) for d in dropped] == [3, 3, 3]
    assert all(bool((d[1:] == d[1]).all()) for d in dropped)
    assert not torch.equal(dropped[1][1], dropped[2][1])


class Kept:
    """A tensor that autograd keeps, for as long as it does."""

    def __init__(self, tensor):
        self.tensor = tensor


def _kept_bytes(regime, layer, x, targets):
    """What autograd keeps at the end of the forward pass, but for parameters and what is given.

    Of a truncated one the most of any part.
    """
    given = {t.untyped_storage().data_ptr() for t in (*layer.parameters(), x, targets)}
    packed: weakref.WeakSet[Kept] = weakref.WeakSet()

    def pack(tensor):
        packed.add(kept := Kept(tensor.detach()))
        return kept

    totals, most = regime.losses(layer, squared_error, x, targets), 0
    while True:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
            total = next(totals, None)
        if total is None:
            return most
        storages = [kept.tensor.untyped_storage() for kept in packed]
        by_place = {s.data_ptr(): s.nbytes() for s in storages}
        most = max(most, sum(size for place, size in by_place.items() if place not in given))
        total.total.backward()
        del total, storages
        assert not packed


@pytest.mark.parametrize("engine", ["native", "eager"])
def test_memory(engine) -> None:
    layer, count = ur.nn.LSTM(I, 8, batch_first=True, engine=engine), 64
    x = torch.randn(B, 16 * count, I)
    targets = torch.randn(B, 16 * count, 8)

    def kept(regime, steps):
        return _kept_bytes(regime, layer, x[:, :steps].clone(), targets[:, :steps].clone())

    full = [kept(FullBPTT(), n * count) for n in (1, 4, 16)]
    checkpointed = [kept(CheckpointedBPTT(), n * count) for n in (1, 4, 16)]
    truncated = [kept(TruncatedBPTT(32), n * count) for n in (1, 4, 16)]
    # Linear in T, beside what is kept once.
    assert full[2] - full[1] == 4 * (full[1] - full[0])
    assert full[1] > 3 * full[0]
    # h and c in float32 at every border but the first, where the model starts by itself.
    borders = [math.isqrt(n * count) - 1 for n in (1, 4, 16)]
    assert checkpointed == [b * 2 * B * 8 * 4 for b in borders]
    # A constant, and that of full BPTT over the window.
    assert truncated[0] == truncated[1] == truncated[2]
    # A start that is given, h and c, takes the place of one that the model makes.
    assert abs(truncated[0] - kept(FullBPTT(), 32)) <= 2 * B * 8 * 4


def test_what_is_refused() -> None:
    x, targets = torch.randn(B, T, I), torch.randn(B, T, 2 * H)
    layer = ur.nn.LSTM(I, H, bidirectional=True, batch_first=True)
    with pytest.raises(ValueError, match="reads from the end too: use FullBPTT"):
        next(CheckpointedBPTT().losses(layer, squared_error, x, targets))
    loss = 0.5 * (layer(x)[0] - targets).square().sum()
    # float32, the sum in another order.
    total = next(FullBPTT().losses(layer, squared_error, x, targets)).total
    torch.testing.assert_close(total, loss, rtol=1e-5, atol=0)
    with pytest.raises(ValueError, match="segment must be a whole number from 1 up, got 0"):
        CheckpointedBPTT(0)
    for regime in (FullBPTT(), CheckpointedBPTT()):
        totals = regime.losses(nn.GRU(I, H), squared_error, x, targets[:, 1:])
        with pytest.raises(ValueError, match=r"targets must be \[3, 11, ...\], got \[3, 10, 10\]"):
            next(totals)


def test_without_gradients() -> None:
    network, x = Network(ur.cells.GRU(I, H), O).double(), torch.randn(B, T, I).double()
    targets = torch.randint(O, (B, T))
    with torch.no_grad():
        regimes = (FullBPTT(), CheckpointedBPTT())
        found = [next(r.losses(network, cross_entropy, x, targets)).total for r in regimes]
    assert not found[1].requires_grad
    torch.testing.assert_close(*found, **CLOSE)
