"""Back-propagation through time against the closed form, autograd, and its own definition."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import unrolled as ur
from graph.catalogue import NAMES, cell_named
from unrolled.graph.roles import roles
from unrolled.nn import Network
from unrolled.training.gradients import symbols_of

B, T, I, H, O = 3, 7, 4, 5, 6  # noqa: E741, the textbook's letters


def _one_hot(targets):
    return F.one_hot(targets, O).double()


def test_elman_softmax_equals_the_closed_form() -> None:
    """Goodfellow, Bengio and Courville, equations 10.18 to 10.28, written out."""
    network = Network(ur.cells.Elman(I, H), O).double()
    x, targets = torch.randn(B, T, I).double(), torch.randint(O, (B, T))
    W, U = network.cell.weight_hh.detach(), network.cell.weight_ih.detach()
    V, c = network.readout.weight.detach(), network.readout.bias.detach()
    b = (network.cell.bias_ih + network.cell.bias_hh).detach()
    h, hs, os = torch.zeros(B, H).double(), [], []
    for t in range(T):
        h = torch.tanh(b + h @ W.T + x[:, t] @ U.T)
        hs.append(h)
        os.append(c + h @ V.T)
    y = torch.stack(os, 1).softmax(-1)
    loss = -(y.log() * _one_hot(targets)).sum()
    grad_o = y - _one_hot(targets)
    grad_h = [grad_o[:, T - 1] @ V]
    for t in reversed(range(T - 1)):
        later = hs[t + 1]
        grad_h.insert(0, ((1 - later**2) * grad_h[0]) @ W + grad_o[:, t] @ V)
    grad_a = [(1 - h**2) * g for h, g in zip(hs, grad_h, strict=True)]
    earlier = [torch.zeros(B, H).double(), *hs[:-1]]
    expected = {
        "c": grad_o.sum((0, 1)),
        "b": sum(g.sum(0) for g in grad_a),
        "V": sum(grad_o[:, t].T @ hs[t] for t in range(T)),
        "W": sum(grad_a[t].T @ earlier[t] for t in range(T)),
        "U": sum(grad_a[t].T @ x[:, t] for t in range(T)),
    }
    found = ur.bptt(network, x, targets)
    torch.testing.assert_close(found.loss, loss, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.steps["o"], grad_o, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.steps["h"], torch.stack(grad_h, 1), rtol=1e-12, atol=1e-12)
    assert set(found) == set(expected)
    for symbol, gradient in expected.items():
        torch.testing.assert_close(found[symbol], gradient, rtol=1e-12, atol=1e-12)


CELLS = {
    "Elman": lambda: ur.cells.Elman(I, H),
    "Elman relu": lambda: ur.cells.Elman(I, H, nonlinearity="relu", bias=False),
    "LSTM": lambda: ur.cells.LSTM(I, H),
    "GRU": lambda: ur.cells.GRU(I, H),
    "GRU reset before": lambda: ur.cells.GRU(I, H, reset_after=False),
    "wrapped": lambda: ur.Cell.wrap(nn.LSTMCell(I, H)),
}
OUTPUTS = {
    "softmax": (lambda: torch.randint(O, (B, T)), lambda y, t: -(y.log() * _one_hot(t)).sum(-1)),
    "sigmoid": (
        lambda: torch.rand(B, T, O).double(),
        lambda y, t: -(t * y.log() + (1 - t) * (1 - y).log()).sum(-1),
    ),
    "identity": (lambda: torch.randn(B, T, O).double(), lambda y, t: (y - t).square().sum(-1) / 2),
}


def _by_autograd(network, x, targets, loss, state, valid):
    """Loss and gradients by a loop over the step, every state kept."""
    states, outputs = [], []
    for t in range(T):
        new = network.step(x[:, t], *state)
        *state, o, y = new
        kept = [*state, o]
        for tensor in kept:
            tensor.retain_grad()
        states.append(kept)
        outputs.append(y)
    total = (loss(torch.stack(outputs, 1), targets) * valid).sum()
    total.backward()
    names = [*network.state_sizes, "o"]
    steps = {n: torch.stack([s[k].grad for s in states], 1) for k, n in enumerate(names)}
    return total.detach(), steps


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("name", CELLS)
def test_equals_autograd(name, output) -> None:
    network = Network(CELLS[name](), O, output=output).double()
    make, loss = OUTPUTS[output]
    targets, lengths = make(), torch.tensor([T, 4, 1])
    x = torch.randn(B, T, I).double().requires_grad_()
    sizes = network.state_sizes
    start = tuple(torch.randn(B, n).double().requires_grad_() for n in sizes.values())
    valid = (torch.arange(T) < lengths[:, None]).double()
    total, steps = _by_autograd(network, x, targets, loss, start, valid)
    kept = tuple(s.detach() for s in start)
    found = ur.bptt(network, x.detach(), targets, state=kept, lengths=lengths)
    torch.testing.assert_close(found.loss, total, rtol=1e-12, atol=1e-12)
    for key, gradient in steps.items():
        torch.testing.assert_close(found.steps[key], gradient, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found.steps["x"], x.grad, rtol=1e-10, atol=1e-10)
    for component, tensor in zip(sizes, start, strict=True):
        torch.testing.assert_close(found.initial[component], tensor.grad, rtol=1e-10, atol=1e-10)
    for key, parameter in network.named_parameters():
        torch.testing.assert_close(found.parameters[key], parameter.grad, rtol=1e-10, atol=1e-10)


def test_gates_have_gradients_of_their_own() -> None:
    network = Network(ur.cells.LSTM(I, H), O).double()
    found = ur.bptt(network, torch.randn(B, T, I).double(), torch.randint(O, (B, T)))
    weight = found.parameters["cell.weight_ih"]
    for k, gate in enumerate("ifgo"):
        rows = slice(k * H, (k + 1) * H)
        assert torch.equal(found[f"U_{gate}"], weight[rows])
        assert torch.equal(found[f"W_{gate}"], found.parameters["cell.weight_hh"][rows])
        assert torch.equal(found[f"b_{gate}"], found.parameters["cell.bias_ih"][rows])
    assert torch.equal(found["U"], weight)
    gru = Network(ur.cells.GRU(I, H), O).double()
    found = ur.bptt(gru, torch.randn(B, T, I).double(), torch.randint(O, (B, T)))
    # The candidate's two biases stand on either side of the reset gate.
    assert torch.equal(found["b_n"], found.parameters["cell.bias_ih"][2 * H :])
    assert torch.equal(found["b_hn"], found.parameters["cell.bias_hh"][2 * H :])
    assert {"U_r", "U_z", "U_n", "W_r", "W_z", "W_n", "b_r", "b_z", "V", "c"} <= set(found)


@pytest.mark.parametrize("output", ["softmax", "identity", "sigmoid"])
def test_jordan_free_and_forced(output) -> None:
    cell = ur.cells.Jordan(I, H, O, output=output).double()
    make, loss = OUTPUTS[output]
    x, targets = torch.randn(B, T, I).double(), make()
    fed_back = torch.rand(B, T, O).double()
    for forced in (None, {"y": fed_back}, {"y": (fed_back, torch.rand(B, T) < 0.5)}):
        cell.zero_grad()
        run = ur.unroll(cell, x, forced=forced, engine="eager")
        loss(run.outputs, targets).sum().backward()
        found = ur.bptt(cell, x, targets, forced=forced)
        for name, parameter in cell.named_parameters():
            torch.testing.assert_close(
                found.parameters[name], parameter.grad, rtol=1e-10, atol=1e-10
            )
        assert set(found) == {"U", "W", "b", "V", "c"}
        assert found.steps["h"].shape == (B, T, H)
        # With everything forced no gradient passes from one step to another.
        if output == "softmax" and forced and not isinstance(forced["y"], tuple):
            wanted = run.outputs.detach() - _one_hot(targets)
            torch.testing.assert_close(found.steps["o"], wanted)


def test_one_output_at_the_end() -> None:
    network = Network(ur.cells.GRU(I, H), O, at="last").double()
    x, targets, lengths = torch.randn(B, T, I).double(), torch.randint(O, (B,)), [T, 3, 1]
    found = ur.bptt(network, x, targets, lengths=lengths)
    y = network(x, lengths=lengths)
    loss = -y.log().gather(1, targets[:, None]).sum()
    loss.backward()
    torch.testing.assert_close(found.loss, loss.detach())
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(found.parameters[name], parameter.grad, rtol=1e-10, atol=1e-10)
    assert not found.steps["o"][0, :-1].any()
    assert not found.steps["h"][1, 3:].any()


@pytest.mark.parametrize("reach", [1, 2, 3, T, T + 5])
def test_truncation_is_its_definition(reach) -> None:
    """For every t, the gradient of L(t) over the last `reach` steps, the state before cut off."""
    network = Network(ur.cells.LSTM(I, H), O).double()
    x, targets = torch.randn(B, T, I).double(), torch.randint(O, (B, T))
    states = [tuple(torch.zeros(B, H).double() for _ in range(2))]
    with torch.no_grad():
        for t in range(T):
            states.append(tuple(network.step(x[:, t], *states[-1])[:2]))
    expected = {name: torch.zeros_like(p) for name, p in network.named_parameters()}
    for t in range(T):
        first = max(0, t - reach + 1)
        state = states[first]
        for s in range(first, t + 1):
            *state, o, _ = network.step(x[:, s], *state)
        loss = F.cross_entropy(o, targets[:, t], reduction="sum")
        for name, g in zip(expected, torch.autograd.grad(loss, network.parameters()), strict=True):
            expected[name] += g
    found = ur.bptt(network, x, targets, steps=reach)
    for name, gradient in expected.items():
        torch.testing.assert_close(found.parameters[name], gradient, rtol=1e-10, atol=1e-10)


def test_a_cell_without_readout_and_a_loss_of_ones_own() -> None:
    cell = ur.cells.GRU(I, H).double()
    x, targets = torch.randn(B, T, I).double(), torch.randn(B, T, H).double()
    found = ur.bptt(cell, x, targets, loss=lambda o, t: (o - t).abs().sum(-1))
    (ur.unroll(cell, x, engine="eager").outputs - targets).abs().sum().backward()
    torch.testing.assert_close(found.parameters["weight_hh"], cell.weight_hh.grad)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"targets": torch.zeros(B, T, O, dtype=torch.long)}, "[3, 7]"),
        ({"targets": torch.zeros(B, T)}, "[3, 7, 6]"),
        ({"targets": torch.full((B, T), O)}, "from 0 to 5"),
        ({"targets": torch.full((B, T), -1)}, "from 0 to 5"),
        ({"steps": 0}, "steps"),
        ({"steps": 1.5}, "steps"),
    ],
)
def test_bad_arguments_are_explained(arguments, words) -> None:
    network = Network(ur.cells.Elman(I, H), O)
    given = {"targets": torch.zeros(B, T, dtype=torch.long), **arguments}
    with pytest.raises(ValueError) as raised:  # noqa: PT011, the words are what is tested
        ur.bptt(network, torch.randn(B, T, I), **given)
    assert words in str(raised.value)


def test_padding_may_hold_anything() -> None:
    network = Network(ur.cells.Elman(I, H), O)
    x, targets = torch.randn(B, T, I), torch.randint(O, (B, T))
    clean = ur.bptt(network, x, targets, lengths=[T, 4, 2])
    x[1, 4:], targets[1, 4:] = torch.nan, -100
    dirty = ur.bptt(network, x, targets, lengths=[T, 4, 2])
    assert torch.equal(clean.loss, dirty.loss)
    for symbol in clean:
        torch.testing.assert_close(clean[symbol], dirty[symbol])


def test_an_output_without_a_loss_asks_for_one() -> None:
    network = Network(ur.cells.Elman(I, H), O, output="tanh")
    with pytest.raises(ValueError, match="loss="):
        ur.bptt(network, torch.randn(B, T, I), torch.randn(B, T, O))


class Root(ur.Cell):
    """Its derivative is infinite at a state of zero, where padding must not reach it."""

    def __init__(self):
        super().__init__(I, {"h": H})
        self.weight = nn.Linear(I, H)

    def step(self, x, h):
        return (torch.sqrt(h) + torch.exp(self.weight(x)),)


def test_steps_beyond_the_lengths_do_not_count() -> None:
    cell = Root().double()
    x, targets = torch.randn(B, T, I).double(), torch.randn(B, T, H).double()
    start, lengths = torch.ones(B, H).double(), torch.tensor([T, 3, 1])
    found = ur.bptt(cell, x, targets, state=start, lengths=lengths)
    valid = (torch.arange(T) < lengths[:, None]).double()[:, :, None]
    h, total = start, 0
    for t in range(T):
        h = torch.where(valid[:, t] > 0, cell.step(x[:, t], h)[0], h)
        total = total + (0.5 * (h - targets[:, t]).square() * valid[:, t]).sum()
    total.backward()
    torch.testing.assert_close(found.parameters["weight.weight"], cell.weight.weight.grad)


class Remembers(ur.Cell):
    """Hands c on as it got it, learns where h starts, and has a layer called output."""

    def __init__(self):
        super().__init__(I, {"h": H, "c": H})
        self.start = nn.Parameter(torch.rand(H))
        self.input, self.output = nn.Linear(I, H), nn.Linear(H, H)

    def initial_state(self, batch_size, **place):
        return self.start.expand(batch_size, -1), torch.ones(batch_size, H).double()

    def step(self, x, h, c):
        return torch.tanh(self.output(torch.tanh(self.input(x))) + h + c + self.start), c


def test_a_learned_start_and_a_state_that_is_handed_on() -> None:
    cell = Remembers().double()
    x, targets = torch.randn(B, T, I).double(), torch.randn(B, T, H).double()
    found = ur.bptt(cell, x, targets)
    outputs = ur.unroll(cell, x, engine="eager").outputs
    (0.5 * (outputs - targets).square().sum()).backward()
    for name, parameter in cell.named_parameters():
        torch.testing.assert_close(found.parameters[name], parameter.grad, rtol=1e-10, atol=1e-10)
    # Nothing reads the last c.
    assert not found.steps["c"][:, -1].any()
    through_h = found.steps["h"][:, 0] * (1 - found.trajectory["h"][:, 0] ** 2)
    torch.testing.assert_close(found.initial["c"], found.steps["c"][:, 0] + through_h)


def test_what_else_is_in_the_result() -> None:
    network = Network(ur.cells.Elman(I, H), O).double()
    x, targets = torch.randn(B, T, I).double(), torch.randint(O, (B, T))
    found = ur.bptt(network, x, targets, lengths=[T, 2, 3])
    assert found.losses.shape == (B, T)
    torch.testing.assert_close(found.losses.sum(), found.loss)
    assert not found.losses[1, 2:].any()
    y = found.trajectory["o"].softmax(-1)
    torch.testing.assert_close(found.steps["o"][0], y[0] - _one_hot(targets)[0])
    assert list(found.trajectory) == ["x", "h", "o"]
    assert torch.equal(found["bias_hh"], found.parameters["cell.bias_hh"])
    with pytest.raises(KeyError, match=r"\.steps"):
        found["h"]
    assert repr(found).endswith("o(t), U, b, W, V, c)")


@pytest.mark.parametrize("name", NAMES)
def test_every_map_has_a_symbol_of_its_own(name) -> None:
    graph = ur.graph(cell_named(name))
    named = roles(graph)
    assert len({role.symbol for role in named.values()}) == len(named)
    derivative = graph.derivative()
    totals = {fixed: torch.zeros(fixed.shape) for fixed in derivative.deferred}
    symbols = symbols_of(derivative, totals)
    matrices = {node.matrix for node in named}
    # One bias symbol for each pre-activation that has a bias: b, and c where V gives it.
    terms = derivative.deferred
    biases = {(r.bias[0], terms[n.bias]) for n, r in named.items() if n.bias is not None}
    wholes = {"U", "W", "b"} if graph.gates else set()
    assert len(symbols.keys() - wholes) == len(matrices) + len(biases)


def test_a_loss_must_tell_the_steps_apart() -> None:
    network = Network(ur.cells.Elman(I, H), O, output="identity")
    x, targets = torch.randn(B, T, I), torch.randn(B, T, O)
    with pytest.raises(ValueError, match=r"\[3, 7\].*gave \[\]"):
        ur.bptt(network, x, targets, loss=lambda o, t: (o - t).square().sum())
    classes = torch.randint(O, (B, T))

    def cross_entropy(o, t):
        return F.cross_entropy(o.transpose(1, 2), t, reduction="none")

    mine = ur.bptt(network, x, classes, loss=cross_entropy)
    network.output = "softmax"
    torch.testing.assert_close(mine["U"], ur.bptt(network, x, classes)["U"])
