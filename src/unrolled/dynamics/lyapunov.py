"""Lyapunov exponents: how fast neighbouring states of a recurrence part, or meet.

    z(t) = F(x(t), z(t-1)),                 J(t) = d z(t) / d z(t-1)
    Q(t) R(t) = J(t) Q(t-1),                Q(t) orthonormal, R(t) upper triangular
    exponent i = 1/T sum over t of log |R(t) i,i|

A ball around a state becomes an ellipsoid whose axis i grows by exp(exponent i) per step. The
largest one above 0 is chaos; all below 0, and every start meets the same orbit: what was read T
steps ago is forgotten as exp(T times the largest). Of a driven cell they are conditional: the
neighbours read the same inputs.

A direction that a step maps to zero, such as a component that nothing reads, has the exponent
-inf. So has one that a step brings so close to the others that rounding hides the rest.

Shapes: B sequences, T steps, I input_size, S all entries of the state, m exponents.

References:
    Benettin, Galgani, Giorgilli and Strelcyn, "Lyapunov characteristic exponents for smooth
        dynamical systems", Meccanica 15, 1980.
    Shimada and Nagashima, "A numerical approach to ergodic problem of dissipative dynamical
        systems", Progress of Theoretical Physics 61, 1979.
    Kaplan and Yorke, "Chaotic behavior of multidimensional difference equations", 1979.
    Vogt, Puelma Touzel, Shlizerman and Lajoie, "On Lyapunov exponents for RNNs", Frontiers in
        Applied Mathematics and Statistics 8, 2022.
    Engelken, Wolf and Abbott, "Lyapunov spectra of chaotic recurrent neural networks", Physical
        Review Research 5, 2023.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..cells import Cell
from ..cells.cell import check_size
from ..engines import Engine, Problem
from ..unroll import no_inputs, problem_of, unroll
from .precision import in_float64
from .steps import StepMap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HUES = ("blue", "orange", "green", "pink", "brown")
# Points of a drawn line; a figure is no wider than that.
MOST_DRAWN = 300


@dataclass(frozen=True, eq=False, repr=False)
class Lyapunov:
    """The exponents of a cell, the largest first, in natural logarithms per step.

    Attributes:
        exponents: mean over the sequences, [m].
        standard_error: of that mean, from how the sequences differ, [m]; NaN for one sequence
            and where the exponent is -inf.
        each: of every sequence, [B, m], in the order of `exponents`.
        history: `exponents` as they were after each counted step, [T - warm_up, m].
        size: S, how many exponents there are in all.
        h: the time that a step stands for, where the cell has such a number `h`; else None.
        engine: the name of the engine that ran the cell.
        dtype: that the cell was computed in: float64, or its own where it cannot be copied.
    """

    exponents: Tensor
    standard_error: Tensor
    each: Tensor
    history: Tensor
    size: int
    h: float | None
    engine: str
    dtype: torch.dtype

    @property
    def sum(self) -> float:
        """Of the exponents: how the logarithm of a volume of m dimensions changes per step."""
        return float(self.exponents.sum())

    @property
    def dimension(self) -> float:
        """The Kaplan-Yorke dimension of the attractor: k + (sum of the first k) / |the next|.

        k is the largest number of exponents whose sum is not negative. S where that is all.

        Raises:
            ValueError: there are fewer than S exponents and their sums are not negative yet.
        """
        total = 0.0
        for k, exponent in enumerate(self.exponents.tolist()):
            if total + exponent < 0:
                return k + total / abs(exponent)
            total += exponent
        if len(self.exponents) < self.size:
            raise ValueError(
                f"dimension needs more than count={len(self.exponents)} exponents, whose sum "
                f"{total:.3g} is not negative yet; leave count out for all {self.size}"
            )
        return float(self.size)

    def per_time(self, h: float | None = None) -> Tensor:
        """The exponents per unit of time, [m].

        Arguments:
            h: the time that a step stands for; default that of a discretised equation.

        Raises:
            ValueError: h is not above 0, or missing where the cell has none.
        """
        h = self.h if h is None else h
        if h is None:
            raise ValueError("h is missing: the cell has no size of a step; pass per_time(h=0.01)")
        if not h > 0:
            raise ValueError(f"h must be above 0, the time that a step stands for, got {h}")
        return self.exponents / h

    def draw(self, path: str | Path) -> Path:
        """Draw the running estimates of the largest exponents into an SVG or PNG file.

        Raises:
            DataError: another ending.
        """
        from ..report.figures import save_figure

        return save_figure(self.paint, path, height=260, white=True)

    def paint(self, figure: Figure) -> None:
        """Paint the running estimates of the largest exponents, as `save_figure` takes it."""
        from ..report.charts import Line, lines_chart
        from ..report.figures import colour
        from ..report.page import Key

        shown = torch.linspace(0, len(self.history) - 1, MOST_DRAWN).long().unique()
        # What is -inf has no place on the axis: a gap.
        rows = self.history[shown].where(self.history[shown].isfinite(), math.nan)
        lines = [
            Line(Key(f"{exponent:.3g}", hue), (shown + 1).numpy(), row)
            for exponent, hue, row in zip(
                self.exponents.tolist(), HUES, rows.cpu().T.numpy(), strict=False
            )
        ]
        lines_chart(lines, "steps", "Lyapunov exponents, per step")(figure)
        axes = figure.axes[0]
        handles = list(axes.lines)
        axes.axhline(0, color=colour("quiet"), linewidth=0.8, zorder=1)
        names = [line.key.label for line in lines]
        figure.legend(handles, names, loc="outside upper right", ncols=len(HUES), columnspacing=1.2)

    def __repr__(self) -> str:
        largest = ", ".join(f"{exponent:.4g}" for exponent in self.exponents[:4].tolist())
        more = ", ..." if len(self.exponents) > 4 else ""
        return (
            f"Lyapunov({len(self.exponents)} of {self.size} exponents: {largest}{more} per step; "
            f"{len(self.each)} sequences, {len(self.history)} steps, engine={self.engine!r})"
        )


@torch.no_grad()
def lyapunov(
    cell: Cell,
    inputs: Tensor | None = None,
    state: Tensor | Sequence[Tensor] | Mapping[str, Tensor] | None = None,
    lengths: Tensor | Sequence[int] | None = None,
    *,
    steps: int | None = None,
    warm_up: int = 0,
    count: int | None = None,
    engine: str | Engine = "auto",
) -> Lyapunov:
    """The Lyapunov exponents of a cell, by QR along its trajectories.

    The trajectories are computed by any engine and the Jacobians of many steps at once, in
    float64 and in evaluation mode, in memory linear in T; the QR goes step by step.

    Arguments:
        cell: the step.
        inputs, state, lengths: as `unroll` takes them. Many sequences from different starts
            converge sooner than a long one, and show how sure the exponents are.
        steps: T, where there are no inputs.
        warm_up: how many of the T steps are left out: until the states are on the attractor and
            the directions have turned to where they grow. Without it both leave an error ~ 1/T.
        count: how many of the exponents, the largest; default all S.
        engine: as `unroll` takes it.

    Raises:
        ValueError: an argument is out of range; a state or a Jacobian is not finite, or a
            sequence ends within the warm-up.
        TypeError: `cell` is not a cell.
        EngineRefused: the engine asked for cannot run this.
    """
    if inputs is None:
        inputs = no_inputs(cell, state, steps)
    elif steps is not None:
        raise ValueError("steps is for a cell without inputs; inputs have their own length")
    problem = problem_of(cell, inputs, state, lengths)
    count = _checked_count(count, sum(cell.state_sizes.values()))
    _check_warm_up(warm_up, problem)
    problem = in_float64(problem)
    run = unroll(problem.cell, problem.inputs, problem.state, problem.lengths, engine=engine)
    _check_finite("the state", torch.cat(list(run.states.values()), dim=-1))
    before = torch.cat(problem.before(run.states), dim=-1)
    growth = _growth(StepMap(problem.cell), problem, before, count)[:, warm_up:]
    running = _running(growth, None if problem.valid is None else problem.valid[:, warm_up:])
    each = running[:, -1]
    order = each.mean(0).argsort(descending=True)
    h = getattr(cell, "h", None)
    return Lyapunov(
        each.mean(0)[order],
        _standard_error(each)[order],
        each[:, order],
        running.mean(0)[:, order],
        before.shape[2],
        float(h) if isinstance(h, (int, float)) and not isinstance(h, bool) else None,
        run.engine,
        problem.inputs.dtype,
    )


def _growth(step: StepMap, problem: Problem, before: Tensor, count: int) -> Tensor:
    """log |R(t) i,i| of every step, [B, T, m], in float64; 0 beyond each sequence's length."""
    batch, time, size = before.shape
    frame = _directions(size, count).to(before.device).expand(batch, -1, -1)
    sizes, lengths = (before.new_empty(batch, time, count, dtype=torch.float64) for _ in range(2))
    for t, jacobian in enumerate(step.along(problem.inputs, before)):
        moved = jacobian.double() @ frame  # [B, S, m]
        frame, triangle = torch.linalg.qr(moved)
        sizes[:, t] = triangle.diagonal(dim1=-2, dim2=-1).abs()
        lengths[:, t] = moved.norm(dim=1)
    if problem.valid is not None:
        sizes, lengths = (
            part.masked_fill(~problem.valid[:, :, None], 1) for part in (sizes, lengths)
        )
    _check_finite("the Jacobian", sizes)
    # What is left of a direction that lies among those before it is rounding.
    lost = sizes <= torch.finfo(before.dtype).eps * size * lengths
    return sizes.masked_fill(lost, 0).log()


