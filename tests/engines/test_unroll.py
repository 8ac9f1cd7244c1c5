"""What unroll promises: lengths, forcing, splitting, choosing, and errors at the door."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import unrolled as ur
from unrolled.cells import GRU, LSTM, Jordan
from unrolled.engines import BY_NAME, EngineRefused
from unrolled.engines.native import build

ENGINES = [name for name in BY_NAME if name != "native" or build.compiler()]
EXACT = {"rtol": 0, "atol": 0}
# float64, sums of a few terms in another order.
CLOSE = {"rtol": 1e-12, "atol": 1e-12}


class Leaky(ur.Cell):
    """The user's own cell of the design document."""

    def __init__(self, input_size, hidden_size, leak=0.1):
        super().__init__(input_size, state_sizes={"h": hidden_size})
        self.input = nn.Linear(input_size, hidden_size)
        self.recurrent = nn.Linear(hidden_size, hidden_size, bias=False)
        self.leak = leak

    def step(self, x, h):
        drive = torch.tanh(self.input(x) + self.recurrent(h))
        return ((1 - self.leak) * h + self.leak * drive,)


class Counter(ur.Cell):
    """No parameters: h counts the steps, weighted by the input."""

    def __init__(self):
        super().__init__(1, {"h": 1})

    def step(self, x, h):
        return (h + x,)


def test_a_cell_written_by_a_user() -> None:
    cell = Leaky(8, 32)
    run = ur.unroll(cell, torch.randn(4, 20, 8))
    assert run.outputs.shape == (4, 20, 32)
    assert run.engine in ("native", "eager")
    assert "Leaky" in run.why
    torch.testing.assert_close(run.final[0], run.outputs[:, -1], **EXACT)


def test_values_by_hand() -> None:
    run = ur.unroll(Counter(), torch.tensor([[[1.0], [2], [3]]]), state=torch.tensor([[10.0]]))
    assert run.outputs.flatten().tolist() == [11, 13, 16]
    assert run.final[0].item() == 16


def test_a_system_without_input() -> None:
    """Lectures, row 1: s(3) = f(f(s(1)))."""

    class Halve(ur.Cell):
        def step(self, x, s):
            return (s / 2,)

    run = ur.unroll(Halve(0, {"s": 1}), torch.zeros(1, 3, 0), state=[torch.tensor([[8.0]])])
    assert run.outputs.flatten().tolist() == [4, 2, 1]


@settings(max_examples=20, deadline=None)
@given(time=st.integers(2, 9), cut=st.integers(1, 8), engine=st.sampled_from(ENGINES))
def test_splitting_a_sequence_changes_nothing(time, cut, engine) -> None:
    cut = min(cut, time - 1)
    cell, x = LSTM(2, 3, dtype=torch.float64), torch.randn(2, time, 2, dtype=torch.float64)
    whole = ur.unroll(cell, x, engine=engine)
    first = ur.unroll(cell, x[:, :cut], engine=engine)
    second = ur.unroll(cell, x[:, cut:], state=first.final, engine=engine)
    for name in ("h", "c"):
        parts = torch.cat([first.states[name], second.states[name]], dim=1)
        torch.testing.assert_close(whole.states[name], parts, **CLOSE)


@pytest.mark.parametrize("engine", ["eager", "vendor"])
@pytest.mark.parametrize("padding", [float("nan"), 1e30])
def test_padding_has_no_effect(engine, padding) -> None:
    cell = LSTM(2, 3, dtype=torch.float64)
    lengths = [5, 2, 1]
    x = torch.randn(3, 5, 2, dtype=torch.float64)
    for row, length in enumerate(lengths):
        x[row, length:] = padding
    x.requires_grad_()
    run = ur.unroll(cell, x, lengths=lengths, engine=engine)
    (run.outputs.sum() + run.states["c"].sum()).backward()
    assert all(torch.isfinite(p.grad).all() for p in (x, *cell.parameters()))
    for row, length in enumerate(lengths):
        alone = ur.unroll(cell, x[row : row + 1, :length], engine=engine)
        torch.testing.assert_close(run.outputs[row, :length], alone.outputs[0], **CLOSE)
        torch.testing.assert_close(run.final[1][row], alone.final[1][0], **CLOSE)
        for states in run.states.values():
            assert not states[row, length:].any()
        assert not x.grad[row, length:].any()


def test_permuting_a_batch_permutes_the_result() -> None:
    cell, x = GRU(2, 3), torch.randn(5, 6, 2)
    order, lengths = torch.randperm(5), torch.tensor([6, 2, 4, 1, 3])
    for engine in ENGINES:
        a = ur.unroll(cell, x, lengths=lengths, engine=engine).outputs[order]
        b = ur.unroll(cell, x[order], lengths=lengths[order], engine=engine).outputs
        # float32; a kernel may sum the rows of another batch in another order.
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_a_sequence_of_length_zero_keeps_its_initial_state() -> None:
    cell, start = GRU(2, 3), torch.randn(2, 3)
    run = ur.unroll(cell, torch.randn(2, 4, 2), state=start, lengths=[0, 4])
    assert run.engine != "vendor"
    torch.testing.assert_close(run.final[0][0], start[0], **EXACT)
    assert not run.outputs[0].any()


