"""Noise on a recurrence while it trains: dropout of h, zoneout, dropped weights.

    recurrent dropout   W (d * h(t-1)),  d drawn once for a sequence, 0 or 1 / (1 - p)
    zoneout             s(t) = z(t) s(t-1) + (1 - z(t)) step(...),  z(t) drawn at every step;
                        in evaluation its mean, s(t) = p s(t-1) + (1 - p) step(...)
    dropped weights     entries of W are zero, drawn once for a batch

A cell with noise is a cell, so every engine runs it: what is drawn at random comes to the step as
features behind those of x.

Shapes: B batch, T time.

References:
    Gal and Ghahramani, "A theoretically grounded application of dropout in recurrent neural
        networks", NeurIPS 2016.
    Krueger et al., "Zoneout: regularizing RNNs by randomly preserving hidden activations",
        ICLR 2017.
    Merity, Keskar and Socher, "Regularizing and optimizing LSTM language models", ICLR 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..cells import Cell
from ..cells.affine import AffineCell
from ..naming import one_of


@dataclass(frozen=True)
class Noise:
    """How much noise a layer's recurrence has.

    Attributes:
        recurrent_dropout: share of h that the recurrent products do not see, for a sequence.
        zoneout: share of each state component that keeps its value, by name.
        weight_drop: share of the entries of the recurrent weights that are zero, for a batch.
    """

    recurrent_dropout: float = 0.0
    zoneout: Mapping[str, float] = field(default_factory=dict)
    weight_drop: float = 0.0

    @staticmethod
    def checked(
        cell: Cell,
        recurrent_dropout: float,
        zoneout: float | Sequence[float] | Mapping[str, float],
        weight_drop: float,
    ) -> Noise:
        """The noise that a person asks for, where `cell` can have it.

        Arguments:
            zoneout: of all components, or of each in order, or by name.

        Raises:
            ValueError: a share that is not from 0 to 1, or a cell that cannot have it.
        """
        shares = {n: p for n, p in _by_name(cell, zoneout).items() if _share("zoneout", p)}
        if _share("recurrent_dropout", recurrent_dropout) and not isinstance(cell, AffineCell):
            raise ValueError(
                f"recurrent_dropout needs a cell that multiplies h by weight_hh in from_hidden, "
                f"as those of unrolled.cells.AffineCell do; {type(cell).__name__} does not"
            )
        if _share("weight_drop", weight_drop) and not recurrent_weights(cell):
            names = ", ".join(name for name, _ in cell.named_parameters()) or "none"
            raise ValueError(
                f"weight_drop needs parameters called weight_hh...; those of "
                f"{type(cell).__name__} are {names}"
            )
        return Noise(float(recurrent_dropout), shares, float(weight_drop))


def recurrent_weights(cell: Cell) -> list[str]:
    """Names of the parameters that weight_drop drops entries of."""
    names = [name for name, _ in cell.named_parameters()]
    return [name for name in names if name.rpartition(".")[2].startswith("weight_hh")]


def _by_name(
    cell: Cell, zoneout: float | Sequence[float] | Mapping[str, float]
) -> Mapping[str, float]:
    if isinstance(zoneout, Mapping):
        for name in zoneout:
            one_of(name, cell.state_sizes, "state component of zoneout")
        return zoneout
    if isinstance(zoneout, Sequence):
        if len(zoneout) != len(cell.state_sizes):
            names = ", ".join(cell.state_sizes)
            raise ValueError(f"zoneout must be one number or one for each of {names}: {zoneout}")
        return dict(zip(cell.state_sizes, zoneout, strict=True))
    return {name: zoneout for name in cell.state_sizes if name not in cell.unread}


def _share(what: str, share: float) -> float:
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share < 1:
        raise ValueError(f"{what} must be a number from 0 to below 1, got {share!r}")
    return share


class _Around(Cell):
    """A cell that steps another one."""

    def __init__(self, cell: Cell, noise: Noise, input_size: int):
        super().__init__(input_size, cell.state_sizes)
        self.cell, self.zoneout = cell, dict(noise.zoneout)
        self.gates, self.unread = cell.gates, cell.unread

    def initial_state(
        self,
        batch_size: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> tuple[Tensor, ...]:
        return self.cell.initial_state(batch_size, dtype=dtype, device=device)


class Noisy(_Around):
    """A cell in training. Behind the features of x come d and the z(t), which `draw` draws.

    Arguments:
        cell: the cell.
        noise: its recurrent dropout and zoneout.
    """

    def __init__(self, cell: Cell, noise: Noise):
        self.drops = bool(noise.recurrent_dropout)
        self.share = noise.recurrent_dropout
        first = next(iter(cell.state_sizes.values()))
        self.sizes = [first] * self.drops + [cell.state_sizes[name] for name in noise.zoneout]
        super().__init__(cell, noise, cell.input_size + sum(self.sizes))

    def draw(self, inputs: Tensor) -> Tensor:
        """`inputs` [B, T, I] with the noise of every step behind them."""
        batch, time, _ = inputs.shape
        drawn = []
        if self.drops:
            once = F.dropout(inputs.new_ones(batch, 1, self.sizes[0]), self.share)
            drawn.append(once.expand(batch, time, -1))
        for share, size in zip(self.zoneout.values(), self.sizes[self.drops :], strict=True):
            drawn.append(inputs.new_empty(batch, time, size).bernoulli_(share))
        return torch.cat([inputs, *drawn], dim=-1)

    def step(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        x, *drawn = x.split([self.cell.input_size, *self.sizes], dim=-1)
        # Noise has no gradient, though x may have one.
        drawn = [noise.detach() for noise in drawn]
        if self.drops:
            assert isinstance(self.cell, AffineCell), "Noise.checked refuses others"
            with self.cell.masking(drawn.pop(0)):
                new = self.cell.step(x, *state)
        else:
            new = self.cell.step(x, *state)
        keep = dict(zip(self.zoneout, drawn, strict=True))
        return _zoned(self.state_sizes, keep, state, new)


class Expected(_Around):
    """A cell with zoneout in evaluation: the mean of what training draws."""

    def __init__(self, cell: Cell, noise: Noise):
        super().__init__(cell, noise, cell.input_size)

    def step(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        return _zoned(self.state_sizes, self.zoneout, state, self.cell.step(x, *state))


def _zoned(
    names: Mapping[str, int],
    keep: Mapping[str, Tensor] | Mapping[str, float],
    old: Sequence[Tensor],
    new: Sequence[Tensor],
) -> tuple[Tensor, ...]:
    return tuple(
        keep[name] * before + (1 - keep[name]) * after if name in keep else after
        for name, before, after in zip(names, old, new, strict=True)
    )


class Stepper:
    """The forms in which a layer's cell steps: in training, in evaluation.

    Attributes:
        cell: the cell, whose parameters all forms share.
    """

    def __init__(self, cell: Cell, noise: Noise):
        self.cell, self.noise, self.share = cell, noise, noise.weight_drop
        # Its own module, as other tensors take the place of some of its parameters.
        self._dropping = _twin(cell) if self.share else None
        stepping = self._dropping or cell
        noisy = bool(noise.recurrent_dropout or noise.zoneout)
        self._training = Noisy(stepping, noise) if noisy else stepping
        self._evaluating = Expected(cell, noise) if noise.zoneout else cell

    @property
    def is_noisy(self) -> bool:
        """Whether the cell steps in another way than it is written, in training or evaluation."""
        return self._training is not self.cell or self._evaluating is not self.cell

    def twin(self) -> Stepper:
        """Another stepper whose cell has the same parameters but is a module of its own."""
        return Stepper(_twin(self.cell), self.noise)

    def now(self, training: bool) -> Cell:
        """The cell to unroll; in training with weights dropped anew."""
        if not training:
            return self._evaluating
        if self._dropping is not None:
            self._drop_weights(self._dropping)
        return self._training

    def _drop_weights(self, twin: Cell) -> None:
        dropped = set(recurrent_weights(self.cell))
        pairs = zip(self.cell.named_modules(), twin.modules(), strict=True)
        for (path, ours), theirs in pairs:
            theirs._buffers.update(ours._buffers)
            for name, parameter in ours._parameters.items():
                whole = f"{path}.{name}".removeprefix(".")
                value: Any = parameter
                if whole in dropped:
                    value = F.dropout(value, self.share)
                theirs._parameters[name] = value


def _twin(cell: Cell) -> Cell:
    """A module of its own with the same parameters and buffers."""
    shared: list[Tensor] = [*cell.parameters(), *cell.buffers()]
    return deepcopy(cell, {id(tensor): tensor for tensor in shared})
