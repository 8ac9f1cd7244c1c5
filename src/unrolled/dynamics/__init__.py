"""Recurrent networks as dynamical systems: from equations to cells, and from cells to insight.

    cell = ur.dynamics.discretise(g, h=0.01, method="rk4", state={"s": 1, "v": 1})
    ur.dynamics.spectrum(model)                       # W and Jacobians
    ur.dynamics.gradient_flow(model, batch, loss)     # how far back the gradient reaches
    ur.dynamics.lyapunov(cell, inputs)                # how fast neighbouring states part
    ur.dynamics.fixed_points(cell)                    # where it rests
    ur.dynamics.gates(model, batch, labels)           # every gate at every step
    ur.dynamics.examine(model, batch, loss)           # all of it, and what is wrong

discretise.py     an ordinary differential equation as a cell
systems.py        systems with known answers
steps.py          a cell's step as a map of the whole state, with Jacobians
recording.py      what the cells of any model read and did, and their share of the gradient
examination.py    all figures of a model; advice.py: what they say, and what one could do
figures.py        pictures of them; plane.py: eigenvalues
precision.py      a cell in float64
The others are called as what they find.
"""

from .advice import Diagnosis
from .discretise import Discretised, discretise
from .examination import Context, Examination, examine
from .fixed_points import FixedPoints, fixed_points
from .gates import GateTrace, Saturation, gates, saturation
from .gradient_flow import ByLag, GradientFlow, LayerFlow, gradient_flow
from .lyapunov import Lyapunov, lyapunov
from .modes import Modes, modes
from .recording import Recording, record
from .spectrum import Spectra, Spectrum, spectrum
from .steps import StepMap
from .systems import Driven, Henon, Lorenz, Oscillator

__all__ = [
    "ByLag",
    "Context",
    "Diagnosis",
    "Discretised",
    "Driven",
    "Examination",
    "FixedPoints",
    "GateTrace",
    "GradientFlow",
    "Henon",
    "LayerFlow",
    "Lorenz",
    "Lyapunov",
    "Modes",
    "Oscillator",
    "Recording",
    "Saturation",
    "Spectra",
    "Spectrum",
    "StepMap",
    "discretise",
    "examine",
    "fixed_points",
    "gates",
    "gradient_flow",
    "lyapunov",
    "modes",
    "record",
    "saturation",
    "spectrum",
]
