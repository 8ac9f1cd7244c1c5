"""A compiled step: runs all time steps of a batch, and their derivative.

Shapes: B batch, T time, I input_size.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...graph import Graph
from ...graph.graph import reachable
from ...graph.nodes import Parameter
from .build import load, target_for
from .passes import Backward, Forward, Pass
from .plan import Plan

# Bytes from which an array is worth large pages.
LARGE = 4 << 20
# Samples and steps whose adjoints one product of gradients takes in: few enough for the cache.
ROWS = 256
# Bytes of weights from which threads share the entries of a batch smaller than their number: for
# an LSTM of 128 units that is as fast as one thread, for one of 192 it takes two thirds.
HEAVY = 512 << 10
REALS = {torch.float32: "float", torch.float64: "double"}


@dataclass
class Run:
    """What the forward pass leaves in memory.

    Attributes:
        x: [B, T, I].
        states: of every component [T + 1, B, row], the initial one first.
        kept: saved values, side by side, [T, B, row].
        before: the forced components as the steps read them, each [T, B, row].
    """

    x: Tensor
    states: list[Tensor]
    kept: Tensor
    before: list[Tensor]


@dataclass(frozen=True)
class Forced:
    """Values that replace a state component before each step.

    Attributes:
        values: [B, T, size].
        mask: [B, T], true where they do; None where always.
    """

    values: Tensor
    mask: Tensor | None


class Kernel:
    """The compiled step of a graph, in one precision.

    Arguments:
        forced: numbers of the state components that given values replace.
        lean: whether only states are kept for the backward pass.
        half: whether products take their factors in bfloat16; sums and values stay in `dtype`.
    """

    def __init__(
        self,
        graph: Graph,
        dtype: torch.dtype,
        forced: frozenset[int] = frozenset(),
        lean: bool = False,
        half: bool = False,
    ):
        self.dtype = dtype
        self.plan = Plan(graph, target_for(REALS[dtype], half), forced, lean=lean)
        self._forward = Forward(self.plan)
        self._backward: dict[bool, Backward] = {}
        self._functions: dict[Pass, Any] = {}
        self.mixes_precisions = any(
            t.is_floating_point() and torch.promote_types(t.dtype, dtype) != dtype
            for t in graph.read_tensors().values()
        )
        self._needed = reachable(self.plan.bases)
        self.reads_parameters_as_they_are = all(
            isinstance(base, Parameter) for base in self.plan.bases
        )

    def source(self) -> str:
        """The generated C++ of both passes, without what all kernels share."""
        passes = (self._forward.source, self._backward_of(True).source)
        return "\n".join(text[text.index("struct Memory") :] for text in passes)

    def build(self, wants_x: bool | None) -> None:
        """Compile the forward pass and, unless `wants_x` is None, the backward pass beside it.

        Arguments:
            wants_x: whether the backward pass gives the gradient of x.

        Raises:
            CompilerFailed: one of them cannot be built.
        """
        wanted: list[Pass] = [self._forward]
        if wants_x is not None:
            wanted.append(self._backward_of(wants_x))
        missing = [one for one in wanted if one not in self._functions]
        if missing:
            texts = [one.source for one in missing]
            with ThreadPoolExecutor(len(missing)) as pool:
                libraries = list(pool.map(load, texts))
            for one, library in zip(missing, libraries, strict=True):
                self._functions[one] = getattr(library, one.name)

    def is_built(self, wants_x: bool | None) -> bool:
        """Whether `build` has nothing to do."""
        backward = None if wants_x is None else self._backward.get(wants_x)
        return self._forward in self._functions and (wants_x is None or backward in self._functions)

    def _backward_of(self, wants_x: bool) -> Backward:
        if wants_x not in self._backward:
            self._backward[wants_x] = Backward(replace(self.plan, wants_x=wants_x))
        return self._backward[wants_x]

    def bases(self) -> list[Tensor]:
        """The tensors that the kernel reads, as torch computes them from the parameters."""
        # Read anew: a cell may be given other tensors between two runs.
        tensors = self.plan.graph.read_tensors()
        if self.reads_parameters_as_they_are:
            found = [tensors[base.name] for base in self.plan.bases]  # pyright: ignore
            # Counts and masks are numbers too.
            return [(t if t.dtype is self.dtype else t.to(self.dtype)).contiguous() for t in found]
        known = self.plan.graph.fixed_values(tensors, self._needed)
        return [known[base].to(self.dtype).contiguous() for base in self.plan.bases]

    def forward(
        self,
        x: Tensor,
        states: Sequence[Tensor],
        bases: Sequence[Tensor],
        lengths: Tensor | None = None,
        forced: Sequence[Forced] = (),
        keep: bool = True,
        clean: bool = False,
    ) -> Run:
        """Run all steps from `states`, each [B, size].

        Arguments:
            forced: in the order of components.
            keep: whether to keep what the backward pass reads.
            clean: whether what lies between rows is zero, not what was in memory before.
        """
        plan, (batch, time, _) = self.plan, x.shape
        made = self._forward
        x = self.rows_of(x)
        make = self._zeros if clean else self._empty
        kept = make(time if keep else 1, batch, plan.kept_row)
        run = Run(x, [], kept, [])
        numbers = self._split(batch, made.weights.size)
        numbers |= {"T": time, "keep": keep, "kept_time": batch * plan.kept_row if keep else 0}
        arrays = {"x": x, "kept": kept}
        work, places = self._work(**self._sizes(made, batch))
        numbers |= places
        for k, start in enumerate(states):
            start = _by_entries(start)
            buffer = make(time + 1, batch, start.shape[1])
            run.states.append(buffer)
            arrays[f"state{k}"], arrays[f"start{k}"] = buffer, start
            numbers[f"start{k}b"] = start.stride(0)
        for n, base in enumerate(bases):
            arrays[f"base{n}"] = base
        for k, given in zip(sorted(plan.forced), forced, strict=True):
            arrays[f"before{k}"] = make(time, batch, plan.states[k].size)
            arrays[f"given{k}"] = values = _by_entries(given.values)
            run.before.append(arrays[f"before{k}"])
            numbers |= {f"given{k}t": values.stride(1), f"given{k}b": values.stride(0)}
            numbers |= _mask_numbers(k, given.mask)
        if lengths is not None:
            lengths = lengths.contiguous()
            numbers["lengths"] = lengths.data_ptr()
        _call(self._functions[made], made.fields, arrays, numbers)
        del work
        return run

    def backward(
        self,
        run: Run,
        bases: Sequence[Tensor],
        gradients: Sequence[Tensor | None],
        wants_x: bool,
        forced: Sequence[Forced] = (),
    ) -> tuple[Tensor | None, list[Tensor], list[Tensor], list[Tensor]]:
        """The gradients of x, of the initial states, of the bases and of the forced values.

        Arguments:
            run: of the forward pass.
            bases: as the forward pass had them.
            gradients: of every state at every step, [B, T, size], or None where it is zero.
            wants_x: whether the gradient of x is needed.
            forced: as the forward pass had them.
        """
        made = self._backward_of(wants_x)
        self.build(wants_x)
        plan, (batch, time, _) = made.plan, run.x.shape
        numbers = self._split(batch, made.weights.size)
        threads = numbers["threads"]
        share = batch if numbers["by_entries"] else -(-batch // threads)
        numbers["steps"] = steps = min(time, -(-ROWS // share))
        numbers |= {"T": time, "kept_time": batch * plan.kept_row}
        arrays: dict[str, Tensor] = {"x": run.x, "kept": run.kept}
        work, places = self._work(
            **self._sizes(made, batch),
            adjoint=steps * batch * plan.adjoint_row,
            sums=threads * made.gradients.size,
            space=threads * made.gradients.space,
        )
        numbers |= places
        for k, state in enumerate(plan.states):
            arrays[f"state{k}"] = run.states[k]
            arrays[f"gradient{k}"] = self._empty(2, batch, state.size)
            given = gradients[k]
            if given is not None:
                arrays[f"loss{k}"] = given = _by_entries(given)
                numbers |= {f"loss{k}t": given.stride(1), f"loss{k}b": given.stride(0)}
        for k, given, before in zip(sorted(plan.forced), forced, run.before, strict=True):
            arrays[f"before{k}"] = before
            arrays[f"of_given{k}"] = self._empty(time, batch, plan.states[k].size)
            numbers |= _mask_numbers(k, given.mask)
        found = [torch.zeros_like(base, memory_format=torch.contiguous_format) for base in bases]
        for n, (base, gradient) in enumerate(zip(bases, found, strict=True)):
            arrays[f"base{n}"], arrays[f"gradient_of_base{n}"] = base, gradient
        if wants_x:
            arrays["dx"] = self._empty(time, batch, plan.x.size)
        _call(self._functions[made], made.fields, arrays, numbers)
        del work
        initial = [arrays[f"gradient{k}"][1, :, : s.size] for k, s in enumerate(plan.states)]
        of_forced = [
            _by_sample(arrays[f"of_given{k}"], plan.states[k].size) for k in sorted(plan.forced)
        ]
        dx = _by_sample(arrays["dx"], plan.x.size) if wants_x else None
        return dx, initial, found, of_forced

    # Memory

    def _split(self, batch: int, weights: int) -> dict[str, int]:
        """How threads share the work."""
        threads = torch.get_num_threads()
        by_entries = batch < threads and weights * self.dtype.itemsize >= HEAVY
        return {
            "B": batch,
            "threads": threads if by_entries else min(threads, batch),
            "by_entries": by_entries,
        }

    def rows_of(self, x: Tensor) -> Tensor:
        """x, [B, T, I], with rows as the kernel reads them: entry by entry, or padded."""
        if self.plan.copies_x:
            padded = self._empty(x.shape[1], x.shape[0], x.shape[2])
            padded[:, :, : x.shape[2]] = x.transpose(0, 1)
            return padded[:, :, : x.shape[2]].transpose(0, 1)
        return x if x.stride(2) == 1 else x.contiguous()

    def _empty(self, *shape: int) -> Tensor:
        """[..., row]: rows of whole vectors, and one vector more behind the last."""
        *leading, size = shape
        row = self.plan.target.padded(size)
        count = row
        for length in leading:
            count *= length
        return self._flat(count)[:count].view(*leading, row)

    def _zeros(self, *shape: int) -> Tensor:
        return self._empty(*shape).zero_()

    @staticmethod
    def _sizes(made: Pass, batch: int) -> dict[str, int]:
        """What both passes work in."""
        return {
            "packed": made.weights.size,
            "scratch": batch * made.scratch_row,
            "factors": batch * made.factors_row,
        }

    def _work(self, **counts: int) -> tuple[Tensor, dict[str, int]]:
        """Memory for one call, and the address of each part of it, whole vectors long."""
        whole = self._flat(sum(counts.values()))
        places, address = {}, whole.data_ptr()
        for name, count in counts.items():
            places[name] = address
            address += count * self.dtype.itemsize
        return whole, places

    def _flat(self, count: int) -> Tensor:
        """Numbers, and one vector more behind the last."""
        whole = torch.empty(count + self.plan.target.lanes, dtype=self.dtype)
        if count * whole.element_size() >= LARGE:
            _advise_huge_pages(whole)
        return whole


def _call(
    function: Any, fields: Mapping[str, int], arrays: dict[str, Tensor], numbers: dict[str, int]
) -> None:
    memory = (ctypes.c_int64 * len(fields))()
    for name, number in numbers.items():
        memory[fields[name]] = number
    for name, array in arrays.items():
        memory[fields[name]] = array.data_ptr()
    memory[fields["xb"]], memory[fields["xt"]], _ = arrays["x"].stride()
    function(memory)


def _advise_huge_pages(tensor: Tensor) -> None:
    """Ask for large pages: fresh memory is then mapped by 2 MB, not by 4 kB."""
    madvise = getattr(ctypes.CDLL(None), "madvise", None) if sys.platform == "linux" else None
    if madvise is not None:
        page, huge_pages = 4096, 14
        start = -(-tensor.data_ptr() // page) * page
        length = tensor.data_ptr() + tensor.numel() * tensor.element_size() - start
        madvise(ctypes.c_void_p(start), ctypes.c_size_t(length // page * page), huge_pages)


def _by_sample(array: Tensor, size: int) -> Tensor:
    """[B, T, size] of an array [T, B, row]."""
    return array[:, :, :size].transpose(0, 1)


def _by_entries(tensor: Tensor) -> Tensor:
    """The tensor with the entries of a row side by side."""
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _mask_numbers(k: int, mask: Tensor | None) -> dict[str, int]:
    if mask is None:
        return {}
    return {
        f"mask{k}": mask.data_ptr(),
        f"mask{k}t": mask.stride(1),
        f"mask{k}b": mask.stride(0),
    }
