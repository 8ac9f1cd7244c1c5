"""Roots of r(z) = F(x, z) - z, from many starts at once, by bringing down q = 1/2 |r|^2.

First gradient descent (Adam), which is cheap in many dimensions, then damped Newton steps:

    d = -(A'A + mu)^-1 A' r,    A = dr/dz = J - 1,    mu = c min(|r|, |r|^2)
    z <- z + s d,    s = 1, 1/2, 1/4, ... until q falls enough

The damping lets it converge quadratically even where A is singular, as on a line of fixed points,
and end in a local minimum of q where there is no root near. There r bends, and c grows from 1
as whole steps turn out too long.

Shapes: I input_size, S all entries of the state, n starts.

References:
    Nocedal and Wright, "Numerical Optimization", 2nd edition, 2006, sections 3.1 and 10.3.
    Yamashita and Fukushima, "On the rate of convergence of the Levenberg-Marquardt method",
        Computing Supplement 15, 2001 (|r|^2).
    Fan and Yuan, "On the quadratic convergence of the Levenberg-Marquardt method without
        nonsingularity assumption", Computing 74, 2005 (|r|).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .steps import StepMap

DESCENT, LEARNING_RATE = 200, 0.05
ITERATIONS, HALVINGS = 100, 25
# q has a minimum where |A' r| is at most this times (1 + |A|) |r|.
FLAT = 1e-4
# Entries of Jacobians that are worked on at once.
MOST_ENTRIES = 1 << 22
TINY = 1e-30


class RootSearch:
    """Roots of r(z) = F(x, z) - z, for many z [n, S] at once.

    Arguments:
        step: F and its Jacobian.
        x: [1, I].
    """

    def __init__(self, step: StepMap, x: Tensor):
        self.step, self.x = step, x
        # What |r| can come down to, as a share of 1 + |z|.
        self.rounding = torch.finfo(x.dtype).eps

    def residual(self, z: Tensor) -> Tensor:
        """r at every z, [n, S]."""
        return self.step.advance(self.x.expand(len(z), -1), z) - z

    @torch.no_grad()
    def speed(self, z: Tensor) -> Tensor:
        """q at every z, [n]."""
        return self.residual(z).square().sum(-1) / 2

    def linear(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """r [n, S], A = J - 1 [n, S, S] and the gradient of q, A' r [n, S]."""
        with torch.no_grad():
            r = self.residual(z)
        A = self.step.jacobians(self.x.expand(len(z), -1), z)
        A = A - torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
        return r, A, (A.mT @ r[:, :, None])[:, :, 0]

    def end(self, starts: Tensor) -> Tensor:
        """Where every start ends; not finite where it diverges."""
        rows = max(1, MOST_ENTRIES // starts.shape[1] ** 2)
        return torch.cat([self.newton(z) for z in self.descended(starts).split(rows)])

    @torch.enable_grad()
    def descended(self, starts: Tensor) -> Tensor:
        """Gradient descent on q; a start that it takes uphill stays where it was."""
        z = starts.clone().requires_grad_()
        optimiser = torch.optim.Adam([z], lr=LEARNING_RATE)
        for number in range(DESCENT):
            optimiser.param_groups[0]["lr"] = LEARNING_RATE * (1 - number / DESCENT)
            # Adam looks at each number by itself, so no start has a part in another's path.
            q = self.residual(z).square().sum() / 2
            z.grad = torch.autograd.grad(q, z)[0]
            optimiser.step()
        z = z.detach()
        return torch.where((self.speed(z) <= self.speed(starts))[:, None], z, starts)

    @torch.no_grad()
    def newton(self, z: Tensor) -> Tensor:
        """Damped Newton, until rounding or a minimum of q stops it."""
        z = z.clone()
        active, factor = torch.arange(len(z), device=z.device), torch.ones_like(z[:, 0])
        for _ in range(ITERATIONS):
            r, A, gradient = self.linear(z[active])
            exact = r.norm(dim=-1) <= self.rounding * (1 + z[active].norm(dim=-1))
            going = ~exact & gradient.isfinite().all(-1) & A.isfinite().all(-1).all(-1)
            active, r, A, gradient = active[going], r[going], A[going], gradient[going]
            if not len(active):
                break
            d = _directions(r, A, gradient, factor[active])
            z[active], s = self.backtracked(z[active], gradient, d)
            # Where the whole step is too long, r bends more than A tells.
            factor[active] = torch.where(s < 1, 4 * factor[active], factor[active] / 2).clamp(min=1)
            active = active[s > 0]
        return z

    def backtracked(self, z: Tensor, gradient: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        """z + s d, and the largest s at which q falls as it should (Armijo); 0 at none."""
        q, slope = self.speed(z), (gradient * d).sum(-1)
        s, accepted = torch.ones_like(q), torch.zeros_like(q, dtype=torch.bool)
        for _ in range(HALVINGS):
            new = self.speed(z + s[:, None] * d)
            accepted |= new <= q + 1e-4 * s * slope
            if accepted.all():
                break
            s = torch.where(accepted, s, s / 2)
        return torch.where(accepted[:, None], z + s[:, None] * d, z), torch.where(accepted, s, 0)

    def kinds(self, z: Tensor, tolerance: float) -> tuple[Tensor, Tensor, Tensor]:
        """Which of z are finite, fixed, and at a minimum of q that is no root, each [n]."""
        rows = max(1, MOST_ENTRIES // z.shape[1] ** 2)
        size, flatness = (
            torch.cat(parts)
            for parts in zip(*(self._flatness(part) for part in z.split(rows)), strict=True)
        )
        finite = torch.isfinite(z).all(-1) & torch.isfinite(size)
        finest = max(tolerance, 64 * self.rounding)
        fixed = finite & (size <= finest * (1 + z.norm(dim=-1)))
        return finite, fixed, finite & ~fixed & (flatness <= FLAT)

    def _flatness(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """|r| and |A' r| / ((1 + |A|) |r|), [n]."""
        r, A, gradient = self.linear(z)
        size = r.norm(dim=-1)
        reach = (1 + A.norm(dim=(-2, -1))) * size
        return size, torch.where(reach > 0, gradient.norm(dim=-1) / reach, 0)

    def apart(self, z: Tensor, distance: float) -> tuple[Tensor, Tensor]:
        """One of each group of points that are near one another, [k, S], and their numbers [k].

        The points of the smallest q stand for those around them.
        """
        z = z[self.speed(z).argsort()]
        kept, numbers = [], []
        while len(z):
            near = (z - z[0]).norm(dim=-1) <= distance * (1 + z[0].norm())
            kept.append(z[0])
            numbers.append(int(near.sum()))
            z = z[~near]
        return torch.stack(kept) if kept else z, torch.tensor(numbers, dtype=torch.int64)

    def eigenvalues(self, z: Tensor) -> Tensor:
        """Of J at every z, the largest modulus first, complex [n, S]."""
        J = self.step.jacobians(self.x.expand(len(z), -1), z).double() if len(z) else z
        values = torch.linalg.eigvals(J if len(z) else J.new_empty(0, J.shape[1], J.shape[1]))
        return values.gather(-1, values.abs().argsort(dim=-1, descending=True))


def _directions(r: Tensor, A: Tensor, gradient: Tensor, factor: Tensor) -> Tensor:
    """The damped Newton step at every point, [n, S]; `factor` [n] is c of mu."""
    size = r.norm(dim=-1)
    # Far from a root |r|^2 would all but stop it. Below, rounding of A'A would make it singular.
    least = torch.finfo(r.dtype).eps * A.square().sum((-2, -1))
    damping = factor * torch.minimum(size, size.square()) + least.clamp(min=TINY)
    matrix = A.mT @ A
    matrix.diagonal(dim1=-2, dim2=-1).add_(damping[:, None])
    return -torch.linalg.solve_ex(matrix, gradient[:, :, None])[0][:, :, 0]
