"""Recurrences made for parallel training, and sLSTM, against packages or the papers' equations."""

import math

import pytest
import torch
from minGRU_pytorch.minGRU import minGRU
from minGRU_pytorch.minLSTM import minLSTM
from torch.func import functional_call
from torch.nn import functional as F
from xlstm.blocks.slstm.src.vanilla import slstm_forward
from xlstm.blocks.slstm.src.vanilla.slstm import slstm_forward_pointwise

import unrolled as ur
from engines.agreement import assert_alike
from unrolled.cells.lru import LRU
from unrolled.cells.min_gru import MinGRU
from unrolled.cells.min_lstm import MinLSTM
from unrolled.cells.qrnn import QRNN
from unrolled.cells.slstm import SLSTM
from unrolled.cells.sru import SRU
from unrolled.engines.native import build

# Six steps in float64: some hundred roundings of 1e-16 each, of numbers of size 1 to 10.
EXACT = {"rtol": 1e-12, "atol": 1e-12}
B, T, I, H = 3, 6, 3, 5  # noqa: E741, the letters of the shape legend


def _start(cell, batch=B):
    """A state away from zero; all positive, as a normaliser and a hidden state of g are."""
    sizes = cell.state_sizes.values()
    return tuple(torch.rand(batch, size, dtype=torch.float64) + 0.1 for size in sizes)


def assert_same(cell, reference, start=None) -> None:
    """States after every step, and gradients of parameters, input and state, are the reference's.

    `reference(x, *start)` gives components by name, each [B, T, size], computed from the cell's
    own parameters. A start that is given is taken as it is, without gradients.
    """
    cell = cell.double()
    x = torch.randn(B, T, cell.input_size, dtype=torch.float64, requires_grad=True)
    state = start or [s.requires_grad_() for s in _start(cell)]
    expected = reference(x, *state)
    found = ur.unroll(cell, x, state=state, engine="eager").states
    leaves, gradients = [x, *([] if start else state), *cell.parameters()], []
    for values in (expected, found):
        every = torch.cat([values[name].flatten() for name in expected])
        loss = (every * torch.cos(torch.arange(len(every)))).sum()
        gradients.append(torch.autograd.grad(loss, leaves, materialize_grads=True))
    torch.testing.assert_close({name: found[name] for name in expected}, expected, **EXACT)
    torch.testing.assert_close(gradients[1], gradients[0], **EXACT)
    assert all(gradient.any() for gradient in gradients[1][-len(list(cell.parameters())) :])


def _sigmoid(a):
    return 1 / (1 + torch.exp(-a))


def _pre_activations(cell, x):
    """U x(t) + b of every gate, each [B, T, H]."""
    drive = torch.einsum("oi,bti->bto", cell.weight_ih, x)
    return (drive if cell.bias_ih is None else drive + cell.bias_ih).split(cell.hidden_size, -1)


def _stacked(rows):
    return torch.stack(list(rows), dim=1)


@pytest.mark.parametrize(
    ("inputs", "options", "alpha"),
    [
        (I, {}, math.sqrt(3)),
        (H, {}, math.sqrt(3)),
        (I, {"bias": False, "alpha": 1.0}, 1),
        (H, {"highway_bias": -2.0}, math.sqrt(1 + 2 * math.exp(-2))),
        (H, {"highway_bias": -2.0, "alpha": 0.0}, 0),
    ],
)
def test_sru_is_the_papers_equations(inputs, options, alpha) -> None:
    cell = SRU(inputs, H, **options)

    def reference(x, _, c):
        w, w_f, w_r = cell.weight_ih.chunk(3)
        v_f, v_r = cell.weight_c.chunk(2)
        b_f, b_r = (0, 0) if cell.bias_ih is None else cell.bias_ih.chunk(2)
        # The authors' code scales the start of P by alpha in place of P x; here alpha scales both.
        skip = x if inputs == H else x @ cell.weight_skip.T
        hs, cs = [], []
        for t in range(T):
            f = _sigmoid(x[:, t] @ w_f.T + v_f * c + b_f)
            r = _sigmoid(x[:, t] @ w_r.T + v_r * c + b_r)
            c = f * c + x[:, t] @ w.T - f * (x[:, t] @ w.T)
            hs.append(r * c + alpha * skip[:, t] - r * skip[:, t] * alpha)
            cs.append(c)
        return {"h": _stacked(hs), "c": _stacked(cs)}

    assert_same(cell, reference)


