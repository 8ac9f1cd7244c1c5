"""Each step against torch.nn's cell, or against its equation written out."""

from pathlib import Path

import pytest
import torch
from torch import nn

import unrolled as ur
from unrolled.cells import BY_NAME, GRU, LSTM, Elman, Jordan

# One step in float64: a few roundings of 1e-16.
EXACT = {"rtol": 1e-13, "atol": 1e-13}
B, I, H = 3, 4, 5  # noqa: E741, the letters of the shape legend


def _double(cell):
    return cell.double(), torch.randn(B, I, dtype=torch.float64)


PAIRS = [
    (lambda: Elman(I, H), lambda: nn.RNNCell(I, H)),
    (lambda: Elman(I, H, nonlinearity="relu"), lambda: nn.RNNCell(I, H, nonlinearity="relu")),
    (lambda: GRU(I, H), lambda: nn.GRUCell(I, H)),
    (lambda: LSTM(I, H), lambda: nn.LSTMCell(I, H)),
    (lambda: LSTM(I, H, bias=False), lambda: nn.LSTMCell(I, H, bias=False)),
    (lambda: GRU(I, H, bias=False), lambda: nn.GRUCell(I, H, bias=False)),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_same_seed_same_parameters_same_step_as_torch(ours, theirs) -> None:
    torch.manual_seed(3)
    cell = ours()
    torch.manual_seed(3)
    reference = theirs()
    for name, parameter in reference.named_parameters():
        torch.testing.assert_close(cell.get_parameter(name), parameter, rtol=0, atol=0)
    cell, x = _double(cell)
    state = tuple(torch.randn_like(s) for s in cell.initial_state(B))
    expected = reference.double()(x, state if len(state) > 1 else state[0])
    expected = expected if isinstance(expected, tuple) else (expected,)
    for got, wanted in zip(cell(x, *state), expected, strict=True):
        torch.testing.assert_close(got, wanted, **EXACT)


def test_state_dict_loads_from_torch_strictly() -> None:
    ours, theirs = LSTM(I, H), nn.LSTMCell(I, H)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x, state = torch.randn(B, I), (torch.randn(B, H), torch.randn(B, H))
    for got, wanted in zip(ours(x, *state), theirs(x, state), strict=True):
        # float32, the same sums in another order.
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-6)


SQUASHED = {"sigmoid": lambda a: 1 / (1 + torch.exp(-a)), "identity": lambda a: a}


@pytest.mark.parametrize("nonlinearity", SQUASHED)
def test_elman_is_its_equation(nonlinearity) -> None:
    cell, x = _double(Elman(I, H, nonlinearity=nonlinearity))
    h = torch.randn(B, H, dtype=torch.float64)
    a = x @ cell.weight_ih.T + cell.bias_ih + h @ cell.weight_hh.T + cell.bias_hh
    torch.testing.assert_close(cell.step(x, h)[0], SQUASHED[nonlinearity](a), **EXACT)
    # torch's kernels know neither.
    assert "vendor" not in ur.unroll(cell, x[:, None].expand(-1, 9, -1)).engine


def test_lstm_with_sigmoid_candidate_is_goodfellow_bengio_courville() -> None:
    cell, x = _double(LSTM(I, H, candidate="sigmoid"))
    h, c = (torch.rand(B, H, dtype=torch.float64) for _ in range(2))
    a = x @ cell.weight_ih.T + cell.bias_ih + h @ cell.weight_hh.T + cell.bias_hh
    i, f, g, o = (1 / (1 + torch.exp(-a[:, k * H : (k + 1) * H])) for k in range(4))
    s = f * c + i * g
    new_h, new_c = cell.step(x, h, c)
    torch.testing.assert_close(new_c, s, **EXACT)
    torch.testing.assert_close(new_h, torch.tanh(s) * o, **EXACT)


@pytest.mark.parametrize("bias", [True, False])
def test_gru_reset_before_is_the_papers_equation(bias) -> None:
    cell, x = _double(GRU(I, H, bias=bias, reset_after=False))
    h = torch.randn(B, H, dtype=torch.float64)
    zero = torch.zeros(3 * H, dtype=torch.float64)
    b_i, b_h = (cell.bias_ih, cell.bias_hh) if bias else (zero, zero)
    u_r, u_z, u_n = (x @ cell.weight_ih.T + b_i).chunk(3, dim=1)
    w_r, w_z, w_n = cell.weight_hh.chunk(3)
    b_r, b_z, b_n = b_h.chunk(3)
    r = torch.sigmoid(u_r + h @ w_r.T + b_r)
    z = torch.sigmoid(u_z + h @ w_z.T + b_z)
    n = torch.tanh(u_n + (r * h) @ w_n.T + b_n)
    torch.testing.assert_close(cell.step(x, h)[0], z * h + (1 - z) * n, **EXACT)


@pytest.mark.parametrize("output", ["identity", "softmax", "sigmoid"])
def test_jordan_feeds_its_output_back(output) -> None:
    cell, x = _double(Jordan(I, H, output_size=2, output=output))
    y = torch.randn(B, 2, dtype=torch.float64)
    hidden = torch.tanh(x @ cell.weight_ih.T + y @ cell.weight_yh.T + cell.bias_h)
    o = hidden @ cell.weight_hy.T + cell.bias_y
    squash = {
        "identity": lambda o: o,
        "softmax": lambda o: o.exp() / o.exp().sum(1, keepdim=True),
        "sigmoid": lambda o: 1 / (1 + (-o).exp()),
    }
    torch.testing.assert_close(cell.step(x, y)[0], squash[output](o), **EXACT)


def test_moving_sum_is_solved_by_the_shift_register() -> None:
    """Lectures, row 11: y(t) = x(t) + x(t-1) + x(t-2)."""
    cell = Elman(1, 3, nonlinearity="relu", bias=False)
    with torch.no_grad():
        cell.weight_hh.copy_(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]))
        cell.weight_ih.copy_(torch.tensor([[1.0], [0], [0]]))
    x = torch.arange(1.0, 6)[None, :, None]
    assert ur.unroll(cell, x).outputs.sum(2).tolist() == [[1, 3, 6, 9, 12]]


def test_the_tables_of_cells_are_complete() -> None:
    page = Path(__file__).parents[2] / "docs" / "cells.md"
    for text in (page.read_text(), ur.cells.__doc__):
        rows = [[part.strip() for part in line.split("|")] for line in text.splitlines()]
        listed = {row[2]: row[1] for row in rows if len(row) > 5 and row[2] in BY_NAME}
        assert listed == {name: kind.__name__ for name, kind in BY_NAME.items()}


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Elman(3, 4, nonlinearity="tan"), ["nonlinearity", "'tan'", "tanh"]),
        (lambda: LSTM(3, 4, candidate="sigmiod"), ["candidate", "did you mean 'sigmoid'"]),
        (lambda: GRU(3, 0), ["'h'", "from 1", "got 0"]),
        (lambda: GRU(-1, 3), ["input_size", "-1"]),
        (lambda: Jordan(3, 0, 2), ["hidden_size", "got 0"]),
        (lambda: ur.Cell(3, {}), ["state_sizes"]),
        (lambda: ur.cells.by_name("lsmt"), ["cell", "did you mean 'lstm'"]),
    ],
)
def test_bad_arguments_are_named(build, words) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011, the words are what is tested
        build()
    assert all(word in str(raised.value) for word in words), raised.value
