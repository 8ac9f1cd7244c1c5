"""The networks of the textbook against torch.nn and against loops written out."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import unrolled as ur
from engines.agreement import assert_alike
from unrolled.cells.jordan import OutputRecurrent
from unrolled.nn import FeedBack, Network, Scheduled
from unrolled.nn.feedback import fed_on

# float64, some hundred roundings of numbers of size 1, summed in another order.
EXACT = {"rtol": 1e-11, "atol": 1e-12}
B, T, I, H, O = 3, 6, 3, 4, 2  # noqa: E741, the textbook's letters


def _double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def _gradients(o: Tensor, *leaves: Tensor) -> list[Tensor]:
    """Of a sum with weights that tell all entries apart."""
    probe = torch.cos(torch.arange(o.numel(), dtype=torch.float64)).view_as(o)
    return list(torch.autograd.grad((probe * o).sum(), leaves, retain_graph=True))


# Elman networks: with an output at every step, and with one at the end.


@pytest.mark.parametrize("at", ["every", "last"])
@pytest.mark.parametrize("lengths", [None, [T, 1, 4]])
def test_elman_equals_torch(at, lengths) -> None:
    network = Network(ur.cells.Elman(I, H), O, at=at).double()
    rnn = nn.RNN(I, H, batch_first=True).double()
    rnn.load_state_dict({f"{n}_l0": p for n, p in network.cell.named_parameters()})
    x = _double(B, T, I).requires_grad_()
    run = network.run(x, lengths=lengths)
    for b, length in enumerate(lengths or [T] * B):
        h, final = rnn(x[b, :length])
        o = nn.functional.linear(h, network.readout.weight, network.readout.bias)
        o = o[-1] if at == "last" else torch.cat([o, torch.zeros(T - length, O).double()])
        y = o.softmax(-1) * (o != 0)
        torch.testing.assert_close(run.o[b], o, **EXACT)
        torch.testing.assert_close(run.y[b], y, **EXACT)
        torch.testing.assert_close(run.final[0][b], final[0], **EXACT)
        ours = _gradients(run.o[b], x, *network.parameters())
        theirs = _gradients(o, x, *rnn.parameters(), *network.readout.parameters())
        torch.testing.assert_close(ours, theirs, **EXACT)
    assert torch.equal(network(x, lengths=lengths), run.y)


# Outputs that recur: a Jordan cell by its equations, FeedBack with torch's LSTMCell inside.


def _jordan_step(cell, x, y):
    h = torch.tanh(cell.weight_ih @ x + cell.weight_yh @ y + cell.bias_h)
    o = cell.weight_hy @ h + cell.bias_y
    return o, (o.softmax(-1),)


def _feedback_step(cell, x, y, h, c):
    lstm = cell.cell
    parts = nn.functional.linear(torch.cat([x, y]), lstm.weight_ih, lstm.bias_ih)
    i, f, g, out = (parts + lstm.weight_hh @ h + lstm.bias_hh).chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = out.sigmoid() * c.tanh()
    o = cell.readout.weight @ h + cell.readout.bias
    return o, (o, h, c)


KINDS = {
    "jordan": (lambda: ur.cells.Jordan(I, H, O, output="softmax"), _jordan_step),
    "feedback": (lambda: FeedBack(ur.cells.LSTM(I + O, H), O), _feedback_step),
}


def _by_hand(cell, step, x, start, lengths, reset, truth, own) -> tuple[Tensor, list[Tensor]]:
    """o and the final state, one sequence and one step at a time."""
    outputs, finals = [], []
    for b in range(len(x)):
        state, o = tuple(s[b] for s in start), []
        for t in range(int(lengths[b])):
            if t and not own[b, t]:
                state = (truth[b, t - 1], *state[1:])
            if reset[b, t]:
                state = tuple(torch.zeros_like(s) for s in state)
            pre_activation, state = step(cell, x[b, t], *state)
            o.append(pre_activation)
        missing = x.shape[1] - len(o)
        outputs.append(torch.stack([*o, *[torch.zeros(O).double()] * missing]))
        finals.append(state)
    return torch.stack(outputs), [torch.stack(each) for each in zip(*finals, strict=True)]


FORCINGS = ["free", "teacher", Scheduled(0.4)]


@pytest.mark.parametrize("forcing", FORCINGS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_what_recurs_equals_a_loop(kind, forcing, data) -> None:
    batch, time = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 7))
    lengths = torch.tensor(
        data.draw(st.lists(st.integers(0, time), min_size=batch, max_size=batch))
    )
    torch.manual_seed(data.draw(st.integers(0, 100)))
    make, step = KINDS[kind]
    network = Network(make()).double()
    cell = network.cell
    x, reset = _double(batch, time, I), torch.rand(batch, time) < 0.3
    start = tuple(_double(batch, n).requires_grad_() for n in cell.state_sizes.values())
    truth = _double(batch, time, O)
    # As `own_choices` draws them.
    torch.manual_seed(7)
    own = torch.rand(batch, time) < {"free": 1.0, "teacher": 0.0}.get(forcing, 0.4)
    o, final = _by_hand(cell, step, x, start, lengths, reset, truth, own)

    beyond = torch.arange(time) >= lengths[:, None]
    x, truth = x.clone(), truth.clone()
    x[beyond], truth[beyond] = torch.nan, torch.nan
    torch.manual_seed(7)
    run = network.run(
        x, start, lengths, reset=reset, targets=truth, forcing=forcing, engine="eager"
    )
    torch.testing.assert_close(run.o, o, **EXACT)
    torch.testing.assert_close(list(run.final), final, **EXACT)
    y = o.softmax(-1) if kind == "jordan" else o
    torch.testing.assert_close(run.y, y.masked_fill(beyond[..., None], 0), **EXACT)
    torch.testing.assert_close(run.trajectory.outputs, run.y, **EXACT)
    leaves = [*start, *network.parameters()]
    ours = torch.autograd.grad(run.o.sin().sum(), leaves, allow_unused=True, materialize_grads=True)
    theirs = [torch.zeros_like(leaf) for leaf in leaves]
    if lengths.any():
        theirs = torch.autograd.grad(
            o.sin().sum(), leaves, allow_unused=True, materialize_grads=True
        )
    torch.testing.assert_close(list(ours), list(theirs), **EXACT)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("forcing", FORCINGS, ids=str)
def test_the_last_output_is_that_of_the_last_valid_step(kind, forcing) -> None:
    every = Network(KINDS[kind][0]()).double()
    last = Network(every.cell, at="last")
    x, truth, lengths = _double(4, T, I), _double(4, T, O), torch.tensor([T, 1, 4, 0])
    found = []
    for network in (every, last):
        torch.manual_seed(1)
        found.append(network.run(x, lengths=lengths, targets=truth, forcing=forcing))
    for full, ended in ((found[0].o, found[1].o), (found[0].y, found[1].y)):
        assert torch.equal(ended, torch.stack([full[0, T - 1], full[1, 0], full[2, 3], full[3, 3]]))
        assert not ended[3].any()


CELLS = {
    "LSTM": (lambda: ur.cells.LSTM(I + O, H), "identity"),
    "a state called y": (lambda: ur.cells.LEM(I + O, H), "softmax"),
    "autonomous": (lambda: ur.cells.Elman(O, H), "sigmoid"),
    "wrapped": (lambda: ur.Cell.wrap(nn.GRUCell(I + O, H)), "tanh"),
}


@pytest.mark.parametrize("name", CELLS)
def test_feedback_runs_natively(name) -> None:
    make, output = CELLS[name]
    cell = FeedBack(make(), O, output).double()
    x = _double(B, T, cell.input_size)
    state = tuple(_double(B, size) for size in cell.state_sizes.values())
    values, mask = _double(B, T, O), torch.rand(B, T) < 0.5
    assert_alike(cell, x, state)
    assert_alike(cell, x, state, forced={"y": values}, lengths=[T, 2, 0])
    assert_alike(cell, x, state, forced={"y": (values, mask)}, lengths=[4, T, 1])
    network = Network(cell)
    for forcing in FORCINGS:
        found = []
        for engine in ("eager", "native"):
            torch.manual_seed(1)
            run = network.run(x, state, targets=values, forcing=forcing, engine=engine)
            assert run.trajectory.engine == engine
            found.append((run.o, *_gradients(run.o, *network.parameters())))
        torch.testing.assert_close(*found, **EXACT)


class Counting(OutputRecurrent):
    """Somebody's own cell: o is made of x and of both components before, and is in neither."""

    output = "sigmoid"

    def __init__(self):
        super().__init__(I, {"y": O, "c": H})
        self.inside, self.out = nn.Linear(I + O + H, H), nn.Linear(2 * H, O)
        self.start = nn.Parameter(torch.rand(H))

    def initial_state(self, batch_size, *, dtype=None, device=None):
        y = torch.zeros(batch_size, O, dtype=dtype, device=device)
        return y, self.start.expand(batch_size, -1)

    def pre_activation(self, x, before, after):
        read = torch.cat([x, before["y"], before["c"]], dim=1)
        return self.out(torch.cat([torch.tanh(self.inside(read)), before["c"]], dim=1))

    def step(self, x, y, c):
        o = self.pre_activation(x, {"y": y, "c": c}, {})
        return torch.sigmoid(o), torch.tanh(self.inside(torch.cat([x, y, c], dim=1)) + c)


