"""A compiled step: runs all time steps of a batch, and their derivative.

Shapes: B batch, T time, I input_size.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...graph import Graph
from ...graph.derivative import Outer, Total
from ...graph.graph import reachable
from ...graph.nodes import Node, Parameter
from .build import load, target_for
from .plan import Plan
from .weights import Weights

# Bytes from which an array is worth large pages.
LARGE = 4 << 20
REALS = {torch.float32: "float", torch.float64: "double"}


@dataclass
class Run:
    """What the forward pass leaves in memory.

    Attributes:
        x: [B, T, I].
        states: of every component [T + 1, B, row], the initial one first.
        kept: saved values, each [T, B, row].
        before: the forced components as the steps read them, each [T, B, row].
    """

    x: Tensor
    states: list[Tensor]
    kept: list[Tensor]
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


@dataclass(frozen=True, eq=False)
class Term:
    """A product that adds to the gradient of a matrix.

    Attributes:
        right: [T, B, ...], whose first entries are the right side.
        start: where the left side starts in the rows of the adjoint.
        matrix: what it adds to.
    """

    right: Tensor
    start: int
    matrix: Tensor

    def may_race(self, other: Term) -> bool:
        """Whether two threads could write to the same memory for the two.

        Threads split the rows of the left sides, so one left side is never shared.
        """
        mine, theirs = (_reach(term.matrix) for term in (self, other))
        return self.start != other.start and mine[0] < theirs[1] and theirs[0] < mine[1]


class Kernel:
    """The compiled step of a graph, in one precision.

    Raises:
        CompilerFailed: it cannot be built.
    """

    def __init__(self, graph: Graph, dtype: torch.dtype, forced: frozenset[int] = frozenset()):
        self.dtype = dtype
        self.plan = Plan(graph, target_for(REALS[dtype]), forced)
        self.library = load(self.plan.forward_source)
        self.base_nodes = self.plan.bases
        self._weights = Weights(
            self.plan, self.plan.forward, "forward", self.base_nodes, self.library
        )
        self._backward: dict[bool, tuple[Plan, ctypes.CDLL, Weights]] = {}
        self._tensors = dict(graph.read_tensors())
        self._needed = reachable(self.base_nodes)

    def source(self) -> str:
        """The generated C++ of both passes, without what all kernels share."""
        start = "struct Memory"
        forward, backward = self.plan.forward_source, self.plan.backward_source
        return forward[forward.index(start) :] + "\n" + backward[backward.index(start) :]

    def _backward_of(self, wants_x: bool) -> tuple[Plan, ctypes.CDLL, Weights]:
        """The backward pass, built at its first use."""
        if wants_x not in self._backward:
            plan = replace(self.plan, wants_x=wants_x)
            library = load(plan.backward_source)
            weights = Weights(plan, plan.backward, "backward", self.base_nodes, library)
            self._backward[wants_x] = plan, library, weights
        return self._backward[wants_x]

    def bases(self) -> list[Tensor]:
        """The tensors that the kernel reads, as torch computes them from the parameters."""
        if all(isinstance(base, Parameter) for base in self.base_nodes):
            return [self._tensors[base.name].contiguous() for base in self.base_nodes]  # pyright: ignore
        known = self.plan.graph.fixed_values(self._tensors, self._needed)
        return [known[base].to(self.dtype).contiguous() for base in self.base_nodes]

    def forward(
        self,
        x: Tensor,
        states: Sequence[Tensor],
        bases: Sequence[Tensor],
        lengths: Tensor | None = None,
        forced: Sequence[Forced] = (),
        keep: bool = True,
    ) -> Run:
        """Run all steps from `states`, each [B, size].

        Arguments:
            forced: in the order of components.
            keep: whether to keep what the backward pass reads.
        """
        plan, (batch, time, _) = self.plan, x.shape
        x = self._rows_of(x)
        arrays: dict[str, Tensor] = {"x": x}
        run = Run(x, [], [], [])
        for k, start in enumerate(states):
            buffer = self._empty(time + 1, batch, start.shape[1])
            buffer[0, :, : start.shape[1]] = start
            run.states.append(buffer)
            arrays[f"s{k}"] = buffer
        for node in plan.saved if keep else ():
            arrays[f"k{node.serial}"] = self._empty(time, batch, node.size)
            run.kept.append(arrays[f"k{node.serial}"])
        arrays |= self._scratch(plan, batch)
        numbers = {"T": time, "B": batch}
        for k, given in zip(sorted(plan.forced), forced, strict=True):
            arrays[f"p{k}"] = self._empty(time, batch, plan.states[k].size)
            arrays[f"i{k}"] = values = _by_entries(given.values)
            run.before.append(arrays[f"p{k}"])
            numbers |= {f"i{k}t": values.stride(1), f"i{k}b": values.stride(0)}
            numbers |= _mask_numbers(k, given.mask)
        if lengths is not None:
            lengths = lengths.contiguous()
            numbers["lengths"] = lengths.data_ptr()
        self._call(plan, self.library.forward, arrays, numbers, self._weights.packed(bases))
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
            gradients: of every state at every step, [T, B, size], or None where it is zero.
            wants_x: whether the gradient of x is needed.
            forced: as the forward pass had them.
        """
        (plan, library, weights), time = self._backward_of(wants_x), run.states[0].shape[0] - 1
        batch = run.states[0].shape[1]
        numbers: dict[str, int] = {"T": time, "B": batch}
        arrays: dict[str, Tensor] = {"x": run.x}
        for k, state in enumerate(plan.states):
            arrays[f"s{k}"] = run.states[k]
            arrays[f"g{k}"] = carried = self._zeros(2, batch, state.size)
            given = gradients[k]
            if given is not None:
                given = _by_entries(given)
                carried[(time - 1) & 1, :, : state.size] = given[-1]
                arrays[f"d{k}"] = given
                numbers |= {f"d{k}t": given.stride(0), f"d{k}b": given.stride(1)}
        for node, kept in zip(plan.saved, run.kept, strict=True):
            arrays[f"k{node.serial}"] = kept
        of_forced = []
        for k, given, before in zip(sorted(plan.forced), forced, run.before, strict=True):
            arrays[f"p{k}"] = before
            arrays[f"e{k}"] = self._empty(time, batch, plan.states[k].size)
            of_forced.append(arrays[f"e{k}"][:, :, : plan.states[k].size].transpose(0, 1))
            numbers |= _mask_numbers(k, given.mask)
        arrays["adjoint"] = adjoint = self._empty(time, batch, plan.adjoint_row)
        if wants_x:
            arrays["dx"] = self._empty(time, batch, plan.x.size)
        arrays |= self._scratch(plan, batch)
        self._call(plan, library.backward, arrays, numbers, weights.packed(bases))
        initial = [arrays[f"g{k}"][1, :, : s.size] for k, s in enumerate(plan.states)]
        found = self._parameters(plan, run, bases, adjoint, arrays)
        dx = arrays["dx"][:, :, : plan.x.size].transpose(0, 1) if wants_x else None
        return dx, initial, found, of_forced

    # Gradients of parameters

    def _parameters(
        self,
        plan: Plan,
        run: Run,
        bases: Sequence[Tensor],
        adjoint: Tensor,
        arrays: dict[str, Tensor],
    ) -> list[Tensor]:
        found = {
            base: torch.zeros_like(tensor, memory_format=torch.contiguous_format)
            for base, tensor in zip(self.base_nodes, bases, strict=True)
        }
        totals = adjoint.sum((0, 1))
        products: dict[Node, list[tuple[int, Tensor]]] = {}
        for fixed, terms in plan.terms.items():
            window = plan.windows[fixed]
            to = window.of(found[window.base])
            for term in terms:
                if isinstance(term, Total):
                    start = plan.adjoints[plan.explicit.result(term.vector)]
                    to += totals[start : start + term.vector.size].reshape(to.shape)
                else:
                    assert isinstance(term, Outer)
                    start = plan.adjoints[plan.explicit.result(term.left)]
                    products.setdefault(term.right, []).append((start, to))
        rights = {right: self._rows(plan, run, right, adjoint, arrays) for right in products}
        terms = [
            Term(rights[node], start, to) for node, parts in products.items() for start, to in parts
        ]
        for apart in _apart(terms):
            self._accumulate(adjoint, apart)
        return list(found.values())

    def _accumulate(self, adjoint: Tensor, terms: Sequence[Term]) -> None:
        """Add to every matrix the product of its left and right sides over all steps."""
        time, batch, row = adjoint.shape
        size = adjoint.element_size()
        heights = {term.start: term.matrix.shape[0] for term in terms}
        sources = np.concatenate([start + np.arange(n) for start, n in sorted(heights.items())])
        first = {int(source): place for place, source in enumerate(sources)}
        rights: list[int] = []
        kept: list[np.ndarray] = []
        for group in _with_one_right(terms):
            targets = np.zeros(len(sources), dtype=np.int64)
            for term in group:
                rows, begin = np.arange(term.matrix.shape[0]), first[term.start]
                addresses = term.matrix.data_ptr() + rows * (term.matrix.stride(0) * size)
                targets[begin : begin + len(rows)] = addresses
            kept.append(targets)
            right, matrix = group[0].right, group[0].matrix
            rights += [right.data_ptr(), right.stride(0), right.stride(1), matrix.shape[1]]
            rights += [matrix.stride(1), targets.ctypes.data]
        self.library.accumulate(
            _pointer(adjoint),
            _long(row),
            ctypes.c_void_p(sources.ctypes.data),
            _long(len(sources)),
            (ctypes.c_int64 * len(rights))(*rights),
            *map(_long, (len(kept), time, batch, torch.get_num_threads())),
        )

    def _rows(
        self, plan: Plan, run: Run, node: Node, adjoint: Tensor, arrays: dict[str, Tensor]
    ) -> Tensor:
        """A value at every step, [T, B, ...]."""
        if node is plan.x:
            return run.x.transpose(0, 1)
        for k, (old, new) in enumerate(zip(plan.states, plan.new, strict=True)):
            if node is old:
                forced = sorted(plan.forced)
                return run.before[forced.index(k)] if k in plan.forced else run.states[k]
            if node is new:
                return run.states[k][1:]
        if node in plan.saved:
            return arrays[f"k{node.serial}"]
        start = plan.adjoints[plan.explicit.result(node)]
        return adjoint[:, :, start:]

    # Memory

    def _rows_of(self, x: Tensor) -> Tensor:
        if self.plan.copies_x:
            padded = self._empty(x.shape[1], x.shape[0], x.shape[2])
            padded[:, :, : x.shape[2]] = x.transpose(0, 1)
            return padded[:, :, : x.shape[2]].transpose(0, 1)
        return x if x.stride(2) == 1 else x.contiguous()

    def _empty(self, *shape: int) -> Tensor:
        """[..., row]: rows of whole vectors, and one vector more behind the last."""
        *leading, size = shape
        row, lanes = self.plan.target.padded(size), self.plan.target.lanes
        count = row
        for length in leading:
            count *= length
        whole = torch.empty(count + lanes, dtype=self.dtype)
        if count * whole.element_size() >= LARGE:
            _advise_huge_pages(whole)
        return whole[:count].view(*leading, row)

    def _zeros(self, *shape: int) -> Tensor:
        return self._empty(*shape).zero_()

    def _scratch(self, plan: Plan, batch: int) -> dict[str, Tensor]:
        return {f"z{node.serial}": self._zeros(batch, node.size) for node in plan.scratch}

    def _call(
        self,
        plan: Plan,
        function: Any,
        arrays: dict[str, Tensor],
        numbers: dict[str, int],
        weights: tuple[Tensor, Mapping[str, int]],
    ) -> None:
        x = arrays["x"]
        threads = min(torch.get_num_threads(), numbers["B"])
        given = {**weights[1], **numbers, "xb": x.stride(0), "xt": x.stride(1), "threads": threads}
        given |= {name: array.data_ptr() for name, array in arrays.items()}
        memory = [given.get(name, 0) for name in (*plan.pointers, *plan.numbers)]
        block = (ctypes.c_int64 * len(memory))(*memory)
        function(ctypes.byref(block))


