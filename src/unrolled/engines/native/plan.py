"""What a kernel of one graph keeps in memory, and its source.

Every array of samples has rows padded to whole vectors; those of all steps are time-major,
[T, B, row], so that one step reads and writes one stretch of memory.

Shapes: B batch, T time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from ...graph import Graph
from ...graph.derivative import Derivative, Outer
from ...graph.nodes import Affine, Concat, Fixed, Input, Node, Pointwise
from .program import Explicit, Program, program
from .source import Place, Target, Writer, preamble
from .window import Window, window_of

Stores = dict[Node, list[str]]
Value = Callable[[str], str]


@dataclass
class Plan:
    """A graph's forward and backward programs, with a place for every value.

    Attributes:
        graph: of the step.
        target: what to compile for.
        forced: numbers of the state components that given values replace before a step.
        wants_x: whether the backward pass gives the gradient of x.
    """

    graph: Graph
    target: Target
    forced: frozenset[int] = frozenset()
    wants_x: bool = True

    @cached_property
    def step(self) -> Graph:
        """The graph with every result computed by some stage."""
        explicit = Explicit(self.graph.inputs)
        outputs = {name: explicit.result(node) for name, node in self.graph.outputs.items()}
        return replace(self.graph, outputs=outputs)

    @cached_property
    def derivative(self) -> Derivative:
        return self.step.derivative()

    @cached_property
    def x(self) -> Input:
        return self.graph.inputs[0]

    @cached_property
    def states(self) -> list[Input]:
        return list(self.graph.inputs[1:])

    @cached_property
    def new(self) -> list[Node]:
        """The new state, in the order of `states`."""
        return [self.step.outputs[node.name] for node in self.states]

    @cached_property
    def saved(self) -> list[Node]:
        """What the forward pass keeps of every step, beside x and the states."""
        at_hand = {*self.graph.inputs, *self.new}
        return [
            node
            for node in self.derivative.saved
            if node not in at_hand and not _is_cheap(node, at_hand)
        ]

    @cached_property
    def explicit(self) -> Explicit:
        """Rewrites the values of the derivative."""
        return Explicit([*self.kept, *self.derivative.inputs])

    @cached_property
    def gradients(self) -> list[Node]:
        """The gradients of the old state, and then of x if it is wanted."""
        of_x, *of_state = self.derivative.outputs.values()
        wanted = [*of_state, of_x] if self.wants_x else of_state
        return [self.explicit.result(node) for node in wanted]

    @cached_property
    def terms(self) -> dict[Fixed, tuple[object, ...]]:
        return dict(self.derivative.deferred)

    @cached_property
    def adjoints(self) -> dict[Node, int]:
        """The vectors of all steps that make the gradients of parameters, with their offsets."""
        offsets: dict[Node, int] = {}
        for terms in self.terms.values():
            for term in terms:
                for node in map(self.explicit.result, self._vectors(term)):
                    if node not in offsets:
                        offsets[node] = sum(self.target.padded(n.size) for n in offsets)
        return offsets

    @cached_property
    def adjoint_row(self) -> int:
        return sum(self.target.padded(node.size) for node in self.adjoints)

    def _vectors(self, term: object) -> Iterable[Node]:
        if isinstance(term, Outer):
            yield term.left
            if term.right not in self.kept:
                yield term.right
        else:
            yield term.vector  # pyright: ignore[reportAttributeAccessIssue]

    @cached_property
    def kept(self) -> dict[Node, Place]:
        """Where the backward pass finds what the forward pass left."""
        places: dict[Node, Place] = {self.x: Place("x", "t * a.xt + (b + m) * a.xb")}
        for k, (old, new) in enumerate(zip(self.states, self.new, strict=True)):
            array = f"p{k}" if k in self.forced else f"s{k}"
            places[old] = Place(array, self._row("t", old.size))
            places.setdefault(new, Place(f"s{k}", self._row("(t + 1)", old.size)))
        for node in self.saved:
            places[node] = Place(f"k{node.serial}", self._row("t", node.size))
        return places

    def _row(self, time: str, size: int) -> str:
        return f"({time} * a.B + b + m) * {self.target.padded(size)}"

    def _scratch(self, node: Node) -> Place:
        return Place(f"z{node.serial}", f"(b + m) * {self.target.padded(node.size)}")

    # Programs

    @cached_property
    def forward(self) -> Program:
        return program([*self.new, *self.saved], self.graph.inputs)

    @cached_property
    def backward(self) -> Program:
        leaves = [*self.kept, *self.derivative.inputs[len(self.graph.inputs) :]]
        return program([*self.gradients, *self.adjoints], leaves)

    @cached_property
    def fixed(self) -> list[Fixed]:
        """The vectors and numbers that pointwise functions read."""
        found: dict[Fixed, None] = {}
        for part in (self.forward, self.backward):
            for stage in part.stages:
                sums = {sum_.node: sum_.others for sum_ in stage.accumulators}
                for node in stage.values:
                    read = sums.get(node, () if isinstance(node, Affine) else node.args)
                    found |= {operand: None for operand in read if isinstance(operand, Fixed)}
        return list(found)

    @cached_property
    def windows(self) -> dict[Fixed, Window]:
        """Every fixed value that the programs read, as a part of its base."""
        read = [*self.fixed, *self.terms]
        for part in (self.forward, self.backward):
            for product in part.products:
                read += [product.matrix, *([product.bias] if product.bias else [])]
        return {node: window_of(node) for node in read}

    @cached_property
    def bases(self) -> list[Fixed]:
        """The tensors that the kernel reads and gives gradients of."""
        return list(dict.fromkeys(window.base for window in self.windows.values()))

    @cached_property
    def copies_x(self) -> bool:
        """Whether x is read by whole vectors, so that its rows must be padded."""
        nodes = [n for p in (self.forward, self.backward) for s in p.stages for n in s.values]
        return any(not isinstance(n, Affine) and self.x in n.args for n in nodes)

    # Source

    @cached_property
    def forward_source(self) -> str:
        """C++ of the forward pass, with what both passes share."""
        writer = Writer(self.forward, self.target, "forward", *self._forward_memory())
        writer.prelude = [line for k in sorted(self.forced) for line in self._force(k)]
        return "\n".join([preamble(self.target), self._struct(), writer.text()])

    @cached_property
    def backward_source(self) -> str:
        """C++ of the backward pass."""
        writer = Writer(self.backward, self.target, "backward", *self._backward_memory(), True)
        return "\n".join([preamble(self.target), self._struct(), writer.text()])

    def _force(self, k: int) -> list[str]:
        """The state component as the step reads it: given, or the one before."""
        size, width = self.states[k].size, self.target.padded(self.states[k].size)
        row = f"(t * a.B + b) * {width} + j"
        given = f"load_some(a.i{k} + t * a.i{k}t + b * a.i{k}b + j, {size} - j)"
        return [
            f"for (long b = first; b < last; b++) for (int j = 0; j < {size}; j += LANES)",
            f"    store(a.p{k} + {row}, {_is_forced(k, 'b')} ? {given} : load(a.s{k} + {row}));",
        ]

    def _struct(self) -> str:
        pointers = "".join(f"    REAL *{name};\n" for name in self.pointers)
        numbers = "".join(f"    long {name};\n" for name in self.numbers)
        return f"struct Memory {{\n{pointers}{numbers}}};\n"

    @cached_property
    def pointers(self) -> list[str]:
        """The arrays of the kernel, in the order of its memory structure."""
        states = [f"{letter}{k}" for k in range(len(self.states)) for letter in "sgd"]
        states += [f"{letter}{k}" for k in sorted(self.forced) for letter in "pie"]
        stages = [
            f"{name}_{letter}{k}"
            for name, part in (("forward", self.forward), ("backward", self.backward))
            for k, stage in enumerate(part.stages)
            if stage.accumulators
            for letter in "wb"
        ]
        kept = [f"k{node.serial}" for node in self.saved]
        scratch = [f"z{node.serial}" for node in self.scratch]
        fixed = [f"f{node.serial}" for node in self.fixed]
        return ["x", "dx", "adjoint", *states, *kept, *scratch, *fixed, *stages]

    @cached_property
    def numbers(self) -> list[str]:
        strides = [f"d{k}{axis}" for k in range(len(self.states)) for axis in "tb"]
        for k in sorted(self.forced):
            strides += [f"{letter}{k}{axis}" for letter in "im" for axis in "tb"] + [f"m{k}"]
        return ["T", "B", "xt", "xb", *strides, "lengths", "threads"]

    @cached_property
    def scratch(self) -> list[Node]:
        """Values that live for one step."""
        forward = _scratch(self.forward, self.kept)
        backward = _scratch(self.backward, {*self.kept, *self.adjoints})
        return list(dict.fromkeys([*forward, *backward]))

    def _forward_memory(self) -> tuple[dict[Node, Place], Stores]:
        places = {node: self._scratch(node) for node in self.scratch} | self.kept
        stores: Stores = {}
        for k, (old, new) in enumerate(zip(self.states, self.new, strict=True)):
            last = Place(f"s{k}", self._row("t", old.size))
            _put(stores, new, Place(f"s{k}", self._row("(t + 1)", old.size)), _unless_over(last))
        for node in self.saved:
            # Where no gradient will be asked for, nothing is kept.
            _put(stores, node, self.kept[node], when=f"a.k{node.serial}")
        self._store_scratch(self.forward, self.kept, stores)
        return places, stores

    def _backward_memory(self) -> tuple[dict[Node, Place], Stores]:
        places = {node: self._scratch(node) for node in self.scratch} | self.kept
        stores: Stores = {}
        for node, offset in self.adjoints.items():
            place = Place("adjoint", f"(t * a.B + b + m) * {self.adjoint_row}", offset)
            _put(stores, node, place)
            if node not in self.kept:
                places[node] = place
        incoming = {node.name: node for node in self.derivative.inputs}
        for k, state in enumerate(self.states):
            width = self.target.padded(state.size)
            now = Place(f"g{k}", f"((t & 1) * a.B + b + m) * {width}")
            before = Place(f"g{k}", f"(((t + 1) & 1) * a.B + b + m) * {width}")
            places[incoming[f"grad_{state.name}'"]] = now
            gradient = self.gradients[k]
            if k in self.forced:
                kept = Place(f"e{k}", self._row("t", state.size))
                _put(stores, gradient, kept, _only_if(_is_forced(k, "(b + m)")), f"a.e{k}")
            _put(stores, gradient, before, self._carried(k))
        if self.wants_x:
            _put(stores, self.gradients[-1], Place("dx", self._row("t", self.x.size)))
        self._store_scratch(self.backward, {*self.kept, *self.adjoints}, stores)
        return places, stores

    def _carried(self, k: int) -> Value:
        """What step t hands to the step before: its gradient, and that of the loss there."""
        size, forced = self.states[k].size, k in self.forced
        passed = f"({_is_forced(k, '(b + m)')} ? splat(0) : {{v}})" if forced else "{v}"

        def value(entry: str) -> str:
            given = f"a.d{k} + (t - 1) * a.d{k}t + (b + m) * a.d{k}b + {entry}"
            added = f"load_some({given}, {size} - ({entry}))"
            return f"{passed} + (t > 0 && a.d{k} ? {added} : splat(0))"

        return value

    def _store_scratch(self, part: Program, given: Collection[Node], stores: Stores) -> None:
        for node in _scratch(part, given):
            _put(stores, node, self._scratch(node))


def _put(
    stores: Stores, node: Node, place: Place, value: Value | None = None, when: str = ""
) -> None:
    """Store a value at a place as soon as it is computed; a concatenation part by part.

    Arguments:
        value: what is stored, as a function of the entry; default the value itself.
        when: a condition.
    """
    value = value or (lambda entry: "{v}")
    condition = f"if ({when}) " if when else ""
    if not isinstance(node, Concat):
        text = f"{condition}store({place.pointer('j')}, {value('j')});"
        stores.setdefault(node, []).append(text)
        return
    start = 0
    for part in node.parts:
        entry = f"{start} + j"
        text = f"store_some({place.pointer(entry)}, {value(entry)}, {part.size} - j);"
        stores.setdefault(part, []).append(condition + text)
        start += part.size


def _unless_over(last: Place) -> Value:
    """The new state, or beyond its sequence's length the last one."""

    def value(entry: str) -> str:
        over = "a.lengths && t >= ((const long *)a.lengths)[b + m]"
        return f"{over} ? load({last.pointer(entry)}) : {{v}}"

    return value