def _directions(size: int, count: int) -> Tensor:
    """Orthonormal columns [S, m] at random, the same at every call.

    Unit vectors would stay what they are where units do not mix, in the order of the units.
    """
    random = torch.Generator().manual_seed(0)
    drawn = torch.randn(size, size, generator=random, dtype=torch.float64)
    # All are drawn, so that fewer are the first of more.
    return torch.linalg.qr(drawn[:, :count])[0]


def _running(growth: Tensor, valid: Tensor | None) -> Tensor:
    """The mean over the steps up to each, [B, T, m]; it stays where a sequence has ended."""
    taken = torch.ones_like(growth[..., 0]) if valid is None else valid.double()
    return growth.cumsum(1) / taken.cumsum(1)[:, :, None]


def _standard_error(each: Tensor) -> Tensor:
    if len(each) == 1:
        return torch.full_like(each[0], math.nan)
    return each.std(0) / math.sqrt(len(each))


def _checked_count(count: int | None, size: int) -> int:
    if count is None:
        return size
    check_size("count", count)
    if count > size:
        raise ValueError(f"count is {count}, the cell has {size} exponents, one per state entry")
    return count


def _check_warm_up(warm_up: int, problem: Problem) -> None:
    check_size("warm_up", warm_up, smallest=0)
    time = problem.inputs.shape[1]
    shortest = time if problem.lengths is None else int(problem.lengths.min())
    if warm_up >= shortest:
        what = "sequences have" if problem.lengths is None else "the shortest sequence has"
        raise ValueError(
            f"warm_up is {warm_up} and {what} {shortest} steps: none are left to count"
        )


def _check_finite(what: str, values: Tensor) -> None:
    """Raise at the first step at which any of the values [B, T, n] is not finite."""
    bad = ~values.isfinite().all(-1)
    if bad.any():
        step = int(bad.any(0).nonzero()[0])
        sequence = int(bad[:, step].nonzero()[0])
        others = int(bad.any(1).sum()) - 1
        raise ValueError(
            f"{what} of sequence {sequence} is not finite at step {step}"
            f"{f', nor of {others} others later' if others else ''}: it leaves all bounds; "
            "start it elsewhere (state), or take fewer steps"
        )
