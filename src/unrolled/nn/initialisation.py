"""Starts against gradients that vanish or explode, by name, for any cell.

    dL/dh(t) = J(t+1)' ... J(T)' dL/dh(T),    J(t) = dh(t) / dh(t-1)

At the start of training the product shrinks or grows with the recurrent matrices in J, and with
the gates that keep the memory.

| name | what it sets |
|---|---|
| orthogonal[:gain] | every recurrent matrix W = gain Q, Q'Q = I, Q drawn uniformly; gain 1 |
| identity[:scale] | W = scale I, biases 0, input weights from N(0, 0.001^2); scale 1 |
| spectral-radius[:radius] | W scaled so that its largest abs(eigenvalue) is the radius; 1 |
| forget-bias[:value] | the bias of the gate that keeps the memory is the value; 1 |
| chrono:T | that bias is b = log u, u uniform in (1, T - 1); of a gate that lets go of it -b |

A gate of sigmoid(b) keeps the memory for 1 / (1 - sigmoid(b)) = 1 + u steps, so that with chrono
the units begin with memories of 2 to T steps. `identity` is the paper's IRNN on an Elman network
with ReLU. One name of the first three and one of the last two go together, as
"orthogonal+chrono:200".

References:
    Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
        linear neural networks", ICLR 2014; Henaff, Szlam and LeCun, "Recurrent orthogonal
        networks and long-memory tasks", ICML 2016 (orthogonal).
    Le, Jaitly and Hinton, "A simple way to initialize recurrent networks of rectified linear
        units", arXiv 1504.00941, 2015 (identity).
    Jaeger, "The 'echo state' approach to analysing and training recurrent neural networks", GMD
        report 148, 2001 (spectral radius).
    Gers, Schmidhuber and Cummins, "Learning to forget", Neural Computation 12, 2000; Jozefowicz,
        Zaremba and Sutskever, "An empirical exploration of recurrent network architectures", ICML
        2015 (forget bias).
    Tallec and Ollivier, "Can recurrent neural networks warp time?", ICLR 2018 (chrono).
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import product
from typing import Any, TypeGuard, TypeVar

import torch
from torch import Tensor, nn

from ..cells import Cell
from ..engines.native.graphs import kept_of
from ..graph import UnsupportedOperator
from ..graph.graph import reachable
from ..graph.nodes import Affine, Fixed, Node, Number, Pointwise, Slice
from ..graph.roles import gate_of, roles, rows_of
from ..naming import one_of
from .drop_in import DropIn
from .within import cells_of

# Names with the value that they have where none is given; None where one must be.
MATRICES: dict[str, float | None] = {"orthogonal": 1.0, "identity": 1.0, "spectral-radius": 1.0}
GATES: dict[str, float | None] = {"forget-bias": 1.0, "chrono": None}
INITIALISATIONS = MATRICES | GATES
# The least value of each, in numbers and in words; with a T of 2 every b would be log 1.
RANGES = dict.fromkeys(MATRICES, (sys.float_info.min, "a number above 0")) | {
    "forget-bias": (-sys.float_info.max, "a number"),
    "chrono": (3, "a number from 3 up"),
}
# Standard deviation of the input weights of the IRNN.
IRNN_INPUT = 0.001

Module = TypeVar("Module", bound=nn.Module)
Setting = tuple[Tensor, Tensor | float]


def initialise(module: Module, how: str) -> Module:
    """Start every recurrent cell inside `module` anew, in place; what `how` does not set stays.

        ur.nn.initialise(ur.nn.LSTM(8, 32, num_layers=2), "orthogonal+chrono:200")

    The recurrent matrices are those that multiply the state before the step, one for each gate,
    found in the graph of the cell; the gates that keep its memory are `Cell.keeps`. Of a cell
    that holds other cells it is those that are started. Where a gate has several biases the first
    is set and the others are zero; a constant that the step adds to them is taken off.

    Arguments:
        module: a cell, a network, a layer, or any module that holds such.
        how: as `parse_initialisation` takes it. All is drawn from torch's generator.

    Returns:
        The module.

    Raises:
        TypeError: something else than a module, or than a name.
        ValueError: an unknown name, a value out of range, no cell, or a cell that has not what
            is to be set; nothing has been changed then.
    """
    wanted = parse_initialisation(how)
    cells = [_Start(cell) for cell in _cells(module)]
    with torch.no_grad():
        settings: list[Setting] = []
        for cell, (name, value) in product(cells, wanted.items()):
            settings += RULES[name](cell, value)
        for tensor, value in settings:
            tensor.copy_(torch.as_tensor(value, dtype=torch.float64))
    return module


def initialisations_of(module: nn.Module) -> list[str]:
    """The names by which every cell inside `module` can be started."""
    try:
        cells = [_Start(cell) for cell in _cells(module)]
    except ValueError:
        return []
    found = list(MATRICES if all(cell.recurrent for cell in cells) else ())
    return found + list(GATES if all(cell.keeping for cell in cells) else ())


def parse_initialisation(text: str) -> dict[str, float]:
    """Names with their values, that of the matrices first.

    Arguments:
        text: a name, as "orthogonal", a name with its value, as "chrono:200", or one for the
            matrices and one for the gates, as "orthogonal:0.9+forget-bias".

    Raises:
        TypeError: no text.
        ValueError: an unknown name, a value out of range, or two names that set the same.
    """
    if not isinstance(text, str):
        raise TypeError(
            f'initialisation must be a name, as "orthogonal" or "chrono:200", got {text!r}'
        )
    found = [_parsed(part.strip(), text) for part in text.split("+")]
    for kind, what in ((MATRICES, "the recurrent matrices"), (GATES, "the gates")):
        both = [name for name, _ in found if name in kind]
        if len(both) > 1:
            raise ValueError(
                f"initialisation is {text!r}; {' and '.join(both)} both set {what}: choose one"
            )
    # The matrices first: identity sets all biases, and the gates' are to stay.
    return dict(sorted(found, key=lambda setting: setting[0] in GATES))


def _parsed(part: str, text: str) -> tuple[str, float]:
    name, colon, number = part.partition(":")
    if "," in text or (not part and "+" in text):
        raise ValueError(f"initialisation is {text!r}; join two by +, as orthogonal+chrono:200")
    value = INITIALISATIONS[one_of(name, INITIALISATIONS, "initialisation")]
    least, wanted = RANGES[name]
    if value is None and not colon:
        needs = f"{name} needs T, the longest dependency in steps, as {name}:200"
        raise ValueError(f"initialisation is {text!r}; {needs}")
    try:
        value = float(number) if colon else value
    except ValueError:
        value = None
    if value is None or not least <= value < math.inf:
        raise ValueError(f"initialisation is {text!r}; what follows {name}: is {wanted}")
    return name, value


def _cells(module: Any) -> list[Cell]:
    """The cells inside a module that hold no other cells."""
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a cell or a module, got {type(module).__name__}")
    for part in module.modules():
        if isinstance(part, nn.RNNBase) and not isinstance(part, DropIn):
            name = type(part).__name__
            raise ValueError(
                f"module holds a torch.nn.{name}, which has no cell; use unrolled.nn.{name}, or "
                "unrolled.nn.from_torch(layer)"
            )
    inside = [m for cell in cells_of(module).values() for m in cell.modules()]
    cells = dict.fromkeys(m for m in inside if isinstance(m, Cell))
    found = [c for c in cells if sum(isinstance(m, Cell) for m in c.modules()) == 1]
    if not found:
        raise ValueError(
            f"module is a {type(module).__name__} without a cell; unrolled.Cell.wrap makes one of "
            "any module with forward(x, state)"
        )
    return found


class _Start:
    """A cell, with what initialisations set of it as views of its parameters and buffers."""

    def __init__(self, cell: Cell):
        try:
            graph = kept_of(cell).graph
        except UnsupportedOperator as error:
            raise ValueError(
                f"{cell.title} has no graph to find its matrices and gates in: {error}; set its "
                "parameters yourself"
            ) from error
        assert graph is not None, "kept_of raises where there is none"
        self.cell, self.graph, self.tensors = cell, graph, graph.read_tensors()
        self.maps = {
            letter: [node for node, role in roles(graph).items() if role.letter == letter]
            for letter in ("U", "W")
        }

    @cached_property
    def recurrent(self) -> list[Tensor]:
        """The square matrices that multiply the state before the step, one for each gate."""
        states = {node.name for node in self.graph.inputs[1:]}
        # A component that no state is read for, as a past input, is no recurrence.
        carried = {n for n in states if states.intersection(self.graph.outputs[n].reads)}
        maps = [node for node in self.maps["W"] if carried.intersection(node.vector.reads)]
        # Beside its gates a cell may have other maps: those of a mogrifier gate the input.
        maps = [node for node in maps if self._in_gates(node)] or maps
        return _once(square for node in maps for square in self._squares(node))

    @cached_property
    def keeping(self) -> dict[str, list[Tensor]]:
        """The biases of every gate of `keeps`; none where any of the gates has none."""
        sums = self._sums
        found = {g: self._owned(sums[g][0]) if g in sums else [] for g in self.cell.keeps}
        return found if all(found.values()) else {}

    def matrices(self, name: str) -> list[Tensor]:
        """The recurrent matrices, for the initialisation called `name`.

        Raises:
            ValueError: there are none.
        """
        if not self.recurrent:
            lacks = "no square matrix among its parameters multiplies its state"
            raise ValueError(self._refusal(name, lacks))
        return self.recurrent

    def gates(self, name: str) -> dict[str, int]:
        """The gates that keep the memory, for the initialisation called `name`.

        Raises:
            ValueError: there are none, or one has no bias.
        """
        if not self.keeping:
            gates = " or ".join(self.cell.keeps)
            none = "it has no gate whose bias keeps its memory (Cell.keeps)"
            lacks = f"its gate {gates} has no bias of its own" if gates else none
            raise ValueError(self._refusal(name, lacks))
        return dict(self.cell.keeps)

    def gate_biases(self, gate: str, total: Tensor | float) -> list[Setting]:
        """The settings with which all that is added up before a gate is `total`."""
        first, *others = self.keeping[gate]
        return [(first, total - self._sums[gate][1]), *((bias, 0.0) for bias in others)]

    def inputs_and_biases(self, name: str) -> tuple[list[Tensor], list[Tensor]]:
        """The weights of x, and all biases, for the initialisation called `name`.

        Raises:
            ValueError: one is computed from parameters.
        """
        weights, biases = [node.matrix for node in self.maps["U"]], self._added()
        found = self._owned(weights), self._owned(biases)
        if bool(weights) > bool(found[0]) or bool(biases) > bool(found[1]):
            lacks = "its input weights or its biases are computed from parameters"
            raise ValueError(self._refusal(name, lacks))
        return found

    def _added(self) -> list[Fixed]:
        """What is added to the maps of x and of the state before the first nonlinearity."""
        maps = [*self.maps["U"], *self.maps["W"]]
        linear, found = set[Node](maps), [node.bias for node in maps if node.bias]
        for node in self.graph.nodes:
            # A pre-activation may be cut into parts, and scaled to be normalised.
            passes = isinstance(node, Slice) or (isinstance(node, Pointwise) and len(node.args) > 1)
            if passes and linear.intersection(node.args):
                linear.add(node)
                found += filter(_is_vector, node.args if _sign(node) else ())
        return found

    @cached_property
    def _sums(self) -> dict[str, tuple[list[Fixed], float]]:
        """The biases and the constant that are added up before each gate."""
        of: dict[Node, str] = {}
        biases: dict[str, list[Fixed]] = {gate: [] for gate in self.graph.gates}
        constants = dict.fromkeys(self.graph.gates, 0.0)
        used = Counter(argument for node in self.graph.nodes for argument in node.args)
        for node in self.graph.nodes:
            parts = node.args if _sign(node) else ()
            known = {of.get(part) or self._gate(part) for part in parts} - {None}
            if isinstance(node, Affine):
                known = {self._gate(node.matrix)} - {None}
            if len(known) != 1 or (gate := known.pop()) is None:
                continue
            of[node] = gate
            biases[gate] += filter(_is_vector, node.args)
            # What only one of several uses of a sum adds is not the gate's.
            if all(used[part] == 1 for part in parts if part in of):
                numbers = [part.value for part in parts if isinstance(part, Number)]
                constants[gate] += _sign(node) * sum(numbers)
        return {gate: (biases[gate], constants[gate]) for gate in biases}

    def _gate(self, node: Node) -> str | None:
        """The gate whose rows of a parameter a matrix or a vector is."""
        return gate_of(node, self.graph.gates) if isinstance(node, Fixed) and node.shape else None

    def _in_gates(self, node: Affine) -> bool:
        """Whether a map's rows are those of gates, each as many as it has columns."""
        total = rows_of(node.matrix).total
        return total is not None and total == len(self.graph.gates) * node.vector.size

    def _squares(self, node: Affine) -> list[Tensor]:
        """The square blocks of a map's matrix."""
        matrix = self._owned([node.matrix])
        # Where all rows are normalised together, one matrix has those of several gates.
        blocks = matrix[0].split(node.vector.size) if matrix and self._in_gates(node) else matrix
        return [block for block in blocks if block.shape[0] == block.shape[1]]

    def _owned(self, fixed: Sequence[Fixed]) -> list[Tensor]:
        """Fixed values as views of the cell's tensors, in the order of those.

        Empty where one is computed from them: writing to it would set nothing.
        """
        values = self.graph.fixed_values(self.tensors, reachable(fixed))
        views = _once(values[node] for node in fixed)
        owners = [owner for view in views if (owner := self._owner(view)) is not None]
        if len(owners) < len(views):
            return []
        return [views[k] for k in sorted(range(len(views)), key=owners.__getitem__)]

    def _owner(self, value: Tensor) -> int | None:
        """The number of the parameter or buffer that a value is, or is a part of."""
        memory = value.untyped_storage().data_ptr()
        for number, tensor in enumerate(self.tensors.values()):
            if tensor.is_leaf and tensor.untyped_storage().data_ptr() == memory:
                # One number that is repeated is not several to be set.
                return None if 0 in value.stride() and value.numel() > 1 else number
        return None

    def _refusal(self, name: str, lacks: str) -> str:
        able = [*(MATRICES if self.recurrent else ()), *(GATES if self.keeping else ())]
        others = ", ".join(other for other in able if other != name)
        advice = f"choose from {others}" if others else "no initialisation by name fits it"
        return f"{self.cell.title} cannot start with {name}: {lacks}; {advice}"