def _reach(matrix: Tensor) -> tuple[int, int]:
    """The first address of a matrix and the one behind its last."""
    entries = sum((n - 1) * step for n, step in zip(matrix.shape, matrix.stride(), strict=True))
    return matrix.data_ptr(), matrix.data_ptr() + (entries + 1) * matrix.element_size()


def _apart(terms: Sequence[Term]) -> list[list[Term]]:
    """The terms in groups, each of which may be computed by several threads at once."""
    groups: list[list[Term]] = []
    for term in terms:
        free = (g for g in groups if not any(term.may_race(other) for other in g))
        group = next(free, None)
        if group is None:
            groups.append(group := [])
        group.append(term)
    return groups


def _with_one_right(terms: Sequence[Term]) -> list[list[Term]]:
    """The terms in groups of one right side, each with left sides that differ."""
    groups: list[list[Term]] = []
    for term in terms:
        for group in groups:
            same = group[0].right is term.right
            same &= group[0].matrix.stride(1) == term.matrix.stride(1)
            if same and all(other.start != term.start for other in group):
                group.append(term)
                break
        else:
            groups.append([term])
    return groups


def _advise_huge_pages(tensor: Tensor) -> None:
    """Ask for large pages: fresh memory is then mapped by 2 MB, not by 4 kB."""
    madvise = getattr(ctypes.CDLL(None), "madvise", None) if sys.platform == "linux" else None
    if madvise is not None:
        page, huge_pages = 4096, 14
        start = -(-tensor.data_ptr() // page) * page
        length = tensor.data_ptr() + tensor.numel() * tensor.element_size() - start
        madvise(ctypes.c_void_p(start), ctypes.c_size_t(length // page * page), huge_pages)


def _by_entries(tensor: Tensor) -> Tensor:
    """The tensor with the entries of a row side by side."""
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _mask_numbers(k: int, mask: Tensor | None) -> dict[str, int]:
    if mask is None:
        return {}
    return {f"m{k}": mask.data_ptr(), f"m{k}t": mask.stride(1), f"m{k}b": mask.stride(0)}


def _pointer(tensor: Tensor) -> Any:
    return ctypes.c_void_p(tensor.data_ptr())


def _long(number: int) -> Any:
    return ctypes.c_int64(number)
