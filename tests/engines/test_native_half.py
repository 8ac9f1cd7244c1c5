"""Products of the native engine in bfloat16: rounding, packing, and what stays in float32."""

import ctypes

import numpy as np
import pytest
import torch
from torch import nn

import unrolled as ur
from engines.agreement import everything
from graph.catalogue import arguments, cell_named
from unrolled.engines import Native
from unrolled.engines.native import build
from unrolled.engines.native.source import preamble
from unrolled.training import Machine

pytestmark = pytest.mark.skipif(
    build.compiler() is None or not build.multiplies_in_half(),
    reason="there is no C++ compiler, or this machine has no products of bfloat16",
)


def _half():
    return torch.autocast("cpu", dtype=torch.bfloat16)


class Whole(ur.Cell):
    """Of whole numbers it makes whole numbers, exact in 8 bits as long as they are small."""

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__(input_size, {"h": hidden_size})
        self.of_x = nn.Linear(input_size, hidden_size)
        self.of_h = nn.Linear(hidden_size, hidden_size, bias=False)
        for parameter in self.parameters():
            # One or two of a row are not zero, so that sums stay small.
            there = torch.rand(parameter.shape) < 1.5 / hidden_size
            parameter.data = torch.randint(-1, 2, parameter.shape).float() * there

    def step(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, ...]:
        # A second product that waits for the first.
        first = torch.clamp(self.of_x(x) + self.of_h(h), -3, 3)
        return (torch.clamp(self.of_h(first), -3, 3),)


@pytest.mark.parametrize("lean", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "sizes", [(1, 5, 1, 1), (7, 3, 17, 33), (13, 40, 2, 16), (2, 4, 33, 65), (1, 3, 8, 401)]
)
def test_whole_numbers_are_multiplied_exactly(sizes, threads, lean) -> None:
    """One sample and 401 units are shared by entries; 13 by 40 rows are more than a block."""
    batch, steps, inputs, hidden = sizes
    torch.manual_seed(hidden)
    cell, before = Whole(inputs, hidden), torch.get_num_threads()
    x = torch.randint(-2, 3, (batch, steps, inputs)).float()
    state = (torch.randint(-2, 3, (batch, hidden)).float(),)
    given = torch.randint(-1, 2, (batch, steps, hidden)).float()
    options = {"lengths": torch.randint(1, steps + 1, (batch,))}
    torch.set_num_threads(threads)
    try:
        for forced in ({}, {"h": (given, torch.rand(batch, steps) < 0.3)}):
            with _half():
                found = _sums(cell, Native(lean), x, state, forced=forced, **options)
            expected = _sums(cell.double(), "eager", x, state, forced=forced, **options)
            cell.float()
            for ours, exact in zip(found, expected, strict=True):
                assert torch.equal(ours.double(), exact)
    finally:
        torch.set_num_threads(before)


def _sums(cell, engine, x, state, **options):
    """States, and the gradients of their sum."""
    x, state = (t.to(cell.of_x.weight.dtype).requires_grad_() for t in (x, *state))
    options["forced"] = {
        name: (values.to(x.dtype), mask) for name, (values, mask) in options["forced"].items()
    }
    run = ur.unroll(cell, x, state=(state,), engine=engine, **options)
    return [run.outputs, *torch.autograd.grad(run.outputs.sum(), [x, state, *cell.parameters()])]


def test_numbers_are_rounded_as_torch_rounds_them() -> None:
    loop = (
        'extern "C" void pack(const REAL *x, REAL *y, long n)'
        " { pack_row(x, n, y, 0, (n + LANES - 1) / LANES); }"
    )
    library = build.load("\n".join([preamble(build.target_for("float", half=True)), loop]))
    bits = np.random.default_rng(0).integers(0, 2**32, 100_004, dtype=np.uint32)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 3.4e38, 1e-45, 1 + 2**-8, 1 + 3 * 2**-8]
    x = np.concatenate([np.array(special, np.float32), bits.view(np.float32)])
    y = np.empty(len(x) + 64, np.uint16)
    library.pack(x.ctypes, y.ctypes, ctypes.c_long(len(x)))
    found = torch.from_numpy(y[: len(x)].view(np.int16)).view(torch.bfloat16)
    expected = torch.from_numpy(x).bfloat16()
    assert torch.equal(found.isnan(), expected.isnan())
    there = ~expected.isnan()
    assert torch.equal(found[there].view(torch.int16), expected[there].view(torch.int16))
    # What a pair lacks is zero.
    assert len(x) % 2 == 1
    assert not y[len(x) : len(x) + len(x) % 2].any()


