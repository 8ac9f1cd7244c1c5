"""The native engine among other things that torch and Python do with tensors and modules."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import unrolled as ur
from engines.agreement import assert_alike
from unrolled.engines import Native
from unrolled.engines.native import build

pytestmark = pytest.mark.skipif(build.compiler() is None, reason="there is no C++ compiler")

FACTOR = 1.0


class Scaled(ur.Cell):
    """h(t) = s tanh(U x + W h) with s from wherever `scale` finds it."""

    def __init__(self, scale=lambda cell: 1.0):
        super().__init__(3, {"h": 4})
        self.input, self.own = nn.Linear(3, 4), nn.Linear(4, 4)
        self.scale = scale
        self._hidden, self.settings = 1.0, SimpleNamespace(inner=SimpleNamespace(s=1.0))
        self.array = np.ones(4, dtype=np.float32)

    def step(self, x, h):
        return (self.scale(self) * torch.tanh(self.input(x) + self.own(h)),)


class Masked(Scaled):
    def __init__(self, dtype):
        super().__init__()
        self.register_buffer("mask", torch.tensor([1, 0, 1, 1]).to(dtype))

    def step(self, x, h):
        return (torch.tanh(self.input(x) + (h * self.mask).to(x.dtype)),)


def _assert_same_as_eager(cell, **options) -> None:
    x = torch.randn(2, 6, cell.input_size)
    found, expected = (ur.unroll(cell, x, engine=e, **options) for e in ("native", "eager"))
    torch.testing.assert_close(found.outputs, expected.outputs)


@pytest.mark.parametrize("engine", ["auto", "native"])
def test_many_threads_may_be_the_first(engine) -> None:
    cell, x = Scaled(), torch.randn(2, 6, 3)

    def run(_):
        run = ur.unroll(cell, x, engine=engine)
        run.outputs.sum().backward()
        return run.engine, run.outputs.detach()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, range(40)))
    assert {engine for engine, _ in found} == {"native"}
    assert all(torch.equal(outputs, found[0][1]) for _, outputs in found)


def _change_private(cell):
    cell._hidden = 0.3


def _change_inner(cell):
    cell.settings.inner.s = 0.3


def _change_array(cell):
    cell.array *= 0.3


@pytest.mark.parametrize(
    ("scale", "change"),
    [
        (lambda cell: cell._hidden, _change_private),
        (lambda cell: cell.settings.inner.s, _change_inner),
        (lambda cell: torch.from_numpy(cell.array.copy()), _change_array),
    ],
)
def test_settings_wherever_they_are_kept(scale, change) -> None:
    cell = Scaled(scale)
    _assert_same_as_eager(cell)
    change(cell)
    _assert_same_as_eager(cell)


def test_a_number_of_the_module(monkeypatch) -> None:
    class Global(Scaled):
        def step(self, x, h):
            return (FACTOR * torch.tanh(self.input(x) + h),)

    cell = Global()
    _assert_same_as_eager(cell)
    monkeypatch.setitem(globals(), "FACTOR", 0.3)
    _assert_same_as_eager(cell)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.bfloat16, torch.float32])
def test_buffers_of_other_types(dtype) -> None:
    _assert_same_as_eager(Masked(dtype))


def test_a_buffer_of_higher_precision_is_refused() -> None:
    run = ur.unroll(Masked(torch.float64), torch.randn(2, 6, 3))
    assert (run.engine, "not native" in run.why) == ("eager", True)


def test_gradients_of_gradients_where_inputs_depend_on_one_another() -> None:
    cell, weight = ur.cells.LSTM(3, 4).double(), torch.randn(3, 4).double().requires_grad_()
    x = torch.randn(2, 6, 3).double().requires_grad_()
    found, mask = [], torch.rand(2, 6) < 0.5
    for engine in ("native", "eager"):
        start = torch.tanh(x[:, 0] @ weight)
        forced = {"c": (x[..., :1].expand(2, 6, 4), mask)}
        run = ur.unroll(cell, x, state=(start, start), forced=forced, engine=engine)
        loss = run.outputs.square().sum()
        plain = torch.autograd.grad(loss, [x, weight], retain_graph=True)
        made = torch.autograd.grad(loss, [x, weight], create_graph=True)
        again = torch.autograd.grad(sum(g.square().sum() for g in made), [x, weight])
        found.append([*plain, *made, *again])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("draw", ["rand", "randint"])
def test_random_numbers_are_not_frozen(draw) -> None:
    class Random(Scaled):
        def step(self, x, h):
            number = torch.rand(()).item() if draw == "rand" else int(torch.randint(9, ()))
            return (number * torch.tanh(x.sum(1, keepdim=True) + h),)

    run = ur.unroll(Random(), torch.randn(2, 6, 3))
    assert (run.engine, "reads the value" in run.why) == ("eager", True)


def test_checkpoints() -> None:
    cell, x = Scaled(), torch.randn(2, 6, 3, requires_grad=True)
    plain = torch.autograd.grad(ur.unroll(cell, x, engine="native").outputs.sum(), x)
    run = lambda x: ur.unroll(cell, x, engine="native").outputs  # noqa: E731
    kept = torch.autograd.grad(checkpoint(run, x, use_reentrant=False).sum(), x)
    assert torch.equal(plain[0], kept[0])


def _grad(cell, x):
    return torch.func.grad(lambda x: ur.unroll(cell, x).outputs.sum())(x)


def _vmap(cell, x):
    return torch.func.vmap(lambda x: ur.unroll(cell, x[None]).outputs)(x)


def _jvp(cell, x):
    return torch.func.jvp(lambda x: ur.unroll(cell, x).outputs, (x,), (x,))[1]


# torch itself uses what it warns of, in forward mode.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*is deprecated")
@pytest.mark.parametrize("transform", [_grad, _vmap, _jvp])
def test_transforms_of_torch_func_run_eager(transform) -> None:
    cell, x = Scaled(), torch.randn(2, 6, 3)
    cold = transform(cell, x)
    assert ur.unroll(cell, x).engine == "native"
    assert torch.equal(transform(cell, x), cold)
    with pytest.raises(ValueError, match=r"torch\.func"):
        torch.func.vmap(lambda x: ur.unroll(cell, x[None], engine="native").outputs)(x)


def test_many_gradients_at_once() -> None:
    cell, x = Scaled().double(), torch.randn(1, 5, 3).double()
    found, expected = (
        torch.autograd.functional.jacobian(
            lambda x, e=e: ur.unroll(cell, x, engine=e).outputs, x, vectorize=True
        )
        for e in ("native", "eager")
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    "surroundings", [torch.inference_mode, lambda: torch.autocast("cpu"), torch.no_grad]
)
def test_the_first_run_may_be_anywhere(surroundings) -> None:
    cell, x = Scaled(), torch.randn(2, 6, 3)
    with surroundings():
        assert ur.unroll(cell, x).engine == "native"
    run = ur.unroll(cell, x)
    assert run.engine == "native"
    run.outputs.sum().backward()


def test_no_inputs_but_a_product_with_them() -> None:
    class Empty(ur.Cell):
        def __init__(self):
            super().__init__(0, {"h": 4})
            self.linear = nn.Linear(4, 4)

        def step(self, x, h):
            return (torch.tanh(self.linear(torch.cat([x, h], 1))),)

    cell, state = Empty(), torch.randn(2, 4)
    runs = [ur.unroll(cell, steps=5, state=state, engine=e) for e in ("native", "eager")]
    torch.testing.assert_close(runs[0].outputs, runs[1].outputs)


def test_results_are_tensors_of_their_own() -> None:
    cell, x = ur.cells.GRU(3, 4), torch.randn(2, 6, 3)
    with torch.no_grad():
        run = ur.unroll(cell, x, engine="native")
        before = run.outputs.clone()
        run.final[0].zero_()
    assert torch.equal(run.outputs, before)
    run = ur.unroll(cell, x, engine="native")
    run.outputs.mul_(2)
    with pytest.raises(RuntimeError, match="inplace"):
        run.outputs.sum().backward()


def test_a_mask_that_changes_before_the_backward_pass() -> None:
    cell, x, mask = ur.cells.GRU(3, 4), torch.randn(2, 6, 3), torch.rand(2, 6) < 0.5
    mask[0, 0] = False
    run = ur.unroll(cell, x, forced={"h": (torch.randn(2, 6, 4), mask)}, engine="native")
    mask.logical_not_()
    with pytest.raises(RuntimeError, match="inplace"):
        run.outputs.sum().backward()


def test_a_state_that_needs_no_gradient() -> None:
    class Constant(ur.Cell):
        def __init__(self):
            super().__init__(3, {"h": 4, "one": 4})
            self.input = nn.Linear(3, 4)

        def step(self, x, h, one):
            return torch.tanh(self.input(x) + h), torch.ones_like(one)

    cell = Constant().double()
    assert_alike(cell, torch.randn(2, 5, 3).double(), cell.initial_state(2, dtype=torch.float64))
    run = ur.unroll(cell, torch.randn(2, 5, 3).double(), engine="native")
    loss = run.outputs.sum() + run.states["one"].sum()
    torch.autograd.grad(loss, list(cell.input.parameters()), create_graph=True)


def test_a_damaged_library_is_built_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path))
    source = 'extern "C" int answer() { return 42; }'
    path = build.path_of(source)
    path.write_bytes(b"no library")
    assert build.load(source).answer() == 42


@pytest.mark.parametrize("engine", [Native, None, 5])
def test_what_is_no_engine(engine) -> None:
    with pytest.raises(TypeError, match='engine must be "auto", native'):
        ur.unroll(Scaled(), torch.randn(2, 6, 3), engine=engine)
