"""What a stream carries from part to part: whole, forced, saved and resumed, on another device."""

import io

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

import unrolled as ur
from unrolled.nn import FeedBack, Network, Scheduled
from unrolled.training.stateful import run_statefully
from unrolled.training.truncated import TruncatedBPTT

B, I, H, O = 3, 4, 5, 6  # noqa: E741, the textbook's letters
# Two float64 sums of up to a few hundred terms of size 1, in another order.
CLOSE = {"rtol": 1e-11, "atol": 1e-12}


@pytest.fixture(autouse=True)
def _quickly_compiled(monkeypatch) -> None:
    # The tests are about numbers, not speed: kernels are not optimised.
    monkeypatch.setenv("CXXFLAGS", "-O0")


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


# Forced


FED = {
    "Jordan": lambda: Network(ur.cells.Jordan(I, H, O, output="softmax")),
    "FeedBack": lambda: Network(FeedBack(ur.cells.LSTM(I + O, H), O, "softmax")),
}


def _saved(stream):
    """The state of a stream, through a file."""
    file = io.BytesIO()
    torch.save(stream.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def _by_hand(network, x, truth, teacher, reset, start=0, state=None):
    """o and state of the steps from `start` on, one at a time; `teacher` says of which y's."""
    fresh = network.cell.initial_state(B, dtype=x.dtype)
    state, outputs, states = state or fresh, [], []
    for t in range(start, x.shape[1]):
        if t and teacher[t - 1]:
            state = (truth[:, t - 1], *state[1:])
        pairs = zip(fresh, state, strict=True)
        state = tuple(torch.where(reset[:, t, None], a, b) for a, b in pairs)
        *state, o = network.step(x[:, t], *state)
        outputs.append(o)
        states.append(tuple(state))
    return torch.stack(outputs, 1), states


CALLS = [
    (0, 4, "teacher"),
    (4, 7, "teacher"),
    (7, 8, "free"),
    (8, 11, "free"),
    (11, 13, Scheduled(0)),
    (13, 15, Scheduled(1)),
]
TEACHER = [forcing in ("teacher", Scheduled(0)) for a, b, forcing in CALLS for _ in range(a, b)]


@pytest.mark.parametrize("classes", [True, False])
@pytest.mark.parametrize("name", FED)
def test_a_forced_stream_gives_the_outputs_of_the_unbroken_run(name, classes) -> None:
    """Also where the forcing changes on the way, between steps of one window."""
    network, x = FED[name]().double(), torch.randn(B, 15, I).double()
    targets, reset = torch.randint(O, (B, 15)), torch.rand(B, 15) < 0.2
    # No reset in the last window, so that its gradient reaches all of it.
    reset[:, 8:] = False
    truth = F.one_hot(targets, O).double()
    expected, states = _by_hand(network, x, truth, TEACHER, reset)
    stream, found = TruncatedBPTT(9, 4).stream(network), []
    for first, end, forcing in CALLS:
        given = (targets if classes else truth)[:, first:end]
        found.append(
            stream(
                x[:, first:end], reset[:, first:end], None if forcing == "free" else given, forcing
            )
        )
        y, *others = stream.state
        torch.testing.assert_close(others, list(states[end - 1][1:]), **CLOSE)
        read = truth[:, end - 1] if TEACHER[end - 1] else states[end - 1][0]
        torch.testing.assert_close(y, read, **CLOSE)
    torch.testing.assert_close(torch.cat(found, 1), expected, **CLOSE)
    # The last call, of steps 13 and 14, reads five steps again, which were forced otherwise.
    held = tuple(part.detach() for part in states[7])
    again = _by_hand(network, x, truth, TEACHER, reset, 8, held)[0][:, -2:]
    ours, theirs = (
        torch.autograd.grad(o.sin().sum(), list(network.parameters())) for o in (found[-1], again)
    )
    torch.testing.assert_close(ours, theirs, **CLOSE)


def test_targets_may_be_written_to_after_a_call() -> None:
    network, x = FED["FeedBack"]().double(), torch.randn(B, 6, I).double()
    truth = torch.rand(B, 6, O).double()
    expected = network.run(x, targets=truth, forcing="teacher").o
    stream, room = TruncatedBPTT(4, 2).stream(network), torch.empty(B, 2, O).double()
    for t in (0, 2, 4):
        room.copy_(truth[:, t : t + 2])
        found = stream(x[:, t : t + 2], None, room, "teacher")
        torch.testing.assert_close(found, expected[:, t : t + 2], **CLOSE)
        room.fill_(torch.nan)


# Saved and resumed


class OfTokens(nn.Module):
    """A function of inputs and state that is neither a cell nor a layer."""

    def __init__(self):
        super().__init__()
        self.embedding, self.layer = nn.Embedding(7, I), nn.GRU(I, H, batch_first=True)

    def forward(self, tokens, state):
        before = None if state is None else state["h"][0]
        outputs, after = self.layer(self.embedding(tokens), before)
        return outputs.tanh(), {"h": (after,)}


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
        return value is None or type(value) in (int, str) or not value.requires_grad

    assert plain(stream.state_dict())


@pytest.mark.parametrize("forcing", ["teacher", Scheduled(0.4)], ids=str)
@pytest.mark.parametrize("name", FED)
def test_a_resumed_forced_stream_is_exact(name, forcing) -> None:
    network, x = FED[name]().double(), torch.randn(B, 18, I).double()
    targets, regime = torch.randint(O, (B, 18)), TruncatedBPTT(7, 3)
    first = regime.stream(network)

    def read(stream, t):
        return stream(x[:, t : t + 3], None, targets[:, t : t + 3], forcing)

    for t in range(0, 9, 3):
        read(first, t)
    second = regime.stream(network)
    second.load_state_dict(_saved(first))
    for t in range(9, 18, 3):
        results = []
        for stream in (first, second):
            torch.manual_seed(t)
            results.append(read(stream, t))
        assert torch.equal(*results)
        found = [torch.autograd.grad(r.sum(), list(network.parameters())) for r in results]
        assert all(map(torch.equal, *found))


def test_a_stream_goes_on_where_its_model_is() -> None:
    """Saved on the CPU, resumed on a device without numbers, where any mixture is an error."""
    targets = torch.rand(B, 3, O)
    for make in (FED["FeedBack"], lambda: nn.LSTM(I, H, batch_first=True)):
        model, x, regime = make(), torch.randn(B, 3, I), TruncatedBPTT(7, 3)
        forced = (None, targets, "teacher") if isinstance(model, Network) else ()
        first = regime.stream(model)
        for _ in range(3):
            first(x, *forced)
        second = regime.stream(make().to("meta"))
        second.load_state_dict(_saved(first))
        there = [part.to("meta") if torch.is_tensor(part) else part for part in forced]
        for _ in range(2):
            assert second(x.to("meta"), *there).device.type == "meta"
        state = second.state_dict()
        carried = [*state["state"], *state["start"]]
        carried += [t for k in state["kept"] for t in (k["inputs"], k["targets"]) if t is not None]
        assert {t.device.type for t in carried} == {"meta"}
        assert {t.dtype for t in carried} == {torch.float32}


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
