"""Eigenvalues and singular values of a recurrence: of its matrices W and of its step.

    J(t) = d z(t) / d z(t-1),    d z(T) / d z(0) = J(T) ... J(1)

z is the whole state. An eigenvalue outside the unit circle stretches what lies along its
eigenvector at every step, one inside shrinks it; singular values tell by how much a single step
stretches or shrinks at most. In a linear network J = W; in any other J depends on the state, and
the spectrum of W alone does not tell whether gradients explode or vanish.

The two agree, as |lambda| and sigma, for a normal matrix: one whose eigenvectors are orthonormal.
Henrici's departure from normality says how far a matrix is from that,

    sqrt(sum sigma^2 - sum |lambda|^2) / sqrt(sum sigma^2).

All is computed in float64, on a copy of the cell in evaluation mode; in the cell's own type where
its step mixes float64 with tensors of its own. Spectra are on the CPU.

Shapes: B batch, T time, S all entries of the state, I input_size.

References:
    Henrici, "Bounds for iterates, inverses, spectral variation and fields of values of
        non-normal matrices", Numerische Mathematik 4, 1962.
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks",
        ICML 2013.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..cells import Cell
from ..graph import Graph
from ..graph.graph import reachable
from ..graph.nodes import Affine
from ..graph.roles import Role, roles, rows_of
from ..nn import Network
from ..nn.within import cells_of
from ..unroll import problem_of, unroll
from .precision import at_rest, in_float64, measurable
from .steps import StepMap

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum:
    """The spectrum of one matrix [m, n], or of many, [..., m, n].

    It is NaN where a matrix has entries that are not finite, and beyond a sequence's length.

    Attributes:
        eigenvalues: the largest first, [..., n], complex; none, [..., 0], unless m = n.
        singular_values: the largest first, [..., min(m, n)].
    """

    eigenvalues: Tensor
    singular_values: Tensor

    @staticmethod
    def of(matrices: Tensor) -> Spectrum:
        """The spectrum of matrices [..., m, n]."""
        matrices = matrices.cpu()
        finite = matrices.isfinite().all(-1).all(-1)[..., None]
        known = torch.where(finite[..., None], matrices, 0).double()
        singular_values = torch.linalg.svdvals(known).where(finite, torch.nan)
        if known.shape[-1] != known.shape[-2]:
            none = known.new_empty(*known.shape[:-2], 0, dtype=torch.complex128)
            return Spectrum(none, singular_values)
        eigenvalues = torch.linalg.eigvals(known)
        order = eigenvalues.abs().argsort(dim=-1, descending=True, stable=True)
        eigenvalues = eigenvalues.gather(-1, order).where(finite, torch.nan)
        return Spectrum(eigenvalues, singular_values)

    @property
    def spectral_radius(self) -> Tensor:
        """The largest |lambda|, [...]; NaN where there are no eigenvalues."""
        if not self.eigenvalues.shape[-1]:
            return torch.full_like(self.norm, torch.nan)
        return self.eigenvalues[..., 0].abs()

    @property
    def norm(self) -> Tensor:
        """The largest singular value, [...]: by how much a step stretches at most."""
        return self.singular_values[..., 0]

    @property
    def non_normality(self) -> Tensor:
        """Henrici's departure from normality as a share of the Frobenius norm, [...].

        0 of a normal matrix, or where rounding hides the rest, below some 1e-7; 1 where all
        eigenvalues are 0, as of a shift.
        """
        whole = self.singular_values.square().sum(-1)
        if not self.eigenvalues.shape[-1]:
            return torch.full_like(whole, torch.nan)
        share = (whole - self.eigenvalues.abs().square().sum(-1)) / whole
        rounding = 10 * self.eigenvalues.shape[-1] * torch.finfo(whole.dtype).eps
        return share.clamp(min=0).sqrt().where((share > rounding) | whole.isnan(), 0)

    def __repr__(self) -> str:
        shape = list(self.norm.shape)
        if shape:
            return f"Spectrum({shape} matrices, largest |lambda| {_largest(self):.4g})"
        return (
            f"Spectrum(spectral radius {self.spectral_radius:.4g}, norm {self.norm:.4g}, "
            f"non-normality {self.non_normality:.2g})"
        )


@dataclass(frozen=True, eq=False, repr=False)
class CellSpectra:
    """The spectra of one cell.

    Attributes:
        title: what the cell is.
        matrices: every recurrent matrix as the step uses it, by its symbol: "W", or "W_f" of a
            gate. None of a diagonal recurrence, nor of a step that has no graph.
        recurrent: their spectra.
        jacobian: J of the step at rest, [S, S].
        at_rest: its spectrum.
        along: of J(t) along a trajectory, over [B, T]; None without inputs.
    """

    title: str
    matrices: Mapping[str, Tensor]
    recurrent: Mapping[str, Spectrum]
    jacobian: Tensor
    at_rest: Spectrum
    along: Spectrum | None = None

    def __repr__(self) -> str:
        found = {**self.recurrent, "J at rest": self.at_rest, "J(t)": self.along}
        told = [f"{name}: {_told(each)}" for name, each in found.items() if each is not None]
        return f"{self.title}, largest |lambda| of {', '.join(told)}"


class Spectra(Mapping[str, CellSpectra]):
    """The spectra of every cell of a model, by its qualified name; "cell" of a cell alone."""

    def __init__(self, cells: Mapping[str, CellSpectra]):
        self._cells = dict(cells)

    def __getitem__(self, name: str) -> CellSpectra:
        return self._cells[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)

    def draw(self, path: str | Path) -> Path:
        """Draw all cells into an SVG or PNG file, each in its complex plane.

        Raises:
            DataError: another ending.
        """
        from ..report.figures import save_figure
        from .plane import clouds_of, draw_plane

        columns = min(math.ceil(math.sqrt(len(self))), 3)
        rows = -(-len(self) // columns)

        def paint(figure: Figure) -> None:
            for number, (name, cell) in enumerate(self.items(), 1):
                axes = figure.add_subplot(rows, columns, number)
                axes.set_title(f"{name}, {cell.title}", loc="left", fontsize=8)
                draw_plane(axes, clouds_of(cell))

        return save_figure(paint, path, height=300 * rows, width=250 * columns, white=True)

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {cell!r}" for name, cell in self.items())


def spectrum(
    model: nn.Module,
    inputs: Tensor | None = None,
    state: Tensor | Sequence[Tensor] | Mapping[str, Tensor] | None = None,
    *,
    lengths: Tensor | Sequence[int] | None = None,
) -> Spectra:
    """The spectra of every cell of a model.

    The Jacobian at rest is that of one step from the initial state with x = 0; a cell that reads
    the time since the previous step is given 1 for that. Along B sequences of T steps
    eigenvalues cost O(B T S^3).

    Arguments:
        model: a cell, or any module that holds cells.
        inputs: of a cell or a `Network`, [B, T, I]: its trajectory, running free, has J(t).
        state, lengths: of that trajectory, as `unrolled.unroll` takes them.

    Raises:
        TypeError: `model` is no module.
        ValueError: it holds no cell, or more than one where inputs are given; or an argument of
            the wrong shape, size or type.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a cell or another module, got {type(model).__name__}")
    if inputs is None and not (state is None and lengths is None):
        raise ValueError("state and lengths are those of a trajectory; pass its inputs too")
    cells = cells_of(model)
    if not cells:
        raise ValueError(
            f"model, a {type(model).__name__}, holds no cell; unrolled.nn.from_torch makes layers "
            "with cells of torch.nn's, unrolled.Cell.wrap a cell of any module that steps"
        )
    if inputs is None:
        return Spectra({name: spectra_of(cell) for name, cell in cells.items()})
    if not isinstance(model, (Cell, Network)):
        raise ValueError(
            f"inputs drive a cell or a Network, model is a {type(model).__name__}; "
            f"pass one of its cells: {', '.join(cells)}"
        )
    ((name, cell),) = cells.items()
    problem = in_float64(problem_of(cell, inputs, state, lengths))
    with torch.no_grad():
        run = unroll(problem.cell, problem.inputs, problem.state, problem.lengths, engine="eager")
        before = torch.cat(problem.before(run.states), dim=-1)
    return Spectra({name: spectra_of(cell, problem.inputs, before, problem.valid)})


