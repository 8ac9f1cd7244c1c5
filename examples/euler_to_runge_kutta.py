"""From a differential equation to a recurrence: Euler, Heun and Runge-Kutta on an oscillator.

    s' = v,  v' = -(k/m) s + (A/m) cos t        a step of size h is a cell: s(t+h) from s(t)

    error      at t = 10 against the closed form: proportional to h^p, p = 1, 2, 4
    energy     without the drive it should stay. A step multiplies it, with z = k/m h^2, by
               1 + z (Euler), 1 + z^2 / 4 (Heun), 1 - z^3 / 72 + z^4 / 576 (Runge-Kutta)

References:
    Hairer, Nørsett and Wanner, "Solving Ordinary Differential Equations I", 2nd edition, 1993.
"""

import math
from pathlib import Path

import torch
from torch import Tensor

import unrolled as ur
from unrolled.dynamics.discretise import discretise
from unrolled.dynamics.systems import Driven, Oscillator
from unrolled.report.figures import colour, save_figure

METHODS = {"euler": "orange", "heun": "green", "rk4": "blue"}
STEPS = tuple(50 * 2**n for n in range(7))
T, H, PERIODS = 10.0, 0.05, 50  # of the errors; of the energies


@torch.no_grad()
def swing(system: Oscillator, method: str, h: float, steps: int) -> tuple[Tensor, Tensor]:
    """s and v after every step, [T] both, from s = 1 at rest."""
    cell = discretise(Driven(system), h, method)
    start = [torch.tensor([[number]], dtype=torch.float64) for number in (1.0, 0.0, 0.0)]
    states = ur.unroll(cell, state=start, steps=steps).states
    return states["s"][0, :, 0], states["v"][0, :, 0]


def error(method: str, steps: int) -> float:
    """Of s at t = 10, in so many steps."""
    system = Oscillator(stiffness=4, drive=1, dtype=torch.float64)
    exact, _ = system.motion(torch.tensor(T, dtype=torch.float64), s=1)
    return abs(swing(system, method, T / steps, steps)[0][-1] - exact).item()


def order(method: str, steps: int) -> float:
    """p, from the errors with `steps` and with twice as many."""
    return math.log2(error(method, steps) / error(method, 2 * steps))


def energies(method: str, h: float = H, periods: int = PERIODS) -> Tensor:
    """The energy at the end of every period, in parts of that at the start, [periods]."""
    system = Oscillator(stiffness=1, drive=0, dtype=torch.float64)
    steps = (2 * math.pi / h * torch.arange(1, periods + 1)).round().int()
    s, v = swing(system, method, h, int(steps[-1]))
    return system.energy(s, v)[steps - 1].detach() / 0.5


def main() -> None:
    def paint(figure):
        left, right = figure.subplots(1, 2)
        for method, hue in METHODS.items():
            label = f"{method}, order {order(method, STEPS[-2]):.2f}"
            left.loglog(sizes, errors[method], ".-", color=colour(hue), label=label)
            drift = (energy[method] - 1).abs()
            right.semilogy(range(1, PERIODS + 1), drift, color=colour(hue), label=method)
        left.set(xlabel="step size h", ylabel="error of s at t = 10")
        left.set_xticks([0.2, 0.05, 0.0125, 0.003125], ["0.2", "0.05", "0.0125", "0.003"])
        left.set_yticks([1e-9, 1e-6, 1e-3, 1], ["1e-9", "1e-6", "0.001", "1"])
        right.set(xlabel="periods", ylabel="energy gained or lost, in parts")
        right.set_yticks([1e-6, 1e-3, 1, 1e3, 1e6], ["1e-6", "0.001", "1", "1000", "1e6"])
        left.legend()

    torch.set_num_threads(1)
    sizes, errors, energy = [T / steps for steps in STEPS], {}, {}
    print("error at t = 10, h =", *(f"{h:7.4f}" for h in sizes), " order")
    for method in METHODS:
        errors[method] = [error(method, steps) for steps in STEPS]
        row = " ".join(f"{e:7.0e}" for e in errors[method])
        print(f"{method:19} {row} {order(method, STEPS[-2]):6.2f}")
    print(f"\nenergy after {PERIODS} periods with h = {H}, in parts of that at the start")
    for method in METHODS:
        energy[method] = energies(method)
        print(f"{method:19} {energy[method][-1]:.10g}")
    path = Path(__file__).parents[1] / "docs/examples/euler_to_runge_kutta.svg"
    save_figure(paint, path, width=525, white=True)


if __name__ == "__main__":
    main()
