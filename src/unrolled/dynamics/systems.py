"""Dynamical systems whose answers are known.

| system | equations | known |
|---|---|---|
| Oscillator | s'' = -(k/m) s + (A/m) x | the motion for x = cos t, the energy |
| Lorenz | three coupled quadratic equations | Lyapunov exponents 0.906, 0, -14.57 |
| Henon | x(t+1) = 1 - a x(t)^2 + y(t), y(t+1) = b x(t) | fixed points, exponents 0.419, -1.623 |

`Driven` gives a system with an input a function of time in its place.

Shapes: B batch.

References:
    Landau and Lifshitz, "Mechanics", 3rd edition, sections 21 and 22.
    Lorenz, "Deterministic nonperiodic flow", Journal of the Atmospheric Sciences 20, 1963.
    Hénon, "A two-dimensional mapping with a strange attractor", Communications in Mathematical
        Physics 50, 1976.
    Sprott, "Chaos and Time-Series Analysis", 2003, appendix A (the exponents).
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..cells.cell import Cell
from ..cells.ranges import check_number


class Oscillator(nn.Module):
    """A mass on a spring, driven by x:  m s'' = -k s + A x.

        s' = v
        v' = -(k/m) s + (A/m) x

    `discretise(Oscillator(...), h)` with x = cos t is Euler's recurrence

        s(t+1) = s(t) + h v(t)
        v(t+1) = v(t) + h ((A/m) cos(t) - (k/m) s(t)),

    a linear recurrent cell with W = [[1, h], [-h k/m, 1]] and U = [0, h A/m].

    Parameters: `stiffness` k/m and `drive` A/m, numbers.

    Arguments:
        stiffness: k/m, above 0: the square of the oscillator's own angular frequency.
        drive: A/m.

    Raises:
        ValueError: a stiffness that is not above 0.
    """

    state_sizes = {"s": 1, "v": 1}  # noqa: RUF012, read only
    input_size = 1

    def __init__(
        self,
        stiffness: float = 4.0,
        drive: float = 1.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        check_number("stiffness", stiffness)
        self.stiffness = _number(stiffness, device, dtype)
        self.drive = _number(drive, device, dtype)

    def forward(self, state: tuple[Tensor, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        s, v = state
        return v, self.drive * x - self.stiffness * s

    def motion(self, time: Tensor, s: float = 0.0, v: float = 0.0) -> tuple[Tensor, Tensor]:
        """s and v at every `time` for x = cos t, from `s` and `v` at time 0: the closed form.

        With w = sqrt(k/m), away from resonance

            s(t) = s(0) cos(w t) + v(0)/w sin(w t) + (A/m) (cos t - cos(w t)) / (w^2 - 1),

        and at resonance, w = 1, the last term is (A/m) t/2 sin t. Both are one formula,

            (cos t - cos(w t)) / (w^2 - 1) = beat(t) sin((w+1)/2 t)
            beat(t) = t / (w+1) * sin(z) / z,    z = (w-1)/2 t,

        which rounds no worse near resonance than elsewhere.
        """
        w = self._frequency()
        beat = time / (w + 1) * torch.sinc((w - 1) * time / (2 * math.pi))
        fast = (w + 1) / 2 * time
        cos, sin = torch.cos(w * time), torch.sin(w * time)
        position = s * cos + v / w * sin + self.drive * beat * torch.sin(fast)
        push = sin / (w + 1) + beat * torch.cos(fast)
        return position, v * cos - s * w * sin + self.drive * push

    def steady_state(self, time: Tensor) -> tuple[Tensor, Tensor]:
        """The part of `motion` that has the period of the drive: s = (A/m) / (k/m - 1) cos t.

        The rest of `motion` is the transient. Without friction it has the oscillator's own
        period and does not die out.

        Raises:
            ValueError: at resonance, k/m = 1, where the motion grows for ever.
        """
        if self.stiffness == 1:
            raise ValueError("stiffness is 1, the resonance with cos t: there is no steady state")
        amplitude = self.drive / (self.stiffness - 1)
        return amplitude * torch.cos(time), -amplitude * torch.sin(time)

    def energy(self, s: Tensor, v: Tensor) -> Tensor:
        """v^2/2 + (k/m) s^2/2, the energy per mass; constant where drive or x is 0."""
        return (v**2 + self.stiffness * s**2) / 2

    def _frequency(self) -> Tensor:
        if self.stiffness <= 0:
            raise ValueError(f"stiffness is {self.stiffness.item():g}; it swings only above 0")
        return torch.sqrt(self.stiffness)


class Driven(nn.Module):
    """A system with one input, driven by a function of time: g(s, signal(t)).

    Inside g the signal is read at every time at which the method asks, so that Heun and
    Runge-Kutta keep their order.

    Arguments:
        system: takes (s, x); an Oscillator, say.
        signal: x as a function of t, [B, 1] both.
    """

    input_size = 0

    def __init__(self, system: nn.Module, signal: Callable[[Tensor], Tensor] = torch.cos):
        super().__init__()
        self.system, self.signal = system, signal
        self.state_sizes = system.state_sizes

    def forward(self, s: Any, x: Tensor, t: Tensor) -> Any:
        return self.system(s, self.signal(t))


class Lorenz(nn.Module):
    """Convection in three numbers.

        x' = sigma (y - x)
        y' = x (rho - z) - y
        z' = x y - beta z

    Parameters: `sigma`, `rho` and `beta`, numbers. The defaults are Lorenz's, at which the motion
    is chaotic.
    """

    state_sizes = {"x": 1, "y": 1, "z": 1}  # noqa: RUF012, read only
    input_size = 0

    def __init__(
        self,
        sigma: float = 10.0,
        rho: float = 28.0,
        beta: float = 8 / 3,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.sigma = _number(sigma, device, dtype)
        self.rho = _number(rho, device, dtype)
        self.beta = _number(beta, device, dtype)

    def forward(self, state: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        x, y, z = state
        return self.sigma * (y - x), x * (self.rho - z) - y, x * y - self.beta * z


class Henon(Cell):
    """Hénon's map, which stretches and folds the plane: a system without input, in steps.

        x(t+1) = 1 - a x(t)^2 + y(t)
        y(t+1) = b x(t)

    State `x, y`. Parameters: `a` and `b`, numbers. A step changes areas by the factor b.
    """

    def __init__(
        self,
        a: float = 1.4,
        b: float = 0.3,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(0, {"x": 1, "y": 1})
        self.a = _number(a, device, dtype)
        self.b = _number(b, device, dtype)

    def step(self, _: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return 1 - self.a * x**2 + y, self.b * x


def _number(
    value: float, device: torch.device | str | None, dtype: torch.dtype | None
) -> nn.Parameter:
    return nn.Parameter(torch.tensor(float(value), device=device, dtype=dtype))