@torch.no_grad()
def spectra_of(
    cell: Cell,
    x: Tensor | None = None,
    before: Tensor | None = None,
    valid: Tensor | None = None,
) -> CellSpectra:
    """The spectra of a cell, and of its Jacobian at points of a trajectory.

    Arguments:
        x, before: what the steps read, [B, T, I], and the state before them, [B, T, S].
        valid: which points are, [B, T]; default all.
    """
    copy, dtype = measurable(cell)
    step = StepMap(copy)
    graph = None if step.jacobian is None else step.jacobian.derivative.of
    matrices = {} if graph is None else recurrent_matrices(graph)
    recurrent = {symbol: Spectrum.of(W) for symbol, W in matrices.items()}
    point, rest = at_rest(copy, dtype)
    jacobian = step.jacobians(point, step.join(rest))[0].double()
    along = None
    if x is not None and before is not None:
        along = _along(step, x.to(dtype), before.to(dtype), valid)
    return CellSpectra(cell.title, matrices, recurrent, jacobian, Spectrum.of(jacobian), along)


def _along(step: StepMap, x: Tensor, before: Tensor, valid: Tensor | None) -> Spectrum:
    """Of J at every point, over [B, T]; NaN where it is not valid."""
    found = [Spectrum.of(each) for each in step.along(x, before)]
    eigenvalues = torch.stack([each.eigenvalues for each in found], dim=1)
    singular_values = torch.stack([each.singular_values for each in found], dim=1)
    if valid is not None:
        beyond = ~valid.cpu()[..., None]
        eigenvalues = eigenvalues.masked_fill(beyond, torch.nan)
        singular_values = singular_values.masked_fill(beyond, torch.nan)
    return Spectrum(eigenvalues, singular_values)


