"""Layer normalisation, projection and forget bias of Elman, LSTM and GRU."""

import pytest
import torch
from torch import nn

import unrolled as ur
from engines.agreement import assert_alike
from unrolled.cells import GRU, LSTM, Elman, LayerNormGRU, LayerNormLSTM

# A few steps in float64: roundings of 1e-16, times the 1 / sqrt(variance) of a normalisation.
EXACT = {"rtol": 1e-12, "atol": 1e-12}
B, I, H = 3, 4, 5  # noqa: E741, the letters of the shape legend


def _shaken(cell):
    """The cell in float64 with gains and biases that are not one and zero."""
    cell = cell.double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return cell


def _normal(rows, gain, bias):
    """LN of each row, entry by entry."""
    out = torch.empty_like(rows)
    for b in range(len(rows)):
        mean = sum(rows[b]) / len(rows[b])
        variance = sum((a - mean) ** 2 for a in rows[b]) / len(rows[b])
        for k in range(len(rows[b])):
            out[b, k] = gain[k] * (rows[b, k] - mean) / (variance + 1e-5) ** 0.5 + bias[k]
    return out


def _biases(cell, rows):
    zero = torch.zeros(rows, dtype=torch.float64)
    return (cell.bias_ih, cell.bias_hh) if cell.bias else (zero, zero)


@pytest.mark.parametrize("bias", [True, False])
def test_layer_norm_lstm_is_the_papers_equations(bias) -> None:
    cell, x = _shaken(LayerNormLSTM(I, H, bias=bias)), torch.randn(B, I, dtype=torch.float64)
    h, c = (torch.randn(B, H, dtype=torch.float64) for _ in range(2))
    new_h, new_c = cell.step(x, h, c)
    b_i, b_h = _biases(cell, 4 * H)
    with torch.no_grad():
        gates = _normal(x @ cell.weight_ih.T, cell.weight_norm_ih, b_i)
        gates = gates + _normal(h @ cell.weight_hh.T, cell.weight_norm_hh, b_h)
        i, f, g, o = (gates[:, k * H : (k + 1) * H] for k in range(4))
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * _normal(c, cell.weight_norm_c, cell.bias_norm_c).tanh()
    torch.testing.assert_close((new_h.detach(), new_c.detach()), (h, c), **EXACT)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("reset_after", [True, False])
def test_layer_norm_gru_is_the_papers_equations(reset_after, bias) -> None:
    cell = _shaken(GRU(I, H, bias=bias, reset_after=reset_after, layer_norm=True))
    x, h = (torch.randn(B, n, dtype=torch.float64) for n in (I, H))
    b_i, b_h = _biases(cell, 3 * H)
    gates, new = slice(0, 2 * H), slice(2 * H, 3 * H)

    def normal(product, which, rows, bias):
        return _normal(product, getattr(cell, f"weight_norm_{which}")[rows], bias[rows])

    with torch.no_grad():
        both = normal(x @ cell.weight_ih[gates].T, "ih", gates, b_i)
        both = both + normal(h @ cell.weight_hh[gates].T, "hh", gates, b_h)
        r, z = both.sigmoid().chunk(2, dim=1)
        drive = normal(x @ cell.weight_ih[new].T, "ih", new, b_i)
        read = h if reset_after else r * h
        back = normal(read @ cell.weight_hh[new].T, "hh", new, b_h)
        n = torch.tanh(drive + (r * back if reset_after else back))
        expected = (1 - z) * n + z * h
    torch.testing.assert_close(cell.step(x, h)[0].detach(), expected, **EXACT)


def test_layer_norm_gru_is_a_gru_with_layer_norm() -> None:
    one, other = _shaken(LayerNormGRU(I, H)), GRU(I, H, layer_norm=True).double()
    other.load_state_dict(one.state_dict(), strict=True)
    x, h = (torch.randn(B, n, dtype=torch.float64) for n in (I, H))
    torch.testing.assert_close(one.step(x, h), other.step(x, h), rtol=0, atol=0)


