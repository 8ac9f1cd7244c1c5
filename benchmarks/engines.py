"""The native engine against torch.nn's layers: python benchmarks/engines.py.

Every row is a ratio of medians from runs that alternate between the two in one process, because
machines are noisy and shared. A training step is the forward pass, a mean-square loss and the
backward pass to every parameter. Shapes: B batch, T time, I input size, H hidden size.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch

import unrolled as ur

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


def medians(functions: list[Callable[[], None]], runs: int) -> list[float]:
    """Milliseconds of each function, run in turn."""
    for function in functions:
        function()
        function()
    taken: list[list[float]] = [[] for _ in functions]
    for _ in range(runs):
        for times, function in zip(taken, functions, strict=True):
            start = time.perf_counter()
            function()
            times.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(times) for times in taken]


def compare(name: str, shape: tuple[int, int, int, int], runs: int) -> str:
    """One row of the table."""
    batch, steps, inputs, hidden = shape
    kind, peer = KINDS[name]
    cell, layer = kind(inputs, hidden), peer(inputs, hidden, batch_first=True)
    x = torch.randn(batch, steps, inputs)

    def ours() -> torch.Tensor:
        return ur.unroll(cell, x, engine="native").outputs

    def theirs() -> torch.Tensor:
        return layer(x)[0]

    def forward(run: Callable[[], torch.Tensor]) -> Callable[[], None]:
        def timed() -> None:
            with torch.no_grad():
                run()

        return timed

    def step(run: Callable[[], torch.Tensor], module: torch.nn.Module) -> Callable[[], None]:
        def timed() -> None:
            module.zero_grad()
            run().square().mean().backward()

        return timed

    functions = [forward(ours), forward(theirs), step(ours, cell), step(theirs, layer)]
    a, b, c, d = medians(functions, runs)
    where = ", ".join(map(str, shape))
    return (
        f"| {name} | {where} | {a:.2f} | {b:.2f} | {b / a:.2f} | {c:.2f} | {d:.2f} | {d / c:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{platform.machine()}, {options.threads} threads, torch {torch.__version__}, float32\n")
    print("| layer | B, T, I, H | forward ms | torch | ratio | step ms | torch | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for name in KINDS:
        for shape in SHAPES:
            print(compare(name, shape, options.runs), flush=True)


if __name__ == "__main__":
    main()
