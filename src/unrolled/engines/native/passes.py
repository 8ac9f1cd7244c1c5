"""The C++ of a kernel's two passes over all steps.

Each pass is one function of one structure, `Memory`, that holds every address and number. Its
threads pack the weights, then run the stages of each step, forwards or backwards in time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

from ...graph.nodes import Concat, Node
from .parameters import Gradients
from .places import Place, Pointer, Store, Value, as_it_is
from .plan import Plan, read_again
from .program import Program
from .source import Writer, preamble
from .weights import Weights

Stores = dict[Node, list[Store]]

# Fields of Memory that hold arrays of numbers, in all kernels.
ARRAYS = ("x", "dx", "packed", "kept", "scratch", "factors", "adjoint", "sums", "space")
# Its numbers; `steps` are those between two products of gradients, `width` is a thread's own.
NUMBERS = ("T", "xt", "xb", "keep", "kept_time", "lengths", "steps", "width")
# The fields that it begins with, those of Team.
TEAM = ("B", "threads", "by_entries", "me", "team", "first", "last", "part", "parts")


class Pass:
    """What both passes have in common.

    Arguments:
        plan: of the kernel.
        program: the stages of a step.
        given: values that have places of their own.

    Attributes:
        name: of the function.
        source: the C++ of it.
    """

    name: str
    source: str

    def __init__(self, plan: Plan, program: Program, given: Collection[Node]):
        self.plan, self.program = plan, program
        self.weights = Weights(program, plan.target, plan.fixed, plan.windows, plan.bases)
        self._scratch = plan.scratch(program, given)
        self.scratch_row = sum(plan.target.padded(node.size) for node in self._scratch)
        self._factors = plan.factors(program)
        depths = [plan.target.depth(node.size) for node in self._factors]
        self.factors_row = sum(map(plan.target.padded, depths))

    @cached_property
    def fields(self) -> dict[str, int]:
        """The places of the fields of Memory."""
        names = (*TEAM, *self._arrays, *self._numbers)
        return {name: place for place, name in enumerate(names)}

    @cached_property
    def _arrays(self) -> list[str]:
        plan = self.plan
        bases = [f"{w}{n}" for n in range(len(plan.bases)) for w in ("base", "gradient_of_base")]
        names = ("state", "start", "gradient", "loss")
        states = [f"{name}{k}" for k in range(len(plan.states)) for name in names]
        names = ("before", "given", "of_given")
        forced = [f"{name}{k}" for k in sorted(plan.forced) for name in names]
        return [*ARRAYS, *bases, *states, *forced]

    @cached_property
    def _numbers(self) -> list[str]:
        plan = self.plan
        numbers = [
            n for k in range(len(plan.states)) for n in (f"start{k}b", f"loss{k}t", f"loss{k}b")
        ]
        for k in sorted(plan.forced):
            numbers += [f"given{k}t", f"given{k}b", f"mask{k}", f"mask{k}t", f"mask{k}b"]
        return [*NUMBERS, *numbers]

    def _struct(self) -> list[str]:
        arrays = [f"    REAL *{name};" for name in self._arrays]
        return ["struct Memory : Team {", *arrays, f"    long {', '.join(self._numbers)};", "};"]

    def _start(self, own: Sequence[str]) -> list[str]:
        """What each thread does before the first step, and for each of its samples."""
        weights, row = self.weights, self.scratch_row
        count = weights.size - weights.start_of_vectors
        scratch = [f"clear(a.scratch + b * {row}, {row});"] if row else []
        return [
            "Memory a = *memory;",
            "a.enlist();",
            *weights.matrices,
            "if (a.me == 0) {",
            f"    clear(a.packed + {weights.start_of_vectors}, {count});",
            *_indented(weights.vectors),
            "}",
            "if (a.part == 0) for (long b = a.first; b < a.last; b++) {",
            *_indented([*own, *scratch]),
            "}",
            "a.wait_for_all();",
        ]

    def _writer(self, places: Mapping[Node, Place]) -> Writer:
        stores, packed = self._stores(), self.weights.places
        return Writer(
            self.program, self.plan.target, self.name, places, stores, self._factors, packed
        )

    def _stores(self) -> Stores:
        raise NotImplementedError

    def _function(self, body: Sequence[str]) -> list[str]:
        return [
            f'extern "C" void {self.name}(const Memory *memory) {{',
            "    #pragma omp parallel num_threads(memory->threads) if (memory->threads > 1)",
            "    {",
            *_indented(_indented(body)),
            "    }",
            "}",
        ]


class Forward(Pass):
    """All steps of a plan, first to last."""

    name = "forward"

    def __init__(self, plan: Plan):
        super().__init__(plan, plan.forward, plan.kept)

    @cached_property
    def source(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        plan, places = self.plan, {**self._scratch, **self.plan.kept}
        writer = self._writer(places)
        own = [line for k in range(len(plan.states)) for line in self._first(k)]
        body = [
            *self._start(own),
            "for (long t = 0; t < a.T; t++) {",
            *_indented(line for k in sorted(plan.forced) for line in self._force(k)),
            *_indented(writer.calls()),
            "}",
        ]
        lines = [*self._struct(), *writer.stages(), *self._function(body)]
        return "\n".join([preamble(plan.target), *lines, ""])

    def _stores(self) -> Stores:
        plan, stores = self.plan, {}
        for k, new in enumerate(plan.new):
            value = _unless_over(plan.state(k, "state"))
            _put(stores, new, plan.state(k, "state", ahead=1), value)
        again = read_again(plan.forward)
        for node in plan.saved:
            # Where no gradient will be asked for nothing is kept, but for what a stage reads.
            _put(stores, node, plan.kept[node], when="" if node in again else "a.keep")
        for node, place in self._scratch.items():
            _put(stores, node, place)
        return stores

    def _first(self, k: int) -> list[str]:
        """The state before the first step."""
        size, row = self.plan.states[k].size, self.plan.target.padded(self.plan.states[k].size)
        return [
            f"for (int j = 0; j < {size}; j++)"
            f" a.state{k}[b * {row} + j] = a.start{k}[b * a.start{k}b + j];"
        ]

    def _force(self, k: int) -> list[str]:
        """The state component as the step reads it: given, or the one before."""
        size, row = self.plan.states[k].size, self.plan.target.padded(self.plan.states[k].size)
        at = f"(t * a.B + b) * {row} + j"
        given = f"load_some(a.given{k} + t * a.given{k}t + b * a.given{k}b + j, {size} - j)"
        return [
            "if (a.part == 0) for (long b = a.first; b < a.last; b++)",
            f"    for (int j = 0; j < {size}; j += LANES)",
            f"        store(a.before{k} + {at}, {_is_forced(k, 'b')} ? {given}"
            f" : load(a.state{k} + {at}));",
            "a.wait();",
        ]


class Backward(Pass):
    """All steps of a plan, last to first, and the gradients of parameters."""

    name = "backward"

    def __init__(self, plan: Plan):
        super().__init__(plan, plan.backward, {*plan.kept, *plan.adjoints})

    @cached_property
    def gradients(self) -> Gradients:
        plan = self.plan
        places = {**self._adjoints, **plan.kept}
        return Gradients(
            plan.terms, plan.explicit, plan.adjoints, plan.adjoint_row, places, plan.windows,
            plan.bases, plan.target,
        )  # fmt: skip

    @cached_property
    def _adjoints(self) -> dict[Node, Place]:
        return {node: self.plan.adjoint(offset) for node, offset in self.plan.adjoints.items()}

    @cached_property
    def source(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        plan, gradients = self.plan, self.gradients
        incoming = {node.name: node for node in plan.derivative.inputs}
        carried = {
            incoming[f"grad_{state.name}'"]: plan.carried(k) for k, state in enumerate(plan.states)
        }
        places = {**self._scratch, **self._adjoints, **carried, **plan.kept}
        writer = self._writer(places)
        own = [line for k in range(len(plan.states)) for line in self._last(k)]
        row = plan.adjoint_row
        body = [
            f"REAL *const sums = a.sums + (a.by_entries ? 0 : a.me * {gradients.size});",
            f"REAL *const space = a.space + a.me * {gradients.space};",
            f"REAL *const adjoint = a.adjoint + a.first * a.steps * {row};",
            f"if (a.part == 0) clear(sums, {gradients.size});",
            "a.wait();",
            "for (long high = a.T; high > 0; high -= a.steps) {",
            "    const long low = high > a.steps ? high - a.steps : 0;",
            f"    a.adjoint = adjoint - (low * a.width + a.first) * {row};",
            "    for (long t = high - 1; t >= low; t--) {",
            *_indented(_indented(writer.calls())),
            "    }",
            "    const Steps steps = {low, high, a.first, a.width};",
            *_indented(gradients.accumulate()),
            "    a.wait();",
            "}",
            "const long count = a.by_entries ? 1 : a.team;",
            "a.wait_for_all();",
            *gradients.deliver(),
        ]
        start = [*self._start(own), "a.width = a.last - a.first;"]
        lines = [*self._struct(), *writer.stages(), *self._function([*start, *body])]
        return "\n".join([preamble(plan.target), *lines, ""])

    def _stores(self) -> Stores:
        plan, stores = self.plan, {}
        for node, place in self._adjoints.items():
            _put(stores, node, place)
        for k in range(len(plan.states)):
            gradient = plan.gradients[k]
            if k in plan.forced:
                value = _only_if(_is_forced(k, "(b + m)"))
                _put(stores, gradient, plan.state(k, "of_given"), value, f"a.of_given{k}")
            _put(stores, gradient, plan.carried(k, ahead=1), self._carried(k))
        if plan.wants_x:
            row = plan.target.padded(plan.x.size)
            _put(stores, plan.gradients[-1], Place("dx", f"a.B * {row}", f"{row}"))
        for node, place in self._scratch.items():
            _put(stores, node, place)
        return stores

    def _carried(self, k: int) -> Value:
        """What step t hands to the step before: its gradient, and that of the loss there."""
        size, forced = self.plan.states[k].size, k in self.plan.forced
        passed = f"({_is_forced(k, '(b + m)')} ? splat(0) : {{v}})" if forced else "{v}"

        def value(pointer: Pointer, entry: str) -> str:
            given = f"a.loss{k} + (t - 1) * a.loss{k}t + (b + m) * a.loss{k}b + {entry}"
            added = f"load_some({given}, {size} - ({entry}))"
            return f"{passed} + (t > 0 && a.loss{k} ? {added} : splat(0))"

        return value

    def _last(self, k: int) -> list[str]:
        """The gradient after the last step: that of the loss there."""
        size, row = self.plan.states[k].size, self.plan.target.padded(self.plan.states[k].size)
        given = f"a.loss{k}[(a.T - 1) * a.loss{k}t + b * a.loss{k}b + j]"
        return [
            f"for (int j = 0; j < {row}; j++)"
            f" a.gradient{k}[(((a.T - 1) & 1) * a.B + b) * {row} + j]"
            f" = a.loss{k} && j < {size} ? {given} : 0;"
        ]


def _put(stores: Stores, node: Node, place: Place, value: Value = as_it_is, when: str = "") -> None:
    """Store a value as soon as it is computed; a concatenation part by part."""
    if not isinstance(node, Concat):
        stores.setdefault(node, []).append(Store(place, value, when))
        return
    start = 0
    for part in node.parts:
        stores.setdefault(part, []).append(Store(place, value, when, (start, part.size)))
        start += part.size


def _unless_over(last: Place) -> Value:
    """The new state, or beyond its sequence's length the last one."""

    def value(pointer: Pointer, entry: str) -> str:
        over = "a.lengths && t >= ((const long *)a.lengths)[b + m]"
        return f"{over} ? load({pointer(last)} + {entry}) : {{v}}"

    return value


def _only_if(condition: str) -> Value:
    return lambda pointer, entry: f"{condition} ? {{v}} : splat(0)"


def _is_forced(k: int, sample: str) -> str:
    """Whether component k is given at step t, as an expression."""
    mask = f"((const char *)a.mask{k})[t * a.mask{k}t + {sample} * a.mask{k}b]"
    return f"(!a.mask{k} || {mask})"


def _indented(lines: object) -> list[str]:
    return [f"    {line}" for line in lines]  # pyright: ignore[reportGeneralTypeIssues]
