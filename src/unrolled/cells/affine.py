"""The parameters that torch.nn's cells share: two affine maps, their rows grouped in gates.

Shapes: G gates, H hidden_size, I input_size.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..naming import one_of
from .cell import Cell


def identity(a: Tensor) -> Tensor:
    """The number itself: no squashing."""
    return a


NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "identity": identity,
}
# What may squash a memory on its way out.
EMISSIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "identity": identity}


def nonlinearity_named(name: str, what: str) -> Callable[[Tensor], Tensor]:
    """The pointwise function called `name`; `what` is the argument that an error names."""
    return NONLINEARITIES[one_of(name, NONLINEARITIES, what)]


class AffineCell(Cell):
    """A cell with the parameter names, shapes and initialisation of `torch.nn.RNNCellBase`.

    `weight_ih` [G H, I], `weight_hh` [G H, H], `bias_ih` and `bias_hh` [G H], all drawn from
    U(-1/sqrt(H), 1/sqrt(H)). With `bias=False` both biases are None. Where the output is
    projected, to a size P, `weight_hh` is [G H, P].

    With `layer_norm` both products are normalised before their bias is added, and scaled by
    `weight_norm_ih` and `weight_norm_hh` [G H], which start at one: over all rows, or in the
    `parts` that a cell names.

    Attributes:
        parts: numbers of gates whose rows are normalised together; they add up to G.

    Reference:
        Ba, Kiros and Hinton, "Layer normalization", arXiv 1607.06450, 2016, appendix.
    """

    parts: tuple[int, ...] = ()
    layer_norm: bool = False
    _mask: Tensor | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        states: tuple[str, ...],
        bias: bool,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
        *,
        output_size: int | None = None,
        layer_norm: bool = False,
    ):
        sizes = dict.fromkeys(states, hidden_size)
        read = hidden_size if output_size is None else output_size
        super().__init__(input_size, {**sizes, states[0]: read})
        self.hidden_size, self.bias, self.layer_norm = hidden_size, bias, layer_norm
        self._mask = None
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        rows = max(len(self.gates), 1) * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size, **place))
        self.weight_hh = nn.Parameter(torch.empty(rows, read, **place))
        self.bias_ih = nn.Parameter(torch.empty(rows, **place)) if bias else None
        self.bias_hh = nn.Parameter(torch.empty(rows, **place)) if bias else None
        self.add_parameters(place)
        self.reset_parameters()

    def add_parameters(self, place: dict[str, Any]) -> None:
        """Add what the cell has beside the four, of the device and type in `place`."""
        if self.layer_norm:
            rows = len(self.weight_hh)
            self.weight_norm_ih = nn.Parameter(torch.empty(rows, **place))
            self.weight_norm_hh = nn.Parameter(torch.empty(rows, **place))

    def reset_parameters(self) -> None:
        """Draw every parameter anew, in torch.nn's order: the same seed gives its numbers."""
        bound = 1 / math.sqrt(max(self.hidden_size, 1))
        for name, parameter in self.named_parameters(recurse=False):
            if "norm" in name:
                nn.init.constant_(parameter, float(name.startswith("weight")))
            else:
                nn.init.uniform_(parameter, -bound, bound)

    def from_input(self, x: Tensor) -> Tensor:
        """The part of the pre-activations that depends on x(t), [B, G H]."""
        if not self.layer_norm:
            return F.linear(x, self.weight_ih, self.bias_ih)
        product = F.linear(x, self.weight_ih)
        parts = [self._normalise(product, rows, "ih") for rows in self._rows()]
        return torch.cat(parts, dim=-1)

    def from_hidden(self, h: Tensor) -> Tensor:
        """The part of the pre-activations that depends on h(t-1), [B, G H]."""
        if not self.layer_norm:
            return F.linear(self.masked(h), self.weight_hh, self.bias_hh)
        product = F.linear(self.masked(h), self.weight_hh)
        parts = [self._normalise(product, rows, "hh") for rows in self._rows()]
        return torch.cat(parts, dim=-1)

    def part_from_hidden(self, h: Tensor, part: int) -> Tensor:
        """The rows of one of the `parts` of `from_hidden(h)`, which may read another h."""
        rows = self._rows()[part]
        bias = None if self.bias_hh is None else self.bias_hh[rows]
        if not self.layer_norm:
            return F.linear(self.masked(h), self.weight_hh[rows], bias)
        product = F.linear(self.masked(h), self.weight_hh[rows])
        return F.layer_norm(product, product.shape[-1:], self.weight_norm_hh[rows], bias)

    @contextmanager
    def masking(self, mask: Tensor) -> Iterator[None]:
        """Within this context the recurrent products read `mask` * h: dropout of h, [B, H]."""
        self._mask = mask
        try:
            yield
        finally:
            self._mask = None

    def masked(self, h: Tensor) -> Tensor:
        return h if self._mask is None else h * self._mask

    def _rows(self) -> list[slice]:
        """The rows of each of the parts."""
        ends = list(accumulate(self.parts or (max(len(self.gates), 1),), initial=0))
        return [slice(a * self.hidden_size, b * self.hidden_size) for a, b in pairwise(ends)]

    def _normalise(self, product: Tensor, rows: slice, which: str) -> Tensor:
        gain, bias = getattr(self, f"weight_norm_{which}"), getattr(self, f"bias_{which}")
        part = product[:, rows]
        return F.layer_norm(part, part.shape[-1:], gain[rows], None if bias is None else bias[rows])
