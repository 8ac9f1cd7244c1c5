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

import threading
from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..cells import Cell
from ..cells.affine import AffineCell
from ..engines.native.graphs import fingerprint
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
                f"recurrent_dropout needs an unrolled.cells.AffineCell, whose step reads h through "
                f"from_hidden; {type(cell).__name__} is none"
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
        self.take_facts_of(cell)
        self.noise = noise

    @property
    def title(self) -> str:
        kinds = {"recurrent dropout": self.noise.recurrent_dropout, "zoneout": self.noise.zoneout}
        return f"{self.cell.title} with " + " and ".join(kind for kind in kinds if kinds[kind])

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

    Noise that changes the cell while it steps, masks and dropped weights, is put on a twin: a
    module of its own with the same parameters, one for each thread.

    Attributes:
        cell: the cell, whose parameters all forms share.
        noise: how much of it there is.
    """

    def __init__(self, cell: Cell, noise: Noise):
        self.cell, self.noise = cell, noise
        self._evaluating = Expected(cell, noise) if noise.zoneout else cell
        self._needs_twin = bool(noise.weight_drop or noise.recurrent_dropout)
        self._training = _Form(cell, noise, self._needs_twin)
        self._of_thread = threading.local()

    @property
    def is_noisy(self) -> bool:
        """Whether the cell steps in another way than it is written, in training or evaluation."""
        return self._training.stepping is not self.cell or self._evaluating is not self.cell

    def twin(self) -> Stepper:
        """Another stepper whose cell has the same parameters but is a module of its own."""
        return Stepper(_twin(self.cell), self.noise)

    def now(self, training: bool) -> Cell:
        """The cell to unroll; in training with weights dropped anew."""
        if not training:
            return self._evaluating
        if not self._needs_twin:
            return self._training.stepping
        form = self._training if torch.compiler.is_compiling() else self._of_this_thread()
        form.take_parameters(self.cell, self.noise.weight_drop)
        return form.stepping

    def _of_this_thread(self) -> _Form:
        """The twin of this thread, made anew where the cell has become another."""
        form = getattr(self._of_thread, "form", None)
        if form is None or form.mark != fingerprint(self.cell):
            form = self._of_thread.form = _Form(self.cell, self.noise, True)
        return form

    def __getstate__(self) -> dict[str, Any]:
        """The cell and the noise: what is made of them holds tensors that no copy can have."""
        return {"cell": _with_leaves_only(self.cell), "noise": self.noise}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["cell"], state["noise"])


class _Form:
    """A cell as it steps in training.

    Attributes:
        stepping: the cell to unroll.
        mark: what the twin was made of.
    """

    def __init__(self, cell: Cell, noise: Noise, needs_twin: bool):
        self.mark = fingerprint(cell)
        self._twin = _twin(cell) if needs_twin else cell
        noisy = noise.recurrent_dropout or noise.zoneout
        self.stepping = Noisy(self._twin, noise) if noisy else self._twin

    def take_parameters(self, cell: Cell, share: float) -> None:
        """Give the twin the parameters as they are now, with a share of the weights dropped."""
        dropped = set(recurrent_weights(cell)) if share else ()
        for (path, ours), theirs in zip(cell.named_modules(), self._twin.modules(), strict=True):
            theirs._buffers.update(ours._buffers)
            for name, parameter in ours._parameters.items():
                whole = f"{path}.{name}".removeprefix(".")
                value: Any = parameter
                if whole in dropped:
                    value = F.dropout(value, share)
                theirs._parameters[name] = value


def _twin(cell: Cell) -> Cell:
    """A module of its own with the same parameters, buffers and other tensors."""
    shared: list[Tensor] = [*cell.parameters(), *cell.buffers()]
    # What torch computed, as a pruned weight, cannot be copied.
    shared += [t for m in cell.modules() for t in vars(m).values() if torch.is_tensor(t)]
    return deepcopy(cell, {id(tensor): tensor for tensor in shared})


def _with_leaves_only(cell: Cell) -> Cell:
    """The cell, or where torch computed some of its parameters, as with a parametrization, one
    without them; whose they are gives them to it again."""
    if all(parameter.is_leaf for parameter in cell.parameters()):
        return cell
    bare = copy(cell)
    bare._parameters = {
        n: p if p is None or p.is_leaf else None for n, p in bare._parameters.items()
    }
    return bare
