"""The native engine's other ways to run: lean, without gradients, by entries, in other programs."""

import io
import pickle

import pytest
import torch
from torch import nn

import unrolled as ur
from engines.agreement import assert_alike, everything
from graph.catalogue import NAMES, arguments, cell_named
from unrolled.engines import Native
from unrolled.engines.native import build, kernel
from unrolled.engines.native import engine as native_engine

pytestmark = pytest.mark.skipif(build.compiler() is None, reason="there is no C++ compiler")

# torch's own gradient of hard sigmoid holds 1/6 in float32.
COARSE = {"DSGUCell": 1e-7, "SGUCell": 1e-7}
# One of each kind: one stage, several, forced feedback, a state that is handed on.
SOME = ["LSTM", "GRU", "GRU reset before", "Jordan softmax", "LEMCell", "NASCell"]


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def _inputs(cell, batch=3):
    return torch.rand(batch, 6, cell.input_size, dtype=torch.float64) + 0.1


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_without_gradients(name) -> None:
    cell = cell_named(name)
    x, state = _inputs(cell), arguments(cell, 3)[1:]
    with torch.no_grad():
        found, expected = (ur.unroll(cell, x, state=state, engine=e) for e in ("native", "eager"))
    for key, value in expected.states.items():
        size = 1 + value.abs().max().item()
        torch.testing.assert_close(found.states[key], value, rtol=0, atol=1e-12 * size)


@pytest.mark.parametrize("name", [name for name in SOME if name in NAMES])
def test_states_alone_kept(name) -> None:
    cell = cell_named(name)
    assert_alike(cell, _inputs(cell), arguments(cell, 3)[1:], engine=Native(lean=True))


def test_lean_keeps_less() -> None:
    graph = ur.graph(ur.cells.LSTM(3, 16))
    fast, lean = (kernel.Kernel(graph, torch.float32, lean=lean).plan for lean in (False, True))
    assert (fast.kept_row, lean.kept_row) == (4 * 16, 0)


@pytest.mark.parametrize("name", [name for name in SOME if name in NAMES])
def test_entries_shared_by_threads(name, two_threads, monkeypatch) -> None:
    """What a batch smaller than the number of threads does with large weights."""
    monkeypatch.setattr(kernel, "HEAVY", 0)
    cell = cell_named(name)
    x, state = _inputs(cell, 1), arguments(cell, 1)[1:]
    assert_alike(cell, x, state, COARSE.get(name, 1e-12))
    name, size = next(iter(cell.state_sizes.items()))
    values = torch.rand(1, 6, size, dtype=torch.float64)
    forced = {name: (values, torch.rand(1, 6) < 0.5)}
    assert_alike(cell, x, state, forced=forced, lengths=[5])


def test_entries_of_large_vectors_shared_by_threads(two_threads, monkeypatch) -> None:
    monkeypatch.setattr(kernel, "HEAVY", 0)
    cell = ur.cells.LSTM(70, 90).double()
    assert_alike(cell, torch.randn(1, 300, 70).double(), cell.initial_state(1))


@pytest.mark.parametrize("batch", [1, 2, 5, 19])
def test_many_steps_take_several_blocks(batch, two_threads) -> None:
    """More steps than one product of gradients takes in."""
    cell = ur.cells.GRU(3, 5).double()
    x = torch.randn(batch, 2 * kernel.ROWS // batch + 7, 3).double()
    assert_alike(cell, x, cell.initial_state(batch), 1e-11)


# In other programs


class Computed(ur.Cell):
    """Its matrix is computed from a parameter."""

    def __init__(self):
        super().__init__(3, {"h": 4})
        self.free = nn.Parameter(torch.randn(4, 4))

    def step(self, x, h):
        return (torch.tanh(h @ (self.free - self.free.T) + x.sum(1, keepdim=True)),)


def _assert_compiled_equals_eager(cell, fullgraph=True, **options) -> None:
    x = torch.randn(3, 7, cell.input_size)

    def loss(x, engine):
        run = ur.unroll(cell, x, engine=engine, **options)
        return run.outputs.square().mean() + run.final[0].sin().sum()

    found = []
    compiled = torch.compile(loss, fullgraph=fullgraph, backend="aot_eager")
    for function, engine in ((compiled, "native"), (loss, "eager")):
        given = x.clone().requires_grad_()
        value = function(given, engine)
        found.append([value, *torch.autograd.grad(value, [given, *cell.parameters()])])
    for a, b in zip(*found, strict=True):
        # float32: sums in another order.
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "cell", [ur.cells.LSTM(3, 4), ur.Cell.wrap(nn.GRUCell(3, 4)), ur.cells.Jordan(3, 5, 4)]
)
def test_it_is_one_node_of_a_compiled_program(cell) -> None:
    torch._dynamo.reset()
    _assert_compiled_equals_eager(cell)


