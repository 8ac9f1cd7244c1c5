"""One engine against another: values, and gradients of a loss that uses all of them."""

import torch

import unrolled as ur


def everything(cell, engine, x, state, **options):
    """States at every step and at the end, and gradients of x, the state and the parameters."""
    x, state = x.clone().requires_grad_(), tuple(s.clone().requires_grad_() for s in state)
    run = ur.unroll(cell, x, state=state, engine=engine, **options)
    values = [*run.states.values(), *run.final]
    loss = sum((v * torch.sin(torch.arange(v.numel()).view_as(v))).sum() for v in values)
    learned = [p for p in cell.parameters() if p.requires_grad]
    return values, torch.autograd.grad(loss, [x, *state, *learned], allow_unused=True)


def assert_alike(cell, x, state, bound=1e-12, engine="native", **options) -> None:
    """The engine gives what the definition gives, to `bound` of the largest number."""
    expected, found = (everything(cell, e, x, state, **options) for e in ("eager", engine))
    for ours, theirs in zip(found, expected, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            if a is not None or b is not None:
                a = torch.zeros_like(b) if a is None else a
                b = torch.zeros_like(a) if b is None else b
                size = 1 + b.detach().abs().max().item() if b.numel() else 1
                torch.testing.assert_close(a, b, rtol=0, atol=bound * size)