def _sign(node: Node) -> int:
    """1 of a sum of two values, -1 of a value less a number, 0 of all others."""
    if not isinstance(node, Pointwise):
        return 0
    if node.function.name == "sub":
        return -int(isinstance(node.operands[1], Number))
    return int(node.function.name == "add")


def _is_vector(node: Node) -> TypeGuard[Fixed]:
    return isinstance(node, Fixed) and len(node.shape) == 1


def _once(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Tensors without those that are the same numbers in memory."""
    return list({(t.data_ptr(), t.shape, t.stride()): t for t in tensors}.values())


def _orthogonal(start: _Start, gain: float) -> list[Setting]:
    matrices = start.matrices("orthogonal")
    return [(W, gain * nn.init.orthogonal_(_like(W))) for W in matrices]


def _identity(start: _Start, scale: float) -> list[Setting]:
    matrices = start.matrices("identity")
    weights, biases = start.inputs_and_biases("identity")
    return [
        *((W, scale * torch.eye(len(W), device="cpu")) for W in matrices),
        *((U, nn.init.normal_(_like(U), std=IRNN_INPUT)) for U in weights),
        *((bias, 0.0) for bias in biases),
    ]


def _spectral_radius(start: _Start, radius: float) -> list[Setting]:
    settings: list[Setting] = []
    for W in start.matrices("spectral-radius"):
        largest = torch.linalg.eigvals(W.to("cpu", torch.float64)).abs().max().item()
        if largest == 0:
            raise ValueError(
                f"{start.cell.title} cannot start with spectral-radius: all eigenvalues of a "
                "recurrent matrix are 0, which no factor scales; choose orthogonal"
            )
        settings.append((W, W * (radius / largest)))
    return settings


def _forget_bias(start: _Start, value: float) -> list[Setting]:
    keeps = start.gates("forget-bias")
    keeping = {gate: sign for gate, sign in keeps.items() if sign > 0} or keeps
    return [s for gate, sign in keeping.items() for s in start.gate_biases(gate, sign * value)]


def _chrono(start: _Start, longest: float) -> list[Setting]:
    keeps = start.gates("chrono")
    b = _like(start.keeping[next(iter(keeps))][0]).uniform_(1, longest - 1).log_()
    return [s for gate, sign in keeps.items() for s in start.gate_biases(gate, sign * b)]


def _like(tensor: Tensor) -> Tensor:
    """What to draw in: a seed gives the same numbers in every precision, on every device."""
    return torch.empty(tensor.shape, dtype=torch.float64, device="cpu")


RULES: dict[str, Callable[[_Start, float], list[Setting]]] = {
    "orthogonal": _orthogonal,
    "identity": _identity,
    "spectral-radius": _spectral_radius,
    "forget-bias": _forget_bias,
    "chrono": _chrono,
}
