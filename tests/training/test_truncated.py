"""Truncated BPTT against its definition: L(t) of a part, by autograd, from a state that is held."""

import io

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

import unrolled as ur
from unrolled.nn import Network
from unrolled.training.losses import cross_entropy, squared_error
from unrolled.training.stateful import run_statefully
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


def _by_definition(network, x, targets, window, stride, reset=None, valid=None):
    """The loss of every part and its gradients, one step of the network at a time."""
    names = list(network.state_sizes)
    fresh = lambda: network.cell.initial_state(B, dtype=x.dtype)  # noqa: E731

    def step(t, state):
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
                each = F.cross_entropy(o, targets[:, t].clamp(min=0), reduction="none")
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


class OfTokens(nn.Module):
    """A function of inputs and state that is neither a cell nor a layer."""

    def __init__(self):
        super().__init__()
        self.embedding, self.layer = nn.Embedding(7, I), nn.GRU(I, H, batch_first=True)

    def forward(self, tokens, state):
        before = None if state is None else state["h"][0]
        outputs, after = self.layer(self.embedding(tokens), before)
        return outputs.tanh(), {"h": (after,)}


MODELS = {
    "cell": lambda: ur.cells.LSTM(I, H),
    "network": lambda: Network(ur.cells.GRU(I, H), O),
    "jordan": lambda: Network(ur.cells.Jordan(I, H, O, output="softmax")),
    "recurrent": lambda: ur.nn.Recurrent(ur.cells.MGU, I, [H, H + 1]),
    "time first": lambda: ur.nn.GRU(I, H, 2),
    "batch first": lambda: ur.nn.LSTM(I, H, batch_first=True, engine="native"),
    "torch time first": lambda: nn.LSTM(I, H),
    "torch batch first": lambda: nn.RNN(I, H, batch_first=True),
}
WITHOUT_RESET = ("torch time first", "torch batch first")


def _whole(model, x, reset):
    """The outputs of one run, by calling the model itself."""
    if isinstance(model, ur.Cell):
        # A reset is the end of one sequence and the start of another.
        return _by_sequences(lambda part: ur.unroll(model, part, engine="eager").outputs, x, reset)
    if isinstance(model, Network):
        return _by_sequences(lambda part: model.run(part, engine="eager").o, x, reset)
    if model.batch_first:
        return _by_sequences(lambda part: model(part)[0], x, reset)
    return _by_sequences(lambda part: model(part.transpose(0, 1))[0].transpose(0, 1), x, reset)


def _by_sequences(run, x, reset):
    rows = []
    for row in range(len(x)):
        ends = [t for t in range(1, x.shape[1]) if reset[row, t]]
        cuts = zip([0, *ends], [*ends, x.shape[1]], strict=True)
        rows.append(torch.cat([run(x[row : row + 1, a:b]) for a, b in cuts], 1))
    return torch.cat(rows)


@pytest.mark.parametrize("name", MODELS)
def test_a_stream_gives_the_outputs_of_the_unbroken_run(name) -> None:
    model, x = MODELS[name]().double(), torch.randn(B, 15, I).double()
    reset = torch.rand(B, 15) < 0.25
    if name in WITHOUT_RESET:
        reset[:] = False
    expected = _whole(model, x, reset)
    stream = TruncatedBPTT(7, 4).stream(model)
    found, at = [], 0
    for steps in (4, 4, 1, 2, 4):
        flags = None if name in WITHOUT_RESET else reset[:, at : at + steps]
        found.append(stream(x[:, at : at + steps], flags))
        at += steps
    torch.testing.assert_close(torch.cat(found, 1), expected, **CLOSE)
    state = run_statefully(model, x, None, None if name in WITHOUT_RESET else reset)[1]
    flat, also = (tree_leaves(s) for s in (stream.state, state))
    for one, other in zip(flat, also, strict=True):
        assert not one.requires_grad
        torch.testing.assert_close(one, other.detach(), **CLOSE)
    stream.reset()
    assert stream.state is None
    again = _whole(model, x[:, :3], torch.zeros(B, 3).bool())
    torch.testing.assert_close(stream(x[:, :3]), again, **CLOSE)


def test_flags_that_come_and_go() -> None:
    """A part without resets before one with them, and after it, in one window."""
    cell, x = ur.cells.GRU(I, H).double(), torch.randn(B, 6, I).double()
    reset = torch.zeros(B, 6).bool()
    reset[1, 2] = reset[2, 3] = True
    stream = TruncatedBPTT(6, 2).stream(cell)
    parts = [stream(x[:, :2]), stream(x[:, 2:4], reset[:, 2:4]), stream(x[:, 4:])]
    torch.testing.assert_close(torch.cat(parts, 1), _whole(cell, x, reset), **CLOSE)


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


def test_a_resumed_stream_is_exact() -> None:
    x, regime = torch.randint(7, (B, 20)), TruncatedBPTT(7, 3)
    model, layer = OfTokens().double(), ur.nn.LSTM(7, H, batch_first=True).double()
    onehot = F.one_hot(x, 7).double()
    for module, inputs in ((model, x), (layer, onehot)):
        first = regime.stream(module)
        for t in range(0, 9, 3):
            first(inputs[:, t : t + 3])
        file = io.BytesIO()
        torch.save(first.state_dict(), file)
        file.seek(0)
        second = regime.stream(module)
        second.load_state_dict(torch.load(file, weights_only=True))
        for t in range(9, 18, 3):
            results = [s(inputs[:, t : t + 3]) for s in (first, second)]
            assert torch.equal(*results)
            found = [torch.autograd.grad(r.sum(), list(module.parameters())) for r in results]
            assert all(map(torch.equal, *found))
    fresh = regime.stream(layer)
    fresh.load_state_dict(regime.stream(layer).state_dict())
    assert torch.equal(fresh(onehot[:, :3]), regime.stream(layer)(onehot[:, :3]))


def test_a_state_dict_holds_plain_things_only() -> None:
    stream = TruncatedBPTT(4, 2).stream(ur.nn.Recurrent("lstm", I, [H, H + 1]))
    stream(torch.randn(B, 2, I), torch.zeros(B, 2).bool())

    def plain(value):
        if isinstance(value, list):
            return all(map(plain, value))
        if isinstance(value, dict):
            return all(map(plain, value.values()))
        return value is None or (type(value) in (int, torch.Tensor) and not value.requires_grad)

    assert plain(stream.state_dict())


def test_without_gradients_a_stream_carries_on() -> None:
    network, x = Network(ur.cells.GRU(I, H), O).double(), torch.randn(B, 9, I).double()
    stream = TruncatedBPTT(5, 3).stream(network)
    network.eval()
    with torch.no_grad():
        for t in (0, 3):
            assert not stream(x[:, t : t + 3]).requires_grad
    with_gradients = TruncatedBPTT(5, 3).stream(network)
    for t in (0, 3):
        with_gradients(x[:, t : t + 3])
    results = [s(x[:, 6:]) for s in (stream, with_gradients)]
    found = [torch.autograd.grad(r.sum(), list(network.parameters())) for r in results]
    assert torch.equal(*results)
    assert all(map(torch.equal, *found))


def test_inputs_may_be_written_to_after_a_call() -> None:
    cell, x = ur.cells.GRU(I, H).double(), torch.randn(B, 6, I).double()
    expected = ur.unroll(cell, x).outputs
    stream, room = TruncatedBPTT(4, 2).stream(cell), torch.empty(B, 2, I).double()
    for t in (0, 2, 4):
        room.copy_(x[:, t : t + 2])
        torch.testing.assert_close(stream(room), expected[:, t : t + 2], **CLOSE)


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
