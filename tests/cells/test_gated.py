"""Gated cells against torch.nn, torchrecurrent, or the papers' equations written out."""

import math
import warnings

import pytest
import torch
import torchrecurrent
from torch import nn
from torch.func import functional_call

import unrolled as ur
from engines.agreement import assert_alike
from unrolled.cells.coupled_lstm import CoupledLSTM
from unrolled.cells.janet import JANET
from unrolled.cells.mgu import MGU
from unrolled.cells.mogrifier_lstm import MogrifierLSTM
from unrolled.cells.peephole_lstm import PeepholeLSTM
from unrolled.cells.ran import RAN
from unrolled.cells.scrn import SCRN
from unrolled.cells.ugrnn import UGRNN
from unrolled.engines.native import build

# Five steps in float64: some hundred roundings of 1e-16 each, of numbers of size 1 to 10.
EXACT = {"rtol": 1e-12, "atol": 1e-12}
B, T, I, H = 3, 5, 3, 5  # noqa: E741, the letters of the shape legend


def _run(step, x, state):
    """Every component after every step."""
    values = []
    for t in range(x.shape[1]):
        state = step(x[:, t], *state)
        values += state
    return values


def assert_same(cell, reference) -> None:
    """Equal states after every step, and gradients of the parameters, the input and the state."""
    x = torch.randn(B, T, cell.input_size, dtype=torch.float64, requires_grad=True)
    start = [torch.randn_like(s).requires_grad_() for s in cell.initial_state(B)]
    leaves, found = [x, *start, *cell.parameters()], []
    for step in (cell.step, reference):
        values = _run(step, x, tuple(start))
        every = torch.cat([v.flatten() for v in values])
        loss = (every * torch.cos(torch.arange(len(every)))).sum()
        found.append((values, torch.autograd.grad(loss, leaves)))
    torch.testing.assert_close(found[0], found[1], **EXACT)


