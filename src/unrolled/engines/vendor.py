"""The kernels that torch.nn calls: cuDNN on a GPU, oneDNN or torch's C++ loop on a CPU.

They know four recurrences, and of an LSTM they return c at the last step only. Where c is
wanted at every step it is computed from h afterwards: with h known, all gates are one batched
affine map, and c is a pointwise recurrence.

Shapes: B batch, T time, H hidden size.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ..cells import GRU, LSTM, Cell, Elman, WrappedCell
from .engine import LazyStates, Problem, Solution, as_of_now, transform_of


@dataclass(frozen=True)
class Kernel:
    """One of torch's recurrent functions, with the parameters of a cell."""

    function: Callable[..., Any]
    parameters: nn.Module
    has_memory: bool = False

    @property
    def weights(self) -> list[Tensor]:
        p = self.parameters
        names = ["weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if self.has_biases else ())]
        projection = ["weight_hr"] if getattr(p, "proj_size", 0) else []
        return [getattr(p, name) for name in (*names, *projection)]

    @property
    def has_biases(self) -> bool:
        return self.parameters.bias_ih is not None


class Vendor:
    """torch.nn's kernels, for Elman (tanh, ReLU), LSTM (tanh candidate), GRU (reset after)."""

    name = "vendor"

    def refusal(self, problem: Problem) -> str | None:
        if kernel_for(problem.cell) is None:
            return f"torch.nn has no kernel for this {problem.cell.title}"
        if _is_altered(problem.cell):
            return "the cell has hooks or a step of its own, which torch.nn's kernels pass by"
        if problem.forced:
            return "torch.nn's kernels cannot force a state between steps"
        if problem.cell.input_size == 0:
            return "torch.nn's kernels need an input"
        if problem.lengths is not None and bool((problem.lengths == 0).any()):
            return "torch.nn's kernels take no sequence of length 0"
        return None

    def reluctance(self, problem: Problem) -> str | None:
        transform = transform_of(problem.tensors)
        if transform in ("a transform of torch.func", "forward-mode differentiation"):
            return f"torch.nn's kernels know no {transform.removeprefix('a ')}"
        return None

    def advantage(self, problem: Problem) -> str:
        return f"{library(problem)} through torch.nn"

    def equipment(self) -> str:
        one_dnn = "oneDNN" if torch.backends.mkldnn.is_available() else "no oneDNN"
        cudnn: Any = torch.backends.cudnn
        found = f"cuDNN {cudnn.version()}" if cudnn.is_available() else "no cuDNN"
        return f"torch.nn's kernels for Elman, LSTM and GRU: {one_dnn}, {found}"

    def solve(self, problem: Problem) -> Solution:
        kernel = kernel_for(problem.cell)
        assert kernel is not None, "solve is called only where refusal returned None"
        starts = [component[None].contiguous() for component in problem.state]
        outputs, *last = _call(kernel, problem, starts)
        states = {name: (lambda: outputs) for name in list(problem.cell.state_sizes)[:1]}
        if kernel.has_memory:
            memory = list(problem.cell.state_sizes)[1]
            states[memory] = _memory_as_of_now(kernel, problem, outputs)
        return Solution(LazyStates(states), tuple(component[0] for component in last))


def _is_altered(cell: Cell) -> bool:
    """Whether a step of this cell does more than its class says."""
    modules = [cell, cell.module] if isinstance(cell, WrappedCell) else [cell]
    hooked = any(m._forward_hooks or m._forward_pre_hooks for m in modules)
    return hooked or any(name in vars(m) for m in modules for name in ("step", "forward"))


def _memory_as_of_now(kernel: Kernel, problem: Problem, outputs: Tensor) -> Callable[[], Tensor]:
    """c at every step, computed at its first use, of the tensors as they are now."""
    used = [problem.inputs, outputs, *problem.state, *kernel.weights]
    return as_of_now(
        "the memory of an unroll was",
        used,
        lambda: memory_from_outputs(kernel.parameters, problem, outputs),
    )


def library(problem: Problem) -> str:
    """The name of the library that torch.nn calls for this problem."""
    if problem.inputs.is_cuda:
        return "cuDNN" if torch.backends.cudnn.is_available() else "torch's CUDA loop"
    kernel = kernel_for(problem.cell)
    fused = kernel is not None and kernel.has_memory and problem.lengths is None
    one_dnn = torch.backends.mkldnn.is_available() and problem.inputs.dtype == torch.float32
    return "oneDNN" if fused and one_dnn else "torch's C++ loop"


def has_kernel(cell: Cell) -> bool:
    """Whether torch.nn has a kernel for exactly this recurrence."""
    return kernel_for(cell) is not None


def kernel_for(cell: Cell) -> Kernel | None:
    """torch's kernel for exactly this recurrence, or None.

    Subclasses are left out: they may step in another way.
    """
    kind = type(cell)
    if isinstance(cell, WrappedCell):
        return _kernel_for_module(cell.module)
    if getattr(cell, "layer_norm", False):
        return None
    if kind is LSTM and cell.candidate == "tanh":
        return Kernel(torch.lstm, cell, has_memory=True)
    if kind is GRU and cell.reset_after:
        return Kernel(torch.gru, cell)
    if kind is Elman and cell.nonlinearity in ("tanh", "relu"):
        return Kernel(torch.rnn_tanh if cell.nonlinearity == "tanh" else torch.rnn_relu, cell)
    return None


def _kernel_for_module(module: nn.Module) -> Kernel | None:
    kind = type(module)
    if kind is nn.LSTMCell:
        return Kernel(torch.lstm, module, has_memory=True)
    if kind is nn.GRUCell:
        return Kernel(torch.gru, module)
    if kind is nn.RNNCell:
        tanh = module.nonlinearity == "tanh"
        return Kernel(torch.rnn_tanh if tanh else torch.rnn_relu, module)
    return None


def _call(kernel: Kernel, problem: Problem, starts: list[Tensor]) -> tuple[Tensor, ...]:
    """Outputs [B, T, H] and the last states, each [1, B, H]."""
    start = tuple(starts) if kernel.has_memory else starts[0]
    # cuDNN keeps what its backward pass needs only in training mode; with no dropout the mode
    # changes nothing else.
    tail = (kernel.weights, kernel.has_biases, 1, 0.0, torch.is_grad_enabled(), False)
    with warnings.catch_warnings():
        # A cell's four parameters are separate tensors, which cuDNN copies into one block.
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single")
        if problem.lengths is None:
            return kernel.function(problem.inputs, start, *tail, True)
        return _call_packed(kernel, problem, start, tail)


def _call_packed(
    kernel: Kernel, problem: Problem, start: Any, tail: tuple[Any, ...]
) -> tuple[Tensor, ...]:
    assert problem.lengths is not None
    packed = pack_padded_sequence(
        problem.inputs, problem.lengths.cpu(), batch_first=True, enforce_sorted=False
    )
    order, back = packed.sorted_indices, packed.unsorted_indices
    assert order is not None
    assert back is not None
    start = tuple(s[:, order] for s in start) if kernel.has_memory else start[:, order]
    data, *last = kernel.function(packed.data, packed.batch_sizes, start, *tail)
    outputs, _ = pad_packed_sequence(
        packed._replace(data=data), batch_first=True, total_length=problem.inputs.shape[1]
    )
    return outputs, *(component[:, back] for component in last)


def memory_from_outputs(parameters: nn.Module, problem: Problem, outputs: Tensor) -> Tensor:
    """c at every step of an LSTM, [B, T, H], from h at every step."""
    p: Any = parameters
    h, c = problem.state
    before = torch.cat([h[:, None], outputs[:, :-1]], dim=1)
    gates = F.linear(problem.inputs, p.weight_ih, p.bias_ih)
    gates = gates + F.linear(before, p.weight_hh, p.bias_hh)  # [B, T, 4 H]
    write, forget, candidate, _ = gates.chunk(4, dim=-1)
    keep, new = torch.sigmoid(forget), torch.sigmoid(write) * torch.tanh(candidate)
    trajectory = []
    for t in range(outputs.shape[1]):
        c = keep[:, t] * c + new[:, t]
        trajectory.append(c)
    return problem.blank(torch.stack(trajectory, dim=1))