@pytest.mark.slow
def test_a_compiled_program_with_every_option() -> None:
    torch._dynamo.reset()
    forced = {"c": (torch.rand(3, 7, 4), torch.rand(3, 7) < 0.5)}
    _assert_compiled_equals_eager(
        ur.cells.LSTM(3, 4), lengths=torch.tensor([7, 2, 5]), forced=forced
    )


@pytest.mark.slow
# torch warns of what it does itself where a program is cut.
@pytest.mark.filterwarnings("ignore:The .grad attribute")
def test_computed_weights_cut_a_compiled_program() -> None:
    torch._dynamo.reset()
    _assert_compiled_equals_eager(Computed(), fullgraph=False)


def test_the_operator_is_what_torch_expects() -> None:
    """Schema, shapes of stand-ins, and autograd of the operator, by torch's own checks."""
    from unrolled.engines.native import operator

    cell = ur.cells.GRU(3, 4).double()
    number, names = operator._asked_for(cell, torch.float64, ("h",), lean=False, half=False)
    x, values = torch.randn(2, 5, 3).double().requires_grad_(), torch.randn(2, 5, 4).double()
    bases = [dict(cell.named_parameters())[name] for name in names]
    masks = [torch.rand(2, 5) < 0.5]
    given = (x, [torch.randn(2, 4).double()], bases, None, [values], masks, number, True)
    torch.library.opcheck(operator.native_unroll, given)


def test_autocast_is_answered_in_the_precision_of_the_parameters(monkeypatch) -> None:
    monkeypatch.setattr(native_engine, "multiplies_in_half", lambda: False)
    cell, x = ur.cells.LSTM(3, 4), torch.randn(2, 5, 3)
    plain = ur.unroll(cell, x, engine="native").outputs
    with torch.autocast("cpu", dtype=torch.bfloat16):
        run = ur.unroll(cell, x, engine="native")
        low = ur.unroll(cell, x.bfloat16(), engine="native")
    assert "float32 under autocast" in run.why
    assert torch.equal(run.outputs, plain)
    assert low.outputs.dtype == torch.float32
    # bfloat16 inputs have 8 bits.
    torch.testing.assert_close(low.outputs, plain, rtol=0, atol=2e-2)
    low.outputs.sum().backward()
    assert all(p.grad.dtype == torch.float32 for p in cell.parameters())


def test_the_source_of_a_run() -> None:
    cell, x = ur.cells.LSTM(3, 4), torch.randn(2, 5, 3)
    source = ur.unroll(cell, x, engine="native").source()
    assert "void forward(" in source
    assert "void backward(" in source
    with pytest.raises(ValueError, match='engine "eager" runs no generated code'):
        ur.unroll(cell, x, engine="eager").source()


def test_the_choice_of_auto() -> None:
    cell = ur.cells.Jordan(3, 4, 3)
    assert ur.unroll(cell, torch.randn(2, 4, 3)).engine == "native"
    short = ur.unroll(cell, torch.randn(2, 3, 3))
    assert (short.engine, "fewer than 4 steps" in short.why) == ("eager", True)
    forced = ur.unroll(cell, torch.randn(2, 9, 3), forced={"y": torch.randn(2, 9, 3)})
    assert (forced.engine, "one batch" in forced.why) == ("eager", True)


def test_a_cell_that_has_run_can_be_saved() -> None:
    cell = ur.cells.GRU(3, 4)
    everything(cell, "native", torch.randn(2, 5, 3), cell.initial_state(2))
    torch.save(cell.state_dict(), buffer := io.BytesIO())
    assert buffer.tell()
    again = pickle.loads(pickle.dumps(cell))
    x = torch.randn(2, 5, 3)
    assert torch.equal(ur.unroll(again, x).outputs, ur.unroll(cell, x).outputs)