def recurrent_matrices(graph: Graph) -> dict[str, Tensor]:
    """The matrices W that a step applies to the state, by symbol, from its parameters now.

    They are as the step uses them: masked, normalised or computed in any other way. Rows of
    several gates that the step computes at once are told apart; a matrix that it uses more than
    once has the first symbol.
    """
    maps: dict[Affine, Role] = {}
    for node, role in roles(graph).items():
        if role.letter == "W" and all(node.matrix is not known.matrix for known in maps):
            maps[node] = role
    needed = reachable(node.matrix for node in maps)
    known = graph.fixed_values(graph.read_tensors(), needed)
    found: dict[str, Tensor] = {}
    for node, role in maps.items():
        W, gates = known[node.matrix].double(), _gates_of(node, graph.gates)
        parts = dict(zip(gates, W.chunk(len(gates)), strict=True)) if gates else {}
        found |= {f"W_{gate}{role.source}": part for gate, part in parts.items()} or {
            role.symbol: W
        }
    return found


def _gates_of(node: Affine, gates: tuple[str, ...]) -> tuple[str, ...]:
    """The gates whose rows of a parameter a map has, where there are several."""
    rows = rows_of(node.matrix)
    if not gates or rows.total is None or rows.total % len(gates):
        return ()
    size = rows.total // len(gates)
    if rows.start % size or rows.stop % size or rows.stop - rows.start == size:
        return ()
    return gates[rows.start // size : rows.stop // size]


def _told(spectrum: Spectrum) -> str:
    return f"{_largest(spectrum):.3g}" if spectrum.eigenvalues.shape[-1] else "not square"


def _largest(spectrum: Spectrum) -> float:
    """The largest |lambda| of all matrices; NaN where there is none."""
    radii = spectrum.spectral_radius
    radii = radii[radii.isfinite()]
    return float(radii.max()) if len(radii) else float("nan")
