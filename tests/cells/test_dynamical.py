"""Cells that discretise a differential equation, and reservoirs: against torchrecurrent, ncps and
reservoirpy, or the papers' equations written out."""

import math
import warnings

import numpy as np
import pytest
import torch
import torchrecurrent
from ncps.torch import CfCCell
from reservoirpy.nodes import Reservoir
from torch.func import functional_call

import unrolled as ur
from engines.agreement import assert_alike
from unrolled.cells.antisymmetric_rnn import AntisymmetricRNN
from unrolled.cells.cfc import CfC
from unrolled.cells.cornn import CoRNN
from unrolled.cells.echo_state import EchoState
from unrolled.cells.indrnn import IndRNN
from unrolled.cells.leaky import Leaky
from unrolled.cells.lem import LEM
from unrolled.cells.ltc import LTC
from unrolled.engines.native import build

# Five steps in float64: some hundred roundings of 1e-16 each, of numbers of size 1 to 10.
EXACT = {"rtol": 1e-12, "atol": 1e-12}
B, T, I, H = 3, 5, 3, 5  # noqa: E741, the letters of the shape legend


def _arguments(cell, batch=B, time=T):
    """Inputs, whose last feature is positive as a time is, and a state away from zero."""
    x = torch.randn(batch, time, cell.input_size, dtype=torch.float64)
    x[..., -1] = x[..., -1].abs() + 0.1
    sizes = cell.state_sizes.values()
    return x, tuple(torch.randn(batch, size, dtype=torch.float64) for size in sizes)


def _states(step, x, state):
    """Every component after every step."""
    values = []
    for t in range(x.shape[1]):
        state = step(x[:, t], *state)
        values += state
    return values


def assert_same(cell, reference) -> None:
    """Equal states after every step, and gradients of the parameters, the input and the state."""
    x, start = _arguments(cell)
    leaves = [x, *start, *cell.parameters()]
    for leaf in leaves:
        leaf.requires_grad_()
    found = []
    for step in (cell.step, reference):
        values = _states(step, x, start)
        every = torch.cat([value.flatten() for value in values])
        loss = (every * torch.cos(torch.arange(len(every)))).sum()
        found.append((values, torch.autograd.grad(loss, leaves)))
    torch.testing.assert_close(found[0], found[1], **EXACT)


