"""The native engine: generated code against the definition, and against what can go wrong."""

import gc
import weakref
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import unrolled as ur
from engines.agreement import assert_alike, everything
from graph.catalogue import NAMES, Pendulum, arguments, cell_named
from unrolled.engines.native import build

pytestmark = pytest.mark.skipif(build.compiler() is None, reason="there is no C++ compiler")

# torch's own gradient of hard sigmoid holds 1/6 in float32.
COARSE = {"DSGUCell": 1e-7, "SGUCell": 1e-7}


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_of_the_catalogue(name) -> None:
    cell = cell_named(name)
    x = torch.rand(5, 6, cell.input_size, dtype=torch.float64) + 0.1
    assert_alike(cell, x, arguments(cell, 5)[1:], COARSE.get(name, 1e-12))


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (7, 3, 17, 33), (13, 2, 1, 16), (2, 4, 33, 65)])
@pytest.mark.parametrize("kind", [ur.cells.Elman, ur.cells.LSTM, ur.cells.GRU])
def test_odd_sizes(kind, sizes) -> None:
    batch, steps, inputs, hidden = sizes
    cell = kind(inputs, hidden).double()
    assert_alike(cell, torch.randn(batch, steps, inputs).double(), arguments(cell, batch)[1:])


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("name", "component"), [("LSTM", "c"), ("LSTM", "h"), ("Jordan softmax", "y")]
)
def test_forced_states(name, component, masked) -> None:
    cell = cell_named(name)
    x, values = (
        torch.randn(4, 6, 3).double(),
        torch.rand(4, 6, cell.state_sizes[component]).double(),
    )
    forced = {component: (values, torch.rand(4, 6) < 0.5) if masked else values}
    assert_alike(cell, x, arguments(cell, 4)[1:], forced=forced, lengths=[6, 1, 4, 5])


class Mixed(ur.Cell):
    """Layer norm, softmax, a state handed on, one that is constant, x used entry by entry."""

    def __init__(self):
        super().__init__(5, {"h": 5, "old": 5, "one": 5})
        self.linear, self.norm = nn.Linear(5, 5), nn.LayerNorm(5)

    def step(self, x, h, old, one):
        new = self.norm(self.linear(h)) * torch.softmax(x + old, 1) + x.flip(1).exp().log1p()
        return new.sqrt().erf() + new.pow(1.3), h, torch.ones_like(h)


@pytest.mark.parametrize("kind", [Pendulum, Mixed])
def test_unusual_steps(kind) -> None:
    cell = kind().double()
    x = torch.rand(4, 5, cell.input_size).double()
    state = tuple(torch.rand(4, n).double() for n in cell.state_sizes.values())
    assert_alike(cell, x, state)


def test_a_second_derivative() -> None:
    cell, x = cell_named("GRU"), torch.randn(3, 4, 3).double().requires_grad_()
    leaves = [x, *cell.parameters()]
    found = []
    for engine in ("eager", "native"):
        outputs = ur.unroll(cell, x, engine=engine).outputs
        first = torch.autograd.grad(outputs.sin().sum(), leaves, create_graph=True)
        found.append(torch.autograd.grad(sum(g.square().sum() for g in first), leaves))
    torch.testing.assert_close(found[0], found[1], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("steps", [100, 2000])
def test_float32_is_about_as_near_to_the_truth_as_eager(steps) -> None:
    """Distance from float64, against that of the definition in float32."""
    cell = ur.cells.LSTM(8, 24)
    exact = ur.cells.LSTM(8, 24).double()
    exact.load_state_dict({n: p.double() for n, p in cell.state_dict().items()})
    x = torch.randn(3, steps, 8)
    state = tuple(torch.zeros(3, 24) for _ in range(2))
    truth = everything(exact, "eager", x.double(), tuple(s.double() for s in state))
    for part in range(2):
        for a, b, t in zip(
            everything(cell, "native", x, state)[part],
            everything(cell, "eager", x, state)[part],
            truth[part],
            strict=True,
        ):
            mine, theirs = ((v.double() - t).norm() for v in (a, b))
            # A few roundings are allowed where eager happens to be exact.
            assert mine <= 2 * theirs + 1e-6 * t.norm()


def test_nan_and_infinity_go_through() -> None:
    cell = ur.cells.Elman(3, 5)
    x = torch.randn(4, 3, 3)
    x[1, 1, 0], x[2, 0, 1] = torch.nan, torch.inf
    native, eager = (ur.unroll(cell, x, engine=e).outputs for e in ("native", "eager"))
    assert torch.equal(native.isnan(), eager.isnan())
    assert native[1, 1:].isnan().all()
    torch.testing.assert_close(native, eager, equal_nan=True)


def test_the_same_twice_bit_for_bit() -> None:
    cell, x = ur.cells.LSTM(5, 33), torch.randn(7, 20, 5)
    first, second = (everything(cell, "native", x, cell.initial_state(7)) for _ in range(2))
    for a, b in zip([*first[0], *first[1]], [*second[0], *second[1]], strict=True):
        assert torch.equal(a, b)


def test_a_setting_that_changes_is_seen() -> None:
    class Leaky(ur.Cell):
        def __init__(self):
            super().__init__(2, {"h": 2})
            self.leak = 0.5

        def step(self, x, h):
            return ((1 - self.leak) * h + self.leak * x,)

    cell, x = Leaky(), torch.rand(2, 3, 2)
    for leak in (0.5, 0.1):
        cell.leak = leak
        found, expected = (ur.unroll(cell, x, engine=e).outputs for e in ("native", "eager"))
        torch.testing.assert_close(found, expected)


def test_a_parameter_that_changes_unseen_is_seen() -> None:
    """`.data` writes to a parameter without counting a version."""
    cell, x = ur.cells.GRU(3, 5), torch.rand(2, 4, 3)
    for _ in range(2):
        with torch.no_grad():
            found, expected = (ur.unroll(cell, x, engine=e).outputs for e in ("native", "eager"))
        torch.testing.assert_close(found, expected)
        cell.weight_hh.data.mul_(0.3)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.uint8])
