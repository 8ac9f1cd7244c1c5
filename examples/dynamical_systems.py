"""Autonomous and driven dynamical systems: one function, applied at every step.

    s(t) = f(s(t-1); theta)              s(3) = f(f(s(1); theta); theta)
    s(t+1) = f(s(t), x(t+1); theta)      h(t) = g_t(x(t), ..., x(1), h(0))

Unfolded, the graph of two steps holds the parameters once. A driven system maps a sequence of any
length to a state of fixed size, by the same f at every step. What the state still knows of h(0)
is another matter: in the Henon map two neighbouring starts part until nothing is left of their
nearness, in a driven network that contracts they meet, and the state is a function of the inputs
alone.

Reference:
    Henon, "A two-dimensional mapping with a strange attractor", Communications in Mathematical
        Physics 50, 1976.
"""

from pathlib import Path

import torch
from torch import Tensor

import unrolled as ur
from unrolled.dynamics import Henon
from unrolled.report.figures import colour, save_figure

STEPS, APART = 60, 1e-6


def unfolded() -> tuple[Tensor, Tensor, int]:
    """s(3) by the graph of two steps, by f applied twice, and how many parameters it holds."""
    f = ur.Cell.wrap(torch.nn.RNNCell(1, 4), input_size=1)
    both, x, s = ur.graph(f).unfold(2), torch.zeros(1, 1), torch.rand(1, 4)
    by_graph = both.evaluate(s, x, x)[-1]
    return by_graph, f.step(x, *f.step(x, s))[0], len(both.parameters)


def distances(cell: ur.Cell, inputs: Tensor | None, state: list[Tensor]) -> Tensor:
    """Between two orbits that start `APART` in the first component, after every step, [T]."""
    starts = [torch.cat([part, part]) for part in state]
    starts[0] = starts[0] + APART * torch.tensor([[0.0], [1.0]], dtype=starts[0].dtype)
    steps = STEPS if inputs is None else None
    both = None if inputs is None else inputs.expand(2, -1, -1)
    run = ur.unroll(cell, both, starts, steps=steps)
    return torch.cat(list(run.states.values()), dim=2).diff(dim=0)[0].norm(dim=1).detach()


def attractor(count: int = 4000) -> Tensor:
    """Points of the Henon map, [count, 2]."""
    run = ur.unroll(Henon().double(), steps=count + 100)
    return torch.cat(list(run.states.values()), dim=2)[0, 100:].detach()


def vectors(lengths: tuple[int, ...]) -> list[tuple[int, list[int]]]:
    """Sequences of these lengths, and the shape of what a driven system makes of each."""
    cell = ur.cells.GRU(3, 5)
    return [(n, list(ur.unroll(cell, torch.randn(1, n, 3)).final[0].shape)) for n in lengths]


def main() -> None:
    def paint(figure):
        left, right = figure.subplots(1, 2)
        left.scatter(*points.T, s=0.6, color=colour("blue"), linewidths=0, rasterized=True)
        left.set(xlabel="x(t)", ylabel="y(t)", title="the Henon map")
        looks = (("orange", "-"), ("blue", "--"))
        for (name, row), (hue, dash) in zip(rows.items(), looks, strict=True):
            right.plot(range(1, len(row) + 1), row, color=colour(hue), linestyle=dash, label=name)
        right.set(yscale="log", xlabel="t", ylabel="distance of two orbits")
        right.set_yticks([1e-12, 1e-9, 1e-6, 1e-3, 1], ["1e-12", "1e-9", "1e-6", "0.001", "1"])
        right.legend()

    torch.manual_seed(0)
    by_graph, by_hand, count = unfolded()
    print(
        f"s(3) by the graph of two steps: off by {(by_graph - by_hand).abs().max():.1e},", end=" "
    )
    print(f"{count} parameters as in one step")
    for length, shape in vectors((1, 10, 1000)):
        print(f"a sequence of {length:4} steps of 3 features becomes a state {shape}")
    points, start = attractor(), torch.zeros(1, 1, dtype=torch.float64)
    driven, inputs = ur.cells.GRU(2, 16).double(), torch.randn(1, STEPS, 2, dtype=torch.float64)
    rows = {
        "autonomous: Henon": distances(Henon().double(), None, [start, start]),
        "driven: GRU, untrained": distances(
            driven, inputs, [torch.zeros_like(start).repeat(1, 16)]
        ),
    }
    print("distance of two orbits after", *(f"{t:8}" for t in (1, 20, 40, 60)), "steps")
    for name, row in rows.items():
        print(f"  {name:26}", *(f"{float(row[t - 1]):8.1e}" for t in (1, 20, 40, 60)))
    path = Path(__file__).parents[1] / "docs/examples/dynamical_systems.svg"
    save_figure(paint, path, height=240, width=620, white=True)


if __name__ == "__main__":
    main()
