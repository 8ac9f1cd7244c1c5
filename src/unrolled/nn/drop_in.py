"""What RNN, LSTM and GRU share: a module of torch's whose steps run in the library's engines.

The parameters belong to the layer, under torch's names. A cell for each layer and direction reads
them; the cells are no submodules.

Shapes: B batch, T time, L layers, D directions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ..cells import Cell
from ..engines import Engine
from ..engines.native.engine import FEWEST_STEPS
from ..engines.vendor import has_kernel
from .noise import Noise, Stepper
from .recurrent import Stacked, Zoneout, check_chain, checked_engine, layer_sizes, output_size
from .sequences import Sequences
from .stack import Between

Sizes = int | Sequence[int]
Place = torch.device | str | None


@dataclass(frozen=True)
class Extras:
    """What a layer can that torch's cannot, whatever its cell; `RNN` describes the fields."""

    recurrent_dropout: float = 0.0
    zoneout: Zoneout = 0.0
    weight_drop: float = 0.0
    skip: bool = False
    engine: str | Engine = "auto"


class DropIn(Stacked, nn.RNNBase):
    """A layer of torch's by class. Extend it with `_make_cell`, and call `_build` when made."""

    def _build(
        self,
        input_size: int,
        hidden_size: Sizes,
        extras: Extras,
        place: dict[str, Any],
    ) -> None:
        """Replace torch's parameters, which it made without memory, by those of the cells."""
        sizes = layer_sizes(hidden_size, self.num_layers)
        self.extras, self.engine = extras, checked_engine(extras.engine)
        if not isinstance(hidden_size, int):
            self.hidden_size = sizes  # pyright: ignore[reportAttributeAccessIssue]
        self._parameters.clear()
        self._names: list[list[dict[str, str]]] = []
        self._all_weights, self._flat_weights_names, rows = [], [], []
        read, ways = input_size, ["", "_reverse"] if self.bidirectional else [""]
        for depth, size in enumerate(sizes):
            rows.append([self._make_cell(read, size, place) for _ in ways])
            self._names.append([])
            for way, cell in zip(ways, rows[-1], strict=True):
                self._take_parameters(cell, f"_l{depth}{way}")
            read = sum(map(output_size, rows[-1]))
        check_chain(rows, extras.skip)
        noise = (extras.recurrent_dropout, extras.zoneout, extras.weight_drop)
        self.steppers = [[Stepper(c, Noise.checked(c, *noise)) for c in row] for row in rows]
        self._init_flat_weights()

    def _make_cell(self, input_size: int, hidden_size: int, place: dict[str, Any]) -> Cell:
        raise NotImplementedError

    @property
    def between(self) -> Between:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What happens between layers; `dropout` may be set anew at any time, as torch's."""
        return Between(self.dropout, self.extras.skip)

    def _take_parameters(self, cell: Cell, suffix: str) -> None:
        names = {name: name + suffix for name, _ in cell.named_parameters()}
        for short, name in names.items():
            setattr(self, name, cell.get_parameter(short))
        self._names[-1].append(names)
        self._all_weights.append(list(names.values()))
        self._flat_weights_names += [name for name in names.values() if "norm" not in name]

    def _bound(self) -> Iterator[tuple[Cell, dict[str, str]]]:
        """Every cell, with the layer's names of its parameters."""
        for row, named in zip(self.steppers, self._names, strict=True):
            for stepper, names in zip(row, named, strict=True):
                yield stepper.cell, names

    def _bind(self) -> None:
        """Give the cells the layer's parameters as they are now.

        They are others after `to`, in `torch.func.functional_call`, and under a parametrization.
        """
        for cell, names in self._bound():
            for short, name in names.items():
                parameter = getattr(self, name)
                if cell._parameters[short] is not parameter:
                    cell._parameters[short] = parameter

    def reset_parameters(self) -> None:
        """Draw every parameter anew, in torch.nn's order: the same seed gives its numbers."""
        if "steppers" in vars(self):
            self._bind()
            for cell, _ in self._bound():
                cell.reset_parameters()  # pyright: ignore[reportCallIssue]

    def flatten_parameters(self) -> None:
        """Put the parameters in one block, which cuDNN reads faster; nothing on a CPU."""
        if isinstance(self.hidden_size, int):
            super().flatten_parameters()

    def _replicate_for_data_parallel(self) -> Any:
        replica = super()._replicate_for_data_parallel()
        # Replicas run at the same time, each with cells that read its own parameters.
        replica.steppers = [[stepper.twin() for stepper in row] for row in self.steppers]
        return replica

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        input: Tensor | PackedSequence,
        hx: Any = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        mask: Tensor | None = None,
        reset: Tensor | None = None,
        return_states: bool = False,
    ) -> tuple[Any, ...]:
        """Run the layers.

        Arguments:
            input: [T, B, features], with `batch_first` [B, T, features], one sequence
                [T, features], or a PackedSequence.
            hx: the state before the first step, [L D, B, size] (one sequence: [L D, size]): h,
                or (h, c) of an LSTM; with hidden sizes that differ a tuple with that of every
                layer, [D, B, size]. Default zeros.
            lengths: valid steps of each sequence, [B], in place of packing.
            mask: true at valid steps, of the input's shape without features; where it is false a
                step is left out, also between others.
            reset: true where a sequence starts anew, from zeros, before the step; of the
                input's shape without features.
            return_states: also return every state and gate at every step.

        Returns:
            The outputs of the last layer, zero where not valid, in the form of the input; the
            state after each sequence's last valid step, as `hx`; with `return_states` a
            `LayerStates` for each layer and direction, in the order of `hx`.

        Raises:
            ValueError, RuntimeError: as torch.nn; ValueError for the arguments torch has not.
        """
        beyond = {"lengths": lengths, "mask": mask, "reset": reset, "return_states": return_states}
        if not torch.compiler.is_compiling() and "torch._dynamo" in sys.modules:
            return _outside_the_compiler()(self, input, hx, **beyond)
        return self._run(input, hx, **beyond)

    def _run(
        self,
        input: Tensor | PackedSequence,
        hx: Any,
        lengths: Tensor | Sequence[int] | None,
        mask: Tensor | None,
        reset: Tensor | None,
        return_states: bool,
    ) -> tuple[Any, ...]:
        plain = lengths is None and mask is None and reset is None and not return_states
        if plain and self._is_left_to_torch(input):
            self.why = ("vendor: all layers in one call of torch.nn",)
            return super().forward(input, hx)
        self._bind()
        if not isinstance(input, PackedSequence):
            self._check_dimensions(input, hx)
        sequences = Sequences.read(input, self.batch_first, lengths, mask)
        self._check_sizes(input, hx, sequences)
        return self.run_sequences(sequences, hx, reset, return_states)

    def _is_left_to_torch(self, input: Any) -> bool:
        """Whether torch's kernels run all layers at once.

        They do where they are asked for; with "auto" on devices that no other engine runs on,
        for fewer steps than the native engine runs, and in traces and exports, which take torch's
        operators; and where there is nothing to run.
        """
        if not self._is_torchs() or not isinstance(input, (Tensor, PackedSequence)):
            return False
        data = input.data if isinstance(input, PackedSequence) else input
        elsewhere = data.device.type != "cpu" or self._steps(input) < FEWEST_STEPS or _is_exported()
        auto = self.engine == "auto" and elsewhere
        return self.engine == "vendor" or auto or 0 in data.shape[:-1]

    def _steps(self, input: Tensor | PackedSequence) -> int:
        if isinstance(input, PackedSequence):
            return len(input.batch_sizes)
        return input.shape[1 if self.batch_first and input.dim() == 3 else 0]

    def _is_torchs(self) -> bool:
        """Whether torch's kernels compute what the layer does."""
        steppers = [stepper for row in self.steppers for stepper in row]
        plain = isinstance(self.hidden_size, int) and not self.between.skip
        return plain and all(not s.is_noisy and has_kernel(s.cell) for s in steppers)

    def _check_dimensions(self, input: Tensor, hx: Any) -> None:
        """As torch.nn checks them, with its messages."""
        name, dim = self.mode.partition("_")[0], input.dim()
        if dim not in (2, 3):
            more = " tensor" if name == "RNN" else ""
            raise ValueError(f"{name}: Expected input to be 2D or 3D, got {dim}D{more} instead")
        given = () if hx is None or not isinstance(self.hidden_size, int) else hx
        given = (given,) if torch.is_tensor(given) else given
        if not isinstance(given, (tuple, list)) or not all(map(torch.is_tensor, given)):
            raise TypeError(f"hx must be tensors, got {hx!r}; lengths go into lengths=")
        if any(component.dim() != dim for component in given):
            kind = "batched 3-D" if dim == 3 else "unbatched 2-D"
            dims = [f"{component.dim()}-D" for component in given]
            what, got = "hx", f"{dims[0]} tensor"
            if len(dims) > 1:
                what, got = "hx and cx", f"({', '.join(dims)}) tensors"
            raise RuntimeError(f"For {kind} input, {what} should also be {dim}-D but got {got}")

    def _check_sizes(self, input: Any, hx: Any, sequences: Sequences) -> None:
        packed = isinstance(input, PackedSequence)
        data, batch_sizes = (input.data, input.batch_sizes) if packed else (sequences.data, None)
        self.check_input(data, batch_sizes)
        if hx is not None and isinstance(self.hidden_size, int):
            self._check_state(hx, len(sequences.data), sequences.batched)

    def _check_state(self, hx: Any, batch: int, batched: bool) -> None:
        """As torch.nn checks it, with its messages."""
        given = (hx,) if torch.is_tensor(hx) else tuple(hx)
        count = self.num_layers * (2 if self.bidirectional else 1)
        sizes = list(self.steppers[0][0].cell.state_sizes.values())
        for k, (component, size) in enumerate(zip(given, sizes, strict=False)):
            what = f"hidden[{k}]" if len(sizes) > 1 else "hidden"
            shape = component.shape if batched else component[:, None].shape
            if tuple(shape) != (count, batch, size):
                raise RuntimeError(
                    f"Expected {what} size {(count, batch, size)}, got {list(shape)}"
                )

    def extra_repr(self) -> str:
        plain = {f.name: f.default for f in fields(Extras)} | self._defaults
        now = {**plain, **vars(self.extras), **vars(self)}
        changed = [f", {name}={now[name]!r}" for name in plain if now[name] != plain[name]]
        return super().extra_repr() + "".join(changed)

    # What the cell of a layer can that torch's cannot, with its defaults.
    _defaults: ClassVar[dict[str, Any]] = {
        "layer_norm": False,
        "candidate": "tanh",
        "forget_bias": None,
        "reset_after": True,
    }


def _is_exported() -> bool:
    # torch 2.6 has no is_exporting.
    exporting = getattr(torch.compiler, "is_exporting", bool)
    return torch.jit.is_tracing() or exporting()  # pyright: ignore[reportPrivateImportUsage]


@cache
def _outside_the_compiler() -> Callable[..., Any]:
    """`DropIn._run` where torch.compile leaves a layer of torch's out of its programs.

    It would otherwise compile what the layer calls, piece by piece.
    """
    return torch.compiler.disable(DropIn._run)


def count_of(hidden_size: Sizes, num_layers: int) -> int:
    """How many layers there are; a list of sizes tells it."""
    return len(hidden_size) if _is_list(hidden_size) and num_layers == 1 else num_layers


def first_of(hidden_size: Sizes) -> Any:
    """The size for torch to check; what is no list it checks itself."""
    return next(iter(hidden_size), 0) if _is_list(hidden_size) else hidden_size


def _is_list(hidden_size: Sizes) -> TypeGuard[Sequence[int]]:
    return isinstance(hidden_size, (list, tuple))
