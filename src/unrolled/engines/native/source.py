"""C++ for the stages of a program.

A stage of products becomes a tile: ROWS samples x UNITS blocks of LANES entries accumulate in
registers over the entries of their vectors, and the pointwise tail runs on the registers as soon
as the sums are complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...graph.nodes import Affine, Fixed, Node, Number, Pointwise, Reduce, Slice
from .places import WIDE, Place, Store, Target
from .program import Program, Stage

VECTOR = Path(__file__).with_name("vector.h")
KERNEL = Path(__file__).with_name("kernel.h")

# How each pointwise function is written; {0}, {1}, {2} are the operands.
FUNCTIONS = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "neg": "-{0}",
    "less": "truth({0} < {1})",
    "less_equal": "truth({0} <= {1})",
    "equal": "truth({0} == {1})",
    "select": "pick({0} != 0, {1}, {2})",
    "stop": "{0}",
    "abs": "abs_({0})",
    "pow": "pow_({0}, {1})",
    "maximum": "maximum_({0}, {1})",
    "minimum": "minimum_({0}, {1})",
    "sign": "sign_({0})",
    "exp": "exp_({0})",
    "expm1": "expm1_({0})",
    "log": "log_({0})",
    "log1p": "log1p_({0})",
    "sqrt": "sqrt_({0})",
    "sin": "sin_({0})",
    "cos": "cos_({0})",
    "tanh": "tanh_({0})",
    "sigmoid": "sigmoid_({0})",
    "relu": "relu_({0})",
    "erf": "erf_({0})",
}


@dataclass(frozen=True)
class Tile:
    """The shape of a stage in registers.

    Attributes:
        rows: samples.
        units: blocks of LANES entries.
    """

    rows: int
    units: int


def tile_of(stage: Stage, target: Target) -> Tile:
    """As many sums as fit the registers, with room for weights and one broadcast."""
    if not stage.accumulators:
        return Tile(1, 1)
    sums, blocks = len(stage.accumulators), target.padded(stage.size) // target.lanes
    room = target.registers * 3 // 4
    units = max(1, min(4 // sums, blocks))
    return Tile(max(1, min(8, room // (sums * units))), units)


def phases(stage: Stage) -> list[tuple[Node, list[tuple[int, Affine]]]]:
    """The vectors that a stage multiplies, each with its columns: the sum and the product."""
    found: dict[Node, list[tuple[int, Affine]]] = {}
    for index, sum_ in enumerate(stage.accumulators):
        for product in sum_.products:
            found.setdefault(product.vector, []).append((index, product))
    return list(found.items())


class Writer:
    """Writes the stages of one program, and how one step calls them.

    Arguments:
        program: its stages.
        target: what to compile for.
        name: of the program.
        places: where values are that are read from memory.
        stores: what is written of each value.
        factors: where the factors of vectors are, if not what they lie in `places` as.
        packed: offsets of the weights and biases of stages, and of vectors, in `a.packed`.
    """

    def __init__(
        self,
        program: Program,
        target: Target,
        name: str,
        places: Mapping[Node, Place],
        stores: Mapping[Node, Sequence[Store]],
        factors: Mapping[Node, Place],
        packed: Mapping[object, int],
    ):
        self.program, self.target, self.name = program, target, name
        self.places, self.stores = places, stores
        self.factors, self.packed = factors, packed

    def stages(self) -> list[str]:
        """A function for each stage."""
        return [
            line for k, stage in enumerate(self.program.stages) for line in self._stage(k, stage)
        ]

    def calls(self) -> list[str]:
        """One step: all stages, for all samples of the thread."""
        lines, missing = [], set(self.factors)
        for k, stage in enumerate(self.program.stages):
            read = [vector for vector, _ in phases(stage) if vector in missing]
            missing -= set(read)
            if read:
                lines += [*map(self._pack, read), "a.wait();"]
            lines += [*self._calls(k, stage), "a.wait();"]
        return lines

    def _pack(self, vector: Node) -> str:
        """Make the factors of a vector, for all samples of the thread."""
        row, factors = self.places[vector].pointer, self.factors[vector].pointer
        blocks = self.target.padded(vector.size) // self.target.lanes
        part = f"a.from({blocks}), a.to({blocks})"
        call = f"pack_row({row}, {vector.size}, {factors}, {part});"
        return f"for (long b = a.first; b < a.last; b++) {call}"

    # One stage

    def _stage(self, k: int, stage: Stage) -> list[str]:
        return _Body(self, k, stage).lines()

    def _calls(self, k: int, stage: Stage) -> list[str]:
        tile = tile_of(stage, self.target)
        blocks = self.target.padded(stage.size) // self.target.lanes
        if not stage.accumulators:
            # No weights to keep at hand: along the row, as it lies in memory.
            return [
                "for (long b = a.first; b < a.last; b++)",
                f"    for (int p = a.from({blocks}); p < a.to({blocks}); p++)"
                f" {self.name}_{k}<1, 1>(a, t, b, p);",
            ]
        whole, rest = divmod(blocks, tile.units)
        lines = []
        if whole:
            lines += [
                f"for (int p = a.from({whole}); p < a.to({whole}); p++)",
                f"    by_rows_{self.name}_{k}<{tile.units}>(a, t, p);",
            ]
        if rest:
            lines.append(f"if (a.is_last()) by_rows_{self.name}_{k}<{rest}>(a, t, {whole});")
        return lines


class _Body:
    """The text of one stage."""

    def __init__(self, writer: Writer, k: int, stage: Stage):
        self.writer, self.stage = writer, stage
        self.name, self.tile = f"{writer.name}_{k}", tile_of(stage, writer.target)
        self.index = k
        self.known: dict[Node, str] = {}
        # Addresses of sample b, worked out once for the tile.
        self.pointers: dict[Place, str] = {}

    def lines(self) -> list[str]:
        products = self._products() if self.stage.accumulators else []
        tail = self._tail()
        lines = [
            f"// Stage {self.index} of {self.writer.name}: vectors of {self.stage.size}.",
            "template <int ROWS, int UNITS>",
            f"INLINE void {self.name}(const Memory &a, long t, long b, int p) {{",
            *(f"    REAL *const {n} = {p.pointer};" for p, n in self.pointers.items()),
            *(f"    {line}" for line in products),
            "    FOR(m, ROWS) FOR(u, UNITS) {",
            f"        const int j = (p * {self.tile.units} + u) * LANES;",
            *(f"        {line}" for line in tail),
            "    }",
            "}",
        ]
        return [*lines, *self._by_rows()] if self.stage.accumulators else lines

    def _by_rows(self) -> list[str]:
        """All samples of the thread in tiles of nearly equal height."""
        most = self.tile.rows
        # A tile of fewer rows than these is rare, and is made of smaller ones.
        sizes = [n for n in range(most, 0, -1) if 2 * n >= most or n <= 2]
        cases = [f"case {n}: {self.name}<{n}, UNITS>(a, t, b, p); break;" for n in sizes]
        return [
            "template <int UNITS>",
            f"static void by_rows_{self.name}(const Memory &a, long t, int p) {{",
            f"    const int rows = a.last - a.first, tiles = (rows + {most - 1}) / {most};",
            "    const int height = rows / tiles, higher = rows % tiles;",
            "    long b = a.first;",
            "    for (int i = 0; i < tiles; i++) {",
            "        const int n = height + (i < higher);",
            "        switch (n) {",
            *(f"            {case}" for case in cases),
            f"            default: for (int m = 0; m < n; m++) {self.name}<1, UNITS>"
            "(a, t, b + m, p);",
            "        }",
            "        b += n;",
            "    }",
            "}",
        ]

    def _pointer(self, place: Place) -> str:
        """The address of sample b + m's row."""
        name = self.pointers.setdefault(place, f"r{len(self.pointers)}_{place.array}")
        return f"{name} + m * {place.batch}"

    def _packed(self, key: object) -> str:
        return f"a.packed + {self.writer.packed[key]}"

    def _products(self) -> list[str]:
        sums, units = len(self.stage.accumulators), self.tile.units
        depth = self.writer.target.depth
        panel = sum(depth(vector.size) * len(columns) for vector, columns in phases(self.stage))
        row = self.writer.target.padded(self.stage.size)
        lines = [
            f"V acc[ROWS][{sums}][UNITS];",
            f"const REAL *w = {self._packed((self.index, 'w'))}"
            f" + (long)p * {panel * units} * LANES;",
            f"EACH(g, {sums}) EACH(u, UNITS) {{",
            f"    const V bias = load({self._packed((self.index, 'b'))} + g * {row}"
            f" + (p * {units} + u) * LANES);",
            "    EACH(m, ROWS) acc[m][g][u] = bias;",
            "}",
        ]
        for vector, columns in phases(self.stage):
            lines += self._phase(vector, columns)
        # From registers to where the loop below can index them.
        index = "[m][g][u]"
        lines += [
            f"V sum[ROWS][{sums}][UNITS];",
            f"EACH(m, ROWS) EACH(g, {sums}) EACH(u, UNITS) sum{index} = acc{index};",
        ]
        return lines

    def _phase(self, vector: Node, columns: Sequence[tuple[int, Affine]]) -> list[str]:
        writer, count = self.writer, len(columns)
        row = self._pointer(writer.factors.get(vector) or writer.places[vector])
        adds = "".join(
            f" acc[m][{index}][u] = multiply_add(r, v[{c}][u], acc[m][{index}][u]);"
            for c, (index, _) in enumerate(columns)
        )
        return [
            f"for (int k = 0; k < {writer.target.depth(vector.size)}; k++) {{",
            f"    F v[{count}][UNITS];",
            f"    EACH(c, {count}) EACH(u, UNITS)",
            "        v[c][u] = load_factors(w + (c * UNITS + u) * LANES);",
            f"    EACH(m, ROWS) {{ const F r = spread({row} + k); EACH(u, UNITS) {{{adds} }} }}",
            f"    w += {count} * UNITS * LANES;",
            "}",
        ]

    def _tail(self) -> list[str]:
        lines: list[str] = []
        sums = {sum_.node: (k, sum_) for k, sum_ in enumerate(self.stage.accumulators)}
        for node in self.stage.values:
            if node in sums:
                index, sum_ = sums[node]
                others = [self._operand(other, lines) for other in sum_.others]
                formula = " + ".join([f"sum[m][{index}][u]", *others])
            else:
                formula = self._formula(node, lines)
            self.known[node] = name = f"v{node.serial}"
            lines.append(f"const V {name} = {formula};")
            lines += [self._store(store, name) for store in self.writer.stores.get(node, ())]
        return lines

    def _store(self, store: Store, name: str) -> str:
        to, entry = self._pointer(store.place), "j"
        if store.part:
            entry = f"{store.part[0]} + j"
        value = store.value(self._pointer, entry).format(v=name)
        call = f"store({to} + {entry}, {value});"
        if store.part:
            call = f"store_some({to} + {entry}, {value}, {store.part[1]} - j);"
        return f"if ({store.when}) {call}" if store.when else call

    def _formula(self, node: Node, lines: list[str]) -> str:
        match node:
            case Pointwise():
                operands = [self._operand(operand, lines) for operand in node.operands]
                return FUNCTIONS[node.function.name].format(*operands)
            case Slice():
                row = self._pointer(self.writer.places[node.vector])
                return f"load({row} + {node.start} + j)"
            case Reduce():
                row = self._pointer(self.writer.places[node.vector])
                return f"splat({node.kind}_of({row}, {node.vector.size}))"
        raise TypeError(f"no code for {node!r}")

    def _operand(self, node: Node, lines: list[str]) -> str:
        if isinstance(node, Number):
            return f"splat({literal(node.value)})"
        if node not in self.known:
            self.known[node] = f"v{node.serial}"
            lines.append(f"const V v{node.serial} = {self._loaded(node)};")
        return self.known[node]

    def _loaded(self, node: Node) -> str:
        if isinstance(node, Fixed):
            array = self._packed(node)
            return f"splat(*({array}))" if node.size == 1 else f"load({array} + j)"
        row = self._pointer(self.writer.places[node])
        if node.size == 1 and self.stage.size > 1:
            return f"splat(*({row}))"
        return f"load({row} + j)"


def literal(value: float) -> str:
    """A number as C++ writes it, in the precision of the kernel."""
    special = {float("inf"): "__builtin_inf()", float("-inf"): "-__builtin_inf()"}
    if value != value:
        return '(REAL)__builtin_nan("")'
    return f"(REAL){special.get(value, repr(value))}"


def preamble(target: Target) -> str:
    """The definitions that every kernel starts with."""
    double = target.real == "double"
    return "\n".join(
        [
            f"#define REAL {target.real}",
            f"#define INT {'long long' if double else 'int'}",
            f"#define LANES {target.lanes}",
            f"#define DOUBLE {int(double)}",
            f"#define HALF {int(target.half)}",
            f"enum {{ BLOCK = {target.block}, HIGH = {target.high}, WIDE = {WIDE} }};",
            VECTOR.read_text(),
            KERNEL.read_text(),
        ]
    )
