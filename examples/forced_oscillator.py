"""The forced oscillator: a differential equation is a linear recurrent cell, and trains as one.

    m s'' = -k s + A cos t,    as s' = v,  v' = -(k/m) s + (A/m) cos t
    Euler [s, v](t+h) = W [s, v](t) + U cos t,  W = [[1, h], [-h k/m, 1]],  U = [0, h A/m]

forward    from rest, against the closed form: steady state and transient at k/m = 4, resonance at
           k/m = 1. Euler's own growth, exp(k/m h/2) per unit of time, is no part of the motion.
inverse    k/m = 4, A/m = 3 from noisy values of s by BPTT, begun at 6 and 1.5. Over many periods
           the loss has other minima, so a short part is fitted first, then longer ones. The fit
           makes up for Euler's growth by too small an A/m; Runge-Kutta has hardly any bias.
"""

from itertools import product
from pathlib import Path

import torch
from torch import Tensor

import unrolled as ur
from unrolled.dynamics.discretise import discretise
from unrolled.dynamics.systems import Driven, Oscillator
from unrolled.report.figures import colour, save_figure

EVERY, COUNT, NOISE = 0.1, 300, 0.05  # time between values of s, their number and their noise
TRUTH, GUESS, LENGTHS = (4.0, 3.0), (6.0, 1.5), (20, 40, 80, 150, 300)
SIZES = {"euler": (0.1, 0.01, 0.001, 0.0001), "rk4": (0.1, 0.01, 0.001)}
FLOAT = {"dtype": torch.float64}
TIME = EVERY * torch.arange(1, COUNT + 1, **FLOAT)


def swing(system: Oscillator, method: str, h: float, count: int = COUNT) -> Tensor:
    """s from rest at the first `count` of TIME, by steps of size h."""
    cell, every = discretise(Driven(system), h, method), round(EVERY / h)
    return ur.unroll(cell, steps=count * every).outputs[0, every - 1 :: every, 0]


@torch.no_grad()
def linear_cell(system: Oscillator, h: float) -> Tensor:
    """s by Euler's steps again, of a linear recurrent network that reads cos t."""
    (k, a), every = (p.item() for p in (system.stiffness, system.drive)), round(EVERY / h)
    cell = ur.cells.Elman(1, 2, bias=False, nonlinearity="identity", **FLOAT)
    W, U = [[1, h], [-h * k, 1]], [[0], [h * a]]
    cell.weight_hh.data, cell.weight_ih.data = (torch.tensor(m, **FLOAT) for m in (W, U))
    x = torch.cos(h * torch.arange(COUNT * every, **FLOAT))
    return ur.unroll(cell, x[None, :, None]).outputs[0, every - 1 :: every, 0]


def recover(method: str, h: float, lengths=LENGTHS, guess=GUESS, seed=0) -> tuple[float, float]:
    """k/m and A/m from noisy values of s, the first `lengths` of them one after another."""
    noise = torch.randn(COUNT, generator=torch.Generator().manual_seed(seed), **FLOAT)
    measured = Oscillator(*TRUTH, **FLOAT).motion(TIME)[0].detach() + NOISE * noise
    system = Oscillator(*guess, **FLOAT)

    def squared_error(n: int) -> Tensor:
        system.zero_grad()
        error = (swing(system, method, h, n) - measured[:n]).square().mean()
        error.backward()
        return error

    for n in lengths:
        optimiser = torch.optim.LBFGS(system.parameters(), line_search_fn="strong_wolfe")
        optimiser.step(lambda n=n: squared_error(n))
    return system.stiffness.item(), system.drive.item()


def main() -> None:
    def paint(figure):
        *motions, right = figure.subplots(1, 3)
        for axes, system in zip(motions, systems, strict=True):
            axes.plot(TIME, linear_cell(system, 0.01), c=orange, label="euler, h = 0.01")
            axes.plot(TIME, system.motion(TIME)[0], c=colour("ink"), label="closed form")
            axes.plot(TIME[::4], swing(system, "rk4", 0.1)[::4], ".", c=blue, label="rk4, h = 0.1")
            axes.set(xlabel="t", ylabel=f"s at k/m = {system.stiffness.item():g}")
        motions[0].plot(TIME, systems[0].steady_state(TIME)[0], "--", c=quiet, label="steady state")
        figure.legend(*motions[0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
        for (method, hue), n in product((("euler", orange), ("rk4", blue)), (0, 1)):
            errors = [abs(fits[method, h][n] / TRUTH[n] - 1) for h in SIZES[method]]
            look = {"ls": ("--", "-")[n], "c": hue, "label": ("k/m, ", "A/m, ")[n] + method}
            right.loglog(SIZES[method], errors, marker=".", **look)
        right.set(xlabel="step size h", ylabel="error of what is recovered")
        right.set_xticks(SIZES["euler"], SIZES["euler"])
        right.set_yticks([1e-4, 1e-3, 0.01, 0.1, 1], ["0.01 %", "0.1 %", "1 %", "10 %", "100 %"])
        right.legend()

    torch.set_num_threads(1)
    orange, blue, quiet, fits = colour("orange"), colour("blue"), colour("quiet"), {}
    systems = [Oscillator(k, 3, **FLOAT).requires_grad_(False) for k in (4, 1)]
    print("method      h   error of s: k/m = 4, k/m = 1   recovered: k/m, A/m")
    for method, h in ((m, h) for m in SIZES for h in SIZES[m]):
        errors = [(swing(s, method, h) - s.motion(TIME)[0]).abs().max() for s in systems]
        fits[method, h] = k, a = recover(method, h)
        print(f"{method:6} {h:6} {errors[0]:20.1e} {errors[1]:9.1e} {k:16.4f} {a:8.4f}")
    print("rk4       0.1, all at once {:33.4f} {:8.4f}".format(*recover("rk4", 0.1, (COUNT,))))
    path = Path(__file__).parents[1] / "docs/examples/forced_oscillator.svg"
    save_figure(paint, path, width=700, white=True)


if __name__ == "__main__":
    main()