def _jordan_loop(cell, x, y, forced, mask):
    outputs = []
    for t in range(x.shape[1]):
        y = torch.where(mask[:, t, None], forced[:, t], y)
        (y,) = cell.step(x[:, t], y)
        outputs.append(y)
    return torch.stack(outputs, dim=1)


def test_forcing_with_a_mask_equals_a_loop() -> None:
    cell = Jordan(2, 4, output_size=3, dtype=torch.float64)
    x, values = (torch.randn(2, 6, n, dtype=torch.float64) for n in (2, 3))
    mask = torch.rand(2, 6) < 0.5
    start = torch.randn(2, 3, dtype=torch.float64)
    # A value that is masked out may be anything.
    values[~mask] = float("nan")
    run = ur.unroll(cell, x, state=start, forced={"y": (values, mask)}, engine="eager")
    expected = _jordan_loop(cell, x, start, values, mask)
    torch.testing.assert_close(run.outputs, expected, **EXACT)
    ours, theirs = (
        torch.autograd.grad(y.square().sum(), list(cell.parameters()))
        for y in (run.outputs, expected)
    )
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, **CLOSE)


def test_all_forced_runs_as_one_batch_and_equals_the_loop() -> None:
    cell = Jordan(2, 4, output_size=3, dtype=torch.float64)
    calls = []
    step = cell.step
    cell.step = lambda *a: calls.append(1) or step(*a)
    x, values = (torch.randn(2, 6, n, dtype=torch.float64) for n in (2, 3))
    run = ur.unroll(cell, x, forced={"y": values}, lengths=[6, 4])
    assert len(calls) == 1
    assert "one batch" in run.why
    everywhere = torch.ones(2, 6, dtype=torch.bool)
    expected = _jordan_loop(cell, x, values[:, 0], values, everywhere)
    torch.testing.assert_close(run.outputs[0], expected[0], **CLOSE)
    torch.testing.assert_close(run.outputs[1, :4], expected[1, :4], **CLOSE)
    torch.testing.assert_close(run.final[0][1], expected[1, 3], **CLOSE)


def test_forcing_one_of_two_components_still_runs_in_order() -> None:
    cell = LSTM(2, 3, dtype=torch.float64)
    x, values = (torch.randn(2, 5, n, dtype=torch.float64) for n in (2, 3))
    run = ur.unroll(cell, x, forced={"h": values}, engine="eager")
    state = cell.initial_state(2)
    for t in range(5):
        state = cell.step(x[:, t], values[:, t], state[1])
        torch.testing.assert_close(run.states["c"][:, t], state[1], **EXACT)


def test_auto_says_what_it_chose_and_why() -> None:
    x = torch.randn(1, 3, 2)
    run = ur.unroll(LSTM(2, 3), x)
    assert (run.engine, "not native: fewer than 4 steps" in run.why) == ("vendor", True)
    run = ur.unroll(GRU(2, 3, reset_after=False), x)
    assert (run.engine, "no kernel" in run.why) == ("eager", True)
    run = ur.unroll(LSTM(2, 3), x, forced={"c": torch.zeros(1, 3, 3)})
    assert (run.engine, "cannot force" in run.why) == ("eager", True)
    assert ur.unroll(LSTM(2, 3), x, engine="eager").why.startswith("asked for")


def test_a_subclass_is_not_taken_for_its_parent() -> None:
    class Doubled(LSTM):
        def step(self, x, h, c):
            return super().step(2 * x, h, c)

    assert ur.unroll(Doubled(2, 3), torch.randn(1, 3, 2)).engine == "eager"


def test_an_engine_that_cannot_run_raises() -> None:
    with pytest.raises(EngineRefused, match="has no kernel for this Leaky"):
        ur.unroll(Leaky(2, 3), torch.randn(1, 3, 2), engine="vendor")


class ReturnsTensor(Leaky):
    def step(self, x, h):
        return super().step(x, h)[0]


class WrongSize(Leaky):
    def step(self, x, h):
        return (h[:, :1],)


