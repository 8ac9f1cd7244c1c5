"""The native engine against others: python benchmarks/engines.py [SECTION ...].

Every ratio is of medians from runs that alternate in one process, because machines are noisy and
shared; above 1, native is faster. A training step is the forward pass, a mean-square loss and the
backward pass to every parameter. Shapes: B batch, T time, I input size, H hidden size.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

import unrolled as ur
from handmade import Generated, Handmade, peak
from timing import Timed, milliseconds, row, table
from unrolled.engines.native import build

SHAPES = (
    (1, 100, 8, 32),
    (32, 100, 8, 32),
    (32, 200, 64, 128),
    (64, 256, 256, 256),
    (32, 128, 512, 512),
)
KINDS = {
    "LSTM": (ur.cells.LSTM, torch.nn.LSTM),
    "GRU": (ur.cells.GRU, torch.nn.GRU),
    "RNN": (ur.cells.Elman, torch.nn.RNN),
}
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


class Peephole(ur.Cell):
    """A cell that no vendor has: an LSTM whose gates see c (Gers and Schmidhuber, 2000)."""

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__(input_size, {"h": hidden_size, "c": hidden_size})
        self.both = torch.nn.Linear(input_size + hidden_size, 4 * hidden_size)
        self.peep = torch.nn.Parameter(torch.randn(3, hidden_size) / hidden_size**0.5)

    def step(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, ...]:
        i, f, g, o = self.both(torch.cat([x, h], dim=-1)).chunk(4, dim=-1)
        i, f = torch.sigmoid(i + self.peep[0] * c), torch.sigmoid(f + self.peep[1] * c)
        c = f * c + i * torch.tanh(g)
        return torch.sigmoid(o + self.peep[2] * c) * torch.tanh(c), c


def forward(cell: ur.Cell, x: torch.Tensor, engine: str = "native") -> Timed:
    def run() -> None:
        with torch.no_grad():
            ur.unroll(cell, x, engine=engine)

    return run


def step(cell: ur.Cell, x: torch.Tensor, engine: str = "native") -> Timed:
    def run() -> None:
        cell.zero_grad()
        ur.unroll(cell, x, engine=engine).outputs.square().mean().backward()

    return run


def their_step(layer: torch.nn.Module, x: torch.Tensor) -> Timed:
    """A training step of a layer of torch.nn."""

    def run() -> None:
        layer.zero_grad()
        layer(x)[0].float().square().mean().backward()

    return run


def rounds(shape: tuple[int, ...], runs: int) -> int:
    """More rounds for what takes less."""
    return runs if shape[0] * shape[1] * shape[3] > 10**6 else 10 * runs


def against_torch(runs: int) -> None:
    """torch.nn's layers: oneDNN for the LSTM, a loop in C++ for the others."""
    table("layer", "B, T, I, H", "forward ms", "torch.nn", "ratio", "step ms", "torch.nn", "ratio")
    for name, (kind, peer) in KINDS.items():
        for shape in SHAPES:
            batch, steps, inputs, hidden = shape
            cell, layer = kind(inputs, hidden), peer(inputs, hidden, batch_first=True)
            x = torch.randn(batch, steps, inputs)

            def their_forward(layer: torch.nn.Module = layer, x: torch.Tensor = x) -> None:
                with torch.no_grad():
                    layer(x)

            functions = {"f": forward(cell, x), "F": their_forward}
            functions |= {"s": step(cell, x), "S": their_step(layer, x)}
            t = milliseconds(functions, rounds(shape, runs))
            where = ", ".join(map(str, shape))
            row(name, where, t["f"], t["F"], t["F"] / t["f"], t["s"], t["S"], t["S"] / t["s"])


