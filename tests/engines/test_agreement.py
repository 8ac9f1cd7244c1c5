"""Every engine equals the definition, in values and in all gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import unrolled as ur
from unrolled.cells import GRU, LSTM, Elman
from unrolled.engines import BY_NAME
from unrolled.engines.native import build

CELLS = {
    "elman": Elman,
    "elman relu": lambda i, h, **k: Elman(i, h, nonlinearity="relu", **k),
    "gru": GRU,
    "lstm": LSTM,
    "lstm without bias": lambda i, h, **k: LSTM(i, h, bias=False, **k),
}
WITHOUT = {"eager"} if build.compiler() else {"eager", "native"}
OTHERS = [name for name in BY_NAME if name not in WITHOUT]
# float64: rounding of a few hundred sums. float32: the same with an epsilon of 1.2e-7.
TOLERANCE = {
    torch.float64: {"rtol": 1e-10, "atol": 1e-11},
    torch.float32: {"rtol": 2e-4, "atol": 2e-5},
}


def _everything(cell, engine, x, state, lengths):
    """Outputs, every state, final states, and the gradients of a loss that uses all of them."""
    x = x.clone().requires_grad_()
    state = tuple(s.clone().requires_grad_() for s in state)
    run = ur.unroll(cell, x, state=state, lengths=lengths, engine=engine)
    values = [*run.states.values(), *run.final]
    loss = sum((v * torch.cos(torch.arange(v.numel()).view_as(v))).sum() for v in values)
    gradients = torch.autograd.grad(loss, [x, *state, *cell.parameters()])
    return values, gradients


def _assert_agree(cell, x, state, lengths, dtype) -> None:
    """Every engine gives what `eager` gives."""
    reference = _everything(cell, "eager", x, state, lengths)
    for engine in OTHERS:
        result = _everything(cell, engine, x, state, lengths)
        for ours, theirs in zip(reference, result, strict=True):
            for a, b in zip(ours, theirs, strict=True):
                torch.testing.assert_close(a, b, **TOLERANCE[dtype], msg=engine)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("with_lengths", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_every_engine_equals_eager(name, with_lengths, dtype) -> None:
    cell = CELLS[name](3, 5, dtype=dtype)
    x = torch.randn(4, 9, 3, dtype=dtype)
    state = tuple(torch.randn_like(s) for s in cell.initial_state(4))
    lengths = torch.tensor([9, 1, 4, 7]) if with_lengths else None
    _assert_agree(cell, x, state, lengths, dtype)


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(sorted(CELLS)),
    batch=st.integers(1, 4),
    time=st.integers(1, 7),
    sizes=st.tuples(st.sampled_from([1, 2, 17]), st.sampled_from([1, 3, 17, 33])),
    data=st.data(),
)
def test_every_engine_equals_eager_at_odd_sizes(name, batch, time, sizes, data) -> None:
    cell = CELLS[name](*sizes, dtype=torch.float64)
    x = torch.randn(batch, time, sizes[0], dtype=torch.float64)
    lengths = data.draw(st.lists(st.integers(1, time), min_size=batch, max_size=batch))
    _assert_agree(cell, x, cell.initial_state(batch), lengths, torch.float64)


def test_unroll_equals_torch_nn_lstm() -> None:
    """An independent source: the layer itself, with its own weights."""
    layer = torch.nn.LSTM(3, 5, batch_first=True).double()
    cell = LSTM(3, 5, dtype=torch.float64)
    cell.load_state_dict({n.removesuffix("_l0"): p for n, p in layer.state_dict().items()})
    x = torch.randn(2, 8, 3, dtype=torch.float64)
    expected, (h, c) = layer(x)
    for engine in ("eager", "vendor"):
        run = ur.unroll(cell, x, engine=engine)
        torch.testing.assert_close(run.outputs, expected, **TOLERANCE[torch.float64])
        torch.testing.assert_close(run.final[0], h[0], **TOLERANCE[torch.float64])
        torch.testing.assert_close(run.states["c"][:, -1], c[0], **TOLERANCE[torch.float64])


@pytest.mark.parametrize("name", CELLS)
def test_eager_gradients_are_numerically_right(name) -> None:
    cell = CELLS[name](2, 3, dtype=torch.float64)
    x = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    run = lambda x: ur.unroll(cell, x, lengths=[4, 2], engine="eager").outputs  # noqa: E731
    assert torch.autograd.gradcheck(run, (x,))