def test_sru_starts_as_the_authors_code_does() -> None:
    cell = SRU(200, 300, highway_bias=-1.0)
    assert cell.bias_ih[:300].eq(0).all()
    assert cell.bias_ih[300:].eq(-1).all()
    # alpha: r^2 + (1 - r)^2 alpha^2 = 1, what c and x give to the variance of h.
    r = 1 / (1 + math.e)
    assert r**2 + ((1 - r) * cell.alpha) ** 2 == pytest.approx(1)
    # Variances of 60,000 numbers or 600, within four standard deviations or more.
    new, gates = cell.weight_ih.split([300, 600])
    assert new.var().item() == pytest.approx(1 / 200, rel=0.02)
    assert gates.var().item() == pytest.approx(1 / 400, rel=0.02)
    assert cell.weight_skip.var().item() == pytest.approx(1 / 200, rel=0.02)
    assert cell.weight_c.var().item() == pytest.approx(1 / 2, rel=0.2)


@pytest.mark.parametrize("window", [1, 2])
@pytest.mark.parametrize(("pooling", "bias"), [("f", True), ("fo", True), ("ifo", False)])
def test_qrnn_is_a_convolution_and_a_pooling(pooling, window, bias) -> None:
    cell = QRNN(I, H, bias=bias, pooling=pooling, window=window)

    def reference(x, *state):
        before = dict(zip(cell.state_sizes, state, strict=True))
        padded, kernel = x, cell.weight_ih[:, :, None]
        if window == 2:
            padded = torch.cat([before["previous"][:, None], x], dim=1)
            kernel = torch.stack([cell.weight_previous, cell.weight_ih], dim=2)
        convolved = F.conv1d(padded.transpose(1, 2), kernel, cell.bias_ih).transpose(1, 2)
        z, *gates = convolved.split(H, dim=2)
        f, o, i = [*map(_sigmoid, gates), 1, 1][:3]
        i = i if pooling == "ifo" else 1 - f
        # f-pooling keeps h itself, the others c.
        memory, memories = before["h" if pooling == "f" else "c"], []
        for t in range(T):
            memory = f[:, t] * memory + (i * torch.tanh(z))[:, t]
            memories.append(memory)
        memories = _stacked(memories)
        found = {"h": memories} if pooling == "f" else {"h": o * memories, "c": memories}
        return {**found, "previous": x} if window == 2 else found

    assert_same(cell, reference)


# --- minGRU and minLSTM ------------------------------------------------------------------------

# The layers of the package give 5/3 of their inputs here; the projection back is left out.
WIDER = {"expansion_factor": H / I, "proj_out": False}


def _in_one_go(module, weights, x, h):
    """The package's parallel form, on logarithms."""
    return functional_call(module, weights, (x,), {"prev_hidden": h})


def _one_by_one(module, weights, x, h):
    """The package's sequential form."""
    hs = []
    for t in range(T):
        h = functional_call(module, weights, (x[:, t : t + 1],), {"prev_hidden": h})
        hs.append(h)
    return torch.cat(hs, dim=1)


@pytest.mark.parametrize("form", [_in_one_go, _one_by_one])
def test_min_gru_is_the_packages(form) -> None:
    cell, module = MinGRU(I, H, bias=False, candidate="positive"), minGRU(I, **WIDER).double()

    def reference(x, h):
        update, new = cell.weight_ih.chunk(2)
        weights = {"to_hidden_and_gate.weight": torch.cat([new, update])}
        return {"h": form(module, weights, x, h[:, None])}

    assert_same(cell, reference)


