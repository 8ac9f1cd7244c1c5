"""Each operator that the graph knows: value and gradients equal torch's, in float64."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import unrolled as ur

GATES = torch.rand(4, 8, dtype=torch.float64)
HEADS = torch.rand(2, 2, 3, dtype=torch.float64)
VECTOR = torch.rand(4, dtype=torch.float64) + 0.5
MASK = torch.tensor([True, False, True, True])


def _in_place(x, y):
    gates = x @ GATES
    gates[:, :4].mul_(y)
    gates[:, 5] = 2.0
    gates[:, 6:] += y[:, :2]
    return gates * 1.5


def _scaled_rows(x, y):
    table = torch.stack([x, y], dim=1).clone()
    table[:, 0] *= 3
    return table.sum(1)


# Functions of x and y, both [B, 4] and positive.
OPERATORS = {
    "add": lambda x, y: torch.add(x, y, alpha=2) + 3,
    "sub": lambda x, y: torch.sub(x, y, alpha=2) - 1,
    "rsub": lambda x, y: 1 - x + torch.rsub(x, y, alpha=3),
    "mul div": lambda x, y: x * y / (x + y) * 2 / 3 + 4 / x,
    "double negation": lambda x, y: torch.neg(-x) - (-y),
    "pow": lambda x, y: x**2 + x**3 + x**-1 + x**0.5 + x**-0.5 + x**-2 + x**1.7 + x**0 + x**1,
    "pow of vectors": lambda x, y: x**y + 2**x,
    "exponentials": lambda x, y: x.exp() + y.expm1() + torch.exp2(x),
    "logarithms": lambda x, y: x.log() + y.log1p() + x.log2() + y.log10(),
    "roots": lambda x, y: x.sqrt() + y.rsqrt() + x.square() + y.reciprocal(),
    "trigonometric": lambda x, y: x.sin() + y.cos() + x.tan() + y.sinh() + x.cosh(),
    "sign and size": lambda x, y: (x - y).abs() + (x - y).sign() * x + torch.sgn(y - x),
    "maximum": lambda x, y: torch.maximum(x, y) - 2 * torch.minimum(x, y),
    "maximum at a tie": lambda x, y: torch.maximum(x, x * 1.0) + torch.minimum(y, y + 0.0),
    "erf": lambda x, y: x.erf() + y.erfc(),
    "tanh sigmoid relu": lambda x, y: (x - y).tanh() + (x - y).sigmoid() + (x - y).relu(),
    "hard": lambda x, y: F.hardtanh(2 * x - 1) + F.relu6(9 * y - 2) + F.hardswish(x - y),
    "leaky": lambda x, y: F.leaky_relu(x - y, 0.1) + F.prelu(y - x, VECTOR[:1]),
    # torch's gradient of celu holds 1 / alpha in float32, so only a power of two is exact.
    "elu": lambda x, y: F.elu(x - y, 0.7) + F.celu(x - y, 0.5) + F.selu(y - x),
    "smooth": lambda x, y: F.silu(x - y) + F.mish(x) + F.softplus(y, 2) + F.softsign(x - y),
    "gelu": lambda x, y: F.gelu(x - y) + F.gelu(x - y, approximate="tanh"),
    "log sigmoid": lambda x, y: F.logsigmoid(x - y) + torch.logaddexp(x, y) + F.tanhshrink(x),
    "shrink": lambda x, y: F.softshrink(x - y, 0.1) + F.hardshrink(x - y, 0.1),
    "threshold": lambda x, y: F.threshold(x - y, 0.1, 0.5),
    "softplus far out": lambda x, y: F.softplus(x * 1e4) + F.softplus(-x * 1e4),
    "glu": lambda x, y: F.glu(torch.cat([x, y], 1)),
    "clamp": lambda x, y: x.clamp(0.3, 0.8) + y.clamp(min=0.4) + x.clamp_max(0.5),
    "clamp to vectors": lambda x, y: x.clamp(max=y),
    "compare": lambda x, y: (x < y) * x + (x >= y).double() * y + (x != y) * 2 + (x <= 0.5),
    "logical": lambda x, y: ((x > y) & (x > 0.5) | ~(y > 0.3)) * x + torch.logical_not(x > y),
    "truth of numbers": lambda x, y: (
        x + torch.logical_and(x, y > 0.5).double() + (x.bool() | (y > 1))
    ),
    "where": lambda x, y: torch.where(x > y, x * 2, y) + torch.where(x > 0.5, 0.0, y),
    "masked fill": lambda x, y: x.masked_fill(MASK, 0.0) + y.masked_fill(x > y, 2.0),
    "lerp": lambda x, y: torch.lerp(x, y, 0.3) + torch.lerp(x, y, x),
    "addcmul": lambda x, y: torch.addcmul(x, x, y, value=2) + torch.addcdiv(x, y, x, value=3),
    "detach": lambda x, y: x.detach() * y + x,
    "fixed vectors": lambda x, y: x * VECTOR + VECTOR.exp() / y + VECTOR.unsqueeze(0),
    "fixed number": lambda x, y: x * VECTOR.sum() + torch.tensor(2.0, dtype=torch.float64) * y,
    "matrix": lambda x, y: x @ GATES + F.linear(y, GATES.T),
    "matrix from the left": lambda x, y: (GATES.T @ x.T).T + torch.mm(GATES.t(), y.t()).t(),
    "addmm": lambda x, y: torch.addmm(GATES[0], x, GATES, beta=0.5, alpha=2),
    "vector product": lambda x, y: (x @ VECTOR)[:, None] * y + torch.mv(y, VECTOR).unsqueeze(1),
    "einsum": lambda x, y: (
        torch.einsum("bi,ij->bj", x, GATES) + torch.einsum("ji,bj->bi", GATES, y)
    ),
    "heads": lambda x, y: torch.einsum("bhi,hij->bhj", x.view(-1, 2, 2), HEADS).flatten(1),
    "heads from the left": lambda x, y: torch.einsum("hji,bhj->bhi", HEADS, y.view(-1, 2, 2)),
    "dot": lambda x, y: (x * y).sum(-1, keepdim=True) * x + torch.einsum("bi,bi->b", x, y)[:, None],
    "bmm": lambda x, y: torch.bmm(x.view(-1, 2, 2), y[:, :2, None]).squeeze(-1),
    "outer": lambda x, y: torch.bmm(x[:, :2, None], y[:, None, :]).flatten(1),
    "row times matrix": lambda x, y: (x[:, None, :2] @ y.view(-1, 2, 2)).squeeze(1),
    "row times parameter": lambda x, y: (x[:, None] @ GATES).squeeze(1),
    "concatenation": lambda x, y: torch.cat([x, y], dim=-1) @ torch.cat([GATES, GATES * 2]),
    "hstack": lambda x, y: torch.hstack([x, y[:, :1], torch.zeros_like(x)]),
    "stack": lambda x, y: torch.stack([x, y], dim=2).flatten(1) + torch.stack([x, y], 1).flatten(1),
    "chunk": lambda x, y: sum(p * k for k, p in enumerate((x @ GATES).sigmoid().chunk(2, 1), 1)),
    "split": lambda x, y: torch.cat(torch.split(x * y, [1, 3], dim=1)[::-1], dim=1),
    "overlapping parts": lambda x, y: (x @ GATES).tanh()[:, :4] * (x @ GATES).tanh()[:, 2:6],
    "whole and part": lambda x, y: (x * y).tanh() * (x * y).tanh()[:, :1],
    "unbind": lambda x, y: sum(v * k for k, v in enumerate(x.view(-1, 2, 2).unbind(1), 1)),
    "select": lambda x, y: x[:, 0:1] * y + y[:, -1, None] + x.select(1, 2)[:, None],
    "strides": lambda x, y: x[:, ::2] + y.flip(1)[:, 1::2] + x.roll(1, 1)[:, :2],
    "transpose": lambda x, y: x.view(-1, 2, 2).transpose(1, 2).flatten(1) * y,
    "permute": lambda x, y: torch.stack([x, y], 1).permute(0, 2, 1).reshape(-1, 8),
    "squeeze": lambda x, y: x.unsqueeze(1).squeeze(1) + y.reshape(y.shape[0], 4),
    "expand": lambda x, y: x[:, :1].expand(-1, 4) * y + x[:, :1].expand_as(y),
    "expand rows": lambda x, y: (x.view(-1, 2, 2) * y.view(-1, 2, 2)[:, :, :1]).flatten(1),
    "repeat": lambda x, y: x[:, :2].repeat(1, 2) * y,
    "batch of a parameter": lambda x, y: VECTOR.expand(x.shape[0], 4) * x,
    "rows of a repeated parameter": lambda x, y: VECTOR[None].repeat(x.shape[0], 1) * x,
    "logical with a buffer": lambda x, y: torch.logical_or(x > 0.5, MASK) * y,
    "end of a parameter": lambda x, y: x @ GATES[:, -10:] + y @ GATES.narrow(-1, 0, 8),
    "repeat of a parameter": lambda x, y: VECTOR.repeat(x.shape[0], 2)[:, :4] * x,
    "fill": lambda x, y: x + torch.zeros(x.shape[0], 4) + torch.ones_like(y) + x.new_full((4,), 2),
    "sum": lambda x, y: x - y.sum(1, keepdim=True) + y.view(-1, 2, 2).sum((1, 2))[:, None],
    "mean": lambda x, y: x - x.mean(-1, keepdim=True) + y.view(-1, 2, 2).mean(1).repeat(1, 2),
    "extrema": lambda x, y: x.amax(1, keepdim=True) * y + y.amin(1, keepdim=True),
    "variance": lambda x, y: x / x.std(1, keepdim=True) + y.var(1, correction=0, keepdim=True),
    "norm": lambda x, y: F.normalize(x, dim=1) + y / y.norm(dim=1, p=1, keepdim=True),
    "softmax": lambda x, y: (
        x.softmax(1) + y.log_softmax(-1) + x.view(-1, 2, 2).softmax(1).flatten(1)
    ),
    "logsumexp": lambda x, y: x - y.logsumexp(1, keepdim=True),
    "softmax far out": lambda x, y: (x * 1e3).softmax(1) + F.softmin(y * 1e3, 1),
    "cumsum": lambda x, y: x.softmax(1).cumsum(1) * y,
    "layer norm": lambda x, y: F.layer_norm(x, (4,)) + F.layer_norm(y, (4,), VECTOR, VECTOR + 1),
    "rms norm": lambda x, y: F.rms_norm(x, (4,), VECTOR, eps=1e-3),
    "group norm": lambda x, y: F.group_norm(x, 2, VECTOR, VECTOR + 1),
    "in place": _in_place,
    "in place in a view": _scaled_rows,
}


def _examples() -> list[torch.Tensor]:
    return [torch.rand(6, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]


@pytest.mark.parametrize("name", OPERATORS)
def test_value_and_gradients_equal_torchs(name) -> None:
    def function(x, y):
        result = OPERATORS[name](x, y)
        return result.flatten(1)

    x, y = _examples()
    graph = ur.graph(function, x, y)
    expected = function(x, y)
    (found,) = graph.evaluate(x, y)
    # Sums are taken in another order: a few float64 roundings of values of size about 10.
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    incoming = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, [x, y], incoming, allow_unused=True, retain_graph=True)
    inputs, _ = graph.derivative().gradients(x.detach(), y.detach(), incoming)
    for mine, theirs, value in zip(inputs, wanted, (x, y), strict=True):
        theirs = torch.zeros_like(value) if theirs is None else theirs
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


AT_ZERO = {
    "norm": lambda x, y: y * x.norm(dim=1, keepdim=True) + F.normalize(x, dim=1),
    "deviation": lambda x, y: y * x.std(1, keepdim=True),
    "pow": lambda x, y: x**y + x**1.5,
    "pow of a buffer": lambda x, y: y + x ** torch.tensor([0.0, 1, 2, 3]).to(x),
    "kinks": lambda x, y: x.relu() + x.abs() + x.clamp(0, 1) * y + F.elu(x) + F.leaky_relu(x),
    "log sum": lambda x, y: x.logsumexp(1, keepdim=True) + x.softmax(1) * y,
}


@pytest.mark.parametrize("name", AT_ZERO)
def test_gradients_at_zero_are_torchs(name) -> None:
    """The default initial state is zero."""
    x = torch.zeros(2, 4, dtype=torch.float64, requires_grad=True)
    y = torch.rand(2, 4, dtype=torch.float64, requires_grad=True)
    incoming = torch.rand(2, 4, dtype=torch.float64)
    wanted = torch.autograd.grad(AT_ZERO[name](x, y), [x, y], incoming)
    derivative = ur.graph(AT_ZERO[name], x, y).derivative()
    found, _ = derivative.gradients(x.detach(), y.detach(), incoming)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", OPERATORS)
def test_nan_goes_in_and_comes_out(name) -> None:
    x, y = (value.detach() for value in _examples())
    x[2] = torch.nan
    expected = OPERATORS[name](x, y)
    (found,) = ur.graph(lambda x, y: OPERATORS[name](x, y).flatten(1), x, y).evaluate(x, y)
    torch.testing.assert_close(found, expected.flatten(1), equal_nan=True)


class Norms(ur.Cell):
    """Batch norm in evaluation, dropout in evaluation: both act as fixed functions."""

    def __init__(self):
        super().__init__(4, {"h": 4})
        self.norm, self.dropout = nn.BatchNorm1d(4), nn.Dropout(0.5)

    def step(self, x, h):
        return (self.dropout(torch.tanh(self.norm(x + h))),)


def test_norm_and_dropout_in_evaluation() -> None:
    cell = Norms().double().eval()
    with torch.no_grad():
        for tensor in (cell.norm.weight, cell.norm.bias, cell.norm.running_mean):
            tensor.uniform_()
    x, h = _examples()
    (found,) = ur.graph(cell).evaluate(x, h)
    torch.testing.assert_close(found, cell.step(x, h)[0], rtol=1e-12, atol=1e-12)