@pytest.mark.parametrize("engine", ["eager", "native"])
def test_a_cell_of_ones_own_that_feeds_back(engine) -> None:
    network = Network(Counting()).double()
    assert (network.output, network.output_size, network.readout) == ("sigmoid", O, None)
    x, truth, reset = _double(B, T, I), torch.rand(B, T, O).double(), torch.rand(B, T) < 0.3
    cell = network.cell
    first = cell.initial_state(B)
    y, c = first
    outputs = []
    for t in range(T):
        y = truth[:, t - 1] if t else y
        y, c = (torch.where(reset[:, t, None], f, s) for f, s in zip(first, (y, c), strict=True))
        outputs.append(cell.pre_activation(x[:, t], {"y": y, "c": c}, {}))
        y, c = cell.step(x[:, t], y, c)
    o = torch.stack(outputs, 1)
    run = network.run(x, targets=truth, reset=reset, forcing="teacher", engine=engine)
    torch.testing.assert_close(run.o, o, **EXACT)
    ours, theirs = (_gradients(each, *network.parameters()) for each in (run.o, o))
    torch.testing.assert_close(ours, theirs, **EXACT)


# Resets


@pytest.mark.parametrize(
    "make",
    [
        lambda: Network(ur.cells.LSTM(I, H), O),
        lambda: Network(ur.cells.Jordan(I, H, O)),
        lambda: Network(FeedBack(ur.cells.GRU(I + O, H), O)),
    ],
    ids=["LSTM", "Jordan", "FeedBack"],
)
@pytest.mark.parametrize("engine", ["eager", "native"])
def test_a_reset_begins_a_sequence_anew(make, engine) -> None:
    network = make().double()
    x, reset = _double(2, T, I), torch.zeros(2, T, dtype=torch.bool)
    reset[0, 2] = reset[1, 0] = reset[1, 5] = True
    start = tuple(_double(2, size) for size in network.state_sizes.values())
    run = network.run(x, start, reset=reset, engine=engine)
    first = tuple(s[:1] for s in start)
    parts = [
        network.run(x[:1, :2], first).o[0],
        network.run(x[:1, 2:]).o[0],
        network.run(x[1:, :5]).o[0],
        network.run(x[1:, 5:]).o[0],
    ]
    torch.testing.assert_close(run.o[0], torch.cat(parts[:2]), **EXACT)
    torch.testing.assert_close(run.o[1], torch.cat(parts[2:]), **EXACT)


