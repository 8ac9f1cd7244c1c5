"""The one place that chooses an engine, and says why."""

from ..naming import one_of
from .eager import Eager
from .engine import Engine, EngineRefused, Problem
from .native import Native
from .vendor import Vendor

# In the order in which "auto" asks them; the last runs everything.
ENGINES: tuple[Engine, ...] = (Vendor(), Eager())
# Engines that run only where they are asked for by name.
NAMED: tuple[Engine, ...] = (Native(),)
BY_NAME: dict[str, Engine] = {engine.name: engine for engine in (*ENGINES, *NAMED)}


def choose(engine: str | Engine, problem: Problem) -> tuple[Engine, str]:
    """The engine to run `problem` with, and why, in one line.

    Arguments:
        engine: "auto", the name of an engine, or an engine.

    Raises:
        ValueError: no engine has that name.
        EngineRefused: the engine that was asked for cannot run the problem.
    """
    if engine == "auto":
        return _first_willing(problem)
    if isinstance(engine, str):
        engine = BY_NAME[one_of(engine, ("auto", *BY_NAME), "engine")]
    if refusal := engine.refusal(problem):
        raise EngineRefused(f'engine "{engine.name}" cannot run this: {refusal}; use engine="auto"')
    return engine, f"asked for: {engine.advantage(problem)}"


def _first_willing(problem: Problem) -> tuple[Engine, str]:
    refusals = []
    for engine in ENGINES:
        refusal = engine.refusal(problem)
        if refusal is None:
            return engine, "; ".join([engine.advantage(problem), *refusals])
        refusals.append(f"not {engine.name}: {refusal}")
    raise EngineRefused("; ".join(refusals))