# The package's parallel form starts from g(h) where its sequential form and the paper's
# recurrence start from h; without an h it starts from zero, as they do.
@pytest.mark.parametrize("form", [_in_one_go, _one_by_one])
def test_min_lstm_is_the_packages(form) -> None:
    cell, module = MinLSTM(I, H, bias=False, candidate="positive"), minLSTM(I, **WIDER).double()

    def reference(x, h):
        forget, write, new = cell.weight_ih.chunk(3)
        weights = {"to_hidden_and_f_i_gate.weight": torch.cat([new, forget, write])}
        return {"h": form(module, weights, x, None if form is _in_one_go else h[:, None])}

    zero = (torch.zeros(B, H, dtype=torch.float64),)
    assert_same(cell, reference, start=zero if form is _in_one_go else None)


def _solved(decay, drive, h):
    """h(t) = decay(t) h(t-1) + drive(t), each [B, T, H], in closed form."""
    product = decay.cumprod(dim=1)
    return product * (h[:, None] + (drive / product).cumsum(dim=1))


def _g(candidate, a):
    return a if candidate == "linear" else torch.maximum(a + 0.5, _sigmoid(a.minimum(a * 0)))


@pytest.mark.parametrize(("candidate", "bias"), [("linear", True), ("positive", True)])
def test_min_gru_is_the_papers_equations(candidate, bias) -> None:
    cell = MinGRU(I, H, bias=bias, candidate=candidate)

    def reference(x, h):
        z, n = _pre_activations(cell, x)
        return {"h": _solved(1 - _sigmoid(z), _sigmoid(z) * _g(candidate, n), h)}

    assert_same(cell, reference)


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize(("candidate", "bias"), [("linear", False), ("positive", True)])
def test_min_lstm_is_the_papers_equations(candidate, bias, normalised) -> None:
    cell = MinLSTM(I, H, bias=bias, candidate=candidate, normalised=normalised)

    def reference(x, h):
        f, i, n = _pre_activations(cell, x)
        f, i = _sigmoid(f), _sigmoid(i)
        total = f + i if normalised else 1
        return {"h": _solved(f / total, i / total * _g(candidate, n), h)}

    assert_same(cell, reference)


