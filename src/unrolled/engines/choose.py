"""The one place that chooses an engine, and says why."""

from ..naming import one_of
from .eager import Eager
from .engine import Engine, EngineRefused, Problem
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
        refusals.append(f"not {engine.name}: {refusal}")
    raise EngineRefused("; ".join(refusals))


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