def _package(kind, *flags, **options):
    """A cell of torchrecurrent in float64; the biases that `flags` name are buffers of zeros."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = getattr(torchrecurrent, kind)(I, H, **dict.fromkeys(flags, False), **options)
    return made.double()


def _given(cell, *names):
    """Those of the parameters that the cell has."""
    return {n: getattr(cell, n) for n in names if getattr(cell, n, None) is not None}


FOUR = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def _sigmoid(a):
    return 1 / (1 + torch.exp(-a))


def _bias(cell, *names):
    return sum(_given(cell, *names).values())


@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
@pytest.mark.parametrize("bias", [True, False])
def test_indrnn_is_torchrecurrents(nonlinearity, bias) -> None:
    cell = IndRNN(I, H, bias=bias, nonlinearity=nonlinearity).double()
    absent = ["recurrent_bias"] + ([] if bias else ["bias"])
    module = _package("IndRNNCell", *absent, nonlinearity=nonlinearity)

    def step(x, h):
        given = {**_given(cell, "weight_ih", "bias_ih"), "vector_u": cell.weight_hh}
        return (functional_call(module, given, (x, h)),)

    assert_same(cell, step)


def test_indrnn_draws_memories_of_every_length() -> None:
    cell = IndRNN(2, 1000, dtype=torch.float64)
    assert cell.weight_hh.shape == (1000,)
    assert 0 <= cell.weight_hh.min() < 0.01
    assert 0.99 < cell.weight_hh.max() <= 1
    # Uniform between 0 and 1: standard error 1 / sqrt(12 * 1000) = 0.009.
    assert cell.weight_hh.mean().item() == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("options", [{}, {"epsilon": 0.7, "gamma": 0.0}])
@pytest.mark.parametrize("bias", [True, False])
def test_antisymmetric_rnn_is_torchrecurrents(options, bias) -> None:
    cell = AntisymmetricRNN(I, H, bias=bias, **options).double()
    absent = [] if bias else ["bias", "recurrent_bias"]
    numbers = {"epsilon": cell.epsilon, "gamma": cell.gamma}
    module = _package("AntisymmetricRNNCell", *absent, **numbers)
    assert_same(cell, lambda x, h: (functional_call(module, _given(cell, *FOUR), (x, h)),))


@pytest.mark.parametrize("options", [{}, {"epsilon": 0.7, "gamma": 0.4}])
@pytest.mark.parametrize("bias", [True, False])
def test_gated_antisymmetric_rnn_is_torchrecurrents(options, bias) -> None:
    """torchrecurrent adds bias_hh to the candidate only; here the gate shares it."""
    cell = AntisymmetricRNN(I, H, bias=bias, gated=True, **options).double()
    absent = [] if bias else ["bias", "recurrent_bias"]
    numbers = {"epsilon": cell.epsilon, "gamma": cell.gamma}
    module = _package("GatedAntisymmetricRNNCell", *absent, **numbers)

    def step(x, h):
        given = {**_given(cell, *FOUR), "weight_ih": torch.cat([cell.weight_iz, cell.weight_ih])}
        if bias:
            given["bias_ih"] = torch.cat([cell.bias_iz + cell.bias_hh, cell.bias_ih])
        return (functional_call(module, given, (x, h)),)

    assert_same(cell, step)


@pytest.mark.parametrize("options", [{}, {"dt": 0.5, "gamma": 1.3, "epsilon": 0.4}])
@pytest.mark.parametrize("bias", [True, False])
def test_cornn_is_torchrecurrents(options, bias) -> None:
    cell = CoRNN(I, H, bias=bias, **options).double()
    absent = ["cell_bias"] + ([] if bias else ["bias", "recurrent_bias"])
    numbers = {"dt": cell.dt, "gamma": cell.gamma, "epsilon": cell.epsilon}
    module = _package("coRNNCell", *absent, **numbers)

    def step(x, y, z):
        given = {**_given(cell, *FOUR), "weight_ch": cell.weight_zh}
        return functional_call(module, given, (x, (y, z)))

    assert_same(cell, step)


@pytest.mark.parametrize("bias", [True, False])
def test_cornn_with_implicit_damping_solves_the_papers_equation(bias) -> None:
    """The new z on both sides: solved here as a linear system, which is diagonal."""
    cell = CoRNN(I, H, bias=bias, dt=0.3, gamma=1.3, epsilon=0.8, damping="implicit").double()

    def step(x, y, z):
        read, weights = torch.cat([x, y, z], 1), (cell.weight_ih, cell.weight_hh, cell.weight_zh)
        a = read @ torch.cat(weights, 1).T + _bias(cell, "bias_ih", "bias_hh")
        known = z + 0.3 * torch.tanh(a) - 0.3 * 1.3 * y
        z = torch.linalg.solve((1 + 0.3 * 0.8) * torch.eye(H, dtype=torch.float64), known.T).T
        return y + 0.3 * z, z

    assert_same(cell, step)


@pytest.mark.parametrize("options", [{}, {"dt": 0.3}, {"bias": False}])
def test_lem_is_the_papers(options) -> None:
    """In torchrecurrent the new y reads the old z; in the paper, and by its authors, the new."""
    cell, dt = LEM(I, H, **options).double(), options.get("dt", 1.0)

    def step(x, y, z):
        def affine(k, state):
            rows = slice(k * H, (k + 1) * H)
            given = {n: p[rows] for n, p in _given(cell, *FOUR).items()}
            products = x @ given["weight_ih"].T + state @ given["weight_hh"].T
            return products + given.get("bias_ih", 0) + given.get("bias_hh", 0)

        steps_z, steps_y = dt * _sigmoid(affine(0, y)), dt * _sigmoid(affine(1, y))
        z = z + steps_z * (torch.tanh(affine(2, y)) - z)
        return y + steps_y * (torch.tanh(affine(3, z)) - y), z

    assert_same(cell, step)


LEAKIES = [
    {},
    {"leak": 0.3, "nonlinearity": "relu", "bias": False},
    {"leak": 0.2, "elapsed": 2.5},
    {"leak": 0.3, "elapsed": "input"},
]


@pytest.mark.parametrize("options", LEAKIES)
def test_leaky_is_an_euler_step_of_its_equation(options) -> None:
    cell = Leaky(I, H, **options).double()
    functions = {"tanh": torch.tanh, "relu": lambda a: a.clamp(min=0)}
    rate, function = options.get("leak", 0.1), functions[options.get("nonlinearity", "tanh")]

    def step(x, h):
        dt = options.get("elapsed", 1.0)
        if dt == "input":
            *features, dt = x.split(1, dim=1)
            x = torch.cat(features, 1)
        a = x @ cell.weight_ih.T + h @ cell.weight_hh.T + _bias(cell, "bias_ih", "bias_hh")
        slope = rate * (function(a) - h)  # dh/dt
        return (h + dt * slope,)

    assert_same(cell, step)


@pytest.mark.parametrize("options", [{}, {"leak": 0.3, "density": 0.6}, {"bias": False}])
def test_echo_state_is_reservoirpys(options) -> None:
    cell = EchoState(I, 17, **options).double()
    x, (start,) = _arguments(cell)
    bias = torch.zeros(17) if cell.bias_ih is None else cell.bias_ih
    weights = {"W": cell.weight_hh, "Win": cell.weight_ih, "bias": bias}
    weights = {name: tensor.numpy() for name, tensor in weights.items()}
    run = ur.unroll(cell, x, (start,), engine="eager")
    for sample in range(B):
        node = Reservoir(lr=cell.leak, activation="tanh", **weights)
        node.initialize(x[sample].numpy())
        node.state = {"out": start[sample].numpy()}
        expected = torch.from_numpy(node.run(x[sample].numpy()))
        torch.testing.assert_close(run.outputs[sample], expected, **EXACT)


def test_gradients_pass_through_a_reservoir() -> None:
    cell = EchoState(I, H, leak=0.3).double()
    assert not list(cell.parameters())

    def step(x, h):
        both = torch.cat([torch.ones(len(x), 1), x, h], 1)  # the guide's [1; u(n)] and x(n-1)
        weights = torch.cat([cell.bias_ih[:, None], cell.weight_ih, cell.weight_hh], 1)
        return (0.7 * h + 0.3 * torch.tanh(both @ weights.T),)

    assert_same(cell, step)


def test_a_reservoir_is_drawn_as_asked() -> None:
    def make():
        torch.manual_seed(7)
        options = {"input_scaling": 0.2, "bias_scaling": 0.5, "density": 0.1}
        return EchoState(2, 200, spectral_radius=1.25, dtype=torch.float64, **options)

    cell, again = make(), make()
    for name, buffer in cell.named_buffers():
        torch.testing.assert_close(buffer, again.get_buffer(name), rtol=0, atol=0)
    radius = np.abs(np.linalg.eigvals(cell.weight_hh.numpy())).max()
    assert radius == pytest.approx(1.25, rel=1e-9)
    # 40,000 entries that are there with probability 0.1: standard error 0.0015.
    assert (cell.weight_hh != 0).double().mean().item() == pytest.approx(0.1, abs=0.01)
    assert 0.19 < cell.weight_ih.abs().max() <= 0.2
    assert 0.45 < cell.bias_ih.abs().max() <= 0.5
    before = cell.weight_hh.clone()
    cell.reset_parameters()
    assert not torch.equal(cell.weight_hh, before)
    # Ten connections in a row of a large reservoir, all of them in a small one.
    assert EchoState(2, 200).density == pytest.approx(0.05)
    assert EchoState(2, 5).density == 1.0


def test_a_reservoir_is_saved_and_loaded() -> None:
    cell, other = EchoState(2, 5), EchoState(2, 5)
    other.load_state_dict(cell.state_dict(), strict=True)
    x, h = torch.randn(B, 2), torch.randn(B, 5)
    torch.testing.assert_close(cell.step(x, h), other.step(x, h), rtol=0, atol=0)


CFCS = [
    {},
    {"mode": "no_gate", "backbone_layers": 0},
    {"mode": "pure", "backbone_layers": 2},
    {"elapsed": 0.3, "backbone_activation": "silu", "bias": False},
    {"elapsed": "input", "backbone_activation": "gelu", "backbone_layers": 3},
    {"elapsed": "input", "mode": "pure", "backbone_activation": "tanh"},
    {"elapsed": "input", "mode": "no_gate", "backbone_activation": "relu", "bias": False},
]


@pytest.mark.parametrize("options", CFCS)
def test_cfc_is_ncps(options) -> None:
    cell = CfC(I, H, backbone_units=7, **options).double()
    elapsed, plain = options.get("elapsed", 1.0), {**options, "backbone_units": 7}
    plain = {name: plain[name] for name in plain if name not in ("elapsed", "bias")}
    module = CfCCell(I - 1 if elapsed == "input" else I, H, **plain).double()
    zeros = {n: torch.zeros_like(p) for n, p in module.named_parameters() if "bias" in n}

    def step(x, h):
        x, times = (x[:, :-1], x[:, -1:]) if elapsed == "input" else (x, elapsed)
        given = {**zeros, **dict(cell.named_parameters())}
        return functional_call(module, given, (x, h, times))[:1]

    assert_same(cell, step)
    if cell.bias:
        module.load_state_dict(cell.state_dict(), strict=True)


LTCS = [
    {},
    {"solver_steps": 1, "bias": False},
    {"solver_steps": 2, "elapsed": 3.0},
    {"solver_steps": 2, "elapsed": "input"},
]


def _ltc(**options):
    """A cell whose time constants and targets are not all alike."""
    cell = LTC(I, H, **options).double()
    with torch.no_grad():
        cell.log_tau.uniform_(-1, 1)
    return cell


@pytest.mark.parametrize("options", LTCS)
def test_ltc_is_the_papers_fused_step(options) -> None:
    """Equation 3, unit by unit. ncps has the form with a sigmoid for every synapse instead."""
    cell, count = _ltc(**options), options.get("solver_steps", 6)
    tau = torch.exp(cell.log_tau)

    def solve(x, h):
        dt = options.get("elapsed", 1.0)
        x, dt = (x[:-1], x[-1]) if dt == "input" else (x, dt)
        for _ in range(count):
            new = []
            for n in range(H):
                a = cell.weight_ih[n].dot(x) + cell.weight_hh[n].dot(h)
                f = _sigmoid(a + sum(b[n] for b in _given(cell, "bias_ih", "bias_hh").values()))
                above = h[n] + dt / count * f * cell.target[n]
                new.append(above / (1 + dt / count * (1 / tau[n] + f)))
            h = torch.stack(new)
        return h

    def step(x, h):
        return (torch.stack([solve(*sample) for sample in zip(x, h, strict=True)]),)

    assert_same(cell, step)


def test_ltc_converges_to_the_solution_of_its_equation() -> None:
    """Equation 1 by Runge-Kutta; the fused Euler steps are of first order."""
    cell = _ltc(elapsed=2.0)
    x, h = torch.randn(B, I, dtype=torch.float64), torch.randn(B, H, dtype=torch.float64)

    def slope(h):
        f = torch.sigmoid(cell.from_input(x) + cell.from_hidden(h))
        return -(torch.exp(-cell.log_tau) + f) * h + f * cell.target

    exact, dt = h, 2.0 / 100
    for _ in range(100):
        k1 = slope(exact)
        k2 = slope(exact + dt / 2 * k1)
        k3 = slope(exact + dt / 2 * k2)
        exact = exact + dt / 6 * (k1 + 2 * k2 + 2 * k3 + slope(exact + dt * k3))
    errors = []
    for count in (100, 200, 400):
        cell.solver_steps = count
        errors.append((cell.step(x, h)[0] - exact).abs().max().item())
    # Halving dt halves the error, up to terms of second order.
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.05)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.05)
    assert errors[2] < 0.01


def test_ltc_stays_between_zero_and_its_target() -> None:
    cell = _ltc(elapsed=50.0)
    x = 100 * torch.randn(B, 20, I, dtype=torch.float64)
    outputs = ur.unroll(cell, x, engine="eager").outputs
    assert (outputs * cell.target >= 0).all()
    assert (outputs.abs() <= cell.target.abs()).all()


IN_TIME = {
    "Leaky": lambda size, elapsed: Leaky(size, H, elapsed=elapsed),
    "CfC": lambda size, elapsed: CfC(size, H, elapsed=elapsed, backbone_units=7),
    "CfC pure": lambda size, elapsed: CfC(size, H, elapsed=elapsed, mode="pure"),
    "LTC": lambda size, elapsed: LTC(size, H, elapsed=elapsed),
}


@pytest.mark.parametrize("name", IN_TIME)
def test_a_constant_feature_of_time_is_a_constant_elapsed(name) -> None:
    fixed, read = (IN_TIME[name](n, e).double() for n, e in ((I, 0.7), (I + 1, "input")))
    assert (fixed.input_size, read.input_size) == (I, I + 1)
    read.load_state_dict(fixed.state_dict(), strict=True)
    x, state = _arguments(fixed)
    with_time = torch.cat([x, torch.full_like(x[..., :1], 0.7)], -1)
    outputs = [_states(c.step, i, state) for c, i in ((fixed, x), (read, with_time))]
    torch.testing.assert_close(*outputs, **EXACT)


@pytest.mark.parametrize("name", IN_TIME)
def test_time_alone_can_be_the_input(name) -> None:
    cell = IN_TIME[name](1, "input").double()
    x, state = _arguments(cell)
    run, later = (ur.unroll(cell, times, state, engine="eager") for times in (x, 2 * x))
    assert not torch.equal(run.outputs, later.outputs)
    with pytest.raises(ValueError, match=r'input_size with elapsed="input" .* got 0'):
        IN_TIME[name](0, "input")


def test_a_gap_may_be_split_where_the_input_does_not_change() -> None:
    """Six Euler steps over a gap are three over each half of it."""
    whole, halves = _ltc(elapsed="input"), _ltc(elapsed="input", solver_steps=3)
    halves.load_state_dict(whole.state_dict())
    x, state = _arguments(whole)
    half = x * torch.tensor([1, 1, 0.5], dtype=torch.float64)
    twice = _states(halves.step, half.repeat_interleave(2, dim=1), state)[1::2]
    torch.testing.assert_close(_states(whole.step, x, state), twice, **EXACT)


MASKED = [AntisymmetricRNN, CoRNN, LEM, Leaky, LTC]


@pytest.mark.parametrize("kind", MASKED)
def test_every_recurrent_product_reads_the_masked_state(kind) -> None:
    """With all of it masked the recurrent weights have no effect."""
    cell = kind(I, H).double()
    x, state = _arguments(cell)
    with cell.masking(torch.zeros(B, H, dtype=torch.float64)):
        before = cell.step(x[:, 0], *state)
        with torch.no_grad():
            for name, parameter in cell.named_parameters():
                if name in ("weight_hh", "weight_zh"):
                    parameter.mul_(3)
        torch.testing.assert_close(cell.step(x[:, 0], *state), before, rtol=0, atol=0)


EVERY = {
    "IndRNN": lambda: IndRNN(I, H),
    "IndRNN tanh": lambda: IndRNN(I, H, bias=False, nonlinearity="tanh"),
    "AntisymmetricRNN": lambda: AntisymmetricRNN(I, H),
    "AntisymmetricRNN gated": lambda: AntisymmetricRNN(I, H, bias=False, gated=True),
    "CoRNN": lambda: CoRNN(I, H),
    "CoRNN implicit": lambda: CoRNN(I, H, bias=False, damping="implicit"),
    "LEM": lambda: LEM(I, H),
    "LEM no bias": lambda: LEM(I, H, bias=False, dt=0.5),
    "Leaky": lambda: Leaky(I, H),
    "Leaky in time": lambda: Leaky(I, H, bias=False, nonlinearity="sigmoid", elapsed="input"),
    "EchoState": lambda: EchoState(I, H),
    "EchoState leaky": lambda: EchoState(I, H, bias=False, leak=0.3),
    "CfC": lambda: CfC(I, H),
    "CfC pure": lambda: CfC(I, H, mode="pure", backbone_layers=0, elapsed="input"),
    "CfC no gate": lambda: CfC(
        I, H, bias=False, mode="no_gate", backbone_layers=2, backbone_units=6, elapsed="input"
    ),
    "LTC": lambda: LTC(I, H),
    "LTC in time": lambda: LTC(I, H, bias=False, solver_steps=2, elapsed="input"),
}


@pytest.mark.skipif(build.compiler() is None, reason="there is no C++ compiler")
@pytest.mark.parametrize("name", EVERY)
def test_native_gives_what_the_definition_gives(name) -> None:
    cell = EVERY[name]().double()
    x, state = _arguments(cell, batch=4, time=7)
    assert_alike(cell, x, state, lengths=[7, 1, 4, 6], engine="native")


@pytest.mark.parametrize("name", EVERY)
def test_the_graph_of_a_step_has_its_states(name) -> None:
    cell = EVERY[name]()
    graph = ur.graph(cell)
    assert list(graph.outputs) == list(cell.state_sizes)
    assert {node.name for node in graph.inputs} == {"x", *cell.state_sizes}


@pytest.mark.parametrize("name", EVERY)
def test_the_same_seed_draws_the_same_numbers(name) -> None:
    torch.manual_seed(3)
    cell = EVERY[name]()
    before = {key: value.clone() for key, value in cell.state_dict().items()}
    torch.manual_seed(3)
    again = EVERY[name]()
    torch.testing.assert_close(dict(again.state_dict()), before, rtol=0, atol=0)
    again.reset_parameters()
    drawn = {key: value for key, value in again.state_dict().items() if key != "log_tau"}
    assert not any(torch.equal(value, before[key]) for key, value in drawn.items())
    if isinstance(cell, (AntisymmetricRNN, CoRNN, LEM, Leaky)):
        assert all(value.abs().max() <= 1 / math.sqrt(H) for value in before.values())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: IndRNN(3, 4, nonlinearity="rely"), ["nonlinearity", "did you mean 'relu'"]),
        (lambda: IndRNN(3, 0), ["from 1", "got 0"]),
        (lambda: AntisymmetricRNN(3, 4, epsilon=0), ["epsilon", "above 0", "got 0"]),
        (lambda: AntisymmetricRNN(3, 4, gamma=-0.1), ["gamma", "from 0", "got -0.1"]),
        (lambda: CoRNN(3, 4, dt=float("nan")), ["dt", "above 0", "got nan"]),
        (lambda: CoRNN(3, 4, gamma=0), ["gamma", "above 0", "got 0"]),
        (lambda: CoRNN(3, 4, epsilon=True), ["epsilon", "a number", "got True"]),
        (lambda: CoRNN(3, 4, damping="implict"), ["damping", "did you mean 'implicit'"]),
        (lambda: LEM(3, 4, dt="1"), ["dt", "a number above 0", "got '1'"]),
        (lambda: LEM(-1, 4), ["input_size", "got -1"]),
        (lambda: Leaky(3, 4, leak=1.5), ["leak", "above 0 up to 1", "got 1.5"]),
        (lambda: Leaky(3, 4, leak=0.5, elapsed=3), ["leak * elapsed", "up to 1", "got 1.5"]),
        (lambda: Leaky(3, 4, nonlinearity="tan"), ["nonlinearity", "did you mean 'tanh'"]),
        (lambda: Leaky(3, 4, elapsed="inptu"), ["elapsed", '"input"', "got 'inptu'"]),
        (lambda: CfC(3, 4, elapsed=0), ["elapsed", "above 0", "got 0"]),
        (lambda: CfC(3, 4, mode="nogate"), ["mode", "did you mean 'no_gate'"]),
        (lambda: CfC(3, 4, backbone_layers=-1), ["backbone_layers", "from 0", "got -1"]),
        (lambda: CfC(3, 4, backbone_units=0), ["backbone_units", "from 1", "got 0"]),
        (lambda: CfC(3, 4, backbone_activation="gel"), ["backbone_activation", "'gelu'"]),
        (lambda: LTC(3, 4, elapsed=-1.0), ["elapsed", "above 0", "got -1.0"]),
        (lambda: LTC(3, 4, solver_steps=0), ["solver_steps", "from 1", "got 0"]),
        (lambda: EchoState(3, 4, spectral_radius=0), ["spectral_radius", "above 0", "got 0"]),
        (lambda: EchoState(3, 4, leak=2), ["leak", "up to 1", "got 2"]),
        (lambda: EchoState(3, 4, input_scaling=-1), ["input_scaling", "got -1"]),
        (lambda: EchoState(3, 4, bias_scaling=-1), ["bias_scaling", "from 0", "got -1"]),
        (lambda: EchoState(3, 4, density=1.1), ["density", "up to 1", "got 1.1"]),
        (lambda: EchoState(3, 4, density=1e-9), ["density", "4 units", "cycle"]),
    ],
)
def test_bad_arguments_are_named(make, words) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011, the words are what is tested
        make()
    assert all(word in str(raised.value) for word in words), raised.value