def test_min_lstm_is_finite_where_both_gates_underflow() -> None:
    cell = MinLSTM(1, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        cell.weight_ih.copy_(torch.tensor([[-1.0], [-1.0], [0.001]], dtype=torch.float64))
    x = torch.full((1, 1), 2000.0, dtype=torch.float64, requires_grad=True)
    # sigmoid(-2000) is 0, and equal gates halve the way between 1 and the candidate 2.
    (h,) = cell.step(x, torch.ones(1, 1, dtype=torch.float64))
    assert h.item() == pytest.approx(1.5, abs=1e-12)
    assert torch.autograd.grad(h, [x, cell.weight_ih])[1].isfinite().all()


def _biases(cell):
    size = 4 * cell.hidden_size
    return torch.zeros(size).double() if cell.bias_ih is None else cell.bias_ih + cell.bias_hh


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize(
    ("hidden", "options"), [(H, {}), (H, {"bias": False}), (6, {"num_heads": 3})]
)
def test_slstm_is_the_authors(hidden, options, fresh) -> None:
    cell = SLSTM(I, hidden, **options).double()
    heads, size = cell.num_heads, hidden // cell.num_heads

    def reference(x, *state):
        # From a fresh state, which is all zeros there, the authors' code sets m(1) = log i(1).
        states = torch.stack([torch.zeros_like(s) for s in state] if fresh else state)
        recurrent = cell.weight_hh.view(4, heads, size, size).transpose(0, 1)
        drive = torch.einsum("oi,bti->tbo", cell.weight_ih, x)
        every, _, _ = slstm_forward(
            drive,
            states,
            recurrent.reshape(heads, 4 * size, size),
            _biases(cell),
            slstm_forward_pointwise,
        )
        names = ("h", "c", "n", "m")
        return {name: every[k, 1:].transpose(0, 1) for k, name in enumerate(names)}

    assert_same(cell, reference, start=cell.initial_state(B) if fresh else None)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("forget_gate", ["sigmoid", "exponential"])
def test_slstm_is_the_papers_equations_without_a_stabiliser(forget_gate, heads) -> None:
    """Equations 8 to 14; c and n are then those of the cell times exp(m)."""
    cell = SLSTM(I, 6, forget_gate=forget_gate, num_heads=heads)
    size = 6 // heads

    def reference(x, h, c, n, m):
        c, n, hs, ms = c * torch.exp(m), n * torch.exp(m), [], []
        cs, ns = [], []
        for t in range(T):
            recurrent = [
                h[:, k * size : (k + 1) * size] @ cell.weight_hh[g * 6 :][k * size :][:size].T
                for g in range(4)
                for k in range(heads)
            ]
            gates = x[:, t] @ cell.weight_ih.T + torch.cat(recurrent, dim=1) + _biases(cell)
            i, f, z, o = gates[:, :6], gates[:, 6:12], gates[:, 12:18], gates[:, 18:]
            f = torch.exp(f) if forget_gate == "exponential" else _sigmoid(f)
            c = f * c + torch.exp(i) * torch.tanh(z)
            n = f * n + torch.exp(i)
            h = _sigmoid(o) * (c / n)
            m = torch.log(torch.maximum(f * torch.exp(m), torch.exp(i)))
            hs, ms = [*hs, h], [*ms, m]
            cs, ns = [*cs, c / torch.exp(m)], [*ns, n / torch.exp(m)]
        return {"h": _stacked(hs), "c": _stacked(cs), "n": _stacked(ns), "m": _stacked(ms)}

    assert_same(cell, reference)


@pytest.mark.parametrize("forget_gate", ["sigmoid", "exponential"])
def test_slstm_does_not_overflow(forget_gate) -> None:
    cell = SLSTM(1, 1, bias=False, forget_gate=forget_gate)
    with torch.no_grad():
        cell.weight_hh.zero_()
        cell.weight_ih.copy_(torch.tensor([[1.0], [-1.0], [0.001], [0.0]]))
    # exp(20000) overflows every type. The last of the largest input gates decides alone, and the
    # candidates are tanh(-30) to tanh(20): h = sign(z) / 2.
    x = torch.tensor([[[-30000.0], [20000.0], [-30000.0]]], requires_grad=True)
    run = ur.unroll(cell, x, engine="eager")
    assert run.outputs.flatten().tolist() == [-0.5, 0.5, 0.5]
    assert torch.autograd.grad(run.outputs.sum(), x)[0].isfinite().all()
    assert (run.states["n"] >= 1).all()


@pytest.mark.parametrize("options", [{}, {"output_size": 2, "bias": True}])
def test_lru_is_the_papers_equations(options) -> None:
    cell = LRU(I, H, **options).double()
    if cell.bias:
        torch.nn.init.normal_(cell.bias_y)

    def reference(x, _, real, imaginary):
        diagonal = torch.exp(torch.complex(-torch.exp(cell.nu_log), torch.exp(cell.theta_log)))
        b = torch.complex(cell.weight_ih_real, cell.weight_ih_imaginary)
        c = torch.complex(cell.weight_hy_real, cell.weight_hy_imaginary)
        drive = torch.exp(cell.gamma_log) * (x.to(b.dtype) @ b.T)
        start = torch.complex(real, imaginary)
        # The recurrence solved: s(t) is a sum over all inputs up to t.
        states = _stacked(
            diagonal ** (t + 1) * start
            + sum(diagonal ** (t - k) * drive[:, k] for k in range(t + 1))
            for t in range(T)
        )
        y = (states @ c.T).real + x @ cell.weight_iy.T + (cell.bias_y if cell.bias else 0)
        return {"y": y, "real": states.real, "imaginary": states.imag}

    assert_same(cell, reference)


def test_lru_starts_in_the_ring() -> None:
    """|lambda|^2 and the angle are uniform, and white noise gives states of its own variance."""
    cell = LRU(4, 4000, output_size=1, r_min=0.4, r_max=0.9, max_phase=1.0, dtype=torch.float64)
    squared = torch.exp(-2 * torch.exp(cell.nu_log)).sort().values
    angle = torch.exp(cell.theta_log).sort().values
    quantiles = (torch.arange(4000) + 0.5) / 4000
    # Kolmogorov and Smirnov's distance: beyond 2 / sqrt(4000) once in 1500 draws.
    assert ((squared - 0.16) / 0.65 - quantiles).abs().max() < 2 / math.sqrt(4000)
    assert (angle - quantiles).abs().max() < 2 / math.sqrt(4000)
    squared = torch.exp(-2 * torch.exp(cell.nu_log))
    torch.testing.assert_close(torch.exp(2 * cell.gamma_log), 1 - squared, **EXACT)
    # Without a ring, |lambda| stays below 1 and every parameter finite.
    assert all(p.isfinite().all() for p in LRU(4, 4000, output_size=1).parameters())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SRU(3, 0), ["hidden_size", "got 0"]),
        (lambda: SRU(3, 4, bias=False, highway_bias=-1.0), ["highway_bias", "bias=True", "-1.0"]),
        (lambda: QRNN(3, 4, pooling="of"), ["pooling", "'of'", "fo"]),
        (lambda: QRNN(3, 4, window=3), ["window", "1 or 2", "got 3"]),
        (lambda: QRNN(3, 0), ["hidden_size", "got 0"]),
        (lambda: MinGRU(3, 4, candidate="linaer"), ["candidate", "did you mean 'linear'"]),
        (lambda: MinGRU(3, 0), ["hidden_size", "got 0"]),
        (lambda: MinLSTM(3, 4, candidate="tanh"), ["candidate", "'tanh'", "positive"]),
        (lambda: MinLSTM(-1, 4), ["input_size", "-1"]),
        (lambda: SLSTM(3, 4, forget_gate="exp"), ["forget_gate", "'exp'", "exponential"]),
        (lambda: SLSTM(3, 4, num_heads=3), ["num_heads", "divide hidden_size 4", "got 3"]),
        (lambda: SLSTM(3, 4, num_heads=0), ["num_heads", "from 1", "got 0"]),
        (lambda: LRU(3, 4, r_min=0.9, r_max=0.5), ["r_min", "r_max", "0.9, 0.5"]),
        (lambda: LRU(3, 4, max_phase=0.0), ["max_phase", "2 pi", "0.0"]),
        (lambda: LRU(3, 4, output_size=0), ["output_size", "got 0"]),
    ],
)
def test_bad_arguments_are_named(make, words) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011, the words are what is tested
        make()
    assert all(word in str(raised.value) for word in words), raised.value


