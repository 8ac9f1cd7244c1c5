"""The powers of a matrix, mode by mode.

    h(t) = W^t h(0) = Q Lambda^t Q^-1 h(0) = sum over k of c_k lambda_k^t q_k,    c = Q^-1 h(0)

The columns q_k of Q are the eigenvectors, of length one. A symmetric W has real eigenvalues and
orthonormal eigenvectors. Of any other real W, complex eigenvalues come in pairs, whose two terms
make one real mode, a rotation in a plane that grows or decays:

    c lambda^t q + its conjugate = 2 |c| |lambda|^t Re(exp(i (arg c + t arg lambda)) q)

A mode with |lambda| above 1 explodes, below 1 vanishes. Where the eigenvectors are far from
orthonormal, large modes cancel at first, and |W^t| may grow although all of them vanish:

    rho^t <= |W^t| <= cond(Q) rho^t,    rho = the largest |lambda|

A matrix without a full set of eigenvectors is *defective* and has no such modes.

Shapes: H hidden_size, T steps, M modes: H less the number of pairs.

References:
    Goodfellow, Bengio and Courville, "Deep Learning", section 10.7.
    Trefethen and Embree, "Spectra and Pseudospectra", 2005, chapters 14 and 16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..cells.cell import check_size

# In rounding, two equal eigenvalues with one eigenvector come apart by some 1e-8, and Q has a
# condition number of 1e7 or more. Random matrices of 300 rows have some 1e3.
WORST_CONDITION = 1e6
# What an eigenvalue of 1 may be off.
ROUNDING = 1e-13


@dataclass(frozen=True, eq=False, repr=False)
class Modes:
    """h(t) = W^t h(0), for t = 0 to T, as a sum of modes; those that last longest come first.

    Attributes:
        eigenvalues: lambda of every mode, [M], complex; of a pair the one above the real axis.
        vectors: q of every mode, [H, M], complex.
        contributions: what each mode adds to h(t), [T+1, M, H].
        amplitudes: size of each mode at every step, [T+1, M], |lambda|^t times that of step 0:
            the length of its contribution; of a rotation the root mean square over a turn.
        states: h(t) step by step, [T+1, H], by products with W.
        condition: of Q, all eigenvectors side by side; 1 where they are orthonormal.
        power_norms: |W^t|, [T+1].
    """

    eigenvalues: Tensor
    vectors: Tensor
    contributions: Tensor
    amplitudes: Tensor
    states: Tensor
    condition: float
    power_norms: Tensor

    @property
    def growth(self) -> Tensor:
        """|lambda| of every mode, [M]: the factor of its size in a step."""
        return self.eigenvalues.abs()

    @property
    def half_life(self) -> Tensor:
        """Steps until half of each mode is left, [M]; inf where it decays by less than rounding."""
        decay = -self.growth.log()
        return torch.where(decay > ROUNDING, math.log(2) / decay, math.inf)

    @property
    def period(self) -> Tensor:
        """Steps of a turn of each mode, [M]; 2 where only its sign changes, inf where nothing."""
        return 2 * math.pi / self.eigenvalues.angle().abs()

    @property
    def error(self) -> float:
        """The largest difference between the sum of the modes and h(t), as a share of |h(t)|.

        |h(t)| is that of its largest step. Beyond 1e-6 or so the modes tell nothing.
        """
        apart = (self.contributions.sum(1) - self.states).norm(dim=1).max()
        largest = self.states.norm(dim=1).max()
        return float(apart / largest) if largest > 0 else 0.0

    def __repr__(self) -> str:
        growth = ", ".join(f"{value:.3g}" for value in self.growth[:4])
        more = ", ..." if len(self.growth) > 4 else ""
        return f"Modes(growth=({growth}{more}), condition={self.condition:.3g})"


def modes(W: Tensor, h0: Tensor, steps: int) -> Modes:
    """Split W^t h(0) into the modes of W, in float64.

    Arguments:
        W: a real matrix, [H, H].
        h0: h(0), [H].
        steps: T.

    Raises:
        ValueError: a wrong shape, entries that are not finite, steps below 0, or a W that is
            defective, or so nearly that rounding decides what its modes are.
    """
    check_size("steps", steps, smallest=0)
    W, h0 = _checked(W, h0)
    values, Q, sizes, condition = _symmetric(W, h0) if _is_symmetric(W) else _general(W, h0)
    order = values.abs().argsort(descending=True, stable=True)
    values, Q, sizes = values[order], Q[:, order], sizes[order]
    # cumprod, as 0^0 has to be 1.
    powers = torch.cat([torch.ones_like(values)[None], values.expand(steps, -1)]).cumprod(0)
    pair = values.imag != 0
    contributions = torch.where(pair, 2, 1)[:, None] * ((sizes * powers)[..., None] * Q.mT).real
    amplitudes = sizes.abs() * torch.where(pair, math.sqrt(2), 1.0) * powers.abs()
    states = [h0]
    for _ in range(steps):
        states.append(W @ states[-1])
    return Modes(
        values, Q, contributions, amplitudes, torch.stack(states), condition, power_norms(W, steps)
    )


def power_norms(W: Tensor, steps: int) -> Tensor:
    """The largest factor by which W^t lengthens a vector, |W^t|, for t = 0 to `steps`, [T+1].

    It tells how far W can make a state grow before its eigenvalues have their way; any real W
    has it, a defective one too.

    Raises:
        ValueError: W is not square, not real or not finite, or steps are below 0.
    """
    check_size("steps", steps, smallest=0)
    W, _ = _checked(W, None)
    power, norms = torch.eye(len(W), dtype=W.dtype), []
    for _ in range(steps + 1):
        finite = bool(power.isfinite().all())
        norms.append(torch.linalg.matrix_norm(power, 2) if finite else W.new_tensor(math.inf))
        power = W @ power
    return torch.stack(norms)


def _checked(W: Tensor, h0: Tensor | None) -> tuple[Tensor, Tensor]:
    square = torch.is_tensor(W) and W.dim() == 2 and W.shape[0] == W.shape[1] > 0
    if not square or W.is_complex():
        came = f"{W.dtype} {list(W.shape)}" if torch.is_tensor(W) else type(W).__name__
        raise ValueError(f"W must be a real square matrix [H, H], got {came}")
    h0 = W.new_zeros(len(W)) if h0 is None else h0
    if not torch.is_tensor(h0) or h0.shape != W.shape[:1] or h0.is_complex():
        came = f"{h0.dtype} {list(h0.shape)}" if torch.is_tensor(h0) else type(h0).__name__
        raise ValueError(f"h0 must be real numbers [{len(W)}], as W has rows, got {came}")
    W, h0 = W.detach().to("cpu", torch.float64), h0.detach().to("cpu", torch.float64)
    for name, tensor in {"W": W, "h0": h0}.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{name} must be finite, it has NaN or infinity among its entries")
    return W, h0


def _is_symmetric(W: Tensor) -> bool:
    """Whether W is its transpose up to the rounding of a product such as Q Lambda Q'."""
    rounding = len(W) * torch.finfo(W.dtype).eps * W.abs().max()
    return bool((W - W.mT).abs().max() <= rounding)


def _symmetric(W: Tensor, h0: Tensor) -> tuple[Tensor, Tensor, Tensor, float]:
    """Eigenvalues, eigenvectors, h(0) in terms of those, and their condition number."""
    values, Q = torch.linalg.eigh((W + W.mT) / 2)
    return values + 0j, Q + 0j, Q.mT @ h0 + 0j, 1.0


def _general(W: Tensor, h0: Tensor) -> tuple[Tensor, Tensor, Tensor, float]:
    """As `_symmetric`; of each pair one."""
    values, Q = torch.linalg.eig(W)
    condition = float(torch.linalg.cond(Q))
    if not condition <= WORST_CONDITION:
        raise ValueError(
            f"W is defective or nearly so: its eigenvectors have a condition number of "
            f"{condition:.1e}, above {WORST_CONDITION:.0e}, so W^t is no sum of modes; "
            "power_norms(W, steps) tells how it grows"
        )
    sizes = torch.linalg.solve(Q, h0 + 0j)
    one = values.imag >= 0
    return values[one], Q[:, one], sizes[one], condition
