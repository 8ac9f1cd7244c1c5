"""C++ for a program: one function that runs all time steps of a batch.

A stage of products becomes a tile: ROWS samples x UNITS blocks of LANES entries accumulate in
registers over the entries of their vectors, and the pointwise tail runs on the registers as soon
as the sums are complete. Threads split the batch, so that none waits for another between steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...graph.nodes import Affine, Concat, Fixed, Node, Number, Pointwise, Reduce, Slice
from .program import Accumulator, Program, Stage

VECTOR = Path(__file__).with_name("vector.h")
GRADIENT = Path(__file__).with_name("gradient.h")

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
class Target:
    """What the code is compiled for.

    Attributes:
        real: "float" or "double".
        lanes: numbers in a vector register.
        registers: vector registers.
    """

    real: str
    lanes: int
    registers: int

    def padded(self, size: int) -> int:
        """A row's length in memory, a whole number of vectors."""
        return -(-size // self.lanes) * self.lanes


@dataclass(frozen=True)
class Place:
    """Where a value lies in memory.

    Attributes:
        array: name of the array.
        row: the row of sample b + m at step t, as an expression.
        offset: of the value in the row.
        padded: whether whole vectors may be written there.
    """

    array: str
    row: str
    offset: int = 0
    padded: bool = True

    def pointer(self, entry: str = "") -> str:
        parts = [f"a.{self.array}", self.row, str(self.offset) if self.offset else "", entry]
        return " + ".join(part for part in parts if part)


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
    sums = max(1, len(stage.accumulators))
    room = target.registers * 3 // 4
    blocks = target.padded(stage.size) // target.lanes
    units = max(1, min(4 // sums, blocks)) if stage.accumulators else 1
    rows = max(1, min(6 if sums * units >= 4 else 12, room // (sums * units)))
    return Tile(rows if stage.accumulators else 1, units)


def phases(stage: Stage) -> list[tuple[Node, list[tuple[int, Affine]]]]:
    """The vectors that a stage multiplies, each with its columns: the sum and the product."""
    found: dict[Node, list[tuple[int, Affine]]] = {}
    for index, sum_ in enumerate(stage.accumulators):
        for product in sum_.products:
            found.setdefault(product.vector, []).append((index, product))
    return list(found.items())


class Writer:
    """Writes the stages of one program, and the loop over time around them."""

    def __init__(
        self,
        program: Program,
        target: Target,
        name: str,
        places: Mapping[Node, Place],
        stores: Mapping[Node, Sequence[str]],
        backward: bool = False,
    ):
        self.program, self.target, self.name = program, target, name
        self.places, self.stores, self.backward = places, stores, backward
        # What is done before the stages of each step.
        self.prelude: Sequence[str] = ()

    def text(self) -> str:
        stages = [self._stage(k, stage) for k, stage in enumerate(self.program.stages)]
        return "\n".join([*stages, self._loop()])

    # One stage

    def _stage(self, k: int, stage: Stage) -> str:
        tile = tile_of(stage, self.target)
        body = [
            f"// Stage {k} of {self.name}: vectors of {stage.size}.",
            "template <int ROWS, int UNITS>",
            f"INLINE void {self.name}_{k}(const Memory &a, long t, long b, int p) {{",
        ]
        if stage.accumulators:
            body += self._products(k, stage, tile)
        body += [
            "    for (int m = 0; m < ROWS; m++) for (int u = 0; u < UNITS; u++) {",
            f"        const int j = (p * {tile.units} + u) * LANES;",
            *(f"        {line}" for line in self._tail(stage)),
            "    }",
            "}",
        ]
        return "\n".join(body)

    def _products(self, k: int, stage: Stage, tile: Tile) -> list[str]:
        sums, per_unit = len(stage.accumulators), self._panel(stage)
        lines = [
            f"    V acc[ROWS][{sums}][UNITS];",
            f"    const REAL *w = a.{self.name}_w{k} + (long)p * {per_unit * tile.units} * LANES;",
            f"    for (int m = 0; m < ROWS; m++) for (int g = 0; g < {sums}; g++)"
            " for (int u = 0; u < UNITS; u++)",
            f"        acc[m][g][u] = load(a.{self.name}_b{k} + g * {self.target.padded(stage.size)}"
            f" + (p * {tile.units} + u) * LANES);",
        ]
        for vector, columns in phases(stage):
            lines += self._phase(vector, columns)
        return lines

    def _phase(self, vector: Node, columns: Sequence[tuple[int, Affine]]) -> list[str]:
        count = len(columns)
        adds = "".join(
            f" acc[m][{index}][u] += r * v[{c}][u];" for c, (index, _) in enumerate(columns)
        )
        return [
            "    {",
            "        const REAL *rows[ROWS];",
            f"        for (int m = 0; m < ROWS; m++) rows[m] = {self.places[vector].pointer()};",
            f"        for (int k = 0; k < {vector.size}; k++, w += {count} * UNITS * LANES) {{",
            f"            V v[{count}][UNITS];",
            f"            for (int c = 0; c < {count}; c++) for (int u = 0; u < UNITS; u++)"
            " v[c][u] = load(w + (c * UNITS + u) * LANES);",
            "            for (int m = 0; m < ROWS; m++) { V r = splat(rows[m][k]);"
            f" for (int u = 0; u < UNITS; u++) {{{adds} }} }}",
            "        }",
            "    }",
        ]

    def _panel(self, stage: Stage) -> int:
        """Weights for each block of LANES entries of a stage."""
        return sum(vector.size * len(columns) for vector, columns in phases(stage))

    def _tail(self, stage: Stage) -> list[str]:
        known: dict[Node, str] = {}
        lines: list[str] = []
        sums = {sum_.node: (index, sum_) for index, sum_ in enumerate(stage.accumulators)}
        for node in stage.values:
            if node in sums:
                index, sum_ = sums[node]
                formula = self._sum(index, sum_, known, lines, stage)
            else:
                formula = self._formula(node, known, lines, stage)
            known[node] = f"v{node.serial}"
            lines.append(f"V v{node.serial} = {formula};")
            lines += [store.format(v=f"v{node.serial}") for store in self.stores.get(node, ())]
        return lines

    def _sum(
        self, index: int, sum_: Accumulator, known: dict[Node, str], lines: list[str], stage: Stage
    ) -> str:
        others = [self._operand(other, known, lines, stage) for other in sum_.others]
        return " + ".join([f"acc[m][{index}][u]", *others])

    def _formula(self, node: Node, known: dict[Node, str], lines: list[str], stage: Stage) -> str:
        match node:
            case Pointwise():
                operands = [self._operand(o, known, lines, stage) for o in node.operands]
                return FUNCTIONS[node.function.name].format(*operands)
            case Slice():
                place = self.places[node.vector]
                return f"load({place.pointer(f'{node.start} + j')})"
            case Reduce():
                pointer = self.places[node.vector].pointer()
                return f"splat({node.kind}_of({pointer}, {node.vector.size}))"
        raise TypeError(f"no code for {node!r}")

    def _operand(self, node: Node, known: dict[Node, str], lines: list[str], stage: Stage) -> str:
        if isinstance(node, Number):
            return f"splat({literal(node.value)})"
        if node not in known:
            known[node] = f"v{node.serial}"
            lines.append(f"V v{node.serial} = {self._loaded(node, stage)};")
        return known[node]

    def _loaded(self, node: Node, stage: Stage) -> str:
        if isinstance(node, Fixed):
            array = f"a.f{node.serial}"
            return f"splat({array}[0])" if node.size == 1 else f"load({array} + j)"
        place = self.places[node]
        if node.size == 1 and stage.size > 1:
            return f"splat(*({place.pointer()}))"
        return f"load({place.pointer('j')})"

    # The loop over time

    def _loop(self) -> str:
        step = (
            "for (long t = a.T - 1; t >= 0; t--)"
            if self.backward
            else ("for (long t = 0; t < a.T; t++)")
        )
        lines = [
            f'extern "C" void {self.name}(const Memory *memory) {{',
            "    const Memory a = *memory;",
            "    // Threads split the batch: inside the loop over time nobody waits for anybody.",
            "    #pragma omp parallel for num_threads(a.threads) schedule(static, 1)",
            "    for (long s = 0; s < a.threads; s++) {",
            "        const long first = a.B * s / a.threads, last = a.B * (s + 1) / a.threads;",
            f"        {step} {{",
            *(f"            {line}" for line in self.prelude),
        ]
        for k, stage in enumerate(self.program.stages):
            lines += [f"            {line}" for line in self._calls(k, stage)]
        return "\n".join([*lines, "        }", "    }", "}"])

    def _calls(self, k: int, stage: Stage) -> list[str]:
        tile = tile_of(stage, self.target)
        blocks = self.target.padded(stage.size) // self.target.lanes
        if not stage.accumulators:
            # No weights to keep at hand: along the row, as it lies in memory.
            call = f"{self.name}_{k}<1, 1>(a, t, b, p);"
            return [
                f"for (long b = first; b < last; b++) for (int p = 0; p < {blocks}; p++) {call}"
            ]
        whole, rest = divmod(blocks, tile.units)
        lines = []
        if whole:
            lines.append(f"for (int p = 0; p < {whole}; p++) {{")
            lines += self._rows(k, tile.rows, tile.units)
            lines.append("}")
        if rest:
            lines.append(f"{{ const int p = {whole};")
            lines += self._rows(k, tile.rows, rest)
            lines.append("}")
        return lines

    def _rows(self, k: int, rows: int, units: int) -> list[str]:
        """All samples of the thread, in tiles of `rows`, then in smaller ones."""
        lines = ["    long b = first;"]
        for count in (rows, *(n for n in (3, 1) if n < rows)):
            call = f"{self.name}_{k}<{count}, {units}>(a, t, b, p);"
            lines.append(f"    for (; b + {count} <= last; b += {count}) {call}")
        return lines


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
            VECTOR.read_text(),
            GRADIENT.read_text(),
        ]
    )


__all__ = ["Concat", "Place", "Target", "Tile", "Writer", "literal", "phases", "preamble"]