def _only_if(condition: str) -> Value:
    return lambda entry: f"{condition} ? {{v}} : splat(0)"


def _scratch(part: Program, given: Collection[Node]) -> list[Node]:
    """What a program stores and no place is given for."""
    stored = [node for stage in part.stages for node in stage.stored if node not in given]
    read = _read_again(part)
    # A result that goes to a place of its own and is not read again needs no other.
    kept = [node for node in stored if node not in part.targets or node in read]
    joined = [c for c in part.concatenations if c not in given]
    return [*kept, *(c for c in joined if c not in part.targets or c in read)]


def _read_again(part: Program) -> set[Node]:
    """What the stages read from memory."""
    read: set[Node] = set()
    for stage in part.stages:
        for sum_ in stage.accumulators:
            read |= {*sum_.others, *(product.vector for product in sum_.products)}
        for value in stage.values:
            read |= set(value.args)
    return read


def _is_forced(k: int, sample: str) -> str:
    """Whether component k is given at step t, as an expression."""
    mask = f"((const char *)a.m{k})[t * a.m{k}t + {sample} * a.m{k}b]"
    return f"(!a.m{k} || {mask})"


def _is_cheap(node: Node, at_hand: set[Node]) -> bool:
    """Whether a value is one function of what is kept anyway, cheaper made again than stored."""
    return isinstance(node, Pointwise) and all(operand in at_hand for operand in node.operands)
