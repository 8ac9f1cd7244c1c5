"""The one place that chooses an engine, and says why."""

import warnings
from functools import cache

from ..naming import one_of
from .eager import Eager
from .engine import Engine, EngineRefused, Problem, Trouble
from .native import Native
from .vendor import Vendor

# In the order in which "auto" asks them; the last runs everything.
ENGINES: tuple[Engine, ...] = (Native(), Vendor(), Eager())
BY_NAME: dict[str, Engine] = {engine.name: engine for engine in ENGINES}


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
    if not isinstance(engine, str) and (isinstance(engine, type) or not hasattr(engine, "solve")):
        names = ", ".join(BY_NAME)
        raise TypeError(f'engine must be "auto", {names}, or an engine, got {engine!r}')
    if isinstance(engine, str):
        engine = BY_NAME[one_of(engine, ("auto", *BY_NAME), "engine")]
    if refusal := engine.refusal(problem):
        raise EngineRefused(f'engine "{engine.name}" cannot run this: {refusal}; use engine="auto"')
    return engine, f"asked for: {engine.advantage(problem)}"


def _first_willing(problem: Problem) -> tuple[Engine, str]:
    refusals = []
    for engine in ENGINES:
        # What an engine would rather not run it need not prepare for.
        refusal = engine.reluctance(problem) or engine.refusal(problem)
        if refusal is None:
            return engine, "; ".join([engine.advantage(problem), *refusals])
        if isinstance(refusal, Trouble):
            warn_of(engine.name, refusal)
        refusals.append(f"not {engine.name}: {refusal}")
    raise EngineRefused("; ".join(refusals))


@cache
def warn_of(name: str, reason: str) -> None:
    """Say once what keeps an engine from running anything."""
    warnings.warn(f"the {name} engine cannot run: {reason}; another one does", stacklevel=2)


def choose_while_compiling(engine: str | Engine, problem: Problem) -> tuple[Engine, str]:
    """What `choose` says, where `torch.compile` reads the caller.

    Raises:
        EngineRefused: as `choose` does.
    """
    if not isinstance(engine, str):
        return engine, f"asked for: {engine.name}"
    # Imported here, as it imports the compiler.
    from .compiling import chosen_for

    inputs = problem.inputs
    facts = (tuple(problem.forced), problem.lengths is not None)
    name, why = chosen_for(problem.cell, engine, inputs.dtype, inputs.device.type, *facts)
    if not name:
        raise EngineRefused(why)
    return BY_NAME[name], why
