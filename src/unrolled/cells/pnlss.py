"""The polynomial nonlinear state-space model: a linear recurrence and a polynomial beside it.

    z(t) = P h(t-1) + Q x(t) + b_z
    h(t) = A h(t-1) + U x(t) + b + E [v(t)^2, v(t)^3],    v(t) = limit tanh(z(t) / limit)

A polynomial of degree 3 in the entries of h and x is a sum of squares and cubes of linear forms z,
which is the decoupled form of the paper's sum over all monomials. With `limit=None` v is z, as in
the papers. A limit bounds the polynomial, so that a stable A keeps h bounded whatever x is, and
leaves it nearly as it is for z well below the limit.

At the start E is zero and A is orthogonal times `radius`: a stable linear system. A polynomial
that describes the physics (the cube of a spring's or a diode's law, products of states) goes on
beyond the range of the training data, where a saturating network levels off.

References:
    Paduart, Lauwers, Swevers, Smolders, Schoukens and Pintelon, "Identification of nonlinear
        systems using polynomial nonlinear state space models", Automatica 46, 2010.
    Dreesen, Ishteva and Schoukens, "Decoupling multivariate polynomials using first-order
        information and tensor decompositions", SIAM Journal on Matrix Analysis and Applications
        36, 2015.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .affine import AffineCell
from .cell import check_size
from .ranges import check_number

# Standard deviations at the start: of the weights of x, and of a form z of a state of size 1. Forms
# well below the limit keep the cubes from running away while the weights are still poor.
INPUT_SCALE, FORM_SCALE = 0.3, 0.5


class PNLSS(AffineCell):
    """State `h`. `weight_ih` (U) [H, I], `weight_hh` (A) [H, H], `bias_ih`, `bias_hh` [H].

    Also `weight_iz` (Q) [K, I], `weight_hz` (P) [K, H], `bias_z` [K] and `weight_zh` (E) [H, 2 K].
    b is bias_ih + bias_hh.

    Arguments:
        input_size: features of x.
        hidden_size: H, size of h.
        bias: whether the affine maps have biases.
        units: K, how many linear forms are squared and cubed; default `hidden_size`.
        limit: above 0; the size that no v exceeds, or None for none.
        radius: above 0 and up to 1: the modulus of all eigenvalues of A at the start.

    Raises:
        ValueError: a limit or a radius out of range, or a size below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        units: int | None = None,
        limit: float | None = 3.0,
        radius: float = 0.95,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        self.units = hidden_size if units is None else units
        check_size("units", self.units)
        check_number("radius", radius, most=1)
        if limit is not None:
            check_number("limit", limit)
        self.limit, self.radius = limit, radius
        super().__init__(input_size, hidden_size, ("h",), bias, device, dtype)

    def add_parameters(self, place: dict[str, Any]) -> None:
        size, units = self.hidden_size, self.units
        self.weight_iz = nn.Parameter(torch.empty(units, self.input_size, **place))
        self.weight_hz = nn.Parameter(torch.empty(units, size, **place))
        self.bias_z = nn.Parameter(torch.empty(units, **place)) if self.bias else None
        self.weight_zh = nn.Parameter(torch.empty(size, 2 * units, **place))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw A, U, P and Q anew; E and the biases are zero."""
        nn.init.orthogonal_(self.weight_hh, gain=self.radius)
        nn.init.normal_(self.weight_ih, std=INPUT_SCALE)
        nn.init.normal_(self.weight_iz, std=INPUT_SCALE)
        nn.init.normal_(self.weight_hz, std=FORM_SCALE / math.sqrt(self.hidden_size))
        for parameter in (self.weight_zh, self.bias_ih, self.bias_hh, self.bias_z):
            if parameter is not None:
                nn.init.zeros_(parameter)

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        linear = self.from_input(x) + self.from_hidden(h)
        z = F.linear(x, self.weight_iz, self.bias_z) + F.linear(self.masked(h), self.weight_hz)
        v = z if self.limit is None else self.limit * torch.tanh(z / self.limit)
        squared = v * v
        return (linear + F.linear(torch.cat([squared, squared * v], dim=-1), self.weight_zh),)
