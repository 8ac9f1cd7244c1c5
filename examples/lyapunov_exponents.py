"""Order, chaos and explosion, told apart by the largest Lyapunov exponent.

    |d h(T)| ~ exp(exponent * T) |d h(0)|

First of two systems whose exponents are known, then of a random network of 100 units,
    h(t) = tanh(W h(t-1)),  or ReLU,    W normal with variance g^2 / 100.

With tanh every start is forgotten while g is below 1. Above, tanh folds back what W stretches: h
stays within 1, comes to rest or goes round in cycles (exponent 0), and from g = 1.4 or so moves in
chaos; the larger the network, the nearer to g = 1. ReLU folds nothing: relu(g a) = g relu(a), so h
is multiplied as any difference is, the exponent is log g plus a constant, and where it is above 0,
h itself grows without bound. Hence tanh in recurrent networks.

References:
    Sprott, "Chaos and Time-Series Analysis", 2003, appendix A (the known exponents).
    Sompolinsky, Crisanti and Sommers, "Chaos in random neural networks", Physical Review Letters
        61, 1988.
"""

import math
from pathlib import Path

import torch

import unrolled as ur
from unrolled.dynamics.discretise import discretise
from unrolled.dynamics.lyapunov import Lyapunov, lyapunov
from unrolled.dynamics.systems import Henon, Lorenz
from unrolled.report.figures import colour, save_figure

SIZE, STEPS, NETWORKS = 100, 400, 3
GAINS = [k / 10 for k in range(5, 21)]
DOUBLE = {"dtype": torch.float64}
KNOWN = {"Henon": (0.419, -1.623), "Lorenz": (0.906, 0.0, -14.572)}


def henon() -> Lyapunov:
    """Of 500 orbits, per step."""
    start = 0.1 * torch.rand(2, 500, 1, **DOUBLE)
    return lyapunov(Henon(**DOUBLE), state=tuple(start), steps=1000, warm_up=100)


def lorenz() -> Lyapunov:
    """Of 50 orbits over 50 units of time, by Runge-Kutta; `per_time` for the known ones."""
    cell = discretise(Lorenz(**DOUBLE), h=0.01, method="rk4")
    start = torch.randn(3, 50, 1, **DOUBLE) + torch.tensor([0, 0, 25.0])[:, None, None]
    return lyapunov(cell, state=tuple(start), steps=6000, warm_up=1000)


class Random(ur.Cell):
    """A network without input, whose weights are `gain` times those of any other gain."""

    def __init__(self, gain: float, activate, seed: int):
        super().__init__(0, {"h": SIZE})
        normal = torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("W", gain / math.sqrt(SIZE) * normal)
        self.activate = activate

    def step(self, x, h):
        return (self.activate(h @ self.W.T),)


def random_network(gain: float, activate) -> tuple[float, float]:
    """The largest exponent, mean over networks, and the largest |h| after the last step."""
    exponents, sizes = [], []
    for seed in range(NETWORKS):
        cell = Random(gain, activate, seed).double()
        start = torch.randn(2, SIZE, generator=torch.Generator().manual_seed(seed)).double()
        found = lyapunov(cell, state=start, steps=STEPS, warm_up=200, count=1)
        exponents.append(found.exponents.item())
        sizes.append(ur.unroll(cell, state=start, steps=STEPS).final[0].abs().max().item())
    return sum(exponents) / NETWORKS, max(sizes)


def main() -> None:
    def paint(figure):
        axes = figure.add_subplot(xlabel="gain g", ylabel="largest Lyapunov exponent, per step")
        for (name, row), hue in zip(rows.items(), ("blue", "orange"), strict=True):
            axes.plot(GAINS, [exponent for exponent, _ in row], color=colour(hue), label=name)
        axes.axhline(0, color=colour("quiet"), linewidth=0.8)
        axes.legend()

    torch.manual_seed(0)
    torch.set_num_threads(1)
    for name, found in (("Henon", henon()), ("Lorenz", lorenz())):
        exponents = found.exponents if found.h is None else found.per_time()
        row, known = ("".join(f"{e:9.3f}" for e in es) for es in (exponents, KNOWN[name]))
        print(f"{name:6}{row}   known{known}   dimension {found.dimension:.3f}")
    print(f"\ngain   tanh: exponent  max |h|   ReLU: exponent  max |h|, after {STEPS} steps")
    functions = {"tanh": torch.tanh, "ReLU": torch.relu}
    rows = {name: [random_network(g, f) for g in GAINS] for name, f in functions.items()}
    for gain, *row in zip(GAINS, *rows.values(), strict=True):
        print(f"{gain:4.1f}", *(f"{exponent:17.3f} {size:8.0e}" for exponent, size in row))
    path = Path(__file__).parents[1] / "docs/examples/lyapunov_exponents.svg"
    save_figure(paint, path, white=True)


if __name__ == "__main__":
    main()