@pytest.mark.parametrize("name", ["LSTM", "GRU", "GRU reset before", "Jordan softmax", "NASCell"])
def test_cells_lose_no_more_than_eight_bits_do(name) -> None:
    cell = cell_named(name).float()
    x, state = torch.rand(5, 6, cell.input_size) + 0.1, arguments(cell, 5)[1:]
    state = tuple(s.float() for s in state)
    with _half():
        values, gradients = everything(cell, "native", x, state)
    exact_values, exact_gradients = everything(cell, "eager", x, state)
    for ours, exact in zip([*values, *gradients], [*exact_values, *exact_gradients], strict=True):
        assert ours.dtype == torch.float32
        # A factor is off by 2^-9 at most; errors of many partly cancel, and steps add them up.
        size = exact.abs().max().item()
        torch.testing.assert_close(ours, exact, rtol=0, atol=0.03 * size)
        # It is not the product in float32.
    assert any(not torch.equal(a, b) for a, b in zip(values, exact_values, strict=True))


def test_what_a_run_says_of_its_products() -> None:
    cell, x = ur.cells.LSTM(3, 4), torch.randn(2, 5, 3)
    plain = ur.unroll(cell, x, engine="native")
    with _half():
        run, low = ur.unroll(cell, x), ur.unroll(cell, x.bfloat16())
    assert run.why.endswith("products in bfloat16, all else in float32")
    assert "pack_row(" not in plain.source()
    assert "pack_row(" in run.source()
    assert low.outputs.dtype == torch.float32
    # x is rounded anyway.
    assert torch.equal(low.outputs, run.outputs)
    low.outputs.sum().backward()
    assert all(p.grad.dtype == torch.float32 for p in cell.parameters())


def test_double_precision_stays() -> None:
    cell, x = ur.cells.GRU(3, 4).double(), torch.randn(2, 5, 3).double()
    plain = ur.unroll(cell, x, engine="native").outputs
    with _half():
        assert torch.equal(ur.unroll(cell, x, engine="native").outputs, plain)


class OfBuffers(ur.Cell):
    """A cell that learns nothing."""

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__(input_size, {"h": hidden_size})
        self.register_buffer("w", torch.randn(hidden_size, input_size))
        self.register_buffer("r", torch.randn(hidden_size, hidden_size) / hidden_size)

    def step(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (torch.tanh(x @ self.w.T + h @ self.r.T),)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_buffers_alone_set_the_precision(dtype) -> None:
    torch.manual_seed(0)
    cell, x = OfBuffers(5, 4), torch.randn(2, 6, 5).bfloat16()
    with _half():
        found = ur.unroll(cell, x.to(dtype), engine="native").outputs
    expected = ur.unroll(cell, x.float(), engine="eager").outputs
    assert found.dtype == torch.float32
    # Factors of 8 bits, of a sum of five.
    torch.testing.assert_close(found, expected, rtol=0, atol=5e-2)


def test_a_gradient_to_derive_again_is_the_same_inside_as_outside() -> None:
    cell, x = ur.cells.GRU(3, 4), torch.randn(2, 5, 3)
    with _half():
        outputs = ur.unroll(cell, x, engine="native").outputs
        parameters = tuple(cell.parameters())
        inside = torch.autograd.grad(outputs.sum(), parameters, create_graph=True)
    outside = torch.autograd.grad(outputs.sum(), parameters, create_graph=True)
    for one, other in zip(inside, outside, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_compiler_that_may_not_multiply_them_builds_for_float32(monkeypatch) -> None:
    monkeypatch.setenv("CXXFLAGS", "-march=x86-64-v3")
    with _half():
        run = ur.unroll(OfBuffers(3, 7), torch.randn(2, 6, 3), engine="native")
    assert run.why.endswith("in float32 under autocast too")
    assert Machine("cpu", "auto").precision == "float32"


@pytest.mark.slow
# torch warns of what it does itself.
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")
def test_a_compiled_program_takes_them_too() -> None:
    torch._dynamo.reset()
    cell, x = ur.cells.LSTM(3, 8), torch.randn(2, 5, 3)
    with _half():
        expected = ur.unroll(cell, x, engine="native").outputs
        found = torch.compile(lambda x: ur.unroll(cell, x, engine="native").outputs)(x)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_auto_is_what_the_machine_multiplies(monkeypatch) -> None:
    assert Machine("cpu", "auto").precision == "bfloat16"
    monkeypatch.setattr("unrolled.training.machine.multiplies_in_half", lambda: False)
    assert Machine("cpu", "auto").precision == "float32"