X = torch.randn(2, 5, 3)
ERRORS = [
    (lambda: ur.unroll(nn.GRUCell(3, 4), X), ["Cell.wrap"]),
    (lambda: ur.unroll(GRU(3, 4), X.transpose(1, 2)), ["[batch, time, 3]", "transpose(1, 2)"]),
    (lambda: ur.unroll(GRU(3, 4), X[0]), ["inputs[None]"]),
    (lambda: ur.unroll(GRU(3, 4), X[:, :0]), ["at least one", "one step"]),
    (lambda: ur.unroll(GRU(3, 4), X.tolist()), ["must be a tensor"]),
    (lambda: ur.unroll(GRU(3, 4), X.double()), ["float64", "float32", "inputs.to("]),
    (lambda: ur.unroll(GRU(3, 4), X, state=torch.zeros(2, 5)), ["state h", "[2, 4]", "[2, 5]"]),
    (lambda: ur.unroll(LSTM(3, 4), X, state=torch.zeros(2, 4)), ["state needs h, c"]),
    (lambda: ur.unroll(LSTM(3, 4), X, state={"h": 1}), ["the cell has h, c"]),
    (lambda: ur.unroll(LSTM(3, 4), X, state=(1, 2)), ["state must be tensors"]),
    (lambda: ur.unroll(GRU(3, 4), X, lengths=[1, 2, 3]), ["lengths", "2 whole numbers"]),
    (lambda: ur.unroll(GRU(3, 4), X, lengths=[1, 6]), ["between 0 and 5"]),
    (lambda: ur.unroll(GRU(3, 4), X, lengths=[1.0, 2.0]), ["whole numbers"]),
    (lambda: ur.unroll(GRU(3, 4), X, forced={"c": X}), ["forced component", "'c'", "h"]),
    (lambda: ur.unroll(GRU(3, 4), X, forced={"h": X}), ["forced h", "[2, 5, 4]"]),
    (
        lambda: ur.unroll(GRU(3, 3), X, forced={"h": (X, torch.ones(3))}),
        ["mask of forced h", "boolean [2, 5]"],
    ),
    (lambda: ur.unroll(GRU(3, 4), X, engine="vender"), ["did you mean 'vendor'"]),
    (lambda: ur.unroll(ReturnsTensor(3, 4), X), ["ReturnsTensor.step", "return (h,)"]),
    (lambda: ur.unroll(WrongSize(3, 4), X), ["WrongSize.step", ", 1]", ", 4]", "expected"]),
    (lambda: ur.unroll(ur.Cell(3, {"h": 4}), X), ["does not define step"]),
]


@pytest.mark.parametrize(("run", "words"), ERRORS)
def test_errors_at_the_door_name_the_argument(run, words) -> None:
    with pytest.raises((ValueError, TypeError, NotImplementedError)) as raised:
        run()
    assert all(word in str(raised.value) for word in words), raised.value


def test_forced_values_beyond_a_length_have_no_effect() -> None:
    cell, x = Jordan(2, 4, output_size=3), torch.randn(2, 5, 2)
    values = torch.randn(2, 5, 3)
    values[1, 2:] = float("nan")
    for mask in (None, torch.rand(2, 5) < 0.5):
        run = ur.unroll(
            cell, x, lengths=[5, 2], forced={"y": (values, mask) if mask is not None else values}
        )
        assert not run.outputs[1, 2:].any()
        gradients = torch.autograd.grad(run.outputs.sum(), list(cell.parameters()))
        assert all(torch.isfinite(g).all() for g in gradients)


def test_memory_is_that_of_the_unroll_or_refused() -> None:
    """c is computed at its first use; it must not silently be of other parameters."""
    cell, x = LSTM(2, 3), torch.randn(1, 4, 2)
    run = ur.unroll(cell, x, engine="vendor")
    with torch.no_grad():
        before = run.states["c"]
    assert before.requires_grad
    late = ur.unroll(cell, x, engine="vendor")
    with torch.no_grad():
        cell.weight_ih.add_(1.0)
    with pytest.raises(RuntimeError, match="read it before the update"):
        late.states["c"]
    with torch.no_grad():
        silent = ur.unroll(cell, x, engine="vendor")
    assert not silent.states["c"].requires_grad


def test_hooks_and_own_steps_are_not_passed_by() -> None:
    module = nn.GRUCell(2, 3)
    module.register_forward_hook(lambda m, i, o: o * 0)
    run = ur.unroll(ur.Cell.wrap(module), torch.randn(1, 4, 2))
    assert run.engine == "eager"
    assert "not native: the cell has hooks" in run.why
    assert not run.outputs.any()


def test_states_and_forced_values_must_be_of_the_inputs_type() -> None:
    with pytest.raises(ValueError, match=r"state h is torch\.float64"):
        ur.unroll(GRU(3, 4), X, state=torch.zeros(2, 4).double())
    with pytest.raises(ValueError, match=r"forced h is torch\.float64"):
        ur.unroll(GRU(3, 3), X, forced={"h": X.double()})
    with pytest.raises(TypeError, match="forced h must be a tensor"):
        ur.unroll(GRU(3, 3), X, forced={"h": X.tolist()})