# Runs that go on where others have ended


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", range(1, T))
def test_two_runs_are_one(kind, at) -> None:
    """Teacher forcing of a sequence in two parts; one sequence ends in the first of them."""
    network = Network(KINDS[kind][0]()).double()
    x, truth, lengths = _double(B, T, I), _double(B, T, O), torch.tensor([T, at, at - 1])
    whole = network.run(x, None, lengths, targets=truth, forcing="teacher").o
    truth[2, at - 1 :] = torch.nan
    early, late = lengths.clamp(max=at), (lengths - at).clamp(min=0)
    first = network.run(x[:, :at], None, early, targets=truth[:, :at], forcing="teacher")
    state = fed_on(network.cell, first.final, truth[:, at - 1], "teacher", early == at)
    assert torch.equal(state[0][:2], truth[:2, at - 1])
    assert torch.equal(state[0][2], first.final[0][2])
    second = network.run(x[:, at:], state, late, targets=truth[:, at:], forcing="teacher")
    parts = torch.cat([first.o, second.o], dim=1)
    torch.testing.assert_close(parts, whole, **EXACT)
    ours, theirs = (_gradients(o, *network.parameters()) for o in (parts, whole))
    torch.testing.assert_close(ours, theirs, **EXACT)


# Graphs and back-propagation through time


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", ["every", "last"])
def test_bptt_equals_autograd(kind, at) -> None:
    network = Network(KINDS[kind][0](), at=at).double()
    x, lengths = _double(B, T, I), [T, 2, 4]
    targets = _double(B, O) if at == "last" else _double(B, T, O)
    if kind == "jordan":
        targets = torch.randint(O, targets.shape[:-1])
    forced = {"y": (_double(B, T, O), torch.rand(B, T) < 0.5)} if at == "every" else None
    found = ur.bptt(network, x, targets, lengths=lengths, forced=forced)
    y = network.run(x, lengths=lengths).y
    if forced:
        y = ur.unroll(network.cell, x, lengths=lengths, forced=forced, engine="eager").outputs
    valid = torch.arange(T) < torch.tensor(lengths)[:, None]
    valid = valid[:, 0] if at == "last" else valid
    if kind == "jordan":
        each = -y.gather(-1, targets[..., None])[..., 0][valid].log()
    else:
        each = 0.5 * (y - targets)[valid].square()
    each.sum().backward()
    torch.testing.assert_close(found.loss, each.sum().detach(), **EXACT)
    assert {"V", "c"} <= set(found)
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(found.parameters[name], parameter.grad, **EXACT)