def _package(kind, **options):
    """A cell of torchrecurrent in float64; its biases are buffers of zeros without `bias`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(torchrecurrent, kind)(I, H, **options).double()


def _four(cell, order=None):
    """The parameters of torch.nn's names, with the blocks of H rows in another order if given."""
    four = {name: getattr(cell, name) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    four = {name: p for name, p in four.items() if p is not None}
    if order is None:
        return four
    return {
        name: torch.cat([sign * p[k * H : (k + 1) * H] for sign, k in order])
        for name, p in four.items()
    }


def _gates(cell, x, h):
    """The pre-activations of every gate, block by block of rows."""
    four, gates = _four(cell), []
    for k in range(len(cell.gates)):
        block = {name: p[k * H : (k + 1) * H] for name, p in four.items()}
        gate = x @ block["weight_ih"].T + h @ block["weight_hh"].T
        gates.append(gate + block.get("bias_ih", 0) + block.get("bias_hh", 0))
    return gates


def _sigmoid(a):
    return 1 / (1 + torch.exp(-a))


@pytest.mark.parametrize("bias", [True, False])
def test_peephole_lstm_is_torchrecurrents(bias) -> None:
    cell = PeepholeLSTM(I, H, bias=bias).double()
    module = _package("PeepholeLSTMCell", bias=bias, recurrent_bias=bias)

    def step(x, h, c):
        peepholes = torch.cat([cell.weight_pi, cell.weight_pf, cell.weight_po])
        return functional_call(module, {**_four(cell), "weight_ph": peepholes}, (x, (h, c)))

    assert_same(cell, step)


def test_peephole_lstm_without_peepholes_is_torchs_lstm() -> None:
    cell, module = PeepholeLSTM(I, H).double(), nn.LSTMCell(I, H).double()
    with torch.no_grad():
        for peephole in (cell.weight_pi, cell.weight_pf, cell.weight_po):
            peephole.zero_()
    x, h, c = (torch.randn(B, n, dtype=torch.float64) for n in (I, H, H))
    module.load_state_dict(_four(cell))
    torch.testing.assert_close(cell(x, h, c), module(x, (h, c)), **EXACT)


def test_peephole_lstm_with_an_unsquashed_output_is_the_papers() -> None:
    """torchrecurrent squashes the output; Gers, Schraudolph and Schmidhuber do not."""
    cell = PeepholeLSTM(I, H, output="identity").double()

    def step(x, h, c):
        i, f, g, o = _gates(cell, x, h)
        new = c * _sigmoid(f + cell.weight_pf * c)
        new = new + torch.tanh(g) * _sigmoid(i + cell.weight_pi * c)
        return new * _sigmoid(o + cell.weight_po * new), new

    assert_same(cell, step)


# A forget gate whose rows are minus the input gate's is 1 - i, since 1 - sigmoid(a) = sigmoid(-a).
COUPLED = [(1, 0), (-1, 0), (1, 1), (1, 2)]


@pytest.mark.parametrize("bias", [True, False])
def test_coupled_lstm_is_torchs_with_tied_gates(bias) -> None:
    cell = CoupledLSTM(I, H, bias=bias).double()
    module = nn.LSTMCell(I, H, bias=bias).double()
    assert_same(cell, lambda x, h, c: functional_call(module, _four(cell, COUPLED), (x, (h, c))))


def test_coupled_lstm_with_peepholes_is_torchrecurrents_with_tied_gates() -> None:
    cell, module = CoupledLSTM(I, H, peepholes=True).double(), _package("PeepholeLSTMCell")

    def step(x, h, c):
        peepholes = torch.cat([cell.weight_pi, -cell.weight_pi, cell.weight_po])
        given = {**_four(cell, COUPLED), "weight_ph": peepholes}
        return functional_call(module, given, (x, (h, c)))

    assert_same(cell, step)


@pytest.mark.parametrize("bias", [True, False])
def test_mgu_is_torchrecurrents(bias) -> None:
    cell, module = (
        MGU(I, H, bias=bias).double(),
        _package("MGUCell", bias=bias, recurrent_bias=bias),
    )
    assert_same(cell, lambda x, h: (functional_call(module, _four(cell), (x, h)),))


@pytest.mark.parametrize("options", [{}, {"forget_bias": -0.4}, {"bias": False}])
def test_ugrnn_is_torchrecurrents(options) -> None:
    """torchrecurrent has no constant b_fg; it is added to the bias of the gate's rows here."""
    cell, module = UGRNN(I, H, **options).double(), _package("UGRNNCell", recurrent_bias=False)
    shift = torch.tensor([0.0] * H + [options.get("forget_bias", 1.0)] * H, dtype=torch.float64)

    def step(x, h):
        given = {"bias_hh": torch.zeros_like(shift), "bias_ih": 0, **_four(cell)}
        given["bias_ih"] = given["bias_ih"] + shift
        return (functional_call(module, given, (x, h)),)

    assert_same(cell, step)


def test_ugrnn_with_relu_is_the_papers() -> None:
    cell = UGRNN(I, H, nonlinearity="relu").double()

    def step(x, h):
        c, g = _gates(cell, x, h)
        g = _sigmoid(g + 1)
        return (c.clamp(min=0) + g * (h - c.clamp(min=0)),)

    assert_same(cell, step)


@pytest.mark.parametrize("options", [{}, {"beta": 0.3}, {"bias": False}, {"longest": 30}])
def test_janet_is_torchrecurrents(options) -> None:
    """torchrecurrent learns beta, and carries the memory twice; the paper fixes beta."""
    cell, bias = JANET(I, H, **options).double(), options.get("bias", True)
    module = _package("JANETCell", bias=bias, recurrent_bias=bias)
    beta = torch.tensor(options.get("beta", 1.0), dtype=torch.float64)

    def step(x, h):
        return functional_call(module, {**_four(cell), "beta": beta}, (x, (h, h)))[:1]

    assert_same(cell, step)


def test_janet_draws_its_forget_biases_by_chrono_initialisation() -> None:
    torch.manual_seed(3)
    cell = JANET(2, 1000, longest=101, dtype=torch.float64)
    bias_ih, bias_hh = (b for name, b in cell.named_parameters() if "bias" in name)
    assert not bias_hh.any()
    assert not bias_ih[1000:].any()
    paces = bias_ih[:1000].exp()
    assert paces.min() >= 1 - 1e-9
    assert paces.max() <= 100 + 1e-9
    # Uniform between 1 and 100: mean 50.5, standard error 99 / sqrt(12 * 1000) = 0.9.
    assert paces.mean().item() == pytest.approx(50.5, abs=4)


@pytest.mark.parametrize("bias", [True, False])
def test_ran_is_torchrecurrents(bias) -> None:
    cell = RAN(I, H, bias=bias).double()
    module = _package("RANCell", bias=bias, recurrent_bias=bias)

    def step(x, h, c):
        given = {**_four(cell), "weight_ih": torch.cat([cell.weight_ic, cell.weight_ih])}
        return functional_call(module, given, (x, (h, c)))

    assert_same(cell, step)


def test_ran_with_an_unsquashed_output_is_the_weighted_sum_of_its_contents() -> None:
    """In the paper: c(t) is the sum over j of i(j) f(j+1) ... f(t) content(j)."""
    cell = RAN(I, H, output="identity").double()
    x, (h, c) = torch.randn(B, T, I, dtype=torch.float64), cell.initial_state(B)
    kept = []
    for t in range(T):
        write, forget = (_sigmoid(a) for a in _gates(cell, x[:, t], h))
        kept = [weight * forget for weight in kept] + [write]
        h, c = cell.step(x[:, t], h, c)
        contents = [x[:, j] @ cell.weight_ic.T for j in range(t + 1)]
        expected = sum(weight * content for weight, content in zip(kept, contents, strict=True))
        torch.testing.assert_close(c, expected, **EXACT)
        torch.testing.assert_close(h, c, rtol=0, atol=0)


def test_ran_with_an_unsquashed_output_is_the_papers() -> None:
    cell = RAN(I, H, output="identity").double()

    def step(x, h, c):
        i, f = _gates(cell, x, h)
        new = c * _sigmoid(f) + (x @ cell.weight_ic.T) * _sigmoid(i)
        return new, new

    assert_same(cell, step)


SCRNS = [{}, {"alpha": 0.3}, {"adaptive": True}, {"bias": False}, {"adaptive": True, "bias": False}]


@pytest.mark.parametrize("options", SCRNS)
def test_scrn_is_the_papers(options) -> None:
    """torchrecurrent feeds back tanh(U h(t) + V s(t)) in place of h(t), and learns alpha."""
    cell = SCRN(I, H, context_size=4, **options).double()
    if cell.adaptive:
        nn.init.uniform_(cell.beta, -2, 2)

    def step(x, h, s):
        alpha = _sigmoid(cell.beta) if cell.adaptive else x.new_full((4,), cell.alpha)
        kept, taken = torch.diag(alpha), torch.diag(1 - alpha)
        s = s @ kept + x @ cell.weight_is.T @ taken
        drive = s @ cell.weight_sh.T + x @ cell.weight_ih.T + h @ cell.weight_hh.T
        return _sigmoid(drive + sum(p for name, p in _four(cell).items() if "bias" in name)), s

    assert_same(cell, step)


def test_scrn_learns_from_its_fixed_alpha_on() -> None:
    fixed, learned = SCRN(I, H, alpha=0.8).double(), SCRN(I, H, alpha=0.8, adaptive=True).double()
    learned.load_state_dict(fixed.state_dict(), strict=False)
    x, h, s = (torch.randn(B, n, dtype=torch.float64) for n in (I, H, 40))
    # The logarithm of alpha / (1 - alpha) is stored in float32.
    torch.testing.assert_close(fixed.step(x, h, s), learned.step(x, h, s), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("options", [{"rounds": 0}, {}, {"rounds": 2, "bias": False}])
def test_mogrifier_lstm_is_torchs_lstm_of_what_the_rounds_make(options) -> None:
    cell = MogrifierLSTM(I, H, **options).double()
    module = nn.LSTMCell(I, H, bias=options.get("bias", True)).double()

    def step(x, h, c):
        last = x, h
        if cell.rounds:
            x = x * (2 * _sigmoid(h @ cell.weight_q1.T))
            h = h * (2 * _sigmoid(x @ cell.weight_r2.T))
            last = x, h
        if cell.rounds == 5:
            x = x * (2 * _sigmoid(h @ cell.weight_q3.T))
            h = h * (2 * _sigmoid(x @ cell.weight_r4.T))
            last = x * (2 * _sigmoid(h @ cell.weight_q5.T)), h
        return functional_call(module, _four(cell), (last[0], (last[1], c)))

    assert_same(cell, step)


def test_mogrifier_lstm_of_low_rank_is_that_of_the_products() -> None:
    narrow = MogrifierLSTM(I, H, rounds=3, rank=2).double()
    full = MogrifierLSTM(I, H, rounds=3).double()
    assert narrow.weight_q1_left.shape == (I, 2)
    assert narrow.weight_r2_right.shape == (2, I)

    def step(x, h, c):
        given = _four(narrow)
        for name in ("weight_q1", "weight_r2", "weight_q3"):
            left, right = (getattr(narrow, f"{name}_{part}") for part in ("left", "right"))
            given[name] = left @ right
        return functional_call(full, given, (x, h, c))

    assert_same(narrow, step)


EVERY = {
    "PeepholeLSTM": lambda: PeepholeLSTM(I, H),
    "PeepholeLSTM identity": lambda: PeepholeLSTM(I, H, output="identity", bias=False),
    "CoupledLSTM": lambda: CoupledLSTM(I, H),
    "CoupledLSTM peepholes": lambda: CoupledLSTM(I, H, bias=False, peepholes=True),
    "MGU": lambda: MGU(I, H),
    "MGU no bias": lambda: MGU(I, H, bias=False),
    "UGRNN": lambda: UGRNN(I, H),
    "UGRNN relu": lambda: UGRNN(I, H, bias=False, nonlinearity="relu"),
    "JANET": lambda: JANET(I, H),
    "JANET no bias": lambda: JANET(I, H, beta=0.5, bias=False),
    "RAN": lambda: RAN(I, H),
    "RAN identity": lambda: RAN(I, H, bias=False, output="identity"),
    "SCRN": lambda: SCRN(I, H),
    "SCRN adaptive": lambda: SCRN(I, H, bias=False, context_size=4, adaptive=True),
    "MogrifierLSTM": lambda: MogrifierLSTM(I, H),
    "MogrifierLSTM rank": lambda: MogrifierLSTM(I, H, bias=False, rounds=2, rank=2),
}


@pytest.mark.skipif(build.compiler() is None, reason="there is no C++ compiler")
@pytest.mark.parametrize("name", EVERY)
def test_native_gives_what_the_definition_gives(name) -> None:
    cell = EVERY[name]().double()
    x = torch.randn(4, 7, I, dtype=torch.float64)
    state = tuple(torch.randn_like(s) for s in cell.initial_state(4))
    assert_alike(cell, x, state, lengths=[7, 1, 4, 6], engine="native")


@pytest.mark.parametrize("name", EVERY)
def test_the_graph_of_a_step_has_its_states(name) -> None:
    cell = EVERY[name]()
    graph = ur.graph(cell)
    assert list(graph.outputs) == list(cell.state_sizes)
    assert {node.name for node in graph.inputs} == {"x", *cell.state_sizes}


@pytest.mark.parametrize("name", EVERY)
def test_the_same_seed_draws_the_same_parameters(name) -> None:
    torch.manual_seed(3)
    cell = EVERY[name]()
    before = {key: p.detach().clone() for key, p in cell.named_parameters()}
    torch.manual_seed(3)
    cell.reset_parameters()
    for key, parameter in cell.named_parameters():
        torch.testing.assert_close(parameter, before[key], rtol=0, atol=0)
        assert "weight" not in key or parameter.abs().max() <= 1 / math.sqrt(H)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PeepholeLSTM(3, 4, output="tan"), ["output", "did you mean 'tanh'"]),
        (lambda: PeepholeLSTM(3, 0), ["from 1", "got 0"]),
        (lambda: CoupledLSTM(3, 0), ["from 1", "got 0"]),
        (lambda: MGU(-1, 4), ["input_size", "got -1"]),
        (lambda: UGRNN(3, 4, nonlinearity="rely"), ["nonlinearity", "did you mean 'relu'"]),
        (lambda: JANET(3, 4, longest=1), ["longest", "from 2", "got 1"]),
        (lambda: JANET(3, 4, bias=False, longest=9), ["longest", "bias=True"]),
        (lambda: RAN(3, 4, output="id"), ["output", "'id'", "identity"]),
        (lambda: SCRN(3, 4, context_size=0), ["context_size", "got 0"]),
        (lambda: SCRN(3, 4, alpha=1.0), ["alpha", "between 0 and 1", "got 1.0"]),
        (lambda: MogrifierLSTM(0, 4), ["input_size", "got 0"]),
        (lambda: MogrifierLSTM(3, 4, rounds=-1), ["rounds", "from 0", "got -1"]),
        (lambda: MogrifierLSTM(3, 4, rank=0), ["rank", "from 1", "got 0"]),
    ],
)
def test_bad_arguments_are_named(make, words) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011, the words are what is tested
        make()
    assert all(word in str(raised.value) for word in words), raised.value