def test_lengths_of_any_whole_type(dtype) -> None:
    cell = ur.cells.Elman(3, 5).double()
    x, lengths = torch.randn(4, 6, 3).double(), torch.tensor([6, 1, 3, 2], dtype=dtype)
    assert_alike(cell, x, cell.initial_state(4), lengths=lengths)


class Shared(ur.Cell):
    """Two matrices of one sum and vector, and one matrix in two places of the step."""

    def __init__(self):
        super().__init__(3, {"h": 9})
        self.first, self.second = nn.Linear(3, 9), nn.Linear(3, 9)
        self.twice = nn.Linear(9, 9)

    def step(self, x, h):
        inner = torch.tanh(self.first(x) + self.second(x) + self.twice(h))
        return (torch.tanh(self.twice(inner)),)


@pytest.mark.parametrize("threads", [1, 2])
def test_shared_matrices(threads) -> None:
    cell = Shared().double()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for _ in range(3):
            assert_alike(cell, torch.randn(8, 30, 3).double(), cell.initial_state(8))
    finally:
        torch.set_num_threads(before)


def test_nothing_keeps_a_cell_alive() -> None:
    for make in (lambda: ur.cells.Elman(2, 3), _Sorted):
        cell = make()
        try:
            ur.unroll(cell, torch.rand(1, 2, 2), engine="native").outputs.sum()
        except ValueError:
            assert isinstance(cell, _Sorted)
        gone = weakref.ref(cell)
        del cell
        gc.collect()
        assert gone() is None


def test_a_cell_that_its_settings_know_is_let_go() -> None:
    cell = ur.cells.Elman(2, 3)
    cell.settings = SimpleNamespace(owner=cell)
    ur.unroll(cell, torch.rand(1, 5, 2), engine="native")
    gone = weakref.ref(cell)
    del cell
    gc.collect()
    assert gone() is None


def test_a_long_step() -> None:
    class Long(ur.Cell):
        def __init__(self):
            super().__init__(2, {"h": 2})

        def step(self, x, h):
            for _ in range(300):
                h = torch.sin(h) + 0.1 * x
            return (h,)

    assert_alike(Long(), torch.rand(2, 3, 2).double(), (torch.rand(2, 2).double(),), 1e-10)


class _Sorted(ur.Cell):
    def __init__(self):
        super().__init__(2, {"h": 2})

    def step(self, x, h):
        return ((x + h).sort(1)[0],)


def test_what_cannot_run_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match=r"native.*aten\.sort.*sort\(1\)"):
        ur.unroll(_Sorted(), torch.rand(1, 2, 2), engine="native")
    half = ur.cells.Elman(2, 3).bfloat16()
    with pytest.raises(ValueError, match="bfloat16"):
        ur.unroll(half, torch.rand(1, 2, 2).bfloat16(), engine="native")
