"""The step of a cell as a map of the whole state, with its derivatives.

    z(t) = F(x(t), z(t-1)),    J(t) = d z(t) / d z(t-1)

z holds all components of the state side by side. Derivatives come from the step's graph; those of
a cell that has none, from autograd through the step itself.

Shapes: N points, S all entries of the state, I input_size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ..cells import Cell
from ..engines.native.graphs import kept_of
from ..graph import UnsupportedOperator
from ..graph.jacobian import Jacobian

# Entries of Jacobians that are computed at once: S rows, each through the whole step.
MOST_ENTRIES = 1 << 21


class StepMap:
    """A cell's step on points (x, z), any number at once.

    Arguments:
        cell: the step; its parameters are read at every call.

    Attributes:
        size: S.
        jacobian: of the step's graph, with its structure; None where it has no graph.
    """

    def __init__(self, cell: Cell):
        self.cell, self.sizes = cell, list(cell.state_sizes.values())
        self.size = sum(self.sizes)
        self.jacobian: Jacobian | None = None
        try:
            kept = kept_of(cell).graph
            self.jacobian = None if kept is None else kept.jacobian()
        except (UnsupportedOperator, RuntimeError):
            # A step may run on states of one type only, and not on those of the trace.
            pass

    def join(self, state: Sequence[Tensor]) -> Tensor:
        """The components [..., size] as one z [..., S]."""
        return torch.cat(list(state), dim=-1)

    def split(self, z: Tensor) -> tuple[Tensor, ...]:
        """One z [..., S] as the components [..., size]."""
        return z.split(self.sizes, dim=-1)

    def advance(self, x: Tensor, z: Tensor) -> Tensor:
        """F(x, z), [N, S], with autograd, for x [N, I] and z [N, S]."""
        return self.join(self.cell.step(x, *self.split(z)))

    def jacobians(self, x: Tensor, z: Tensor) -> Tensor:
        """J at every point, [N, S, S]: row i is the gradient of entry i of the new state."""
        rows = max(1, MOST_ENTRIES // self.size**2)
        parts = zip(x.split(rows), z.split(rows), strict=True)
        return torch.cat([self._jacobians(*part) for part in parts])

    def along(self, x: Tensor, z: Tensor) -> Iterator[Tensor]:
        """J(1), ..., J(T), each [B, S, S], of points x [B, T, I] and states before them z."""
        at_once = max(1, MOST_ENTRIES // (len(x) * self.size**2))
        for start in range(0, x.shape[1], at_once):
            some = x[:, start : start + at_once], z[:, start : start + at_once]
            found = self.jacobians(*(part.flatten(0, 1) for part in some))
            yield from found.unflatten(0, some[0].shape[:2]).unbind(1)

    def pull(self, x: Tensor, z: Tensor, vectors: Tensor) -> Tensor:
        """J' v, [N, m, S], for m vectors v at each of the points, [N, m, S]."""
        with torch.no_grad():
            if self.jacobian is None:
                return torch.stack([self._pulled(x, z, v) for v in vectors.unbind(1)], dim=1)
            step, derivative = self.jacobian.derivative.of, self.jacobian.derivative
            parts = dict(zip(self.cell.state_sizes, self.split(vectors), strict=True))
            points = [part[:, None] for part in (x, *self.split(z))]
            incoming = [parts[name] for name in step.outputs]
            gradients = derivative.evaluate(*points, *incoming)
        found = dict(zip((node.name for node in step.inputs), gradients, strict=True))
        return self.join([found[name] for name in self.cell.state_sizes])

    @torch.no_grad()
    def _jacobians(self, x: Tensor, z: Tensor) -> Tensor:
        if self.jacobian is None:
            ones = torch.eye(self.size, dtype=z.dtype, device=z.device)
            return self.pull(x, z, ones.expand(len(z), -1, -1))
        points = x, *self.split(z)
        if self.jacobian.structure == "diagonal":
            return torch.diag_embed(self.jacobian.evaluate(*points))
        return self.jacobian.dense(*points)

    @torch.enable_grad()
    def _pulled(self, x: Tensor, z: Tensor, vector: Tensor) -> Tensor:
        leaf = z.detach().requires_grad_()
        new = self.advance(x.detach(), leaf)
        if not new.requires_grad:
            return torch.zeros_like(leaf)
        gradient = torch.autograd.grad(new, leaf, vector, allow_unused=True)[0]
        return torch.zeros_like(leaf) if gradient is None else gradient
