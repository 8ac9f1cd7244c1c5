"""The polynomial state-space model against the sum over all monomials, and its start and bound."""

from typing import Any

import pytest
import torch

import unrolled as ur
from cells.test_dynamical import B, H, I, assert_same
from unrolled.cells.pnlss import PNLSS


def _drawn(**options) -> Any:
    """A cell whose polynomial and biases are not zero, in float64."""
    cell = PNLSS(I, H, **options).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.normal_(std=0.2)
    return cell


@pytest.mark.parametrize("units", [1, 7])
@pytest.mark.parametrize("bias", [True, False])
def test_pnlss_is_the_sum_over_all_monomials(bias, units) -> None:
    """The coefficient of w_i w_j w_k is the sum over the units of E P_i P_j P_k."""
    cell = _drawn(bias=bias, units=units, limit=None)
    one = torch.ones(B, 1, dtype=torch.float64)

    def step(x, h):
        forms = [cell.weight_iz, cell.weight_hz, *([cell.bias_z[:, None]] if bias else [])]
        affine = [cell.weight_ih, cell.weight_hh]
        affine += [(cell.bias_ih + cell.bias_hh)[:, None]] if bias else []
        w = torch.cat([x, h, *([one] if bias else [])], 1)  # [B, N], N = I + H (+ 1)
        squares, cubes = cell.weight_zh.split(units, 1)
        forms = torch.cat(forms, 1)  # [K, N]
        quadratic = torch.einsum("hu,ui,uj->hij", squares, forms, forms)
        cubic = torch.einsum("hu,ui,uj,uk->hijk", cubes, forms, forms, forms)
        new = torch.einsum("hi,bi->bh", torch.cat(affine, 1), w)
        new = new + torch.einsum("hij,bi,bj->bh", quadratic, w, w)
        return (new + torch.einsum("hijk,bi,bj,bk->bh", cubic, w, w, w),)

    assert_same(cell, step)


def test_a_limit_hardly_changes_small_numbers_and_bounds_large_ones() -> None:
    cell = _drawn(limit=4.0)
    plain: Any = PNLSS(I, H, limit=None).double()
    plain.load_state_dict(cell.state_dict())
    x, h = (torch.randn(B, size, dtype=torch.float64) for size in (I, H))
    # 4 tanh(z/4) is z up to z^3/48.
    with torch.no_grad():
        cell.bias_z.zero_()
        plain.bias_z.zero_()
    new, wanted = (each.step(x / 100, h / 100)[0] for each in (cell, plain))
    # z is about 0.02 here, so that its square changes by a share of z^2/24, some 1e-5, at most.
    torch.testing.assert_close(new, wanted, rtol=0, atol=1e-7)
    for far in (100.0, 1e6):
        new = cell.step(far * x, far * h)[0]
        linear = far * (x @ cell.weight_ih.T + h @ cell.weight_hh.T)
        # Beside the linear part no more than all of |E| times 4^2 and 4^3, and the biases.
        most = cell.weight_zh[:, :H].abs().sum(1) * 16 + cell.weight_zh[:, H:].abs().sum(1) * 64
        assert ((new - linear - cell.bias_ih - cell.bias_hh).abs() <= most * (1 + 1e-9)).all()


def test_starts_as_a_stable_linear_system() -> None:
    cell = PNLSS(2, 6, radius=0.9).double()
    moduli = torch.linalg.eigvals(cell.weight_hh).abs()
    # Orthogonal times the radius: all of one modulus, up to the roundings of float32 at the draw.
    torch.testing.assert_close(moduli, torch.full_like(moduli, 0.9), rtol=1e-6, atol=0)
    x, y = torch.randn(2, 1, 30, 2, dtype=torch.float64)
    run = lambda inputs: ur.unroll(cell, inputs).outputs  # noqa: E731
    torch.testing.assert_close(run(2 * x + 3 * y), 2 * run(x) + 3 * run(y), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"limit": 0.0}, "limit must be a number above 0"),
        ({"radius": 1.1}, "radius must be a number above 0 up to 1, got 1.1"),
        ({"units": 0}, "units must be a whole number from 1 up, got 0"),
    ],
)
def test_arguments_out_of_range(given, said) -> None:
    with pytest.raises(ValueError, match=said):
        PNLSS(2, 3, **given)


@pytest.mark.parametrize("limit", [None, 4.0])
def test_the_native_engine_agrees(limit) -> None:
    cell, found = _drawn(units=4, limit=limit), []
    with torch.no_grad():
        # Small enough not to diverge without a limit.
        cell.weight_zh.mul_(0.02)
        cell.weight_hh.mul_(0.5)
    inputs = torch.randn(3, 20, I, dtype=torch.float64)
    for engine in ("eager", "native"):
        run = ur.unroll(cell, inputs, engine=engine, lengths=[20, 7, 1])
        loss = run.outputs.square().sum() + run.final[0].sum()
        found.append((run.outputs, *torch.autograd.grad(loss, list(cell.parameters()))))
    # Twenty steps in float64, of numbers up to 10.
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-9)
