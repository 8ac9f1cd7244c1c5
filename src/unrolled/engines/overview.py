"""What the engines are on this machine, and what each would do with a cell."""

from collections.abc import Iterator

import torch

from ..cells import Cell
from .choose import ENGINES, choose
from .engine import Engine, Problem

# Sequences and steps of the run that engines are asked about.
BATCH, STEPS = 32, 64


def overview() -> Iterator[tuple[str, str]]:
    """Each engine by name, in the order in which "auto" asks them: what it needs and finds."""
    for engine in ENGINES:
        yield engine.name, engine.equipment()


def verdicts(cell: Cell) -> Iterator[tuple[str, str]]:
    """Each engine by name: how it would run the cell, or why not.

    Kernels that are missing are built.
    """
    for engine in ENGINES:
        yield engine.name, _verdict(engine, _problem(cell))


def choice(cell: Cell) -> str:
    """Which engine "auto" takes for the cell, and why."""
    engine, why = choose("auto", _problem(cell))
    return f"takes {engine.name}: {why}"


def _verdict(engine: Engine, problem: Problem) -> str:
    refusal = engine.refusal(problem)
    return f"cannot: {refusal}" if refusal else f"runs it: {engine.advantage(problem)}"


def _problem(cell: Cell) -> Problem:
    """A run with gradients of all parameters."""
    dtype = next((p.dtype for p in cell.parameters()), torch.float32)
    device = next((p.device for p in cell.parameters()), torch.device("cpu"))
    inputs = torch.zeros(BATCH, STEPS, cell.input_size, dtype=dtype, device=device)
    return Problem(cell, inputs, cell.initial_state(BATCH, dtype=dtype, device=device))
