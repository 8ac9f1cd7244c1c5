"""The native engine: a cell's graph compiled to C++ for this machine, run over all steps at once.

Shapes: B batch, T time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ...cells import Cell
from ...graph import UnsupportedOperator
from ..eager import everything_is_forced
from ..engine import Problem, Solution, Trouble, is_autocast, transform_of
from .build import cache_facts, compiler, multiplies_in_half, registers
from .differentiable import states_of
from .kernel import REALS, Kernel
from .kernels import NoKernel, kernel_of

# Steps from which the engine is as fast as any other, for all cells and sizes that
# benchmarks/engines.py tries.
FEWEST_STEPS = 4
NO_COMPILER = "there is no C++ compiler (g++, clang++ or c++; CXX names another)"


@dataclass(frozen=True)
class Native:
    """Runs any cell whose graph is known, in float32 or float64, on the CPU.

    Under autocast it computes in the precision of the parameters, which loses nothing; where
    bfloat16 is asked for and the machine multiplies it, products take their factors rounded to
    it, and everything else stays in float32.

    Attributes:
        lean: keep only the states for the backward pass, which then computes again what it needs
            beside them: about half the memory of an LSTM for one more forward pass.
    """

    lean: bool = False
    name = "native"

    def refusal(self, problem: Problem) -> str | None:
        device = problem.inputs.device
        if device.type != "cpu":
            return f"it runs on the CPU, the inputs are on {device}"
        dtype = _precision(problem)
        if dtype not in REALS:
            name = str(dtype).removeprefix("torch.")
            return f"it computes in float32 and float64, not in {name}"
        if _has_hooks(problem.cell):
            return "the cell has hooks, which compiled code passes by"
        if transform := transform_of(problem.tensors):
            return f"it cannot run under {transform}"
        if compiler() is None:
            return Trouble(NO_COMPILER)
        try:
            kernel = self._kernel(problem, _half(problem))
        except UnsupportedOperator as error:
            return str(error)
        except NoKernel as error:
            return Trouble(f"no kernel can be built: {error}")
        if kernel.mixes_precisions:
            return f"the cell holds tensors of a higher precision than {str(dtype)[6:]}"
        return None

    def reluctance(self, problem: Problem) -> str | None:
        if problem.inputs.shape[1] < FEWEST_STEPS:
            return f"fewer than {FEWEST_STEPS} steps are run as fast without it"
        if everything_is_forced(problem):
            return "all that recurs is forced, so every step can run in one batch"
        return None

    def advantage(self, problem: Problem) -> str:
        how = f"the step of {problem.cell.title} compiled to C++, all steps in one call"
        if self.lean:
            how += ", states alone kept"
        if is_autocast("cpu"):
            name = str(_precision(problem)).removeprefix("torch.")
            if _half(problem):
                return f"{how}, products in bfloat16, all else in {name}"
            return f"{how}, in {name} under autocast too"
        return how

    def equipment(self) -> str:
        found, (width, _) = compiler(), registers()
        threads = torch.get_num_threads()
        if found is None:
            return NO_COMPILER
        return (
            f"any cell whose graph is known, on the CPU: {found.version} at {found.path}, vectors "
            f"of {8 * width} bits, {threads} thread{'s' if threads > 1 else ''}, {cache_facts()}"
        )

    def solve(self, problem: Problem) -> Solution:
        if not is_autocast("cpu"):
            return self._solve(problem, half=False)
        half, dtype = _half(problem), _precision(problem)
        with torch.autocast("cpu", enabled=False):
            return self._solve(_in_precision(problem, dtype), half)

    def _solve(self, problem: Problem, half: bool) -> Solution:
        names = list(problem.cell.state_sizes)
        if torch.compiler.is_compiling():
            # Imported here, as it imports the compiler.
            from .operator import states_as_operator

            states, source = states_as_operator(problem, self.lean, half), None
        else:
            kernel = self._kernel(problem, half)
            states = states_of(kernel, problem)
            source = kernel.source
        # Copies: whoever resets a stream in place leaves the outputs as they are.
        final = tuple(last.clone() for last in map(problem.last, states, problem.state))
        found = dict(zip(names, map(problem.blank, states), strict=True))
        return Solution(found, final, source)

    def _kernel(self, problem: Problem, half: bool) -> Kernel:
        """The compiled step; the backward pass is built at once where it will be needed."""
        known = problem.known
        if self not in known:
            wants = problem.inputs.requires_grad if torch.is_grad_enabled() else None
            forced, dtype = tuple(problem.forced), _precision(problem)
            known[self] = kernel_of(problem.cell, dtype, forced, self.lean, half, wants)
        return known[self]


def _has_hooks(cell: nn.Module) -> bool:
    """Whether calls of the cell's modules do more than compute.

    torch's own hooks only compute. Those of cells have run before, and what they computed is no
    parameter that a graph knows.
    """
    tables = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(
        isinstance(module, Cell) or not type(hook).__module__.startswith("torch.nn.utils.")
        for module in cell.modules()
        for table in tables
        for hook in vars(module)[table].values()
    )


def _precision(problem: Problem) -> torch.dtype:
    """What is computed in: that of the inputs, under autocast that of the cell's own tensors."""
    if not is_autocast("cpu"):
        return problem.inputs.dtype
    own = (*problem.cell.parameters(), *problem.cell.buffers())
    given = torch.promote_types(problem.inputs.dtype, torch.float32)
    return next((tensor.dtype for tensor in own if tensor.is_floating_point()), given)


def _half(problem: Problem) -> bool:
    """Whether products are asked for in bfloat16, and the machine has an instruction for them."""
    asked = is_autocast("cpu") and torch.get_autocast_dtype("cpu") is torch.bfloat16
    return asked and _precision(problem) is torch.float32 and multiplies_in_half()


def _in_precision(problem: Problem, dtype: torch.dtype) -> Problem:
    """The problem as it is, if it is all in a precision, or brought to it."""
    alike = all(tensor.dtype == dtype for tensor in problem.tensors)
    return problem if alike else problem.to(dtype)