@pytest.mark.parametrize("bias", [True, False])
def test_layer_norm_elman_is_the_papers_equation(bias) -> None:
    cell = _shaken(Elman(I, H, bias=bias, layer_norm=True))
    x, h = (torch.randn(B, n, dtype=torch.float64) for n in (I, H))
    b_i, b_h = _biases(cell, H)
    with torch.no_grad():
        a = _normal(x @ cell.weight_ih.T + h @ cell.weight_hh.T, cell.weight_norm, b_i + b_h)
    torch.testing.assert_close(cell.step(x, h)[0].detach(), a.tanh(), **EXACT)


def test_projection_is_that_of_torch() -> None:
    layer = nn.LSTM(I, H, proj_size=2, batch_first=True).double()
    cell = LSTM(I, H, proj_size=2).double()
    cell.load_state_dict({n.removesuffix("_l0"): p for n, p in layer.state_dict().items()})
    x = torch.randn(B, 6, I, dtype=torch.float64)
    expected, (h, c) = layer(x)
    for engine in ("eager", "native", "vendor"):
        run = ur.unroll(cell, x, engine=engine)
        torch.testing.assert_close(run.outputs, expected, **EXACT)
        torch.testing.assert_close(run.final, (h[0], c[0]), **EXACT)
        torch.testing.assert_close(run.states["c"][:, -1], c[0], **EXACT)


def test_forget_bias_is_what_both_biases_add_up_to() -> None:
    torch.manual_seed(1)
    cell = LSTM(I, H, forget_bias=1.5)
    torch.manual_seed(1)
    plain = LSTM(I, H)
    assert (cell.bias_ih + cell.bias_hh)[H : 2 * H].tolist() == [1.5] * H
    for name, parameter in plain.named_parameters():
        kept = [row for row in range(4 * H) if "weight" in name or not H <= row < 2 * H]
        torch.testing.assert_close(cell.get_parameter(name)[kept], parameter[kept], rtol=0, atol=0)


CELLS = {
    "lstm": lambda: LSTM(I, H, layer_norm=True, proj_size=3, forget_bias=1.0),
    "lstm, no bias": lambda: LSTM(I, H, layer_norm=True, bias=False),
    "gru": lambda: GRU(I, H, layer_norm=True),
    "gru, reset before": lambda: GRU(I, H, layer_norm=True, reset_after=False),
    "elman": lambda: Elman(I, H, layer_norm=True),
}


@pytest.mark.parametrize("name", CELLS)
def test_native_equals_eager(name) -> None:
    cell = _shaken(CELLS[name]())
    x = torch.randn(4, 7, I, dtype=torch.float64)
    state = tuple(torch.randn_like(s) for s in cell.initial_state(4))
    # Normalising divides by a deviation, and its gradient by its square: some digits more.
    assert_alike(cell, x, state, lengths=[7, 1, 4, 0], bound=1e-11)


GATES = {"lstm": "ifgo", "lstm, no bias": "ifgo", "gru": "rzn", "gru, reset before": "rzn"}


@pytest.mark.parametrize("name", GATES)
def test_gates_of_normalised_cells_are_found(name) -> None:
    run = ur.unroll(CELLS[name]().double(), torch.randn(2, 5, I, dtype=torch.float64))
    assert "".join(run.gates) == GATES[name]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: LSTM(3, 4, proj_size=4), ["proj_size", "below hidden_size", "4, 4"]),
        (lambda: LSTM(3, 4, proj_size=-1), ["proj_size", "-1"]),
        (lambda: LSTM(3, 4, bias=False, forget_bias=1.0), ["forget_bias", "bias=True"]),
    ],
)
def test_bad_arguments_are_named(build, words) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011, the words are what is tested
        build()
    assert all(word in str(raised.value) for word in words), raised.value
