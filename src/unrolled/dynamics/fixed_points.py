"""Fixed points of a cell under a constant input, and places where it is slow.

    z = F(x, z),        q(z) = 1/2 |F(x, z) - z|^2

A fixed point is a root of q, and is sought from many starts at once (`root_search`). A local
minimum of q that is none is a *slow point*: there the state lingers, as at the ghost of two fixed
points that have met and gone.

A fixed point is, by the eigenvalues of J,

    stable     all moduli below 1: it attracts
    unstable   all above 1: it repels
    saddle     some below, some above: it attracts along some directions only
    marginal   the largest is 1: on a line of fixed points, say; J alone does not decide

Shapes: I input_size, S all entries of the state, n starts, k fixed points, m slow points.

References:
    Sussillo and Barak, "Opening the black box: low-dimensional dynamics in high-dimensional
        recurrent neural networks", Neural Computation 25, 2013.
    Katz and Reggia, "Using directional fibers to locate fixed points of recurrent neural
        networks", IEEE Transactions on Neural Networks and Learning Systems 29, 2017.
    Golub and Sussillo, "FixedPointFinder", Journal of Open Source Software 3, 2018.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from ..cells import Cell
from ..cells.cell import check_size, like_of
from ..cells.ranges import check_number
from ..naming import one_of
from ..unroll import Trajectory, problem_of
from .precision import in_float64
from .root_search import RootSearch
from .steps import StepMap

STABILITIES = ("stable", "saddle", "unstable", "marginal")
# How many of the starts are drawn, and how far from the states of a trajectory, in standard
# deviations of each entry.
STARTS, NOISE = 256, 0.1
# Slow points that differ by less, as a share of their size, are one.
SLOW_DISTINCT = 1e-2
# An eigenvalue of a modulus within this of 1 is 1.
MARGIN = 1e-6
MOST_ROWS = 30


@dataclass(frozen=True, eq=False, repr=False)
class FixedPoints:
    """What a search found; points with the fewest directions that repel come first.

    Every start is counted once: `reached`, `slow_reached`, `unfinished` and `diverged` add up to
    `starts`.

    Attributes:
        points: [k, S], float64.
        speed: q at each, [k].
        eigenvalues: of J at each, the largest modulus first, complex [k, S].
        stability: "stable", "saddle", "unstable" or "marginal", of each.
        reached: how many starts ended at each, [k].
        slow: minima of q that are no fixed points, the slowest first, [m, S].
        slow_speed: q at each, [m].
        slow_reached: how many starts ended at each, [m].
        unfinished: how many starts ended nowhere: q was still falling.
        diverged: how many left all finite numbers.
        sizes: of the components of the state, by name.
    """

    points: Tensor
    speed: Tensor
    eigenvalues: Tensor
    stability: tuple[str, ...]
    reached: Tensor
    slow: Tensor
    slow_speed: Tensor
    slow_reached: Tensor
    unfinished: int
    diverged: int
    sizes: dict[str, int]

    @property
    def starts(self) -> int:
        ended = int(self.reached.sum()) + int(self.slow_reached.sum())
        return ended + self.unfinished + self.diverged

    @property
    def states(self) -> dict[str, Tensor]:
        """The points by component, each [k, size]."""
        return dict(zip(self.sizes, self.points.split(list(self.sizes.values()), 1), strict=True))

    @property
    def repelling(self) -> Tensor:
        """How many directions repel at each: eigenvalues of a modulus above 1, [k]."""
        return _repelling(self.eigenvalues)

    def of(self, stability: str) -> Tensor:
        """The points of one stability, [number, S].

        Raises:
            ValueError: there is no such stability.
        """
        one_of(stability, STABILITIES, "stability")
        return self.points[[kind == stability for kind in self.stability]]

    def table(self) -> str:
        """The points as text, a line each, and where all starts ended."""
        rows = [
            f"{self.stability[k]:9}  {int(self.repelling[k]):9}  {modulus:20.4g}  "
            f"{_shortly(self.speed[k], self.reached[k], self.points[k])}"
            for k, modulus in enumerate(self.eigenvalues[:, 0].abs().tolist())
        ]
        rows += [
            f"{'slow':42}  {_shortly(*row)}"
            for row in zip(self.slow_speed, self.slow_reached, self.slow, strict=True)
        ]
        title = "stability  repelling  largest |eigenvalue|        q  starts  state"
        more = [f"and {len(rows) - MOST_ROWS} more"] if len(rows) > MOST_ROWS else []
        return "\n".join([title, *rows[:MOST_ROWS], *more, self._ends()])

    def _ends(self) -> str:
        ends = [f"{int(self.reached.sum())} at {_counted(len(self.points), 'fixed point')}"]
        if len(self.slow):
            ends += [f"{int(self.slow_reached.sum())} at {_counted(len(self.slow), 'slow point')}"]
        rest = {"unfinished": self.unfinished, "diverged": self.diverged}
        ends += [f"{number} {name}" for name, number in rest.items() if number]
        return f"{_counted(self.starts, 'start')}: {', '.join(ends)}"

    def __repr__(self) -> str:
        kinds = Counter(self.stability)
        found = ", ".join(f"{kinds[kind]} {kind}" for kind in STABILITIES if kinds[kind])
        return f"FixedPoints({found or 'none'}; {self._ends()})"


def fixed_points(
    cell: Cell,
    inputs: Tensor | None = None,
    *,
    starts: Tensor | Trajectory | None = None,
    count: int | None = None,
    scale: float = 1.0,
    tolerance: float = 1e-9,
    distinct: float = 1e-4,
) -> FixedPoints:
    """Search the fixed points of a cell from many starts at once, in float64.

    A search proves no absence: what no start leads to is not found. Starts on a trajectory find
    the points that matter to it; starts drawn at random those with wide basins.

    Arguments:
        cell: the step.
        inputs: x, [I], the same at every step; default zeros.
        starts: states to start from, [n, S], all components side by side; or a trajectory, from
            whose states they are drawn, with a little noise; default normal numbers. They are
            drawn by torch's own random numbers: torch.manual_seed repeats them.
        count: how many to draw, default 256.
        scale: standard deviation of the normal numbers: as far from zero as the states are that
            matter, such as 20 for the Lorenz equations.
        tolerance: |F(x, z) - z| of a fixed point is at most this times 1 + |z|. (A cell that
            cannot be copied to float64 is searched in its own type, to what that can tell.)
        distinct: points whose distance is at most this times 1 + |z| are one.

    Raises:
        ValueError: an argument has the wrong shape or size, or `inputs` is missing where the
            cell reads the time between steps.
        TypeError: `cell` is not a cell.
    """
    check_number("tolerance", tolerance)
    check_number("distinct", distinct)
    check_number("scale", scale)
    problem = in_float64(problem_of(cell, _input(cell, inputs)))
    search = RootSearch(StepMap(problem.cell), problem.inputs[0])
    z = search.end(_starts(search.step, starts, count, scale).to(problem.inputs))
    finite, fixed, slow = search.kinds(z, tolerance)
    points, reached = search.apart(z[fixed], distinct)
    eigenvalues = search.eigenvalues(points)
    order = sorted(
        range(len(points)), key=lambda k: (int(_repelling(eigenvalues[k])), -int(reached[k]))
    )
    slow_points, slow_reached = search.apart(z[slow], SLOW_DISTINCT)
    return FixedPoints(
        points[order].double(),
        search.speed(points[order]).double(),
        eigenvalues[order],
        tuple(_stability(moduli) for moduli in eigenvalues[order].abs()),
        reached[order],
        slow_points.double(),
        search.speed(slow_points).double(),
        slow_reached,
        int((finite & ~fixed & ~slow).sum()),
        int((~finite).sum()),
        dict(cell.state_sizes),
    )


def _input(cell: Cell, inputs: Tensor | None) -> Tensor:
    """x as a sequence of one step, [1, 1, I]."""
    if not isinstance(cell, Cell):
        raise TypeError(
            f"cell must be a Cell that is made, got {type(cell).__name__}; a layer or network has "
            "one as .cell, and unrolled.Cell.wrap makes one of any module with forward(x, state)"
        )
    like = like_of(cell)
    if inputs is None and cell.reads_time:
        raise ValueError(
            "inputs are missing: the cell reads the time since the previous step, as the last "
            "feature of x, and with 0 of it every state stays as it is"
        )
    if inputs is None:
        return like.new_zeros(1, 1, cell.input_size)
    if not torch.is_tensor(inputs) or inputs.shape != (cell.input_size,):
        came = list(inputs.shape) if torch.is_tensor(inputs) else type(inputs).__name__
        raise ValueError(
            f"inputs must be one input that stays the same, a tensor [{cell.input_size}], got "
            f"{came}; for several inputs search once for each"
        )
    return inputs.to(like)[None, None]


def _starts(
    step: StepMap, starts: Tensor | Trajectory | None, count: int | None, scale: float
) -> Tensor:
    """The states to start from, [n, S]."""
    if torch.is_tensor(starts):
        if starts.dim() != 2 or starts.shape[1] != step.size or not len(starts):
            wanted = f"states [n, {step.size}], all components side by side"
            raise ValueError(f"starts must be {wanted}, got {list(starts.shape)}")
        if count is not None:
            raise ValueError(f"count is how many starts to draw; {len(starts)} are given")
        return starts.detach()
    count = STARTS if count is None else count
    check_size("count", count)
    if starts is None:
        return scale * torch.randn(count, step.size, dtype=torch.float64)
    if not isinstance(starts, Trajectory):
        raise TypeError(
            f"starts must be states [n, {step.size}] or a trajectory, got {type(starts).__name__}"
        )
    states = step.join(list(starts.states.values())).detach().flatten(0, -2)
    if states.shape[1] != step.size:
        raise ValueError(
            f"starts is a trajectory of states of {states.shape[1]} entries, the cell has "
            f"{step.size}; unroll this cell"
        )
    chosen = states[torch.randint(len(states), (count,), device=states.device)]
    return chosen + NOISE * states.std(0, correction=0) * torch.randn_like(chosen)


def _repelling(eigenvalues: Tensor) -> Tensor:
    return (eigenvalues.abs() > 1 + MARGIN).sum(-1)


def _stability(moduli: Tensor) -> str:
    """Of a point, from the moduli of its eigenvalues [S]."""
    above, below = moduli > 1 + MARGIN, moduli < 1 - MARGIN
    if below.all():
        return "stable"
    if above.any():
        return "saddle" if below.any() else "unstable"
    return "marginal"


def _shortly(speed: Tensor, starts: Tensor, z: Tensor) -> str:
    """The end of a row of the table: q, the number of starts, the first entries of the state."""
    # Adding 0 makes -0 a 0.
    entries = " ".join(f"{round(value, 3) + 0:7.3f}" for value in z[:4].tolist())
    return f"{float(speed):7.1e}  {int(starts):6}  {entries}{' ...' if len(z) > 4 else ''}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