def test_bptt_of_a_network_is_that_of_its_cell() -> None:
    x, targets = _double(B, T, I), torch.randint(O, (B, T))
    cell = ur.cells.Jordan(I, H, O, output="softmax").double()
    alone, inside = ur.bptt(cell, x, targets), ur.bptt(Network(cell), x, targets)
    assert list(alone) == list(inside) == ["U", "b", "W", "V", "c"]
    for symbol in alone:
        torch.testing.assert_close(alone[symbol], inside[symbol], **EXACT)
    for value in ("x", "y", "o", "h"):
        torch.testing.assert_close(alone.steps[value], inside.steps[value], **EXACT)


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_gives_o(kind) -> None:
    network = Network(KINDS[kind][0]()).double()
    graph = ur.graph(network)
    assert list(graph.outputs) == [*network.state_sizes, "o"]
    x = _double(1, I)
    state = [_double(1, size) for size in network.state_sizes.values()]
    o, new = KINDS[kind][1](network.cell, x[0], *(s[0] for s in state))
    for found, expected in zip(graph.evaluate(x, *state), [*new, o], strict=True):
        torch.testing.assert_close(found[0], expected, **EXACT)


# At the door


def test_arguments_by_position_and_by_default() -> None:
    network = Network(ur.cells.Elman(I, H), O, "sigmoid", "last")
    assert (network.output, network.at, network.output_size) == ("sigmoid", "last", O)
    assert Network(ur.cells.Elman(I, H), O).output == "softmax"
    jordan = ur.cells.Jordan(I, H, O, output="relu")
    assert Network(jordan, O, "relu").output == Network(jordan).output == "relu"
    assert repr(Network(jordan).run(torch.zeros(1, 2, I))).startswith("NetworkRun(o=[1, 2, 2], y=")


def test_it_is_one_program_of_torch_compile() -> None:
    x, targets = _double(B, T, I), _double(B, T, O)
    network = Network(FeedBack(ur.cells.Elman(I + O, H), O)).double()

    def o(x):
        return network.run(x, lengths=[T, 2, 4], targets=targets, forcing="teacher").o

    compiled = torch.compile(o, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), o(x), **EXACT)


X = torch.zeros(2, 5, I)
JORDAN, ELMAN = ur.cells.Jordan(I, H, O), ur.cells.Elman(I, H)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: Network(JORDAN, 5), ValueError, "output_size is 5, that of Jordan is 2.*leave"),
        (lambda: Network(JORDAN, O, "softmax"), ValueError, "output is 'softmax', that of Jordan"),
        (lambda: Network(ELMAN), ValueError, "output_size is missing; Elman"),
        (lambda: Network(ELMAN, 0), ValueError, "output_size must be .* got 0"),
        (lambda: Network(ELMAN, 2, "sofmax"), ValueError, "output is 'sofmax'; did you mean"),
        (lambda: Network(ELMAN, 2, at="end"), ValueError, "at is 'end'; choose"),
        (lambda: Network(ur.cells.Elman, 2), TypeError, "cell must be a Cell that is made"),
        (lambda: FeedBack(JORDAN, O), ValueError, "cell is Jordan, which feeds its output back"),
        (lambda: FeedBack(ELMAN, 4), ValueError, "input_size is 3; make it with the sum"),
        (lambda: FeedBack(ELMAN, 0), ValueError, "output_size must be .* got 0"),
        (lambda: FeedBack(ELMAN, 1, "softmx"), ValueError, "output is 'softmx'; did you mean"),
        (lambda: FeedBack(nn.GRUCell(3, 4), 1), TypeError, "Cell that is made, got GRUCell"),
        (
            lambda: Network(JORDAN).run(X, reset=X[..., 0]),
            ValueError,
            r"reset must be torch.bool \[2, 5\], got tor",
        ),
        (
            lambda: Network(JORDAN).run(X, reset=[0]),
            ValueError,
            r"reset must be torch.bool \[2, 5\], got list",
        ),
    ],
)
def test_errors_say_what_to_do(call, kind, words) -> None:
    with pytest.raises(kind, match=words) as raised:
        call()
    assert "\n" not in str(raised.value)