def in_half(runs: int) -> None:
    """Training steps with products in bfloat16: against float32, and torch.nn under autocast."""
    if not build.multiplies_in_half():
        print("\nthis machine has no instruction that multiplies bfloat16")
        return
    table("layer", "B, T, I, H", "bfloat16 ms", "float32", "ratio", "torch.nn", "ratio")
    for name, (kind, peer) in KINDS.items():
        for shape in SHAPES:
            batch, steps, inputs, hidden = shape
            cell, layer = kind(inputs, hidden), peer(inputs, hidden, batch_first=True)
            x = torch.randn(batch, steps, inputs)
            functions = {"h": _under_autocast(step(cell, x)), "s": step(cell, x)}
            functions |= {"S": _under_autocast(their_step(layer, x))}
            t = milliseconds(functions, rounds(shape, runs))
            where = ", ".join(map(str, shape))
            row(name, where, t["h"], t["s"], t["s"] / t["h"], t["S"], t["S"] / t["h"])


def _under_autocast(run: Timed) -> Timed:
    def inside() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            run()

    return inside


def against_jax(runs: int) -> None:
    """jax.jit of lax.scan of the same step, the weights its arguments."""
    try:
        import jax

        from scanned import training_step
    except ImportError:
        print("\njax is not installed: pip install unrolled[bench]")
        return
    table("layer", "B, T, I, H", "step ms", f"jax {jax.__version__}", "ratio")
    for name in ("LSTM", "GRU"):
        for shape in SHAPES:
            batch, steps, inputs, hidden = shape
            cell, x = KINDS[name][0](inputs, hidden), torch.randn(batch, steps, inputs)
            theirs = training_step(name, cell, x)
            t = milliseconds({"s": step(cell, x), "S": theirs}, rounds(shape, runs))
            row(name, ", ".join(map(str, shape)), t["s"], t["S"], t["S"] / t["s"])


def against_hand(runs: int) -> None:
    """The LSTM written by hand, handmade_lstm.cpp, against the generated kernel.

    Both are called without autograd, from weights to gradients; the one written by hand reuses
    its memory from run to run, the engine's is new each time.
    """
    table("B, T, I, H", "forward ms", "by hand", "ratio", "step ms", "by hand", "ratio")
    for shape in ((1, 100, 8, 64), (32, 100, 8, 64), *SHAPES[2:]):
        batch, steps, inputs, hidden = shape
        cell, x = ur.cells.LSTM(inputs, hidden), torch.randn(batch, steps, inputs)
        ours, hand = Generated(cell, x), Handmade(cell, x)
        functions = {"f": ours.forward, "F": hand.forward, "s": ours.step, "S": hand.step}
        t = milliseconds(functions, rounds(shape, runs))
        where = ", ".join(map(str, shape))
        row(where, t["f"], t["F"], t["F"] / t["f"], t["s"], t["S"], t["S"] / t["s"])


def against_peak(runs: int) -> None:
    """Multiply-adds a second against a loop on registers alone, which does nothing else."""
    table("layer", "B, T, I, H", "forward GFLOP/s", "peak", "share")
    for name, (kind, _) in KINDS.items():
        for shape in SHAPES[3:]:
            batch, steps, inputs, hidden = shape
            cell, x = kind(inputs, hidden), torch.randn(batch, steps, inputs)
            work = 2e-6 * batch * steps * GATES[name] * hidden * (inputs + hidden)
            loop, most = peak()
            t = milliseconds({"f": forward(cell, x), "P": loop}, 2 * runs)
            rate, limit = work / t["f"], most / t["P"]
            row(name, ", ".join(map(str, shape)), f"{rate:.0f}", f"{limit:.0f}", rate / limit)


def own_cell(runs: int) -> None:
    """A cell of one's own against the loop in Python."""
    table("peephole LSTM: B, T, I, H", "step ms", "eager", "ratio")
    for shape in SHAPES:
        batch, steps, inputs, hidden = shape
        cell, x = Peephole(inputs, hidden), torch.randn(batch, steps, inputs)
        t = milliseconds({"s": step(cell, x), "S": step(cell, x, "eager")}, runs)
        row(", ".join(map(str, shape)), t["s"], t["S"], t["S"] / t["s"])


def memory(runs: int) -> None:
    """Most memory that a process takes for one training step, beyond what it takes before."""
    table("LSTM 64, 256, 256, 256", "MB")
    for what in ("native", "native, lean", "torch.nn.LSTM"):
        command = [sys.executable, __file__, "--peak-memory-of", what]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        row(what, answer.stdout.strip())


