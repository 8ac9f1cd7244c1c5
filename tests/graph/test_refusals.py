"""What the graph does not know: refused, named, with the line that does it."""

import pytest
import torch
from torch import nn

import unrolled as ur


class Refused(ur.Cell):
    def __init__(self, change):
        super().__init__(3, {"h": 3})
        self.linear, self.change = nn.Linear(3, 3), change
        self.register_buffer("count", torch.zeros(3))
        self.stray = torch.rand(3, requires_grad=True)

    def step(self, x, h):
        return (self.change(self, self.linear(x), h),)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, g):
        return 5 * g


def _merged(cell, x, h):
    return (x.view(-1, 1) @ cell.linear.weight[:1, :1]).view_as(x)


def _outer(a, b):
    return a[:, :, None] * b[:, None]


def _without_gradient(cell, x, h):
    with torch.no_grad():
        gate = torch.sigmoid(x)
    return gate * h + x.sum(1, keepdim=True) * 0


def _hooked(cell, x, h):
    if x.requires_grad:
        x.register_hook(lambda g: g * 0.1)
    return x + h


def _keeps(cell, x, h):
    cell.last = x + h
    return cell.last


def _branch(cell, x, h):
    return x if h.sum() > 0 else h


def _counted(cell, x, h):
    cell.count += 1
    return x + h


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c, x, h: x.sort(1)[0] + h, ["aten.sort", "test_graph.py:", "x.sort(1)"]),
        (lambda c, x, h: nn.functional.dropout(x + h), ["random", "eval()", "dropout(x + h)"]),
        (lambda c, x, h: x + torch.randn_like(h), ["random"]),
        (lambda c, x, h: x - h.mean(0), ["mixes the samples", "h.mean(0)"]),
        (lambda c, x, h: x + h * h.norm(), ["mixes the samples"]),
        (lambda c, x, h: x + h[:1], ["samples of a batch", "h[:1]"]),
        (lambda c, x, h: x.roll(1, 0), ["mixes the samples"]),
        (lambda c, x, h: x + h.float().double(), ["precision", "h.float()"]),
        (lambda c, x, h: (_outer(x, h) @ _outer(x, x)).sum(1), ["two matrices"]),
        (lambda c, x, h: (x / h).round(decimals=1), ["aten.round"]),
        (lambda c, x, h: torch.div(x, h, rounding_mode="floor"), ["rounds"]),
        (lambda c, x, h: Doubled.apply(x) + h, ["Doubled", "autograd.Function"]),
        (lambda c, x, h: x + c.stray * h, ["[3]", "nn.Parameter"]),
        (lambda c, x, h: h.mul_(2) + x, ["writes to h"]),
        (_without_gradient, ["no_grad", "gradient of"]),
        (_hooked, ["hook", "gradient"]),
        (lambda c, x, h: x + torch.tensor(float(len(h))).to(x), ["size of the batch"]),
        (lambda c, x, h: x[:, : len(x)].sum(1, keepdim=True) + h, ["batch"]),
        (lambda c, x, h: ((x > 0) + (h > 0)) * h, ["torch.bool", "not real numbers"]),
        (lambda c, x, h: ((x > 0).sum(1, keepdim=True) & 1) * h, ["bits of integers"]),
        (_merged, ["merges the batch"]),
        (_keeps, ["keeps last"]),
        (lambda c, x, h: x * len(x) + h, ["size of the batch", "x * len(x)"]),
        (_branch, ["reads the value", "h.sum() > 0"]),
        (_counted, ["writes to count"]),
    ],
)
def test_unknown_operators_are_named_with_their_line(change, words) -> None:
    cell = Refused(change).double()
    with pytest.raises(ur.UnsupportedOperator) as raised:
        ur.graph(cell)
    assert all(word in str(raised.value) for word in words), raised.value
    assert "\n" not in str(raised.value)
    # A graph is never needed: the definition runs what can be run at all.
    assert ur.unroll(cell, torch.rand(2, 3, 3, dtype=torch.float64)).engine == "eager"


def test_tracing_leaves_everything_as_it_was() -> None:
    cell = Refused(_counted).train()
    before, state = (
        torch.random.get_rng_state(),
        {k: v.clone() for k, v in cell.state_dict().items()},
    )
    with pytest.raises(ur.UnsupportedOperator):
        ur.graph(cell)
    assert torch.equal(before, torch.random.get_rng_state())
    for name, tensor in cell.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    assert all(parameter.grad is None for parameter in cell.parameters())