CELLS = {
    "sru": lambda: SRU(I, H),
    "sru of equal sizes": lambda: SRU(H, H, bias=False),
    "qrnn": lambda: QRNN(I, H),
    "qrnn f": lambda: QRNN(I, H, pooling="f", window=1),
    "qrnn ifo": lambda: QRNN(I, H, pooling="ifo", bias=False),
    "min_gru": lambda: MinGRU(I, H),
    "min_gru positive": lambda: MinGRU(I, H, candidate="positive", bias=False),
    "min_lstm": lambda: MinLSTM(I, H),
    "min_lstm not normalised": lambda: MinLSTM(I, H, normalised=False, candidate="positive"),
    "slstm": lambda: SLSTM(I, H),
    "slstm exponential, heads": lambda: SLSTM(I, 6, forget_gate="exponential", num_heads=2),
    "lru": lambda: LRU(I, H, output_size=4),
}


@pytest.mark.parametrize("name", CELLS)
def test_graph_has_the_cells_states(name) -> None:
    cell = CELLS[name]()
    assert list(ur.graph(cell).outputs) == list(cell.state_sizes)


@pytest.mark.skipif(build.compiler() is None, reason="there is no C++ compiler")
@pytest.mark.parametrize("name", CELLS)
def test_native_is_eager(name) -> None:
    cell = CELLS[name]().double()
    x = torch.randn(4, 7, cell.input_size, dtype=torch.float64)
    assert_alike(cell, x, _start(cell, 4), lengths=[7, 1, 4, 6], engine="native")


@pytest.mark.skipif(build.compiler() is None, reason="there is no C++ compiler")
def test_native_slstm_starts_as_eager_does() -> None:
    cell = SLSTM(I, H).double()
    x = torch.randn(4, 7, I, dtype=torch.float64)
    assert_alike(cell, x, cell.initial_state(4), lengths=[7, 1, 4, 6], engine="native")