def _peak_memory_of(what: str) -> None:
    x = torch.randn(64, 256, 256)
    if what == "torch.nn.LSTM":
        layer = torch.nn.LSTM(256, 256, batch_first=True)
        run: Callable[[torch.Tensor], torch.Tensor] = lambda x: layer(x)[0]  # noqa: E731
    else:
        cell = ur.cells.LSTM(256, 256)
        engine = ur.engines.Native(lean=what.endswith("lean"))
        run = lambda x: ur.unroll(cell, x, engine=engine).outputs  # noqa: E731
    # A small run first, so that what is loaded and built once is not counted.
    run(x[:1, :4]).square().mean().backward()
    # Linux: forget the most that was taken so far.
    Path("/proc/self/clear_refs").write_text("5")
    before = _most_memory()
    run(x).square().mean().backward()
    print(round((_most_memory() - before) / 1024))


def _most_memory() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def stream(runs: int) -> None:
    """One sequence, one step a call: what a live signal needs. Microseconds."""
    table("one step of one sequence", "native", "vendor", "eager")
    for hidden in (32, 64):
        cell, x = ur.cells.LSTM(8, hidden), torch.randn(1, 1, 8)
        engines = ("native", "vendor", "eager")
        t = milliseconds({e: forward(cell, x, e) for e in engines}, 100 * runs)
        row(f"LSTM-{hidden}", *(f"{1e3 * t[e]:.0f}" for e in engines))


def short(runs: int) -> None:
    """Few steps, which decide when "auto" asks the native engine. Microseconds."""
    engines = ("native", "vendor", "eager")
    table("cell", "B, T, I, H", *(f"{what}, {e}" for what in ("forward", "step") for e in engines))
    for kind in (ur.cells.LSTM, ur.cells.GRU, Peephole):
        for batch, hidden in ((1, 32), (32, 128)):
            for steps in (1, 2, 4, 8):
                cell, x = kind(8, hidden), torch.randn(batch, steps, 8)
                names = [e for e in engines if e != "vendor" or kind is not Peephole]
                functions = {f"f {e}": forward(cell, x, e) for e in names}
                functions |= {f"s {e}": step(cell, x, e) for e in names}
                t = milliseconds(functions, 10 * runs)
                times = [t.get(f"{w} {e}") for w in "fs" for e in engines]
                where = f"{batch}, {steps}, 8, {hidden}"
                row(kind.__name__, where, *("-" if m is None else f"{1e3 * m:.0f}" for m in times))


def building(runs: int) -> None:
    """From a cell to its first result, in seconds: a new process for each."""
    table("first training step in a process", "kernel to be built", "kernel in the cache")
    program = (
        "import time, torch, unrolled as ur; c = {cell}; x = torch.randn(2, 8, c.input_size);"
        "s = time.perf_counter(); ur.unroll(c, x, engine='native').outputs.sum().backward();"
        "print(time.perf_counter() - s)"
    )
    for cell in ("ur.cells.LSTM(8, 32)", "ur.cells.GRU(256, 256)"):
        times = []
        folder = build.cache_folder() / f"timed-{time.time_ns()}"
        for _ in range(2):
            answer = subprocess.run(
                [sys.executable, "-c", program.format(cell=cell)],
                env={**os.environ, "UNROLLED_CACHE": str(folder)},
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            times.append(float(answer.stdout))
        row(cell, *times)


SECTIONS = {
    "torch": against_torch,
    "half": in_half,
    "jax": against_jax,
    "hand": against_hand,
    "peak": against_peak,
    "own": own_cell,
    "memory": memory,
    "stream": stream,
    "short": short,
    "building": building,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; default all")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--peak-memory-of", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.peak_memory_of:
        _peak_memory_of(options.peak_memory_of)
        return
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; choose from {', '.join(SECTIONS)}")
    print(f"{platform.machine()}, {options.threads} threads, torch {torch.__version__}, float32")
    for name, section in SECTIONS.items():
        if not options.sections or name in options.sections:
            print(f"\n{name}: {section.__doc__}")
            section(options.runs)


if __name__ == "__main__":
    main()
