"""Ways to compute an unroll. `eager` is the definition; every other engine must equal it."""

from .choose import BY_NAME, choose, choose_while_compiling
from .eager import Eager
from .engine import Engine, EngineRefused, Forcing, Problem, Solution
from .gates import gates_as_of_now
from .native import Native
from .vendor import Vendor

__all__ = [
    "BY_NAME",
    "Eager",
    "Engine",
    "EngineRefused",
    "Forcing",
    "Native",
    "Problem",
    "Solution",
    "Vendor",
    "choose",
    "choose_while_compiling",
    "gates_as_of_now",
]
