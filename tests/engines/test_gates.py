"""Gates at every step against torch's own cells, stepped one by one."""

import pytest
import torch

import unrolled as ur
from unrolled.cells import GRU, LSTM, Elman

# float64: a handful of roundings.
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def _lstm_gates(cell, x, h, c):
    """(gates, h, c) after one step."""
    a = x @ cell.weight_ih.T + cell.bias_ih + h @ cell.weight_hh.T + cell.bias_hh
    i, f, g, o = a.chunk(4, dim=1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    c = f * c + i * g
    return {"i": i, "f": f, "g": g, "o": o}, o * c.tanh(), c


@pytest.mark.parametrize("engine", ["eager", "native", "vendor"])
def test_lstm_gates_are_those_of_its_equations(engine) -> None:
    cell, x = LSTM(3, 4).double(), torch.randn(2, 6, 3, dtype=torch.float64)
    state = tuple(torch.randn(2, 4, dtype=torch.float64) for _ in range(2))
    run = ur.unroll(cell, x, state, lengths=[6, 4], engine=engine)
    h, c = state
    for t in range(6):
        gates, h, c = _lstm_gates(cell, x[:, t], h, c)
        for name, gate in gates.items():
            torch.testing.assert_close(run.gates[name][0, t], gate[0], **EXACT)
            expected = gate[1] if t < 4 else torch.zeros_like(gate[1])
            torch.testing.assert_close(run.gates[name][1, t], expected, **EXACT)


def test_gates_see_forced_states() -> None:
    cell, x = GRU(2, 3).double(), torch.randn(2, 5, 2, dtype=torch.float64)
    values, mask = torch.randn(2, 5, 3, dtype=torch.float64), torch.rand(2, 5) < 0.5
    run = ur.unroll(cell, x, forced={"h": (values, mask)})
    h = torch.zeros(2, 3, dtype=torch.float64)
    for t in range(5):
        h = torch.where(mask[:, t, None], values[:, t], h)
        a, b = x[:, t] @ cell.weight_ih.T + cell.bias_ih, h @ cell.weight_hh.T + cell.bias_hh
        update = torch.sigmoid(a[:, 3:6] + b[:, 3:6])
        torch.testing.assert_close(run.gates["z"][:, t], update, **EXACT)
        h = run.outputs[:, t]


def test_gates_have_gradients() -> None:
    cell, x = LSTM(2, 3).double(), torch.randn(1, 4, 2, dtype=torch.float64, requires_grad=True)
    find = lambda x: ur.unroll(cell, x).gates["f"]  # noqa: E731
    assert torch.autograd.gradcheck(find, (x,))


def test_a_cell_without_gates_has_none() -> None:
    assert ur.unroll(Elman(2, 3), torch.randn(1, 4, 2)).gates == {}


def test_gates_of_other_parameters_are_refused() -> None:
    cell, x = LSTM(2, 3), torch.randn(1, 4, 2)
    run = ur.unroll(cell, x)
    with torch.no_grad():
        cell.weight_ih.add_(1.0)
    with pytest.raises(RuntimeError, match="read it before the update"):
        _ = run.gates
